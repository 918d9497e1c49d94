"""The circuit, with all that it can be told, against the slow and obvious one of ``_breaker``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from _breaker import Call, Model
from _worlds import Answer, Facts
from svcgov import Backoff, circuit_breaker, seconds
from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.facts import CallRefused, CircuitChanged, ThresholdExceeded
from svcgov.policies._circuit import Circuit, LockedCircuit
from svcgov.policies._circuit_states import Terms
from svcgov.testing import ManualClock

TINY = 1 / 1024  # all times are multiples of it, so that sums of them are exact
SLOW = 1.0
RATES = st.sampled_from([None, 0.25, 0.5, 0.5, 1.0])
ENDS = st.sampled_from(["good", "good", "good", "good", "failed", "failed", "ignored", "cancelled", "collected", "busy"])
ERRORS: dict[str, Any] = {
    "good": None,
    "failed": ValueError(),
    "ignored": KeyError(),
    "cancelled": KeyboardInterrupt(),
    "collected": GeneratorExit(),
    "busy": Answer(503, Retry_After="6"),
}
WINDOWS = st.sampled_from([1, 3, 8, 10, 10.0, 2.5])
TAKES = st.sampled_from([0.0, 0.0, 0.0, TINY, SLOW, SLOW + TINY])
WAITS = st.sampled_from([0.0, TINY, 0.25, 1.0, 2.5 - TINY, 2.5, 8.0, 9.0, 10.0, 20.0, 50.0, 86400.0])
OPEN_FOR = st.sampled_from([(8, 1, 8), (16, 1, 16), (4, 2, 64)])
CHANGES = st.one_of(
    st.tuples(st.sampled_from(["failure_rate", "slow_call_rate", "bad_rate"]), RATES),
    st.tuples(st.just("consecutive_failures"), st.none() | st.integers(1, 4)),
    st.tuples(st.just("failures"), st.none() | st.integers(1, 6)),
    st.tuples(st.just("min_calls"), st.integers(1, 12)),
    st.tuples(st.just("window"), WINDOWS),
    st.tuples(st.just("half_open_calls"), st.integers(1, 4)),
    st.tuples(st.just("open_for"), OPEN_FOR),
    st.tuples(st.just("max_open_for"), st.sampled_from([16, 300])),
    st.tuples(st.just("ramp"), st.sampled_from([None, 8.0])),
    st.tuples(st.just("ramp_steps"), st.sampled_from([(0.1, 0.5), (0.25,), (0.1, 0.25, 0.5, 0.999)])),
    st.tuples(st.sampled_from(["count_in_flight", "open_from_answer"]), st.booleans()),
    st.tuples(st.just("slow_call_duration"), st.sampled_from([None, SLOW])),
    st.tuples(st.just("mode"), st.sampled_from(["enforce", "enforce", "observe", "off"])),
    st.tuples(st.just("force"), st.sampled_from([None, None, "open"])),
)


def as_given(own: dict[str, Any]) -> dict[str, Any]:
    """The settings as a user writes them."""
    first, factor, longest = own["open_for"]
    window = seconds(own["window"]) if isinstance(own["window"], float) else own["window"]
    return {**own, "window": window, "open_for": first if factor == 1 else Backoff(first, factor, longest, "none")}


def deaf(fact: Any) -> None:
    raise LookupError(fact)


class DepthModel(RuleBasedStateMachine):
    """One truth, found in two ways."""

    @initialize(
        variant=st.sampled_from([Circuit, LockedCircuit]),
        changes=st.lists(CHANGES, max_size=8),
        ramp=st.sampled_from([None, 8.0]),
    )
    def begin(self, variant: type[Circuit], changes: list[tuple[str, Any]], ramp: float | None) -> None:
        self.clock = ManualClock()
        self.own: dict[str, Any] = {
            "failure_rate": 0.5,
            "slow_call_rate": 1.0,
            "slow_call_duration": SLOW,
            "bad_rate": None,
            "window": 8,
            "min_calls": 4,
            "failures": None,
            "consecutive_failures": None,
            "open_for": (8, 1, 8),
            "max_open_for": 300,
            "open_from_answer": False,
            "half_open_calls": 3,
            "half_open_max_wait": 50,
            "ramp": ramp,
            "ramp_steps": (0.1, 0.5),
            "count_in_flight": False,
            "mode": "enforce",
            "force": None,
        }
        for name, value in changes:
            changed = {**self.own, name: value}
            if self.possible(changed):
                self.own = changed
        self.breaker = circuit_breaker(**as_given(self.own), open_jitter=0.0, ignore=KeyError, clock=self.clock)
        self.breaker.machine = variant(self.breaker, self.breaker.settings)
        self.heard = Facts()
        self.breaker.listen(self.heard)
        self.breaker.listen(deaf)
        self.model = Model(self.own, 0.0)
        self.refused = 0
        self.out: list[tuple[Any, Call]] = []

    def possible(self, own: dict[str, Any]) -> bool:
        slow = own["slow_call_duration"] is not None
        rates = own["failure_rate"], own["bad_rate"], own["slow_call_rate"] if slow else None
        opens = any(one is not None for one in (*rates, own["failures"], own["consecutive_failures"]))
        return opens and (slow or not own["count_in_flight"])

    # -- what may happen ---------------------------------------------------------------------------------------------

    def admit(self, behind: float = 0.0) -> bool:
        now = self.clock.monotonic()
        machine = self.breaker.machine
        foretold = self.model.would_admit(now)
        assert self.breaker.would_admit() is foretold
        said = self.model.admit(max(0.0, now - behind), now)
        try:
            permit = machine.free or machine.admit(max(0.0, now - behind))
        except CircuitOpenError as refusal:
            self.refused += 1
            assert refusal.reason == said
            assert refusal.retry_after == (self.model.until - now if said == "open" else None)
            assert not foretold
            return False
        assert foretold
        assert isinstance(said, Call)
        self.out.append((permit, said))
        return True

    def settle(self, which: int, end: str, *, again: bool = False, inside: bool = False) -> None:
        """*inside* is by a finaliser, in the middle of what is done under the lock."""
        permit, call = self.out.pop(which)
        machine: Any = self.breaker.machine
        now, error = self.clock.monotonic(), ERRORS[end]
        if permit is not machine.calm or error is not None:
            with machine.lock if inside else nullcontext():
                machine.settle(permit, error, call.told)
        asked = 6.0 if end == "busy" else None
        self.model.settle(call, {"busy": "failed", "collected": "cancelled"}.get(end, end), now, asked)
        if again and call.alone:
            before = self.breaker.snapshot()
            machine.settle(permit, ValueError(), call.told)
            assert self.breaker.snapshot() == before

    @rule(ends=st.lists(st.tuples(ENDS, TAKES), min_size=2, max_size=16))
    def calls(self, ends: list[tuple[str, float]]) -> None:
        """One after the other, as most calls are."""
        for end, takes in ends:
            if self.admit():
                self.clock.advance(takes)
                self.settle(-1, end)
            self.agree()

    @rule(ends=st.lists(st.tuples(ENDS, TAKES), min_size=1, max_size=6))
    def calls_after_the_wait(self, ends: list[tuple[str, float]]) -> None:
        """The first of them at the very moment at which it may."""
        if self.model.state == "open":
            self.clock.advance(max(0.0, self.model.until - self.clock.monotonic()))
        self.calls(ends)

    @rule(behind=st.sampled_from([0.0, 0.0, TINY, 100.0]), number=st.integers(1, 20))
    def begin_calls(self, behind: float, number: int) -> None:
        """They stay out; the head's reading of the clock may be old by now."""
        for _ in range(number):
            self.admit(behind)

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 100), end=ENDS, again=st.booleans(), inside=st.booleans())
    def end_a_call(self, which: int, end: str, again: bool, inside: bool) -> None:
        """Any that is out. A permit of its own may be given back twice."""
        self.settle(which % len(self.out), end, again=again, inside=inside)

    @rule(snapshot=st.booleans())
    def another_process(self, snapshot: bool) -> None:
        """A forked child, or one that goes on from a snapshot; calls that were under way end in it all the same."""
        if snapshot:
            self.breaker.restored()
            self.model.restored(self.clock.monotonic())
        else:
            self.breaker.forked()
            self.model.forked()

    @rule(wait=WAITS, frozen=st.booleans())
    def wait(self, wait: float, frozen: bool) -> None:
        self.clock.freeze(wait) if frozen else self.clock.advance(wait)

    @rule(hours=st.integers(-3, 3))
    def step_the_wall_clock(self, hours: int) -> None:
        self.clock.step_wall(hours * 3600.0)

    @precondition(lambda self: self.model.state != "closed" or len(self.model.outcomes) > 3)
    @rule(state=st.sampled_from(["closed", "half-open", "forced-open", "disabled", "metrics-only"]))
    def by_hand(self, state: str) -> None:
        gate = self.breaker
        hands = {"closed": gate.close, "half-open": gate.half_open, "forced-open": gate.force_open, "disabled": gate.disable}
        hands.get(state, gate.observe)()
        self.model.by_hand(state, self.clock.monotonic())

    @precondition(lambda self: self.model.state != "closed" or len(self.model.outcomes) > 3)
    @rule(wait=st.none() | st.sampled_from([1.0, 8.0, 400.0]), until=st.booleans())
    def open_by_hand(self, wait: float | None, until: bool) -> None:
        now = self.clock.monotonic()
        if until and wait is not None:
            self.breaker.open(until=now + wait)
        else:
            self.breaker.open(for_=wait)
        self.model.by_hand("open", now, wait)

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.model.by_hand("closed", self.clock.monotonic())
        self.refused = 0
        self.heard[:] = [fact for fact in self.heard if not isinstance(fact, CallRefused)]

    @rule(change=CHANGES, ends=st.lists(st.tuples(ENDS, TAKES), min_size=1, max_size=3))
    def reconfigure(self, change: tuple[str, Any], ends: list[tuple[str, float]]) -> None:
        """In force at the next outcome, which comes at once; but for what is said to be of the next term."""
        changed = {**self.own, change[0]: change[1]}
        if not self.possible(changed):
            with pytest.raises(ConfigError):
                self.breaker.reconfigure(as_given(changed))
            return
        self.breaker.reconfigure(as_given(changed))
        self.own = changed
        self.model.tune(changed, self.clock.monotonic())
        self.calls(ends)

    @rule()
    def reconfigure_to_the_same(self) -> None:
        """Changes nothing whatever."""
        machine = self.breaker.machine
        before = {name: getattr(machine, name) for name in Terms.__slots__ if name != "settings"}
        self.breaker.reconfigure(as_given(self.own))
        assert {name: getattr(machine, name) for name in before} == before

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "breaker"):
            return
        machine: Any = self.breaker.machine
        model, now = self.model, self.clock.monotonic()
        counts = machine.counts()  # whoever looks takes in what finalisers have left
        assert machine.returns == []
        assert machine.state == model.state
        assert self.breaker.current_state == ("closed" if model.state == "ramping" else model.state)
        assert self.breaker.would_admit() is model.would_admit(now)
        assert counts == model.counts(now)
        assert self.breaker.snapshot()["refused"] == self.refused == len(self.heard.of(CallRefused))
        changes = [(fact.before, fact.after, fact.opening, fact.cause) for fact in self.heard.of(CircuitChanged)]
        assert changes == model.changes
        assert len(self.heard.of(ThresholdExceeded)) == model.exceeded


TestTheCircuitInDepthEqualsItsModel = DepthModel.TestCase
TestTheCircuitInDepthEqualsItsModel.settings = settings(max_examples=120, stateful_step_count=50, deadline=None)
