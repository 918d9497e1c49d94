"""The other half of a Lambda function: a small Runtime API, as the platform serves it to the runtime interface client.

=====================================  ==================================================================
``GET .../runtime/invocation/next``    waits for an event; the answer's headers say which, and until when
``POST .../invocation/{id}/response``  what the handler returned
``POST .../invocation/{id}/error``     what it raised
``POST .../runtime/init/error``        the module could not be loaded
=====================================  ==================================================================

Rule 1: one instance of a function handles one event at a time, so `RuntimeApi.invoke` lets one in and waits.
Rule 2: only 127.0.0.1 is used, on a port that was free.

The paths, headers and answers are those of the API's version 2018-06-01.
"""

from __future__ import annotations

import json
import queue
import re
import secrets
import threading
import time
import uuid
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Callable

_ROOT = "/2018-06-01/runtime"
_ANSWER = re.compile(rf"{_ROOT}/invocation/([^/]+)/(response|error)")
_BYTES_AT_MOST = 6 * 1024 * 1024


class FunctionFailed(Exception):
    """The function did not start, did not answer in time, or was stopped: there is no outcome of a call."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one event.

    Attributes:
        request_id: the id that the function saw.
        failed: whether the handler raised; *value* then has ``errorType``, ``errorMessage`` and ``stackTrace``.
        value: what it returned, decoded.
        seconds: from the moment the event was there to the moment the answer was.
    """

    request_id: str
    failed: bool
    value: Any
    seconds: float


@dataclass(frozen=True, kw_only=True)
class _Event:
    request_id: str
    headers: dict[str, str]
    body: bytes


class RuntimeApi:
    """Serves one function. Use it in a ``with``, and start the function with ``AWS_LAMBDA_RUNTIME_API=address``.

    Args:
        name: the function's name, as it stands in its ARN.
        timeout: the seconds that one event may take.
    """

    def __init__(self, *, name: str = "function", timeout: float = 10.0) -> None:
        self.arn = f"arn:aws:lambda:eu-central-1:123456789012:function:{name}"
        self.timeout = timeout
        self.waiting = threading.Event()  # the function has asked for its first event: it is initialised
        self.closed = threading.Event()
        self.alive: Callable[[], bool] = lambda: True  # whether the function's process is still there, for who knows
        self.awaited: str | None = None  # the id whose answer is due
        self.events: queue.Queue[_Event] = queue.Queue()
        self.answers: queue.Queue[tuple[str, Any]] = queue.Queue()
        self._one_at_a_time = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Speaker)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closed.set()
        self._server.shutdown()
        self._server.server_close()

    def ready(self, seconds: float = 20.0) -> None:
        """Wait until the function asks for its first event.

        Raises:
            FunctionFailed: when it says that it cannot start, ends, or says nothing for so long.
        """
        until = time.monotonic() + seconds
        while not self.waiting.wait(0.02):
            gone = not self.alive()  # asked first: what it said before it ended is the better answer
            if not self.answers.empty():
                kind, value = self.answers.get()
                raise FunctionFailed(f"{kind}: {value.get('errorType')}: {value.get('errorMessage')}")
            if gone:
                raise FunctionFailed("it ended before it asked for an event")
            if self.closed.is_set() or time.monotonic() > until:
                raise FunctionFailed(f"it did not ask for an event within {seconds:g} s")

    def invoke(self, event: object) -> Outcome:
        """Hand *event* to the function and wait for what becomes of it.

        Raises:
            FunctionFailed: when no answer came within the time-out and a second, the function ended, or the API was closed.
        """
        with self._one_at_a_time:
            began = time.monotonic()
            request_id = str(uuid.uuid4())
            self.awaited = request_id
            self.events.put(_Event(request_id=request_id, headers=self._headers(request_id), body=json.dumps(event).encode()))
            while True:
                try:
                    kind, value = self.answers.get(timeout=0.1)
                    break
                except queue.Empty:
                    if not self.alive():
                        raise FunctionFailed(f"it ended instead of answering {request_id}") from None
                    if self.closed.is_set() or time.monotonic() - began > self.timeout + 1:
                        raise FunctionFailed(f"no answer to {request_id} within {self.timeout:g} s") from None
            took = time.monotonic() - began
            return Outcome(request_id=request_id, failed=kind == "error", value=value, seconds=took)

    def _headers(self, request_id: str) -> dict[str, str]:
        now = time.time()
        return {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((now + self.timeout) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": self.arn,
            "Lambda-Runtime-Trace-Id": f"Root=1-{int(now):08x}-{secrets.token_hex(12)};Parent={secrets.token_hex(8)};Sampled=0",
        }


class _Server(ThreadingHTTPServer):
    api: RuntimeApi


class _Speaker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one packet: two would wait for one another on a kept-alive connection
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """``next``: wait for an event."""
        api = self.server.api
        if self.path != f"{_ROOT}/invocation/next":
            return self._say(404, {"errorType": "NotFound", "errorMessage": self.path})
        api.waiting.set()
        while not api.closed.is_set():
            try:
                event = api.events.get(timeout=0.1)
            except queue.Empty:
                continue
            return self._send(200, event.body, event.headers)
        self.close_connection = True
        return None

    def do_POST(self) -> None:
        """An outcome, or the word that there will be none."""
        api = self.server.api
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        match = _ANSWER.fullmatch(self.path)
        if self.path == f"{_ROOT}/init/error":
            api.answers.put(("init error", json.loads(body)))
        elif match is None:
            return self._say(404, {"errorType": "NotFound", "errorMessage": self.path})
        elif match[1] != api.awaited:
            return self._say(400, {"errorType": "InvalidRequestID", "errorMessage": match[1]})
        elif len(body) > _BYTES_AT_MOST:
            return self._say(413, {"errorType": "RequestEntityTooLarge", "errorMessage": f"{len(body)} bytes"})
        else:
            api.awaited = None
            api.answers.put((match[2], json.loads(body)))
        return self._say(202, {"status": "OK"})

    def _say(self, status: int, value: dict[str, str]) -> None:
        self._send(status, json.dumps(value).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gave it
        """Nothing: the platform does not show this traffic either."""
