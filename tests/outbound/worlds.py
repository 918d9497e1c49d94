"""Four worlds: httpx2 and httpx, each sync and async. A scenario is written once, as a plain function, and run in all.

In an async world `World.call` runs the client's coroutine on one loop that lives as long as the test.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import httpx
import httpx2

from svcgov import Pipeline, retry
from svcgov._core._context import INVOCATION, Invocation, Trace
from svcgov.outbound.govern import govern
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from svcgov.pipeline import Policy

WORLDS = [(package, kind) for package in (httpx2, httpx) for kind in ("sync", "async")]
NAMES = [f"{package.__name__}-{kind}" for package, kind in WORLDS]
URL = "http://payments.test/charge"
TRACE = Trace(trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", sampled=True)


@contextmanager
def invoked(**fields: Any) -> Iterator[None]:
    """Inside a coloured and traced invocation."""
    token = INVOCATION.set(Invocation(platform="lambda", colour="blue", trace=TRACE, **fields))
    try:
        yield
    finally:
        INVOCATION.reset(token)


def again(attempts: int = 3, **options: Any) -> Any:
    """A retry that does not wait."""
    return retry(attempts=attempts, backoff=0, budget=None, **options)


class Clock(ManualClock):
    """Moves only by sleeping, and writes the sleeps down."""

    def __init__(self) -> None:
        super().__init__(auto=True)
        self.slept: list[float] = []

    def sleep(self, seconds: float, /) -> None:
        """Advance at once."""
        self.slept.append(seconds)
        super().sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Advance at once."""
        self.slept.append(seconds)
        await super().asleep(seconds)


class World:
    """One package, sync or async."""

    def __init__(self, package: Any, kind: str) -> None:
        self.package = package
        self.kind = kind
        self._runner = asyncio.Runner()
        self._clients: list[Any] = []

    def call(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """What *fn* returns, waited for where it has to be."""
        made = fn(*args, **kwargs)
        return self._runner.run(made, context=copy_context()) if asyncio.iscoroutine(made) else made

    def client(self, transport: Any = None, **options: Any) -> Any:
        """A client, closed when the test ends."""
        made = (self.package.Client if self.kind == "sync" else self.package.AsyncClient)(transport=transport, **options)
        self._clients.append(made)
        return made

    def governed(self, transport: Any, *policies: Policy, target: str | None = "payments", **options: Any) -> Any:
        """A governed client on a made-up wire."""
        return govern(self.client(transport, **options), target=target, pipeline=Pipeline(*policies))

    def wire(self, *outcomes: Any) -> Wire:
        """A made-up wire with these outcomes, one for each request; the last one goes on."""
        bases = (Wire, self.package.BaseTransport, self.package.AsyncBaseTransport)
        made: Wire = type("Wire", bases, {})(self.package, outcomes)
        return made

    def body(self, parts: list[bytes]) -> Any:
        """A request body that can be read once."""

        async def later() -> AsyncIterator[bytes]:
            for part in parts:
                yield part

        return (part for part in parts) if self.kind == "sync" else later()

    def streamed(self, client: Any, url: str) -> list[bytes]:
        """The body of a GET, part by part."""

        def read() -> list[bytes]:
            with client.stream("GET", url) as response:
                return list(response.iter_raw())

        async def aread() -> list[bytes]:
            async with client.stream("GET", url) as response:
                return [part async for part in response.aiter_raw()]

        parts: list[bytes] = self.call(read if self.kind == "sync" else aread)
        return parts

    def close(self) -> None:
        """Close what the test has opened."""
        for client in self._clients:
            self.call(client.close if self.kind == "sync" else client.aclose)
        self._runner.close()


def opened(package: Any, kind: str) -> Iterator[World]:
    """For fixtures: a world that is closed afterwards."""
    world = World(package, kind)
    try:
        yield world
    finally:
        world.close()


class Wire:
    """A transport without a network: statuses, answers, errors or functions of the request, in turn.

    Attributes:
        requests: what was sent.
        open: answers that were given and not closed yet.
        closed: how often the transport itself was closed.
        open_when_asked: what ``open`` was when each request came.
    """

    def __init__(self, package: Any, outcomes: tuple[Any, ...]) -> None:
        self.package = package
        self.outcomes = list(outcomes)
        self.requests: list[Any] = []
        self.bodies: list[bytes] = []
        self.open_when_asked: list[int] = []
        self.open = 0
        self.closed = 0

    def handle_request(self, request: Any) -> Any:
        """Answer, sync."""
        self.bodies.append(b"".join(request.stream))
        return self._answer(request)

    async def handle_async_request(self, request: Any) -> Any:
        """Answer, async."""
        self.bodies.append(b"".join([part async for part in request.stream]))
        return self._answer(request)

    def close(self) -> None:
        """Count."""
        self.closed += 1

    async def aclose(self) -> None:
        """Count."""
        self.closed += 1

    def response(self, status: int, headers: dict[str, str] | None = None, body: bytes = b"body") -> Any:
        """An answer whose closing is counted."""
        self.open += 1
        bases = (Counted, self.package.SyncByteStream, self.package.AsyncByteStream)
        return self.package.Response(status, headers=headers, stream=type("Counted", bases, {})(self, body))

    def _answer(self, request: Any) -> Any:
        self.open_when_asked.append(self.open)
        self.requests.append(request)
        outcome = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(outcome, BaseException):
            raise outcome
        if callable(outcome):
            return outcome(request)
        status, headers = outcome if isinstance(outcome, tuple) else (outcome, None)
        return self.response(status, headers)


class Counted:
    """A body whose end is counted."""

    def __init__(self, wire: Wire, body: bytes) -> None:
        self.wire = wire
        self.body = body
        self.ended = False

    def __iter__(self) -> Iterator[bytes]:
        yield self.body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.body

    def close(self) -> None:
        """Count, once."""
        self.wire.open -= not self.ended
        self.ended = True

    async def aclose(self) -> None:
        """Count, once."""
        self.close()
