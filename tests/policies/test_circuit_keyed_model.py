"""A circuit breaker with a key, against a model: a list of keys, each with the slow and obvious circuit of ``_breaker``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from _breaker import Call, Model
from _worlds import Facts
from svcgov import circuit_breaker, seconds
from svcgov._shells._modes import PASSED
from svcgov.errors import CircuitOpenError
from svcgov.facts import CallRefused, CircuitChanged
from svcgov.policies import circuit_breaker as module
from svcgov.policies._keyed import LOOKS
from svcgov.testing import ManualClock

KEYS = st.sampled_from("abcdefg")
ENDS = st.sampled_from(["good", "good", "failed", "failed", "ignored", "cancelled", "collected"])
ERRORS: dict[str, Any] = {
    "good": None,
    "failed": ValueError(),
    "ignored": KeyError(),
    "cancelled": KeyboardInterrupt(),
    "collected": GeneratorExit(),
}
OWN: dict[str, Any] = {
    "failure_rate": 0.5,
    "slow_call_rate": None,
    "slow_call_duration": None,
    "bad_rate": None,
    "window": 4,
    "min_calls": 2,
    "failures": None,
    "consecutive_failures": None,
    "open_for": (8, 1, 8),
    "max_open_for": 300,
    "open_from_answer": False,
    "half_open_calls": 2,
    "half_open_max_wait": 50,
    "ramp": None,
    "ramp_steps": (0.5,),
    "count_in_flight": False,
    "mode": "enforce",
    "force": None,
}
CHANGES = st.one_of(
    st.tuples(st.just("window"), st.sampled_from([4, 2, 2.5])),
    st.tuples(st.just("ramp"), st.sampled_from([None, 8.0])),
    st.tuples(st.just("force"), st.sampled_from([None, None, "open"])),
    st.tuples(st.just("mode"), st.sampled_from(["enforce", "enforce", "observe", "off"])),
    st.tuples(st.just("failure_rate"), st.sampled_from([0.25, 0.5, 1.0])),
)


class KeyedModel(RuleBasedStateMachine):
    """One truth, found in two ways."""

    @initialize(max_keys=st.integers(1, 4), locked=st.booleans())
    def begin(self, max_keys: int, locked: bool) -> None:
        self.clock = ManualClock()
        self.own, self.most = dict(OWN), max_keys
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "LOCKED", lambda: locked)
        self.gate = circuit_breaker(**self.given(), open_jitter=0.0, ignore=KeyError, key=repr, clock=self.clock)
        self.heard = Facts()
        self.gate.listen(self.heard)
        self.models: dict[str, Model] = {}  # that which was used longest ago first
        self.gone: list[tuple[str, str, str]] = []
        self.out: list[tuple[Any, Model, Call]] = []
        self.hand: str | None = None
        self.passed = self.refused = 0

    def given(self) -> dict[str, Any]:
        first, _, _ = self.own["open_for"]
        window = seconds(self.own["window"]) if isinstance(self.own["window"], float) else self.own["window"]
        return {**self.own, "window": window, "open_for": first, "max_keys": self.most}

    def teardown(self) -> None:
        self.patch.undo()

    # -- the keys ----------------------------------------------------------------------------------------------------

    def blank(self) -> Model:
        """The circuit of a key that is not known."""
        model = Model(self.own, self.clock.monotonic())
        if self.hand:
            model.by_hand(self.hand, self.clock.monotonic())
            model.changes.clear()
        return model

    def used(self, key: str) -> Model | None:
        """The circuit of a key, which is the last to be forgotten now; None where there is no room."""
        model = self.models.pop(key, None)
        if model is None and len(self.models) >= self.most and not (self.forget() and len(self.models) < self.most):
            return None
        self.models[key] = model or self.blank()
        return self.models[key]

    def forget(self) -> bool:
        """Forget one key: an empty circuit, or else the one that was used longest ago. What cannot go counts as used."""
        now, begins = self.clock.monotonic(), self.blank().state
        at_need: list[str] = []
        assert len(self.models) <= LOOKS
        for key, model in list(self.models.items()):
            if model.state != begins:
                self.models[key] = self.models.pop(key)
            elif model.state in ("forced-open", "disabled") or not model.recent(now):
                at_need.insert(0, key)
                break
            else:
                at_need.append(key)
        if at_need:
            self.remember(self.models.pop(at_need[0]))
        return bool(at_need)

    def remember(self, model: Model) -> None:
        """What was told of a circuit that is forgotten was told; its term is over."""
        self.gone += [(*change[:2], change[3]) for change in model.changes]
        model.changes.clear()
        model.term += 1

    # -- what may happen ---------------------------------------------------------------------------------------------

    @rule(key=KEYS, end=ENDS, stays=st.booleans())
    def call(self, key: str, end: str, stays: bool) -> None:
        """One that ends at once, or stays out."""
        now, model = self.clock.monotonic(), self.used(key)
        said = model and model.admit(now, now)
        try:
            permit = self.gate.machine.admit_key(key, now)  # type: ignore[union-attr]  # it has keys
        except CircuitOpenError as refusal:
            self.refused += 1
            assert refusal.reason == said
            return
        if model is None:
            self.passed += 1
            assert permit is PASSED
            return
        assert isinstance(said, Call)
        self.out.append((permit, model, said))
        if not stays:
            self.end(-1, end, inside=False)

    @precondition(lambda self: self.out)
    @rule(which=st.integers(0, 100), end=ENDS, inside=st.booleans())
    def end_a_call(self, which: int, end: str, inside: bool) -> None:
        """Any that is out; its key may be forgotten by now, and be there anew."""
        self.end(which % len(self.out), end, inside)

    def end(self, which: int, end: str, inside: bool) -> None:
        permit, model, call = self.out.pop(which)
        with permit.gate.lock if inside else nullcontext():
            self.gate.machine.settle(permit, ERRORS[end], call.told)
        model.settle(call, "cancelled" if end == "collected" else end, self.clock.monotonic())

    @rule(wait=st.sampled_from([0.25, 2.5, 8.0, 50.0]), frozen=st.booleans())
    def wait(self, wait: float, frozen: bool) -> None:
        self.clock.freeze(wait) if frozen else self.clock.advance(wait)

    @rule(hours=st.integers(-3, 3))
    def step_the_wall_clock(self, hours: int) -> None:
        self.clock.step_wall(hours * 3600.0)

    @rule(key=KEYS, state=st.sampled_from(["open", "closed", "half-open", "forced-open", "disabled", "metrics-only"]))
    def by_hand(self, key: str, state: str) -> None:
        """On one key, whether it is known or not."""
        model, one = self.used(key), self.gate.of(key)
        try:
            verb_of(one, state)()
        except RuntimeError:
            self.passed += 1
            assert model is None
            return
        assert model is not None
        model.by_hand(state, self.clock.monotonic())

    @precondition(lambda self: len(self.models) > 1)
    @rule(state=st.sampled_from(["open", "closed", "closed", "forced-open", "disabled", "metrics-only"]))
    def by_hand_on_all(self, state: str) -> None:
        """And on those that come later, where it holds them."""
        verb_of(self.gate, state)()
        self.hand = state if state in ("forced-open", "disabled", "metrics-only") else None
        for model in self.models.values():
            model.by_hand(state, self.clock.monotonic())

    @rule(change=CHANGES, most=st.none() | st.integers(1, 4))
    def reconfigure(self, change: tuple[str, Any], most: int | None) -> None:
        """Each key keeps its state; those that are too many by now are forgotten, as far as they can be."""
        held = self.blank().held
        self.own = {**self.own, change[0]: change[1]}
        self.most = most or self.most
        self.gate.reconfigure(self.given())
        if self.blank().held != held:
            self.hand = None
        for model in self.models.values():
            model.tune(self.own, self.clock.monotonic())
        while len(self.models) > self.most and self.forget():
            pass

    @rule(snapshot=st.booleans())
    def another_process(self, snapshot: bool) -> None:
        """A forked child, or one that goes on from a snapshot."""
        self.gate.restored() if snapshot else self.gate.forked()
        for model in self.models.values():
            model.restored(self.clock.monotonic()) if snapshot else model.forked()

    # -- what must hold ----------------------------------------------------------------------------------------------

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "gate"):
            return
        machine: Any = self.gate.machine
        now = self.clock.monotonic()
        for key in "abcdefg":
            model, one = self.models.get(key) or self.blank(), self.gate.of(key)
            assert one.machine.reading()[1] == model.counts(now)
            assert one.machine.state == model.state
            assert one.would_admit() is model.would_admit(now)
        assert list(machine.by_key) == list(self.models)
        assert machine.overflow == self.passed
        assert self.gate.snapshot()["refused"] == self.refused == len(self.heard.of(CallRefused))
        told = [(one.before, one.after, one.cause) for one in self.heard.of(CircuitChanged) if one.key is not None]
        changes = self.gone + [(*change[:2], change[3]) for model in self.models.values() for change in model.changes]
        assert sorted(told) == sorted(changes)


def verb_of(gate: Any, state: str) -> Any:
    """What a hand does to get there."""
    return {
        "open": gate.open,
        "closed": gate.close,
        "half-open": gate.half_open,
        "forced-open": gate.force_open,
        "disabled": gate.disable,
        "metrics-only": gate.observe,
    }[state]


TestTheKeysEqualTheirModel = KeyedModel.TestCase
TestTheKeysEqualTheirModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
