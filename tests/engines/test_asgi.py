"""Real parts: uvicorn with Starlette and FastAPI, in a process of its own, on the loopback."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from . import _webapps

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW_MANY = 200


@pytest.fixture(scope="module", params=["starlette", "fastapi", "outermost"])
def server(request: pytest.FixtureRequest) -> Iterator[_webapps.Server]:
    """Each framework with `svcgov.asgi` as a middleware of it; then around it."""
    _webapps.needed("uvicorn", "starlette", "fastapi", "websockets")
    with _webapps.serving("asgi", request.param) as running:
        yield running


async def asked(server: _webapps.Server, *requests: tuple[str, dict[str, str]]) -> list[httpx2.Response]:
    """The answers to requests that are made at the same time."""
    async with httpx2.AsyncClient(base_url=server.url, timeout=20) as client:
        return await asyncio.gather(*(client.get(path, headers=headers) for path, headers in requests))


def test_no_request_sees_what_belongs_to_another(server: _webapps.Server) -> None:
    """Colours, deadlines, traces and tenants of many at a time, while they wait and after."""
    requests = [("/here", _webapps.headers_of(number)) for number in range(HOW_MANY)]
    answers = asyncio.run(asked(server, *requests))
    assert [answer.status_code for answer in answers] == [200] * HOW_MANY
    for number, answer in enumerate(answers):
        _webapps.check(number, answer.json())


def test_a_streaming_body_is_one_call(server: _webapps.Server) -> None:
    """Its pieces are made in the request's own context, and its line comes when it has ended."""
    headers = _webapps.headers_of(7)
    (answer,) = asyncio.run(asked(server, ("/stream", headers)))
    pieces = [json.loads(line) for line in answer.text.splitlines()]
    assert {piece["colour"] for piece in pieces} == {headers["x-svcgov-colour"]}
    assert len(pieces) == 3
    line = server.line("/stream")
    assert (line["outcome"], line["status"], line["colour"]) == ("ok", 200, headers["x-svcgov-colour"])
    assert line["duration_ms"] >= 2 * _webapps.PAUSE * 1000 * 0.9


def test_a_deadline_that_has_passed_is_answered(server: _webapps.Server) -> None:
    """As a problem, over the wire."""
    (answer,) = asyncio.run(asked(server, ("/here?late", {"x-request-deadline-ms": "0"})))
    assert (answer.status_code, answer.headers["content-type"]) == (504, "application/problem+json")
    assert answer.json()["reason"] == "expired"


def test_a_permit_is_held_until_the_body_has_ended(server: _webapps.Server) -> None:
    """Meanwhile the next request is refused."""
    server.limit(1)
    with httpx2.Client(base_url=server.url, timeout=20) as client, client.stream("GET", "/hold") as answer:
        pieces = answer.iter_text()
        first = next(pieces)
        refused = client.get("/here")
        server.limit(_webapps.LIMIT)
        rest = "".join(pieces)
        after = client.get("/here")
    assert (refused.status_code, refused.json()["reason"], after.status_code) == (503, "full", 200)
    assert first + rest == "first last"


def test_an_error_of_the_application_is_the_framework_s(server: _webapps.Server) -> None:
    """It answers as it always does, and the line tells the class of the error."""
    (answer,) = asyncio.run(asked(server, ("/broken", {})))
    assert answer.status_code == 500
    line: dict[str, Any] = server.line("/broken")
    assert (line["outcome"], line["error"]) == ("raised", "LookupError")


def test_the_lifespan_passes_through(server: _webapps.Server) -> None:
    """The application was started by it."""
    (answer,) = asyncio.run(asked(server, ("/started", {})))
    assert answer.json() == {"started": True}


def test_a_websocket_passes_through(server: _webapps.Server) -> None:
    """It talks for as long as it likes, also while no request is let in; for it there is no call."""
    from websockets.sync.client import connect

    server.limit(1)
    door = f"{server.url.replace('http', 'ws')}/talk"
    with httpx2.Client(base_url=server.url, timeout=20) as client, client.stream("GET", "/hold") as answer:
        said = []
        with connect(door, proxy=None) as socket:
            for word in ("one", "two"):
                socket.send(word)
                said.append(json.loads(socket.recv(timeout=20)))
        server.limit(_webapps.LIMIT)
        answer.read()
    assert [(one["said"], one["platform"], one["colour"]) for one in said] == [("one", "none", None), ("two", "none", None)]


def test_the_health_is_asked_of_us(server: _webapps.Server) -> None:
    """Over the wire, though no request is let in."""
    server.limit(1)
    with httpx2.Client(base_url=server.url, timeout=20) as client, client.stream("GET", "/hold") as answer:
        health = [client.get("/-/alive"), client.get("/-/ready"), client.head("/-/ready"), client.post("/-/ready")]
        server.limit(_webapps.LIMIT)
        answer.read()
    assert [one.status_code for one in health] == [200, 200, 200, 405]
    assert [one.content for one in health[:3]] == [b'{"status": "ok"}'] * 2 + [b""]
    assert health[2].headers["content-length"] == health[1].headers["content-length"]
