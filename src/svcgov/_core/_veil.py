"""Import a module while optional packages are hidden from it.

A module may import an optional dependency whenever it is installed, which a cold start then pays for. Behind the veil
that import fails as if the package were not there; ``sys.modules`` is never touched, so nothing has to be put back and
another thread that imports the same package at that moment is not disturbed.
"""

from __future__ import annotations

import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


class Veil:
    """A finder that stands before all others: to one thread, the named packages are not there."""

    __slots__ = ("_names", "_thread")

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names
        self._thread = get_ident()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Refuse a hidden name; leave every other to the finders behind."""
        if name in self._names and get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is left for later", name=name)


def import_without(module: str, *optional: str) -> tuple[ModuleType, tuple[str, ...]]:
    """Import *module* with the *optional* packages hidden; return it, and the names that were.

    A package that is loaded already costs nothing, so it is not hidden; nor is anything when *module* itself is loaded.
    """
    found = sys.modules.get(module)
    hidden = () if found is not None else tuple(name for name in optional if name not in sys.modules)
    veil, before = Veil(hidden), sys.meta_path
    sys.meta_path = during = [veil, *before]  # a new list: a thread that walks the old one must not skip a finder
    try:
        __import__(module)
    finally:
        if sys.meta_path is during and during[1:] == before:
            sys.meta_path = before
        else:
            sys.meta_path = [finder for finder in sys.meta_path if finder is not veil]
    return sys.modules[module], hidden
