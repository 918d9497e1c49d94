"""What travels, where there are no headers: attributes of messages, the detail of an event, the context of a function's caller.

==================  ==============================================================================
SQS, SNS            ``MessageAttributes``: ``{name: {"DataType": "String", "StringValue": ...}}``
EventBridge         ``Detail``: an object in it, ``_svcgov``, of names and texts
Lambda              ``ClientContext``: base64 of JSON, its ``custom`` part
==================  ==============================================================================

Rule 1: nothing that the caller has given is changed; what is returned is a copy, or the very same where nothing is added.
Rule 2: a name that the caller has set stands, in any spelling.
Rule 3: where there is no room, ours is left out, and never the caller's.
Rule 4: nobody waits for the answer to a message, so no deadline goes along; its colour is in the baggage.
"""

from __future__ import annotations

from .colour import HEADER as COLOUR

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

ENVELOPE = "_svcgov"  # the member of an event's detail
IN_EVENTS = {  # the attributes of a CloudEvent, whose names have letters and digits only (CloudEvents 1.0)
    "traceparent": "traceparent",
    "tracestate": "tracestate",
    "baggage": "baggage",
    "svcgovcolour": COLOUR,
}
MOST = 10  # attributes of a message, as SQS has it; more of them, and a message of SNS does not reach a queue
LONGEST = 3583  # bytes of a client context, encoded
IN_MESSAGES = ("traceparent", "baggage", "tracestate", "x-request-id")  # what is most needed first
_IN_CONTEXTS = ("traceparent", "x-request-deadline-ms", COLOUR, "baggage", "tracestate")  # and all else, then


def in_attributes(given: Any, headers: Mapping[str, str]) -> Any:
    """The attributes of a message with *headers* among them, as many as there is room for."""
    if given is not None and not isinstance(given, dict):
        return given  # the client will say what is wrong with it
    attributes: dict[str, Any] = given or {}
    for name in _new(IN_MESSAGES, headers, attributes)[: max(0, MOST - len(attributes))]:
        attributes = {**attributes, name: {"DataType": "String", "StringValue": headers[name]}}
    return attributes or given


def in_detail(given: Any, headers: Mapping[str, str]) -> Any:
    """The detail of an event with *headers* in it, if it is an object that has none."""
    from json import dumps, loads

    try:
        detail = loads(given)
    except Exception:  # the service will say what is wrong with it
        return given
    carried = in_messages(headers)
    if not carried or not isinstance(given, str) or not isinstance(detail, dict) or ENVELOPE in detail:
        return given
    inside = given.lstrip()[1:]  # as it is written: a number may have more digits than we can hold
    return f'{{"{ENVELOPE}": {dumps(carried)}{"," if detail else ""}{inside}'


def in_client_context(given: Any, headers: Mapping[str, str]) -> Any:
    """A client context with *headers* in it, as many as there is room for."""
    from binascii import a2b_base64, b2a_base64
    from json import dumps, loads

    try:
        context = loads(a2b_base64(given)) if given else {}
    except Exception:  # as above
        return given
    custom = context.get("custom", {}) if isinstance(context, dict) else None
    if not isinstance(custom, dict):
        return given
    encoded = given
    for name in _new((*_IN_CONTEXTS, *headers), headers, custom):
        more = {**custom, name: headers[name]}
        written = b2a_base64(dumps({**context, "custom": more}).encode(), newline=False).decode()
        if len(written) <= LONGEST:
            custom, encoded = more, written
    return encoded


def in_messages(headers: Mapping[str, str]) -> dict[str, str]:
    """What of *headers* goes along with a message."""
    return {name: headers[name] for name in IN_MESSAGES if name in headers}


def _new(names: tuple[str, ...], headers: Mapping[str, str], given: Mapping[str, Any]) -> list[str]:
    """Which of *names* are in *headers* and not in *given*; no state of ours belongs to a trace of the caller's."""
    present = {str(name).lower() for name in given}
    if "traceparent" in present:
        present.add("tracestate")
    return [name for name in dict.fromkeys(names) if name in headers and name not in present]
