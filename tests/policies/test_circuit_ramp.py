"""The gradual way back from an outage."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov import Backoff, circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.facts import CircuitChanged
from svcgov.policies._circuit_ramp import Ramp

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock


def ramping(clock: ManualClock, **settings: Any) -> Any:
    """A breaker on its way back, which takes 30 seconds: a tenth, a quarter, a half."""
    given = {"window": 20, "min_calls": 4, "half_open_calls": 2, "open_jitter": 0.0, "ramp": 30, "clock": clock, **settings}
    gate = circuit_breaker(**given)
    gate.half_open()
    for _ in range(2):
        with gate:
            pass
    assert gate.machine.state == "ramping"
    return gate


def knock(gate: Any, times: int) -> int:
    """How many of so many calls get in."""
    admitted = 0
    for _ in range(times):
        foretold = gate.would_admit()
        try:
            with gate:
                admitted += 1
        except CircuitOpenError as refusal:
            assert not foretold
            assert (refusal.reason, refusal.retry_after) == ("ramp", None)
        else:
            assert foretold
    return admitted


def test_a_growing_share_gets_in(clock: ManualClock) -> None:
    """A tenth, a quarter, a half, all; the first call always does."""
    gate = ramping(clock)
    shares = []
    for _ in range(4):
        shares.append(knock(gate, 200))
        clock.advance(10)
    assert shares == [20 + 1, 50, 100, 200]
    assert gate.current_state == "closed"


def test_it_reads_closed_on_the_way(clock: ManualClock, facts: Facts) -> None:
    """To readers, to pybreaker, in the snapshot; the facts tell more."""
    gate = ramping(clock)
    assert (gate.current_state, gate.snapshot()["state"], gate.state.name) == ("closed", "closed", "closed")
    gate.listen(facts, CircuitChanged)
    knock(gate, 1)
    clock.advance(30)
    knock(gate, 1)
    assert [(fact.before, fact.after, fact.cause) for fact in facts.of(CircuitChanged)] == [("ramping", "closed", "ramp")]


def test_the_first_breach_opens_it_again(world: World, facts: Facts) -> None:
    """Two outcomes are enough, as for the probes; and it is the second opening in a row."""
    gate = ramping(world.clock, ramp_steps=[0.9], min_calls=10)
    gate.listen(facts, CircuitChanged)
    call = world.governed(gate, OSError())
    call.fails(OSError)
    assert gate.machine.state == "ramping"
    call.fails(OSError)
    assert gate.current_state == "open"
    (fact,) = facts.of(CircuitChanged)
    assert (fact.before, fact.cause, fact.failure_rate, fact.opening) == ("ramping", "failure_rate", 1.0, 1)


def test_the_window_of_the_way_is_kept_at_its_end(clock: ManualClock) -> None:
    """What was learnt on the way is not forgotten; calls under way have no vote, as after any change."""
    gate = ramping(clock, ramp_steps=[0.5], failure_rate=0.9)
    for _ in range(4):
        knock(gate, 1)
    counted = gate.snapshot()["calls"]
    assert counted == 3
    clock.advance(30)
    late = gate.machine.term
    with gate:
        pass
    gate.machine.settle(late, OSError(), 0.0)
    assert (gate.machine.state, gate.snapshot()["calls"], gate.snapshot()["failed"]) == ("closed", counted + 1, 0)


def test_silence_proves_nothing(clock: ManualClock) -> None:
    """After an hour without an outcome the last step goes on; one outcome later all may come."""
    gate = ramping(clock)
    clock.advance(3600)
    first, second = (gate.machine.admit(clock.monotonic()) for _ in range(2))  # a half: the first, and the one after it
    assert not gate.would_admit()
    gate.machine.settle(first, None, clock.monotonic())
    assert gate.would_admit()
    assert knock(gate, 10) == 10
    gate.machine.settle(second, OSError(), clock.monotonic())
    assert gate.snapshot()["failed"] == 0


def test_the_time_open_grows_over_a_failed_way_back(clock: ManualClock) -> None:
    """Openings in a row are forgotten at the end of the way, not at its beginning."""
    gate = ramping(clock, open_for=Backoff(10, 2, 300, "none"), ramp_steps=[0.9], half_open_calls=1, min_calls=1)
    for wait in (10, 20):
        with pytest.raises(OSError), gate:
            raise OSError
        with pytest.raises(CircuitOpenError) as refused, gate:
            pass
        assert refused.value.retry_after == wait
        clock.advance(wait)
        with gate:
            pass
        assert gate.machine.state == "ramping"
    clock.advance(30)
    knock(gate, 2)
    clock.advance(30)
    knock(gate, 2)
    assert (gate.machine.state, gate.machine.openings) == ("closed", 0)


def test_slow_calls_under_way_end_the_way_back(clock: ManualClock) -> None:
    """They are counted there as they are when it is closed."""
    gate = ramping(clock, count_in_flight=True, slow_call_duration=1, ramp_steps=[0.9])
    for _ in range(2):
        gate.machine.admit(clock.monotonic())
    clock.advance(2)
    assert not gate.would_admit()
    with pytest.raises(CircuitOpenError) as refused, gate:
        pass
    assert refused.value.reason == "open"


def test_a_slow_call_under_way_is_an_outcome_too(clock: ManualClock) -> None:
    """It ends the silence, though it has not come back."""
    gate = ramping(clock, count_in_flight=True, slow_call_duration=1, slow_call_rate=None)
    gate.machine.admit(clock.monotonic())
    clock.advance(30)
    assert gate.machine.admit(clock.monotonic()) is not None
    assert gate.machine.state == "closed"


def test_other_steps_are_in_force_at_the_next_call(clock: ManualClock) -> None:
    """Another length is for the next way back."""
    gate = ramping(clock)
    gate.reconfigure({"ramp_steps": [0.5], "ramp": 1})
    assert knock(gate, 100) == 51
    clock.advance(29)
    assert knock(gate, 100) == 50


STEPS = st.lists(st.integers(1, 999), min_size=1, max_size=5, unique=True).map(sorted)


@given(steps=STEPS, arrivals=st.lists(st.integers(0, 300), min_size=5, max_size=5))
def test_the_share_of_a_step_is_exact_to_one_call(steps: list[int], arrivals: list[int]) -> None:
    """From share times arrivals less one to share times arrivals plus one."""
    ramp = Ramp(10.0 * len(steps), 0.0)
    for number, share in enumerate(steps):
        admitted = sum(ramp.admit(10.0 * number + 5, steps) for _ in range(arrivals[number]))
        assert abs(admitted - Fraction(share, 1000) * arrivals[number]) <= 1


def test_a_clock_read_before_the_way_began_is_in_its_first_step() -> None:
    """Another thread was faster."""
    assert Ramp(30.0, 100.0).share(99.0, (100, 250)) == 100
