"""A plugin of pytest, for mutmut only: the frames that it puts around each function are counted as the package's own.

Some functions say what code outside of the package called them. Without this, that would always be mutmut.
"""

from __future__ import annotations

from importlib import import_module

vars(import_module("mutmut.mutation.trampoline"))["__name__"] = "svcgov.trampoline"  # as frames are asked for their module
