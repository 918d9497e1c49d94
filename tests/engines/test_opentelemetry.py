"""OpenTelemetry's own instrumentation of the same client: one span for each attempt, whose trace is on the wire, once.

It stands further in than svcgov, whichever of both came first. aiohttp is another case: there it is a `TraceConfig`, which hears
of a call once.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import urllib3
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from outbound.aws import Clients
from outbound.worlds import TRACE, again, invoked
from svcgov import Pipeline
from svcgov.outbound.govern import govern

from .http_service import failing_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .http_service import Service

pytestmark = pytest.mark.extras


class Told:
    """A provider, and the spans that it was told of."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    def clients(self) -> list[Any]:
        """Spans of clients, in the order in which they ended."""
        return [span for span in self._exporter.get_finished_spans() if span.kind is trace.SpanKind.CLIENT]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """It is the provider of the process while the test lasts."""
    made = Told()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made.provider)
    return made


@pytest.fixture
def service() -> Iterator[Service]:
    """A server that fails once."""
    with failing_once() as made:
        yield made


def _requests(url: str, told: Told, *, before: bool) -> int:
    instrumentor = RequestsInstrumentor()
    with requests.Session() as session:
        session.trust_env = False
        try:
            if before:
                instrumentor.instrument(tracer_provider=told.provider)
            govern(session, target="payments", pipeline=Pipeline(again()))
            if not before:
                instrumentor.instrument(tracer_provider=told.provider)
            return session.get(url).status_code
        finally:
            instrumentor.uninstrument()


def _urllib3(url: str, told: Told, *, before: bool) -> int:
    instrumentor = URLLib3Instrumentor()
    manager = urllib3.PoolManager()
    try:
        if before:
            instrumentor.instrument(tracer_provider=told.provider)
        govern(manager, target="payments", pipeline=Pipeline(again()))
        if not before:
            instrumentor.instrument(tracer_provider=told.provider)
        return manager.request("GET", url).status
    finally:
        instrumentor.uninstrument()
        manager.clear()


def _httpx(url: str, told: Told, *, before: bool) -> int:
    instrumentor = HTTPXClientInstrumentor()
    with httpx.Client(trust_env=False) as client:
        try:
            if before:
                instrumentor.instrument(tracer_provider=told.provider)
            govern(client, target="payments", pipeline=Pipeline(again()))
            if not before:
                instrumentor.instrument(tracer_provider=told.provider)
            return client.get(url).status_code
        finally:
            instrumentor.uninstrument()


def _httpx_of_tasks(url: str, told: Told, *, before: bool) -> int:
    instrumentor = HTTPXClientInstrumentor()

    async def ask() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            if before:
                instrumentor.instrument(tracer_provider=told.provider)
            govern(client, target="payments", pipeline=Pipeline(again()))
            if not before:
                instrumentor.instrument(tracer_provider=told.provider)
            return (await client.get(url)).status_code

    try:
        return asyncio.run(ask())
    finally:
        instrumentor.uninstrument()


ASK: dict[str, Callable[..., int]] = {
    "requests": _requests,
    "urllib3": _urllib3,
    "httpx": _httpx,
    "httpx-async": _httpx_of_tasks,
}


def span_id(headers: dict[str, str]) -> int:
    """Of the span that a request says it is from."""
    return int(headers["traceparent"].split("-")[2], 16)


@pytest.mark.parametrize("before", [True, False], ids=["instrumented first", "governed first"])
@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_each_attempt_is_one_span_whose_id_is_on_the_wire(
    ask: Callable[..., int], told: Told, service: Service, *, before: bool
) -> None:
    """Whichever came first; and no header is there twice."""
    assert ask(f"{service.url}/charge", told, before=before) == 200
    spans = told.clients()
    seen = service.seen["/charge"]
    assert len(spans) == len(seen) == 2
    assert [span_id(one.headers) for one in seen] == [span.context.span_id for span in spans]
    assert all("," not in one.headers["traceparent"] for one in seen)


def test_aws_is_asked_in_one_span_for_each_attempt(told: Told, service: Service) -> None:
    """It patches the same function, further in."""
    service.script("/", 503, 200)
    clients = Clients(service)
    instrumentor = BotocoreInstrumentor()  # type: ignore[no-untyped-call]  # it has no types
    try:
        instrumentor.instrument(tracer_provider=told.provider)
        client = clients.governed(again(idempotent=True))
        client.list_queues()
    finally:
        instrumentor.uninstrument()
        clients.close()
    assert len(told.clients()) == service.asked("/") == 2


def test_a_call_of_aiohttp_is_one_span_and_its_trace_is_on_the_wire_of_each_attempt(told: Told, service: Service) -> None:
    """A `TraceConfig` hears of a call once, so it has one span for all attempts."""

    async def ask() -> int:
        config = create_trace_config(tracer_provider=told.provider)
        async with aiohttp.ClientSession(trace_configs=[config]) as session:
            govern(session, target="payments", pipeline=Pipeline(again()))
            async with session.get(f"{service.url}/charge") as response:
                return response.status

    assert asyncio.run(ask()) == 200
    [span] = told.clients()
    assert [span_id(one.headers) for one in service.seen["/charge"]] == [span.context.span_id] * 2


def test_in_an_invocation_the_spans_are_parts_of_what_is_under_way(told: Told, service: Service) -> None:
    """The span that is current there is their parent, and the only thing on the wire is theirs."""
    with invoked(), told.provider.get_tracer("test").start_as_current_span("handler") as handler:
        _requests(f"{service.url}/charge", told, before=True)
    assert {span.parent.span_id for span in told.clients()} == {handler.get_span_context().span_id}
    for one, span in zip(service.seen["/charge"], told.clients(), strict=True):
        assert span_id(one.headers) == span.context.span_id
        assert TRACE.trace_id not in one.headers["traceparent"]
