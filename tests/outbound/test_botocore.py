"""Governed clients of botocore and resources of boto3, and that they stay what they are."""

from __future__ import annotations

import gc
import io
import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore import UNSIGNED
from botocore.client import BaseClient
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError, NoCredentialsError, ParamValidationError

from engines.http_service import Answer
from svcgov import Pipeline, bulkhead, circuit_breaker, retry, timeout
from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.outbound import _joint
from svcgov.outbound.govern import govern

from .aws import SESSION, bad, good
from .worlds import again

if TYPE_CHECKING:
    from engines.http_service import Service

    from .aws import Clients


def policies(attempts: int = 3) -> Pipeline:
    """Made anew at each call, as a module that is run twice does."""
    return Pipeline(timeout(5.0), retry(attempts=attempts, backoff=0), circuit_breaker())


# -- in place ----------------------------------------------------------------------------------------------------------


def test_the_same_client_comes_back_and_stays_of_its_class(clients: Clients) -> None:
    """Whoever holds it holds a governed one; what it is called does not change."""
    client = clients.plain()
    before = repr(type(client))
    assert govern(client, target="orders", pipeline=Pipeline()) is client
    assert isinstance(client, BaseClient)
    assert repr(type(client)) == before


def test_an_equal_repeat_does_nothing_and_a_different_one_is_refused(clients: Clients, service: Service) -> None:
    """Policies are not put around each other; nobody could say which of both hold."""
    service.script("/", bad("InternalError", 500))
    client = clients.plain()
    govern(client, target="orders", pipeline=policies())
    govern(client, target="orders", pipeline=policies())
    with pytest.raises(ConfigError, match="governed by already"):
        govern(client, target="orders", pipeline=policies(attempts=4))
    with pytest.raises(ClientError):
        client.list_queues()
    assert service.asked("/") == 3


def test_a_resource_is_governed_by_its_client(service: Service) -> None:
    """So what hangs on it is governed as well; it is the same to govern either."""
    service.script("/", bad("Throttling"), good(QueueUrl=service.url + "/1/orders"))
    resource = SESSION.resource("sqs", endpoint_url=service.url)
    assert govern(resource, target="orders", pipeline=policies()) is resource
    assert govern(resource.meta.client, target="orders", pipeline=policies()) is resource.meta.client
    queue = resource.get_queue_by_name(QueueName="orders")
    assert service.asked("/") == 2
    with pytest.raises(ConfigError, match="governed by already"):
        govern(queue, target="others", pipeline=policies())
    resource.meta.client.close()


def test_a_client_of_tasks_is_refused(clients: Clients) -> None:
    """There are packages that make such ones of botocore's own."""

    async def call(self: Any, *args: Any) -> None:
        """Awaited."""

    client = clients.plain()
    client.__class__ = type("Tasks", (type(client),), {"_make_api_call": call})
    with pytest.raises(ConfigError, match="those of tasks are not governed"):
        govern(client, target="orders", pipeline=Pipeline())


def test_a_client_takes_its_class_with_it(clients: Clients) -> None:
    """botocore makes one for each client; a program that makes many of them must not grow."""
    gc.collect()
    before = len(_joint._classes)
    for _ in range(3):
        govern(SESSION.client("sqs", endpoint_url="http://127.0.0.1:1"), target="orders", pipeline=Pipeline()).close()
    gc.collect()
    assert len(_joint._classes) <= before + 1  # and one of the HTTP inside, which they share


def test_what_patches_the_call_is_inside_an_attempt(clients: Clients, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """That is where instrumentation makes its spans."""
    seen: list[str] = []
    own = BaseClient._make_api_call

    def spied(self: Any, operation: str, params: Any) -> Any:
        seen.append(operation)
        return own(self, operation, params)

    monkeypatch.setattr(BaseClient, "_make_api_call", spied)
    service.script("/", bad("Throttling"), good())
    clients.governed(again()).list_queues()
    assert seen == ["ListQueues", "ListQueues"]


# -- what the caller sees ----------------------------------------------------------------------------------------------


def test_a_condition_that_does_not_hold_is_no_failure(clients: Clients, service: Service) -> None:
    """It is what the caller wanted to know: not repeated, and no breaker opens for it. It is raised as ever."""
    service.script("/", bad("ConditionalCheckFailedException"))
    breaker = circuit_breaker(consecutive_failures=1)
    client = clients.governed(again(), breaker, name="dynamodb")
    for _ in range(2):
        with pytest.raises(client.exceptions.ConditionalCheckFailedException) as caught:
            client.put_item(TableName="t", Item={"k": {"S": "1"}})
        assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert service.asked("/") == 2
    assert breaker.snapshot()["failed"] == 0


def test_a_function_of_the_result_sees_such_an_answer(clients: Clients, service: Service) -> None:
    """Who wants to repeat it can say so."""
    service.script("/", bad("ConditionalCheckFailedException"), good())

    def wrong(result: Any) -> bool:
        return "Error" in result

    client = clients.governed(again(on_result=wrong, idempotent=True), name="dynamodb")
    client.put_item(TableName="t", Item={"k": {"S": "1"}})
    assert service.asked("/") == 2


def test_what_the_client_itself_objects_to_is_no_failure(clients: Clients) -> None:
    """Parameters that cannot be, credentials that are not there: nobody was asked."""
    breaker = circuit_breaker(consecutive_failures=1)
    client = clients.governed(again(), breaker)
    with pytest.raises(ParamValidationError):
        client.list_queues(MaxResults="many")
    poor = boto3.Session(region_name="eu-west-1").client("sqs", endpoint_url="http://127.0.0.1:1")
    poor._request_signer._credentials = None
    govern(poor, target="orders", pipeline=Pipeline(again(), breaker))
    with pytest.raises(NoCredentialsError):
        poor.list_queues()
    poor.close()
    assert breaker.current_state == "closed"


def test_a_bug_below_stays_a_bug_below(clients: Clients) -> None:
    """An error that is none of the client's passes as it is."""
    wrong = LookupError("a bug")

    def hook(**_: Any) -> None:
        raise wrong

    client = clients.governed(again())
    client.meta.events.register("before-parameter-build.sqs.ListQueues", hook)
    with pytest.raises(LookupError) as caught:
        client.list_queues()
    assert caught.value is wrong


def test_a_refusal_is_an_error_of_both_sides(clients: Clients, service: Service) -> None:
    """Existing ``except`` clauses go on working; it has what such errors have."""
    service.script("/", bad("InternalError", 500))
    client = clients.governed(circuit_breaker(consecutive_failures=1), retries={"total_max_attempts": 1})
    with pytest.raises(ClientError):
        client.list_queues()
    with pytest.raises(HTTPClientError) as caught:
        client.list_queues()
    assert isinstance(caught.value, BotoCoreError)
    assert isinstance(caught.value, CircuitOpenError)
    refused: Any = caught.value
    assert (refused.operation_name, refused.kwargs, refused.response) == ("ListQueues", {}, None)
    assert service.asked("/") == 1


def test_the_clients_own_error_is_raised_in_the_end(clients: Clients, service: Service) -> None:
    """As its class says, with a note of ours."""
    service.script("/", bad("Throttling"))
    with pytest.raises(ClientError) as caught:
        clients.governed(again()).list_queues()
    assert "gave up after 3 attempts" in caught.value.__notes__[0]


def test_pages_are_governed_one_by_one(clients: Clients, service: Service) -> None:
    """A failure of the second one does not bring the first one back."""
    first = good(QueueUrls=["a"], NextToken="more")
    service.script("/", first, bad("InternalError", 500), good(QueueUrls=["b"]))
    client = clients.governed(timeout(5.0), again())
    pages = client.get_paginator("list_queues").paginate(PaginationConfig={"PageSize": 1})
    assert [page["QueueUrls"] for page in pages] == [["a"], ["b"]]
    assert service.asked("/") == 3


def test_a_waiter_goes_on_waiting(clients: Clients, service: Service) -> None:
    """That the table is not there yet is what it waits for."""
    service.script("/", bad("ResourceNotFoundException"), bad("Throttling"), good(Table={"TableStatus": "ACTIVE"}))
    client = clients.governed(timeout(5.0), again(), circuit_breaker(consecutive_failures=2), name="dynamodb")
    client.get_waiter("table_exists").wait(TableName="t", WaiterConfig={"Delay": 0, "MaxAttempts": 3})
    assert service.asked("/") == 3


def test_calls_are_recorded_under_the_name_of_the_target_or_of_the_service(clients: Clients, service: Service) -> None:
    """A failing answer is a failure."""
    service.script("/", good(), bad("InternalError", 500))
    for target in ("orders", None):
        pipeline = Pipeline()
        client = govern(clients.plain(retries={"total_max_attempts": 1}), target=target, pipeline=pipeline)
        try:
            client.list_queues()
        except ClientError:
            assert target is None
        record = pipeline.snapshot()[f"botocore.{target or 'sqs'}"]
        assert (record["succeeded"], record["failed"]) == ((1, 0) if target else (0, 1))


def test_control_traffic_is_never_governed(clients: Clients, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A breaker that opened there would take the function down."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", service.url.removeprefix("http://"))
    service.script("/", bad("InternalError", 500))
    client = clients.governed(circuit_breaker(consecutive_failures=1), retries={"total_max_attempts": 1})
    for _ in range(3):
        with pytest.raises(ClientError):
            client.list_queues()
    assert service.asked("/") == 3


def test_what_a_client_asks_meanwhile_is_a_part_of_the_attempt(clients: Clients, service: Service) -> None:
    """Such as where a bucket is: a permit of its own might not be there."""
    service.script("/", good())
    gate = bulkhead(1)
    client = clients.governed(gate)
    asking: list[bool] = []

    def hook(**_: Any) -> None:
        if not asking:
            asking.append(True)
            client.list_queues()

    client.meta.events.register("before-send.sqs", hook)
    client.list_queues()
    assert service.asked("/") == 2
    assert gate.snapshot()["in_use"] == 0


# -- bodies ------------------------------------------------------------------------------------------------------------


class Pipe(io.BytesIO):
    """A file that cannot go back."""

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize(("kind", "sent"), [(io.BytesIO, 2), (Pipe, 1)])
def test_a_file_is_sent_again_from_where_it_stood_if_it_can_go_back(
    clients: Clients, service: Service, kind: Any, sent: int
) -> None:
    """The second one of a pipe would be empty, whatever the author says."""
    service.script("/b/k", Answer(503, body=b""), Answer(body=b""))
    client = clients.governed(
        again(idempotent=True),
        name="s3",
        signature_version=UNSIGNED,
        s3={"addressing_style": "path"},
        request_checksum_calculation="when_required",
    )
    file = kind(b"already read, to be sent")
    file.seek(14)
    if sent == 2:
        client.put_object(Bucket="b", Key="k", Body=file)
    else:
        with pytest.raises(ClientError):
            client.put_object(Bucket="b", Key="k", Body=file)
    assert [one.body for one in service.seen["/b/k"]] == [b"to be sent"] * sent


def test_a_streamed_answer_is_streamed(clients: Clients, service: Service) -> None:
    """It may take longer than its attempt; the permit is back with its end."""
    service.script("/b/k", Answer(503, body=b""), Answer(body=b"x" * 10, pause=0.15))
    gate = bulkhead(1)
    client = clients.governed(timeout(5.0), gate, again(), timeout(0.1), name="s3", s3={"addressing_style": "path"})
    body = client.get_object(Bucket="b", Key="k")["Body"]
    assert gate.snapshot()["in_use"] == 1
    assert body.read() == b"x" * 10
    assert gate.snapshot()["in_use"] == 0


def test_the_answer_is_the_dictionary_that_it_was(clients: Clients, service: Service) -> None:
    """With all that botocore says about it."""
    service.script("/", good(QueueUrls=["a"]))
    plain, ours = clients.plain().list_queues(), clients.governed(timeout(5.0), again()).list_queues()
    assert type(ours) is dict
    assert json.dumps(plain["QueueUrls"]) == json.dumps(ours["QueueUrls"])
    assert set(plain["ResponseMetadata"]) == set(ours["ResponseMetadata"])
