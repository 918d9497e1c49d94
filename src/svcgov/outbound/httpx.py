"""httpx2 and httpx, sync and async: a transport around each transport of the client.

There everything the client does above (redirects, authentication, cookies, hooks) stays as it is, and each request that
it makes is governed by itself. A call ends when the head of the answer has arrived.

Rule 1: `HttpxEdge` decides for both kinds of client, and keeps the rules of `_edge`; the two transports only stand there.
Rule 2: a transport of ours shows the attributes of the one inside.
"""

from __future__ import annotations

import sys

from ..propagation._carrier import outgoing
from ._answers import answer_error_of, failing
from ._clip import GRACE, Clipped
from ._dressed import clothes_of
from ._edge import Edge, Exchange, asender, athrough, rewinds, sender, through, with_headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

    from ..pipeline import Pipeline


def install(client: Any, base: type, *, target: str | None, pipeline: Pipeline) -> None:
    """Put *pipeline* around every transport of *client*; *base* is its package's ``Client`` or ``AsyncClient``."""
    package = sys.modules[base.__module__.partition(".")[0]]
    plain = base.__name__ == "Client"
    wrap: Any = GovernedTransport if plain else AsyncGovernedTransport
    edge = HttpxEdge(package, target, grace=0.0 if plain else GRACE)
    edge.govern(sender(edge) if plain else asender(edge), pipeline, package=package.__name__, client=base.__name__)
    client._transport = wrap(client._transport, edge)
    for pattern, transport in list(client._mounts.items()):
        client._mounts[pattern] = None if transport is None else wrap(transport, edge)


class HttpxEdge(Edge):
    """One governed client."""

    def __init__(self, package: Any, target: str | None, *, grace: float) -> None:
        clothes = clothes_of(package, root="TransportError", refused="TransportError", late="TimeoutException")
        super().__init__(clothes, answer_error_of(package.HTTPStatusError), target)
        self.late: Any = package.TimeoutException
        self._package = package
        self._grace = grace

    def governs(self, url: Any) -> bool:
        """Whether a request to *url* is our business."""
        return not self.passes(url.host, url.port or (443 if url.scheme == "https" else 80))

    def exchange(self, send: Any, request: Any) -> Exchange:
        """What the attempts at *request* will share."""
        return Exchange(send, request, replayable=self._replayable(request.stream))

    def prepare(self, exchange: Exchange) -> Any:
        """The request to send now."""
        request = exchange.request
        now, deadline = self.attempt(exchange)
        headers = outgoing(now, ours=self._ours)
        if deadline is None and not headers:
            return request
        attempt = object.__new__(type(request))  # a copy by hand: the library's own would lose the body
        attempt.__dict__.update(request.__dict__)
        attempt.headers = with_headers(request.headers.copy(), headers)
        if deadline is not None:
            own = request.extensions.get("timeout", {})
            exchange.clip = Clipped(own, deadline, clock=self._governed.route.clock, began=now, grace=self._grace)
            attempt.extensions = {**request.extensions, "timeout": exchange.clip}
        return attempt

    def judge(self, exchange: Exchange, response: Any) -> Any:
        """The head has arrived: from now on the deadline of the caller holds."""
        if exchange.clip is not None:
            exchange.clip.answered(exchange.deadline)
        if not failing(response.status_code):
            return response
        response.request = exchange.request
        raise self.failure(exchange, response)

    def _replayable(self, stream: Any) -> bool:
        if isinstance(stream, self._package.ByteStream):
            return True
        fields = getattr(stream, "fields", None)  # of a multipart body; its files are rewound by the library
        return isinstance(fields, list) and all(rewinds(getattr(field, "file", b"")) for field in fields)


class _Around:
    """What both kinds share: they stand in front of a transport and show its attributes."""

    def __init__(self, inner: Any, edge: HttpxEdge) -> None:
        self._inner = inner
        self._edge = edge

    def __getattr__(self, name: str) -> Any:
        if name == "_inner":  # a copy that is not filled yet
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return f"<governed {self._inner!r}>"


class GovernedTransport(_Around):
    """The transport of a governed ``Client``."""

    def handle_request(self, request: Any) -> Any:
        """Send *request* through the policies."""
        edge, send = self._edge, self._inner.handle_request
        return through(edge, edge.exchange(send, request)) if edge.governs(request.url) else send(request)

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
        return await (athrough(edge, edge.exchange(send, request)) if edge.governs(request.url) else send(request))

    async def aclose(self) -> None:
        """Close the transport inside."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._inner.__aexit__(kind, error, trace)
