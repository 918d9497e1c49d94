"""What happened, in the past tense: frozen values that listeners get.

Rule 1: a fact is made only if somebody listens.
Rule 2: a fact is told after every lock has been released, in order; a listener that raises changes nothing.

Listen to all of them with `svcgov.listen`, or to one policy's with its own ``listen``. In a log each has the name
``svcgov.`` and its class's name in snake case (`Fact.event`), such as ``svcgov.circuit_changed``.
"""

from __future__ import annotations

from ._core._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Literal

__all__ = [
    "BudgetEmptied",
    "CallRefused",
    "CircuitChanged",
    "DeadlineNeared",
    "DocumentApplied",
    "DocumentRefused",
    "Fact",
    "LeaseLost",
    "LeftCallFailed",
    "PredicateFailed",
    "RecordSkipped",
    "RegistryFailed",
    "RegistryRecovered",
    "RetryEnded",
    "RetryScheduled",
    "ThresholdExceeded",
    "TimedOut",
    "TimeoutNotEnforced",
    "WorkersAbandoned",
]


class Fact(Frozen):
    """What all facts have.

    Attributes:
        policy: the name of the policy, or its kind when it has no name.
        at: when it happened, a reading of the policies' monotonic clock in seconds.
    """

    policy: str
    at: float

    @property
    def event(self) -> str:
        """The name of this fact in a log, such as ``svcgov.circuit_changed``."""
        name = type(self).__name__
        return "svcgov." + "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")


class CallRefused(Fact):
    """A gate declined a call before it began, or (*observed*) only looked on and would have. *key* is that of the call."""

    kind: str
    reason: str
    retry_after: float | None = None
    observed: bool = False
    key: Hashable = None


class CircuitChanged(Fact):
    """A circuit breaker went from one state to another.

    The counts are those of the window that led to it; a rate is None below the minimum of calls. *causes* are all
    thresholds that held, *cause* is the first of them. *opening* counts the openings in a row. Where the breaker has keys,
    *key* is the one whose circuit it is.
    """

    before: str
    after: str
    cause: str
    causes: tuple[str, ...] = ()
    calls: int
    failed: int
    slow: int = 0
    failure_rate: float | None = None
    slow_call_rate: float | None = None
    open_for: float | None = None
    opening: int = 0
    origin: Literal["local", "hand", "document"] = "local"
    key: Hashable = None


class ThresholdExceeded(Fact):
    """A circuit breaker that only observes would have opened; told again only after its thresholds held no more."""

    causes: tuple[str, ...] = ()
    calls: int
    failed: int
    slow: int = 0
    failure_rate: float | None = None
    slow_call_rate: float | None = None
    key: Hashable = None


class RetryScheduled(Fact):
    """An attempt failed and another one will be made after *delay* seconds."""

    attempt: int
    delay: float
    error: str


class RetryEnded(Fact):
    """No further attempt is made, for *cause*, and the last real error is raised."""

    attempts: int
    cause: Literal["attempts", "budget", "deadline", "refused", "not_retryable", "not_repeatable", "retried", "stopped"]
    error: str


class BudgetEmptied(Fact):
    """A retry was not made because the budget had nothing left; told once until it has something again."""

    ratio: float


class DeadlineNeared(Fact):
    """A call of a function that is governed as a way in came into the last tenth of its time, or the last second.

    It had *left* seconds to its deadline, below 0 past it, when it *ended*, or (a coroutine function) while it went on.
    The *policy* is the function's name.
    """

    left: float
    ended: bool


class DocumentApplied(Fact):
    """A document is in force: its *revision*, in which *layer* it stands, and how many policies and pipelines it has *changed*.

    The *policy* is ``document``.
    """

    layer: str
    revision: str
    changed: int


class DocumentRefused(Fact):
    """A document cannot be, so what was in force before still is; told once for each revision.

    The *path* is the first place that is wrong, and *error* says what is. The *policy* is ``document``.
    """

    layer: str
    revision: str
    path: str
    error: str


class RegistryFailed(Fact):
    """The registry could not be asked; told again only after it has answered. The *policy* is ``registry``."""

    error: str


class RegistryRecovered(Fact):
    """The registry answers again, after *seconds*. The *policy* is ``registry``."""

    seconds: float


class LeaseLost(Fact):
    """The registry did not know an instance of ours any more, which is registered again. The *policy* is ``registry``."""

    service: str
    id: str


class RecordSkipped(Fact):
    """A record in the registry cannot be read, at *path*; told once for each content. The *policy* is ``registry``."""

    service: str
    id: str
    path: str
    revision: int


class TimedOut(Fact):
    """A call was not done in time: it was cancelled or left, or (*late*) it came to its end after all."""

    seconds: float
    late: bool


class LeftCallFailed(Fact):
    """A call that a time-out had left behind on its worker thread has raised; nobody waited for it any more."""

    error: str


class TimeoutNotEnforced(Fact):
    """A plain function ran past its time-out and could not be stopped; told once for each time-out."""

    seconds: float
    took: float


class WorkersAbandoned(Fact):
    """Half of the *most* worker threads there may be, or more, run calls that were left behind; told once a minute."""

    abandoned: int
    most: int


class PredicateFailed(Fact):
    """A function given as a setting raised; the outcome was ignored; told once a minute for each policy."""

    setting: str
    error: str
