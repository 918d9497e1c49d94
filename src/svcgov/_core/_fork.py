"""A process that has been forked is a new one: what its parent's other threads held is held by nobody in it.

Rule 1: a lock may have been held by a thread that does not exist here: it is replaced, never taken.
Rule 2: calls that were under way belong to the parent. What has been counted, and every state, is kept.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_todo: list[Callable[[], object]] = []


def after_fork(renew: Callable[[], object]) -> Callable[[], object]:
    """Call *renew* in every child, as the first thing there; in the order in which they were given."""
    _todo.append(renew)
    return renew


def _in_child() -> None:
    for renew in _todo:
        renew()


if hasattr(os, "register_at_fork"):  # pragma: no branch  # there are systems that cannot fork
    os.register_at_fork(after_in_child=_in_child)
