"""Tokens and attempts in flight against a model that keeps a list of what is under way, and a sum in whole numbers."""

from __future__ import annotations

from contextlib import nullcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from svcgov import budget
from svcgov._core._budget import STAYS, Tally
from svcgov._core._names import NAMES
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov._core._budget import Stay


class Kinds(RuleBasedStateMachine):
    """What both kinds are put through: calls that begin and end in any order, attempts, old settings and new ones."""

    given: dict[str, Any]

    def begin(self, **given: Any) -> None:
        NAMES.forget()
        self.clock = ManualClock()
        self.given = given
        self.budget = budget("payments", **given, clock=self.clock)
        self.tallies = [Tally(), Tally()]
        for tally in self.tallies:
            self.budget.join(tally)
        self.calls: list[Stay] = []
        self.attempts: list[Any] = []
        self.logical = self.inside = 0

    def asked(self) -> bool:
        raise NotImplementedError

    def ended(self, *, good: bool) -> None:
        """A call is over."""

    @rule(who=st.integers(0, 1))
    def a_call_begins(self, who: int) -> None:
        stay = self.budget.enter(self.tallies[who])
        assert stay is not None
        stay.unmark()
        self.calls.append(stay)
        self.logical += 1

    @precondition(lambda self: bool(getattr(self, "calls", None)))
    @rule(who=st.integers(0, 1), data=st.data())
    def a_call_begins_inside_another(self, who: int, data: st.DataObject) -> None:
        around = data.draw(st.sampled_from(self.calls))
        around.mark()
        assert self.budget.enter(self.tallies[who]) is None
        around.unmark()
        self.inside += 1

    @precondition(lambda self: bool(getattr(self, "calls", None)))
    @rule(good=st.booleans(), finaliser=st.booleans(), data=st.data())
    def a_call_ends(self, good: bool, finaliser: bool, data: st.DataObject) -> None:
        stay = data.draw(st.sampled_from(self.calls))
        self.calls.remove(stay)
        with self.budget._lock if finaliser else nullcontext():  # which may run while this very thread holds it
            stay.end(good)
        self.ended(good=good)

    @rule()
    def an_attempt_is_asked_for(self) -> None:
        allowed = self.asked()
        pot = self.budget.take()
        assert (pot is not None) is allowed
        if pot is not None:
            self.attempts.append(pot)

    @precondition(lambda self: bool(getattr(self, "attempts", None)))
    @rule(finaliser=st.booleans())
    def an_attempt_is_over(self, finaliser: bool) -> None:
        with self.budget._lock if finaliser else nullcontext():
            self.budget.put(self.attempts.pop())

    @rule(seconds=st.sampled_from([0.001, 10.0, 86400.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def the_same_is_said_again(self) -> None:
        before = self.budget.snapshot()
        self.budget.redefine(self.given)
        assert self.budget.snapshot() == before

    @invariant()
    def every_logical_call_is_counted_once(self) -> None:
        if hasattr(self, "budget"):
            assert sum(tally.calls for tally in self.tallies) == self.logical
            assert sum(tally.nested for tally in self.tallies) == self.inside
            assert STAYS.get() == ()


class InFlightModel(Kinds):
    """Attempts held are at most the floor or the share of the calls under way; nothing is held at rest."""

    @initialize(ratio=st.sampled_from([0, 0.1, 0.2, 0.5, 1, 3]), few=st.integers(0, 2))
    def start(self, ratio: float, few: int) -> None:
        self.begin(kind="in-flight", ratio=ratio, min_concurrency=few)

    def most(self) -> Fraction:
        return max(Fraction(self.given["min_concurrency"]), Fraction(str(self.given["ratio"])) * len(self.calls))

    def asked(self) -> bool:
        return len(self.attempts) + 1 <= self.most()

    @rule(few=st.integers(0, 2))
    def another_floor(self, few: int) -> None:
        self.given = {**self.given, "min_concurrency": few}
        self.budget.redefine(self.given)

    @invariant()
    def it_shows_what_is_under_way(self) -> None:
        if hasattr(self, "budget"):
            shown = self.budget.snapshot()
            assert (shown["in_flight"], shown["held"]) == (len(self.calls), len(self.attempts))
            assert shown["left"] == max(0, self.most() // 1 - len(self.attempts))


class TokensModel(Kinds):
    """Thousandths of tokens, in whole numbers: never below nothing, never above what there was at first."""

    @initialize(tokens=st.sampled_from([0.5, 1, 2, 10]), ratio=st.sampled_from([0.1, 0.333, 0.5466, 2]))
    def start(self, tokens: float, ratio: float) -> None:
        self.begin(kind="tokens", tokens=tokens, token_ratio=ratio)
        self.most = self.there = int(tokens * 1000)
        self.part = int(Fraction(str(ratio)) * 1000)

    def asked(self) -> bool:
        return self.there > Fraction(self.most, 2)

    def ended(self, *, good: bool) -> None:
        if good:
            self.there = min(self.most, self.there + self.part)

    @rule(count=st.integers(1, 3))
    def attempts_fail(self, count: int) -> None:
        for _ in range(count):
            self.budget.charge()
            self.there = max(0, self.there - 1000)

    @rule(count=st.integers(1, 30))
    def calls_are_counted_by_hand(self, count: int) -> None:
        for _ in range(count):
            self.budget.deposit()
            self.ended(good=True)

    @rule()
    def an_attempt_is_asked_for_by_hand(self) -> None:
        self.there = max(0, self.there - 1000)
        assert self.budget.try_withdraw() is self.asked()

    @invariant()
    def it_shows_the_tokens(self) -> None:
        if hasattr(self, "budget"):
            assert self.budget.snapshot()["tokens"] == self.there / 1000


TestAttemptsInFlightEqualTheirModel = InFlightModel.TestCase
TestAttemptsInFlightEqualTheirModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestTokensEqualTheirModel = TokensModel.TestCase
TestTokensEqualTheirModel.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
