"""The three ways to keep a budget: what is paid in, and what further attempts may take out.

============  ========================================================================================================
kind          a further attempt is allowed
============  ========================================================================================================
`Window`      iff ``withdrawn + 1 <= ratio * deposited + min_retries`` over the last seconds
`InFlight`    iff ``held + 1 <= max(min_concurrency, ratio * calls in flight)``: held from the decision to its end
`Tokens`      while more than half of the tokens are there: a failure takes one, a good call puts a part of one back
============  ========================================================================================================

Rule 1: plain arithmetic: the budget holds its lock over every method, and hands in the time and the calls made since.
Rule 2: the calls made since the last look are spread evenly over the time since then, so a process that slept through
        the window finds it empty, without a timer.

The window's idea is that of Finagle's RetryBudget (Twitter); the fixed minimum per window in place of one per second is
ours: thousands of quiet instances with one retry a second each would bound nothing. Holding attempts in flight is
Envoy's retry budget, the tokens are gRPC's retry throttling (proposal A6).
"""

from __future__ import annotations

from math import ceil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from ._budget import BudgetSettings

    Pot: TypeAlias = "Window | InFlight | Tokens"

_BUCKETS = 10
_ROUNDING = 1e-6  # calls that were spread over buckets add up to a little less, or more, than they were


class Window:
    """Calls and further attempts of the last *ttl* seconds, in ten buckets."""

    watches = False  # whether a call has to tell when it begins and ends

    def __init__(self, settings: BudgetSettings, now: float) -> None:
        self.settings = settings
        self.deposited: list[float] = [0.0] * _BUCKETS
        self.withdrawn: list[int] = [0] * _BUCKETS
        self._here = self._number(now)

    def look(self, now: float, fresh: int) -> None:
        """Bring the buckets up to *now*, with *fresh* calls since the last look."""
        was = self._here
        here = max(self._number(now), was)  # a clock read before another thread's is older: nothing goes back
        for gone in range(max(here - _BUCKETS, was) + 1, here + 1):
            self.deposited[gone % _BUCKETS] = 0.0
            self.withdrawn[gone % _BUCKETS] = 0
        share = fresh / (here - was + 1)
        for between in range(max(here - _BUCKETS + 1, was), here + 1):
            self.deposited[between % _BUCKETS] += share
        self._here = here

    def begin(self) -> None:
        """A call is counted by its retry."""

    def end(self, *, good: bool) -> None:
        """A call that is over counts until its window has passed."""

    def charge(self) -> None:
        """A failure costs nothing by itself."""

    def take(self) -> bool:
        """Take one further attempt out, if there is one."""
        if self.left() < 1 - _ROUNDING:
            return False
        self.withdrawn[self._here % _BUCKETS] += 1
        return True

    def give_back(self) -> None:
        """What was taken out stays out until its window has passed."""

    def left(self) -> float:
        """The attempts that may still be taken out; after a change of the settings it may be below 0."""
        return self.settings.ratio * sum(self.deposited) + self.settings.min_retries - sum(self.withdrawn)

    def snapshot(self) -> dict[str, float]:
        """The calls and attempts within the window."""
        return {"deposited": sum(self.deposited), "withdrawn": sum(self.withdrawn)}

    def _number(self, now: float) -> int:
        """Which bucket *now* lies in, counted from the clock's zero."""
        return int(now * _BUCKETS // self.settings.ttl)


class InFlight:
    """Further attempts under way, as a share of the calls under way."""

    watches = True

    def __init__(self, settings: BudgetSettings, now: float) -> None:
        self.settings = settings
        self.calls: int = 0
        self.held: int = 0

    def look(self, now: float, fresh: int) -> None:
        """Neither time nor past calls matter here."""

    def begin(self) -> None:
        """A call begins."""
        self.calls += 1

    def end(self, *, good: bool) -> None:
        """A call is over."""
        self.calls -= 1

    def charge(self) -> None:
        """A failure costs nothing by itself."""

    def take(self) -> bool:
        """Hold one further attempt, if there is one."""
        if self.left() < 1:
            return False
        self.held += 1
        return True

    def give_back(self) -> None:
        """A further attempt is over."""
        self.held = max(0, self.held - 1)

    def left(self) -> float:
        """The attempts that may be held beside those that are."""
        return max(self.settings.min_concurrency, int(self.settings.ratio * self.calls + _ROUNDING)) - self.held

    def snapshot(self) -> dict[str, float]:
        """The calls and attempts under way."""
        return {"in_flight": self.calls, "held": self.held}


class Tokens:
    """Tokens, counted in whole thousandths: no sum of them drifts."""

    watches = True

    def __init__(self, settings: BudgetSettings, now: float) -> None:
        self.settings = settings
        self.most: int = round(settings.tokens * 1000)
        self.credit: int = round(settings.token_ratio * 1000)
        self.thousandths: int = self.most

    def look(self, now: float, fresh: int) -> None:
        """Each of the *fresh* calls, which were counted by hand, was a good one."""
        self.thousandths = min(self.most, self.thousandths + fresh * self.credit)

    def begin(self) -> None:
        """A call that begins costs nothing."""

    def end(self, *, good: bool) -> None:
        """A good call puts its part back."""
        if good:
            self.thousandths = min(self.most, self.thousandths + self.credit)

    def charge(self) -> None:
        """A failure takes a token, if there is one."""
        self.thousandths = max(0, self.thousandths - 1000)

    def take(self) -> bool:
        """Whether more than half are there; nothing is taken but by failures."""
        return 2 * self.thousandths > self.most

    def give_back(self) -> None:
        """An attempt takes nothing that could be given back."""

    def left(self) -> float:
        """How many failures in a row may still be followed by another attempt."""
        return max(0, ceil((self.thousandths - self.most / 2) / 1000) - 1)

    def snapshot(self) -> dict[str, float]:
        """The tokens there are."""
        return {"tokens": self.thousandths / 1000}


POTS: dict[str, type[Window | InFlight | Tokens]] = {"window": Window, "in-flight": InFlight, "tokens": Tokens}
