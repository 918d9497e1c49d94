"""Real parts: Flask in a threaded server, in a process of its own, on the loopback."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import httpx2
import pytest

from . import _webapps

if TYPE_CHECKING:
    from collections.abc import Iterator

HOW_MANY = 200


@pytest.fixture(scope="module")
def server() -> Iterator[_webapps.Server]:
    """Flask with `svcgov.wsgi` around it, and a thread for each request."""
    _webapps.needed("flask")
    with _webapps.serving("wsgi", "flask") as running:
        yield running


def get(server: _webapps.Server, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
    """One answer."""
    with httpx2.Client(base_url=server.url, timeout=20) as client:
        return client.get(path, headers=headers)


def test_no_request_sees_what_belongs_to_another(server: _webapps.Server) -> None:
    """Colours, deadlines, traces and tenants of many at a time, on threads."""
    numbers = range(HOW_MANY)
    with ThreadPoolExecutor(40) as pool, httpx2.Client(base_url=server.url, timeout=20) as client:
        answers = list(pool.map(lambda number: client.get("/here", headers=_webapps.headers_of(number)), numbers))
    assert [answer.status_code for answer in answers] == [200] * HOW_MANY
    for number, answer in enumerate(answers):
        _webapps.check(number, answer.json())


def test_a_streaming_body_is_one_call(server: _webapps.Server) -> None:
    """Its pieces are made in the request's own context, and its line comes when it has ended."""
    headers = _webapps.headers_of(7)
    pieces = [json.loads(line) for line in get(server, "/stream", headers).text.splitlines()]
    assert {piece["colour"] for piece in pieces} == {headers["x-svcgov-colour"]}
    assert len(pieces) == 3
    line = server.line("/stream")
    assert (line["outcome"], line["status"], line["colour"]) == ("ok", 200, headers["x-svcgov-colour"])
    assert line["duration_ms"] >= 2 * _webapps.PAUSE * 1000 * 0.9


def test_a_deadline_that_has_passed_is_answered(server: _webapps.Server) -> None:
    """As a problem, over the wire."""
    answer = get(server, "/here?late", {"x-request-deadline-ms": "0"})
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
    """Flask makes its answer of it before we see it; the line tells the status."""
    assert get(server, "/broken").status_code == 500
    line = server.line("/broken")
    assert (line["outcome"], line["status"]) == ("failed", 500)


def test_the_health_is_asked_of_us(server: _webapps.Server) -> None:
    """Over the wire."""
    with httpx2.Client(base_url=server.url, timeout=20) as client:
        health = [client.get("/-/alive"), client.get("/-/ready"), client.head("/-/ready"), client.post("/-/ready")]
    assert [one.status_code for one in health] == [200, 200, 200, 405]
    assert [one.content for one in health[:3]] == [b'{"status": "ok"}'] * 2 + [b""]
