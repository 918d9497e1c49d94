"""What arrives where spans are sent to: the real exporter, over HTTP, decoded as the protocol has it, and counted."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

import svcgov
from svcgov import Governor
from svcgov.testing import LambdaContext

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.extras

ROUNDS = 60
KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 5: "CONSUMER"}


class Collector:
    """Takes spans over HTTP, as OTLP has them."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.raw: list[bytes] = []
        self.status = 200
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                collector.take(self.rfile.read(int(self.headers["content-length"])))
                self.send_response_only(collector.status)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/traces"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def take(self, body: bytes) -> None:
        """One export."""
        self.raw.append(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def close(self) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    """It runs while the test does."""
    made = Collector()
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def provider(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """As a program sets it up, the exporter on its thread."""
    made = TracerProvider(shutdown_on_exit=False)
    made.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector.url, compression=None)))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", made)
    yield made
    made.shutdown()


class Shop:
    """A service that calls another one, sync and async, and reads a queue; what was asked is counted as it happens."""

    def __init__(self) -> None:
        self.sent = 0
        self.governor = Governor(service="shop", colours=["blue"])
        policy = svcgov.retry(attempts=3, backoff=0, budget=None)
        self.client = self.governor.govern(httpx.Client(transport=httpx.MockTransport(self._answer)), policy=policy)
        self.aclient = self.governor.govern(httpx.AsyncClient(transport=httpx.MockTransport(self._answer)), policy=policy)
        self.handler: Any = self.governor.handler(self._handle)
        self.ahandler: Any = self.governor.handler(self._ahandle)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        return httpx.Response(503 if self.sent % 4 == 0 else 200)

    def _handle(self, event: Any, context: Any) -> dict[str, int]:
        return {"statusCode": self.client.get("http://payments.test/secret?token=secret").status_code}

    async def _ahandle(self, event: Any, context: Any) -> dict[str, int]:
        return {"statusCode": (await self.aclient.get("http://payments.test/secret?token=secret")).status_code}


def test_every_call_and_every_attempt_arrives_once(
    collector: Collector, provider: TracerProvider, capfd: pytest.CaptureFixture[str]
) -> None:
    """A few hundred of all kinds, sync and async: as many spans as there were calls, each with its parent; no secret."""
    shop = Shop()
    http = {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "GET", "path": "/"}}}
    http |= {"rawQueryString": "token=secret", "headers": {"authorization": "secret"}}
    queue = {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "secret"}]}
    for _ in range(ROUNDS):
        shop.handler(http, LambdaContext())
        shop.ahandler(http, LambdaContext())
        shop.handler(queue, LambdaContext())
    asyncio.run(shop.aclient.aclose())
    shop.client.close()
    assert provider.force_flush()
    counted = Counter(KINDS[span.kind] for span in collector.spans)
    assert counted == {"SERVER": 2 * ROUNDS, "CONSUMER": ROUNDS, "INTERNAL": 3 * ROUNDS, "CLIENT": shop.sent}
    assert shop.sent > 3 * ROUNDS
    by_id = {span.span_id: span for span in collector.spans}
    assert len(by_id) == len(collector.spans)
    over = {"CLIENT": {"INTERNAL"}, "INTERNAL": {"SERVER", "CONSUMER"}}
    for span in collector.spans:
        above = over.get(KINDS[span.kind])
        assert (KINDS[by_id[span.parent_span_id].kind] in above) if above else not span.parent_span_id
    assert not any(b"secret" in body for body in collector.raw)


def _answered(event: Any, context: Any) -> str:
    return "answer"


def test_a_collector_that_fails_changes_no_call(
    collector: Collector, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exporter's thread finds out, and nobody else."""
    collector.status = 400
    handler: Any = Governor(service="shop").handler()(_answered)
    assert [handler({}, LambdaContext()) for _ in range(10)] == ["answer"] * 10
    provider.force_flush()
    assert len(collector.spans) == 10
