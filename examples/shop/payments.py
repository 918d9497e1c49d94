"""The service that `orders` depends on: a real HTTP server in a process of its own, whose faults can be switched.

It serves ``POST /charges`` on one port and is controlled on another one (``POST /fault``, ``GET /counts``):

===========  ===========================================================================================
healthy      a charge takes ``--work`` seconds
slow         so do three charges out of five; the first and the third of each five take much longer
unavailable  503 at once, with a ``Retry-After`` if ``retry_after`` is given
gone         the listening socket and all connections are closed, until another fault opens the port again
===========  ===========================================================================================

Rule 1: every request that arrives is counted, under the part of the story that it arrived in.
Rule 2: more than ``--capacity`` charges at a time are too many: those on top get a 503.
Rule 3: it says on its standard output where it listens, then a line for each request, and ends with its parent (when
        standard input is closed).
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
import threading
import time
from dataclasses import asdict, dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LONG = 3.0  # seconds of a slow charge
_SLOW = (0, 2)  # of each five


@dataclass
class Counts:
    """What arrived in one part of the story."""

    got: int = 0
    traced: int = 0
    at_once: int = 0


class Till:
    """What both ports share."""

    def __init__(self, *, work: float, capacity: int) -> None:
        self.work = work
        self.capacity = capacity
        self.fault: dict[str, Any] = {"fault": "healthy"}
        self.counts: dict[str, Counts] = {}
        self.lock = threading.Lock()
        self._under_way = 0
        self._in_turn = 0
        self._port = 0
        self._listener: Listener | None = None

    def open(self) -> int:
        """Listen, on the same port as before if there was one."""
        if self._listener is None:
            self._listener = Listener(("127.0.0.1", self._port), Charges)
            self._listener.till = self
            self._port = int(self._listener.server_address[1])
            threading.Thread(target=self._listener.serve_forever, args=(0.02,), daemon=True).start()
        return self._port

    def close(self) -> None:
        """Go away: nobody listens on the port any more, and every connection ends."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown()
            listener.server_close()
            listener.hang_up()

    def switch(self, fault: dict[str, Any]) -> None:
        """Behave like *fault* from now on; ``part`` names the part of the story."""
        with self.lock:
            self.fault = fault
            self.counts.setdefault(fault["part"], Counts())
            self._in_turn = 0
        if fault["fault"] == "gone":
            self.close()
        else:
            self.open()

    def arrived(self, *, traced: bool) -> tuple[int, dict[str, str], float]:
        """Count a charge, and say how it will be answered: status, headers, seconds from now."""
        with self.lock:
            fault = self.fault
            counts = self.counts.setdefault(fault.get("part", ""), Counts())
            counts.got += 1
            counts.traced += traced
            turn, self._in_turn = self._in_turn, self._in_turn + 1
            self._under_way += 1
            counts.at_once = max(counts.at_once, self._under_way)
            crowded = self._under_way > self.capacity
        if fault["fault"] == "unavailable":
            after = fault.get("retry_after")
            return 503, {} if after is None else {"Retry-After": str(after)}, 0.0
        if crowded:
            return 503, {}, 0.0
        return 200, {}, LONG if fault["fault"] == "slow" and turn % 5 in _SLOW else self.work

    def left(self) -> None:
        """A charge was answered, or given up."""
        with self.lock:
            self._under_way -= 1


class Listener(ThreadingHTTPServer):
    """A server that knows its connections, so that it can end them."""

    request_queue_size = 128  # forty customers at once do not wait for a second knock
    till: Till

    def __init__(self, address: tuple[str, int], speaker: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(address, speaker)
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        """A connection begins."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """A connection is over."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End all of them."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it was over already

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: customers who do not wait for the answer are part of the story."""


class Speaker(BaseHTTPRequestHandler):
    """What both kinds of requests need."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait for one another
    disable_nagle_algorithm = True
    server: Listener

    def body(self) -> bytes:
        """The request's body."""
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def say(self, status: int, value: object, headers: dict[str, str] | None = None) -> None:
        """Answer with JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in (headers or {}).items():
            self.send_header(name, text)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gave it
        """Nothing: `Charges` writes a line of its own."""


class Charges(Speaker):
    """The customers' side."""

    def do_POST(self) -> None:
        """Charge something."""
        self.body()
        till = self.server.till
        carried = {name: self.headers.get(name) for name in ("traceparent", "x-svcgov-colour", "x-request-deadline-ms")}
        status, headers, seconds = till.arrived(traced=carried["traceparent"] is not None)
        try:
            line = {"charge": self.headers.get("Idempotency-Key"), "status": status, "seconds": seconds, **carried}
            sys.stdout.write(json.dumps(line) + "\n")  # in one piece: forty may write at a time
            sys.stdout.flush()
            time.sleep(seconds)
        finally:
            till.left()  # before the answer: who has it may come with the next one at once
        self.say(status, {"charged": status == 200}, headers)


class Control(Speaker):
    """The side of whoever tells the story."""

    def do_POST(self) -> None:
        """Another fault."""
        self.server.till.switch(json.loads(self.body()))
        self.say(200, {})

    def do_GET(self) -> None:
        """The counts of each part."""
        till = self.server.till
        with till.lock:
            counts = {part: asdict(one) for part, one in till.counts.items()}
        self.say(200, counts)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="A payments service with switchable faults.")
    parser.add_argument("--work", type=float, default=0.1, help="seconds that a charge takes")
    parser.add_argument("--capacity", type=int, default=12, help="charges at a time; more get a 503")
    given = parser.parse_args()
    till = Till(work=given.work, capacity=given.capacity)
    control = Listener(("127.0.0.1", 0), Control)
    control.till = till
    threading.Thread(target=control.serve_forever, daemon=True).start()
    print(json.dumps({"port": till.open(), "control": control.server_address[1]}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
