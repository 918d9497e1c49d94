"""Gates and time-outs as blocks: entered all or none, left in the opposite order, each by who entered it."""

from __future__ import annotations

import asyncio
import contextvars
from contextlib import nullcontext
from typing import Any

import pytest

from _gates import Watched
from _loops import forever
from _worlds import Takes, World, deadline, garbage_of, in_threads
from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, remaining, timeout
from svcgov._core._context import DEADLINE
from svcgov._shells._hold import _HELD
from svcgov.errors import BulkheadFullError, CallTimeoutError, DeadlineExceededError, RejectedError
from svcgov.facts import TimedOut
from svcgov.testing import ManualClock


def test_a_block_enters_from_outside_and_leaves_from_inside(world: World) -> None:
    """Every gate is told what came of it."""
    log: list[tuple[Any, ...]] = []
    gates = [Watched(label, log, world.clock) for label in "abc"]
    error = ValueError()
    world.block(Pipeline(*gates), error).fails(ValueError)
    assert [one[:2] for one in log[:3]] == [("a", "admitted"), ("b", "admitted"), ("c", "admitted")]
    assert log[3:] == [("c", "settled", error, 0.0), ("b", "settled", error, 0.0), ("a", "settled", error, 0.0)]


def test_a_block_is_entered_all_or_none(world: World) -> None:
    """What was taken before the refusal is given back, and is told of it."""
    log: list[tuple[Any, ...]] = []
    outer, inner = Watched("a", log, world.clock), Watched("b", log, world.clock)
    inner.refusing = True
    call = world.block(Pipeline(timeout(5, clock=world.clock), outer, inner))
    (refusal,) = call.fails(RejectedError)
    assert log == [("a", "admitted"), ("b", "refused"), ("a", "settled", refusal, 0.0)]
    assert call.count == 0
    assert (DEADLINE.get(), _HELD.get()) == (None, ())


def test_a_calm_free_permit_costs_a_block_nothing(world: World) -> None:
    """But an error is told."""
    log: list[tuple[Any, ...]] = []
    gate = Watched("a", log, world.clock)
    gate.free = gate.calm = object()
    world.block(gate, 1)()
    assert log == []
    world.block(gate, ValueError).fails(ValueError)
    assert len(log) == 1


def test_one_gate_may_be_entered_within_itself(world: World) -> None:
    """Each block gives its own permit back."""
    gate = bulkhead(2, clock=world.clock)
    with gate:
        with gate:
            assert gate.snapshot()["in_use"] == 2
        assert gate.snapshot()["in_use"] == 1
    assert gate.snapshot()["in_use"] == 0


def test_blocks_of_several_gates_may_overlap() -> None:
    """The innermost block of the very gate is left, whatever else stands inside."""
    first, second = bulkhead(1), bulkhead(1)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert (first.snapshot()["in_use"], second.snapshot()["in_use"]) == (0, 1)
    second.__exit__(None, None, None)
    assert second.snapshot()["in_use"] == 0


def test_a_block_that_asks_to_be_ignored_teaches_nothing(world: World) -> None:
    """Neither its error nor its success; the permit is back."""
    breaker, gate = circuit_breaker(consecutive_failures=1, clock=world.clock), bulkhead(1, clock=world.clock)
    for step in (1, 0):
        with nullcontext() if step else pytest.raises(ZeroDivisionError), Pipeline(gate, breaker) as permit:
            permit.ignore()
            1 / step
    assert breaker.snapshot()["calls"] == 0
    assert breaker.current_state == "closed"
    assert gate.snapshot()["in_use"] == 0


def test_a_cancelled_block_is_told_as_cancelled_even_when_ignored(world: World) -> None:
    """What is no Exception is no verdict anyway."""
    log: list[tuple[Any, ...]] = []
    gate = Watched("a", log, world.clock)
    with pytest.raises(KeyboardInterrupt), gate as permit:
        permit.ignore()
        raise KeyboardInterrupt
    assert isinstance(log[1][2], KeyboardInterrupt)


def test_a_block_sets_the_tighter_deadline(world: World) -> None:
    """And the one from outside stands again after it."""
    with deadline(4.0):
        for seconds, seen in ((5, 4.0), (3, 3.0), (None, 4.0)):
            call = world.block(timeout(seconds, clock=world.clock), 1)
            call()
            assert call.seen[0].deadline == seen
            assert DEADLINE.get() == 4.0


def test_a_block_is_not_begun_when_no_time_is_left(world: World) -> None:
    """It is a refusal."""
    call = world.block(timeout(5, clock=world.clock))
    with deadline(0.0):
        call.fails(DeadlineExceededError)
    assert call.count == 0


def test_a_plain_block_that_ends_late_keeps_its_result(facts: Any) -> None:
    """It cannot be interrupted: the lateness is told, also where it has failed by itself."""
    clock = ManualClock()
    limit = timeout(2, clock=clock)
    limit.listen(facts, TimedOut)
    with pytest.warns(RuntimeWarning, match="could not be interrupted"), limit:
        clock.advance(3)
    with pytest.raises(ValueError, match="a"), limit:
        clock.advance(3)
        raise ValueError("a")
    assert limit.snapshot() == {"timed_out": 0, "late": 2}
    assert [fact.late for fact in facts] == [True, True]


def run(scenario: Any) -> Any:
    """On a loop of its own."""
    return asyncio.run(scenario)


def test_an_async_block_is_cancelled_when_its_time_is_over() -> None:
    """From inside it is a cancellation, from outside the time-out's error; the task goes on."""
    clock = ManualClock(auto=True)
    gate, limit = bulkhead(1, clock=clock), timeout(2, clock=clock)

    async def main() -> None:
        with pytest.raises(CallTimeoutError, match=r"not done within 2 s \(total\)") as caught:
            async with Pipeline(limit, gate):
                await clock.asleep(60)
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        task: Any = asyncio.current_task()
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    run(main())
    assert clock.monotonic() == 2.0
    assert gate.snapshot()["in_use"] == 0
    assert limit.snapshot() == {"timed_out": 1, "late": 0}


def test_an_async_block_ends_at_the_tighter_deadline() -> None:
    """One that was set outside counts, as it does for a function."""
    clock = ManualClock(auto=True)

    async def main() -> None:
        DEADLINE.set(3.0)
        with pytest.raises(CallTimeoutError):
            async with timeout(9, clock=clock):
                await clock.asleep(60)

    run(main())
    assert clock.monotonic() == 3.0


def test_an_async_block_without_a_limit_is_not_cancelled() -> None:
    """Not even at a deadline of somebody else's."""
    clock = ManualClock(auto=True)

    async def main() -> None:
        DEADLINE.set(3.0)
        async with timeout(None, clock=clock):
            await clock.asleep(60)

    run(main())
    assert clock.monotonic() == 60.0


def test_the_callers_cancellation_goes_through_an_async_block() -> None:
    """It is not taken for the time-out's."""
    clock = ManualClock()

    async def main() -> None:
        async def work() -> None:
            async with timeout(2, clock=clock):
                await forever()

        task = asyncio.create_task(work())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        clock.advance(5)
        await asyncio.sleep(0)

    run(main())


def test_an_async_block_that_swallows_its_cancellation_keeps_its_result() -> None:
    """It was late, and nothing of the cancellation is left on the task."""
    clock = ManualClock(auto=True)
    limit = timeout(2, clock=clock)

    async def main() -> None:
        async with limit:
            try:
                await clock.asleep(60)
            except asyncio.CancelledError:
                clock.advance(1)
        task: Any = asyncio.current_task()
        assert task.cancelling() == 0
        await asyncio.sleep(0)

    with pytest.warns(RuntimeWarning):
        run(main())
    assert limit.snapshot() == {"timed_out": 0, "late": 1}


def test_tasks_hold_their_own_blocks() -> None:
    """A task that was started inside a block is not in it: leaving is up to who has entered."""
    gate = bulkhead(3)

    async def main() -> None:
        async def work() -> None:
            async with gate:
                await asyncio.sleep(0)

        async with gate:
            await asyncio.gather(work(), work())
            assert gate.snapshot()["in_use"] == 1

    run(main())
    assert gate.snapshot()["in_use"] == 0


def test_threads_hold_their_own_blocks() -> None:
    """One gate serves all of them."""
    gate = bulkhead(8)

    def work(number: int) -> None:
        for _ in range(200):
            with gate:
                pass

    assert in_threads(8, work) == []
    assert gate.snapshot() == {"limit": 8, "in_use": 0, "waiting": 0, "refused": 0}


def test_a_block_left_in_another_context_is_an_error() -> None:
    """Its permits cannot be found from there."""
    gate = bulkhead(1)
    gate.__enter__()
    with pytest.raises(RuntimeError, match="<Bulkhead bulkhead> is left in a context in which it was not entered"):
        contextvars.Context().run(gate.__exit__, None, None, None)
    gate.__exit__(None, None, None)


def test_a_block_left_in_another_context_masks_no_error() -> None:
    """The user's error goes on, with a note."""
    gate, error = bulkhead(1), ValueError("mine")
    contextvars.Context().run(gate.__exit__, ValueError, error, None)
    assert error.__notes__ == ["svcgov: <Bulkhead bulkhead> is left in a context in which it was not entered"]


def test_a_block_leaves_nothing_to_the_collector(world: World) -> None:
    """Neither the blocks nor their errors."""
    policies = Pipeline(bulkhead(1, clock=world.clock), timeout(9, clock=world.clock), rate_limit("99/s", clock=world.clock))

    def plain() -> None:
        with policies:
            raise ValueError

    async def coroutine() -> None:
        async with policies:
            raise ValueError

    def work() -> None:
        try:
            plain()
        except ValueError:
            pass

    async def awork() -> None:
        try:
            await coroutine()
        except ValueError:
            pass

    def either() -> None:
        world.run(work if world.name == "sync" else awork)

    either()
    assert [
        one for one in garbage_of(either) if isinstance(one, BaseException) or type(one).__module__.startswith("svcgov")
    ] == []


def test_a_full_gate_refuses_a_block(world: World) -> None:
    """As it refuses a call, and the time that the block would have had is not counted."""
    gate = bulkhead(1, clock=world.clock)
    call = world.block(gate, Takes(1, lambda: world.name))
    machine: Any = gate.machine
    machine.used = 1
    call.fails(BulkheadFullError)
    machine.used = 0
    assert call() == world.name


def test_a_block_that_may_wait_holds_everything_else_too() -> None:
    """A time-out that cancels, and a gate that gives a permit without being asked."""
    seats, breaker = bulkhead(1, max_wait=1.0), circuit_breaker(window=1, min_calls=1)
    breaker(lambda: None)()  # its window is full and clean

    async def block() -> tuple[int, float | None]:
        async with Pipeline(timeout(5.0), seats, breaker):
            return seats.snapshot()["in_use"], remaining()

    used, left = asyncio.run(block())
    assert used == 1
    assert left is not None
    assert 0 < left <= 5.0
    assert seats.snapshot()["in_use"] == 0
