"""The windows of the rate limit against a model that keeps every call it let through, in exact numbers."""

from __future__ import annotations

from fractions import Fraction
from math import floor
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from svcgov import Rate, rate_limit
from svcgov.errors import RateLimitedError
from svcgov.testing import ManualClock

LIMITS = st.builds(Rate, st.sampled_from([1, 2, 3, 7]), st.sampled_from([0.25, 1, 4]))
PAUSES = st.sampled_from([0.0, 1 / 64, 0.125, 0.25, 1.0, 7.5, 4096.0])  # exact as floats, so the model is exact too


class WindowsModel(RuleBasedStateMachine):
    """``calls`` are the moments at which calls began. All limits are counted anew at each call."""

    @initialize(
        limits=st.lists(LIMITS, min_size=1, max_size=3),
        algorithm=st.sampled_from(["fixed-window", "moving-window", "sliding-window"]),
        cost=st.integers(1, 2),
        start=st.sampled_from([0.0, 1024.5]),
    )
    def begin(self, limits: list[Rate], algorithm: Any, cost: int, start: float) -> None:
        self.clock = ManualClock()
        self.clock.advance(start)
        self.start = Fraction(start)
        self.gate = rate_limit(limits, algorithm=algorithm, cost=cost, clock=self.clock)
        self.limits, self.algorithm, self.cost = limits, algorithm, cost
        self.calls: list[Fraction] = []
        self.refused = 0

    def now(self) -> Fraction:
        """Since the birth of the limit."""
        return Fraction(self.clock.monotonic()) - self.start

    def left(self, limit: Rate) -> int:
        """How much of one limit is left, by the words of its algorithm."""
        now, window = self.now(), Fraction(limit.seconds)
        cell = floor(now / window)
        here = self.cost * sum(floor(when / window) == cell for when in self.calls)
        if self.algorithm == "fixed-window":
            return limit.n - here
        if self.algorithm == "moving-window":
            return limit.n - self.cost * sum(now - when < window for when in self.calls)
        before = self.cost * sum(floor(when / window) == cell - 1 for when in self.calls)
        return limit.n - floor(before * (1 - (now / window - cell)) + here)

    @rule(how=st.sampled_from(["forked", "restored"]))
    def begin_a_term(self, how: str) -> None:
        """In a child, and after a snapshot, what is spent is spent."""
        getattr(self.gate, how)()

    @rule()
    def call(self) -> None:
        """It passes iff all limits have enough left, and then costs each of them as much."""
        fits = all(self.left(limit) >= self.cost for limit in self.limits)
        try:
            with self.gate:
                pass
        except RateLimitedError as error:
            assert not fits
            assert (error.retry_after is None) is any(limit.n < self.cost for limit in self.limits)
            self.refused += 1
        else:
            assert fits
            self.calls.append(self.now())

    @rule(count=st.integers(2, 9))
    def many_calls(self, count: int) -> None:
        """Many at one moment are as many as one after the other."""
        for _ in range(count):
            self.call()

    @rule(seconds=PAUSES, wall=st.sampled_from([-7200, 7200]))
    def freeze(self, seconds: float, wall: int) -> None:
        """Time passes, the process stands still, and the wall clock steps."""
        self.clock.freeze(seconds)
        self.clock.step_wall(wall)

    @rule()
    def say_the_same_anew(self) -> None:
        """Nothing changes."""
        self.gate.reconfigure({"limit": [Rate(limit.n, limit.seconds) for limit in self.limits]})

    @invariant()
    def agree(self) -> None:
        """What is left is what the tightest limit has left."""
        found = self.gate.snapshot()
        assert found["refused"] == self.refused
        assert found["remaining"] == max(0, min(self.left(limit) for limit in self.limits))


TestWindowsModel = WindowsModel.TestCase
TestWindowsModel.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
