"""The circuit against a model that keeps the outcomes of its term in a list, and evaluates after every one of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from _worlds import Facts
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.facts import CallRefused, CircuitChanged
from svcgov.policies._circuit import Circuit, LockedCircuit
from svcgov.testing import ManualClock

RATES = st.sampled_from([None, 0.25, 0.3, 0.5, 1.0])
ROWS = st.none() | st.integers(1, 4)
ENDS = st.sampled_from([None, None, None, None, ValueError(), ValueError(), KeyError(), KeyboardInterrupt()])
VARIANTS = st.sampled_from([Circuit, LockedCircuit])
CHANGES = st.one_of(
    st.tuples(st.just("failure_rate"), RATES),
    st.tuples(st.just("failure_rate"), st.just(0.25)),
    st.tuples(st.just("consecutive_failures"), ROWS),
    st.tuples(st.just("min_calls"), st.integers(1, 12)),
    st.tuples(st.just("window"), st.integers(1, 12)),
    st.tuples(st.just("half_open_calls"), st.integers(1, 4)),
    st.tuples(st.just("open_for"), st.sampled_from([4, 8, 16])),
)


class Given:
    """A permit that is out: what it is, in which term it was given, and when."""

    def __init__(self, permit: Any, term: int, since: float) -> None:
        self.permit = permit
        self.term = term
        self.since = since


class CircuitModel(RuleBasedStateMachine):
    """One truth, found in two ways."""

    @initialize(
        sizes=st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(1, 4)), rate=RATES, row=ROWS, variant=VARIANTS
    )
    def begin(self, sizes: tuple[int, int, int], rate: float | None, row: int | None, variant: type[Circuit]) -> None:
        window, enough, half = sizes
        self.clock = ManualClock()
        self.own: dict[str, Any] = {
            "window": window,
            "min_calls": enough,
            "failure_rate": 0.5 if rate is row is None else rate,
            "half_open_calls": half,
            "consecutive_failures": row,
            "half_open_max_wait": 50,
            "open_for": 8,
        }
        self.breaker = circuit_breaker(**self.own, open_jitter=0.0, ignore=KeyError, clock=self.clock)
        self.breaker.machine = variant(self.breaker, self.breaker.settings)
        self.heard = Facts()
        self.breaker.listen(self.raising)
        self.breaker.listen(self.heard)
        self.state, self.term, self.until, self.openings, self.refused = "closed", 0, 0.0, 0, 0
        self.window, self.half = window, half
        self.outcomes: list[bool] = []
        self.out: list[Given] = []
        self.struck: list[Given] = []
        self.changes: list[tuple[str, str, int]] = []

    def raising(self, fact: object) -> None:
        raise RuntimeError("a listener that raises changes nothing")

    # -- the model ---------------------------------------------------------------------------------------------------

    def turn(self, state: str, *, wait: float | None = None) -> None:
        if state != self.state:
            self.changes.append((self.state, state, self.openings))
        self.state, self.outcomes = state, []
        self.term += 1
        self.struck.clear()
        self.window, self.half = self.own["window"], self.own["half_open_calls"]
        if state == "open":
            self.until = self.clock.monotonic() + (self.own["open_for"] if wait is None else wait)

    def trip(self) -> None:
        self.openings += 1
        self.turn("open")

    def recover(self) -> None:
        self.openings = 0
        self.turn("closed")

    def probes(self) -> list[Given]:
        return [given for given in self.out if given.term == self.term and given not in self.struck]

    def lost(self) -> list[Given]:
        return [given for given in self.probes() if self.clock.monotonic() - given.since >= 50]

    def room(self) -> bool:
        return len(self.probes()) - len(self.lost()) + len(self.outcomes) < self.half

    def would_admit(self) -> bool:
        if self.state == "open":
            return self.clock.monotonic() >= self.until
        return self.state == "closed" or self.room()

    def judge(self) -> None:
        rate, row, enough = self.own["failure_rate"], self.own["consecutive_failures"], self.own["min_calls"]
        if self.state == "closed":
            recent = self.outcomes[-self.window :]
            in_row = row is not None and len(self.outcomes) >= row and all(self.outcomes[-row:])
            known = rate is not None and len(recent) >= min(enough, self.window)
            if in_row or (known and sum(recent) >= rate * len(recent)):
                self.trip()
        elif rate is None:
            if self.outcomes[-1]:
                self.trip()
            elif len(self.outcomes) >= self.half:
                self.recover()
        elif len(self.outcomes) >= min(self.half, enough):
            self.trip() if sum(self.outcomes) >= rate * len(self.outcomes) else self.recover()

    # -- what may happen ---------------------------------------------------------------------------------------------

    @rule(ends=st.lists(ENDS, min_size=2, max_size=16))
    def calls(self, ends: list[BaseException | None]) -> None:
        """One after the other, as most calls are."""
        for end in ends:
            before = len(self.out)
            self.admit(0.0)
            if len(self.out) > before:
                self.settle(before, end, again=False)
            self.agree()

    @rule(ends=st.lists(ENDS, min_size=1, max_size=6))
    def calls_after_the_wait(self, ends: list[BaseException | None]) -> None:
        """The first of them at the very moment at which it may."""
        if self.state == "open":
            self.clock.advance(max(0.0, self.until - self.clock.monotonic()))
        self.calls(ends)

    @rule(behind=st.sampled_from([0.0, 0.0, 1.0, 100.0]))
    def admit(self, behind: float) -> None:
        """As the shells do; the head's reading of the clock may be old by now."""
        assert self.breaker.would_admit() is self.would_admit()
        admitted = self.would_admit()
        if self.state == "open" and admitted:
            self.turn("half-open")
        now = self.clock.monotonic()
        machine = self.breaker.machine
        try:
            permit = machine.free or machine.admit(max(0.0, now - behind))
        except CircuitOpenError as refusal:
            assert not admitted
            self.refused += 1
            wait = self.until - now if self.state == "open" else None
            assert refusal.retry_after == (None if wait is None else pytest.approx(wait))
            assert refusal.reason == ("open" if wait is not None else "half_open")
        else:
            assert admitted
            if self.state == "half-open":
                self.struck += self.lost()
            self.out.append(Given(permit, self.term, now))

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 100), error=ENDS, again=st.booleans())
    def settle(self, which: int, error: BaseException | None, again: bool) -> None:
        """As the shells do: a clean return with a calm permit is not told. A probe may be told twice."""
        given = self.out[which % len(self.out)]
        machine = self.breaker.machine
        vote = given.term == self.term and given not in self.struck
        self.out.remove(given)
        if given.permit is not machine.calm or error is not None:
            machine.settle(given.permit, error, given.since)
        if again and given.permit is not machine.free:
            before = self.breaker.snapshot()
            machine.settle(given.permit, ValueError(), given.since)
            assert self.breaker.snapshot() == before
        if vote and (error is None or isinstance(error, ValueError)):
            self.outcomes.append(error is not None)
            self.judge()

    @rule(seconds=st.sampled_from([0.0, 0.001, 1.0, 7.999, 8.0, 49.0, 50.0, 86400.0]), frozen=st.booleans())
    def wait(self, seconds: float, frozen: bool) -> None:
        self.clock.freeze(seconds) if frozen else self.clock.advance(seconds)

    @precondition(lambda self: self.state == "half-open" and self.probes())
    @rule(more=st.integers(1, 3), end=ENDS)
    def wait_until_a_probe_is_lost(self, more: int, end: BaseException | None) -> None:
        """To the very moment; others take its place, and then it comes back after all."""
        first = self.probes()[0]
        self.clock.advance(max(0.0, first.since + 50 - self.clock.monotonic()))
        for _ in range(more):
            self.admit(0.0)
        self.settle(self.out.index(first), end, again=False)

    @rule(hours=st.integers(-3, 3))
    def step_the_wall_clock(self, hours: int) -> None:
        self.clock.step_wall(hours * 3600.0)

    @precondition(lambda self: self.state != "closed" or len(self.outcomes) > 3)
    @rule(state=st.sampled_from(["closed", "half-open"]))
    def by_hand(self, state: str) -> None:
        {"closed": self.breaker.close, "half-open": self.breaker.half_open}[state]()
        if state == "closed":
            self.openings = 0
        self.turn(state)

    @precondition(lambda self: self.state != "closed" or len(self.outcomes) > 3)
    @rule(wait=st.none() | st.sampled_from([1, 8, 20]))
    def open_by_hand(self, wait: float | None) -> None:
        self.breaker.open(for_=wait)
        if self.state != "open":
            self.turn("open", wait=wait)
        elif wait is not None:
            self.until = max(self.until, self.clock.monotonic() + wait)

    @rule(change=CHANGES, end=ENDS)
    def reconfigure(self, change: tuple[str, Any], end: BaseException | None) -> None:
        """In force at the next outcome, which comes at once; but for what is said to be of the next term."""
        changes = dict([change])
        wanted = {**self.own, **changes}
        if wanted["failure_rate"] is wanted["consecutive_failures"] is None:
            with pytest.raises(ConfigError):
                self.breaker.reconfigure(wanted)
            return
        self.breaker.reconfigure(wanted)
        self.own = wanted
        if self.state == "closed" and wanted["window"] != self.window:
            self.window, self.outcomes = wanted["window"], []
        self.calls([end])

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "breaker"):
            return
        assert self.breaker.current_state == self.state
        assert self.breaker.would_admit() is self.would_admit()
        assert self.breaker.snapshot()["refused"] == self.refused == len(self.heard.of(CallRefused))
        changes = [(fact.before, fact.after, fact.opening) for fact in self.heard.of(CircuitChanged)]
        assert changes == self.changes
        if self.state == "half-open":
            assert len(self.probes()) + len(self.outcomes) <= self.half + len(self.lost())
        if self.state != "open":
            recent = self.outcomes[-self.window :] if self.state == "closed" else self.outcomes
            calm = self.breaker.machine.calm is self.breaker.machine.free is not None
            counted = (self.window, 0) if calm else (len(recent), sum(recent))
            assert self.breaker.machine.counts()[:2] == counted == (len(recent), sum(recent))


TestTheCircuitEqualsItsModel = CircuitModel.TestCase
TestTheCircuitEqualsItsModel.settings = settings(max_examples=120, stateful_step_count=60, deadline=None)
