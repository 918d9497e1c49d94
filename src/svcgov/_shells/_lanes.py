"""Time-outs that cancel, for tasks.

All calls of one limit on one loop end in the order in which they began, so a plain dict is the queue and one timer
serves them all: a call arms no timer of its own. A key that is gone when its call comes back has expired.

Rule 1: an expiry is ours iff our entry is gone *and* ``task.uncancel()`` brings the count back to where it was on entry;
        else somebody else cancelled too, and the cancellation goes on.
Rule 2: a call that swallows our cancellation and returns keeps its result.
Rule 3: a deadline in the context that is tighter than the limit breaks the order, so it gets a timer of its own; so does
        a limit that is that of one call.
"""

from __future__ import annotations

import sys
from asyncio import CancelledError, current_task, tasks
from itertools import count
from weakref import WeakKeyDictionary, ref

from .._core._context import DEADLINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Task
    from collections.abc import Callable
    from typing import Any

    from ..typing import Clock, Limit
    from ._sync import Inner

    Live = dict[int, tuple[Task[Any], float, int]]

SLACK = 0.0005  # seconds: entries that end within this of a firing timer end with it
_tick = count().__next__
_tasks: dict[Any, Task[Any]] = getattr(tasks, "_current_tasks", {})


def _alone() -> Task[Any] | None:
    """The running task, without asking for the running loop, where no other thread runs one."""
    if len(_tasks) == 1:
        try:
            (task,) = _tasks.values()
        except (RuntimeError, ValueError):  # another thread has begun to run one
            return current_task()
        return task
    return current_task()


# Up to Python 3.11 asking for the running loop asks for the process id, which costs as much as all the rest of this file.
running_task = _alone if sys.version_info < (3, 12) else current_task


class Lane:
    """The calls of one limit that are under way on one loop, in the order of their ends."""

    __slots__ = ("__weakref__", "armed", "clock", "live", "loop", "seconds")

    def __init__(self, loop: AbstractEventLoop, clock: Clock, seconds: float) -> None:
        self.loop = ref(loop)  # weak, and the timer is not kept either, since it keeps its loop: a lane goes with its loop
        self.clock = clock
        self.seconds = seconds
        self.live: Live = {}
        self.armed = False

    def arm(self, at: float) -> None:
        """Set the one timer."""
        loop = self.loop()
        if loop is not None:
            self.clock.timer(loop, at, self.fire)
            self.armed = True

    def fire(self) -> None:
        """Cancel all that is due; after a freeze that may be many."""
        self.armed = False
        edge = self.clock.monotonic() + SLACK
        due = []
        for key, (task, at, _) in self.live.items():
            if at > edge:
                self.arm(at)
                break
            due.append((key, task))
        for key, task in due:
            del self.live[key]
            task.cancel()


class Lanes:
    """The lanes of one limit: one for each loop, made anew when the limit's seconds change."""

    __slots__ = ("_by_loop", "_clock", "latest")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._by_loop: WeakKeyDictionary[AbstractEventLoop, Lane] = WeakKeyDictionary()
        self.latest: Lane | None = None  # a one-entry cache in front of the weak mapping

    def of(self, loop: AbstractEventLoop, seconds: float) -> Lane:
        """The lane of *loop*."""
        lane = self._by_loop.get(loop)
        if lane is None or lane.seconds != seconds:
            self._let_go()
            self._by_loop[loop] = lane = Lane(loop, self._clock, seconds)
        self.latest = lane
        return lane

    def _let_go(self) -> None:
        """Of loops that were closed while calls were under way: those calls would hold their lane for ever, and it them."""
        for known in self._by_loop.keyrefs():  # a list: other threads may add their loops meanwhile
            loop = known()
            if loop is not None and loop.is_closed():
                self._by_loop.pop(loop, None)


class Expiry:
    """A timer for one task alone: for blocks, and for deadlines tighter than their lane."""

    __slots__ = ("_entry", "_fired", "_task", "_timer")

    def __init__(self, clock: Clock, at: float) -> None:
        task = current_task()
        if task is None:
            raise RuntimeError("a time-out of a coroutine needs a running task of asyncio")
        self._task = task
        self._entry = task.cancelling()
        self._fired = False
        self._timer = clock.timer(task.get_loop(), at, self._fire)

    def _fire(self) -> None:
        self._fired = True
        self._task.cancel()

    def ended_by_us(self, error: BaseException | None) -> bool:
        """Disarm; say whether *error* is our own cancellation, and take the request back if there was one."""
        self._timer.cancel()
        return self._fired and self._task.uncancel() <= self._entry and isinstance(error, CancelledError)


def cancelling(limit: Limit, inner: Inner, reason: str) -> Callable[[float, Any, Any], Any]:
    """Cancel the frames inside when the limit, or a tighter deadline of the context, has passed."""
    lanes = Lanes(limit.clock)
    apart = alone(limit, inner, reason)
    deadline = DEADLINE.get

    async def call(now: float, args: Any, kw: Any) -> Any:
        seconds = limit.seconds
        if seconds is None:
            return await inner(now, args, kw)
        at = now + seconds
        tightest = deadline()
        if tightest is not None and tightest < at:
            return await apart(tightest, now, args, kw)
        task: Task[Any] = running_task()  # type: ignore[assignment]  # coroutines of asyncio run in tasks
        loop = task.get_loop()
        lane = lanes.latest
        if lane is None or lane.loop() is not loop or lane.seconds != seconds:
            lane = lanes.of(loop, seconds)
        key, live = _tick(), lane.live
        live[key] = entry = (task, at, task.cancelling())
        if not lane.armed:
            lane.arm(at)
        try:
            result = await inner(now, args, kw)
        except BaseException as error:
            if live.pop(key, None) is None and task.uncancel() <= entry[2] and isinstance(error, CancelledError):
                raise limit.expired(reason, seconds) from error
            raise
        if live.pop(key, None) is None:
            task.uncancel()
        return result

    return call


def cancelling_once(limit: Limit, inner: Inner, reason: str) -> Callable[[float, Any, Any], Any]:
    """The same for one call, whose limit is its own; the deadline in the context is that of the limit already."""
    apart = alone(limit, inner, reason)

    async def call(now: float, args: Any, kw: Any) -> Any:
        at = DEADLINE.get()
        if limit.seconds is None or at is None:
            return await inner(now, args, kw)
        return await apart(at, now, args, kw)

    return call


def alone(limit: Limit, inner: Inner, reason: str) -> Callable[[float, float, Any, Any], Any]:
    """Cancel the frames inside at a moment of their own, with a timer of their own."""

    async def call(at: float, now: float, args: Any, kw: Any) -> Any:
        seconds = limit.seconds or 0.0
        expiry = Expiry(limit.clock, at)
        try:
            result = await inner(now, args, kw)
        except BaseException as error:
            if expiry.ended_by_us(error):
                raise limit.expired(reason, seconds if at == now + seconds else at - now) from error
            raise
        expiry.ended_by_us(None)
        return result

    return call
