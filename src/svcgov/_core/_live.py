"""What is in use in this process, known weakly: the policies, the budgets, the governed functions.

Rule: nobody looks here but the testing kit, which has to reach what the code under test has made long ago, a process
that has just been forked or restored, a policy whose other settings mean other frames, and an output that shows what there is.
"""

from __future__ import annotations

from _weakref import ref

from ._fork import after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import Clock

    Midwife = Callable[[object], object]

_live: set[ref[object]] = set()
midwives: list[Midwife] = []  # who is to see whatever is made, while a test goes on


def born(thing: object) -> None:
    """*thing* is in use, until nobody holds it."""
    _live.add(ref(thing, _live.discard))
    for midwife in midwives:
        midwife(thing)


def living() -> list[object]:
    """All that is in use now."""
    return [thing for known in _live.copy() if (thing := known()) is not None]  # a copy is made in one go


@after_fork
def forked() -> None:
    """This process has just been forked: nothing in it is under way."""
    for thing in living():
        renew = getattr(thing, "forked", None)
        if renew is not None:
            renew()


def restored(clock: Clock) -> None:
    """The process goes on from a snapshot of it, somewhere else: what goes by *clock* has nothing under way."""
    for thing in living():
        renew = getattr(thing, "restored", None)
        if renew is not None and thing.clock is clock:  # type: ignore[attr-defined]  # as policies and budgets have
            renew()
