"""A governed async generator: cancellation, steps that hang, waiting, and the loop that closes what is left."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
from typing import Any

import pytest

from _gates import Watched
from _loops import Counting, cancels_of, run, turns
from _worlds import deadline
from svcgov import Pipeline, bulkhead, timeout
from svcgov.errors import BulkheadFullError, CallTimeoutError
from svcgov.testing import ManualClock

Log = list[tuple[Any, ...]]


def hanging(*, cleanup: Any = None, swallow: bool = False) -> Any:
    """A generator function whose second step hangs until it is cancelled."""

    async def hangs() -> Any:
        try:
            yield "first"
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                if not swallow:
                    raise
            yield "second"
        finally:
            if cleanup is not None:
                await cleanup()

    return hangs


async def hung(items: Any) -> asyncio.Task[Any]:
    """A task that hangs in the second step."""
    await anext(items)
    task: asyncio.Task[Any] = asyncio.ensure_future(anext(items))
    await turns()
    return task


def told(log: Log) -> list[Any]:
    """What gates were told."""
    return [one[2] for one in log if one[1] == "settled"]


# -- steps that hang ---------------------------------------------------------------------------------------------------


def test_a_step_that_hangs_is_cancelled() -> None:
    """By the time-out, at its moment; the task that made the step is as it was."""
    log: Log = []
    clock = ManualClock()

    async def main() -> None:
        gates = Watched("out", log, clock), timeout(2, clock=clock), Watched("in", log, clock)
        items = Pipeline(*gates)(hanging())()

        async def consumer() -> int:
            await anext(items)
            with pytest.raises(CallTimeoutError) as raised:
                await anext(items)
            assert (raised.value.reason, raised.value.seconds) == ("total", 2.0)
            assert isinstance(raised.value.__cause__, asyncio.CancelledError)
            return cancels_of()

        task = asyncio.ensure_future(consumer())
        await turns()
        clock.advance(1.5)
        await turns()
        assert not task.done()
        clock.advance(0.5)
        assert await task == 0

    run(main)
    assert [type(end) for end in told(log)] == [asyncio.CancelledError, CallTimeoutError]


def test_a_foreign_cancellation_goes_on() -> None:
    """It is no verdict, and no time-out tells of it."""
    log: Log = []
    clock = ManualClock()
    limit = timeout(2, clock=clock)

    async def main() -> None:
        task = await hung(Pipeline(Watched("a", log, clock), limit)(hanging())())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert [type(end) for end in told(log)] == [asyncio.CancelledError]
    assert limit.snapshot() == {"timed_out": 0, "late": 0}


@pytest.mark.parametrize("first", ["own", "foreign"])
def test_both_at_once_is_a_cancellation(first: str) -> None:
    """In either order: who cancels a task gets it cancelled."""
    clock = ManualClock()

    async def main() -> None:
        task = await hung(timeout(2, clock=clock)(hanging())())
        if first == "own":
            clock.advance(2)
            task.cancel()
        else:
            task.cancel()
            clock.advance(2)
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)


def test_a_step_that_swallows_the_cancellation_keeps_its_item() -> None:
    """The next one is too late."""
    clock = ManualClock()

    async def main() -> None:
        items = timeout(2, clock=clock)(hanging(swallow=True))()

        async def consumer() -> tuple[Any, int]:
            await anext(items)
            return await anext(items), cancels_of()

        task = asyncio.ensure_future(consumer())
        await turns()
        clock.advance(2)
        assert await task == ("second", 0)
        with pytest.raises(CallTimeoutError):
            await anext(items)

    run(main)


def test_a_tighter_deadline_of_the_consumer_cuts_its_step() -> None:
    """As that of a call."""
    clock = ManualClock()

    async def main() -> None:
        items = timeout(5, clock=clock)(hanging())()

        async def consumer() -> float:
            await anext(items)
            with deadline(1.0), pytest.raises(CallTimeoutError) as raised:
                await anext(items)
            return raised.value.seconds

        task = asyncio.ensure_future(consumer())
        await turns()
        clock.advance(1)
        assert await task == 1.0

    run(main)


def test_no_time_is_kept_between_steps() -> None:
    """A consumer that takes long is not cancelled, and no timer is left."""
    clock = Counting()

    async def main() -> None:
        items = timeout(2, clock=clock)(hanging())()
        await anext(items)
        clock.advance(3)
        await turns()
        assert cancels_of() == 0
        with pytest.raises(CallTimeoutError):
            await anext(items)

    run(main)
    assert clock.timers == [2.0]


def test_what_closes_it_is_not_cut_short() -> None:
    """Its ``finally`` may await, after its time too."""
    clock = ManualClock(auto=True)
    cleaned: list[float] = []

    async def cleanup() -> None:
        await clock.asleep(10)
        cleaned.append(clock.monotonic())

    async def main() -> None:
        items = timeout(2, clock=clock)(hanging(cleanup=cleanup))()
        await anext(items)
        await items.aclose()
        items = timeout(2, clock=clock)(hanging(cleanup=cleanup))()
        await anext(items)
        clock.advance(3)
        with pytest.raises(CallTimeoutError):
            await anext(items)

    run(main)
    assert cleaned == [10.0, 23.0]


def test_a_step_outside_of_a_task_cannot_be_cancelled() -> None:
    """The error says so, and the permit is given back."""
    gate = bulkhead(1)
    items = Pipeline(gate, timeout(2))(hanging())()
    with pytest.raises(RuntimeError, match="no running event loop"):
        anext(items).__await__().send(None)
    assert gate.snapshot()["in_use"] == 0


# -- waiting -----------------------------------------------------------------------------------------------------------


def test_an_async_generator_waits_for_its_turn() -> None:
    """Others run meanwhile."""
    gate = bulkhead(1, max_wait=5.0)

    async def main() -> None:
        governed = gate(hanging())
        first, second = governed(), governed()
        await anext(first)
        waits = asyncio.ensure_future(anext(second))
        await turns()
        assert gate.snapshot()["waiting"] == 1
        await first.aclose()
        assert await waits == "first"
        await second.aclose()

    run(main)
    assert gate.snapshot()["in_use"] == 0


def test_one_that_is_cancelled_while_it_waits_has_nothing() -> None:
    """It has not begun, and is over."""
    gate = bulkhead(1, max_wait=5.0)

    async def main() -> None:
        governed = gate(hanging())
        first, second = governed(), governed()
        await anext(first)
        waits = asyncio.ensure_future(anext(second))
        await turns()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        await first.aclose()
        assert [item async for item in second] == []

    run(main)
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


def test_a_plain_generator_does_not_block_a_loop() -> None:
    """On a thread that runs one it is refused at once; elsewhere it waits."""
    gate = bulkhead(1, max_wait=5.0, clock=ManualClock())

    @gate
    def plain() -> Any:
        yield 1

    async def main() -> str:
        with pytest.raises(BulkheadFullError) as refusal:
            next(plain())
        return refusal.value.reason

    with gate:
        assert run(main) == "would_block_loop"
        with pytest.raises(BulkheadFullError) as refusal:
            next(plain())
    assert refusal.value.reason == "wait_timeout"


# -- what is left when nobody asks any more ------------------------------------------------------------------------------


def cleaning(cleaned: list[str]) -> Any:
    """A generator function that awaits something when it is closed."""

    async def cleanup() -> None:
        await turns()
        cleaned.append("cleaned")

    return hanging(cleanup=cleanup)


def test_a_loop_that_ends_closes_what_is_left() -> None:
    """Once: it knows the governed generator, which closes the one inside, and nobody complains."""
    gate = bulkhead(1)
    cleaned: list[str] = []
    complaints: list[Any] = []
    kept: list[Any] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        items = gate(cleaning(cleaned))()
        kept.append(items)
        await anext(items)

    run(main)
    assert (cleaned, complaints) == (["cleaned"], [])
    assert gate.snapshot()["in_use"] == 0


def test_a_task_that_is_cancelled_between_two_steps_leaves_it_to_the_loop() -> None:
    """``async for`` closes nothing by itself; the loop does, as soon as nobody holds it."""
    gate = bulkhead(1)
    cleaned: list[str] = []

    async def consumer(started: asyncio.Event) -> None:
        async for _ in gate(cleaning(cleaned))():
            started.set()
            await asyncio.Event().wait()

    async def main() -> None:
        started = asyncio.Event()
        task = asyncio.ensure_future(consumer(started))
        await started.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
        gc.collect()
        await turns(20)
        assert cleaned == ["cleaned"]

    run(main)
    assert gate.snapshot()["in_use"] == 0


def test_one_that_is_found_in_a_cycle_is_closed_by_its_owner() -> None:
    """Both are garbage at the same moment; the loop closes the governed one, and that the one inside."""
    gate = bulkhead(1)
    cleaned: list[str] = []

    async def main() -> None:
        items = gate(cleaning(cleaned))()
        await anext(items)
        cycle: list[Any] = [items]
        cycle.append(cycle)
        del items, cycle
        gc.collect()
        await turns(20)
        assert cleaned == ["cleaned"]

    run(main)
    assert gate.snapshot()["in_use"] == 0


def test_the_hooks_of_the_loop_stay_as_they_were() -> None:
    """What the generator itself makes in its first step is known to the loop."""
    seen: list[Any] = []

    async def body() -> Any:
        seen.append(sys.get_asyncgen_hooks())
        yield 1

    async def main() -> None:
        hooks = sys.get_asyncgen_hooks()
        assert [item async for item in bulkhead(1)(body)()] == [1]
        assert seen == [hooks]
        assert sys.get_asyncgen_hooks() == hooks

    run(main)


def test_a_step_that_is_abandoned_in_another_context_ends_well() -> None:
    """What was set in the context of the step cannot be put back from another one."""
    log: Log = []
    clock = ManualClock()

    class Forever:
        def __await__(self) -> Any:
            yield

    async def body() -> Any:
        await Forever()
        yield 1

    items = Pipeline(timeout(None, clock=clock), Watched("a", log, clock), timeout(9, clock=clock))(body)()
    step = items.asend(None)
    loop = asyncio.new_event_loop()
    try:
        context = contextvars.copy_context()

        def begin() -> None:
            step.send(None)

        async def main() -> None:
            context.run(begin)
            with pytest.raises(GeneratorExit):
                step.throw(GeneratorExit())

        loop.run_until_complete(main())
    finally:
        loop.close()
    assert [type(end) for end in told(log)] == [GeneratorExit]
