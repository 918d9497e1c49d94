"""Real parts: three functions in a row over HTTP, each in a process of its own, of three kinds."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import pytest

from svcgov import Governor

from . import _webapps

if TYPE_CHECKING:
    from collections.abc import Iterator

KEY = "a secret of this house"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = {
    "traceparent": f"00-{TRACE_ID}-00f067aa0ba902b7-01",
    "baggage": "tenant=acme",
    "x-request-deadline-ms": "10000",
    "x-request-id": "request-1",
    "x-shop": "oslo",
}
PATHS = ["/first", "/second", "/third"]


class Row(NamedTuple):
    """The services, the first one first."""

    services: list[_webapps.Server]

    def asked(self, **headers: str) -> list[dict[str, Any]]:
        """What each of them saw of one request."""
        mine = {name.replace("_", "-"): value for name, value in headers.items()}
        with httpx2.Client(base_url=self.services[0].url, timeout=20) as client:
            answer = client.get("/first", headers={**SENT, **mine})
        seen: list[dict[str, Any]] = answer.json()
        assert [one["service"] for one in seen] == ["first", "second", "third"]
        return seen

    def lines(self) -> list[dict[str, Any]]:
        """What each of them wrote about it."""
        return [service.line(path) for service, path in zip(self.services, PATHS, strict=True)]


@contextmanager
def serving(kind: str, following: str, **variables: str) -> Iterator[_webapps.Server]:
    """One service."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SVCGOV")}
    environment |= {"SVCGOV_LOG": "json", "SVCGOV_FORWARD": "x-shop", **variables}
    command = [sys.executable, str(Path(__file__).parent / "_travellers.py"), kind, following]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        server = _webapps.Server(process)
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def row() -> Iterator[Row]:
    """The first takes a colour that is signed; those behind it take any, since only services of ours reach them."""
    _webapps.needed("uvicorn")
    with ExitStack() as stack:
        third = stack.enter_context(serving("handler", "-", SVCGOV_COLOURS="*"))
        second = stack.enter_context(serving("wsgi", third.url, SVCGOV_COLOURS="*"))
        first = stack.enter_context(serving("asgi", second.url, SVCGOV_COLOUR_KEY=KEY))
        yield Row([first, second, third])


def test_one_request_is_the_same_everywhere(row: Row) -> None:
    """One trace, one colour, one tenant, one id, a header that is handed on, and a deadline that shrinks."""
    seen = row.asked(x_svcgov_colour=Governor(colour_key=KEY).signed_colour("blue"))
    assert {one["trace"] for one in seen} == {TRACE_ID}
    assert len({one["span"] for one in seen}) == 3
    assert [(one["colour"], one["tenant"], one["id"], one["shop"]) for one in seen] == [("blue", "acme", "request-1", "oslo")] * 3
    left = [10.0, *(one["remaining"] for one in seen)]
    assert 0 < left[3] <= left[2] - 0.005 <= left[1] - 0.01
    assert left[1] <= left[0]
    for line, one in zip(row.lines(), seen, strict=True):
        assert (line["trace_id"], line["span_id"], line["colour"]) == (TRACE_ID, one["span"], "blue")


def test_a_forged_colour_goes_nowhere(row: Row) -> None:
    """Not even where any colour is taken: the first one has dropped it."""
    forged = Governor(colour_key="a secret of another house").signed_colour("blue")
    for given in ("blue", forged):
        seen = row.asked(x_svcgov_colour=given, baggage="tenant=acme,svcgov.colour=blue")
        assert [(one["colour"], one["tenant"]) for one in seen] == [(None, "acme")] * 3
        assert [line.get("colour") for line in row.lines()] == [None] * 3


def test_a_request_that_carries_nothing_begins_a_trace(row: Row) -> None:
    """Which is the same everywhere, too."""
    with httpx2.Client(base_url=row.services[0].url, timeout=20) as client:
        seen = client.get("/first").json()
    assert len({one["trace"] for one in seen}) == 1
    assert seen[0]["trace"] != TRACE_ID
    assert [(one["colour"], one["tenant"], one["shop"]) for one in seen] == [(None, None, None)] * 3
    assert len(row.lines()) == 3
