"""``when`` on a circuit breaker: for which calls it is meant. Its ``mode`` is its own: those are states of the circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, bulkhead, circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.facts import PredicateFailed

if TYPE_CHECKING:
    from _worlds import Facts, World


def not_health(call: Any) -> bool:
    return bool(call.args) and call.args[0] != "health"


def fail(*args: Any) -> None:
    raise OSError


def test_a_call_that_it_is_not_meant_for_passes_uncounted(world: World) -> None:
    """Whatever the state."""
    gate = circuit_breaker(consecutive_failures=2, when=not_health, clock=world.clock)
    call = world.governed(gate, fail)
    for arg in ["health"] * 3 + ["orders"] * 2 + ["health"]:
        with pytest.raises(OSError):
            call(arg)
    assert gate.current_state == "open"
    assert gate.snapshot()["failed"] == 2
    with pytest.raises(CircuitOpenError):
        call("orders")


def test_a_function_that_raises_is_told_and_the_call_governed(world: World, facts: Facts) -> None:
    """As by every gate."""
    gate = circuit_breaker(consecutive_failures=1, when=lambda call: 1 / 0, clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate, fail)
    call.fails(OSError)
    call.fails(CircuitOpenError)
    assert [fact.setting for fact in facts.of(PredicateFailed)] == ["when"]


def test_another_one_is_in_force_at_once(world: World) -> None:
    """Functions that are governed already have it too; the state stays."""
    gate = circuit_breaker(consecutive_failures=1, clock=world.clock)
    call = world.governed(Pipeline(bulkhead(1, clock=world.clock), gate), fail)
    with pytest.raises(OSError):
        call("health")
    gate.reconfigure({"when": not_health})
    with pytest.raises(OSError):
        call("health")
    with pytest.raises(CircuitOpenError):
        call("orders")


def test_a_block_and_a_key_are_governed(world: World) -> None:
    """A block has no call to look at; with a key the call is looked at twice."""
    gate = circuit_breaker(consecutive_failures=1, when=not_health, key="arg:tenant", clock=world.clock)

    call = world.governed(gate, OSError)
    for what in ("health", "orders"):
        with pytest.raises(OSError):
            call(what, tenant="acme")
    assert [gate.of(key).current_state for key in ("acme", "globex")] == ["open", "closed"]
    assert list(gate.machine.by_key) == ["acme"]  # type: ignore[union-attr]  # it has keys
    assert world.block(gate, OSError).fails(OSError)
    assert gate.current_state == "open"


def test_pybreaker_s_call_is_looked_at(world: World) -> None:
    """Its arguments are those of the function."""
    gate = circuit_breaker(consecutive_failures=1, when=not_health, clock=world.clock)

    async def failing(what: str) -> None:
        raise OSError

    def call(what: str) -> Any:
        return gate.call(fail, what) if world.name == "sync" else world.run(gate.call_async, failing, what)

    for what in ("health", "health", "orders", "health"):
        with pytest.raises(OSError):
            call(what)
    with pytest.raises(CircuitOpenError):
        call("orders")


@pytest.mark.parametrize(("mode", "state"), [("observe", "metrics-only"), ("off", "disabled")])
def test_its_mode_is_a_state_and_a_hand_may_change_it(mode: Any, state: str, world: World) -> None:
    """The frames do not see to it: a hand that forces it open is obeyed."""
    gate = circuit_breaker(consecutive_failures=1, mode=mode, when=not_health, clock=world.clock)
    call = world.governed(gate, fail)
    for _ in range(3):
        with pytest.raises(OSError):
            call("orders")
    assert gate.current_state == state
    gate.force_open()
    with pytest.raises(CircuitOpenError):
        call("orders")
    with pytest.raises(OSError):
        call("health")
