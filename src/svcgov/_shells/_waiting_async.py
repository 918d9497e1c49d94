"""Waiting for a gate, in coroutine functions. `_waiting_sync` is the mirror of this file.

Rule 1: whoever is stopped while it waits gives back what it has been granted meanwhile.
Rule 2: a wait that is over goes on with the call if the gate had said yes by then.
Rule 3: whoever wakes may be on another loop or in a thread: a loop is woken from outside. One that is closed says so.
"""

from __future__ import annotations

from asyncio import get_running_loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core._call import Wait
    from ..typing import Clock, Permit


class Latch:
    """Where a task waits until it is woken or the time is over."""

    __slots__ = ("_future", "_loop")

    def __init__(self, waiting: Wait) -> None:
        self._loop = get_running_loop()
        self._future = self._loop.create_future()

    def wake(self) -> None:
        """Wake it, from anywhere."""
        self._loop.call_soon_threadsafe(self._open, True)

    def _open(self, woken: bool) -> None:
        if not self._future.done():
            self._future.set_result(woken)

    async def opened(self, clock: Clock, until: float) -> bool:
        """Whether it was woken by then."""
        timer = clock.timer(self._loop, until, lambda: self._open(False))
        try:
            return await self._future  # type: ignore[no-any-return]  # what _open sets
        finally:
            timer.cancel()


async def wait(waiting: Wait) -> tuple[Permit, float]:
    """Wait; the permit, and the reading of the clock after it. Raises what the gate refuses with."""
    clock = waiting.clock
    try:
        latch = Latch(waiting)
        if not waiting.join(latch.wake) and not await latch.opened(clock, waiting.until) and not waiting.over():
            raise waiting.refused("wait_timeout")
    except BaseException:
        waiting.abandon()
        raise
    return waiting.permit, clock.monotonic()
