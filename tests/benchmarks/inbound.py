"""Section `inbound`: what a handler adds to a function, and a middleware to an application under a real server."""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from svcgov import Governor

from . import floors, frames
from .harness import PLAIN, UNIT, Case, log_to, run, spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .table import Figures

SERVER = pathlib.Path(__file__).with_name("asgi_server.py")
PER_TURN = 200
REQUEST = {
    "version": "2.0",
    "rawPath": "/orders/7",
    "headers": {
        "accept": "*/*",
        "content-length": "17",
        "content-type": "application/json",
        "host": "a1b2c3.execute-api.eu-central-1.amazonaws.com",
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "user-agent": "curl/8.5.0",
        "x-amzn-trace-id": "Root=1-5e1b4151-5ac6c58f5b7daa1f4a4d1b7e",
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    },
    "requestContext": {"http": {"method": "POST", "path": "/orders/7", "sourceIp": "192.0.2.7"}, "requestId": "id"},
    "body": '{"order": "o-7"}',
}


class Context:
    """The platform's context, as it works out what time is left."""

    aws_request_id = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    client_context = None

    def __init__(self) -> None:
        self.until = int(time.time() * 1000) + 900_000

    def get_remaining_time_in_millis(self) -> int:
        """Milliseconds until the call is ended."""
        return max(self.until - int(time.time() * 1000), 0)


def bare(event: Any, context: Any) -> Any:
    """The function: what is measured is what is around it."""
    return event


def handler(log: str) -> Callable[..., Any]:
    """The same, governed, with its log at *log*."""
    with log_to(log):
        return Governor(service="orders").handler(bare)


def inbound(*, quick: bool) -> Figures:
    """Handlers in this process, and an application in one of its own."""
    with contextlib.redirect_stdout(io.StringIO()) as lines:
        rounds = run(cases(lines), rounds=5 if quick else 60)
    figures: dict[str, Any] = {"unit": rounds.in_nanoseconds(UNIT), "left": rounds.in_nanoseconds("left")}
    for name in ("direct", "request", "logged"):
        figures[name] = rounds.in_units(name)
    figures["asgi"], figures["asgi, added"] = served(3 if quick else 25)
    return figures


def cases(lines: io.StringIO) -> list[Case]:
    """Every case that needs no server."""
    context, silent, loud = Context(), handler("off"), handler("json")
    passed = floors.passed_through(lambda: bare({}, context))

    def emptied() -> None:
        lines.seek(0)
        lines.truncate()

    return [
        Case(PLAIN, lambda: bare({}, context)),
        Case(UNIT, passed),
        Case("left", lambda: (bare({}, context), context.get_remaining_time_in_millis())),
        Case("direct", lambda: silent({}, context)),
        Case("request", lambda: silent(REQUEST, context)),
        Case("logged", lambda: loud(REQUEST, context), rest=emptied),
    ]


def served(rounds: int) -> tuple[Any, Any]:
    """Requests per second of a governed application, as a share of the plain one's; and microseconds added."""
    with serving() as port:
        times: dict[str, list[float]] = {"/plain": [], "/governed": []}
        asker = socket.create_connection(("127.0.0.1", port))
        asker.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for turn in range(2 * rounds + 2):
            path = ("/plain", "/governed", "/governed", "/plain")[turn % 4]
            start = time.perf_counter()
            for _ in range(PER_TURN):
                _get(asker, path)
            times[path].append((time.perf_counter() - start) / PER_TURN)
        asker.close()
    pairs = list(zip(times["/plain"][1:], times["/governed"][1:], strict=True))
    return spread(100 * a / b for a, b in pairs), spread((b - a) * 1e6 for a, b in pairs)


def _get(asker: socket.socket, path: str) -> None:
    """As little of a client as there can be: what is measured is the server."""
    asker.sendall(f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n".encode())
    answer = b""
    while not answer.endswith(b"\r\n\r\nok"):
        piece = asker.recv(65536)
        if not piece:
            raise ConnectionError("the server has closed the connection")
        answer += piece


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """The port of the server, which lives as long as the block."""
    process = subprocess.Popen(
        [sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True, env={**os.environ, "SVCGOV_LOG": "off"}
    )
    try:
        if process.stdout is None or not (port := process.stdout.readline().strip()):
            raise RuntimeError("the server of the benchmark did not start")
        yield int(port)
    finally:
        process.terminate()
        process.wait(5)
        if process.stdout is not None:
            process.stdout.close()


def profile() -> None:
    """Where a call of a silent handler goes, and one that writes its line."""
    context = Context()
    silent, loud = handler("off"), handler("json")
    frames.show("a handler, silent", lambda: silent(REQUEST, context))
    frames.show("a handler that writes its line", lambda: loud(REQUEST, context), calls=1)
