"""A fake of the agent of AWS AppConfig: a real server on a port of this machine, which answers as a test tells it to."""

from __future__ import annotations

import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class FakeAgent:
    """It has one document, of the profile ``shop/test/limits``.

    ``asked`` are the paths that it was asked for, ``callers`` the ports that was done from: one for each connection.
    """

    def __init__(self) -> None:
        self.status = 200
        self.body = b'{"policies": {"stock": {"bulkhead": 6}}}'
        self.headers: dict[str, str] = {"Configuration-Version": "1", "Content-Type": "application/json"}
        self.writes: Callable[[BaseHTTPRequestHandler], None] | None = None  # the answer, by hand
        self.asked: list[str] = []
        self.callers: list[int] = []
        self.over = Event()
        agent = self

        class Handler(BaseHTTPRequestHandler):
            """One connection."""

            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                agent.asked.append(self.path)
                agent.callers.append(self.client_address[1])
                if agent.writes is not None:
                    agent.writes(self)
                    return
                self.send_response(agent.status)
                for name, value in {"Content-Length": str(len(agent.body)), **agent.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(agent.body)

            def log_message(self, *_: object) -> None:
                """Nowhere."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # who has gone away is not reported
        self.port: int = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def serves(self, version: str, document: str) -> None:
        """Another document from now on."""
        self.headers["Configuration-Version"] = version
        self.body = document.encode()

    def silent(self, handler: BaseHTTPRequestHandler) -> None:
        """No answer, until the test is over."""
        self.over.wait(10)
        handler.close_connection = True

    def dripping(self, handler: BaseHTTPRequestHandler) -> None:
        """A document that comes byte by byte, and never to its end."""
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        try:
            while not self.over.wait(0.002):
                handler.wfile.write(b" ")
        except OSError:  # nobody listens any more
            pass

    def breaking(self, handler: BaseHTTPRequestHandler) -> None:
        """A document of which only the first half comes, which could be read as one."""
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Length", "100")
        handler.send_header("Content-Type", "application/toml")
        handler.end_headers()
        handler.wfile.write(b"[policies.stock]\nbulkhead = 6\n")

    def closing(self, handler: BaseHTTPRequestHandler) -> None:
        """A document after which the connection is closed without a word, as one that has idled for too long."""
        handler.close_connection = True
        handler.send_response(200)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    def resetting(self, handler: BaseHTTPRequestHandler) -> None:
        """The same, and the connection is gone at once."""
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.closing(handler)

    def in_chunks(self, handler: BaseHTTPRequestHandler) -> None:
        """The document in two pieces, whose lengths are said as they come."""
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        middle = len(self.body) // 2
        for piece in (self.body[:middle], self.body[middle:], b""):
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def end(self) -> None:
        """It goes."""
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
