"""Bulkheads: who is refused, who waits and for how long, and that every permit comes back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from _loops import turns
from _worlds import AsyncWorld
from svcgov import Pipeline, bulkhead, retry
from svcgov.errors import BulkheadFullError

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.policies import Bulkhead
    from svcgov.testing import ManualClock


def taken(gate: Bulkhead, clock: ManualClock, seconds: float) -> None:
    """Somebody is inside, and leaves after so many seconds."""
    permit = gate.machine.admit(clock.monotonic(), None)
    clock.call_at(clock.monotonic() + seconds, lambda: gate.machine.settle(permit, None, 0.0))


def test_103_a_full_bulkhead_is_asked_once_and_the_function_never(world: World) -> None:
    """A refusal of ours ends the retry around it; failsafe-go knocks seven times."""
    full = bulkhead(2, clock=world.clock)
    again = retry(on=Exception, attempts=7, backoff=0, budget=None, clock=world.clock)
    call = world.governed(Pipeline(again, full))
    with full, full:
        call.fails(BulkheadFullError)
    assert (call.count, full.snapshot()["refused"], full.snapshot()["in_use"]) == (0, 1, 0)


@pytest.mark.parametrize(("patience", "comes_in"), [(1.0, False), (2.5, True)])
def test_104_who_waits_long_enough_comes_in(patience: float, comes_in: bool, world: World, facts: Facts) -> None:
    """The place comes free after two seconds: who waits one second only is refused then, and no sooner."""
    gate = bulkhead(1, max_wait=patience, clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate, "answer")
    taken(gate, world.clock, 2.0)
    ticking: Any = None
    if isinstance(world, AsyncWorld):  # a task waits by a timer; who waits in a thread lets time pass himself

        async def tick() -> None:
            await turns()
            while True:
                await world.clock.asleep(0.5)

        ticking = world.runner.get_loop().create_task(tick())
    if comes_in:
        assert call() == "answer"
        assert call.seen[0].at >= 2.0
    else:
        call.fails(BulkheadFullError)
        assert (call.count, [fact.at for fact in facts]) == (0, [1.0])
    if ticking is not None:
        ticking.cancel()
        world.run(turns)
    world.clock.advance(2.0)
    assert gate.snapshot()["in_use"] == gate.snapshot()["waiting"] == 0


@pytest.mark.parametrize("room", [0, 1], ids=["no room", "a room to wait in"])
@pytest.mark.parametrize("end", ["answer", OSError(), asyncio.CancelledError(), KeyboardInterrupt(), SystemExit()], ids=repr)
def test_105_a_permit_comes_back_however_the_call_ends(end: Any, room: float, world: World) -> None:
    """By an answer, an error, a cancellation, or the end of the program."""
    gate = bulkhead(1, max_wait=room, clock=world.clock)
    inside: list[int] = []

    def ends() -> Any:
        inside.append(gate.snapshot()["in_use"])
        if isinstance(end, BaseException):
            raise end
        return end

    call = world.governed(gate, ends)
    for _ in range(3):
        with suppress(OSError, asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            call()
        assert gate.snapshot()["in_use"] == 0
    assert inside == [1, 1, 1]


def test_106_the_newest_of_those_who_wait_is_served_first(clock: ManualClock) -> None:
    """Where that is asked for. Who waits too long is refused, who finds the room full at once; a larger limit lets more in."""
    gate = bulkhead(1, max_wait=5, max_waiting=3, order="lifo", clock=clock)
    came: list[int] = []
    leave = asyncio.Event()

    @gate
    async def enter(number: int) -> None:
        came.append(number)
        await leave.wait()

    async def main() -> list[str]:
        calls = [asyncio.create_task(enter(number)) for number in range(5)]
        await turns()
        assert (came, gate.snapshot()["waiting"], gate.snapshot()["refused"]) == ([0], 3, 1)
        gate.reconfigure({"limit": 2})
        await turns()
        assert (came, gate.snapshot()["waiting"]) == ([0, 3], 2)
        gate.reconfigure({"limit": 1})
        clock.advance(5)
        await turns()
        leave.set()
        return [getattr(end, "reason", "") for end in await asyncio.gather(*calls, return_exceptions=True)]

    with asyncio.Runner() as runner:
        assert runner.run(main()) == ["", "wait_timeout", "wait_timeout", "", "queue_full"]
    assert came == [0, 3]
    assert gate.snapshot()["in_use"] == 0
