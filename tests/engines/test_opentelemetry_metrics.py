"""Metrics beside OpenTelemetry's own: nothing twice, with its instrumentations of clients and servers; and by its exporter."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import aiohttp
import fastapi
import flask
import httpx
import pytest
import requests
import urllib3
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.instrumentation._semconv import _OpenTelemetrySemanticConventionStability
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as WsgiMiddleware
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider

from outbound.worlds import again
from svcgov import Governor, bulkhead
from svcgov._core._histogram import COARSE
from svcgov.telemetry.metrics import CLIENT, FAAS, SERVER
from telemetry.metering import Metered

from .http_service import failing_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .http_service import Service

pytestmark = pytest.mark.extras

ATTEMPTS = 2


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> Metered:
    """It is the provider of the process while the test lasts, and svcgov tells it."""
    monkeypatch.setenv("SVCGOV_METRICS", "otel")
    monkeypatch.setenv("SVCGOV_LOG", "off")
    return Metered().set(monkeypatch)


@pytest.fixture(params=["http", "http/dup", ""], ids=["stable", "both", "old"])
def stable(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the instrumentations have the names of the conventions as they are now."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", request.param)
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_initialized", False)
    monkeypatch.setattr(_OpenTelemetrySemanticConventionStability, "_OTEL_SEMCONV_STABILITY_SIGNAL_MAPPING", {})
    return bool(request.param)


@pytest.fixture
def service() -> Iterator[Service]:
    """A server that fails once."""
    with failing_once() as made:
        yield made


def governed(client: Any) -> Any:
    """The client, with another attempt for one that fails."""
    return Governor(service="shop").govern(client, target="payments", policy=again())


def _requests(url: str, provider: Any) -> int:
    return _by_session(RequestsInstrumentor(), url, provider)


def _requests_by_urllib3(url: str, provider: Any) -> int:
    return _by_session(URLLib3Instrumentor(), url, provider)


def _by_session(instrumentor: Any, url: str, provider: Any) -> int:
    with requests.Session() as session:
        session.trust_env = False
        instrumentor.instrument(meter_provider=provider)
        try:
            return int(governed(session).get(url).status_code)
        finally:
            instrumentor.uninstrument()


def _urllib3(url: str, provider: Any) -> int:
    instrumentor = URLLib3Instrumentor()
    manager = urllib3.PoolManager()
    instrumentor.instrument(meter_provider=provider)
    try:
        return int(governed(manager).request("GET", url).status)
    finally:
        instrumentor.uninstrument()
        manager.clear()


def _httpx(url: str, provider: Any) -> int:
    instrumentor = HTTPXClientInstrumentor()
    instrumentor.instrument(meter_provider=provider)
    try:
        with httpx.Client(trust_env=False) as client:
            return int(governed(client).get(url).status_code)
    finally:
        instrumentor.uninstrument()


def _httpx_of_tasks(url: str, provider: Any) -> int:
    instrumentor = HTTPXClientInstrumentor()

    async def ask() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            return int((await governed(client).get(url)).status_code)

    instrumentor.instrument(meter_provider=provider)
    try:
        return asyncio.run(ask())
    finally:
        instrumentor.uninstrument()


def _aiohttp(url: str, provider: Any) -> int:
    instrumentor = AioHttpClientInstrumentor()

    async def ask() -> int:
        async with aiohttp.ClientSession() as session, governed(session).get(url) as response:
            return int(response.status)

    instrumentor.instrument(meter_provider=provider)
    try:
        return asyncio.run(ask())
    finally:
        instrumentor.uninstrument()


ASK: dict[str, Callable[[str, Any], int]] = {
    "requests": _requests,
    "requests-urllib3": _requests_by_urllib3,
    "urllib3": _urllib3,
    "httpx": _httpx,
    "httpx-async": _httpx_of_tasks,
    "aiohttp": _aiohttp,
}


@pytest.mark.parametrize("client", ASK)
def test_each_attempt_is_told_by_one(client: str, metered: Metered, service: Service, *, stable: bool) -> None:
    """By the instrumentation where it has the same name for it (that of aiohttp hears of a call once), else by us."""
    assert ASK[client](f"{service.url}/charge", metered.provider) == 200
    assert service.asked("/charge") == ATTEMPTS
    (scope,) = metered.scopes(CLIENT)
    assert scope.startswith("opentelemetry.instrumentation.") is stable
    told = metered.points(CLIENT, "http.response.status_code", scope=scope)
    assert told == ({(200,): 1} if client == "aiohttp" and stable else {(503,): 1, (200,): 1})


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answer."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _asgi(provider: Any) -> None:
    """One request, through a middleware around the governed application."""
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "scheme": "http", "http_version": "1.1"}

    async def send(message: Any) -> None:
        """Nobody reads it."""

    async def receive() -> Any:
        return {"type": "http.request"}

    middle = OpenTelemetryMiddleware(Governor(service="shop").asgi(app), meter_provider=provider)
    asyncio.run(middle(scope, receive, send))


def _wsgi(provider: Any) -> None:
    """The same on a thread."""

    def plain(environ: Any, start_response: Any) -> list[bytes]:
        start_response("204 No Content", [])
        return [b""]

    middle = WsgiMiddleware(Governor(service="shop").wsgi(plain), meter_provider=provider)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/",
        "wsgi.url_scheme": "http",
        "HTTP_HOST": "shop",
        "SERVER_PROTOCOL": "HTTP/1.1",
    }
    body: Any = middle(environ, lambda status, headers, *more: print)
    assert b"".join(body) == b""
    body.close()


def _fastapi(provider: Any) -> None:
    """One request to an application that is instrumented itself, with svcgov around it."""
    inner = fastapi.FastAPI()

    @inner.get("/", status_code=204)
    async def orders() -> None:
        """Answer."""

    FastAPIInstrumentor.instrument_app(inner, meter_provider=provider)
    assert _status_of(Governor(service="shop").asgi(inner)) == 204


def _flask(provider: Any) -> None:
    """The same on a thread; its instrumentation is the outer one of the two."""
    inner = flask.Flask("shop")
    inner.add_url_rule("/", view_func=lambda: ("", 204))
    inner.wsgi_app = Governor(service="shop").wsgi(inner.wsgi_app)  # type: ignore[method-assign]
    instrumentor: Any = FlaskInstrumentor()
    instrumentor.instrument_app(inner, meter_provider=provider)
    assert inner.test_client().get("/").status_code == 204


def _status_of(app: Any) -> int:
    """What an application answers."""

    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop") as client:
            return (await client.get("/")).status_code

    return asyncio.run(ask())


def test_a_request_that_was_refused_before_an_instrumentation_is_told_by_us(
    metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not heard of it."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    inner = fastapi.FastAPI()
    FastAPIInstrumentor.instrument_app(inner, meter_provider=metered.provider)
    room = bulkhead(1)
    with room:
        assert _status_of(Governor(service="shop").asgi(inner, policy=room)) == 503
    assert metered.points(SERVER, "outcome") == {("refused",): 1}
    assert metered.scopes(SERVER) == ["svcgov"]


@pytest.mark.parametrize("serve", [_asgi, _wsgi, _fastapi, _flask], ids=["asgi", "wsgi", "fastapi", "flask"])
def test_each_request_is_told_by_one(
    serve: Callable[[Any], None], metered: Metered, monkeypatch: pytest.MonkeyPatch, *, stable: bool
) -> None:
    """By the instrumentation around us or inside, where it has the same name for it."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider())
    serve(metered.provider)
    (scope,) = metered.scopes(SERVER)
    assert scope.startswith("opentelemetry.instrumentation.") is stable
    assert metered.points(SERVER, "http.response.status_code", scope=scope) == {(204,): 1}


def handled(governor: Governor) -> Callable[[Any, Any], Any]:
    """A handler of this governor's."""

    @governor.handler
    def orders(event: Any, context: Any) -> Any:
        return event

    return orders


def test_what_is_exported_is_what_was_counted(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    """By OTLP over HTTP, as a collector decodes it."""
    monkeypatch.setenv("SVCGOV_METRICS", "otel")
    service.script("/v1/metrics", 200)
    exporter = OTLPMetricExporter(endpoint=f"{service.url}/v1/metrics")
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=1e9)
    metered = Metered(reader).set(monkeypatch)
    handler = handled(Governor(service="shop"))
    for number in range(7):
        handler(number, None)
    metered.provider.force_flush()
    sent = ExportMetricsServiceRequest()
    sent.ParseFromString(service.seen["/v1/metrics"][0].body)
    (resource,) = sent.resource_metrics
    (inside,) = resource.scope_metrics
    found = {metric.name: metric for metric in inside.metrics}
    (point,) = found[FAAS].histogram.data_points
    assert (inside.scope.name, found[FAAS].unit, point.count, list(point.explicit_bounds)) == ("svcgov", "s", 7, list(COARSE))
    assert {one.key: one.value.string_value for one in point.attributes}.items() >= {"service": "shop", "outcome": "ok"}.items()
    (cold,) = found["faas.coldstarts"].sum.data_points
    assert (cold.as_int, found["faas.coldstarts"].sum.is_monotonic) == (1, True)
    metered.provider.shutdown()


class Hanging(MetricExporter):
    """One that does not come back before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.inside = threading.Event()
        self.go = threading.Event()
        self.came_back = False

    def export(self, metrics_data: Any, timeout_millis: float = 0, **_: Any) -> MetricExportResult:
        """Hang."""
        self.inside.set()
        assert self.go.wait(20)
        self.came_back = True
        return MetricExportResult.SUCCESS

    def force_flush(self, timeout_millis: float = 0) -> bool:
        """There is nothing to flush."""
        return True

    def shutdown(self, timeout_millis: float = 0, **_: Any) -> None:
        """Nor to shut down."""


def test_an_exporter_that_hangs_delays_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls come and go while it does, and all of them are counted."""
    monkeypatch.setenv("SVCGOV_METRICS", "otel")
    exporter = Hanging()
    metered = Metered(PeriodicExportingMetricReader(exporter, export_interval_millis=1)).set(monkeypatch)
    handler = handled(Governor(service="shop"))
    handler(0, None)
    assert exporter.inside.wait(20)
    for number in range(99):
        handler(number, None)
    assert not exporter.came_back
    assert metered.points(FAAS, "outcome") == {("ok",): 100}
    exporter.go.set()
    metered.provider.shutdown()
