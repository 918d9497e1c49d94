"""Our spans beside OpenTelemetry's own instrumentations of servers and clients: nothing twice, and one trace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import pytest
import requests
import urllib3
from opentelemetry.instrumentation.aiohttp_client import create_trace_config
from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware as AsgiMiddleware
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.instrumentation.utils import suppress_http_instrumentation, suppress_instrumentation
from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware as WsgiMiddleware
from werkzeug.test import Client as WsgiClient

import svcgov
from outbound.aws import Clients
from outbound.worlds import again
from svcgov import Governor, bulkhead
from telemetry.spanning import Told, events, ids, parent, said

from .http_service import Service, failing_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.extras


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """It is the provider of the process while the test lasts."""
    return Told(monkeypatch)


@pytest.fixture
def service() -> Iterator[Service]:
    """A server that fails once."""
    with failing_once() as made:
        yield made


def _httpx(url: str) -> None:
    with httpx.Client(trust_env=False) as client:
        svcgov.govern(client, target="payments", policy=again()).get(url)


def _httpx_of_tasks(url: str) -> None:
    async def ask() -> None:
        async with httpx.AsyncClient(trust_env=False) as client:
            await svcgov.govern(client, target="payments", policy=again()).get(url)

    asyncio.run(ask())


def _requests(url: str) -> None:
    with requests.Session() as session:
        session.trust_env = False
        svcgov.govern(session, target="payments", policy=again()).get(url)


def _urllib3(url: str) -> None:
    with urllib3.PoolManager() as manager:
        svcgov.govern(manager, target="payments", policy=again()).request("GET", url)


def _aws(url: str) -> None:
    service = Service()
    service.script("/", 503, 200)
    clients = Clients(service)
    try:
        svcgov.govern(clients.plain(retries={"total_max_attempts": 1}), policy=again(idempotent=True)).list_queues()
    finally:
        clients.close()
        service.close()


CLIENTS: dict[str, tuple[Callable[[str], None], Any]] = {
    "httpx": (_httpx, HTTPXClientInstrumentor),
    "httpx-async": (_httpx_of_tasks, HTTPXClientInstrumentor),
    "requests": (_requests, RequestsInstrumentor),
    "urllib3": (_urllib3, URLLib3Instrumentor),
    "botocore": (_aws, BotocoreInstrumentor),
}


@pytest.mark.parametrize("name", CLIENTS)
def test_without_an_instrumentation_each_attempt_has_a_span_of_ours(told: Told, service: Service, name: str) -> None:
    """Two attempts, inside of one call."""
    ask, _ = CLIENTS[name]
    ask(f"{service.url}/charge")
    assert told.kinds == ["CLIENT", "CLIENT", "INTERNAL"]
    assert {span.instrumentation_scope.name for span in told.spans if span.instrumentation_scope} == {"svcgov"}


@pytest.mark.parametrize("name", CLIENTS)
def test_beside_an_instrumentation_of_the_client_each_attempt_has_a_span_of_theirs(
    told: Told, service: Service, name: str
) -> None:
    """Inside of the call, which is ours, and has the events."""
    ask, instrumentor = CLIENTS[name]
    instrumentor().instrument(tracer_provider=told.provider)
    try:
        ask(f"{service.url}/charge")
    finally:
        instrumentor().uninstrument()
    assert told.kinds == ["CLIENT", "CLIENT", "INTERNAL"]
    call = told.one("INTERNAL")
    assert {parent(span) for span in told.of("CLIENT")} == {ids(call)[1]}
    assert not any(span.instrumentation_scope.name == "svcgov" for span in told.of("CLIENT") if span.instrumentation_scope)
    assert [name for name, _ in events(call)] == ["svcgov.retry_scheduled"]


@pytest.mark.parametrize("instrumented", [[URLLib3Instrumentor], [RequestsInstrumentor, URLLib3Instrumentor]])
def test_requests_are_not_told_twice_by_the_client_that_sends_them(told: Told, service: Service, instrumented: list[Any]) -> None:
    """An instrumentation of urllib3 sees what requests sends."""
    for one in instrumented:
        one().instrument(tracer_provider=told.provider)
    try:
        _requests(f"{service.url}/charge")
    finally:
        for one in instrumented:
            one().uninstrument()
    assert told.kinds == ["CLIENT", "CLIENT", "INTERNAL"]


def test_a_span_of_ours_for_aws_is_the_only_one(told: Told, service: Service) -> None:
    """What botocore sends it by is not told: as botocore's own instrumentation has it."""
    URLLib3Instrumentor().instrument(tracer_provider=told.provider)
    try:
        _aws("")
    finally:
        URLLib3Instrumentor().uninstrument()
    assert told.kinds == ["CLIENT", "CLIENT", "INTERNAL"]
    assert {span.name for span in told.of("CLIENT")} == {"sqs/ListQueues"}


def test_a_call_of_aiohttp_that_is_instrumented_has_one_span_of_theirs(told: Told, service: Service) -> None:
    """A `TraceConfig` hears of a call once, around ours."""

    async def ask() -> None:
        config = create_trace_config(tracer_provider=told.provider)
        async with aiohttp.ClientSession(trace_configs=[config]) as session:
            response = await svcgov.govern(session, target="payments", policy=again()).get(f"{service.url}/charge")
            response.release()

    asyncio.run(ask())
    assert told.kinds == ["INTERNAL", "CLIENT"]
    call, theirs = told.spans
    assert parent(call) == ids(theirs)[1]


@pytest.mark.parametrize("suppress", [suppress_instrumentation, suppress_http_instrumentation])
def test_where_instrumentations_are_to_be_silent_so_are_we(told: Told, service: Service, suppress: Any) -> None:
    """An exporter that sends by a governed client, say."""
    with suppress():
        _httpx(f"{service.url}/charge")
    assert told.of("CLIENT") == []


# -- servers ----------------------------------------------------------------------------------------------------------


def _scope() -> Any:
    return {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http", "path": "/orders",
        "raw_path": b"/orders", "query_string": b"", "root_path": "", "headers": [], "client": ("127.0.0.1", 1),
        "server": ("shop.test", 80),
    }  # fmt: skip


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def _asked(app: Any) -> None:
    async def nothing(*_: Any) -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    asyncio.run(app(_scope(), nothing, nothing))


def test_behind_an_instrumentation_of_asgi_there_is_no_span_of_ours_for_the_request(told: Told) -> None:
    """What the policies do is told inside of theirs."""
    pool = bulkhead(1, name="pool")
    governed = Governor(service="shop").asgi(_app, policy=pool)
    _asked(AsgiMiddleware(governed, tracer_provider=told.provider, exclude_spans=["receive", "send"]))
    call, request = told.one("INTERNAL"), told.one("SERVER")
    assert (len(told.spans), parent(call)) == (2, ids(request)[1])
    assert [span.instrumentation_scope.name for span in told.of("SERVER") if span.instrumentation_scope] != ["svcgov"]


def test_in_front_of_an_instrumentation_of_asgi_the_request_is_ours(told: Told) -> None:
    """Theirs is a part of it: there is one span of a server."""
    governed = Governor(service="shop").asgi(
        AsgiMiddleware(_app, tracer_provider=told.provider, exclude_spans=["receive", "send"])
    )
    _asked(governed)
    theirs, ours = told.spans
    assert (theirs.kind.name, ours.kind.name, parent(theirs)) == ("INTERNAL", "SERVER", ids(ours)[1])


def test_where_the_request_is_a_part_of_something_theirs_stands_for_it(told: Told) -> None:
    """They make no span of a server inside of another span; we make no second one there."""
    governed = Governor(service="shop").asgi(_app)
    with told.provider.get_tracer("tests").start_as_current_span("test"):
        _asked(AsgiMiddleware(governed, tracer_provider=told.provider, exclude_spans=["receive", "send"]))
    assert told.kinds == ["INTERNAL", "INTERNAL"]


def test_behind_an_instrumentation_of_wsgi_there_is_no_span_of_ours_for_the_request(told: Told) -> None:
    """A refusal is an event on theirs."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"ok"]

    pool = bulkhead(1)
    governed = Governor(service="shop").wsgi(app, policy=pool)
    client = WsgiClient(WsgiMiddleware(governed, tracer_provider=told.provider))
    client.get("/orders").close()
    with pool:
        client.get("/orders").close()
    assert told.kinds == ["SERVER", "SERVER"]
    good, refused = told.spans
    assert (events(good), [name for name, _ in events(refused)]) == ([], ["svcgov.call_refused"])
    assert "svcgov.colour" not in said(good)
