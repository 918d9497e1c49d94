"""What is known of AWS: operations that may be made twice, and what carries something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from svcgov.outbound._aws import carries, carrying, modelled, reads_only, with_tokens

HEADERS = {"traceparent": "00-1-2-01", "baggage": "a=b"}
OURS = {name: {"DataType": "String", "StringValue": value} for name, value in HEADERS.items()}


@pytest.mark.parametrize(
    "operation", ["GetItem", "ListQueues", "DescribeTable", "HeadObject", "Query", "Scan", "BatchGetItem", "SearchFaces"]
)
def test_an_operation_that_only_reads_is_known_by_its_verb(operation: str) -> None:
    """All services call them so."""
    assert reads_only(operation)


@pytest.mark.parametrize("operation", ["SendMessage", "PutItem", "Invoke", "GetActivityTask", "ReceiveMessage", "Listen"])
def test_any_other_operation_is_not(operation: str) -> None:
    """A verb is a whole word; and a task that was given away is gone."""
    assert not reads_only(operation)


def test_a_token_is_made_where_the_caller_has_none() -> None:
    """In a copy; one of the caller's stands."""
    model = SimpleNamespace(idempotent_members=["ClientToken"])
    given: dict[str, Any] = {"Name": "a"}
    params, known = with_tokens(model, given)
    assert known
    assert len(params["ClientToken"]) == 36
    assert given == {"Name": "a"}
    mine = {"ClientToken": "mine"}
    assert with_tokens(model, mine) == (mine, True)


def test_an_operation_without_tokens_is_as_it_was() -> None:
    """The very same parameters."""
    given: dict[str, Any] = {"Name": "a"}
    params, known = with_tokens(SimpleNamespace(idempotent_members=[]), given)
    assert params is given
    assert not known


def test_the_description_of_a_service_says_what_is_retryable() -> None:
    """By the name of an error, or by a code that it has besides."""
    shapes = [
        SimpleNamespace(name="Gone", metadata={}),
        SimpleNamespace(name="Busy", metadata={"retryable": {"throttling": True}}),
        SimpleNamespace(name="Flaky", metadata={"retryable": {}, "error": {"code": "flaky"}}),
    ]
    model = SimpleNamespace(error_shapes=shapes)
    assert [modelled(model, code) for code in ("Gone", "Busy", "flaky", "Flaky", "")] == [None, 429, 503, None, None]


CARRIED: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    "message": ("sqs", "SendMessage", {"MessageBody": "a"}, {"MessageBody": "a", "MessageAttributes": OURS}),
    "batch": ("sqs", "SendMessageBatch", {"Entries": ({"Id": "1"}, 7)}, {"Entries": [{"Id": "1", "MessageAttributes": OURS}, 7]}),
    "topic": ("sns", "Publish", {"TopicArn": "a"}, {"TopicArn": "a", "MessageAttributes": OURS}),
    "topic batch": (
        "sns",
        "PublishBatch",
        {"PublishBatchRequestEntries": [{}]},
        {"PublishBatchRequestEntries": [{"MessageAttributes": OURS}]},
    ),
}
LEFT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "telephone": ("sns", "Publish", {"PhoneNumber": "+47"}),
    "not a batch": ("sqs", "SendMessageBatch", {"Entries": "no"}),
    "no batch": ("sqs", "SendMessageBatch", {}),
    "event without detail": ("eventbridge", "PutEvents", {"Entries": [{"Source": "a"}]}),
    "not waited for": ("lambda", "Invoke", {"InvocationType": "Event"}),
    "wrong context": ("lambda", "Invoke", {"ClientContext": "%%%"}),
    "other operation": ("sqs", "ListQueues", {}),
    "other service": ("s3", "PutObject", {}),
}


@pytest.mark.parametrize(("service", "operation", "params", "expected"), CARRIED.values(), ids=CARRIED)
def test_what_carries_something_carries_ours(service: str, operation: str, params: Any, expected: Any) -> None:
    """Beside what the caller has given, which is not changed."""
    before = repr(params)
    assert carries(service, operation)
    assert carrying(service, operation, params, HEADERS) == expected
    assert repr(params) == before


@pytest.mark.parametrize(("service", "operation", "params"), LEFT.values(), ids=LEFT)
def test_what_does_not_is_left_as_it_is(service: str, operation: str, params: dict[str, Any]) -> None:
    """The client says what is wrong with it, if anything is."""
    assert carrying(service, operation, params, HEADERS) == params


def test_without_anything_to_tell_nothing_is_touched() -> None:
    """The very same parameters."""
    params: dict[str, Any] = {"Entries": [{}]}
    assert carrying("sqs", "SendMessageBatch", params, {}) is params
    assert carrying("sqs", "SendMessage", params, {"x-unknown": "1"}) is params


def test_the_streaming_kind_of_an_invocation_carries_as_well() -> None:
    """And an event, in its detail."""
    assert "ClientContext" in carrying("lambda", "InvokeWithResponseStream", {}, HEADERS)
    (entry,) = carrying("eventbridge", "PutEvents", {"Entries": [{"Detail": "{}"}]}, HEADERS)["Entries"]
    assert "_svcgov" in entry["Detail"]
