"""A plugin of pytest, for mutmut only: the frames that it puts around each function are counted as the package's own.

Some functions say what code outside of the package called them. Without this, that would always be mutmut. And what notices a
mutant need not be made small before it is told: examples are only generated.
"""

from __future__ import annotations

from importlib import import_module

from hypothesis import Phase, settings

vars(import_module("mutmut.mutation.trampoline"))["__name__"] = "svcgov.trampoline"  # as frames are asked for their module


def pytest_sessionstart() -> None:
    """The tests have set their profile by now; their modules come later."""
    settings.register_profile("mutation", settings.get_profile("svcgov"), phases=[Phase.explicit, Phase.generate])
    settings.load_profile("mutation")
