"""The other half of a function on Managed Instances, or of one that SnapStart restores: a Runtime API for many at a time.

Rule: as in the example's, only 127.0.0.1 is used, and paths, headers and answers are those of the version 2018-06-01.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
import uuid
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple

from processes import environment, on_lambda, running
from stage import objects_in

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable, Iterator

ROOT = "/2018-06-01/runtime"
PATIENCE = 20.0  # seconds


class Told(NamedTuple):
    """What became of one event."""

    request_id: str
    failed: bool
    value: Any


class WorkersApi:
    """Hands events to whichever worker asks next. Each may take *timeout* seconds; a late answer is taken too."""

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self.asking = 0
        self.restored = threading.Event()
        self.closed = False
        self._change = threading.Condition()
        self._events: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._answers: dict[str, queue.Queue[Told]] = {}
        self._server = _Server(("127.0.0.1", 0), _Speaker)
        self._server.api = self
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Let go of all who wait."""
        self.closed = True
        self._server.shutdown()
        self._server.server_close()

    def ready(self, workers: int) -> None:
        """Wait until so many *workers* ask for an event."""
        with self._change:
            if not self._change.wait_for(lambda: self.asking >= workers, PATIENCE):
                raise TimeoutError(f"{self.asking} of {workers} workers have asked for an event")

    def invoke(self, event: object) -> Told:
        """Hand it to a worker, and wait for what becomes of it; from any thread."""
        request_id = str(uuid.uuid4())
        mine = self._answers[request_id] = queue.Queue()
        self._events.put((request_id, json.dumps(event).encode()))
        return mine.get(timeout=PATIENCE)

    def at_once(self, *events: object) -> list[Told]:
        """Hand them out all at the same time."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(len(events)) as pool:
            return list(pool.map(self.invoke, events))

    def next(self) -> tuple[str, bytes] | None:
        """The next event for a worker that asks."""
        with self._change:
            self.asking += 1
            self._change.notify_all()
        try:
            while not self.closed:
                try:
                    return self._events.get(timeout=0.05)
                except queue.Empty:
                    continue
            return None
        finally:
            with self._change:
                self.asking -= 1

    def told(self, request_id: str, *, failed: bool, value: Any) -> None:
        """A worker has answered."""
        self._answers.pop(request_id).put(Told(request_id, failed, value))


class _Server(ThreadingHTTPServer):
    api: WorkersApi
    daemon_threads = True


class _Speaker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """An event, or the word that the snapshot has been restored."""
        api = self.server.api
        if self.path == f"{ROOT}/restore/next":
            api.restored.wait(PATIENCE)
            self._send(200, b"{}")
            return
        event = api.next()
        if event is None:
            self.close_connection = True
            return
        deadline = int((time.time() + api.timeout) * 1000)
        self._send(200, event[1], {"Lambda-Runtime-Aws-Request-Id": event[0], "Lambda-Runtime-Deadline-Ms": str(deadline)})

    def do_POST(self) -> None:
        """An outcome."""
        value = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request_id, _, how = self.path.removeprefix(f"{ROOT}/invocation/").partition("/")
        self.server.api.told(request_id, failed=how == "error", value=value)
        self._send(202, b"{}")

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Type": "application/json", "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the base class gave it
        """Nothing."""


class Pool(NamedTuple):
    """A function that is waiting for events, in one process or several."""

    api: WorkersApi
    log: Callable[[], list[dict[str, Any]]]


@contextmanager
def pool(
    folder: pathlib.Path, source: str, *, workers: int = 1, timeout: float = 10.0, variables: dict[str, str]
) -> Iterator[Pool]:
    """The handler that *source* defines, started by the real runtime interface client in an environment of *variables*."""
    (folder / "function.py").write_text(source, encoding="utf-8")
    said = folder / "function.log"
    api = WorkersApi(timeout)
    env = environment() | on_lambda("function.handler", api=api.address, task_root=folder) | variables
    try:
        with running([sys.executable, "-m", "awslambdaric", "function.handler"], log=said, cwd=folder, env=env):
            if "snap-start" not in variables.values():
                api.ready(workers)
            yield Pool(api, lambda: [line for line in objects_in(said, having="event") if "svcgov" in str(line["event"])])
    finally:
        api.close()
