"""A server that does not behave: raw sockets on the loopback, and a list of ways to go wrong.

It counts what it is asked, and knows which connections are open. Each connection has a thread, which ends with it.
"""

from __future__ import annotations

import gc
import socket
import struct
import threading
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Fault = Callable[["Line"], None]

FAULTS: dict[str, Fault] = {}
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HALF = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly a part"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


class Gone(Exception):
    """The other side has closed the connection."""


class Line:
    """One connection, as a fault sees it."""

    def __init__(self, server: Misbehaving, connection: socket.socket) -> None:
        self.server = server
        self.connection = connection

    def heard(self) -> int:
        """Read a request; returns how many there have been, on all connections."""
        head = b""
        while b"\r\n\r\n" not in head:
            part = self.connection.recv(65536)
            if not part:
                raise Gone
            head += part
        return self.server.count(head)

    def say(self, *parts: bytes) -> None:
        """Send."""
        self.connection.sendall(b"".join(parts))

    def stall(self) -> None:
        """Say no more, until the other side has gone."""
        while self.connection.recv(65536):
            pass

    def reset(self) -> None:
        """Break the connection off, rather than close it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Misbehaving:
    """The server.

    Attributes:
        heads: the heads of the requests that it has read.
        accepted: how many connections there have been.
    """

    def __init__(self, fault: Fault, scheme: str = "http") -> None:
        self.heads: list[bytes] = []
        self.accepted = 0
        self._fault = fault
        self._lock = threading.Lock()
        self._lines: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def count(self, head: bytes) -> int:
        """One more request."""
        with self._lock:
            self.heads.append(head)
            return len(self.heads)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:  # closed
                return
            self.accepted += 1
            line = threading.Thread(target=self._serve, args=(connection,))
            line.start()
            self._lines.append(line)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._fault(Line(self, connection))
            except (Gone, OSError):
                pass  # that is what clients do who are treated like this

    def still_open(self) -> int:
        """How many connections are held by the other side, once it had time to let go."""
        for line in list(self._lines):
            line.join(0.1)
        if any(line.is_alive() for line in self._lines):
            gc.collect()  # errors of clients hold their connections in circles
        for line in self._lines:
            line.join(5.0)  # a busy machine takes its time
        return sum(line.is_alive() for line in self._lines)

    def close(self) -> None:
        """Stop."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        self.still_open()


def fault(fn: Fault) -> Fault:
    """One more way to go wrong, by the name of its function."""
    FAULTS[fn.__name__] = fn
    return fn


def always(*said: bytes) -> Fault:
    """Whatever is asked, this is said."""

    def answering(line: Line) -> None:
        while line.heard():
            line.say(*said)

    return answering


@fault
def resets_at_once(line: Line) -> None:
    line.reset()


@fault
def closes_at_once(line: Line) -> None:
    """Nothing is read, nothing is said."""


@fault
def resets_before_the_head(line: Line) -> None:
    line.heard()
    line.reset()


@fault
def closes_before_the_head(line: Line) -> None:
    line.heard()


@fault
def resets_in_the_head(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Le")
    line.reset()


@fault
def closes_in_the_status_line(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 2")


@fault
def stalls_before_the_head(line: Line) -> None:
    line.heard()
    line.stall()


@fault
def stalls_in_the_head(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Le")
    line.stall()


@fault
def resets_in_the_body(line: Line) -> None:
    line.heard()
    line.say(HALF)
    line.reset()


@fault
def closes_in_the_body(line: Line) -> None:
    line.heard()
    line.say(HALF)


@fault
def stalls_in_the_body(line: Line) -> None:
    line.heard()
    line.say(HALF)
    line.stall()


@fault
def talks_nonsense(line: Line) -> None:
    line.heard()
    line.say(b"\x16\x03\x01 this is no HTTP\r\n\r\n")


@fault
def has_a_status_that_is_none(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 fine OK\r\nContent-Length: 0\r\n\r\n")


@fault
def has_a_head_without_end(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 200 OK\r\nX-Long: ", b"x" * 200_000, b"\r\n\r\n")


@fault
def breaks_a_chunk_off(line: Line) -> None:
    line.heard()
    line.say(CHUNKED, b"64\r\nonly a part")


@fault
def has_a_chunk_of_no_size(line: Line) -> None:
    line.heard()
    line.say(CHUNKED, b"many\r\nxx\r\n0\r\n\r\n")


@fault
def ends_without_the_last_chunk(line: Line) -> None:
    line.heard()
    line.say(CHUNKED, b"2\r\n{}\r\n")


@fault
def says_it_is_compressed(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}")


@fault
def fails_and_breaks_off(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 503 Down\r\nContent-Length: 100\r\n\r\nonly a part")
    line.reset()


@fault
def refuses_the_first(line: Line) -> None:
    if line.heard() == 1:
        line.reset()
        return
    line.say(OK)
    always(OK)(line)


@fault
def closes_when_it_has_answered(line: Line) -> None:
    line.heard()
    line.say(OK)


@fault
def speaks_of_old(line: Line) -> None:
    """The end of the connection is the end of the body."""
    line.heard()
    line.say(b"HTTP/1.0 200 OK\r\n\r\n{}")


@fault
def compresses_and_breaks_off(line: Line) -> None:
    line.heard()
    line.say(b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: 100\r\n\r\n", zlib.compress(b"ok" * 9)[:6])


FAULTS["fails"] = always(b"HTTP/1.1 503 Down\r\nContent-Length: 4\r\n\r\ndown")
FAULTS["wants_a_minute"] = always(b"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n")
FAULTS["wants_a_minute_by_date"] = always(
    b"HTTP/1.1 503 Down\r\nDate: Tue, 03 Jun 2025 10:00:00 GMT\r\nRetry-After: Tue, 03 Jun 2025 10:01:00 GMT\r\n",
    b"Content-Length: 0\r\n\r\n",
)
FAULTS["sends_in_circles"] = always(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
FAULTS["hesitates"] = always(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", OK)
