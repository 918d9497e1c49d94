"""Waiting for a gate, in plain functions. `_waiting_async` is the mirror of this file.

Rule 1: whoever is stopped while it waits gives back what it has been granted meanwhile.
Rule 2: a wait that is over goes on with the call if the gate had said yes by then.
Rule 3: nobody blocks a thread that runs an event loop: the loop may be what would end the wait.
"""

from __future__ import annotations

from _thread import allocate_lock

from .._core._clock import SYSTEM
from ._sleeping import runs_a_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core._call import Wait
    from ..typing import Clock, Permit


class Latch:
    """Where a thread waits until it is woken or the time is over."""

    __slots__ = ("_lock", "wake")

    def __init__(self, waiting: Wait) -> None:
        if runs_a_loop():
            raise waiting.refused("would_block_loop")
        self._lock = allocate_lock()
        self._lock.acquire()
        self.wake = self._lock.release

    def opened(self, clock: Clock, until: float) -> bool:
        """Whether it was woken by then."""
        seconds = max(0.0, until - clock.monotonic())
        if clock is SYSTEM:
            return self._lock.acquire(timeout=seconds)
        clock.sleep(seconds)  # time that is not real passes at once
        return self._lock.acquire(blocking=False)


def wait(waiting: Wait) -> tuple[Permit, float]:
    """Wait; the permit, and the reading of the clock after it. Raises what the gate refuses with."""
    clock = waiting.clock
    try:
        latch = Latch(waiting)
        if not waiting.join(latch.wake) and not latch.opened(clock, waiting.until) and not waiting.over():
            raise waiting.refused("wait_timeout")
    except BaseException:
        waiting.abandon()
        raise
    return waiting.permit, clock.monotonic()
