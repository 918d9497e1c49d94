"""Applications of several frameworks that say what they see, a process that serves one of them, and what a test asks of it.

Run as a script it serves: ``_webapps.py asgi starlette`` prints the port, and then a line for each call.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import svcgov

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

LIMIT = 250  # requests at a time on the way in, unless a test says otherwise
PAUSE = 0.05  # seconds between the pieces of a stream
COLOURS = ["blue", "green", "red"]
PATIENCE = 20.0  # seconds in which a process has to say what it is asked for


def headers_of(number: int) -> dict[str, str]:
    """What the request of this number carries."""
    return {
        "traceparent": f"00-{number + 1:032x}-{number + 1:016x}-01",
        "baggage": f"tenant=t{number}",
        "x-svcgov-colour": COLOURS[number % 3],
        "x-request-deadline-ms": str(20_000 + 1000 * number),
    }


def check(number: int, said: dict[str, Any]) -> None:
    """The application has seen what the request of this number carries, before and after it waited, and nothing else."""
    for seen in (said["before"], said["after"]):
        assert seen["colour"] == COLOURS[number % 3]
        assert seen["tenant"] == f"t{number}"
        assert seen["trace"] == f"{number + 1:032x}"
        assert 10 + number < seen["remaining"] <= 20 + number


def here() -> dict[str, Any]:
    """What is seen now."""
    current = svcgov.current()
    return {
        "colour": current.colour,
        "tenant": current.baggage.get("tenant"),
        "trace": None if current.trace is None else current.trace.trace_id,
        "remaining": svcgov.remaining(),
        "platform": current.platform,
        "pid": os.getpid(),
    }


# -- the process ------------------------------------------------------------------------------------------------------


def needed(*packages: str) -> None:
    """Fail, where everything should be installed, or skip, when one of *packages* is missing."""
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        say(f"missing: {', '.join(missing)} (pip install --group tests)")


class Server:
    """A process that serves, and what it writes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url = f"http://127.0.0.1:{int(self._lines.get(timeout=PATIENCE))}"

    def line(self, path: str) -> dict[str, Any]:
        """The next line of the log for *path*."""
        while True:
            text = self._lines.get(timeout=PATIENCE)
            if text.startswith("{"):
                found: dict[str, Any] = json.loads(text)
                if found.get("path") == path:
                    return found

    def limit(self, number: int) -> None:
        """Let at most so many requests be under way, from now on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{number}\n")
        self._process.stdin.flush()
        while self._lines.get(timeout=PATIENCE) != f"limit {number}\n":
            pass

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            self._lines.put(text)

    def stop(self) -> None:
        """End the process, by its own id."""
        self._process.terminate()
        self._process.wait(timeout=PATIENCE)
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()


@contextmanager
def serving(kind: str, framework: str) -> Iterator[Server]:
    """Serve *framework* for as long as the block lasts."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SVCGOV")}
    environment |= {"SVCGOV_LOG": "json", "SVCGOV_COLOURS": ",".join(COLOURS)}
    command = [sys.executable, str(Path(__file__)), kind, framework]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        server = Server(process)
    except BaseException:
        process.kill()
        process.wait()
        raise
    try:
        yield server
    finally:
        server.stop()


# -- the applications -------------------------------------------------------------------------------------------------

GATE = svcgov.bulkhead(LIMIT)
OPTIONS: dict[str, Any] = {"service": "shop", "policy": GATE, "health": "/-"}


class Started:
    """Whether the lifespan has been run."""

    yes = False


@asynccontextmanager
async def lifespan(app: Any) -> AsyncIterator[None]:
    """Say that it was run."""
    Started.yes = True
    yield


async def see() -> dict[str, Any]:
    """What is seen, before and after others have had their turn."""
    before = here()
    await asyncio.sleep(PAUSE)
    return {"before": before, "after": here()}


async def started() -> dict[str, Any]:
    """Whether the lifespan has been run."""
    return {"started": Started.yes}


async def broken() -> dict[str, Any]:
    """Fail."""
    raise LookupError


async def stream() -> AsyncIterator[str]:
    """Three pieces."""
    for number in range(3):
        if number:
            await asyncio.sleep(PAUSE)
        yield json.dumps(here()) + "\n"


async def hold() -> AsyncIterator[str]:
    """A first piece, and the last one when there is more than one permit again."""
    yield "first "
    while GATE.settings.limit == 1:
        await asyncio.sleep(0.01)
    yield "last"


async def talk(socket: Any) -> None:
    """Answer each message of a websocket by what is seen, and itself."""
    from starlette.websockets import WebSocketDisconnect

    await socket.accept()
    try:
        while True:
            await socket.send_json({**here(), "said": await socket.receive_text()})
    except WebSocketDisconnect:
        pass


ANSWERS = {"/here": see, "/started": started, "/broken": broken}
STREAMS = {"/stream": stream, "/hold": hold}


def starlette() -> Any:
    """Starlette, not governed yet."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse, StreamingResponse
    from starlette.routing import Route, WebSocketRoute

    def answering(does: Any) -> Any:
        async def endpoint(request: Any) -> Any:
            return JSONResponse(await does())

        return endpoint

    def streaming(does: Any) -> Any:
        async def endpoint(request: Any) -> Any:
            return StreamingResponse(does())

        return endpoint

    routes = [Route(path, answering(does)) for path, does in ANSWERS.items()]
    routes += [Route(path, streaming(does)) for path, does in STREAMS.items()]
    return Starlette(routes=[*routes, WebSocketRoute("/talk", talk)], lifespan=lifespan)


def fastapi() -> Any:
    """FastAPI, not governed yet."""
    from fastapi import FastAPI
    from fastapi.responses import StreamingResponse
    from starlette.routing import WebSocketRoute

    def streaming(does: Any) -> Any:
        async def endpoint() -> Any:
            return StreamingResponse(does())

        return endpoint

    app = FastAPI(lifespan=lifespan)
    for path, does in ANSWERS.items():
        app.add_api_route(path, does)
    for path, pieces in STREAMS.items():
        app.add_api_route(path, streaming(pieces))
    app.router.routes.append(WebSocketRoute("/talk", talk))
    return app


def flask() -> Any:
    """Flask, governed."""
    from flask import Flask, Response

    app = Flask("shop")

    @app.get("/here")
    def see() -> dict[str, Any]:
        before = here()
        time.sleep(PAUSE)
        return {"before": before, "after": here()}

    @app.get("/broken")
    def broken() -> str:
        raise LookupError

    @app.get("/stream")
    def stream() -> Any:
        def pieces() -> Iterator[str]:
            for number in range(3):
                time.sleep(PAUSE if number else 0)
                yield json.dumps(here()) + "\n"

        return Response(pieces())

    @app.get("/hold")
    def hold() -> Any:
        def pieces() -> Iterator[str]:
            yield "first "
            while GATE.settings.limit == 1:
                time.sleep(0.01)
            yield "last"

        return Response(pieces())

    app.wsgi_app = svcgov.wsgi(app.wsgi_app, **OPTIONS)  # type: ignore[method-assign]  # as Flask tells to
    return app


def governed(framework: str) -> Any:
    """The application: as a middleware of the framework, or around all of it."""
    if framework == "outermost":
        return svcgov.asgi(starlette(), **OPTIONS)
    app = {"starlette": starlette, "fastapi": fastapi}[framework]()
    app.add_middleware(svcgov.asgi, **OPTIONS)
    return app


def obey() -> None:
    """Set the limit to each number that is said on standard input."""
    for text in sys.stdin:
        GATE.reconfigure({"limit": int(text)})
        sys.stdout.write(f"limit {int(text)}\n")
        sys.stdout.flush()


def main(kind: str, framework: str) -> None:
    """Serve, and say on which port."""
    threading.Thread(target=obey, daemon=True).start()
    if kind == "wsgi":
        import logging

        from werkzeug.serving import make_server

        logging.disable()
        server = make_server("127.0.0.1", 0, flask(), threaded=True)
        sys.stdout.write(f"{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever()
        return
    import uvicorn

    door = socket.socket()
    door.bind(("127.0.0.1", 0))
    door.listen(512)
    sys.stdout.write(f"{door.getsockname()[1]}\n")
    sys.stdout.flush()
    config = uvicorn.Config(governed(framework), log_level="critical", access_log=False)
    uvicorn.Server(config).run(sockets=[door])


if __name__ == "__main__":
    main(*sys.argv[1:])
