"""The recorder: what every output tells is counted here, once.

Two kinds of things are counted: calls, which came in through an edge or went out through a governed client (`Series`: how many,
how long, how often lately), and what the policies did, as their facts tell it (`Recorder.facts`). Beside them stand the durations
that the process has of its own (`Recorder.own`).

Rule 1: nothing is counted before an output asks for it: the edges and the policies then have nobody to tell.
Rule 2: a label has a bounded number of values: once there are as many series as there may be, a new one is counted as ``other``.
Rule 3: a label is a name (of a service, an operation, a policy, a colour), a word, or a status. Never a path, a key, a header,
        a body or a message: those may hold secrets.
Rule 4: one lock, held for a few lines of arithmetic; whoever reads gets copies, and whoever is told each duration (`Teller`) is
        told after it. The collector may tell a fact on the very thread that holds the lock.
"""

from __future__ import annotations

from _thread import RLock

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
    DocumentApplied,
    DocumentRefused,
    LeaseLost,
    PredicateFailed,
    RecordSkipped,
    RegistryFailed,
    RegistryRecovered,
    RetryEnded,
    RetryScheduled,
    TimedOut,
)
from ._series import Reading, Series
from ._span_words import method_of
from .access_log import outcome_of
from .runtime import LAG, START, Runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from .._core._context import Identity, Invocation, Trace
    from .._core._meters import Attempt
    from ..facts import Fact
    from ..typing import Clock
    from ._series import Labels

    class Teller(Protocol):
        """An output that wants each duration by itself. It does not raise."""

        def timed(self, labels: Labels, took: float, left: float | None, way: Any) -> None:
            """A call of these *labels*; *left* is what was left to its deadline.

            The *way* is the event that it came by, or of an attempt the functions that have sent it.
            """
            ...

        def own(self, name: str, seconds: float) -> None:
            """A duration of the process itself."""
            ...


OTHER = "other"
MOST = 2000
_LONGEST = 128  # characters of a label that came from somewhere else
_WORDS = (
    200  # further series of facts, of what they say beside the name of their policy: a policy of the author's may say anything
)

# What is counted of each fact beside the name of its policy: all of them fields with few values.
COUNTED: dict[type[Fact], tuple[str, ...]] = {
    BudgetEmptied: (),
    CallRefused: ("kind", "reason", "observed"),
    CircuitChanged: ("before", "after", "cause"),
    DeadlineNeared: (),
    DocumentApplied: ("layer",),
    DocumentRefused: ("layer",),
    LeaseLost: (),
    PredicateFailed: ("setting",),
    RecordSkipped: (),
    RegistryFailed: (),
    RegistryRecovered: (),
    RetryEnded: ("cause",),
    RetryScheduled: (),
    TimedOut: ("late",),
}


class Recorder:
    """Counts, from when it is made to `stop`.

    Args:
        identity: who is running.
        clock: where time comes from, for tests.
        most: how many series there may be of calls, and how many of facts.

    Attributes:
        teller: the output that is told each duration, or None.
        shows: whether an output shows examples of calls.
        runtime: what is watched of the process.
    """

    def __init__(self, identity: Identity, *, clock: Clock = SYSTEM, most: int = MOST) -> None:
        self._identity = identity
        self.clock = clock
        self.cold_starts: int = 0
        self.overflowed: int = 0  # calls and facts that were counted as ``other``
        self.output_failures: int = 0
        self.began: float = clock.monotonic()
        self.teller: Teller | None = None
        self.shows: bool = False
        self.runtime: Runtime = Runtime(self.timed, clock)
        self._most = most
        self._own: dict[str, Histogram] = {LAG: Histogram(), START: Histogram()}
        self._series: dict[Labels, Series] = {}
        self._facts: dict[tuple[type[Fact], Labels], int] = {}
        self._lock = RLock()
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
            invocation.method and method_of(invocation.method),
            _status(status),
        )
        self._count(
            labels,
            took,
            late=late,
            cold=invocation.cold_start,
            deadline=invocation.deadline,
            trace=invocation.trace,
            way=invocation.raw,
        )
        self.runtime.called(took, cold=invocation.cold_start)

    def attempted(self, attempt: Attempt) -> None:
        """A request has gone out, and there is an answer or an error."""
        invocation = INVOCATION.get()
        outcome = outcome_of(attempt.error, attempt.status)
        labels = (
            "out",
            "http",
            self.service,
            attempt.operation[:_LONGEST],
            attempt.peer[:_LONGEST],
            invocation.colour or "",
            outcome,
            attempt.method and method_of(attempt.method),
            _status(attempt.status),
        )
        self._count(labels, attempt.took, trace=invocation.trace, way=attempt.senders)

    def heard(self, fact: Fact) -> None:
        """A policy has done something."""
        kind = next(one for one in type(fact).__mro__ if one in COUNTED)
        key = kind, (fact.policy[:_LONGEST], *(_word(getattr(fact, name)) for name in COUNTED[kind]))
        with self._lock:
            if key not in self._facts and len(self._facts) >= self._most:
                key = kind, (OTHER, *key[1][1:])
                self.overflowed += 1
                if key not in self._facts and len(self._facts) >= self._most + _WORDS:
                    key = kind, tuple(OTHER for _ in key[1])
            if key not in self._facts:
                self._facts[key] = 0
            self._facts[key] += 1

    def timed(self, name: str, seconds: float) -> None:
        """The process has measured something of its own."""
        with self._lock:
            self._own[name].add(seconds)
        if self.teller is not None:
            self.teller.own(name, seconds)

    def _count(
        self,
        labels: Labels,
        took: float,
        *,
        late: bool = False,
        cold: bool = False,
        deadline: float | None = None,
        trace: Trace | None = None,
        way: Any = None,
    ) -> None:
        now, took = self.clock.monotonic(), max(0.0, took)
        left = None if deadline is None else max(0.0, deadline - now)
        with self._lock:
            series = self._series.get(labels) or self._other_locked(labels, now)
            series.durations.add(took)
            series.rates.add(now)
            series.late += late
            self.cold_starts += cold
            if left is not None:
                if series.left is None:
                    series.left = Histogram()
                series.left.add(left)
            if self.shows and trace is not None and trace.sampled:
                series.durations.show(took, trace, self.clock.wall())
        if self.teller is not None:
            self.teller.timed(series.labels, took, left, way)

    def _other_locked(self, labels: Labels, now: float) -> Series:
        """A new series, or the one that new ones are counted in when there is no room for them."""
        if len(self._series) >= self._most:
            direction, kind, service, _, peer, _, outcome, _, _ = labels
            kind = kind if kind == "http" else OTHER  # a caller may say anything
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
            return [Reading(one, now) for one in list(self._series.values())]

    def own(self, name: str) -> Histogram:
        """What the process has measured of its own, by this name."""
        with self._lock:
            return self._own[name].copy()

    def facts(self, kind: type[Fact]) -> dict[Labels, int]:
        """How many of this *kind* there were, by policy and what else `COUNTED` names."""
        with self._lock:
            return {labels: count for (one, labels), count in self._facts.copy().items() if one is kind}

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds its lock."""
        self._lock = RLock()


def _status(given: int | None) -> str:
    return str(given) if given is not None and 100 <= given <= 599 else ""


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)[:_LONGEST]
