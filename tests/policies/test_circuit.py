"""The circuit alone: permits, terms, and a model that knows no tricks."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.testing import ManualClock

Outcome = ValueError | KeyboardInterrupt | KeyError | None


def circuit(clock: ManualClock, **given: Any) -> Any:
    """The machine of a breaker."""
    return circuit_breaker(clock=clock, open_jitter=0.0, **given).machine


def test_a_closed_circuit_is_not_asked(clock: ManualClock) -> None:
    """Its permit is free for the taking."""
    assert circuit(clock).free is not None


def test_it_is_calm_when_its_window_is_full_and_clean(clock: ManualClock) -> None:
    """Then one more clean outcome changes nothing, and need not be told."""
    machine = circuit(clock, window=20, min_calls=5)
    for _ in range(19):
        machine.settle(machine.free, None, 0.0)
    assert machine.calm is not machine.free
    machine.settle(machine.free, None, 0.0)
    assert machine.calm is machine.free


def test_a_failure_ends_the_calm_for_one_turn_of_the_window(clock: ManualClock) -> None:
    """It is calm again when the last failure has left the window."""
    machine = circuit(clock, window=20, min_calls=5)
    for _ in range(20):
        machine.settle(machine.free, None, 0.0)
    machine.settle(machine.free, OSError(), 0.0)
    for _ in range(19):
        assert machine.calm is not machine.free
        machine.settle(machine.free, None, 0.0)
    machine.settle(machine.free, None, 0.0)
    assert machine.calm is machine.free


def test_a_permit_of_another_term_is_another_object(clock: ManualClock) -> None:
    """So that a late outcome is known by identity."""
    machine = circuit(clock)
    first = machine.free
    machine.move("open", 0.0)
    assert machine.free is None
    machine.move("closed", 0.0)
    assert machine.free is not first


def test_a_probe_settled_twice_counts_once(clock: ManualClock) -> None:
    """The second time it is not known any more."""
    machine = circuit(clock, half_open_calls=3)
    machine.move("half-open", 0.0)
    probe = machine.admit(0.0)
    machine.settle(probe, None, 0.0)
    before = machine.counts()
    machine.settle(probe, None, 0.0)
    machine.settle(probe, OSError(), 0.0)
    assert machine.counts() == before


def test_a_clock_read_before_another_thread_s_refuses_nobody_who_is_due(clock: ManualClock) -> None:
    """Whoever is about to be refused reads the clock again."""
    machine = circuit(clock, open_for=30)
    machine.move("open", 0.0)
    clock.advance(30)
    machine.settle(machine.admit(10.0), None, 10.0)
    assert machine.state == "half-open"


@given(start=st.floats(0, 1e6), wait=st.floats(0.01, 3600), share=st.floats(0, 0.999))
def test_what_it_says_to_wait_is_enough_to_the_last_bit(start: float, wait: float, share: float) -> None:
    """No rounding of floats makes the caller who waited exactly that long come too early."""
    clock = ManualClock()
    clock.advance(start)
    machine = circuit(clock, open_for=wait)
    machine.move("open", clock.monotonic())
    clock.advance(wait * share)
    with pytest.raises(CircuitOpenError) as refused:
        machine.admit(clock.monotonic())
    assert refused.value.retry_after is not None
    clock.advance(refused.value.retry_after)
    assert machine.would_admit(clock.monotonic())


class Given:
    """A permit that is out: what it is, in which term it was given, and when."""

    def __init__(self, permit: Any, term: int, since: float) -> None:
        self.permit = permit
        self.term = term
        self.since = since


class Model(RuleBasedStateMachine):
    """The breaker against a list of outcomes: one truth, found in two ways."""

    @initialize(
        window=st.integers(1, 12),
        min_calls=st.integers(1, 12),
        rate=st.sampled_from([0.25, 0.5, 1.0]),
        half=st.integers(1, 4),
        row=st.none() | st.integers(1, 3),
    )
    def begin(self, window: int, min_calls: int, rate: float, half: int, row: int | None) -> None:
        self.clock = ManualClock()
        self.breaker = circuit_breaker(
            window=window,
            min_calls=min_calls,
            failure_rate=rate,
            half_open_calls=half,
            consecutive_failures=row,
            half_open_max_wait=50,
            open_for=8,
            open_jitter=0.0,
            ignore=KeyError,
            clock=self.clock,
        )
        self.window, self.min_calls, self.rate, self.half, self.row = window, min(min_calls, window), rate, half, row
        self.needed = min(half, min_calls)
        self.state, self.term, self.until = "closed", 0, 0.0
        self.outcomes: list[bool] = []
        self.out: list[Given] = []
        self.lost: list[Given] = []

    def turn(self, state: str) -> None:
        self.state, self.outcomes = state, []
        self.term += 1
        self.lost.clear()
        if state == "open":
            self.until = self.clock.monotonic() + 8

    def probes(self) -> list[Given]:
        return [given for given in self.out if given.term == self.term and given not in self.lost]

    @rule()
    def admit(self) -> None:
        now = self.clock.monotonic()
        if self.state == "open" and now >= self.until:
            self.turn("half-open")
        admitted = self.state == "closed"
        if self.state == "half-open":
            self.lost += [given for given in self.probes() if now - given.since >= 50]
            admitted = len(self.probes()) + len(self.outcomes) < self.half
        machine = self.breaker.machine
        assert self.breaker.would_admit() is admitted
        try:
            permit = machine.free or machine.admit(now)
        except CircuitOpenError:
            assert not admitted
        else:
            assert admitted
            self.out.append(Given(permit, self.term, now))

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 100), error=st.sampled_from([None, None, ValueError(), KeyError(), KeyboardInterrupt()]))
    def settle(self, which: int, error: Outcome) -> None:
        given = self.out.pop(which % len(self.out))
        self.breaker.machine.settle(given.permit, error, given.since)
        counted = error is None or isinstance(error, ValueError)
        if given.term != self.term or given in self.lost or not counted:
            return
        self.outcomes.append(error is not None)
        if self.state == "closed":
            recent = self.outcomes[-self.window :]
            in_row = self.row is not None and len(self.outcomes) >= self.row and all(self.outcomes[-self.row :])
            if in_row or (len(recent) >= self.min_calls and sum(recent) >= self.rate * len(recent)):
                self.turn("open")
        elif len(self.outcomes) >= self.needed:
            bad = sum(self.outcomes) >= self.rate * len(self.outcomes)
            self.turn("open" if bad else "closed")

    @rule(seconds=st.sampled_from([0.0, 0.001, 1.0, 7.999, 8.0, 49.0, 50.0, 86400.0]))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(hours=st.integers(-3, 3))
    def step_the_wall_clock(self, hours: int) -> None:
        self.clock.step_wall(hours * 3600.0)

    @rule(state=st.sampled_from(["open", "closed", "half-open"]))
    def by_hand(self, state: str) -> None:
        {"open": self.breaker.open, "closed": self.breaker.close, "half-open": self.breaker.half_open}[state]()
        if state != "open" or self.state != "open":
            self.turn(state)

    @rule()
    def reconfigure_to_the_same(self) -> None:
        self.breaker.reconfigure({})

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "breaker"):
            return
        assert self.breaker.current_state == self.state
        if self.state != "open":
            recent = self.outcomes[-self.window :] if self.state == "closed" else self.outcomes
            assert self.breaker.machine.counts() == (len(recent), sum(recent))


TestTheCircuitEqualsItsModel = Model.TestCase
TestTheCircuitEqualsItsModel.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)
