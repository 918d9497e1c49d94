"""What a circuit tells of its changes and refusals, one by one: when, why, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.facts import CallRefused, CircuitChanged, ThresholdExceeded

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _worlds import Facts
    from svcgov.testing import ManualClock


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of four calls, of which two are probes, without jitter, on *clock*."""
    return circuit_breaker(
        "orders", **{"window": 4, "min_calls": 2, "half_open_calls": 2, "open_jitter": 0.0, "clock": clock, **settings}
    )


def calls(gate: Any, clock: ManualClock, errors: Iterable[Exception | None]) -> None:
    """Calls that end so, a second after the other."""
    for error in errors:
        clock.advance(1)
        gate.machine.settle(gate.machine.free or gate.machine.admit(clock.monotonic()), error, clock.monotonic())


def test_each_change_says_when_and_why(clock: ManualClock, facts: Facts) -> None:
    """From an outage to the end of the way back."""
    gate = breaker(clock, ramp=10, ramp_steps=[0.999])
    gate.listen(facts, CircuitChanged)
    calls(gate, clock, [OSError(), OSError()])
    clock.advance(30)
    calls(gate, clock, [None, None])
    calls(gate, clock, [None] * 12)
    assert [(fact.policy, fact.at, fact.before, fact.after, fact.causes, fact.open_for) for fact in facts.of(CircuitChanged)] == [
        ("orders", 2.0, "closed", "open", ("failure_rate",), 30.0),
        ("orders", 33.0, "open", "half-open", ("waited",), None),
        ("orders", 34.0, "half-open", "ramping", ("probes",), None),
        ("orders", 44.0, "ramping", "closed", ("ramp",), None),
    ]


def test_without_a_way_back_good_probes_are_why_it_closes(clock: ManualClock, facts: Facts) -> None:
    """At the moment at which the last of them came back."""
    gate = breaker(clock)
    gate.half_open()
    gate.listen(facts, CircuitChanged)
    calls(gate, clock, [None, None])
    (fact,) = facts.of(CircuitChanged)
    assert (fact.at, fact.after, fact.causes) == (2.0, "closed", ("probes",))


@pytest.mark.parametrize("given", ["failures", "consecutive_failures"])
def test_a_probe_that_failed_is_told_by_the_name_of_its_threshold(given: str, clock: ManualClock, facts: Facts) -> None:
    """Where one is enough."""
    gate = breaker(clock, failure_rate=None, **{given: 3})
    gate.half_open()
    gate.listen(facts, CircuitChanged)
    calls(gate, clock, [OSError()])
    (fact,) = facts.of(CircuitChanged)
    assert (fact.before, fact.after, fact.causes) == ("half-open", "open", (given,))


@pytest.mark.parametrize("state", ["open", "half_open", "ramp", "forced_open"])
def test_each_refusal_says_when_and_why(state: str, clock: ManualClock, facts: Facts) -> None:
    """And only an open circuit can say for how long."""
    gate = breaker(clock, ramp=10)
    if state in ("half_open", "ramp"):
        gate.half_open()
        permits = [gate.machine.admit(0.0) for _ in range(2)]
        if state == "ramp":
            for permit in permits:
                gate.machine.settle(permit, None, 0.0)
            gate.machine.admit(0.0)
    else:
        {"open": gate.open, "forced_open": gate.force_open}[state]()
    gate.listen(facts)
    clock.advance(3)
    left = 27.0 if state == "open" else None
    with pytest.raises(CircuitOpenError) as refused, gate:
        pass
    assert (refused.value.reason, refused.value.retry_after) == (state, left)
    assert facts == [CallRefused(policy="orders", at=3.0, kind="circuit_breaker", reason=state, retry_after=left)]


def test_what_would_have_opened_it_is_told_with_its_figures(clock: ManualClock, facts: Facts) -> None:
    """By whom, when, and by how much."""
    gate = breaker(clock, mode="observe", slow_call_duration=5)
    gate.listen(facts)
    calls(gate, clock, [None, OSError()])
    assert facts == [
        ThresholdExceeded(
            policy="orders", at=2.0, causes=("failure_rate",), calls=2, failed=1, slow=0, failure_rate=0.5, slow_call_rate=0.0
        )
    ]


@pytest.mark.parametrize(("given", "probes"), [({}, 2), ({"failure_rate": None, "consecutive_failures": 3}, 5)])
def test_good_probes_close_it_when_there_are_enough_for_a_rate(given: dict[str, Any], probes: int, clock: ManualClock) -> None:
    """Where none is watched, when all of them are back."""
    gate = breaker(clock, half_open_calls=5, **given)
    gate.half_open()
    for _ in range(probes):
        assert gate.current_state == "half-open"
        calls(gate, clock, [None])
    assert gate.current_state == "closed"


def test_a_probe_that_came_back_leaves_its_place_to_nobody(clock: ManualClock) -> None:
    """There are as many probes as were said, one after the other or at a time."""
    gate = breaker(clock, half_open_calls=3, min_calls=3)
    gate.half_open()
    calls(gate, clock, [None])
    out = [gate.machine.admit(clock.monotonic()) for _ in range(2)]
    assert not gate.would_admit()
    with pytest.raises(CircuitOpenError, match="half_open"):
        gate.machine.admit(clock.monotonic())
    for permit in out:
        gate.machine.settle(permit, None, clock.monotonic())
    assert gate.current_state == "closed"


def test_one_that_was_refused_holds_no_place(clock: ManualClock) -> None:
    """When the probe before it is lost, the next call gets in, however many were refused meanwhile."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    gate.machine.admit(0.0)
    for now in (10.0, 20.0, 30.0, 40.0, 50.0):
        clock.advance(10)
        with pytest.raises(CircuitOpenError):
            gate.machine.admit(now)
    clock.advance(10)
    assert gate.would_admit()
    gate.machine.admit(60.0)


def test_a_place_that_was_taken_from_a_lost_probe_is_taken(clock: ManualClock) -> None:
    """By one call, not by all that come after; and without a longest wait no probe is ever lost."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    clock.advance(1000)
    lost = gate.machine.admit(clock.monotonic())
    clock.advance(59)
    assert not gate.would_admit()
    clock.advance(1)
    gate.machine.admit(clock.monotonic())
    assert not gate.would_admit()
    gate.machine.settle(lost, None, clock.monotonic())
    assert gate.current_state == "half-open"
    gate.reconfigure({"half_open_max_wait": None})
    clock.advance(1e6)
    assert not gate.would_admit()


def test_a_hand_lets_probes_through_before_the_wait_is_over(clock: ManualClock) -> None:
    """And calls too, by closing it."""
    gate = breaker(clock)
    for hand in (gate.half_open, gate.observe, gate.close):
        gate.open(for_=50)
        hand()
        assert gate.would_admit()
        gate.machine.admit(0.0)


def test_while_it_is_open_a_hand_can_only_make_it_longer(clock: ManualClock) -> None:
    """By a time or a moment; and a word without one changes nothing."""
    gate = breaker(clock)
    gate.open(until=0.5)
    clock.advance(0.5)
    assert gate.would_admit()
    gate.close()
    for how, until in (({"for_": 5}, 5.5), ({}, 5.5), ({"for_": 50}, 50.5), ({"for_": 5}, 50.5), ({"until": 60}, 60)):
        gate.open(**how)
        assert gate.machine.open_until == until
