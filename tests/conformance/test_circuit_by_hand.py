"""The states of a circuit that a hand or a setting changes, and what is told of changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.facts import CircuitChanged

from .traces import WAIT, breaker, trace

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock

HELD = {"forced-open": {"force": "open"}, "disabled": {"mode": "off"}, "metrics-only": {"mode": "observe"}}


def hold(gate: Any, state: str, *, by: str) -> None:
    """Put it into a held state, by a hand or by a setting."""
    if by == "setting":
        gate.reconfigure(HELD[state])
    else:
        {"forced-open": gate.force_open, "disabled": gate.disable, "metrics-only": gate.observe}[state]()


@pytest.mark.parametrize("by", ["hand", "setting"])
def test_048_forced_open_refuses_everything_for_good(by: str, world: World, facts: Facts) -> None:
    """However long one waits; two refusals are counted and no call, and the fact says whose hand it was."""
    gate = breaker(world.clock)
    gate.listen(facts, CircuitChanged)
    hold(gate, "forced-open", by=by)
    call = world.governed(gate)
    for _ in range(2):
        (refusal,) = call.fails(CircuitOpenError)
        assert isinstance(refusal, CircuitOpenError)
        assert (refusal.reason, refusal.retry_after) == ("forced_open", None)
        world.clock.advance(WAIT * 100)
    assert gate.snapshot() == {**gate.snapshot(), "state": "forced-open", "refused": 2, "calls": 0}
    assert (call.count, gate.would_admit()) == (0, False)
    assert [fact.origin for fact in facts.of(CircuitChanged)] == ["hand" if by == "hand" else "document"]


@pytest.mark.parametrize("by", ["hand", "setting"])
def test_049_disabled_admits_everything_and_records_nothing(by: str, world: World, facts: Facts) -> None:
    """Nothing is told but the change into it and the one out of it."""
    gate = breaker(world.clock)
    hold(gate, "disabled", by=by)
    gate.listen(facts)
    world.governed(gate, OSError()).fails(OSError, times=50)
    assert gate.snapshot() == {**gate.snapshot(), "state": "disabled", "calls": 0, "failed": 0, "refused": 0}
    assert gate.would_admit()
    assert facts == []
    gate.close()
    assert [(fact.before, fact.after) for fact in facts.of(CircuitChanged)] == [("disabled", "closed")]
    assert len(facts) == 1


@pytest.mark.parametrize("by", ["hand", "setting"])
def test_051_observing_begins_with_an_empty_window(by: str, world: World) -> None:
    """What was counted before is no part of what is observed; then it counts, and refuses nobody."""
    gate = breaker(world.clock, min_calls=5, window=10)
    trace(world, gate, "SSSF")
    hold(gate, "metrics-only", by=by)
    assert gate.snapshot()["calls"] == 0
    world.governed(gate, OSError()).fails(OSError, times=5)
    assert (gate.snapshot()["calls"], gate.snapshot()["failed"]) == (5, 5)
    assert gate.current_state == "metrics-only"


def test_052_a_closed_circuit_is_half_opened_by_a_hand_alone(world: World) -> None:
    """By hand from any state, as with pybreaker and failsafe-go (resilience4j refuses it); by itself from open alone."""
    gate = breaker(world.clock, half_open_calls=1, min_calls=2)
    assert trace(world, gate, "FF>S" + "FF>F>S") == "co" + "oc" + "co" + "oo" + "oc"
    for verb in ("close", "open", "force_open", "disable", "observe"):
        getattr(gate, verb)()
        gate.half_open()
        assert gate.current_state == "half-open"


@pytest.mark.parametrize("verb", ["close", "reset", "open", "half_open", "force_open", "disable", "observe"])
def test_053_a_state_that_it_is_in_already_is_not_told(verb: str, clock: ManualClock, facts: Facts) -> None:
    """A second word is no second change; nor is a first one, where it is so from the beginning."""
    gate = breaker(clock)
    gate.listen(facts, CircuitChanged)
    for _ in range(2):
        getattr(gate, verb)()
        assert len(facts) == (0 if verb in ("close", "reset") else 1)


@pytest.mark.parametrize("state", HELD)
def test_054_a_setting_holds_it_from_the_beginning(state: str, clock: ManualClock) -> None:
    """There is no other initial state than closed: ``mode`` and ``force`` give what resilience4j has a setting for."""
    assert breaker(clock).current_state == "closed"
    assert breaker(clock, **HELD[state]).current_state == state
    with pytest.raises(ConfigError, match="initial_state"):
        breaker(clock, initial_state=state)


def test_055_the_fact_of_an_opening_carries_the_counts(world: World, facts: Facts) -> None:
    """As they were when it opened: one failure and one success, the rate, why, for how long, and the how manieth in a row."""
    gate = breaker(world.clock, min_calls=2, window=2)
    gate.listen(facts, CircuitChanged)
    assert trace(world, gate, "SF") == "co"
    assert facts == [
        CircuitChanged(
            policy="circuit_breaker",
            at=0.0,
            before="closed",
            after="open",
            cause="failure_rate",
            causes=("failure_rate",),
            calls=2,
            failed=1,
            failure_rate=0.5,
            open_for=WAIT,
            opening=1,
            origin="local",
        )
    ]
