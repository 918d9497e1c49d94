"""A plugin of pytest, for mutmut only: the frames that it puts around each function are counted as the package's own.

Some functions say what code outside of the package called them. Without this, that would always be mutmut. And what notices a
mutant need not be made small before it is told: examples are only generated.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import FunctionType
from typing import Any

from hypothesis import Phase, settings

from svcgov._core import _report

vars(import_module("mutmut.mutation.trampoline"))["__name__"] = "svcgov.trampoline"  # as frames are asked for their module


def pytest_sessionstart() -> None:
    """The tests have set their profile by now; their modules come later."""
    settings.register_profile("mutation", settings.get_profile("svcgov"), phases=[Phase.explicit, Phase.generate])
    settings.load_profile("mutation")
    counts: Any = _report.outside  # the frames above itself: two are of its own trampoline, and one is that of `_fewer`
    if counts.__code__ is _fewer.__code__:
        return  # mutmut runs pytest several times in one process
    fewer = FunctionType(_fewer.__code__, {"__name__": "svcgov.trampoline", "counts": counts})
    for module in list(sys.modules.values()):
        if getattr(module, "outside", None) is counts:
            vars(module)["outside"] = fewer


def _fewer() -> int:
    return counts() - 3  # type: ignore[name-defined,no-any-return]  # noqa: F821  # that of the globals that it is given
