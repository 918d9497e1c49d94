"""The rate limit against a model that keeps every call it let through, in exact numbers, and counts them anew each time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from svcgov import Rate, rate_limit
from svcgov.errors import ConfigError, RateLimitedError
from svcgov.policies.rate_limit import Gcra, LockedGcra
from svcgov.testing import ManualClock

LIMITS = st.builds(Rate, st.sampled_from([1, 2, 3, 7, 10]), st.sampled_from([0.25, 1, 2, 60]))
PAUSES = st.sampled_from([0.0, 1 / 64, 0.25, 1.0, 7.5, 3600.0, 86400.0])  # exact as floats, so the model is exact too
GRACE = Fraction(1, 50_000)  # seconds: so little too early is not too early, since floats are rounded
ROUNDED = Fraction(1, 1000) + GRACE  # seconds: a refusal names whole milliseconds


class RateLimitModel(RuleBasedStateMachine):
    """``calls`` are the moments at which calls began. In each span that ends now there may be the burst, and the pace."""

    @initialize(
        limit=LIMITS, burst=st.sampled_from([None, 1, 2, 5]), locked=st.booleans(), start=st.sampled_from([0.0, 1024.0, 2.0**30])
    )
    def begin(self, limit: Rate, burst: int | None, locked: bool, start: float) -> None:
        self.clock = ManualClock()
        self.clock.advance(start)
        self.gate = rate_limit(limit, burst=burst, clock=self.clock)
        self.gate.machine = (LockedGcra if locked else Gcra)(self.gate, limit, burst)
        self.limit, self.burst = limit, burst
        self.born = Fraction(start)
        self.calls: list[tuple[Fraction, Fraction]] = []  # when, and how much of a call of today's limit it is worth
        self.refused = 0
        self.more: dict[str, Any] = {"mode": "enforce"}

    @property
    def size(self) -> int:
        return self.burst or max(1, self.limit.n)

    @property
    def step(self) -> Fraction:
        return Fraction(self.limit.seconds) / self.limit.n

    def now(self) -> Fraction:
        return Fraction(self.clock.monotonic())

    def room(self) -> Fraction:
        """What is left of the bucket, in calls; a call that is missed by the grace is there."""
        room = self.size - self.load(self.now())
        missing = -room % 1
        return room + missing if missing * self.step < GRACE else room

    def load(self, at: Fraction) -> Fraction:
        """The calls that are ahead of the pace: the fullest of all spans that end at this moment."""
        fullest = worth = Fraction(0)
        for when, one in reversed(self.calls):
            worth += one
            fullest = max(fullest, worth - (at - when) / self.step)
        return fullest

    @rule()
    def call(self) -> None:
        """One call now: it passes iff no span then has more than the burst and what the pace allows."""
        room = self.room() - 1
        if self.more["mode"] == "observe" and room < 0:
            with self.gate:
                self.refused += 1
            return
        try:
            with self.gate:
                pass
        except RateLimitedError as error:
            assert room < 0
            assert error.retry_after is not None
            assert -room * self.step - GRACE <= error.retry_after <= -room * self.step + ROUNDED
            self.refused += 1
        else:
            assert room >= 0
            self.calls.append((self.now(), Fraction(1)))

    @rule(count=st.integers(2, 12))
    def burst_of_calls(self, count: int) -> None:
        """Many at one moment are as many as one after the other."""
        for _ in range(count):
            self.call()

    @rule(seconds=PAUSES)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=PAUSES, wall=st.sampled_from([-7200, 7200]))
    def freeze(self, seconds: float, wall: int) -> None:
        """The process stands still, and the wall clock steps."""
        self.clock.freeze(seconds)
        self.clock.step_wall(wall)

    @rule(behind=st.sampled_from([1 / 64, 0.25, 7.5]))
    def call_late(self, behind: float) -> None:
        """A call with an old reading of the clock: it passes iff it would now, and may count from then, after all others."""
        room = self.room() - 1
        old = Fraction(max(0.0, self.clock.monotonic() - behind))
        try:
            self.gate.machine.admit(float(old))
        except RateLimitedError:
            assert room < 0
            self.refused += 1
        else:
            assert room >= 0
            then = max([self.born, old, *(when for when, _ in self.calls)])
            ahead = self.load(then) + (then - old) / self.step
            passed_then = "max_wait" not in self.more and ahead + 1 <= self.size + GRACE / self.step
            self.calls.append((then if passed_then else self.now(), Fraction(1)))

    @rule(mode=st.sampled_from(["enforce", "observe"]))
    def change_the_mode(self, mode: str) -> None:
        """What is spent stays spent; while it observes all pass, and those are counted that would have been refused."""
        if mode != self.more["mode"]:
            self.born = self.now()  # what is spent was reckoned up
        self.more["mode"] = mode
        self.gate.reconfigure({"limit": self.limit, "burst": self.burst, **self.more})

    @rule()
    def learn_to_let_wait(self) -> None:
        """Another machine, with room for nobody: the decisions stay the same."""
        self.more |= {"max_wait": 1, "max_waiting": 0}
        self.gate.reconfigure({"limit": self.limit, "burst": self.burst, **self.more})

    @rule(how=st.sampled_from(["forked", "restored"]))
    def begin_a_term(self, how: str) -> None:
        """In a child, and after a snapshot, what is spent is spent."""
        getattr(self.gate, how)()

    @precondition(lambda self: self.more["mode"] == "enforce")
    @rule()
    def come_back(self) -> None:
        """At the moment that a refusal names, a call passes."""
        try:
            with self.gate:
                pass
        except RateLimitedError as error:
            self.refused += 1
            assert error.retry_after is not None
            self.clock.advance(error.retry_after)
            with self.gate:
                pass
        self.calls.append((self.now(), Fraction(1)))

    @rule(limit=LIMITS, burst=st.sampled_from([None, 1, 3]))
    def change(self, limit: Rate, burst: int | None) -> None:
        """What is spent of the old bucket is spent of the new one, in the same share."""
        if (limit, burst) == (self.limit, self.burst):
            return
        share = self.load(self.now()) / self.size
        self.gate.reconfigure({"limit": limit, "burst": burst, **self.more})
        self.limit, self.burst = limit, burst
        self.calls = [(self.now(), share * self.size)]

    @rule(wrong=st.sampled_from([{"limit": "fast"}, {"burst": 0}, {"limit": Rate(1, 1), "burst": 1001}, {"rate": 1}]))
    def change_wrongly(self, wrong: dict[str, Any]) -> None:
        """Changes nothing."""
        try:
            self.gate.reconfigure(wrong)
        except ConfigError:
            return
        raise AssertionError(f"{wrong} was taken")

    @invariant()
    def agree(self) -> None:
        """What may come now is what is left of the bucket, in whole calls."""
        found = self.gate.snapshot()
        assert found["refused"] == self.refused
        assert found["remaining"] == max(0, int(self.room()))


TestRateLimitModel = RateLimitModel.TestCase
TestRateLimitModel.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
