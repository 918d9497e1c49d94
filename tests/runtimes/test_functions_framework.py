"""Real parts: functions-framework in an environment of its own, sync and async, with requests and with events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from .environments import COLOURS, SEEN, Environment, Server, carried, check, made, serving, trace_of

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

HOW_MANY = 50

SYNC = """
import json
import time

import functions_framework

FRAMEWORK = functions_framework


def serve(request):
    before = seen()
    time.sleep(0.02)
    return {"before": before, "after": seen()}


def take(event):
    print(json.dumps({"seen": seen(), "id": event["id"]}), flush=True)
"""

ASYNC = """
import asyncio
import json

import functions_framework.aio

FRAMEWORK = functions_framework.aio


async def serve(request):
    before = seen()
    await asyncio.sleep(0.02)
    return {"before": before, "after": seen()}


async def take(event):
    print(json.dumps({"seen": seen(), "id": event["id"]}), flush=True)
"""

ORDERS = {
    "theirs outside": """
serve = FRAMEWORK.http(svcgov.http(serve, service="shop", policy=once, health="/-", metrics="/-"))
take = FRAMEWORK.cloud_event(svcgov.cloud_event(take, service="shop", policy=once))
""",
    "ours outside": """
serve = svcgov.http(FRAMEWORK.http(serve), service="shop", policy=once, health="/-", metrics="/-")
take = svcgov.cloud_event(FRAMEWORK.cloud_event(take), service="shop", policy=once)
""",
}


class Way(NamedTuple):
    """One way to write a function."""

    source: str
    options: list[str]


WAYS = {
    f"{kind}, {order}": Way(SEEN + source + written, options)
    for kind, source, options in (("sync", SYNC, []), ("async", ASYNC, ["--asgi"]))
    for order, written in ORDERS.items()
}


@pytest.fixture(scope="session")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The framework, as it is published."""
    return made(tmp_path_factory.mktemp("functions-framework") / "venv", "functions-framework==3.*")


def function(framework: Environment, folder: pathlib.Path, way: Way, target: str) -> Any:
    """The framework's own server, with one of the functions."""
    (folder / "main.py").write_text(way.source, encoding="utf-8")
    signature = {"serve": "http", "take": "cloudevent"}[target]
    command = [framework.python, "-m", "functions_framework", "--source", "main.py", "--target", target]
    command += ["--signature-type", signature, "--host", "127.0.0.1", "--port", "0", *way.options]
    return serving(folder, command, GUNICORN_LOG_LEVEL="info", THREADS="16", CLOUD_RUN_TIMEOUT_SECONDS="300")


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Sync and async, and either decorator outside."""
    return WAYS[request.param]


@pytest.fixture(scope="module")
def http(way: Way, framework: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A function of requests."""
    with function(framework, tmp_path_factory.mktemp("http"), way, "serve") as server:
        yield server


@pytest.fixture(scope="module")
def events(way: Way, framework: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A function of events."""
    with function(framework, tmp_path_factory.mktemp("events"), way, "take") as server:
        yield server


def test_the_environment_is_the_one_that_the_framework_wants(framework: Environment) -> None:
    """With the older generation of CloudEvents, which the other runtime cannot have."""
    versions = framework.versions()
    assert versions["functions-framework"].split(".")[0] == "3"
    assert versions["cloudevents"].split(".")[0] == "1"


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
    """A colour that is not on the list is not taken, the platform gives an id, and the line says what was answered."""
    headers = {**carried(100), "x-svcgov-colour": "purple", "x-request-id": "request-100"}
    seen = http.get("/orders/100", **headers).json()["before"]
    assert (seen["platform"], seen["trigger"], seen["colour"], seen["request_id"]) == ("http", "http", None, "request-100")
    assert http.get("/plain").json()["before"]["remaining"] == pytest.approx(300, abs=20)
    (line,) = http.lines(1, path="/orders/100")
    assert (line["service"], line["outcome"], line["status"], line["method"]) == ("shop", "ok", 200, "GET")
    assert (line["trace_id"], line["version"]) == (trace_of(100), "shop-00001")


def test_a_refusal_is_an_answer(http: Server) -> None:
    """By the policy, or since the time is over: the framework lets it through."""
    assert http.get(baggage="tenant=greedy").status_code == 200
    refused = http.get(baggage="tenant=greedy")
    assert (refused.status_code, refused.json()["reason"]) == (429, "limited")
    assert refused.headers["content-type"] == "application/problem+json"
    assert 3500 < int(refused.headers["retry-after"]) <= 3600
    late = http.get(x_request_deadline_ms="0")
    assert (late.status_code, late.json()) == (504, {"title": "Gateway Timeout", "status": 504, "reason": "expired"})


def test_its_health_and_its_figures_can_be_asked_for(http: Server) -> None:
    """The framework hands these paths on as any other; the function is not called."""
    assert (http.get("/-/ready").json(), http.get("/-/ready").headers["content-type"]) == ({"status": "ok"}, "application/json")
    http.get("/counted")
    page = http.get("/-/metrics")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
    assert 'http_server_request_duration_seconds_count{service="shop"' in page.text


def test_events_say_what_they_carry(events: Server) -> None:
    """In their attributes; the platform gives the deadline."""
    for number, colour in enumerate(COLOURS):
        trace = f"00-{trace_of(number)}-{number + 1:016x}-01"
        answer = events.post(id=f"e{number}", ce_traceparent=trace, ce_baggage=f"tenant=t{number}", ce_svcgovcolour=colour)
        assert answer.status_code == 200
    for number, colour in enumerate(COLOURS):
        seen = events.lines(1, id=f"e{number}")[0]["seen"]
        assert (seen["platform"], seen["trigger"], seen["request_id"]) == ("cloud_event", "cloudevent", f"e{number}")
        assert (seen["trace"], seen["tenant"], seen["colour"]) == (trace_of(number), f"t{number}", colour)
        assert seen["remaining"] == pytest.approx(300, abs=20)


def test_the_request_that_brings_an_event_comes_first(way: Way, events: Server) -> None:
    """Where Flask serves, the trace goes on from where the event was last; the other framework does not hand the request on."""
    headers = {"traceparent": carried(7)["traceparent"], "x_svcgov_colour": "green"}
    attributes = {"ce_traceparent": carried(8)["traceparent"], "ce_svcgovcolour": "blue", "ce_baggage": "tenant=brought"}
    assert events.post(id="brought", **headers, **attributes).status_code == 200
    seen = events.lines(1, id="brought")[0]["seen"]
    assert (seen["trace"], seen["colour"]) == ((trace_of(8), "blue") if way.options else (trace_of(7), "green"))


def test_an_event_that_is_refused_is_delivered_again(events: Server) -> None:
    """Whoever delivers it gets an error for an answer."""
    asked = [events.post(id="greedy", ce_baggage="tenant=greedy").status_code for _ in range(2)]
    assert asked == [200, 500]
    assert [one["outcome"] for one in events.lines(2, request_id="greedy", event="svcgov.call")] == ["ok", "refused"]


def test_a_plain_function_may_be_served_by_the_asynchronous_framework(framework: Environment, tmp_path: pathlib.Path) -> None:
    """It runs in a thread there, with a request of Starlette."""
    source = SEEN + SYNC.replace("functions_framework", "functions_framework.aio") + ORDERS["theirs outside"]
    with function(framework, tmp_path, Way(source, ["--asgi"]), "serve") as server:
        check(3, server.get("/", **carried(3)).json())
        assert server.get(x_request_deadline_ms="0").status_code == 504
