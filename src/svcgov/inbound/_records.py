"""Records of queues, topics and streams: where each one comes from, what it says, and what it carries.

=====================  =====================================================  =====================================
from                   what it carries stands in                              what it says
=====================  =====================================================  =====================================
SQS                    ``messageAttributes``                                  ``body``
SNS                    ``Sns.MessageAttributes``                              ``Sns.Message``
SNS by way of SQS      the notification in ``body``                           its ``Message``
EventBridge            ``detail._svcgov``, an object of names and texts       ``detail``
EventBridge over SQS   the same, in ``body``                                  ``body``
Kinesis                nothing that we know of                                ``kinesis.data``, decoded
DynamoDB               nothing                                                ``dynamodb``
=====================  =====================================================  =====================================

Rule: a record is whatever somebody sent. Nothing here trusts its shape, and nothing raises.
"""

from __future__ import annotations

from ..propagation import trace
from ..propagation._attributes import ENVELOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from .._core._context import Trace

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")
_SAME_TRACE = 35  # characters of a traceparent that say which trace it is


def carried_by(event: Any) -> tuple[str, dict[str, str]] | None:
    """What *event* comes from, and what all of its records carry alike; None when it has no records."""
    if not isinstance(event, dict):
        return None
    if _is_event(event):
        return "eventbridge", carrier_of(event)
    records = records_of(event)
    source = source_of(records[0]) if records else ""
    return (source, shared(carrier_of(record) for record in records)) if source else None


def traces_of(event: Any) -> list[Trace | None]:
    """Of each record where its sender stands in its trace, or None where it does not say."""
    return [trace.read(carrier_of(record)) for record in records_of(event)] if isinstance(event, dict) else []


def records_of(event: Any) -> list[Any]:
    """The records, in order; an event of EventBridge is its own only record."""
    records = event.get("Records") if isinstance(event, dict) else None
    if isinstance(records, list):
        return records
    return [event] if _is_event(event) else []


def source_of(record: Any) -> str:
    """``sqs``, ``sns``, ``kinesis`` and so on, in the platform's own words; the empty string when it does not say."""
    if _is_event(record):
        return "eventbridge"
    source = _get(record, "eventSource") or _get(record, "EventSource")
    scheme, _, name = source.partition(":") if isinstance(source, str) else ("", "", "")
    return name if scheme == "aws" and 0 < len(name) <= 32 and _NAME.issuperset(name) else ""


def id_of(record: Any) -> str:
    """What a batch reports it by, or the empty string."""
    found = (
        _get(record, "messageId"),
        _get(record, "kinesis", "sequenceNumber"),
        _get(record, "dynamodb", "SequenceNumber"),
        _get(record, "Sns", "MessageId"),
        _get(record, "id") if _is_event(record) else None,
    )
    return next((one for one in found if isinstance(one, str)), "")


def body_of(record: Any) -> Any:
    """What was sent; the record itself where that is not known."""
    if isinstance(_get(record, "body"), str):
        envelope = _envelope(record["body"])
        return envelope["Message"] if _is_notification(envelope) else record["body"]
    if isinstance(_get(record, "Sns", "Message"), str):
        return record["Sns"]["Message"]
    if isinstance(_get(record, "kinesis", "data"), str):
        return _decoded(record["kinesis"]["data"])
    if isinstance(_get(record, "dynamodb"), dict):
        return record["dynamodb"]
    return record["detail"] if _is_event(record) else record


def ordered(record: Any) -> bool:
    """Whether the records after this one must wait for it: a FIFO queue or a stream."""
    source, arn = source_of(record), _get(record, "eventSourceARN")
    return source in ("kinesis", "dynamodb") or (source == "sqs" and isinstance(arn, str) and arn.endswith(".fifo"))


def carrier_of(record: Any) -> dict[str, str]:
    """What one record carries, names in lower case."""
    if _is_event(record):
        return strings(_get(record, "detail", ENVELOPE))
    carried = _attributes(_get(record, "Sns", "MessageAttributes"), "Type", "Value")
    body = _get(record, "body")
    if isinstance(body, str):
        envelope = _envelope(body)
        if _is_notification(envelope):
            carried |= _attributes(envelope.get("MessageAttributes"), "Type", "Value")
        elif _is_event(envelope):
            carried |= carrier_of(envelope)
    return carried | _attributes(_get(record, "messageAttributes"), "dataType", "stringValue")


def shared(carriers: Iterable[dict[str, str]]) -> dict[str, str]:
    """What all *carriers* have in common: of the trace which one it is, of the baggage its members."""
    rest = iter(carriers)
    common = dict(next(rest, {}))
    for other in rest:
        if not common:
            break
        if other != common:
            common = _agreed(common, other)
    if "traceparent" not in common:
        common.pop("tracestate", None)
    return common


def strings(given: Any) -> dict[str, str]:
    """The texts of a mapping, names in lower case."""
    if not isinstance(given, dict):
        return {}
    return {name.lower(): value for name, value in given.items() if isinstance(name, str) and isinstance(value, str)}


def _agreed(one: dict[str, str], other: dict[str, str]) -> dict[str, str]:
    agreed = {}
    for name, value in one.items():
        theirs = other.get(name, "")
        if value == theirs or (name == "traceparent" and value[:_SAME_TRACE] == theirs[:_SAME_TRACE]):
            agreed[name] = value
        elif name == "baggage":
            members = {member.strip() for member in theirs.split(",")}
            both = [member for member in map(str.strip, value.split(",")) if member in members]
            if both:
                agreed[name] = ",".join(both)
    return agreed


def _attributes(given: Any, kind: str, value: str) -> dict[str, str]:
    """The attributes of a message that are text: ``{name: {kind: "String", value: ...}}``."""
    if not isinstance(given, dict):
        return {}
    texts = {name: one.get(value) for name, one in given.items() if isinstance(one, dict) and one.get(kind) == "String"}
    return strings(texts)


def _envelope(body: str) -> Any:
    """The object in *body* if it may be a notification or an event: a body of another kind is not read."""
    if not body.startswith("{") or not ('"TopicArn"' in body or '"detail-type"' in body):
        return None
    from json import loads

    try:
        return loads(body)
    except Exception:  # it only looked like one
        return None


def _is_notification(value: Any) -> bool:
    return _get(value, "Type") == "Notification" and "TopicArn" in value and isinstance(value.get("Message"), str)


def _is_event(value: Any) -> bool:
    return isinstance(_get(value, "detail-type"), str) and isinstance(value.get("source"), str) and "detail" in value


def _decoded(data: str) -> bytes | str:
    from binascii import a2b_base64

    try:
        return a2b_base64(data)
    except ValueError:
        return data


def _get(value: Any, *names: str) -> Any:
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value
