"""Time-outs that cancel: when, with one timer for many calls, on every loop."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from _loops import Counting, cancels_of, forever, run, turns
from _worlds import in_threads
from svcgov import Pipeline, bulkhead, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov._shells._lanes import Lane
from svcgov.errors import CallTimeoutError
from svcgov.testing import ManualClock


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


def test_other_seconds_take_another_lane() -> None:
    """Calls under way keep their end; the next ones have the new one."""
    clock = ManualClock()
    limit = timeout(5, clock=clock)

    @limit
    async def call() -> None:
        await forever()

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
        await forever()

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
        await (forever() if seconds else asyncio.sleep(0))
        return "answer"

    async def main() -> None:
        assert await call(0) == "answer"
        with pytest.raises(CallTimeoutError):
            await call(30)

    asyncio.run(main())
    asyncio.run(main())
    assert in_threads(4, lambda number: asyncio.run(main())) == []
    assert limit.snapshot()["timed_out"] == 6


def test_loops_that_take_turns_keep_their_lanes() -> None:
    """Each finds its own again: no timer is armed anew."""
    clock = Counting()

    @timeout(2, clock=clock)
    async def call() -> str:
        return "answer"

    with asyncio.Runner() as one, asyncio.Runner() as other:
        for runner in (one, other, one, other):
            assert runner.run(call()) == "answer"
    assert clock.timers == [2.0, 2.0]


def test_a_loop_is_not_kept_by_its_lane() -> None:
    """A lane is kept by its loop, not the other way round, and goes with it."""

    @timeout(9)
    async def call() -> weakref.ref[asyncio.AbstractEventLoop]:
        return weakref.ref(asyncio.get_running_loop())

    gone = asyncio.run(call())
    gc.collect()
    assert gone() is None
    assert asyncio.run(call()) is not None


def test_a_loop_that_was_closed_with_calls_under_way_is_let_go() -> None:
    """When another loop comes by: what is under way would hold its lane, and the lane what is under way."""

    @timeout(9)
    async def call(hang: bool) -> None:
        if hang:
            await forever()

    async def main() -> None:
        asyncio.get_running_loop().create_task(call(True))
        await turns()

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *said: None)  # that a task was destroyed
    gone = weakref.ref(loop)
    loop.run_until_complete(main())
    loop.close()
    del loop
    asyncio.run(call(False))
    gc.collect()
    assert gone() is None


def test_a_timer_whose_loop_has_gone_is_not_armed() -> None:
    """There is nobody left to cancel."""
    loop = asyncio.new_event_loop()
    lane = Lane(loop, ManualClock(), 1.0)
    loop.close()
    del loop
    gc.collect()
    lane.arm(1.0)
    assert not lane.armed
