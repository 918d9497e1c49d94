"""The states that only a hand or a setting changes, and what is told of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.facts import CallRefused, CircuitChanged, ThresholdExceeded

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock

HELD = {"forced-open": {"force": "open"}, "disabled": {"mode": "off"}, "metrics-only": {"mode": "observe"}}


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of four calls, without jitter, on *clock*."""
    return circuit_breaker(**{"window": 4, "min_calls": 4, "open_jitter": 0.0, "clock": clock, **settings})


def hold(gate: Any, state: str, *, by: str) -> None:
    """Put it into a held state, by a hand or by a setting."""
    if by == "setting":
        gate.reconfigure(HELD[state])
    else:
        {"forced-open": gate.force_open, "disabled": gate.disable, "metrics-only": gate.observe}[state]()


def test_disabled_asks_no_function_of_the_user(clock: ManualClock) -> None:
    """It does nothing at all: it is calm, and not even an error is looked at."""
    gate = breaker(clock, on=lambda error: pytest.fail("it was asked"), mode="off")
    assert gate.machine.free is gate.machine.calm is not None
    with pytest.raises(OSError), gate:
        raise OSError
    assert gate.snapshot()["calls"] == 0


@pytest.mark.parametrize("window", [4, "1m"])
def test_observing_tells_when_it_would_have_opened(window: Any, world: World, facts: Facts) -> None:
    """Once; and again only after the thresholds held no more. Nobody is refused."""
    gate = breaker(world.clock, mode="observe", window=window, consecutive_failures=2, failure_rate=0.75)
    gate.listen(facts)
    call = world.governed(gate, *[OSError()] * 6, "good", OSError(), OSError())
    call.fails(OSError, times=6)
    (fact,) = facts.of(ThresholdExceeded)
    assert (fact.causes, fact.calls, fact.failed, fact.failure_rate) == (("consecutive_failures",), 2, 2, None)
    call()
    if window == "1m":  # six of seven have failed: the rate still holds
        call.fails(OSError, times=2)
        assert len(facts) == 1
        return
    call.fails(OSError)
    call.fails(OSError)
    assert [type(fact) for fact in facts] == [ThresholdExceeded]  # three of four is the rate: it held all the while
    assert gate.current_state == "metrics-only"
    assert gate.snapshot()["failed"] == 3


@pytest.mark.parametrize(("window", "good", "bad"), [(4, 3, 2), ("1m", 5, 1)])
def test_observing_tells_anew_after_a_fall(window: Any, good: int, bad: int, world: World, facts: Facts) -> None:
    """Also when it was good calls alone that brought it down."""
    gate = breaker(world.clock, mode="observe", window=window)
    gate.listen(facts, ThresholdExceeded)
    call = world.governed(gate, *[OSError()] * 4, *["good"] * good, OSError())
    call.fails(OSError, times=4)
    for _ in range(good):
        call()
    call.fails(OSError, times=bad - 1)
    assert len(facts) == 1
    call.fails(OSError)
    assert [fact.causes for fact in facts.of(ThresholdExceeded)] == [("failure_rate",)] * 2


def test_observing_begins_with_an_empty_window(world: World) -> None:
    """Each time that it is asked for."""
    gate = breaker(world.clock)
    call = world.governed(gate, OSError())
    for _ in range(2):
        call.fails(OSError, times=2)
        assert gate.snapshot()["calls"] == 2
        gate.observe()
        assert gate.snapshot()["calls"] == 0


def test_observing_is_calm_as_being_closed_is(clock: ManualClock) -> None:
    """It costs a healthy call no more."""
    machine = breaker(clock, mode="observe").machine
    for _ in range(9):
        machine.settle(machine.free, None, 0.0)
    assert machine.calm is machine.free


@pytest.mark.parametrize(("state", "setting"), HELD.items())
def test_a_setting_holds_a_breaker_from_the_beginning(state: str, setting: dict[str, Any], clock: ManualClock) -> None:
    """And another setting lets go of it again."""
    gate = breaker(clock, **setting)
    assert gate.current_state == state
    gate.reconfigure({"mode": "enforce", "force": None})
    assert gate.current_state == "closed"


@pytest.mark.parametrize("state", HELD)
def test_a_hand_is_not_moved_by_other_settings(state: str, clock: ManualClock) -> None:
    """What a hand has set stays, unless mode or force themselves change."""
    gate = breaker(clock)
    hold(gate, state, by="hand")
    gate.reconfigure({"failure_rate": 0.9})
    gate.reconfigure({"window": "10s"})
    assert gate.current_state == state
    gate.close()
    assert gate.current_state == "closed"


def test_letting_go_by_a_setting_leaves_what_a_hand_has_moved(clock: ManualClock) -> None:
    """It was forced open by a setting and opened by a hand since: the setting's end changes nothing."""
    gate = breaker(clock, force="open")
    gate.open(for_=50)
    gate.reconfigure({"force": None})
    assert gate.current_state == "open"


def test_force_wins_over_mode(clock: ManualClock) -> None:
    """Whoever forces it open means it."""
    gate = breaker(clock, mode="off", force="open")
    assert gate.current_state == "forced-open"
    gate.reconfigure({"force": None})
    assert gate.current_state == "disabled"


def test_what_is_told_says_who_moved_it(clock: ManualClock, facts: Facts) -> None:
    """A hand, a setting, or its own calls; and all thresholds that held, in their order."""
    gate = breaker(clock, failures=4, consecutive_failures=4, failure_rate=0.5, slow_call_duration=1, bad_rate=1)
    gate.listen(facts, CircuitChanged)
    for _ in range(4):
        with pytest.raises(OSError), gate:
            clock.advance(2)
            raise OSError
    gate.observe()
    gate.reconfigure({"mode": "off"})
    opened, observed, disabled = facts.of(CircuitChanged)
    assert (opened.cause, opened.origin) == ("failures", "local")
    assert opened.causes == ("failures", "consecutive_failures", "failure_rate", "slow_call_rate", "bad_rate")
    assert (opened.calls, opened.failed, opened.slow, opened.failure_rate, opened.slow_call_rate) == (4, 4, 4, 1.0, 1.0)
    assert (observed.cause, observed.origin, observed.open_for) == ("hand", "hand", None)
    assert (disabled.cause, disabled.origin, disabled.before) == ("settings", "document", "metrics-only")


def test_an_old_outcome_has_no_vote_in_a_held_state(clock: ManualClock) -> None:
    """Nor has one of a held state afterwards."""
    gate = breaker(clock)
    with pytest.raises(OSError), gate:
        gate.observe()
        raise OSError
    assert gate.snapshot()["calls"] == 0
    with pytest.raises(OSError), gate:
        gate.close()
        raise OSError
    assert gate.snapshot()["calls"] == 0


def test_refusals_of_a_forced_state_are_told(clock: ManualClock, facts: Facts) -> None:
    """With the reason that the error has."""
    gate = breaker(clock, force="open")
    gate.listen(facts, CallRefused)
    with pytest.raises(CircuitOpenError), gate:
        pass
    assert [fact.reason for fact in facts.of(CallRefused)] == ["forced_open"]


class Changes(pybreaker.CircuitBreakerListener):
    """A listener as people write them for pybreaker."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        self.heard.append((old_state.name, new_state.name))


def test_to_pybreaker_all_states_are_one_of_its_three(clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """What refuses is open, what admits is closed; a change between two that look the same to it is none."""
    listener = Changes()
    gate = breaker(clock, mode="observe", listeners=[listener])
    assert (gate.state.name, gate._state_storage.state) == ("closed", "closed")
    gate.disable()
    gate.force_open()
    assert isinstance(gate.state, pybreaker.CircuitOpenState)
    gate.open()
    gate.close()
    assert listener.heard == [("closed", "open"), ("open", "closed")]
    gate.force_open()
    with pytest.raises(CircuitOpenError), gate:
        pass  # of a refusal it is not told either
    assert listener.heard[2:] == [("closed", "open")]
    assert capsys.readouterr().err == ""
