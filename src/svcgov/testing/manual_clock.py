"""A clock that stands still until it is told to go on, for tests of governed code.

Give it to a policy as ``clock=``. It starts at 0, and everything that waits by it waits for the test.

Rule 1: time passes by `advance`, `sleep`, `freeze` and, with ``auto=True``, by `asleep`; by nothing else.
Rule 2: what is due happens in the order of its time, with the clock showing that very time.
Rule 3: in a freeze nothing happens: what has become due meanwhile happens afterwards, at the next turn of its loop, or
        when the clock goes on.
"""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from itertools import count
from threading import RLock

from .._core import _live

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable
    from typing import Literal

__all__ = ["ManualClock"]


class Alarm:
    """Something that happens at a moment of a `ManualClock`, unless it is cancelled."""

    __slots__ = ("_fire", "_loop", "at")

    def __init__(self, at: float, fire: Callable[[], object], loop: AbstractEventLoop | None) -> None:
        self.at: float = at
        self._fire: Callable[[], object] | None = fire
        self._loop = loop

    def cancel(self) -> None:
        """Let it not happen."""
        self._fire = None

    @property
    def loop(self) -> AbstractEventLoop | None:
        """Where it happens; None for wherever the clock is told to go on, and once it is cancelled."""
        return None if self._fire is None else self._loop

    def ring(self) -> None:
        """Let it happen now, on its own loop. Until its turn has come there it can still be cancelled."""
        loop = self._loop
        if loop is None or loop is _running_loop():
            self._go()
        elif not loop.is_closed():
            loop.call_soon_threadsafe(self._go)

    def _go(self) -> None:
        fire, self._fire = self._fire, None
        if fire is not None:
            fire()


class ManualClock:
    """Satisfies `svcgov.typing.Clock`. Threads may share it.

    Args:
        auto: whether `asleep` lets time pass by itself, as `sleep` always does. Without, it waits until the test has
            advanced the clock far enough.
        wall: the reading of the wall clock at the start, in seconds since the epoch.
    """

    def __init__(self, *, auto: bool = False, wall: float = 1_700_000_000.0) -> None:
        self.auto = auto
        self._now = 0.0
        self._wall = wall
        self._alarms: list[tuple[float, int, Alarm]] = []
        self._number = count()
        self._lock = RLock()

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self._now

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._wall + self._now

    def sleep(self, seconds: float, /) -> None:
        """Advance the clock: whoever sleeps by it need not wait."""
        self.advance(seconds)

    async def asleep(self, seconds: float) -> None:
        """Wait until the clock has been advanced by *seconds*; with ``auto``, advance it, one alarm at a time."""
        until = self._now + max(0.0, seconds)
        if self.auto:
            while self._now < until:
                self._go_to(min(until, self._next()))
                await asyncio.sleep(0)  # what has just rung may cancel this very task
            return
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        alarm = self.timer(loop, until, lambda: None if woken.done() else woken.set_result(None))
        try:
            await woken
        finally:
            alarm.cancel()

    def timer(self, loop: AbstractEventLoop, at: float, fire: Callable[[], object]) -> Alarm:
        """Call *fire* on *loop* when the clock shows *at*, at its next turn if it does; what comes back can be cancelled."""
        alarm = self._add(Alarm(at, fire, loop))
        if at <= self._now:
            loop.call_soon_threadsafe(alarm.ring)
        return alarm

    def call_at(self, at: float, fn: Callable[[], object]) -> Alarm:
        """Call *fn* when the clock shows *at*, in the thread that advances it; what comes back can be cancelled."""
        return self._add(Alarm(at, fn, None))

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass; what becomes due happens in its order."""
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds}")
        self._go_to(self._now + seconds)

    def freeze(self, seconds: float, *, monotonic: Literal["jumps", "stands"] = "jumps") -> None:
        """Let *seconds* pass while nothing runs, as when the platform stops the process.

        On some platforms ``monotonic`` has jumped afterwards, on others it has stood still, and ``wall`` alone has gone on.
        """
        if seconds < 0:
            raise ValueError(f"a clock does not go back: {seconds}")
        if monotonic not in ("jumps", "stands"):
            raise ValueError(f"expected jumps or stands, got {monotonic!r}")
        if monotonic == "stands":
            self.step_wall(seconds)
            return
        with self._lock:
            self._now += seconds
            loops = {alarm.loop for at, _, alarm in self._alarms if at <= self._now}
        for loop in loops:
            if loop is not None and not loop.is_closed():
                loop.call_soon_threadsafe(self._go_to, self._now)

    def restored(self) -> None:
        """Let the process go on from a snapshot of it: what goes by this clock has nothing under way, and empty windows."""
        _live.restored(self)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back by a negative number; ``monotonic`` does not step."""
        self._wall += seconds

    def _add(self, alarm: Alarm) -> Alarm:
        with self._lock:
            heappush(self._alarms, (alarm.at, next(self._number), alarm))
        return alarm

    def _next(self) -> float:
        with self._lock:
            return self._alarms[0][0] if self._alarms else float("inf")

    def _go_to(self, until: float) -> None:
        while True:
            with self._lock:
                if not self._alarms or self._alarms[0][0] > until:
                    self._now = max(self._now, until)
                    return
                at, _, alarm = heappop(self._alarms)
                self._now = max(self._now, at)
            alarm.ring()


def _running_loop() -> AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
