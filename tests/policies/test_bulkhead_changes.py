"""A bulkhead that gets a waiting room, or calls of different weight, in use: no place is lost, none is given twice."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from _waiting import Jumping
from _worlds import Facts, World, hasty_switches, in_threads
from svcgov import Pipeline, bulkhead
from svcgov._core._call import Wait
from svcgov.errors import BulkheadFullError
from svcgov.facts import CallRefused
from svcgov.policies._room import Room
from svcgov.policies.bulkhead import LockedSeats, Seats


@pytest.fixture(params=[False, True], ids=["lock-free", "locked"])
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both machines: the one for interpreters with a GIL, and the one for those without."""
    monkeypatch.setattr("svcgov.policies.bulkhead.LOCKED", lambda: request.param)
    return bool(request.param)


def reason_of(call: Any) -> str:
    """Why it is refused."""
    (error,) = call.fails(BulkheadFullError)
    return str(error.reason)


def test_a_bulkhead_gets_a_room_to_wait_in(variant: bool, world: World) -> None:
    """Functions that it has governed for long wait in it, and so do blocks; those inside keep their places."""
    world.clock = Jumping()
    gate = bulkhead(2, clock=world.clock)
    calls = [world.governed(gate), world.block(gate), world.through(Pipeline(gate))]
    with gate:
        for call in calls:
            call()
    assert type(gate.machine) is (LockedSeats if variant else Seats)
    with gate, gate:
        gate.reconfigure({"max_wait": 0.001})
        machine: Any = gate.machine
        assert isinstance(machine, Room)
        assert gate.snapshot() == {"limit": 2, "in_use": 2, "waiting": 0, "refused": 0}
        assert [reason_of(call) for call in calls] == ["wait_timeout"] * 3
        gate.reconfigure({"max_wait": 0})
        assert [reason_of(call) for call in calls] == ["full"] * 3
    assert gate.snapshot()["in_use"] == 0
    for call in calls:
        call()


def test_who_has_a_place_of_old_gives_it_to_who_waits(variant: bool) -> None:
    """One that was taken before there was a room, and given back after."""
    gate = bulkhead(1)
    seats = gate.machine
    permit = seats.admit(0.0)
    gate.reconfigure({"max_wait": 5})
    came = []

    @gate
    async def enter() -> None:
        came.append(gate.snapshot()["in_use"])

    async def main() -> None:
        task = asyncio.create_task(enter())
        await asyncio.sleep(0)
        assert gate.snapshot() == {"limit": 1, "in_use": 1, "waiting": 1, "refused": 0}
        seats.settle(permit, None, 0.0)
        await task

    asyncio.run(main())
    assert came == [1]
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


def test_frames_that_know_no_waiting_take_places_in_the_room_or_are_refused(variant: bool, facts: Facts) -> None:
    """A call that was on its way to the old machine when the new one came."""
    gate = bulkhead(1)
    gate.listen(facts)
    old = gate.machine
    gate.reconfigure({"max_wait": 5})
    permit = old.admit(0.0)
    assert gate.snapshot()["in_use"] == 1
    with pytest.raises(BulkheadFullError, match="full"):
        old.admit(2.0)
    assert [fact.at for fact in facts.of(CallRefused)] == [2.0]
    assert gate.snapshot() == {"limit": 1, "in_use": 1, "waiting": 0, "refused": 1}
    for _ in range(2):
        old.settle(permit, None, 0.0)
    old.settle(object(), None, 0.0)
    assert gate.snapshot()["in_use"] == 0


def cost_of(call: Any) -> int:
    """What the call was called with."""
    return int(call.args[0])


def test_calls_get_weights(variant: bool, world: World) -> None:
    """By a number or a function, at the next call; those inside count as one each."""
    gate = bulkhead(4, clock=world.clock)
    call = world.governed(gate, lambda *_: gate.snapshot()["in_use"])
    with gate:
        gate.reconfigure({"cost": 3})
        assert call() == 4
        gate.reconfigure({"cost": cost_of})
        assert call(2) == 3
        with pytest.raises(BulkheadFullError):
            call(4)
    assert call(4) == 4


def test_all_of_the_room_changes_in_use() -> None:
    """How long, how many and in which order, for those who come next."""
    gate = bulkhead(1, max_wait=9, max_waiting=1)
    permit = gate.machine.admit(0.0)
    woken: list[int] = []

    def joined(number: int) -> Any:
        waiter = gate.machine.admit(0.0)
        assert isinstance(waiter, Wait)
        assert not waiter.join(lambda: woken.append(number))
        return waiter

    waiting = [joined(0)]
    with pytest.raises(BulkheadFullError, match="queue_full"):
        joined(1)
    gate.reconfigure({"max_wait": 2, "max_waiting": 5, "order": "lifo"})
    waiting += [joined(number) for number in (1, 2)]
    assert [one.until for one in waiting] == [9, 2, 2]
    gate.machine.settle(permit, None, 0.0)
    gate.machine.settle(waiting[2].permit, None, 0.0)
    assert woken == [2, 1]


@pytest.mark.parametrize("cost", [1, 2])
def test_a_change_in_the_midst_of_a_storm_loses_nothing(cost: int, variant: bool) -> None:
    """Threads come and go while the machine is handed over: never more inside than the limit, and nobody in the end."""
    gate = bulkhead(4)
    inside: list[int] = []
    most: list[int] = []
    ready = threading.Barrier(9)

    @gate
    def enter() -> None:
        inside.append(0)
        most.append(len(inside))
        inside.pop()

    def storm(number: int) -> None:
        ready.wait(timeout=10)
        if number == 8:
            for _ in range(200):
                enter_or_not()
            gate.reconfigure({"max_wait": 5, "cost": cost})
            return
        for _ in range(400):
            enter_or_not()

    def enter_or_not() -> None:
        try:
            enter()
        except BulkheadFullError as error:
            assert error.reason == "full"  # who waits gets in

    with hasty_switches():
        assert in_threads(9, storm) == []
    assert max(most) <= 4
    snapshot = gate.snapshot()
    assert (snapshot["in_use"], snapshot["waiting"]) == (0, 0)
    assert len(most) + snapshot["refused"] == 8 * 400 + 200


def test_what_is_no_seat_gives_nothing_back(variant: bool) -> None:
    """While nobody has moved, too."""
    gate = bulkhead(1)
    with gate:
        gate.machine.settle(object(), None, 0.0)
        assert gate.snapshot()["in_use"] == 1
