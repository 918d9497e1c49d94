"""Whose cancellation it was: a time-out takes back its own, and lets everybody else's through."""

from __future__ import annotations

import asyncio
import contextvars
from typing import Any

import pytest

from _loops import cancels_of, forever, run, turns
from svcgov import timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import CallTimeoutError
from svcgov.testing import ManualClock


def test_the_callers_cancellation_goes_through() -> None:
    """It is no time-out, and the lane forgets the call."""
    clock = ManualClock()
    limit = timeout(2, clock=clock)

    @limit
    async def call() -> None:
        await forever()

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
        await forever()

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
            clock.advance(1)
        await asyncio.sleep(0)  # it goes on as if nothing had been
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
        await forever()

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
            group.create_task(forever())
            await clock.asleep(60)

    async def main() -> None:
        with pytest.raises(CallTimeoutError):
            await call()
        assert cancels_of() == 0

    run(main)
