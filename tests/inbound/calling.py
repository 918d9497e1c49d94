"""Functions of both kinds on the ways in that leave them what they are, and what a framework calls them with."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Any

from flask import Request as FlaskRequest
from starlette import responses as _responses  # noqa: F401  # as in the framework, which has loaded it
from starlette.requests import Request as StarletteRequest
from werkzeug.test import EnvironBuilder

import svcgov
from svcgov import Governor

if TYPE_CHECKING:
    from collections.abc import Callable


CLIENT = "203.0.113.7"


def flask(path: str = "/orders", method: str = "POST", client: str = CLIENT, **headers: str) -> Any:
    """A request as Flask has it; names of headers with ``_`` for ``-``."""
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    builder = EnvironBuilder(path=path, method=method, headers=named, environ_base={"REMOTE_ADDR": client})
    return FlaskRequest(builder.get_environ())


def starlette(path: str = "/orders", method: str = "POST", client: str = CLIENT, **headers: str) -> Any:
    """The same as Starlette has it."""
    pairs = [(name.replace("_", "-").lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return StarletteRequest(
        {"type": "http", "method": method, "path": path, "headers": pairs, "client": (client, 4711), "query_string": b""}
    )


class Event:
    """A CloudEvent, as much of it as is used, in the newer generation of its package."""

    def __init__(self, **attributes: Any) -> None:
        self.attributes = {"id": "event-1", "source": "/shop", "type": "order.placed", **attributes}

    def get_attributes(self) -> dict[str, Any]:
        """Names in lower case."""
        return self.attributes


_USUAL = object()


class Called:
    """A function of either kind on a way in, which does what it is told and writes down what it saw."""

    def __init__(self, kind: str, way: str, **options: Any) -> None:
        self.kind = kind
        self.way = way
        self.seen: list[Any] = []
        self.rooms: list[set[str]] = []
        self.steps: list[Callable[[], Any]] = []
        self.governor = Governor(service="orders", version="7", colours=["blue", "green"], clock=options.pop("clock", None))

        def serve(given: Any, *more: Any, extra: int = 0) -> Any:
            """Serve it."""
            self.seen.append(svcgov.current())
            self.rooms.append(rooms())
            return self.steps.pop(0)() if self.steps else "answer"

        async def aserve(given: Any, *more: Any, extra: int = 0) -> Any:
            """Serve it."""
            await asyncio.sleep(0)
            return serve(given, *more, extra=extra)

        self.inner: Any = serve if kind == "sync" else aserve
        self.function: Any = getattr(self.governor, way)(**options)(self.inner)

    def given(self, **headers: str) -> Any:
        """What the framework calls it with."""
        if self.way == "cloud_event":
            return Event(**{name.replace("_", ""): value for name, value in headers.items()})
        return flask(**headers) if self.kind == "sync" else starlette(**headers)

    def __call__(self, given: Any = _USUAL, *args: Any, **kw: Any) -> Any:
        """Call it, and wait for what comes of it."""
        answer = self.function(self.given() if given is _USUAL else given, *args, **kw)
        return asyncio.run(_whole(answer)) if self.kind == "async" else answer


async def _whole(answer: Any) -> Any:
    return await answer


def rooms() -> set[str]:
    """The modules of ours that have a frame in the call under way."""
    found, frame = set(), sys._getframe()
    while frame.f_back is not None:
        frame = frame.f_back
        found.add(str(frame.f_globals.get("__name__")))
    return {name for name in found if name.startswith("svcgov.")}


def told(answer: Any) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of an answer of ours, as either framework takes it."""
    if isinstance(answer, tuple):
        body, status, headers = answer
        return status, dict(headers), body
    return answer.status_code, dict(answer.headers), answer.body.decode()
