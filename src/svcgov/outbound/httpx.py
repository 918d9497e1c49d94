"""httpx2 and httpx, sync and async: a transport around each transport of the client.

There everything the client does above (redirects, authentication, cookies, hooks) stays as it is, and each request that
it makes is governed by itself. A call ends when the head of the answer has arrived; a bulkhead waits for the end of its body.

Rule 1: `HttpxEdge` decides for both kinds of client, and keeps the rules of `_edge`; the two transports only stand there.
Rule 2: a transport of ours shows the attributes of the one inside, and so does a body that is held.
"""

from __future__ import annotations

import sys

from ..propagation._carrier import outgoing
from ._answers import answer_error_of, failing
from ._clip import GRACE, Clipped
from ._dressed import clothes_of
from ._edge import Edge, Exchange, asender, athrough, lacking, rewinds, sender, through, with_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType
    from typing import Any, Self

    from ..pipeline import Pipeline
    from ._holds import Hold
    from .target import Seat


def install(client: Any, base: type, *, target: str | None, pipeline: Pipeline, max_hold: float | None) -> None:
    """Put *pipeline* around every transport of *client*; *base* is its package's ``Client`` or ``AsyncClient``."""
    package = sys.modules[base.__module__.partition(".")[0]]
    plain = base.__name__ == "Client"
    wrap: Any = GovernedTransport if plain else AsyncGovernedTransport
    edge = HttpxEdge(package, target, plain=plain)
    edge.govern(sender if plain else asender, pipeline, package=package.__name__, client=base.__name__, max_hold=max_hold)
    client._transport = wrap(client._transport, edge)
    for pattern, transport in list(client._mounts.items()):
        client._mounts[pattern] = None if transport is None else wrap(transport, edge)


class HttpxEdge(Edge):
    """One governed client."""

    def __init__(self, package: Any, target: str | None, *, plain: bool) -> None:
        clothes = clothes_of(package, root="TransportError", refused="TransportError", late="TimeoutException")
        super().__init__(clothes, answer_error_of(package.HTTPStatusError), target)
        self.late: Any = package.TimeoutException
        self._package = package
        self._grace = 0.0 if plain else GRACE
        kind, base = (Body, package.SyncByteStream) if plain else (AsyncBody, package.AsyncByteStream)
        self._body: Any = type("Body", (kind, base), {})

    def exchange(self, send: Any, request: Any) -> Exchange | None:
        """What the attempts at *request* will share, if it is our business."""
        url = request.url
        place = self.ours(url.scheme, url.host, url.port)
        return None if place is None else Exchange(send, request, place, replayable=self._replayable(request.stream))

    def prepare(self, exchange: Exchange) -> Any:
        """The request to send now."""
        request = exchange.request
        now, deadline = self.attempt(exchange)
        headers = outgoing(now, ours=exchange.place.ours)
        seat = None if exchange.place.choose is None else self.seat(exchange)
        if deadline is None and not headers and seat is None:
            return request
        attempt = object.__new__(type(request))  # a copy by hand: the library's own would lose the body
        attempt.__dict__.update(request.__dict__)
        attempt.headers = self._with(request.headers, headers)
        if seat is not None:
            _send_to(seat, attempt)
        if deadline is not None:
            own = request.extensions.get("timeout", {})
            exchange.clip = Clipped(own, deadline, clock=exchange.way.governed.route.clock, began=now, grace=self._grace)
            attempt.extensions = {**request.extensions, "timeout": exchange.clip}
        return attempt

    def _with(self, headers: Any, extra: dict[str, str]) -> Any:
        if type(headers) is not self._package.Headers:
            return with_headers(headers.copy(), extra)
        copied = object.__new__(type(headers))  # as above: the library's own would look at each of them
        copied.__dict__.update(headers.__dict__)
        there = {name.decode("latin-1") for _, name, _ in headers._list}
        more = [(name.encode("ascii"), value.encode("ascii")) for name, value in lacking(extra, there)]
        copied._list = [*headers._list, *((name, name, value) for name, value in more)]
        return copied

    def judge(self, exchange: Exchange, response: Any) -> Any:
        """The head has arrived: from now on the deadline of the caller holds."""
        if exchange.clip is not None:
            exchange.clip.answered(exchange.deadline)
        if not failing(response.status_code):
            return response
        response.request = exchange.request
        raise self.failure(exchange, response)

    def lend(self, exchange: Exchange, response: Any) -> None:
        """The body is still to come, unless somebody has made the answer up; what a connection is upgraded to has none."""
        if not response.is_closed and response.status_code != 101:
            response.stream = self._body(response.stream, self.hold(exchange))

    def _replayable(self, stream: Any) -> bool:
        if isinstance(stream, self._package.ByteStream):
            return True
        fields = getattr(stream, "fields", None)  # of a multipart body; its files are rewound by the library
        return isinstance(fields, list) and all(rewinds(getattr(field, "file", b"")) for field in fields)


def _send_to(seat: Seat, attempt: Any) -> None:
    """Let *attempt* go to an instance; a ``Host`` that is not the URL's is the caller's."""
    url = attempt.url
    path = seat.path.encode() + url.raw_path
    attempt.url = url.copy_with(scheme=seat.scheme, host=seat.host, port=seat.port, raw_path=path)
    if attempt.headers.get("host") == url.netloc.decode("ascii"):
        attempt.headers["host"] = seat.netloc


class _Showing:
    """What stands in front of something, and shows its attributes."""

    _inner: Any

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._inner, name)


class _Held(_Showing):
    """What both kinds of bodies share."""

    def __init__(self, inner: Any, hold: Hold) -> None:
        self._inner = inner
        self._hold = hold


class Body(_Held):
    """The body of an answer whose permits are out."""

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._inner
        except GeneratorExit:  # who reads no further may still close it
            raise
        except BaseException as error:
            self._hold.end(error)
            raise
        self._hold.end()

    def close(self) -> None:
        """Close it."""
        try:
            self._inner.close()
        finally:
            self._hold.end()


class AsyncBody(_Held):
    """As `Body`, for clients of tasks."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                yield part
        except GeneratorExit:  # as above
            raise
        except BaseException as error:
            self._hold.end(error)
            raise
        self._hold.end()

    async def aclose(self) -> None:
        """Close it."""
        try:
            await self._inner.aclose()
        finally:
            self._hold.end()


class _Around(_Showing):
    """What both kinds of transports share."""

    def __init__(self, inner: Any, edge: HttpxEdge) -> None:
        self._inner = inner
        self._edge = edge

    def __repr__(self) -> str:
        return f"<governed {self._inner!r}>"


class GovernedTransport(_Around):
    """The transport of a governed ``Client``."""

    def handle_request(self, request: Any) -> Any:
        """Send *request* through the policies."""
        edge, send = self._edge, self._inner.handle_request
        exchange = edge.exchange(send, request)
        return send(request) if exchange is None else through(edge, exchange)

    def close(self) -> None:
        """Close the transport inside."""
        self._inner.close()

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._inner.__exit__(kind, error, trace)


class AsyncGovernedTransport(_Around):
    """The transport of a governed ``AsyncClient``."""

    async def handle_async_request(self, request: Any) -> Any:
        """Send *request* through the policies."""
        edge, send = self._edge, self._inner.handle_async_request
        exchange = edge.exchange(send, request)
        return await (send(request) if exchange is None else athrough(edge, exchange))

    async def aclose(self) -> None:
        """Close the transport inside."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._inner.__aexit__(kind, error, trace)
