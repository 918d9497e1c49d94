"""The budget against a model that keeps every call with the time it lies in, and adds them up anew each time."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from svcgov import budget, retry
from svcgov._core._names import NAMES
from svcgov._core._pots import Window
from svcgov.errors import ConfigError
from svcgov.testing import ManualClock


class LateClock(ManualClock):
    """A clock whose next reading may be that of a thread which was held up after it: *behind* seconds old."""

    behind = 0.0

    def monotonic(self) -> float:
        return max(0.0, super().monotonic() - self.behind)


class Slot:
    """A tenth of the window, numbered from the clock's zero: the calls that lie in it, and the attempts paid for."""

    def __init__(self, number: int, calls: Fraction, attempts: int) -> None:
        self.number = number
        self.calls = calls
        self.attempts = attempts


class BudgetModel(RuleBasedStateMachine):
    """In exact numbers, with nothing ever thrown away."""

    @initialize(
        ratio=st.sampled_from([0, 0.1, 0.2, 0.5, 1, 10]),
        few=st.integers(0, 4),
        ttl=st.sampled_from([1, 10, 60]),
        start=st.floats(0, 1e5),
    )
    def begin(self, ratio: float, few: int, ttl: int, start: float) -> None:
        NAMES.forget()
        self.clock = LateClock()
        self.clock.advance(start)
        self.budget = budget("payments", ratio=ratio, min_retries=few, ttl=ttl, clock=self.clock)
        self.retries = [retry(on=KeyError, budget=self.budget, clock=self.clock)(lambda: None) for _ in range(2)]
        self.ratio, self.few, self.ttl = ratio, few, ttl
        self.anew()

    def anew(self) -> None:
        self.slots: list[Slot] = []
        self.unseen = 0
        self.newest = self.number()

    def number(self) -> int:
        return int(self.clock.monotonic() * 10 // self.ttl)

    def look(self) -> None:
        """The calls since the last look lie evenly in the slots since then."""
        before, self.newest = self.newest, max(self.newest, self.number())
        span = range(before, self.newest + 1)
        for number in span if len(span) < 12 else span[-11:]:
            self.slots.append(Slot(number, Fraction(self.unseen, len(span)), 0))
        self.unseen = 0

    def within(self) -> list[Slot]:
        return [slot for slot in self.slots if slot.number > self.newest - 10]

    def left(self) -> Fraction:
        slots = self.within()
        return Fraction(str(self.ratio)) * sum(slot.calls for slot in slots) + self.few - sum(slot.attempts for slot in slots)

    @rule(count=st.integers(1, 7), who=st.integers(0, 2))
    def call(self, count: int, who: int) -> None:
        for _ in range(count):
            (self.budget.deposit, *self.retries)[who]()
        self.unseen += count

    @rule(count=st.integers(1, 5))
    def ask(self, count: int) -> None:
        for _ in range(count):
            self.look()
            allowed = self.left() >= 1
            assert self.budget.try_withdraw() is allowed
            if allowed:
                self.slots.append(Slot(self.newest, Fraction(0), 1))

    @rule(count=st.integers(1, 3))
    def ask_by_a_failing_call(self, count: int) -> None:
        made = 0

        def fail() -> Any:
            nonlocal made
            made += 1
            raise KeyError

        governed = retry(on=KeyError, attempts=count, backoff=0, budget=self.budget, clock=self.clock)(fail)
        self.look()  # this retry joins after whatever was not looked at: it shares in it from here on
        self.budget.snapshot()
        try:
            governed()
        except KeyError:
            pass
        self.unseen += 1
        paid = 0
        for _ in range(count - 1):
            self.look()
            if self.left() < 1:
                break
            self.slots.append(Slot(self.newest, Fraction(0), 1))
            paid += 1
        assert made == 1 + paid
        self.look()
        self.budget.snapshot()

    @rule(share=st.sampled_from([0.0, 0.001, 0.05, 0.1, 0.35, 0.9, 0.999, 1.0, 1.1, 3.7, 10_000.0]))
    def wait(self, share: float) -> None:
        self.clock.advance(share * self.ttl)

    @rule(share=st.sampled_from([0.1, 1.0, 5.0]))
    def freeze(self, share: float) -> None:
        self.clock.freeze(share * self.ttl)

    @rule(seconds=st.sampled_from([0.0, 0.5, 20.0]))
    def read_an_old_clock(self, seconds: float) -> None:
        self.clock.behind = seconds

    @rule(hours=st.integers(-3, 3))
    def step_the_wall_clock(self, hours: int) -> None:
        self.clock.step_wall(hours * 3600.0)

    @rule(ratio=st.sampled_from([0, 0.2, 1]), few=st.integers(0, 3))
    def redefine(self, ratio: float, few: int) -> None:
        assert budget("payments", ratio=ratio, min_retries=few, ttl=self.ttl) is self.budget
        self.ratio, self.few = ratio, few

    @rule(ttl=st.sampled_from([1, 10, 60]))
    def another_window(self, ttl: int) -> None:
        budget("payments", ratio=self.ratio, min_retries=self.few, ttl=ttl)
        if ttl != self.ttl:
            self.ttl = ttl
            self.anew()

    @rule()
    def redefine_to_nonsense(self) -> None:
        try:
            budget("payments", ratio=self.ratio, min_retries=-1, ttl=self.ttl)
        except ConfigError:
            return
        raise AssertionError

    @rule()
    def read(self) -> None:
        self.look()
        shown, slots = self.budget.snapshot(), self.within()
        assert abs(shown["deposited"] - sum(slot.calls for slot in slots)) < 1e-6
        assert shown["withdrawn"] == sum(slot.attempts for slot in slots)
        assert abs(shown["left"] - max(Fraction(0), self.left())) < 1e-6

    @invariant()
    def memory_is_bounded(self) -> None:
        if hasattr(self, "budget"):
            assert isinstance(self.budget._pot, Window)
            assert len(self.budget._pot.deposited) == len(self.budget._pot.withdrawn) == 10


TestTheBudgetEqualsItsModel = BudgetModel.TestCase
TestTheBudgetEqualsItsModel.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
