"""Governed clients of botocore: what the deadline does to them, and what their operations carry."""

from __future__ import annotations

import json
import pickle
import time
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import urllib3
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from engines.http_service import Answer
from svcgov import Pipeline, circuit_breaker, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import CallTimeoutError, CircuitOpenError, DeadlineExceededError
from svcgov.inbound._records import carrier_of
from svcgov.outbound import botocore as edge
from svcgov.outbound.govern import govern

from .aws import bad, good
from .worlds import TRACE, Clock, again, invoked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.http_service import Service

    from .aws import Clients

STALLS = Answer(stall=5.0)
S3: dict[str, Any] = {"name": "s3", "s3": {"addressing_style": "path"}}


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """With a deadline that somebody outside has set."""
    token = DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        DEADLINE.reset(token)


# -- the deadline -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["policy", "invocation"])
def test_a_time_out_that_the_deadline_caused_is_ours_and_the_clients(clients: Clients, service: Service, by: str) -> None:
    """Each request is told how long it may take; a breaker counts it."""
    service.script("/", STALLS)
    breaker = circuit_breaker(consecutive_failures=50)
    client = clients.governed(breaker, *([timeout(0.1)] if by == "policy" else []))
    with deadline(0.1 if by == "invocation" else 60.0), pytest.raises(CallTimeoutError) as caught:
        client.list_queues()
    assert isinstance(caught.value, ReadTimeoutError)
    assert caught.value.seconds == pytest.approx(0.1, abs=0.02)
    assert breaker.snapshot()["failed"] == 1


def test_a_time_out_of_the_clients_own_stays_as_it_is(clients: Clients, service: Service) -> None:
    """It is tighter than the deadline."""
    service.script("/", STALLS)
    client = clients.governed(timeout(5.0), read_timeout=0.1, retries={"total_max_attempts": 1})
    with pytest.raises(ReadTimeoutError) as caught:
        client.list_queues()
    assert not isinstance(caught.value, CallTimeoutError)


def test_further_tries_of_botocores_own_get_what_is_left(clients: Clients, service: Service) -> None:
    """Where the policies have no retry, they are all within one attempt."""
    service.script("/", Answer(stall=0.08, status=500), STALLS)
    client = clients.governed(timeout(0.15), retries={"mode": "standard", "total_max_attempts": 2})
    client.meta.events.register_first("needs-retry.sqs", lambda attempts, **_: 0 if attempts == 1 else None)
    before = time.monotonic()
    with pytest.raises((CallTimeoutError, ClientError)):
        client.list_queues()
    assert time.monotonic() - before < 4.0


def test_connecting_is_clipped_too(clients: Clients, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool is told how long it may take for both; and it is set up as botocore does it."""
    client = clients.governed(timeout(0.3), url="http://sqs.test", retries={"total_max_attempts": 1})
    told: list[Any] = []

    class Pool:
        timeout = urllib3.Timeout(connect=60.0, read=60.0)
        cert_reqs = None
        proxy_headers: dict[str, str] = {}  # noqa: RUF012  # of this test

        def urlopen(self, *, timeout: Any, **_: Any) -> Any:
            timeout.start_connect()
            told.extend((timeout.connect_timeout, self.cert_reqs))
            raise urllib3.exceptions.ConnectTimeoutError("late")

    monkeypatch.setenv("BOTO_EXPERIMENTAL__ADD_PROXY_HOST_HEADER", "true")
    manager = SimpleNamespace(connection_from_url=lambda url: Pool())
    monkeypatch.setattr(client._endpoint.http_session, "_manager", manager)
    with pytest.raises(ConnectTimeoutError):
        client.list_queues()
    monkeypatch.undo()
    assert told == [pytest.approx(0.3, abs=0.1), "CERT_NONE"]
    assert Pool.timeout.connect_timeout == 60.0
    assert Pool.proxy_headers == {"host": "sqs.test"}


def test_a_client_on_a_transport_of_somebodys_own_is_governed_but_not_clipped(clients: Clients) -> None:
    """It has time-outs of its own, and maybe no sockets at all."""

    class Own:
        asked = 0

        def send(self, request: Any) -> Any:
            self.asked += 1
            raise ConnectTimeoutError(endpoint_url=request.url)

        def close(self) -> None:
            """Nothing is open."""

    client = clients.plain()
    client._endpoint.http_session.close()
    own = client._endpoint.http_session = Own()
    govern(client, target="orders", pipeline=Pipeline(timeout(5.0), again(2)))
    with pytest.raises(ConnectTimeoutError):
        client.list_queues()
    assert own.asked == 2


def test_no_request_is_sent_after_the_deadline(clients: Clients, service: Service) -> None:
    """It is refused, as a time-out of the client."""
    service.script("/", good())
    client = clients.governed(circuit_breaker())
    with deadline(-1.0), pytest.raises(DeadlineExceededError) as caught:
        client.list_queues()
    assert isinstance(caught.value, ReadTimeoutError)
    assert service.asked("/") == 0


@pytest.mark.parametrize(("outer", "own", "expected"), [(None, 7.0, 7.0), (3.0, 7.0, 3.0), (9.0, 7.0, 7.0)])
def test_after_the_head_a_streamed_body_keeps_to_the_callers_time(
    clients: Clients, service: Service, outer: float | None, own: float, expected: float
) -> None:
    """The attempt is over, so its own limit does not cut the body off."""
    service.script("/b/k", Answer(body=b"x"))
    client = clients.governed(timeout(1.0), read_timeout=own, **S3)
    token = DEADLINE.set(None if outer is None else time.monotonic() + outer)
    try:
        body = client.get_object(Bucket="b", Key="k")["Body"]
    finally:
        DEADLINE.reset(token)
    assert body._raw_stream.connection.sock.gettimeout() == pytest.approx(expected, abs=0.2)
    assert body.read() == b"x"


def test_a_further_attempt_without_time_is_not_sent(clients: Clients, service: Service) -> None:
    """With half a millisecond left, the answer that there is, is the last one."""
    clock = Clock()
    service.script("/", bad("Throttling"))
    client = clients.governed(retry(backoff=0, budget=None, min_attempt_time=0, clock=clock))
    client.meta.events.register("response-received.sqs", lambda **_: clock.advance(0.9995))
    token = DEADLINE.set(clock.monotonic() + 1.0)
    try:
        with pytest.raises(ClientError):
            client.list_queues()
    finally:
        DEADLINE.reset(token)
    assert service.asked("/") == 1


# -- what goes along ---------------------------------------------------------------------------------------------------


def last(service: Service, path: str = "/") -> Any:
    """What was asked last, in JSON."""
    return json.loads(service.seen[path][-1].body)


def test_a_message_carries_trace_and_baggage_with_the_colour_in_it(clients: Clients, service: Service) -> None:
    """Each attempt a span of its own; the caller's attributes stand beside, and are not changed."""
    service.script("/", bad("Throttling"), good())
    given = {"kind": {"DataType": "String", "StringValue": "order"}}
    with invoked(baggage={"tenant": "acme"}):
        clients.governed(timeout(5.0), again()).send_message(
            QueueUrl="http://sqs.test/1/orders", MessageBody="charge", MessageAttributes=given
        )
    first, second = (json.loads(one.body)["MessageAttributes"] for one in service.seen["/"])
    assert set(second) == {"kind", "traceparent", "baggage"}
    assert first["traceparent"] != second["traceparent"]
    assert TRACE.trace_id in second["traceparent"]["StringValue"]
    assert set(second["baggage"]["StringValue"].split(",")) == {"tenant=acme", "svcgov.colour=blue"}
    assert list(given) == ["kind"]


def test_a_service_that_is_not_ours_is_not_told_the_colour(clients: Clients, service: Service) -> None:
    """The trace goes along."""
    service.script("/", good())
    with invoked(baggage={"tenant": "acme"}):
        clients.governed(target=None).send_message(QueueUrl="http://sqs.test/1/orders", MessageBody="charge")
    assert set(last(service)["MessageAttributes"]) == {"traceparent"}


def test_each_message_of_a_batch_carries_it(clients: Clients, service: Service) -> None:
    """They may reach different functions."""
    service.script("/", good(Successful=[], Failed=[]))
    entries = [{"Id": "1", "MessageBody": "a"}, {"Id": "2", "MessageBody": "b"}]
    with invoked():
        clients.governed().send_message_batch(QueueUrl="http://sqs.test/1/orders", Entries=entries)
    assert [set(one["MessageAttributes"]) for one in last(service)["Entries"]] == [{"traceparent", "baggage"}] * 2
    assert set(entries[0]) == {"Id", "MessageBody"}


def test_a_notification_carries_it_unless_it_goes_to_a_telephone(clients: Clients, service: Service) -> None:
    """SNS speaks in forms."""
    service.script("/", Answer(body=b"<PublishResponse><PublishResult/></PublishResponse>"))
    client = clients.governed(name="sns")
    with invoked():
        client.publish(TopicArn="arn:aws:sns:eu-west-1:1:orders", Message="charge")
        client.publish(PhoneNumber="+4712345678", Message="charge")
    topic, telephone = (parse_qs(one.body.decode()) for one in service.seen["/"])
    assert topic["MessageAttributes.entry.1.Name"] == ["traceparent"]
    assert TRACE.trace_id in topic["MessageAttributes.entry.1.Value.StringValue"][0]
    assert not [name for name in telephone if name.startswith("MessageAttributes")]


def test_an_event_carries_it_in_its_detail(clients: Clients, service: Service) -> None:
    """Where whoever receives it looks."""
    service.script("/", good(FailedEntryCount=0, Entries=[]))
    with invoked():
        clients.governed(name="events").put_events(Entries=[{"Source": "shop", "DetailType": "paid", "Detail": '{"order": 7}'}])
    (entry,) = last(service)["Entries"]
    detail = json.loads(entry["Detail"])
    assert detail["order"] == 7
    carried = carrier_of({"detail-type": "paid", "source": "shop", "detail": detail})
    assert set(carried) == {"traceparent", "baggage"}


@pytest.mark.parametrize(("kind", "carries"), [("RequestResponse", True), ("Event", False), ("DryRun", False)])
def test_a_function_that_is_waited_for_is_told_in_its_client_context(
    clients: Clients, service: Service, kind: str, carries: bool
) -> None:
    """The others are given none by the platform."""
    path = "/2015-03-31/functions/charge/invocations"
    service.script(path, Answer(body=b"{}"))
    with invoked():
        clients.governed(timeout(5.0), name="lambda").invoke(FunctionName="charge", InvocationType=kind)
    assert ("x-amz-client-context" in service.seen[path][-1].headers) is carries


def test_nothing_is_added_where_there_is_nothing_to_tell(clients: Clients, service: Service) -> None:
    """Outside of an invocation, without a deadline."""
    service.script("/", good())
    clients.governed().send_message(QueueUrl="http://sqs.test/1/orders", MessageBody="charge")
    assert "MessageAttributes" not in last(service)


# -- errors of both sides ----------------------------------------------------------------------------------------------


def test_refusals_and_time_outs_pickle(clients: Clients, service: Service) -> None:
    """Process pools and queues carry them: both sides come back."""
    service.script("/", bad("InternalError", 500), STALLS)
    refusing = clients.governed(circuit_breaker(consecutive_failures=1), retries={"total_max_attempts": 1})
    with pytest.raises(ClientError):
        refusing.list_queues()
    for client, ours in ((refusing, CircuitOpenError), (clients.governed(timeout(0.05)), CallTimeoutError)):
        with pytest.raises(ours) as caught:
            client.list_queues()
        caught.value.add_note("a note")
        kind: type[Any] = type(caught.value)
        back: Any = pickle.loads(pickle.dumps(caught.value))
        assert type(back) is kind
        assert repr(back) == repr(caught.value)
        assert (back.__notes__, back.operation_name) == (["a note"], "ListQueues")


def test_nothing_is_left_behind_in_the_context(clients: Clients, service: Service) -> None:
    """A call leaves no deadline and no operation."""
    service.script("/", bad("Throttling"))
    with pytest.raises(ClientError):
        clients.governed(timeout(5.0), again()).list_queues()
    assert DEADLINE.get() is None
    assert edge._HERE.get() is None
