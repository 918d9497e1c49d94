"""How many places a call takes in a bulkhead: by a number, or by a function of the call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import bulkhead
from svcgov.errors import BulkheadFullError, ConfigError
from svcgov.facts import CallRefused, PredicateFailed

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.policies import Bulkhead


def cost_of(call: Any) -> int:
    """What the call was called with."""
    return int(call.args[0])


def test_a_call_takes_as_many_places_as_it_costs(world: World, facts: Facts) -> None:
    """By a function of the call, from one to all there are, in the order of the queue."""
    gate = bulkhead(5, cost=cost_of, clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate, lambda cost: gate.snapshot()["in_use"])
    assert [call(cost) for cost in (1, 5)] == [1, 5]
    assert facts == []
    permit = gate.machine.admit(0.0, type("Call", (), {"args": (3,)}))
    assert call(2) == 5
    with pytest.raises(BulkheadFullError):
        call(3)
    for _ in range(2):
        gate.machine.settle(permit, None, 0.0)
    assert gate.snapshot() == {"limit": 5, "in_use": 0, "waiting": 0, "refused": 1}


def test_a_whole_number_is_the_cost_of_every_call(world: World) -> None:
    """Of five places two calls take four."""
    gate = bulkhead(5, cost=2, clock=world.clock)
    with gate, gate:
        world.governed(gate).fails(BulkheadFullError)
    with pytest.raises(ConfigError):
        gate.reconfigure({"limit": 1})
    gate.reconfigure({"cost": 3})
    with gate:
        world.governed(gate).fails(BulkheadFullError)


def test_one_call_may_take_the_largest_bulkhead_whole() -> None:
    """And no number is larger, whatever the limit."""
    gate = bulkhead(100_000, cost=100_000)
    with gate:
        assert gate.snapshot()["in_use"] == 100_000
    with pytest.raises(ConfigError, match="expected an integer from 1 to the limit, or a function of the call, got 100001"):
        bulkhead(100_000, cost=100_001)


def test_a_refusal_of_one_that_costs_too_much_is_told(world: World, facts: Facts) -> None:
    """With the moment at which it came."""
    gate = bulkhead(2, cost=2, clock=world.clock)
    gate.listen(facts)
    world.clock.advance(3)
    with gate:
        world.governed(gate).fails(BulkheadFullError)
    assert facts == [CallRefused(policy="bulkhead", at=3.0, kind="bulkhead", reason="full")]


@pytest.mark.parametrize("wrong", [0, 6, True, "2", None, ValueError("unknown")], ids=repr)
def test_a_cost_that_cannot_be_is_told_and_is_one(
    wrong: Any, facts: Facts, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The call goes on: it is not to blame."""

    def cost(call: Any) -> Any:
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    gate = bulkhead(5, cost=cost, clock=world.clock)
    gate.listen(facts)
    assert world.governed(gate, lambda: gate.snapshot()["in_use"])() == 1
    why = "unknown" if isinstance(wrong, Exception) else f"expected an integer from 1 to 5, got {wrong!r}"
    assert [(fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [("cost", f"ValueError: {why}")]
    assert f"bulkhead.cost raised ValueError: {why}; the call costs one place (said once)" in capsys.readouterr().err


def test_one_who_costs_little_comes_in_when_one_who_costs_much_gives_up() -> None:
    """He stood before him, and there was no getting past."""
    gate = bulkhead(2, max_wait=5, cost=cost_of)
    came = []

    @gate
    async def enter(cost: int) -> None:
        came.append(cost)

    async def main() -> None:
        async with bulkheaded(gate):
            much, little = asyncio.create_task(enter(2)), asyncio.create_task(enter(1))
            await asyncio.sleep(0)
            assert gate.snapshot()["waiting"] == 2
            much.cancel()
            await little

    asyncio.run(main())
    assert came == [1]


class bulkheaded:  # noqa: N801  # a block that costs one place
    """One place of *gate* is taken."""

    def __init__(self, gate: Bulkhead) -> None:
        self.machine = gate.machine

    async def __aenter__(self) -> None:
        self.permit = self.machine.admit(0.0, type("Call", (), {"args": (1,)}))

    async def __aexit__(self, *of: object) -> None:
        self.machine.settle(self.permit, None, 0.0)


def test_a_block_takes_one_place(facts: Facts, world: World) -> None:
    """There is no call to ask the function about."""
    gate = bulkhead(2, cost=cost_of, clock=world.clock)
    gate.listen(facts)
    assert world.block(gate, lambda: gate.snapshot()["in_use"])() == 1
    assert facts == []


def test_one_who_costs_much_stays_the_next_until_enough_have_left() -> None:
    """A place that comes free is too little for him, and nobody gets past him."""
    gate = bulkhead(2, max_wait=5, cost=cost_of)
    machine = gate.machine

    def call(cost: int) -> Any:
        return machine.admit(0.0, type("Call", (), {"args": (cost,)}))

    permits, woken = [call(1), call(1)], list[str]()
    much, little = call(2), call(1)
    assert not much.join(lambda: woken.append("much"))
    assert not little.join(lambda: woken.append("little"))
    for permit, expected in zip(permits, ([], ["much"]), strict=True):
        machine.settle(permit, None, 0.0)
        assert woken == expected
    machine.settle(much.permit, None, 0.0)
    assert woken == ["much", "little"]
