"""The bulkhead's waiting room, in both worlds: who waits, who comes in, who gives up."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import AsyncWorld, Facts, World, deadline, hasty_switches, in_threads
from svcgov import Pipeline, bulkhead, timeout
from svcgov._core._call import Wait
from svcgov.errors import BulkheadFullError, CallTimeoutError
from svcgov.facts import CallRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from svcgov.policies import Bulkhead
    from svcgov.testing import ManualClock


def held(gate: Bulkhead, clock: ManualClock, seconds: float) -> None:
    """Somebody is inside, and leaves after so many seconds."""
    permit = gate.machine.admit(clock.monotonic(), None)
    clock.call_at(clock.monotonic() + seconds, lambda: gate.machine.settle(permit, None, 0.0))


@contextmanager
def time_goes_on(world: World) -> Iterator[None]:
    """For tasks that wait by a timer: half a second after the other. Who waits in a thread lets time pass himself."""
    if not isinstance(world, AsyncWorld):
        yield
        return

    async def tick() -> None:
        for _ in range(5):
            await asyncio.sleep(0)  # the call is under way before the first tick
        while True:
            await world.clock.asleep(0.5)

    ticking = world.runner.get_loop().create_task(tick())
    yield
    ticking.cancel()
    world.runner.run(asyncio.sleep(0))


def shape(kind: str, world: World, gate: Any, *steps: Any) -> Any:
    """A governed function, or a block."""
    return {"function": world.governed, "block": world.block}[kind](gate, *steps)


KINDS = pytest.mark.parametrize("kind", ["function", "block"])


@KINDS
def test_a_call_waits_for_a_place(kind: str, world: World) -> None:
    """It comes in when somebody leaves, and gives its place back."""
    gate = bulkhead(1, max_wait=5, clock=world.clock)
    call = shape(kind, world, gate, "answer")
    held(gate, world.clock, 2)
    with time_goes_on(world):
        assert call() == "answer"
    assert call() == "answer"
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


@KINDS
def test_a_call_that_has_waited_too_long_is_refused(kind: str, facts: Facts, world: World) -> None:
    """After *max_wait* and no later; it leaves nothing behind, and is not made."""
    gate = bulkhead(1, max_wait="500ms", clock=world.clock)
    gate.listen(facts)
    call = shape(kind, world, gate)
    held(gate, world.clock, 7)
    with time_goes_on(world):
        (error,) = call.fails(BulkheadFullError)
    assert isinstance(error, BulkheadFullError)
    assert (error.reason, error.retry_after) == ("wait_timeout", None)
    assert facts == [CallRefused(policy="bulkhead", at=0.5, kind="bulkhead", reason="wait_timeout")]
    world.clock.advance(7)
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 1}
    assert call.count == 0


def test_nobody_waits_beyond_the_deadline(facts: Facts, world: World) -> None:
    """It may wait a minute, but nobody would want the answer then."""
    gate = bulkhead(1, max_wait=60, clock=world.clock)
    call = world.governed(gate)
    gate.listen(facts)
    held(gate, world.clock, 100)
    with deadline(3.0), time_goes_on(world):
        call.fails(BulkheadFullError)
    assert [fact.at for fact in facts] == [3.0]


def test_what_is_inside_begins_after_the_wait(world: World) -> None:
    """The time-out of an attempt is counted from there."""
    gate = bulkhead(1, max_wait=60, clock=world.clock)
    call = world.governed(Pipeline(gate, timeout(5, clock=world.clock)), None)
    held(gate, world.clock, 50)
    with time_goes_on(world):
        call()
    assert call.seen[0].deadline == call.seen[0].at + 5


def test_one_more_than_may_wait_is_refused_at_once(world: World) -> None:
    """The room is bounded."""
    gate = bulkhead(1, max_wait=5, max_waiting=0, clock=world.clock)
    call = world.governed(gate)
    held(gate, world.clock, 2)
    (error,) = call.fails(BulkheadFullError)
    assert isinstance(error, BulkheadFullError)
    assert (error.reason, world.clock.monotonic()) == ("queue_full", 0.0)


def test_ten_times_the_limit_may_wait() -> None:
    """Unless it is said otherwise; also after the limit has changed."""
    gate = bulkhead(3, max_wait=5)
    assert gate.machine.max_waiting == 30
    gate.reconfigure({"limit": 4})
    assert gate.machine.max_waiting == 40


def test_a_plain_function_on_a_loop_does_not_wait() -> None:
    """It would stop the loop that has to end its wait."""
    gate = bulkhead(1, max_wait=5)

    async def main() -> None:
        async with gate:
            with pytest.raises(BulkheadFullError) as error:
                gate(lambda: None)()
            assert error.value.reason == "would_block_loop"

    asyncio.run(main())
    assert gate.snapshot()["in_use"] == 0


# -- tasks -------------------------------------------------------------------------------------------------------------


def queue(order: str, *, limit: int = 1, **settings: Any) -> tuple[Bulkhead, list[int], Callable[[int], Any]]:
    """A bulkhead, the numbers of the calls in the order in which they came in, and the call."""
    gate = bulkhead(limit, max_wait=5, order=order, **settings)  # type: ignore[arg-type]
    came: list[int] = []

    @gate
    async def enter(number: int) -> None:
        came.append(number)
        await asyncio.sleep(0)

    return gate, came, enter


@pytest.mark.parametrize(("order", "expected"), [("fifo", [0, 1, 2, 3, 4]), ("lifo", [0, 4, 3, 2, 1])])
def test_they_come_in_in_the_order_that_was_said(order: str, expected: list[int]) -> None:
    """The first is inside when the others join."""
    _, came, enter = queue(order)

    async def main() -> None:
        await asyncio.gather(*(enter(number) for number in range(5)))

    asyncio.run(main())
    assert came == expected


def test_nobody_gets_past_those_who_wait() -> None:
    """A place that comes free belongs to the queue before anybody else can ask for it."""
    gate, came, enter = queue("fifo")

    async def main() -> None:
        async with gate:
            waiting = asyncio.create_task(enter(1))
            await asyncio.sleep(0)
        assert gate.snapshot() == {"limit": 1, "in_use": 1, "waiting": 0, "refused": 0}
        await asyncio.gather(enter(2), waiting)

    asyncio.run(main())
    assert came == [1, 2]


@pytest.mark.parametrize("granted", [False, True])
def test_a_cancelled_task_leaves_the_queue(granted: bool) -> None:
    """Or gives back the place that it has been handed a moment ago; the next one comes in."""
    gate, came, enter = queue("fifo")

    async def main() -> None:
        async with gate:
            tasks = [asyncio.create_task(enter(number)) for number in range(3)]
            await asyncio.sleep(0)
            if not granted:
                tasks[0].cancel()
                await asyncio.sleep(0)
        tasks[0].cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError, type(None), type(None)]

    asyncio.run(main())
    assert came == [1, 2]
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


def test_a_time_out_around_it_ends_the_wait() -> None:
    """And leaves no trace in the queue."""
    gate, _, enter = queue("fifo")
    timed = timeout(0.02)(enter)

    async def main() -> None:
        async with gate:
            with pytest.raises((CallTimeoutError, BulkheadFullError)):
                await timed(1)

    asyncio.run(main())
    assert gate.snapshot()["in_use"] == gate.snapshot()["waiting"] == 0


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loop_that_is_closed_gives_its_turn_away() -> None:
    """Whoever waited there is not served any more; the next one in the queue is."""
    gate = bulkhead(1, max_wait=5)
    permit = gate.machine.admit(0.0)
    gone = asyncio.new_event_loop()

    @gate
    async def enter() -> None:
        raise AssertionError("its loop is closed")

    task = gone.create_task(enter())
    gone.call_soon(gone.stop)
    gone.run_forever()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # that is the point
    gone.close()
    served: list[int] = []

    @gate
    def be_served() -> None:
        served.append(1)

    thread = threading.Thread(target=be_served, daemon=True)
    thread.start()
    while gate.snapshot()["waiting"] < 2:
        pass
    gate.machine.settle(permit, None, 0.0)
    thread.join(5)
    assert served == [1]
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


def test_a_larger_limit_lets_waiting_calls_in() -> None:
    """At once, as many as there is room for; a smaller one lets nobody in until enough have left."""
    gate, came, enter = queue("fifo")

    async def main() -> None:
        permits = [gate.machine.admit(0.0)]
        tasks = [asyncio.create_task(enter(number)) for number in range(4)]
        await asyncio.sleep(0)
        gate.reconfigure({"limit": 3})
        assert gate.snapshot() == {"limit": 3, "in_use": 3, "waiting": 2, "refused": 0}
        gate.reconfigure({"limit": 1})
        while gate.snapshot()["in_use"] > 1:
            await asyncio.sleep(0)
        assert came == [0, 1]
        gate.machine.settle(permits.pop(), None, 0.0)
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert came == [0, 1, 2, 3]


def test_a_place_that_comes_free_before_the_wait_has_begun_is_taken() -> None:
    """Between the answer of the gate and the queue somebody has left."""
    gate = bulkhead(1, max_wait=1)
    permit, waiter = gate.machine.admit(0.0), gate.machine.admit(0.0)
    gate.machine.settle(permit, None, 0.0)
    assert isinstance(waiter, Wait)
    assert waiter.join(lambda: None)
    gate.machine.settle(waiter.permit, None, 0.0)
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


def test_a_foreign_permit_gives_nothing_back() -> None:
    """Neither one of another kind, nor one of another room."""
    gate, other = bulkhead(1, max_wait=1), bulkhead(1, max_wait=1)
    gate.machine.admit(0.0)
    for foreign in (object(), other.machine.admit(0.0)):
        gate.machine.settle(foreign, None, 0.0)
    assert [one.snapshot()["in_use"] for one in (gate, other)] == [1, 1]


# -- many at once ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["fifo", "lifo"])
def test_a_storm_of_threads_and_loops_loses_nothing(order: str) -> None:
    """Threads, tasks of four loops, cancellations and a limit that changes: never more inside than the limit, none lost."""
    gate = bulkhead(3, max_wait=10, max_waiting=100_000, order=order)  # type: ignore[arg-type]
    inside: list[int] = []
    most: list[int] = []
    done: list[int] = []

    @gate
    def sync() -> None:
        inside.append(0)
        most.append(len(inside))
        inside.pop()
        done.append(1)

    @gate
    async def task() -> None:
        inside.append(0)
        most.append(len(inside))
        inside.pop()
        await asyncio.sleep(0)
        done.append(1)

    async def crowd() -> int:
        tasks = [asyncio.create_task(task()) for _ in range(60)]
        await asyncio.sleep(0)
        for number, one in enumerate(tasks):
            if number % 7 == 3:
                one.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(end is None for end in ends)

    finished = [0] * 12

    def storm(number: int) -> None:
        if number < 4:
            finished[number] = asyncio.run(crowd())
        elif number < 6:
            for limit in (1, 3, 2, 3) * 10:
                gate.reconfigure({"limit": limit})
        else:
            for _ in range(100):
                sync()
            finished[number] = 100

    with hasty_switches():
        assert in_threads(12, storm) == []
    assert max(most) <= 3
    assert len(done) == sum(finished) == 600 + sum(finished[:4])
    assert sum(finished[:4]) >= 4 * 50
    snapshot = gate.snapshot()
    assert (snapshot["in_use"], snapshot["waiting"], snapshot["refused"]) == (0, 0, 0)
