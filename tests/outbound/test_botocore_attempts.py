"""Governed clients of botocore: what is repeated, by codes and operations, and that nobody else repeats it."""

from __future__ import annotations

import json
import socket
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker

from engines.http_service import Answer
from engines.misbehaving import Misbehaving
from svcgov import circuit_breaker, retry, timeout
from svcgov._core._matching import _CODES, Matcher, status_of

from .aws import bad, good
from .worlds import Clock, again

if TYPE_CHECKING:
    from engines.http_service import Service
    from engines.misbehaving import Line

    from .aws import Clients

THROTTLED = [code for code, status in _CODES.items() if status == 429]


def send(client: Any, **options: Any) -> Any:
    """An operation that is not safe to be made twice."""
    return client.send_message(QueueUrl="http://sqs.test/1/orders", MessageBody="charge", **options)


# -- codes ---------------------------------------------------------------------------------------------------------------


def test_the_codes_of_botocore_are_known() -> None:
    """When it learns of another, so do we."""
    assert set(ThrottledRetryableChecker._THROTTLED_ERROR_CODES) <= set(THROTTLED)
    assert set(TransientRetryableChecker._TRANSIENT_ERROR_CODES) <= set(_CODES)


@pytest.mark.parametrize("code", THROTTLED)
def test_whoever_is_asked_to_slow_down_may_ask_again_for_anything(clients: Clients, service: Service, code: str) -> None:
    """Nothing was done; the breaker counts it, as every 429."""
    service.script("/", bad(code), good())
    breaker = circuit_breaker(consecutive_failures=5)
    send(clients.governed(again(), breaker))
    assert service.asked("/") == 2
    assert breaker.snapshot()["failed"] == 1


def test_the_words_and_statuses_of_policies_mean_it(clients: Clients, service: Service) -> None:
    """``on=429`` is "slow down", whatever the status was."""
    service.script("/", bad("ThrottlingException"), good())
    send(clients.governed(again(on=429)))
    assert service.asked("/") == 2


@pytest.mark.parametrize("code", ["InternalError", "ServiceUnavailable"])
@pytest.mark.parametrize(("idempotent", "asked"), [(None, 1), (True, 2)])
def test_an_operation_that_may_have_been_done_is_not_repeated_unless_the_author_says_so(
    clients: Clients, service: Service, code: str, idempotent: bool | None, asked: int
) -> None:
    """Nobody wants to be charged twice."""
    service.script("/", bad(code, 503), good())
    client = clients.governed(again(idempotent=idempotent))
    if asked == 1:
        with pytest.raises(ClientError):
            send(client)
    else:
        send(client)
    assert service.asked("/") == asked


@pytest.mark.parametrize("code", ["InternalError", "RequestTimeout", "IDPCommunicationError"])
def test_an_operation_that_only_reads_is_repeated(clients: Clients, service: Service, code: str) -> None:
    """By its name; also after codes that invite another try under a status that does not."""
    service.script("/", bad(code, 500 if code == "InternalError" else 400), good())
    clients.governed(again()).get_queue_url(QueueName="orders")
    assert service.asked("/") == 2


def test_an_error_that_the_description_of_the_service_calls_retryable_is_one(
    clients: Clients, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its code and its status."""
    shape = SimpleNamespace(name="BusyException", metadata={"retryable": {"throttling": True}})
    service.script("/", bad("BusyException"), good())
    client = clients.governed(again())
    model = client.meta.service_model.operation_model("SendMessage")
    monkeypatch.setattr(type(model), "error_shapes", [shape])
    send(client)
    assert service.asked("/") == 2


def test_a_token_is_the_same_in_all_attempts(clients: Clients, service: Service) -> None:
    """botocore would make a new one for each, and the service could not tell that it is the same."""
    service.script("/", bad("InternalServerError", 500), good())
    client = clients.governed(again(), name="dynamodb")
    item = {"Put": {"TableName": "t", "Item": {"k": {"S": "1"}}}}
    given = {"TransactItems": [item]}
    client.transact_write_items(**given)
    first, second = (json.loads(one.body)["ClientRequestToken"] for one in service.seen["/"])
    assert first == second
    assert len(first) == 36
    client.transact_write_items(**given, ClientRequestToken="mine")
    assert json.loads(service.seen["/"][-1].body)["ClientRequestToken"] == "mine"


def test_a_message_that_its_queue_knows_again_is_repeated(clients: Clients, service: Service) -> None:
    """A FIFO queue drops the second one."""
    service.script("/", bad("InternalError", 500), good())
    send(clients.governed(again()), MessageDeduplicationId="order-7", MessageGroupId="g")
    assert service.asked("/") == 2


def test_what_was_learnt_of_one_failure_does_not_hold_for_the_next(clients: Clients) -> None:
    """The first one did nothing, the second one may have: so there is no third."""

    def busy_and_gone(line: Line) -> None:
        if line.heard() == 1:
            line.say(b"HTTP/1.1 429 Slow\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")

    server = Misbehaving(busy_and_gone)
    client = clients.governed(again(5), url=server.url)
    with pytest.raises(exceptions.ConnectionClosedError):
        send(client)
    assert len(server.heads) == 2
    client.close()
    server.still_open()
    server.close()


def test_where_nobody_was_reached_anything_is_tried_again(clients: Clients) -> None:
    """The service has heard of nothing."""
    breaker = circuit_breaker(consecutive_failures=50)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        client = clients.governed(again(), breaker, url=f"http://127.0.0.1:{bound.getsockname()[1]}")
        with pytest.raises(exceptions.EndpointConnectionError):
            send(client)
    assert breaker.snapshot()["failed"] == 3


@pytest.mark.parametrize("name", ["Retry-After", "retry-after"])
def test_the_servers_wait_is_waited_exactly(clients: Clients, service: Service, name: str) -> None:
    """Instead of the backoff."""
    clock = Clock()
    service.script("/", bad("Throttling", 400, **{name: "7"}), good())
    send(clients.governed(retry(backoff=0.1, clock=clock)))
    assert clock.slept == [7.0]


# -- retries of botocore's own -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["legacy", "standard", "adaptive"])
@pytest.mark.parametrize("name", ["sqs", "dynamodb"])
def test_botocores_own_retries_are_off_while_ours_are_on(clients: Clients, service: Service, mode: str, name: str) -> None:
    """Two attempts are two, as the server counts."""
    service.script("/", bad("InternalError", 500))
    client = clients.governed(again(2), name=name, retries={"mode": mode, "total_max_attempts": 4})
    with pytest.raises(ClientError) as caught:
        client.list_queues() if name == "sqs" else client.list_tables()
    assert service.asked("/") == 2
    assert caught.value.response["ResponseMetadata"]["RetryAttempts"] == 0


@pytest.mark.parametrize("mode", ["standard", "adaptive"])
def test_botocores_own_retries_are_untouched_without_a_retry_of_ours(clients: Clients, service: Service, mode: str) -> None:
    """They are inside one attempt, and the breaker sees how it ends."""
    service.script("/", bad("InternalError", 500))
    breaker = circuit_breaker(consecutive_failures=5)
    client = clients.governed(breaker, retries={"mode": mode, "total_max_attempts": 2})
    with pytest.raises(ClientError):
        client.list_queues()
    assert service.asked("/") == 2
    assert breaker.snapshot()["failed"] == 1


def test_another_client_keeps_its_retries(clients: Clients, service: Service) -> None:
    """Handlers are each client's own."""
    service.script("/", bad("InternalError", 500), good())
    clients.governed(again())
    clients.plain(retries={"mode": "standard", "total_max_attempts": 2}).list_queues()
    assert service.asked("/") == 2


# -- the words of policies ---------------------------------------------------------------------------------------------


def told(code: str, status: int) -> ClientError:
    """What a service says."""
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "SendMessage")


URL = {"endpoint_url": "http://sqs.test"}
WORDS: dict[str, list[Exception]] = {
    "connection": [
        exceptions.EndpointConnectionError(**URL),
        exceptions.ConnectionClosedError(**URL),
        exceptions.SSLError(error="no", **URL),
        exceptions.ProxyConnectionError(proxy_url="http://proxy.test"),
        exceptions.HTTPClientError(error="no"),
        exceptions.ResponseStreamingError(error="no"),
        exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        exceptions.ChecksumError(checksum_type="crc32", expected_checksum=1, actual_checksum=2),
        ResponseParserError("no"),
    ],
    "timeout": [exceptions.ReadTimeoutError(**URL), exceptions.ConnectTimeoutError(**URL)],
    "429": [told("Throttling", 400), told("", 429), told("SlowDown", 503)],
    "5xx": [told("InternalError", 500), told("x", 599)],
    "408": [told("RequestTimeout", 400)],
    "neither": [exceptions.NoCredentialsError(), exceptions.ParamValidationError(report="no"), told("NotFound", 404)],
}


@pytest.mark.parametrize(("word", "error"), [(word, error) for word, errors in WORDS.items() for error in errors], ids=repr)
def test_the_words_of_policies_know_the_clients_errors(word: str, error: Exception) -> None:
    """Each by one of them."""
    said = [one for one in ("connection", "timeout", "429", "5xx", "408") if Matcher(one, "on").matches(error)]
    assert said == ([] if word == "neither" else [word])
    assert bool(Matcher("transient", "on").matches(error)) is (word != "neither" and status_of(error) != 599)


@pytest.mark.parametrize("response", [{}, {"Error": None}, {"Error": {"Code": []}, "ResponseMetadata": "no"}], ids=repr)
def test_an_answer_that_says_nothing_has_no_status(response: Any) -> None:
    """Whatever somebody has put there."""
    error = told("x", 404)
    error.response = response
    assert status_of(error) is None


def test_statuses_of_answers_without_a_code_count(clients: Clients, service: Service) -> None:
    """What stands in front of a service speaks for it."""
    service.script("/", Answer(502, body=b"<html>"), good())
    clients.governed(timeout(5.0), again()).list_queues()
    assert service.asked("/") == 2
