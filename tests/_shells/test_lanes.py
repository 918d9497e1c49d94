"""Time-outs that cancel: one timer for many calls, and whose cancellation it was."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_threads
from svcgov import Pipeline, bulkhead, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import CallTimeoutError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Counting(ManualClock):
    """A clock that counts the timers it was asked for."""

    def __init__(self, *, auto: bool = False) -> None:
        super().__init__(auto=auto)
        self.timers: list[float] = []

    def timer(self, loop: asyncio.AbstractEventLoop, at: float, fire: Callable[[], object]) -> Any:
        self.timers.append(at)
        return super().timer(loop, at, fire)


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """On a loop of its own, in a context of its own."""
    return contextvars.copy_context().run(asyncio.run, main())


async def turns(count: int = 4) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


def cancels_of(task: asyncio.Task[Any] | None = None) -> int:
    """The cancellations that are asked of a task and not taken back."""
    found = task or asyncio.current_task()
    assert found is not None
    return found.cancelling()


def test_a_call_that_is_too_slow_is_cancelled() -> None:
    """At its end exactly; the error is the time-out's, from the cancellation."""
    clock = ManualClock(auto=True)
    limit = timeout(2, clock=clock)

    @limit
    async def slow() -> None:
        await clock.asleep(60)

    async def main() -> None:
        with pytest.raises(CallTimeoutError, match=r"not done within 2 s \(total\)") as caught:
            await slow()
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        assert cancels_of() == 0

    run(main)
    assert clock.monotonic() == 2.0
    assert limit.snapshot() == {"timed_out": 1, "late": 0}


def test_an_attempt_that_is_too_slow_says_so() -> None:
    """Inside a retry the time-out is for each attempt, and the next one may be quicker."""
    clock = ManualClock(auto=True)
    took = [60.0, 60.0, 1.0]

    @retry(on=CallTimeoutError, attempts=3, backoff=1, budget=None, clock=clock)
    @timeout(2, clock=clock)
    async def slow() -> str:
        await clock.asleep(took.pop(0))
        return "answer"

    assert run(slow) == "answer"
    assert clock.monotonic() == 7.0


@pytest.mark.parametrize("where", ["outermost", "inside a retry", "inside a gate"])
def test_the_reason_is_total_or_attempt(where: str) -> None:
    """By where the time-out stands."""
    clock = ManualClock(auto=True)
    again = retry(on=OSError, budget=None, clock=clock)
    outer: Any = {"outermost": Pipeline(), "inside a retry": again, "inside a gate": bulkhead(1, clock=clock)}[where]

    @Pipeline(outer, timeout(2, clock=clock))
    async def slow() -> None:
        await clock.asleep(60)

    with pytest.raises(CallTimeoutError) as caught:
        run(slow)
    assert caught.value.reason == ("attempt" if where == "inside a retry" else "total")


def test_one_timer_serves_all_calls() -> None:
    """A thousand calls that end in time arm one; the next is armed when that has fired, for those still under way."""
    clock = Counting()
    go = asyncio.Event()

    @timeout(2, clock=clock)
    async def call() -> None:
        await go.wait()

    async def main() -> None:
        first = [asyncio.create_task(call()) for _ in range(500)]
        await turns()
        clock.advance(1)
        second = [asyncio.create_task(call()) for _ in range(500)]
        await turns()
        assert clock.timers == [2.0]
        clock.advance(1)
        await turns()
        assert [task.done() for task in (first[0], first[-1], second[0])] == [True, True, False]
        assert clock.timers == [2.0, 3.0]
        go.set()
        results = await asyncio.gather(*first, *second, return_exceptions=True)
        assert {type(one) for one in results[:500]} == {CallTimeoutError}
        assert set(results[500:]) == {None}

    run(main)


def test_a_lane_that_was_idle_arms_a_timer_again() -> None:
    """After the old one has fired and found nothing."""
    clock = Counting(auto=True)
    limit = timeout(2, clock=clock)

    @limit
    async def call(seconds: float) -> None:
        await clock.asleep(seconds)

    async def main() -> None:
        await call(1)
        await clock.asleep(10)
        with pytest.raises(CallTimeoutError):
            await call(60)

    run(main)
    assert limit.snapshot()["timed_out"] == 1
    assert [at for at in clock.timers if at in (2.0, 13.0)] == [2.0, 13.0]


def test_the_callers_cancellation_goes_through() -> None:
    """It is no time-out, and the lane forgets the call."""
    clock = ManualClock()
    limit = timeout(2, clock=clock)

    @limit
    async def call() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(call())
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.advance(5)
        await turns()

    run(main)
    assert limit.snapshot() == {"timed_out": 0, "late": 0}


@pytest.mark.parametrize("alone", [False, True], ids=["lane", "alone"])
@pytest.mark.parametrize("first", ["caller", "time-out"])
def test_when_both_cancel_the_caller_wins(first: str, alone: bool) -> None:
    """Whoever was first: the caller waits for a cancelled task."""
    clock = ManualClock()

    @timeout(2, clock=clock)
    async def call() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        if alone:
            DEADLINE.set(1.0)
        task = asyncio.create_task(call())
        await turns()
        if first == "caller":
            task.cancel()
            clock.advance(5)
        else:
            clock.advance(5)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


@pytest.mark.parametrize("alone", [False, True], ids=["lane", "alone"])
def test_a_call_that_swallows_the_cancellation_keeps_its_result(alone: bool) -> None:
    """It was late, and that is told; nothing of the cancellation is left on the task."""
    clock = ManualClock(auto=True)
    limit = timeout(2, clock=clock)

    @limit
    async def stubborn() -> str:
        try:
            await clock.asleep(60)
        except asyncio.CancelledError:
            clock.sleep(1)
        return "answer"

    async def main() -> None:
        if alone:
            DEADLINE.set(1.5)
        assert await stubborn() == "answer"
        assert cancels_of() == 0
        await turns()

    with pytest.warns(RuntimeWarning):
        run(main)
    assert limit.snapshot() == {"timed_out": 0, "late": 1}


@pytest.mark.parametrize("alone", [False, True], ids=["lane", "alone"])
def test_a_call_that_turns_the_cancellation_into_an_error_raises_that(alone: bool) -> None:
    """The user's error is never masked."""
    clock = ManualClock(auto=True)

    @timeout(2, clock=clock)
    async def call() -> None:
        try:
            await clock.asleep(60)
        except asyncio.CancelledError:
            raise ValueError("mine") from None

    async def main() -> None:
        if alone:
            DEADLINE.set(1.0)
        with pytest.raises(ValueError, match="mine"):
            await call()
        assert cancels_of() == 0

    run(main)


@pytest.mark.parametrize("alone", [False, True], ids=["lane", "alone"])
def test_an_error_in_time_is_the_calls_own(alone: bool) -> None:
    """And no timer is left that could strike later."""
    clock = ManualClock()

    @timeout(2, clock=clock)
    async def call() -> None:
        await asyncio.sleep(0)
        raise ValueError("mine")

    async def main() -> None:
        if alone:
            DEADLINE.set(1.0)
        with pytest.raises(ValueError, match="mine"):
            await call()
        clock.advance(5)
        await turns()

    run(main)


def test_a_tighter_deadline_has_a_timer_of_its_own() -> None:
    """It would break the order of the lane."""
    clock = Counting(auto=True)

    @timeout(9, clock=clock)
    async def call(seconds: float) -> str:
        await clock.asleep(seconds)
        return "answer"

    async def main() -> None:
        DEADLINE.set(3.0)
        assert await call(1) == "answer"
        with pytest.raises(CallTimeoutError):
            await call(60)
        assert clock.monotonic() == 3.0

    run(main)
    assert 9.0 not in clock.timers


def test_the_inner_of_two_time_outs_is_told_from_the_outer() -> None:
    """Each raises its own error, and only for its own expiry."""
    for outer, inner, name in ((5, 2, "inner"), (2, 5, "outer")):
        clock = ManualClock(auto=True)

        @timeout(outer, name=f"outer-{outer}", clock=clock)
        async def outside(work: Any) -> None:
            await work()

        @timeout(inner, name=f"inner-{inner}", clock=clock)
        async def inside(clock: ManualClock = clock) -> None:
            await clock.asleep(60)

        with pytest.raises(CallTimeoutError, match="not done within") as caught:
            contextvars.copy_context().run(asyncio.run, outside(inside))
        assert clock.monotonic() == 2.0
        assert caught.value.policy == f"{name}-2"


def test_other_seconds_take_another_lane() -> None:
    """Calls under way keep their end; the next ones have the new one."""
    clock = ManualClock()
    limit = timeout(5, clock=clock)

    @limit
    async def call() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        old = asyncio.create_task(call())
        await turns()
        limit.reconfigure({"seconds": 1})
        new = asyncio.create_task(call())
        await turns()
        clock.advance(1)
        await turns()
        assert (old.done(), new.done()) == (False, True)
        clock.advance(4)
        await turns()
        assert old.done()
        results = await asyncio.gather(old, new, return_exceptions=True)
        assert {type(one) for one in results} == {CallTimeoutError}

    run(main)


def test_a_limit_that_is_taken_away_cancels_nothing() -> None:
    """None is no limit."""
    clock = ManualClock(auto=True)
    limit = timeout(5, clock=clock)

    @Pipeline(limit)
    async def call() -> str:
        await clock.asleep(60)
        return "answer"

    limit.reconfigure({"seconds": None})
    assert run(call) == "answer"


def test_after_a_freeze_all_that_is_due_is_cancelled_at_once() -> None:
    """And what began after it is not."""
    clock = ManualClock()

    @timeout(2, clock=clock)
    async def call() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        tasks = [asyncio.create_task(call()) for _ in range(50)]
        await turns()
        clock.freeze(100)
        fresh = asyncio.create_task(call())
        await turns()
        assert all(task.done() for task in tasks)
        assert not fresh.done()
        fresh.cancel()
        await asyncio.gather(*tasks, fresh, return_exceptions=True)

    run(main)


def test_each_loop_has_a_lane_of_its_own() -> None:
    """One function on several loops, one after the other and side by side in threads."""
    limit = timeout(0.05)

    @limit
    async def call(seconds: float) -> str:
        await asyncio.sleep(seconds)
        return "answer"

    async def main() -> None:
        assert await call(0) == "answer"
        with pytest.raises(CallTimeoutError):
            await call(30)

    asyncio.run(main())
    asyncio.run(main())
    assert in_threads(4, lambda number: asyncio.run(main())) == []
    assert limit.snapshot()["timed_out"] == 6


def test_a_loop_is_not_kept_by_its_lane() -> None:
    """A lane is kept by its loop, not the other way round, and goes with it."""

    @timeout(9)
    async def call() -> weakref.ref[asyncio.AbstractEventLoop]:
        return weakref.ref(asyncio.get_running_loop())

    gone = asyncio.run(call())
    gc.collect()
    assert gone() is None
    assert asyncio.run(call()) is not None


def test_a_timer_whose_loop_has_gone_is_not_armed() -> None:
    """There is nobody left to cancel."""
    from svcgov._shells._lanes import Lane

    loop = asyncio.new_event_loop()
    lane = Lane(loop, ManualClock(), 1.0)
    loop.close()
    del loop
    gc.collect()
    lane.arm(1.0)
    assert not lane.armed


def test_a_block_needs_a_task() -> None:
    """A coroutine that is driven by hand cannot be cancelled."""

    async def call() -> None:
        async with timeout(1):
            raise AssertionError("not reached")

    async def main() -> None:
        asyncio.get_running_loop().call_soon(drive)
        await turns()

    raised: list[BaseException] = []

    def drive() -> None:
        try:
            call().send(None)
        except BaseException as error:
            raised.append(error)

    run(main)
    assert [str(one) for one in raised] == ["a time-out of a coroutine needs a running task of asyncio"]


def test_a_time_out_works_within_asyncios_own() -> None:
    """Each takes back its own cancellation only."""
    clock = ManualClock()

    @timeout(5, clock=clock)
    async def call() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await call()
        assert not isinstance(caught.value, CallTimeoutError)
        assert cancels_of() == 0

    run(main)


def test_a_time_out_works_around_a_group_of_tasks() -> None:
    """The group cancels its members, and the time-out's error comes out."""
    clock = ManualClock(auto=True)

    @timeout(2, clock=clock)
    async def call() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(60))
            await clock.asleep(60)

    async def main() -> None:
        with pytest.raises(CallTimeoutError):
            await call()
        assert cancels_of() == 0

    run(main)
