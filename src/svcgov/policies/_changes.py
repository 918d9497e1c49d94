"""One change at a time: two that put another machine in the place of one would each carry over what it has counted.

Rule: nothing of the user's is called meanwhile.
"""

from __future__ import annotations

from _thread import RLock

from .._core._fork import after_fork

_lock = RLock()


def one_change() -> RLock:
    """A lock to hold while a machine in use is changed."""
    return _lock


@after_fork
def _renewed() -> None:
    global _lock  # noqa: PLW0603  # the module has one
    _lock = RLock()
