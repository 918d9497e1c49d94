"""Where OpenTelemetry is in use, its spans are those of the log and of what goes out."""

from __future__ import annotations

import asyncio
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from opentelemetry import baggage, context, propagate
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import svcgov
from _worlds import in_child
from svcgov import Governor
from svcgov.propagation import trace
from svcgov.propagation._carrier import outgoing
from svcgov.testing import LambdaContext, invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.extras

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CAME = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "baggage": "tenant=acme"}


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> otel.Tracer:
    """Of a provider that is set for as long as the test lasts."""
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", provider)
    return provider.get_tracer("tests")


@contextmanager
def bagged(**members: object) -> Iterator[None]:
    """Inside of a context with such baggage."""
    here = context.get_current()
    for key, value in members.items():
        here = baggage.set_baggage(key.replace("_", "."), value, here)
    token = context.attach(here)
    try:
        yield
    finally:
        context.detach(token)


def ids(span: otel.Span) -> tuple[str, str]:
    """Of the trace, and of the span."""
    said = span.get_span_context()
    return f"{said.trace_id:032x}", f"{said.span_id:016x}"


def handled(inside: Any, **headers: str) -> Any:
    """What *inside* gives, below a handler of a request with *headers*."""
    handler = Governor(service="shop", colours=["blue"]).handler(lambda event, context: inside())
    return handler({"version": "2.0", "requestContext": {"http": {}}, "headers": headers}, LambdaContext())


def here() -> tuple[str, str]:
    """Where the call stands."""
    stands = svcgov.current().trace
    assert stands is not None
    return stands.trace_id, stands.span_id


# -- on the way in ----------------------------------------------------------------------------------------------------


def test_a_call_stands_where_the_active_span_does(tracer: otel.Tracer) -> None:
    """Another instrumentation has read the headers: the ids of the log are those of its span."""
    with tracer.start_as_current_span("request", kind=otel.SpanKind.SERVER) as span:
        assert handled(here, **CAME) == ids(span)


def test_the_span_is_the_one_that_was_active_when_the_call_came(tracer: otel.Tracer) -> None:
    """Whoever asks inside of another one is told the same."""

    def inside() -> tuple[str, str]:
        with tracer.start_as_current_span("work"):
            return here()

    with tracer.start_as_current_span("request", kind=otel.SpanKind.SERVER) as span:
        assert handled(inside, **CAME) == ids(span)


def test_without_an_active_span_the_headers_are_read(tracer: otel.Tracer) -> None:
    """A provider alone says nothing about this call."""
    trace_id, span_id = handled(here, **CAME)
    assert (trace_id, span_id != SPAN_ID) == (TRACE_ID, True)


def test_without_a_provider_a_span_is_not_looked_for() -> None:
    """One that was handed on by nobody's provider is not recorded."""
    parent = otel.SpanContext(1, 2, is_remote=True)
    with otel.use_span(otel.NonRecordingSpan(parent)):
        assert handled(here, **CAME)[0] == TRACE_ID
        with invocation(trace=trace.begin()):
            assert TRACE_ID not in outgoing(0.0, ours=True)["traceparent"]


# -- on the way out ---------------------------------------------------------------------------------------------------


def test_a_request_is_a_child_of_the_current_span(tracer: otel.Tracer) -> None:
    """Not of one that nobody records."""

    def inside() -> tuple[dict[str, str], otel.Span]:
        with tracer.start_as_current_span("work") as work:
            return outgoing(0.0, ours=False), work

    headers, work = handled(inside, **CAME)
    assert headers["traceparent"] == "00-{}-{}-01".format(*ids(work))


def test_a_span_outside_of_any_call_goes_along_too(tracer: otel.Tracer) -> None:
    """A script has no invocation, and may have a trace."""
    with tracer.start_as_current_span("script") as span:
        assert outgoing(0.0, ours=False) == {"traceparent": "00-{}-{}-01".format(*ids(span))}
    assert outgoing(0.0, ours=False) == {}


def test_what_is_not_sampled_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """The flag is the span's."""
    provider = TracerProvider(sampler=ALWAYS_OFF, shutdown_on_exit=False)
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", provider)
    with provider.get_tracer("tests").start_as_current_span("script"):
        assert outgoing(0.0, ours=False)["traceparent"].endswith("-00")


def test_the_state_of_the_span_goes_along(tracer: otel.Tracer) -> None:
    """As it would be written by OpenTelemetry."""
    state = otel.TraceState([("vendor", "value")])
    parent = otel.NonRecordingSpan(otel.SpanContext(1, 2, is_remote=True, trace_state=state))
    with tracer.start_as_current_span("child", context=otel.set_span_in_context(parent)):
        assert outgoing(0.0, ours=False)["tracestate"] == "vendor=value"


def test_the_baggage_of_the_context_goes_along_with_ours(tracer: otel.Tracer) -> None:
    """What was set there since is newer; to services of ours only."""

    def inside() -> tuple[dict[str, str], dict[str, str]]:
        with bagged(tenant="later", user=7):
            return outgoing(0.0, ours=True), outgoing(0.0, ours=False)

    ours, others = handled(inside, traceparent=CAME["traceparent"], baggage="tenant=acme,shop=7", **{"x-svcgov-colour": "blue"})
    assert ours["baggage"] == "svcgov.colour=blue,tenant=later,shop=7,user=7"
    assert "baggage" not in others


def test_a_colour_in_the_baggage_of_the_context_is_not_handed_on(tracer: otel.Tracer) -> None:
    """It came as it was: nobody has looked whether it may be that one."""

    def inside() -> dict[str, str]:
        with bagged(svcgov_colour="red", tenant="acme"):
            return outgoing(0.0, ours=True)

    assert handled(inside)["baggage"] == "tenant=acme"


def test_a_key_that_is_none_is_left_out(tracer: otel.Tracer) -> None:
    """In a context it may be anything."""
    with bagged(**{"two words": 1, "ok": "a b"}):
        assert outgoing(0.0, ours=True) == {"baggage": "ok=a%20b"}


# -- beside instrumentations of others --------------------------------------------------------------------------------


class Instrumented(httpx2.BaseTransport):
    """As an instrumentation of clients does it: a span around each request, and its headers written into it."""

    def __init__(self, tracer: otel.Tracer) -> None:
        self.tracer = tracer
        self.asked: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer it."""
        with self.tracer.start_as_current_span("client"):
            propagate.inject(request.headers)
        self.asked.append(request)
        return httpx2.Response(200)


def test_others_instrument_the_server_and_the_client_too(
    tracer: otel.Tracer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One trace; ours are off, so theirs are two; the log has the ids of the server's, the request those of the client's."""
    monkeypatch.setenv("SVCGOV_TRACES", "off")
    monkeypatch.setenv("SVCGOV_LOG", "json")  # whatever others have loaded
    exporter = InMemorySpanExporter()
    otel._TRACER_PROVIDER.add_span_processor(SimpleSpanProcessor(exporter))  # type: ignore[union-attr]  # that of the tests
    transport = Instrumented(tracer)
    client = httpx2.Client(base_url="http://payments", transport=transport)
    shop = Governor(service="shop", colours=["blue"])
    shop.govern(client, target="payments", policy=svcgov.retry(on=ConnectionError))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        client.get("/")

    governed = shop.asgi(app)

    async def instrumented(scope: Any) -> None:
        carrier = {name.decode(): value.decode() for name, value in scope["headers"]}
        token = context.attach(propagate.extract(carrier))
        with tracer.start_as_current_span("server"):
            await governed(scope, None, None)
        context.detach(token)

    came = {**CAME, "x-svcgov-colour": "blue"}
    headers = [(name.encode(), value.encode()) for name, value in came.items()]
    asyncio.run(instrumented({"type": "http", "path": "/", "headers": headers}))
    client.close()

    theirs = {span.name: span for span in exporter.get_finished_spans()}
    assert sorted(theirs) == ["client", "server"]
    assert len(exporter.get_finished_spans()) == 2
    assert {f"{span.context.trace_id:032x}" for span in theirs.values()} == {TRACE_ID}
    line = json.loads(capsys.readouterr().out)
    assert (line["trace_id"], line["span_id"]) == (TRACE_ID, f"{theirs['server'].context.span_id:016x}")
    told = transport.asked[0].headers
    assert told["traceparent"] == f"00-{TRACE_ID}-{theirs['client'].context.span_id:016x}-01"
    assert (told["x-svcgov-colour"], told["baggage"]) == ("blue", "tenant=acme")


# -- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_span_that_breaks_is_said_once_and_the_trace_goes_on(
    tracer: otel.Tracer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By hand."""
    monkeypatch.setattr(otel, "get_current_span", lambda: 1 / 0)
    assert handled(here, **CAME)[0] == TRACE_ID
    assert TRACE_ID in handled(lambda: outgoing(0.0, ours=False), **CAME)["traceparent"]
    assert capsys.readouterr().err.count("the current span could not be asked: ZeroDivisionError") == 1


def test_baggage_that_breaks_is_said_once_and_ours_goes_on(
    tracer: otel.Tracer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came along is not lost."""
    monkeypatch.setattr(baggage, "get_all", lambda: 1 / 0)
    assert handled(lambda: outgoing(0.0, ours=True), **CAME)["baggage"] == "tenant=acme"
    assert capsys.readouterr().err.count("the baggage of the context could not be read: ZeroDivisionError") == 1


def test_it_is_not_loaded_for_this() -> None:
    """Neither by a handler, nor by what goes out; nor is more of it loaded where the API is, without a provider."""
    code = """
import json, os, sys
os.environ["SVCGOV_LOG"] = "off"
import svcgov
from svcgov.propagation._carrier import outgoing
@svcgov.handler
def handler(event, context):
    return outgoing(0.0, ours=True)
handler({}, None)
without = sorted(name for name in sys.modules if name.startswith("opentelemetry"))
import opentelemetry.trace
handler({}, None)
print(json.dumps([without, "opentelemetry.baggage" in sys.modules]))
"""
    assert in_child(code) == [[], False]
