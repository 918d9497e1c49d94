"""The recorder: what every output tells is counted here, once.

Two kinds of things are counted: calls, which came in through an edge or went out through a governed client (`Series`: how many,
how long, how often lately), and what the policies did, as their facts tell it (`Recorder.facts`).

Rule 1: nothing is counted before an output asks for it: the edges and the policies then have nobody to tell.
Rule 2: a label has a bounded number of values: once there are as many series as there may be, a new one is counted as ``other``.
Rule 3: a label is a name (of a service, an operation, a policy, a colour), a word, or a status. Never a path, a key, a header,
        a body or a message: those may hold secrets.
Rule 4: one lock, held for a few lines of arithmetic; whoever reads gets copies.
"""

from __future__ import annotations

from _thread import allocate_lock

from .._core._clock import SYSTEM
from .._core._context import INVOCATION
from .._core._histogram import Histogram
from .._core._listeners import PROCESS
from .._core._live import born
from .._core._meters import METERS
from ..facts import (
    BudgetEmptied,
    CallRefused,
    CircuitChanged,
    DeadlineNeared,
    PredicateFailed,
    RetryEnded,
    RetryScheduled,
    TimedOut,
)
from ._rates import Rates
from .access_log import outcome_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core._context import Identity, Invocation
    from .._core._meters import Attempt
    from ..facts import Fact
    from ..typing import Clock

    Labels = tuple[str, ...]

LABELS = ("direction", "kind", "service", "operation", "peer", "colour", "outcome", "method", "status")
OTHER = "other"
MOST = 2000
_LONGEST = 128  # characters of a label that came from somewhere else
_METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"))

# What is counted of each fact beside the name of its policy: all of them fields with few values.
COUNTED: dict[type[Fact], tuple[str, ...]] = {
    BudgetEmptied: (),
    CallRefused: ("kind", "reason", "observed"),
    CircuitChanged: ("before", "after", "cause"),
    DeadlineNeared: (),
    PredicateFailed: ("setting",),
    RetryEnded: ("cause",),
    RetryScheduled: (),
    TimedOut: ("late",),
}


class Series:
    """Calls that have all labels in common.

    Attributes:
        labels: their values, in the order of `LABELS`.
        durations: how long they took.
        late: how many ended after their deadline.
        rates: how many there were lately.
    """

    __slots__ = ("durations", "labels", "late", "rates")

    def __init__(self, labels: Labels, now: float) -> None:
        self.labels: Labels = labels
        self.durations: Histogram = Histogram()
        self.late: int = 0
        self.rates: Rates = Rates(now)


class Reading:
    """What one series had counted at one moment.

    Attributes:
        labels: the values of the labels by their names, the empty string where there is none.
        durations, late: as in `Series`.
    """

    __slots__ = ("_now", "_rates", "durations", "labels", "late")

    def __init__(self, series: Series, now: float) -> None:
        self.labels: dict[str, str] = dict(zip(LABELS, series.labels, strict=True))
        self.durations: Histogram = series.durations.copy()
        self.late: int = series.late
        self._rates = series.rates.copy()
        self._now = now

    def rates(self) -> dict[str, float]:
        """Calls per second: ``m1``, ``m5`` and ``m15``."""
        return self._rates.read(self._now)

    def snapshot(self) -> dict[str, Any]:
        """Plain values: the labels that there are, ``rates`` in calls per second, ``late``, and the ``durations``."""
        known = {name: value for name, value in self.labels.items() if value}
        return {**known, "late": self.late, "rates": self.rates(), "durations": self.durations.snapshot()}


class Recorder:
    """Counts, from when it is made to `stop`.

    Args:
        identity: who is running.
        clock: where time comes from, for tests.
        most: how many series there may be of calls, and how many of facts.
    """

    def __init__(self, identity: Identity, *, clock: Clock = SYSTEM, most: int = MOST) -> None:
        self._identity = identity
        self.clock = clock
        self.cold_starts: int = 0
        self.overflowed: int = 0  # calls and facts that were counted as ``other``
        self.output_failures: int = 0
        self.began: float = clock.monotonic()
        self._most = most
        self._series: dict[Labels, Series] = {}
        self._facts: dict[tuple[type[Fact], Labels], int] = {}
        self._lock = allocate_lock()
        self._stops = (PROCESS.add(self.heard, tuple(COUNTED)), METERS.add(self.attempted))
        born(self)

    @property
    def service(self) -> str:
        """The name of the service."""
        return self._identity.service

    def stop(self) -> None:
        """Count no more of what others tell."""
        for stop in self._stops:
            stop()

    # -- what is told -----------------------------------------------------------------------------------------------

    def called(
        self, invocation: Invocation, *, operation: str, outcome: str, status: int | None, took: float, late: bool
    ) -> None:
        """A call has come in, and has ended."""
        labels = (
            "in",
            invocation.trigger,
            invocation.service,
            operation[:_LONGEST],
            "",
            invocation.colour or "",
            outcome,
            method_of(invocation.method),
            _status(status),
        )
        self._count(labels, took, late=late, cold=invocation.cold_start)

    def attempted(self, attempt: Attempt) -> None:
        """A request has gone out, and there is an answer or an error."""
        outcome = outcome_of(attempt.error, attempt.status)
        labels = (
            "out",
            "http",
            self.service,
            attempt.operation[:_LONGEST],
            attempt.peer[:_LONGEST],
            INVOCATION.get().colour or "",
            outcome,
            method_of(attempt.method),
            _status(attempt.status),
        )
        self._count(labels, attempt.took, late=False, cold=False)

    def heard(self, fact: Fact) -> None:
        """A policy has done something."""
        kind = next(one for one in type(fact).__mro__ if one in COUNTED)
        key = kind, (fact.policy[:_LONGEST], *(_word(getattr(fact, name)) for name in COUNTED[kind]))
        with self._lock:
            if key not in self._facts and len(self._facts) >= self._most:
                key = kind, (OTHER, *key[1][1:])
                self.overflowed += 1
            self._facts[key] = self._facts.get(key, 0) + 1

    def _count(self, labels: Labels, took: float, *, late: bool, cold: bool) -> None:
        now = self.clock.monotonic()
        with self._lock:
            series = self._series.get(labels) or self._other_locked(labels, now)
            series.durations.add(max(0.0, took))
            series.rates.add(now)
            series.late += late
            self.cold_starts += cold

    def _other_locked(self, labels: Labels, now: float) -> Series:
        """A new series, or the one that new ones are counted in when there is no room for them."""
        if len(self._series) >= self._most:
            direction, kind, service, _, peer, _, outcome, _, _ = labels
            labels = (direction, kind, service, OTHER, OTHER if peer else "", OTHER, outcome, "", "")
            self.overflowed += 1
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = Series(labels, now)
        return series

    # -- what is read -----------------------------------------------------------------------------------------------

    def series(self) -> list[Reading]:
        """Of every series a copy, as it is now."""
        now = self.clock.monotonic()
        with self._lock:
            return [Reading(one, now) for one in self._series.values()]

    def facts(self, kind: type[Fact]) -> dict[Labels, int]:
        """How many of this *kind* there were, by policy and what else `COUNTED` names."""
        with self._lock:
            return {labels: count for (one, labels), count in self._facts.items() if one is kind}

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds its lock."""
        self._lock = allocate_lock()


def method_of(given: str) -> str:
    """A method that is known, or ``_OTHER``, as the conventions say: anybody may send anything."""
    return given if given in _METHODS or not given else "_OTHER"


def _status(given: int | None) -> str:
    return str(given) if given is not None and 100 <= given <= 599 else ""


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:_LONGEST]
