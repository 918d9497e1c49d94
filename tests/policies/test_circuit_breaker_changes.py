"""A circuit breaker that is told to change, and what it tells of its changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Facts, World
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.facts import CallRefused, CircuitChanged, ThresholdExceeded

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of four calls, without jitter, on *clock*."""
    return circuit_breaker(**{"window": 4, "min_calls": 4, "open_jitter": 0.0, "clock": clock, **settings})


def test_a_raising_listener_changes_nothing(world: World, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """Its error is reported once; the breaker and the other listeners go on."""

    def broken(fact: object) -> None:
        raise RuntimeError("broken listener")

    gate = breaker(world.clock)
    gate.listen(broken)
    gate.listen(facts, CircuitChanged)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=4)
    call.fails(CircuitOpenError, times=4)
    assert len(facts) == 1
    assert capsys.readouterr().err.count("broken listener") == 1


def test_a_listener_may_use_the_breaker(clock: ManualClock) -> None:
    """No lock is held while it is told: it can close what has just opened."""
    gate = breaker(clock)
    changes: list[str] = []

    def close(fact: CircuitChanged) -> None:
        changes.append(fact.after)
        if fact.after == "open":
            gate.close()

    gate.listen(close, CircuitChanged)
    gate.open()
    assert changes == ["open", "closed"]
    assert gate.current_state == "closed"


def test_facts_form_a_chain(world: World, facts: Facts) -> None:
    """Where one change ends the next one begins; each carries what led to it."""
    gate = breaker(world.clock, half_open_calls=1, open_for=5)
    gate.listen(facts, CircuitChanged)
    call = world.governed(gate, *[OSError()] * 5, "good")
    call.fails(OSError, times=4)
    world.clock.advance(5)
    call.fails(OSError)
    world.clock.advance(5)
    call()
    changes = facts.of(CircuitChanged)
    states = [(change.before, change.after) for change in changes]
    assert states == [
        ("closed", "open"),
        ("open", "half-open"),
        ("half-open", "open"),
        ("open", "half-open"),
        ("half-open", "closed"),
    ]
    assert [change.opening for change in changes] == [1, 1, 2, 2, 0]
    first = changes[0]
    assert (first.calls, first.failed, first.failure_rate, first.open_for, first.cause) == (4, 4, 1.0, 5.0, "failure_rate")


def test_a_refusal_is_told(clock: ManualClock, facts: Facts) -> None:
    """With the same words as the error."""
    gate = circuit_breaker("payments", clock=clock, open_jitter=0.0)
    gate.open()
    gate.listen(facts, CallRefused)
    with pytest.raises(CircuitOpenError), gate:
        pass
    assert facts == [CallRefused(policy="payments", at=0.0, kind="circuit_breaker", reason="open", retry_after=30.0)]
    assert gate.snapshot()["refused"] == 1


def test_a_reconfiguration_keeps_the_state_and_the_window(world: World) -> None:
    """An open circuit stays open, failures stay counted; the new threshold is in force at the next outcome."""
    gate = breaker(world.clock, window=10, min_calls=4, failure_rate=1.0)
    call = world.governed(gate, OSError(), OSError(), "good", OSError())
    call.fails(OSError, times=2)
    call()
    gate.reconfigure({"failure_rate": 0.75})
    assert gate.snapshot()["failed"] == 2
    assert gate.current_state == "closed"
    call.fails(OSError)
    assert gate.current_state == "open"
    gate.reconfigure({"open_for": 1})
    assert not gate.would_admit()
    world.clock.advance(29)
    assert not gate.would_admit()


def test_a_lower_threshold_is_in_force_at_the_next_outcome_even_a_good_one(world: World) -> None:
    """Four of ten were fine at one half; at three tenths the next outcome, good as it is, opens the circuit."""
    gate = breaker(world.clock, window=20, min_calls=4)
    call = world.governed(gate, *["good"] * 6, *[OSError()] * 4, "good")
    for _ in range(6):
        call()
    call.fails(OSError, times=4)
    gate.reconfigure({"failure_rate": 0.3})
    assert gate.current_state == "closed"
    call()
    assert gate.current_state == "open"


def test_another_window_starts_the_counts_anew(world: World) -> None:
    """The one setting whose change empties the window; the state stays."""
    gate = breaker(world.clock, window=10)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    gate.reconfigure({"window": 20})
    assert gate.snapshot()["calls"] == 0
    gate.open()
    gate.reconfigure({"window": 30})
    assert gate.current_state == "open"


def test_another_window_starts_failures_in_a_row_anew(world: World) -> None:
    """It takes as many again as are said; and an observer tells anew."""
    gate = breaker(world.clock, consecutive_failures=2)
    call = world.governed(gate, OSError())
    call.fails(OSError)
    gate.reconfigure({"window": 20})
    call.fails(OSError)
    assert gate.current_state == "closed"
    call.fails(OSError)
    assert gate.current_state == "open"
    heard = Facts()
    gate.listen(heard, ThresholdExceeded)
    gate.observe()
    for window in (30, 40, "10s"):
        call.fails(OSError, times=3)
        gate.reconfigure({"window": window})
    assert [fact.calls for fact in heard.of(ThresholdExceeded)] == [2, 2, 2]


def test_an_observer_tells_anew_what_the_first_outcome_of_a_window_shows(world: World, facts: Facts) -> None:
    """After other settings, and after a snapshot: what it told before was of other calls."""
    gate = breaker(world.clock, mode="observe", consecutive_failures=1)
    gate.listen(facts, ThresholdExceeded)
    call = world.governed(gate, OSError())
    for change in (dict, lambda: gate.reconfigure({"window": "10s"}), gate.restored, lambda: gate.reconfigure({"window": 9})):
        change()
        call.fails(OSError, times=2)
    assert [fact.calls for fact in facts.of(ThresholdExceeded)] == [1, 1, 1, 1]


def test_equal_settings_leave_it_calm(world: World) -> None:
    """A healthy call goes on to cost nothing."""
    gate = breaker(world.clock)
    call = world.governed(gate, "good")
    for _ in range(4):
        call()
    gate.reconfigure({})
    assert gate.machine.calm is gate.machine.free


def test_after_a_reset_it_is_as_new(clock: ManualClock) -> None:
    """Closed, with nothing counted, no refusal either; and to open it by hand answers as pybreaker does."""
    gate = breaker(clock)
    assert gate.open() is True
    with pytest.raises(CircuitOpenError), gate:
        pass
    gate.reset()
    assert gate.snapshot() == breaker(clock).snapshot()
    assert gate.current_state == "closed"
    assert gate.machine.free is not None


def test_a_reconfiguration_with_equal_settings_changes_nothing(world: World) -> None:
    """It is the identity."""
    gate = breaker(world.clock, window=10)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    before = gate.snapshot()
    gate.reconfigure({"window": 10})
    gate.reconfigure({})
    assert gate.snapshot() == before


def test_opening_by_hand_lasts_as_long_as_is_said(clock: ManualClock) -> None:
    """Or for the usual time; a second, longer word wins over the first one."""
    gate = breaker(clock, open_for=30)
    gate.open(for_="5s")
    clock.advance(5)
    assert gate.would_admit()
    gate.close()
    gate.open()
    gate.open(for_=60)
    clock.advance(59)
    assert not gate.would_admit()
    clock.advance(1)
    assert gate.would_admit()


@pytest.mark.parametrize("wrong", [0, -1, "soon", True, float("nan")])
def test_opening_for_no_time_is_refused(wrong: Any, clock: ManualClock) -> None:
    """And the circuit stays as it was."""
    gate = breaker(clock)
    with pytest.raises(ConfigError) as refused:
        gate.open(for_=wrong)
    assert refused.value.value is wrong
    assert (refused.value.path, refused.value.expected) == ("open.for_", 'a duration > 0 s, such as 2.5 or "500ms"')
    assert gate.current_state == "closed"


def test_closing_by_hand_empties_the_window(world: World) -> None:
    """Also when it is closed already; then nobody is told."""
    gate = breaker(world.clock)
    heard = Facts()
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    gate.listen(heard, CircuitChanged)
    gate.close()
    assert gate.snapshot()["calls"] == 0
    assert heard == []


def test_a_step_of_the_wall_clock_changes_nothing(world: World) -> None:
    """Two hours forth or back: policies read the monotonic clock."""
    gate = breaker(world.clock, open_for=30)
    gate.open()
    for step in (7200, -14400):
        world.clock.step_wall(step)
        assert not gate.would_admit()
    world.clock.advance(30)
    assert gate.would_admit()
