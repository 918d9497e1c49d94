"""What is known of AWS: which operations may be made twice, and which ones carry something to whoever is called in the end.

======================================  =============================================
SQS SendMessage, SendMessageBatch       the attributes of each message
SNS Publish, PublishBatch               the same, but not for text messages to telephones
EventBridge PutEvents                   the detail of each event
Lambda Invoke, and its streaming kind   the client context, if somebody waits for the answer
======================================  =============================================

Rule: what the caller has given is never changed.
"""

from __future__ import annotations

from ..propagation._attributes import in_attributes, in_client_context, in_detail

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Params = dict[str, Any]
    Headers = Mapping[str, str]

_READS = ("BatchGet", "Describe", "Estimate", "Get", "Head", "List", "Query", "Scan", "Search")
_TAKES = frozenset({"GetActivityTask"})  # whoever asks is given a task, and nobody else is
_NOT_WAITED_FOR = ("Event", "DryRun")


def reads_only(operation: str) -> bool:
    """Whether *operation* changes nothing, by the verb that its name begins with."""
    if operation in _TAKES:
        return False
    return any(operation.startswith(verb) and not operation[len(verb) : len(verb) + 1].islower() for verb in _READS)


def with_tokens(model: Any, params: Params) -> tuple[Params, bool]:
    """The parameters with a token for each that the service knows the call by, and whether there is one.

    botocore would make new ones for each attempt, and the service could not tell that it is the same call.
    """
    names = model.idempotent_members
    missing = [name for name in names if name not in params]
    if missing:
        from uuid import uuid4

        params = {**params, **{name: str(uuid4()) for name in missing}}
    return params, bool(names) or "MessageDeduplicationId" in params


def modelled(model: Any, code: str) -> int | None:
    """The status that says the same as an error of this *code*, if the service's own description calls it retryable."""
    for shape in model.error_shapes:
        retryable = shape.metadata.get("retryable")
        if retryable is not None and code == (shape.metadata.get("error", {}).get("code") or shape.name):
            return 429 if retryable.get("throttling") else 503
    return None


def carrying(service: str, operation: str, params: Params, headers: Headers) -> Params:
    """The parameters with *headers* in them, if *operation* carries any."""
    carry = _CARRY.get((service, operation))
    return params if carry is None or not headers else carry(params, headers)


def carries(service: str, operation: str) -> bool:
    """Whether *operation* carries anything."""
    return (service, operation) in _CARRY


def _message(params: Params, headers: Headers) -> Params:
    attributes = None if "PhoneNumber" in params else in_attributes(params.get("MessageAttributes"), headers)
    return {**params, "MessageAttributes": attributes} if attributes else params


def _event(params: Params, headers: Headers) -> Params:
    return {**params, "Detail": in_detail(params["Detail"], headers)} if "Detail" in params else params


def _invocation(params: Params, headers: Headers) -> Params:
    if params.get("InvocationType") in _NOT_WAITED_FOR:
        return params
    context = in_client_context(params.get("ClientContext"), headers)
    return {**params, "ClientContext": context} if context else params


def _each(member: str, carry: Callable[[Params, Headers], Params]) -> Callable[[Params, Headers], Params]:
    def carry_each(params: Params, headers: Headers) -> Params:
        entries = params.get(member)
        if not isinstance(entries, (list, tuple)):
            return params  # the client will say what is wrong with it
        return {**params, member: [carry(one, headers) if isinstance(one, dict) else one for one in entries]}

    return carry_each


_CARRY: dict[tuple[str, str], Callable[[Params, Headers], Params]] = {
    ("sqs", "SendMessage"): _message,
    ("sqs", "SendMessageBatch"): _each("Entries", _message),
    ("sns", "Publish"): _message,
    ("sns", "PublishBatch"): _each("PublishBatchRequestEntries", _message),
    ("eventbridge", "PutEvents"): _each("Entries", _event),
    ("lambda", "Invoke"): _invocation,
    ("lambda", "InvokeWithResponseStream"): _invocation,
}
