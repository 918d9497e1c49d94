"""The words of spans: the names of attributes, kinds and events, as OpenTelemetry's conventions have them, and ours.

Rule: an attribute is a name, a word, a number or a status; of a request that came in, the path without its query. Never a query,
a header, a key, a body or a message: those may hold secrets.
"""

from __future__ import annotations

from .._core._mishaps import Answered
from ..errors import CallTimeoutError, RejectedError
from ..facts import (
    BudgetEmptied,
    CallRefused,
    CircuitChanged,
    DeadlineNeared,
    LeftCallFailed,
    PredicateFailed,
    RetryEnded,
    RetryScheduled,
    ThresholdExceeded,
    TimedOut,
    TimeoutNotEnforced,
    WorkersAbandoned,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..facts import Fact

    Attributes = dict[str, Any]

METHODS = frozenset(("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"))
CALLED = frozenset(
    ("http", "direct", "authorizer", "unknown")
)  # triggers of calls that somebody waits for; others are deliveries

_TRIGGERS = {"http": "http", "sqs": "pubsub", "sns": "pubsub", "kinesis": "pubsub", "eventbridge": "pubsub"}
_TRIGGERS |= {"cloudevent": "pubsub", "dynamodb": "datasource", "s3": "datasource"}
_SYSTEMS = {"sqs": "aws_sqs", "sns": "aws.sns", "cloudevent": "cloudevents"}

# What an event says of each fact, beside the name of its policy: all of them fields without a secret.
SAID: dict[type[Fact], tuple[str, ...]] = {
    BudgetEmptied: ("ratio",),
    CallRefused: ("kind", "reason", "retry_after", "observed"),
    CircuitChanged: (
        "before",
        "after",
        "cause",
        "calls",
        "failed",
        "slow",
        "failure_rate",
        "slow_call_rate",
        "open_for",
        "origin",
    ),
    DeadlineNeared: ("left", "ended"),
    LeftCallFailed: (),
    PredicateFailed: ("setting",),
    RetryEnded: ("attempts", "cause"),
    RetryScheduled: ("attempt", "delay"),
    ThresholdExceeded: ("calls", "failed", "slow", "failure_rate", "slow_call_rate"),
    TimedOut: ("seconds", "late"),
    TimeoutNotEnforced: ("seconds", "took"),
    WorkersAbandoned: ("abandoned", "most"),
}


def came_in(came: Any, *, colour: str | None, cold: bool) -> Attributes:
    """Of a call that came in."""
    attributes: Attributes = {"faas.trigger": _TRIGGERS.get(came.trigger, "other"), "faas.coldstart": cold}
    if came.request_id:
        attributes["faas.invocation_id"] = came.request_id
    if came.trigger == "http":
        attributes["http.request.method"] = method_of(came.method)
        attributes["url.path"] = came.path
    elif came.trigger not in CALLED:
        attributes |= delivered(came.trigger)
    return coloured(attributes, colour)


def delivered(source: str) -> Attributes:
    """Of what was delivered by *source*."""
    system = _SYSTEMS.get(source, f"aws.{source}")
    return {"messaging.system": system, "messaging.operation.type": "process", "messaging.operation.name": "process"}


def went_out(method: str, authority: str, target: str | None, again: int, colour: str | None) -> Attributes:
    """Of an attempt at a request over HTTP."""
    address, _, port = authority.partition("://")[2].rpartition(":")
    attributes: Attributes = {"server.address": address, "server.port": int(port)}
    if method:
        attributes["http.request.method"] = method_of(method)
    if again:
        attributes["http.request.resend_count"] = again
    if target is not None:
        attributes["svcgov.target"] = target
    return coloured(attributes, colour)


def coloured(attributes: Attributes, colour: str | None) -> Attributes:
    """The *attributes*, and in them the colour of the traffic, if it has one."""
    if colour is not None:
        attributes["svcgov.colour"] = colour
    return attributes


def method_of(given: str) -> str:
    """A method that is known, or ``_OTHER``: anybody may send anything."""
    return given if given in METHODS else "_OTHER"


def verb_of(given: str) -> str:
    """The *given* method as the beginning of a span's name."""
    return given if given in METHODS else "HTTP"


def outcome_of(error: BaseException | None) -> str:
    """How a governed call ended: ``ok``, ``refused``, ``timed_out``, ``failed`` (an answer), ``raised``, ``left``."""
    if error is None:
        return "ok"
    if isinstance(error, RejectedError):
        return "refused"
    if isinstance(error, CallTimeoutError):
        return "timed_out"
    if isinstance(error, Answered):
        return "failed"
    return "raised" if isinstance(error, Exception) else "left"


def kind_of(error: BaseException) -> str:
    """The class of *error*, with its module, or the status of an answer: what ``error.type`` is."""
    if isinstance(error, Answered):
        return str(error.answered)
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def said_of(fact: Fact) -> Attributes:
    """What an event says of *fact*."""
    names = next((SAID[kind] for kind in type(fact).__mro__ if kind in SAID), ())
    known = {f"svcgov.{name}": value for name in names if (value := getattr(fact, name)) is not None}
    return {"svcgov.policy": fact.policy, **known}
