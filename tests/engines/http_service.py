"""A real HTTP server for tests: on the loopback, on threads of its own, it counts what it is asked.

Each path is answered by a script: one answer for each request, the last one goes on.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


class Answer(NamedTuple):
    """What a path answers: after *stall* seconds, and *pause* seconds in the middle of its body."""

    status: int = 200
    headers: dict[str, str] = {}  # noqa: RUF012  # nobody writes into it
    body: bytes = b"ok"
    stall: float = 0.0
    pause: float = 0.0


class Seen(NamedTuple):
    """What was asked."""

    method: str
    headers: dict[str, str]
    body: bytes


class Service:
    """The server: scripts by path, and what it has seen; by TLS where it is given a *context*."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.scripts: dict[str, list[Answer]] = {}
        self.seen: dict[str, list[Seen]] = {}
        self.over = threading.Event()
        self._lock = threading.Lock()
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def answer(self) -> None:
                service.answer(self)

            do_GET = do_PUT = do_POST = do_DELETE = answer  # noqa: N815  # the names that http.server looks for

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def finish_request(self, request: Any, client_address: Any) -> None:
                if context is None:
                    super().finish_request(request, client_address)
                    return
                with context.wrap_socket(request, server_side=True) as secret:
                    super().finish_request(secret, client_address)

            def handle_error(self, request: object, client_address: object) -> None:
                """A client that goes away is what is tested."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"{'http' if context is None else 'https'}://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def script(self, path: str, *answers: Answer | int) -> str:
        """Say what *path* answers; returns its URL."""
        self.scripts[path] = [Answer(one) if isinstance(one, int) else one for one in answers]
        return self.url + path

    def asked(self, path: str) -> int:
        """How many requests came for *path*."""
        return len(self.seen.get(path, ()))

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """One request."""
        length = handler.headers.get("content-length")
        body = handler.rfile.read(int(length)) if length else self._chunks(handler)
        headers = {name.lower(): value for name, value in handler.headers.items()}
        with self._lock:
            self.seen.setdefault(handler.path, []).append(Seen(handler.command, headers, body))
            script = self.scripts[handler.path]
            answer = script.pop(0) if len(script) > 1 else script[0]
        if answer.stall:
            self.over.wait(answer.stall)
        handler.send_response_only(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            handler.send_header(name, value)
        handler.end_headers()
        half = len(answer.body) // 2
        handler.wfile.write(answer.body[:half])
        if answer.pause:
            self.over.wait(answer.pause)
        handler.wfile.write(answer.body[half:])

    @staticmethod
    def _chunks(handler: BaseHTTPRequestHandler) -> bytes:
        if handler.headers.get("transfer-encoding") != "chunked":
            return b""
        whole = b""
        while size := int(handler.rfile.readline(), 16):
            whole += handler.rfile.read(size)
            handler.rfile.readline()
        handler.rfile.readline()
        return whole

    def close(self) -> None:
        """Let go of all who wait, and stop."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def failing_once() -> Iterator[Service]:
    """A server whose ``/charge`` answers 503, and 200 from then on."""
    made = Service()
    made.script("/charge", 503, 200)
    try:
        yield made
    finally:
        made.close()
