"""A retry budget: further attempts are a share of the calls of the last seconds, plus a few.

Rule 1: on the clean path a retry adds one to its own `Tally` and touches nothing else.
Rule 2: when an attempt is asked for, the calls made since the last look are spread evenly over the time since then,
        so a process that slept through the window finds it empty, without a timer.
Rule 3: a withdrawal is allowed iff ``withdrawn + 1 <= ratio * deposited + min_retries`` over the window.

The idea is that of Finagle's RetryBudget (Twitter); the fixed minimum per window in place of one per second is ours:
thousands of quiet instances with one retry a second each would bound nothing.
"""

from __future__ import annotations

from _thread import allocate_lock
from _weakref import ref

from ..errors import BudgetExhaustedError
from ._clock import SYSTEM
from ._names import NAMES, SCOPE
from ._schema import Settings, duration, integer, real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ..typing import Clock

_BUCKETS = 10
_ROUNDING = 1e-6  # calls that were spread over buckets add up to a little less, or more, than they were


class Tally:
    """How many calls one retry has seen."""

    __slots__ = ("__weakref__", "calls")

    def __init__(self) -> None:
        self.calls = 0


class BudgetSettings(Settings):
    """The settings, checked."""

    ratio: float = real(default=0.2, low=0, high=10)
    min_retries: int = integer(default=3, low=0, high=1_000_000)
    ttl: float = duration(default=10.0, low=1, high=60)


class Budget:
    """What the retries of one dependency may cost. Made by `svcgov.budget`; one name, one budget."""

    kind = "budget"

    def __init__(self, given: Mapping[str, Any], *, name: str | None = None, clock: Clock = SYSTEM) -> None:
        self.label = name or self.kind
        self.clock = clock
        self.settings = BudgetSettings.of(given, self.label)
        self._own = Tally()
        self._tallies: list[tuple[ref[Tally], list[int]]] = []
        self._lock = allocate_lock()
        self._empty_locked(clock.monotonic())
        self.join(self._own)

    def join(self, tally: Tally) -> None:
        """Let the calls that *tally* counts be deposits here."""
        with self._lock:
            if all(known() is not tally for known, _ in self._tallies):
                self._tallies.append((ref(tally), [tally.calls]))

    def deposit(self) -> None:
        """Count one call, where no retry does."""
        self._own.calls += 1

    def try_withdraw(self) -> bool:
        """Take one further attempt out of the budget, if there is one."""
        now = self.clock.monotonic()
        with self._lock:
            here = self._roll_locked(now)
            if self._left_locked() < 1 - _ROUNDING:
                return False
            self._withdrawn[here % _BUCKETS] += 1
            return True

    def withdraw(self) -> None:
        """Take one further attempt out of the budget, or raise `BudgetExhaustedError`."""
        if not self.try_withdraw():
            raise BudgetExhaustedError(self.label, "budget")

    def snapshot(self) -> dict[str, float]:
        """``deposited`` calls, ``withdrawn`` attempts, and the attempts that are ``left``, within the window."""
        now = self.clock.monotonic()
        with self._lock:
            self._roll_locked(now)
            deposited, withdrawn, left = sum(self._deposited), sum(self._withdrawn), self._left_locked()
        return {"deposited": deposited, "withdrawn": withdrawn, "left": max(0.0, left)}

    def redefine(self, declared: Mapping[str, Any]) -> None:
        """Other settings: what was counted stays, unless the window's length changes."""
        settings = BudgetSettings.of(declared, self.label)
        now = self.clock.monotonic()
        with self._lock:
            before, self.settings = self.settings, settings
            if settings.ttl != before.ttl:
                self._empty_locked(now)

    def _left_locked(self) -> float:
        """The attempts that may still be taken out within the window; after a change of the settings it may be below 0."""
        return self.settings.ratio * sum(self._deposited) + self.settings.min_retries - sum(self._withdrawn)

    def _empty_locked(self, now: float) -> None:
        """Begin anew at *now*: what was counted before is no deposit."""
        self._fresh_locked()
        self._here = self._number(now)
        self._deposited = [0.0] * _BUCKETS
        self._withdrawn = [0] * _BUCKETS

    def _number(self, now: float) -> int:
        """Which bucket *now* lies in, counted from the clock's zero."""
        return int(now * _BUCKETS // self.settings.ttl)

    def _roll_locked(self, now: float) -> int:
        """Bring the buckets up to *now*; return the number of the current one."""
        was = self._here
        here = max(self._number(now), was)  # a clock read before another thread's is older: nothing goes back
        for gone in range(max(here - _BUCKETS, was) + 1, here + 1):
            self._deposited[gone % _BUCKETS] = 0.0
            self._withdrawn[gone % _BUCKETS] = 0
        share = self._fresh_locked() / (here - was + 1)
        for between in range(max(here - _BUCKETS + 1, was), here + 1):
            self._deposited[between % _BUCKETS] += share
        self._here = here
        return here

    def _fresh_locked(self) -> int:
        """The calls counted since the last look; tallies that are gone are let go."""
        fresh, gone = 0, False
        for known, seen in self._tallies:
            tally = known()
            if tally is None:
                gone = True
                continue
            calls = tally.calls
            fresh += calls - seen[0]
            seen[0] = calls
        if gone:
            self._tallies = [one for one in self._tallies if one[0]() is not None]
        return fresh


def shared_budget(name: str) -> Budget:
    """The budget of this name, with the settings it was given, or the defaults until it is given any."""
    return NAMES.claim(SCOPE.get(), "budget", name, {}, lambda: Budget({}, name=name))  # type: ignore[no-any-return]  # what make() makes
