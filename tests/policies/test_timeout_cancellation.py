"""The time-out of coroutines: its own expiry and a cancellation by somebody else are never mistaken for one another."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_threads
from svcgov import Pipeline, timeout
from svcgov.errors import CallTimeoutError, TimeoutWarning

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from svcgov.policies import Timeout
    from svcgov.testing import ManualClock


class Stage:
    """A governed coroutine function that hangs until it is cancelled, in a task, on a clock by hand."""

    def __init__(self, *policies: Timeout, clock: ManualClock, **on: Callable[[], Awaitable[Any]]) -> None:
        self.clock = clock
        self.entered = asyncio.Event()
        self.cancelling: list[int] = []
        self.on_cancellation = on.get("cancellation")
        self.governed = Pipeline(*policies)(self.hang)
        self.task = asyncio.create_task(self.play())

    async def hang(self) -> Any:
        self.entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if self.on_cancellation is None:
                raise
            return await self.on_cancellation()

    async def play(self) -> Any:
        """Call it; note what the task thinks of its cancellation afterwards."""
        try:
            return await self.governed()
        finally:
            task = asyncio.current_task()
            assert task is not None
            self.cancelling.append(task.cancelling())

    async def at(self, seconds: float) -> Stage:
        """Let the call begin, and so many seconds pass."""
        await self.entered.wait()
        self.clock.advance(seconds)
        return self

    async def end(self) -> Any:
        """What the task came to: its result, its error, or the cancellation."""
        return (await asyncio.gather(self.task, return_exceptions=True))[0]


def test_its_own_expiry_leaves_no_trace_of_a_cancellation(clock: ManualClock) -> None:
    """The task may go on: nobody has asked it to end."""

    async def main() -> None:
        stage = await Stage(timeout(2, clock=clock), clock=clock).at(2)
        error = await stage.end()
        assert isinstance(error, CallTimeoutError)
        assert isinstance(error.__cause__, asyncio.CancelledError)
        assert stage.cancelling == [0]

    asyncio.run(main())


def test_a_millisecond_before_it_has_not_expired(clock: ManualClock) -> None:
    """Not a turn of the loop too early."""

    async def main() -> None:
        stage = await Stage(timeout(2, clock=clock), clock=clock).at(1.999)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not stage.task.done()
        clock.advance(0.001)
        assert isinstance(await stage.end(), CallTimeoutError)

    asyncio.run(main())


def test_a_cancellation_by_the_caller_goes_on(clock: ManualClock) -> None:
    """It is no time-out, and the time-out that comes later finds nobody."""

    async def main() -> None:
        gate = timeout(2, clock=clock)
        stage = await Stage(gate, clock=clock).at(1)
        stage.task.cancel()
        assert isinstance(await stage.end(), asyncio.CancelledError)
        assert stage.cancelling == [1]
        clock.advance(10)
        assert gate.snapshot() == {"timed_out": 0, "late": 0}

    asyncio.run(main())


@pytest.mark.parametrize("first", ["expiry", "caller"])
def test_of_both_on_one_tick_the_caller_wins(first: str, clock: ManualClock) -> None:
    """In whatever order: who asked the task to end is obeyed."""

    async def main() -> None:
        gate = timeout(2, clock=clock)
        stage = Stage(gate, clock=clock)
        await stage.entered.wait()
        if first == "caller":
            stage.task.cancel()
        clock.advance(2)
        if first == "expiry":
            stage.task.cancel()
        assert isinstance(await stage.end(), asyncio.CancelledError)
        assert stage.cancelling == [1]
        assert gate.snapshot()["timed_out"] == 0

    asyncio.run(main())


def test_a_call_in_a_task_that_is_being_cancelled_can_time_out(clock: ManualClock) -> None:
    """A clean-up has its own time-out: the request that stood before it still stands afterwards."""

    async def main() -> None:
        gate = timeout(2, clock=clock)
        cancelling: list[int] = []

        @gate
        async def clean_up() -> None:
            await asyncio.Event().wait()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                with pytest.raises(CallTimeoutError):
                    await clean_up()
                task = asyncio.current_task()
                assert task is not None
                cancelling.append(task.cancelling())

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0)
        clock.advance(2)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cancelling == [1]

    asyncio.run(main())


def test_of_two_that_expire_on_one_tick_the_outer_one_is_raised(clock: ManualClock) -> None:
    """The whole was late, whatever its part was."""

    async def main() -> None:
        outer, inner = timeout(2, name="outer", clock=clock), timeout(2, name="inner", clock=clock)
        stage = await Stage(outer, inner, clock=clock).at(2)
        error = await stage.end()
        assert isinstance(error, CallTimeoutError)
        assert error.policy == "outer"
        assert stage.cancelling == [0]
        assert (outer.snapshot()["timed_out"], inner.snapshot()["timed_out"]) == (1, 0)

    asyncio.run(main())


def test_the_tighter_one_inside_is_no_expiry_of_the_outer_one(clock: ManualClock) -> None:
    """Its error passes the outer one by like any other."""

    async def main() -> None:
        outer, inner = timeout(5, name="outer", clock=clock), timeout(2, name="inner", clock=clock)
        stage = await Stage(outer, inner, clock=clock).at(2)
        error = await stage.end()
        assert isinstance(error, CallTimeoutError)
        assert error.policy == "inner"
        clock.advance(10)
        assert (outer.snapshot()["timed_out"], inner.snapshot()["timed_out"]) == (0, 1)

    asyncio.run(main())


def test_who_swallows_the_cancellation_keeps_the_result(clock: ManualClock) -> None:
    """It came to its end after all: it is returned, and marked late."""

    async def answer() -> str:
        return "after all"

    async def main() -> None:
        gate = timeout(2, clock=clock)
        stage = await Stage(gate, clock=clock, cancellation=answer).at(3)
        with pytest.warns(TimeoutWarning):
            assert await stage.end() == "after all"
        assert stage.cancelling == [0]
        assert gate.snapshot() == {"timed_out": 0, "late": 1}

    asyncio.run(main())


def test_an_error_in_answer_to_the_cancellation_is_raised_itself(clock: ManualClock) -> None:
    """The user's error is not replaced by ours."""
    own = ValueError("its own")

    async def fail() -> None:
        raise own

    async def main() -> None:
        gate = timeout(2, clock=clock)
        stage = await Stage(gate, clock=clock, cancellation=fail).at(2)
        assert await stage.end() is own
        assert stage.cancelling == [0]
        assert gate.snapshot()["timed_out"] == 0

    asyncio.run(main())


def test_each_call_expires_at_its_own_moment(clock: ManualClock) -> None:
    """One timer serves them all, and none of them waits for another."""
    ends: list[tuple[int, float]] = []

    async def main() -> None:
        @timeout(5, clock=clock)
        async def hang() -> None:
            await asyncio.Event().wait()

        async def call(number: int) -> None:
            with pytest.raises(CallTimeoutError):
                await hang()
            ends.append((number, clock.monotonic()))

        tasks = []
        for number in range(3):
            tasks.append(asyncio.create_task(call(number)))
            await asyncio.sleep(0)
            clock.advance(1)
        for _ in range(8):
            clock.advance(0.5)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert ends == [(0, 5.0), (1, 6.0), (2, 7.0)]


def test_after_a_freeze_all_that_is_due_expires(clock: ManualClock) -> None:
    """The process stood still for longer than all of them had."""

    async def main() -> None:
        gate = timeout(2, clock=clock)
        stages = [Stage(gate, clock=clock) for _ in range(5)]
        for stage in stages:
            await stage.entered.wait()
        clock.freeze(100)
        assert {type(await stage.end()) for stage in stages} == {CallTimeoutError}
        assert gate.snapshot()["timed_out"] == 5

    asyncio.run(main())


def test_other_seconds_do_not_reach_a_call_under_way(clock: ManualClock) -> None:
    """It ends with the limit it began with; the next one has the new limit."""

    async def main() -> None:
        gate = timeout(2, clock=clock)
        before = await Stage(gate, clock=clock).at(1)
        gate.reconfigure({"seconds": 10})
        after = await Stage(gate, clock=clock).at(1)
        assert isinstance(await before.end(), CallTimeoutError)
        for _ in range(5):
            await asyncio.sleep(0)
        assert not after.task.done()
        clock.advance(9)
        assert isinstance(await after.end(), CallTimeoutError)

    asyncio.run(main())


def test_a_time_out_of_asyncio_around_it_is_not_ours(clock: ManualClock) -> None:
    """``asyncio.timeout`` cancels like any caller, and knows its own expiry."""
    gate = timeout(2, clock=clock)

    async def main() -> None:
        @gate
        async def hang() -> None:
            await asyncio.Event().wait()

        with pytest.raises(TimeoutError) as late:
            async with asyncio.timeout(0.01):
                await hang()
        assert not isinstance(late.value, CallTimeoutError)

    asyncio.run(main())
    assert gate.snapshot()["timed_out"] == 0


def test_ours_inside_a_time_out_of_asyncio_is_ours(clock: ManualClock) -> None:
    """The other one has time left and sees an error like any other."""

    async def main() -> None:
        @timeout(2, clock=clock)
        async def hang() -> None:
            asyncio.get_running_loop().call_soon(clock.advance, 2)
            await asyncio.Event().wait()

        with pytest.raises(CallTimeoutError):
            async with asyncio.timeout(60):
                await hang()

    asyncio.run(main())


def test_a_failing_sibling_in_a_task_group_is_no_time_out(clock: ManualClock) -> None:
    """The group cancels the governed call, and raises the sibling's error alone."""
    gate = timeout(2, clock=clock)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("the sibling")

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as failed:
            async with asyncio.TaskGroup() as group:
                group.create_task(gate(asyncio.Event().wait)())
                group.create_task(fail())
        assert [type(error) for error in failed.value.exceptions] == [ValueError]

    asyncio.run(main())
    assert gate.snapshot()["timed_out"] == 0


def test_a_cancelled_block_passes_the_cancellation_on(clock: ManualClock) -> None:
    """``async with`` tells the two apart as well."""
    gate = timeout(2, clock=clock)

    async def block() -> None:
        async with gate:
            await asyncio.Event().wait()

    async def main() -> None:
        cancelled, expired = asyncio.create_task(block()), asyncio.create_task(block())
        await asyncio.sleep(0)
        cancelled.cancel()
        clock.advance(2)
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        with pytest.raises(CallTimeoutError):
            await expired

    asyncio.run(main())
    assert gate.snapshot()["timed_out"] == 1


def test_loops_in_several_threads_share_one_time_out() -> None:
    """Each loop has its own timers; all calls end."""
    gate = timeout(0.02)

    @gate
    async def hang() -> None:
        await asyncio.Event().wait()

    async def many() -> None:
        results = await asyncio.gather(*(hang() for _ in range(20)), return_exceptions=True)
        assert {type(one) for one in results} == {CallTimeoutError}

    assert in_threads(4, lambda number: asyncio.run(many())) == []
    assert gate.snapshot()["timed_out"] == 80
