"""Time comes in through this door.

Rule 1: policies read `monotonic` and nothing else: a wall clock that steps changes no decision.
Rule 2: only the shells sleep and set timers.
Rule 3: no other file reads the time of the process; tests put a clock of their own in the place of this one.
"""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable

    from ..typing import Timer


class SystemClock:
    """The clock of the process: ``monotonic`` never steps, ``wall`` does."""

    __slots__ = ()

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    sleep = staticmethod(time.sleep)

    async def asleep(self, seconds: float) -> None:
        """Sleep without stopping the loop; a cancellation cuts it short."""
        import asyncio

        await asyncio.sleep(seconds)

    def timer(self, loop: AbstractEventLoop, at: float, fire: Callable[[], object]) -> Timer:
        """Call *fire* on *loop* at the moment *at* of this clock; what comes back can be cancelled."""
        return loop.call_later(max(0.0, at - time.monotonic()), fire)

    def restored(self) -> None:
        """The process goes on from a snapshot, as on AWS Lambda with SnapStart: begin anew what the old place has counted.

        Windows are emptied and nothing is under way; limits keep what is spent, an open circuit the rest of its time.
        """
        from ._live import restored

        restored(self)


def utc(wall: float) -> str:
    """A reading of a wall clock as text: ``2026-01-31T23:59:59.123Z``."""
    milliseconds = int(wall * 1000)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(milliseconds // 1000))
    return f"{moment}.{milliseconds % 1000:03}Z"


def moment(text: object) -> float | None:
    """What a wall clock reads at the time that *text* says, such as ``2026-01-31T23:59:59Z``; None where it says none.

    A time without a zone is none: nobody knows when that is.
    """
    from datetime import datetime

    try:
        said = datetime.fromisoformat(text)  # type: ignore[arg-type]  # whatever it is: it asks for itself
        return said.timestamp() if said.tzinfo is not None else None
    except (TypeError, ValueError, OverflowError):
        return None


SYSTEM = SystemClock()
