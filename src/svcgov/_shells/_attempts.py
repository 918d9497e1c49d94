"""A retry around a block: ``for attempt in retry(...): with attempt: ...``, and the same with ``async for``.

Rule 1: an attempt that fails ends its block without the error if there is to be another one; else the error is raised.
Rule 2: the loop ends after the first block that does not fail. Leaving it before that cancels the call.
Rule 3: the context shows the attempt inside the block, and nothing of it outside.
Rule 4: what a loop that was left still holds is given back by its finaliser, which takes no lock.
"""

from __future__ import annotations

from .._core._context import ATTEMPT, DEADLINE, put_back
from ..errors import DeadlineExceededError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Any, Self, TypeVar

    from .._core._budget import Stay
    from ..typing import Clock

    T = TypeVar("T")


class Attempt:
    """One attempt of a block, to be entered.

    Attributes:
        number: 1 for the first one.
        delay: the seconds that were waited for it.
        last_error: the error of the attempt before, while this one is made; None for the first.
    """

    __slots__ = ("_call", "_entered", "_marker", "_token", "delay", "last_error", "number")

    _token: Token[int]

    def __init__(self, call: Call, delay: float, last_error: BaseException | None) -> None:
        self._call = call
        self._entered = False
        self._marker: Exception | None = None
        self.number: int = call.number
        self.delay: float = delay
        self.last_error = last_error

    def result(self, value: T) -> T:
        """*value*, after ``on_result`` has looked at it: if it is not acceptable, the attempt counts as failed."""
        self._marker = self._call.judged(value)
        return value

    def __enter__(self) -> Self:
        if self._entered or self._call.attempt is not self:
            raise RuntimeError(f"attempt {self.number} is over: each is entered once, in its own turn of the loop")
        self._entered = True
        if self._call.stay is not None:
            self._call.stay.mark()
        self._token = ATTEMPT.set(self.number)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        call, marker = self._call, self._marker
        put_back(ATTEMPT, self._token)
        if call.stay is not None:
            call.stay.unmark()
        call.attempt = self._marker = self.last_error = None  # the traceback of an error holds the frame that holds this
        if error is not None:
            return call.failed(error, raised=True)
        return call.good() if marker is None else call.failed(marker, raised=False)

    def __repr__(self) -> str:
        return f"<Attempt {self.number}>"


class Call:
    """One call, from its first attempt to its end: what both kinds of loops have in common."""

    __slots__ = ("_delay", "_error", "_loop", "_over", "_plan", "_policy", "attempt", "clock", "number", "stay")

    def __init__(self, policy: Any, *, off: bool) -> None:
        self._policy = policy
        self._loop: Any = None if off else policy.machine
        self._plan: Any = None
        self._over = False
        self._delay = 0.0
        self._error: BaseException | None = None
        self.clock: Clock = policy.machine.clock
        self.attempt: Attempt | None = None  # the one whose turn it is
        self.number: int = 0
        self.stay: Stay | None = None

    def due(self) -> float | None:
        """Seconds until the next attempt; None when there is none."""
        if self.attempt is not None:
            what = "left" if self.attempt._entered else "entered"
            self.close()
            raise RuntimeError(f"attempt {self.number} was not {what}: write `with attempt:` in the loop")
        if self._over:
            return None
        if self.number == 0:
            self._begin()
        return self._delay

    def sleep(self, delay: float) -> None:
        """Wait for it, in plain functions."""
        from ._sleeping import sleep

        sleep(self._loop, delay, self._plan.last)

    def made(self) -> Attempt | None:
        """The next attempt, now that has been waited for it; None when no time is left, and a result is there instead."""
        if self._delay > 0 and self._plan.overslept():
            loop, last = self._loop, self._plan.last
            self.close()
            loop.result_of(last)
            return None
        self.number += 1
        self.attempt = Attempt(self, self._delay, self._error)
        return self.attempt

    def judged(self, result: Any) -> Exception | None:
        """The marker of a result that is not acceptable, or None."""
        if self._loop is None or not self._loop.judges:
            return None
        try:
            self._loop.judge(result)
        except Exception as marker:
            return marker
        return None

    def good(self) -> bool:
        """The attempt was good."""
        if self._plan is not None:
            self._plan.recovered()
        self.close(good=True)
        return False

    def failed(self, error: BaseException, *, raised: bool) -> bool:
        """The attempt has failed: whether that ends here, because there is another one, or a result instead."""
        if self._loop is None or not isinstance(error, Exception):
            self.close()
            return False
        if self._plan is None:
            self._plan = self._loop.plan()
        delay = self._plan.next_delay(error)
        if delay is not None:
            self._delay, self._error = delay, error if raised else None
            return True
        loop, last = self._loop, self._plan.last
        self.close()
        if raised and last is error:
            return False
        loop.result_of(last)  # raises it, unless it stands for a result: that is in the author's hands
        return True

    def close(self, *, good: bool = False) -> None:
        """The call is over; it was cancelled, unless it was *good* or its plan has told its end."""
        if self._ended(good=good) and self.stay is not None:
            self.stay.end(good)
        if self._plan is not None:
            self._plan.close()
            self._plan = None

    def _begin(self) -> None:
        deadline = DEADLINE.get()
        if deadline is not None and deadline <= self.clock.monotonic():
            self._over = True
            raise DeadlineExceededError(self._policy.label, "expired")
        if self._loop is not None:
            self.stay = self._loop.enter()
            if self.stay is not None:
                self.stay.unmark()

    def _ended(self, *, good: bool) -> bool:
        """Whether it has begun, and ends now."""
        begun = self.number > 0 and not self._over
        self._over = True
        self.attempt = self._error = None
        if begun and not good and self._plan is None and self._loop is not None:
            self._loop.tally.cancelled += 1
        return begun


class Attempts:
    """The iterator behind ``for attempt in retry(...)``."""

    __slots__ = ("_call",)

    def __init__(self, policy: Any, *, off: bool) -> None:
        self._call = Call(policy, off=off)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Attempt:
        call = self._call
        try:
            delay = call.due()
            if delay:
                call.sleep(delay)
            attempt = None if delay is None else call.made()
        except BaseException:
            call.close()
            raise
        if attempt is None:
            raise StopIteration
        return attempt

    def __del__(self) -> None:
        self._call.close()


class AsyncAttempts:
    """The iterator behind ``async for attempt in retry(...)``."""

    __slots__ = ("_call",)

    def __init__(self, policy: Any, *, off: bool) -> None:
        self._call = Call(policy, off=off)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Attempt:
        call = self._call
        try:
            delay = call.due()
            if delay:
                await call.clock.asleep(delay)
            attempt = None if delay is None else call.made()
        except BaseException:
            call.close()
            raise
        if attempt is None:
            raise StopAsyncIteration
        return attempt

    def __del__(self) -> None:
        self._call.close()
