"""Real parts: Knative's runtime for Python in an environment of its own, with ``new`` and ``handle``, requests and events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from .environments import COLOURS, SEEN, Environment, Server, carried, check, made, serving, trace_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

HOW_MANY = 50

REQUESTS = """
import asyncio
import json


async def handle(scope, receive, send):
    before = seen()
    await asyncio.sleep(0.02)
    path = scope["path"]
    if path in ("/force_open", "/close"):
        getattr(svcgov.circuit_breaker("payments"), path[1:])()
    body = json.dumps({"before": before, "after": seen()}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
"""

EVENTS = """
from cloudevents.core.v1.event import CloudEvent


async def handle(scope, receive, send):
    event = CloudEvent({"type": "order.seen", "source": "/shop", "id": "answer-1"}, seen())
    if scope["event"].get_type() == "order.checked":
        await send.binary(event, 202)
    else:
        await send(event)
"""

NEW = """
handles = handle


class Function:
    async def handle(self, scope, receive, send):
        await handles(scope, receive, send)

    def start(self, config):
        print("started", bool(config), flush=True)

    def stop(self):
        print("stopped", flush=True)

    def ready(self):
        return True, "warm"


def new():
    return Function()


new = svcgov.knative(new, service="shop", policy=once, requires=["payments"], metrics="/-")
svcgov.circuit_breaker("payments")
"""

HANDLE = """
handle = svcgov.knative(handle, service="shop", policy=once, metrics="/-")
"""


@pytest.fixture(scope="session")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The runtime, as it is published."""
    return made(tmp_path_factory.mktemp("func-python") / "venv", "func-python==0.8.*")


def function(framework: Environment, folder: pathlib.Path, flavour: str, source: str) -> Any:
    """The runtime's own server, with a function, started as its builder starts it."""
    (folder / "function.py").write_text(SEEN + source, encoding="utf-8")
    name = "new" if NEW in source else "handle"
    main = f"from func_python.{flavour} import serve\nfrom function import {name}\nserve({name})\n"
    (folder / "main.py").write_text(main, encoding="utf-8")
    return serving(folder, [framework.python, "main.py"], LISTEN_ADDRESS="127.0.0.1:0")


@pytest.fixture(scope="module", params=["new", "handle"])
def http(request: pytest.FixtureRequest, framework: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A function of requests, in either form."""
    source = REQUESTS + {"new": NEW, "handle": HANDLE}[request.param]
    with function(framework, tmp_path_factory.mktemp("http"), "http", source) as server:
        yield server


@pytest.fixture(scope="module", params=["new", "handle"])
def events(request: pytest.FixtureRequest, framework: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A function of events, in either form."""
    source = EVENTS + {"new": NEW, "handle": HANDLE}[request.param]
    with function(framework, tmp_path_factory.mktemp("events"), "cloudevent", source) as server:
        yield server


def test_the_environment_is_the_one_that_the_runtime_wants(framework: Environment) -> None:
    """With the newer generation of CloudEvents, which the other framework cannot have."""
    versions = framework.versions()
    assert versions["func-python"].split(".")[:2] == ["0", "8"]
    assert int(versions["cloudevents"].split(".")[0]) >= 2


def test_no_request_sees_what_belongs_to_another(http: Server) -> None:
    """Trace, colour, tenant and deadline of many at a time, while they wait and after."""

    async def main() -> list[Any]:
        async with http.client() as client:
            return await asyncio.gather(*(client.get("/orders", headers=carried(number)) for number in range(HOW_MANY)))

    answers = asyncio.run(main())
    assert [answer.status_code for answer in answers] == [200] * HOW_MANY
    for number, answer in enumerate(answers):
        check(number, answer.json())


def test_what_came_along_is_seen_and_logged(http: Server) -> None:
    """A colour that is not on the list is not taken, and the line says what was answered."""
    seen = http.get("/orders/100", **{**carried(100), "x-svcgov-colour": "purple", "x-request-id": "request-100"}).json()[
        "before"
    ]
    assert (seen["platform"], seen["trigger"], seen["colour"], seen["request_id"]) == ("knative", "http", None, "request-100")
    (line,) = http.lines(1, path="/orders/100")
    assert (line["service"], line["outcome"], line["status"], line["method"]) == ("shop", "ok", 200, "GET")
    assert (line["trace_id"], line["version"]) == (trace_of(100), "shop-00001")


def test_a_refusal_is_an_answer(http: Server) -> None:
    """By the policy, or since the time is over: the runtime lets it through."""
    assert http.get(baggage="tenant=greedy").status_code == 200
    refused = http.get(baggage="tenant=greedy")
    assert (refused.status_code, refused.json()["reason"]) == (429, "limited")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    late = http.get(x_request_deadline_ms="0")
    assert (late.status_code, late.json()) == (504, {"title": "Gateway Timeout", "status": 504, "reason": "expired"})


def test_its_figures_can_be_asked_for(http: Server) -> None:
    """The runtime hands the path on as any other; the function is not called."""
    http.get("/counted")
    page = http.get("/-/metrics")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert 'http_server_request_duration_seconds_count{service="shop"' in page.text


def test_events_are_read_and_answered_by_events(events: Server) -> None:
    """In the form that the function chooses; the deadline is that of the request."""
    for number, colour in enumerate(COLOURS):
        trace = f"00-{trace_of(number)}-{number + 1:016x}-01"
        carries = {"ce_traceparent": trace, "ce_baggage": f"tenant=t{number}", "ce_svcgovcolour": colour}
        answer = events.post(**carries, x_request_deadline_ms="20000")
        said = answer.json()
        assert (answer.status_code, said["type"], said["id"]) == (200, "order.seen", "answer-1")
        seen = said["data"]
        assert (seen["platform"], seen["trigger"]) == ("knative", "cloudevent")
        assert (seen["trace"], seen["tenant"], seen["colour"]) == (trace_of(number), f"t{number}", colour)
        assert 10 < seen["remaining"] <= 20
    assert [one["status"] for one in events.lines(3, trigger="cloudevent")] == [200] * 3
    answer = events.post(type="order.checked", traceparent=carried(7)["traceparent"], ce_traceparent=carried(8)["traceparent"])
    assert (answer.status_code, answer.headers["ce-type"]) == (202, "order.seen")
    assert answer.json()["trace"] == trace_of(7)
    assert events.lines(1, status=202)[0]["trace_id"] == trace_of(7)


def test_an_event_that_is_refused_is_answered_over_http(events: Server) -> None:
    """Whoever delivers it reads the status, and when to come again."""
    assert events.post(ce_baggage="tenant=greedy").status_code == 200
    refused = events.post(ce_baggage="tenant=greedy")
    assert (refused.status_code, refused.json()["reason"]) == (429, "limited")
    assert int(refused.headers["retry-after"]) > 3500


def test_the_runtime_asks_whether_it_is_alive_and_ready(framework: Environment, tmp_path: pathlib.Path) -> None:
    """Ready, if the function says so itself and the dependency that it requires would be asked; ``start`` is called as before."""
    with function(framework, tmp_path, "http", REQUESTS + NEW) as server:
        asked = [server.get("/health/liveness"), server.get("/health/readiness")]
        assert [(one.status_code, one.text) for one in asked] == [(200, "ok"), (200, "warm")]
        server.get("/force_open", baggage="tenant=a")
        asked = [server.get("/health/liveness"), server.get("/health/readiness")]
        assert [(one.status_code, one.text) for one in asked] == [(200, "ok"), (500, "payments: forced-open")]
        server.get("/close", baggage="tenant=b")
        assert server.get("/health/readiness").status_code == 200
        assert [one["path"] for one in server.lines(2, event="svcgov.call")] == ["/force_open", "/close"]
        assert "started True" in server.said.read_text(encoding="utf-8")
    assert "stopped" in (tmp_path / "said.log").read_text(encoding="utf-8")
