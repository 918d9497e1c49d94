"""Spans of attempts: one for each request that is sent, whose ids are on the wire."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace

from svcgov import Governor, Pipeline, bulkhead
from svcgov._core._spans import SPANS
from svcgov.errors import BulkheadFullError
from svcgov.outbound._edge import Edge
from svcgov.outbound.govern import govern
from svcgov.telemetry import traces
from telemetry.spanning import Told, events, failed, ids, parent, said

from .aws import bad, good
from .plain import Wire
from .worlds import URL, again, invoked

if TYPE_CHECKING:
    from engines.http_service import Service

    from .aio import Sessions
    from .aws import Clients
    from .plain import Client
    from .worlds import World

pytestmark = pytest.mark.extras


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """A provider is set, and spans are made: as where a governor has governed the client."""
    made = Told(monkeypatch)
    traces.begin()
    return made


def span_id(headers: Any) -> str:
    """Of the span that a request says it is from."""
    known: str = headers["traceparent"].split("-")[2]
    return known


def test_each_attempt_is_a_client_span_inside_of_the_call(world: World, told: Told) -> None:
    """A failing answer, an error, an answer; the ids are those on the wire."""
    lost = world.package.ConnectError("secret")
    wire = world.wire(503, lost, 200)
    client = world.governed(wire, again())
    with invoked():
        assert world.call(client.get, f"{URL}?token=secret", headers={"authorization": "secret"}).status_code == 200
    attempts, call = told.of("CLIENT"), told.one("INTERNAL")
    assert [parent(span) for span in attempts] == [ids(call)[1]] * 3
    assert [span_id(one.headers) for one in wire.requests] == [ids(span)[1] for span in attempts]
    assert [said(span).get("http.request.resend_count") for span in attempts] == [None, 1, 2]
    assert [said(span).get("http.response.status_code") for span in attempts] == [503, None, 200]
    assert [said(span).get("error.type") for span in attempts] == ["503", f"{world.package.__name__}.ConnectError", None]
    assert [failed(span) for span in attempts] == [True, True, False]
    assert [name for name, _ in events(call)] == ["svcgov.retry_scheduled"] * 2
    assert not any("secret" in span.to_json() for span in told.spans)


def test_a_call_whose_last_answer_is_a_failure_has_failed(world: World, told: Told) -> None:
    """By the status, as the attempts say it: nothing was raised."""
    client = world.governed(world.wire(503, 503), again(attempts=2))
    assert world.call(client.get, URL).status_code == 503
    call = told.one("INTERNAL")
    assert (said(call), failed(call)) == ({"svcgov.outcome": "failed", "error.type": "503"}, True)


def test_an_attempt_says_whom_it_asked_for_what(world: World, told: Told) -> None:
    """The host, the port, the target and the colour; no path."""
    client = world.governed(world.wire(404))
    with invoked():
        world.call(client.get, URL)
    span = told.one("CLIENT")
    assert span.name == "GET"
    assert said(span) == {
        "http.request.method": "GET",
        "server.address": "payments.test",
        "server.port": 80,
        "svcgov.target": "payments",
        "svcgov.colour": "blue",
        "http.response.status_code": 404,
        "error.type": "404",
    }
    assert told.kinds == ["CLIENT"]


def test_a_method_of_somebodys_own_is_not_told(world: World, told: Told) -> None:
    """Anybody may send anything."""
    client = world.governed(world.wire(200), target=None)
    world.call(client.request, "SECRET", URL)
    span = told.one("CLIENT")
    assert (span.name, said(span)["http.request.method"]) == ("HTTP", "_OTHER")
    assert "svcgov.target" not in said(span)


def test_what_was_not_sent_has_no_span(world: World, told: Told) -> None:
    """A refusal, and a further attempt whose body is gone."""
    pool = bulkhead(1)
    client = world.governed(world.wire(503, 200), again(idempotent=True), pool)
    with pytest.raises(BulkheadFullError), pool:
        world.call(client.get, URL)
    assert told.kinds == ["INTERNAL"]
    told.forget()
    world.call(client.put, URL, content=world.body([b"once"]))
    assert told.kinds == ["CLIENT", "INTERNAL"]


def test_an_attempt_ends_with_the_head_of_its_answer(world: World, told: Told) -> None:
    """Whoever reads the body reads it outside of any span of ours."""
    seen: list[str] = []

    class Body(world.package.SyncByteStream, world.package.AsyncByteStream):  # type: ignore[name-defined, misc]
        def __iter__(self) -> Any:
            seen.extend(told.kinds)
            yield b"body"

        async def __aiter__(self) -> Any:
            seen.extend(told.kinds)
            yield b"body"

    wire = world.wire(lambda request: world.package.Response(200, stream=Body()))
    assert world.streamed(world.governed(wire, bulkhead(1)), URL) == [b"body"]
    assert seen == ["CLIENT", "INTERNAL"]


def test_after_a_call_nothing_is_current(world: World, told: Told) -> None:
    """However it ended."""
    client = world.governed(world.wire(200, world.package.ConnectError("lost")))
    before = context.get_current()
    world.call(client.get, URL)
    with pytest.raises(world.package.ConnectError):
        world.call(client.get, URL)
    assert context.get_current() == before
    assert told.kinds == ["CLIENT", "CLIENT"]


def test_a_cancelled_attempt_ends_its_span(async_world: World, told: Told) -> None:
    """It has no status, and has not failed."""
    reached, hanging = asyncio.Event(), asyncio.Event()

    class Hanging(async_world.package.AsyncBaseTransport):  # type: ignore[name-defined, misc]
        async def handle_async_request(self, request: Any) -> Any:
            reached.set()
            await hanging.wait()

    async def run() -> bool:
        client = async_world.governed(Hanging(), again())
        task = asyncio.create_task(client.get(URL))
        await reached.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return trace.get_current_span().get_span_context().is_valid

    assert async_world.call(run) is False
    assert [(span.kind.name, failed(span)) for span in told.spans] == [("CLIENT", False), ("INTERNAL", False)]


def test_plain_clients_do_so_too(plain: Client, told: Told) -> None:
    """Each in its own place."""
    wire = Wire(503, 200)
    client = plain.governed(wire, again(), target=None)
    plain.ask(client, url=f"{URL}?token=secret")
    assert told.kinds == ["CLIENT", "CLIENT", "INTERNAL"]
    assert [said(span)["http.response.status_code"] for span in told.of("CLIENT")] == [503, 200]
    assert [span_id(one.headers) for one in wire.seen] == [ids(span)[1] for span in told.of("CLIENT")]


def test_sessions_of_aiohttp_do_so_too(sessions: Sessions, service: Service, told: Told) -> None:
    """The host is where the server is."""
    session = govern(sessions.plain(), target="payments", pipeline=Pipeline(again()))
    sessions.get(session, service.script("/charge", 503, 200))
    assert told.kinds == ["CLIENT", "CLIENT", "INTERNAL"]
    assert [span_id(one.headers) for one in service.seen["/charge"]] == [ids(span)[1] for span in told.of("CLIENT")]
    assert {said(span)["server.address"] for span in told.of("CLIENT")} == {"127.0.0.1"}


def test_clients_of_aws_tell_the_operation(clients: Clients, service: Service, told: Told) -> None:
    """As the conventions for AWS have it."""
    service.script("/", bad("InternalError", 500), good())
    client = govern(clients.plain(retries={"total_max_attempts": 1}), target=None, pipeline=Pipeline(again()))
    client.list_queues()
    first, second = told.of("CLIENT")
    assert first.name == second.name == "sqs/ListQueues"
    assert said(second)["rpc.system"] == "aws-api"
    assert (said(second)["rpc.service"], said(second)["rpc.method"]) == ("sqs", "ListQueues")
    assert (failed(first), failed(second), said(second)["http.request.resend_count"]) == (True, False, 1)


def test_a_governor_begins_it_by_itself(sync_world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the variable says no."""
    SPANS.forget()
    Governor().govern(sync_world.client(sync_world.wire(200)), policy=bulkhead(1)).get(URL)
    assert told.kinds == ["CLIENT", "INTERNAL"]
    SPANS.forget()
    monkeypatch.setenv("SVCGOV_TRACES", "off")
    Governor().govern(sync_world.client(sync_world.wire(200)), policy=bulkhead(1)).get(URL)
    assert len(told.spans) == 2


def test_a_governor_can_wait_for_a_provider(sync_world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then functions that are only decorated look for one, too."""
    SPANS.forget()
    provider = told.provider
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    monkeypatch.setenv("SVCGOV_TRACES", "otel")
    for _ in range(2):
        Governor().govern(sync_world.client(sync_world.wire(200)))
    decorated: Any = bulkhead(1)(dict)
    decorated()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    decorated()
    assert told.kinds == ["INTERNAL"]


def test_a_client_finds_a_provider_that_came_late(world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """It looks at each call."""
    SPANS.forget()
    provider = told.provider
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    Governor().govern(world.client(world.wire(200)))
    client = world.governed(world.wire(200), bulkhead(1))
    world.call(client.get, URL)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    world.call(client.get, URL)
    assert told.kinds == ["CLIENT", "INTERNAL"]


def test_an_attempt_whose_call_began_before_anybody_traced_has_no_span(
    world: World, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though another thread has found a provider meanwhile: nobody would end it."""
    provider = told.provider
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    SPANS.forget()
    SPANS.make = traces.tracer_of
    own = Edge.attempt

    def attempt(edge: Any, exchange: Any) -> Any:
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
        assert SPANS.look() is not None
        return own(edge, exchange)

    monkeypatch.setattr(Edge, "attempt", attempt)
    client = world.governed(world.wire(200))
    world.call(client.get, URL)
    assert told.spans == []
    assert not trace.get_current_span().get_span_context().is_valid
