"""Spans of what comes in by the ways in for applications and functions, and of the records that come in an event."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace

import svcgov
from svcgov import Governor, bulkhead
from svcgov.propagation._carrier import outgoing
from telemetry.spanning import Told, events, failed, ids, parent, said

from .calling import Called
from .events import SPAN_ID, TRACE_ID, Context, golden
from .making import Made
from .test_asgi import Shop
from .test_durable import Durable, Left, leaves
from .test_wsgi import Shop as WsgiShop

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.extras

PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """It is the provider of the process while the test lasts."""
    return Told(monkeypatch)


def here() -> tuple[str, str]:
    """Where the call stands, by our own account."""
    stands = svcgov.current().trace
    assert stands is not None
    return stands.trace_id, stands.span_id


# -- applications -----------------------------------------------------------------------------------------------------


def test_a_request_to_an_asgi_application_is_a_server_span(told: Told) -> None:
    """It ends when the application has returned."""
    shop = Shop()
    shop.get(traceparent=PARENT, x_svcgov_colour="blue")
    span = told.one("SERVER")
    assert (ids(span)[0], parent(span)) == (TRACE_ID, SPAN_ID)
    assert (said(span)["http.response.status_code"], said(span)["url.path"], said(span)["svcgov.colour"]) == (
        201,
        "/orders",
        "blue",
    )
    assert shop.seen[0][1].trace.span_id == ids(span)[1]


def test_after_a_request_nothing_is_current(told: Told) -> None:
    """One task serves many."""
    shop = Shop()

    async def serve() -> bool:
        before = context.get_current()
        await shop.aget()
        return context.get_current() == before

    assert asyncio.run(serve()) is True


def test_the_name_of_a_request_is_its_route(told: Told) -> None:
    """As the framework has found it: never the path, which may hold anything."""

    class Route:
        path = "/orders/{id}"

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["route"] = Route

    governed = Governor(service="shop").asgi(app)
    asyncio.run(governed({"type": "http", "method": "GET", "path": "/orders/7", "headers": []}, None, None))
    span = told.one("SERVER")
    assert (span.name, said(span)["http.route"]) == ("GET /orders/{id}", "/orders/{id}")


def test_an_application_that_raises_has_failed(told: Told) -> None:
    """By the class of what it raised."""

    def fail() -> None:
        raise LookupError("secret")

    shop = Shop(fail)
    with pytest.raises(LookupError):
        shop.get()
    span = told.one("SERVER")
    assert (failed(span), said(span)["error.type"]) == (True, "LookupError")
    assert "secret" not in span.to_json()


def test_an_application_that_is_left_after_it_has_answered_has_not_failed(told: Told) -> None:
    """Whatever its answer was: who leaves is no verdict."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        raise asyncio.CancelledError

    async def send(message: Any) -> None:
        assert message["status"] == 503

    async def serve() -> None:
        governed = Governor(service="shop").asgi(app)
        with pytest.raises(asyncio.CancelledError):
            await governed({"type": "http", "method": "GET", "path": "/", "headers": []}, None, send)

    asyncio.run(serve())
    span = told.one("SERVER")
    assert (said(span)["http.response.status_code"], failed(span)) == (503, False)


def test_a_request_to_a_wsgi_application_ends_with_its_body(told: Told) -> None:
    """Each piece is made in its span; the thread that serves sees nothing of it."""
    shop = WsgiShop(lambda: seen.append(ids(trace.get_current_span())))
    seen: list[Any] = []
    body = shop.call(traceparent=PARENT)
    assert next(body) == b"a"
    assert told.spans == []
    assert list(body) == [b"b"]
    body.close()
    span = told.one("SERVER")
    assert (ids(span)[0], parent(span), seen) == (TRACE_ID, SPAN_ID, [ids(span)])
    assert (said(span)["url.path"], said(span)["http.response.status_code"]) == ("/shop/caf\u00e9", 201)
    assert not trace.get_current_span().get_span_context().is_valid


def test_what_policies_do_around_a_wsgi_application_is_an_event(told: Told) -> None:
    """They are entered, so that their call is the request."""
    pool = bulkhead(1)
    shop = WsgiShop(policy=pool)
    with pool:
        shop.call()
    span = told.one("SERVER")
    assert [name for name, _ in events(span)] == ["svcgov.call_refused"]
    assert said(span)["http.response.status_code"] == 503


# -- functions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_request_to_a_function_is_a_server_span(told: Told, kind: str) -> None:
    """Its name is that of the function."""
    called = Called(kind, "http")
    called(called.given(traceparent=PARENT))
    span = told.one("SERVER")
    assert span.name.startswith("POST ")
    assert (ids(span)[0], parent(span), said(span)["faas.trigger"]) == (TRACE_ID, SPAN_ID, "http")


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_event_is_a_consumer_span(told: Told, kind: str) -> None:
    """In the trace of whoever has sent it."""
    called = Called(kind, "cloud_event")
    called(called.given(traceparent=PARENT))
    span = told.one("CONSUMER")
    assert (ids(span)[0], parent(span), said(span)["faas.trigger"]) == (TRACE_ID, SPAN_ID, "pubsub")
    assert said(span)["messaging.system"] == "cloudevents"


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_durable_function_that_leaves_ends_its_span(told: Told, kind: str) -> None:
    """That of this invocation: the next one has another. It has not failed."""
    made = Made(kind)
    made.steps.append(leaves)
    with pytest.raises(Left):
        made.handler({}, Durable())
    made.handler({}, Durable())
    assert [failed(span) for span in told.of("SERVER")] == [False, False]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_with_the_log_off_there_are_spans_all_the_same(told: Told, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of functions and of applications."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    called = Called(kind, "http")
    called(called.given(traceparent=PARENT))
    Shop().get()
    shop = WsgiShop()
    list(shop.call())
    assert told.kinds == ["SERVER"] * 3
    assert {said(span)["http.response.status_code"] for span in told.spans[1:]} == {201}


# -- records ----------------------------------------------------------------------------------------------------------


def sqs(*parents: str | None) -> Any:
    """Records of a queue that come from here."""
    (record, *_) = golden("sqs")["Records"]
    attributes = [{} if one is None else {"traceparent": {"dataType": "String", "stringValue": one}} for one in parents]
    return {"Records": [{**record, "messageId": str(n), "messageAttributes": one} for n, one in enumerate(attributes)]}


def worker(kind: str, does: Callable[[Any], Any]) -> Any:
    """A handler of either kind that does the same with every record."""
    governor = Governor(service="orders", colours=["blue"])

    def now(event: Any, context: Any) -> Any:
        batch = governor.batch(event)
        for item in batch:
            with item:
                does(item)
        return batch.response()

    async def later(event: Any, context: Any) -> Any:
        batch = governor.batch(event)
        for item in batch:
            async with item:
                does(item)
        return batch.response()

    return governor.handler(now if kind == "sync" else later)


def links(span: Any) -> list[str]:
    """The traces that a span is linked to."""
    return [f"{link.context.trace_id:032x}" for link in span.links]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_batch_is_a_consumer_span_with_links_to_the_traces_of_its_records(told: Told, kind: str) -> None:
    """They come from several, so it is a part of none; each record is one of its own trace, linked to the batch."""
    worker(kind, lambda item: None)(sqs(PARENT, OTHER, None), Context())
    *records, batch = told.spans
    assert (batch.kind.name, batch.parent, links(batch)) == ("CONSUMER", None, [TRACE_ID, OTHER[3:35]])
    assert said(batch)["messaging.batch.message_count"] == 3
    assert said(batch)["messaging.system"] == "aws_sqs"
    assert [ids(span)[0] for span in records] == [TRACE_ID, OTHER[3:35], ids(batch)[0]]
    assert [parent(span) for span in records] == [SPAN_ID, OTHER[36:52], ids(batch)[1]]
    assert [links(span) for span in records] == [[ids(batch)[0]], [ids(batch)[0]], []]
    assert {span.name for span in records} == {"process sqs"}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_batch_of_one_trace_is_a_part_of_that(told: Told, kind: str) -> None:
    """As its log line is."""
    worker(kind, lambda item: None)(sqs(PARENT, PARENT), Context())
    *_, batch = told.spans
    assert (ids(batch)[0], parent(batch)) == (TRACE_ID, SPAN_ID)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_inside_of_a_record_its_span_is_where_the_call_stands(told: Told, kind: str) -> None:
    """For us, for OpenTelemetry, and for what goes out."""
    seen: list[Any] = []
    worker(kind, lambda item: seen.append((here(), outgoing(0.0, ours=False)["traceparent"])))(sqs(PARENT), Context())
    record, _ = told.spans
    assert seen == [(ids(record), f"00-{ids(record)[0]}-{ids(record)[1]}-01")]


def test_a_record_that_fails_is_a_failed_span_and_the_batch_goes_on(told: Told) -> None:
    """By the class of its error."""

    def does(item: Any) -> None:
        if item.id == "0":
            raise LookupError("secret")

    response = worker("sync", does)(sqs(PARENT, OTHER), Context())
    assert response == {"batchItemFailures": [{"itemIdentifier": "0"}]}
    assert [(failed(span), said(span).get("error.type")) for span in told.spans] == [
        (True, "LookupError"),
        (False, None),
        (False, None),
    ]


def test_a_message_by_itself_has_a_span_too(told: Told) -> None:
    """In a program that reads a queue by itself, once it traces."""
    governor = Governor(service="orders")
    governor.handler(dict)
    with governor.message(sqs(PARENT)["Records"][0]):
        assert here()[0] == TRACE_ID
    assert (told.one("CONSUMER").name, links(told.one("CONSUMER"))) == ("process sqs", [])
