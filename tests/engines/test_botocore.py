"""Governed clients of AWS against moto, which is AWS enough: what they send arrives, and is read at the other end."""

from __future__ import annotations

import json
from base64 import b64decode
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from outbound.worlds import TRACE, again, invoked
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout
from svcgov.inbound._records import body_of, carrier_of
from svcgov.inbound.aws_lambda import came
from svcgov.outbound.govern import govern

if TYPE_CHECKING:
    from collections.abc import Iterator

REGION = "eu-west-1"


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """All of AWS, empty; returns a session."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield boto3.Session(region_name=REGION)


def governed(client: Any) -> Any:
    """With policies of every kind, for orders."""
    policies = timeout(10.0), bulkhead(4), again(), circuit_breaker(consecutive_failures=1)
    return govern(client, target="orders", pipeline=Pipeline(*policies))


def received(client: Any, url: str) -> list[dict[str, Any]]:
    """The records that a function would be given of a queue."""
    messages = client.receive_message(QueueUrl=url, MessageAttributeNames=["All"], MaxNumberOfMessages=10).get("Messages", [])
    return [
        {
            "eventSource": "aws:sqs",
            "body": one["Body"],
            "messageAttributes": {
                name: {"dataType": given["DataType"], "stringValue": given["StringValue"]}
                for name, given in one.get("MessageAttributes", {}).items()
            },
        }
        for one in messages
    ]


def is_ours(carried: dict[str, str]) -> bool:
    """Whether it is the trace and the colour of `invoked`."""
    return TRACE.trace_id in carried["traceparent"] and "svcgov.colour=blue" in carried["baggage"]


def test_a_message_arrives_with_what_it_carries(aws: Any) -> None:
    """By a queue: single, and in a batch."""
    sqs = governed(aws.client("sqs"))
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    with invoked():
        sqs.send_message(QueueUrl=url, MessageBody="one")
        sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "2", "MessageBody": "two"}])
    records = received(sqs, url)
    assert sorted(body_of(record) for record in records) == ["one", "two"]
    assert all(is_ours(carrier_of(record)) for record in records)


@pytest.mark.parametrize(("taken", "ours"), [(7, 2), (8, 2), (9, 1), (10, 0)])
def test_a_message_that_is_full_of_attributes_arrives_with_them(aws: Any, taken: int, ours: int) -> None:
    """Ten are allowed: ours take the places that are left, the trace first."""
    sqs = governed(aws.client("sqs"))
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    given = {f"a{number}": {"DataType": "String", "StringValue": "x"} for number in range(taken)}
    with invoked():
        sqs.send_message(QueueUrl=url, MessageBody="full", MessageAttributes=given)
    (record,) = received(sqs, url)
    assert set(record["messageAttributes"]) == {*given, *["traceparent", "baggage"][:ours]}


@pytest.mark.parametrize("raw", ["true", "false"])
def test_a_notification_arrives_by_way_of_a_queue(aws: Any, raw: str) -> None:
    """In its envelope, or without."""
    sqs, sns = aws.client("sqs"), governed(aws.client("sns"))
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="paid")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": raw})
    with invoked():
        sns.publish(TopicArn=topic, Message="paid")
    (record,) = received(sqs, url)
    assert body_of(record) == "paid"
    assert is_ours(carrier_of(record))


def test_an_event_arrives_by_way_of_a_queue(aws: Any) -> None:
    """Its detail is what it was, and ours beside."""
    sqs, events = aws.client("sqs"), governed(aws.client("events"))
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventPattern='{"source": ["shop"]}')
    events.put_targets(Rule="all", Targets=[{"Id": "1", "Arn": arn}])
    with invoked():
        events.put_events(Entries=[{"Source": "shop", "DetailType": "paid", "Detail": '{"order": 7}'}])
    (record,) = received(sqs, url)
    assert json.loads(record["body"])["detail"]["order"] == 7
    assert is_ours(carrier_of(record))


def test_a_function_that_is_invoked_finds_it_in_its_client_context(aws: Any) -> None:
    """As the header says that the service is given; beside what the caller had in it."""
    role = aws.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    client = governed(aws.client("lambda"))
    client.create_function(FunctionName="charge", Role=role, Runtime="python3.11", Handler="a.b", Code={"ZipFile": b"zip"})
    seen: list[Any] = []
    client.meta.events.register(
        "before-send.lambda.Invoke", lambda request, **_: seen.append(request.headers["X-Amz-Client-Context"])
    )
    with invoked():
        answer = client.invoke(FunctionName="charge", Payload=b"{}", ClientContext="eyJjdXN0b20iOiB7Im4iOiAiMSJ9fQ==")
    assert answer["StatusCode"] in (200, 202)
    answer["Payload"].read()
    custom = json.loads(b64decode(seen[0]))["custom"]
    headers = came({}, SimpleNamespace(client_context=SimpleNamespace(custom=custom))).headers
    assert is_ours(dict(headers))
    assert (headers["n"], headers["x-svcgov-colour"]) == ("1", "blue")
    assert 0 < int(headers["x-request-deadline-ms"]) <= 10_000


def test_a_resource_works_as_ever(aws: Any) -> None:
    """By its client: collections, sub-resources, and what they send."""
    resource = governed(aws.resource("sqs"))
    queue = resource.create_queue(QueueName="orders")
    with invoked():
        queue.send_message(MessageBody="one")
    assert [one.url for one in resource.queues.all()] == [queue.url]
    (record,) = received(resource.meta.client, queue.url)
    assert is_ours(carrier_of(record))


def test_what_is_not_there_opens_no_circuit(aws: Any) -> None:
    """moto says it as AWS does."""
    sqs = governed(aws.client("sqs"))
    for _ in range(3):
        with pytest.raises(sqs.exceptions.QueueDoesNotExist):
            sqs.get_queue_url(QueueName="none")
    assert sqs.list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_a_fifo_queue_drops_what_was_sent_twice(aws: Any) -> None:
    """So a message with an id of its own may be sent again: the answer to the first one was lost."""
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    govern(sqs, target="orders", pipeline=Pipeline(timeout(10.0), again()))
    lost: list[int] = []

    def losing(http_response: Any, parsed: dict[str, Any], **_: Any) -> None:
        if not lost:
            lost.append(http_response.status_code)
            raise ClientError({"Error": {"Code": "InternalError"}, "ResponseMetadata": {"HTTPStatusCode": 500}}, "SendMessage")

    sqs.meta.events.register("after-call.sqs.SendMessage", losing)
    sqs.send_message(QueueUrl=url, MessageBody="one", MessageGroupId="g", MessageDeduplicationId="order-7")
    assert lost == [200]
    assert len(received(sqs, url)) == 1
