"""A call that comes near its deadline, told while it can still be told: a platform that ends a process tells nobody.

Rule 1: near is the last tenth of the time that the call had, and a second at most.
Rule 2: no thread looks after a call. One that runs on a loop is looked after by the loop; any other when it ends.
"""

from __future__ import annotations

from .._core._context import DEADLINE
from .._core._listeners import PROCESS
from ..facts import DeadlineNeared

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from ..typing import Clock, Timer

_SHARE, _AT_MOST = 0.1, 1.0


def ended_near(name: str, clock: Clock, began: float) -> None:
    """The call of the function *name* under way has ended: tell, if it came near its deadline."""
    deadline = DEADLINE.get()
    if deadline is None or deadline <= began:  # none, or it was not even called
        return
    now = clock.monotonic()
    left = deadline - now
    if left < _near(deadline - began):
        PROCESS.tell(DeadlineNeared(policy=name, at=now, left=left, ended=True))


def watched(name: str, clock: Clock, loop: AbstractEventLoop) -> Timer | None:
    """The call under way begins on *loop*: tell when it comes near its deadline, unless what comes back is cancelled."""
    deadline = DEADLINE.get()
    if deadline is None:
        return None

    def tell() -> None:
        now = clock.monotonic()
        PROCESS.tell(DeadlineNeared(policy=name, at=now, left=deadline - now, ended=False))

    return clock.timer(loop, deadline - _near(deadline - clock.monotonic()), tell)


def _near(given: float) -> float:
    return min(_AT_MOST, given * _SHARE)
