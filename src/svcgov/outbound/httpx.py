"""httpx2 and httpx, sync and async: a transport around each transport of the client.

There everything the client does above (redirects, authentication, cookies, hooks) stays as it is, and each request that
it makes is governed by itself. A call ends when the head of the answer has arrived.

Rule 1: what to do is decided in plain methods of `Edge`; the two transports only do it, one waiting, one awaiting.
Rule 2: the caller's request is never changed: each attempt sends a copy with fresh headers and clipped time-outs.
Rule 3: a failing answer is an error to the policies and an answer to the caller, who gets the last one; an earlier one
        is closed before the next attempt is sent, and in any case when the call ends otherwise.
Rule 4: a body that can be sent once is sent once, whatever a retry was told.
"""

from __future__ import annotations

import sys
from contextlib import suppress

from .._core._context import DEADLINE, REPEATABLE
from ..errors import CallTimeoutError, DeadlineExceededError, RejectedError
from ..propagation._carrier import outgoing
from ._answers import AnswerError, answer_error_of, failing
from ._clip import GRACE, LEAST, Clipped
from ._control import control_authorities, link_local
from ._dressed import dress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType
    from typing import Any, Self

    from ..pipeline import Pipeline

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # idempotent by RFC 9110, 9.2.2


def install(client: Any, base: type, *, target: str | None, pipeline: Pipeline) -> None:
    """Put *pipeline* around every transport of *client*; *base* is its package's ``Client`` or ``AsyncClient``."""
    wrap: Any = GovernedTransport if base.__name__ == "Client" else AsyncGovernedTransport
    edge = Edge(sys.modules[base.__module__.partition(".")[0]], target, grace=wrap.grace)
    edge.govern(wrap.sender(edge), pipeline, target or base.__name__)
    client._transport = wrap(client._transport, edge)
    for pattern, transport in list(client._mounts.items()):
        client._mounts[pattern] = None if transport is None else wrap(transport, edge)


class Exchange:
    """One request on its way through the policies: what its attempts know of one another."""

    __slots__ = ("clip", "deadline", "open", "replayable", "request", "sent", "transport")

    def __init__(self, transport: Any, request: Any, *, replayable: bool) -> None:
        self.transport = transport
        self.request = request
        self.replayable = replayable  # whether its body can be sent again
        self.deadline = DEADLINE.get()  # the caller's, before the policies tighten it
        self.clip: Clipped | None = None
        self.sent = False
        self.open: Any = None  # a failing answer that is not closed yet


class Edge:
    """One governed client: all that is decided, for both kinds."""

    call: Any

    def __init__(self, package: Any, target: str | None, *, grace: float) -> None:
        self.package = package
        self.late: type[Exception] = package.TimeoutException
        self._answer_error = answer_error_of(package)
        self._ours = target is not None
        self._grace = grace
        self._control = control_authorities()

    def govern(self, send: Any, pipeline: Pipeline, name: str) -> None:
        """Build the frames around *send*, once."""
        send.__module__, send.__qualname__ = self.package.__name__, name  # whom records and refusals speak of
        self.call = pipeline.around(send, edge=True, service=name if self._ours else None)
        self._governed = self.call.__svcgov__

    def passes(self, url: Any) -> bool:
        """Whether a request to *url* is control traffic, and none of our business."""
        host = url.host
        return link_local(host) or (host, url.port or (443 if url.scheme == "https" else 80)) in self._control

    def exchange(self, transport: Any, request: Any) -> Exchange:
        """What the attempts at *request* will share."""
        return Exchange(transport, request, replayable=self._replayable(request.stream))

    def repeatable(self, exchange: Exchange) -> bool:
        """Whether the request may be made twice."""
        request = exchange.request
        return exchange.replayable and (request.method in _REPEATABLE or "idempotency-key" in request.headers)

    def prepare(self, exchange: Exchange) -> Any:
        """The request to send now, for one attempt.

        Raises:
            RejectedError: for a further attempt when the body cannot be sent again.
            DeadlineExceededError: for a further attempt when there is no time for one.
        """
        request = exchange.request
        now = self._governed.route.clock()
        deadline = DEADLINE.get()
        if exchange.sent:
            if not exchange.replayable:
                raise RejectedError(self._governed.name, "body_sent")
            if deadline is not None and deadline - now < LEAST:
                raise DeadlineExceededError(self._governed.name, "expired")
        exchange.sent = True
        headers = outgoing(now, ours=self._ours)
        if deadline is None and not headers:
            return request
        attempt = object.__new__(type(request))  # a copy by hand: the library's own would lose the body
        attempt.__dict__.update(request.__dict__)
        attempt.headers = _with(request.headers, headers)
        if deadline is not None:
            own = request.extensions.get("timeout", {})
            exchange.clip = Clipped(own, deadline, clock=self._governed.route.clock, began=now, grace=self._grace)
            attempt.extensions = {**request.extensions, "timeout": exchange.clip}
        return attempt

    def judge(self, exchange: Exchange, response: Any) -> Any:
        """The answer's head has arrived: hand it on, or raise it when its status says no."""
        if exchange.clip is not None:
            exchange.clip.answered(exchange.deadline)
        if not failing(response.status_code):
            return response
        exchange.open = response
        response.request = exchange.request
        raise self._answer_error(response, exchange.request)

    def expiry(self, exchange: Exchange, error: BaseException) -> BaseException:
        """What a time-out of the client is: ours if the deadline caused it, else its own."""
        clip = exchange.clip
        if clip is None or isinstance(error, CallTimeoutError) or not clip.expired():
            return error
        late = CallTimeoutError("deadline", "attempt", clip.seconds)
        dress(late, self.package, exchange.request, like=error)
        return late

    def ended(self, exchange: Exchange, error: BaseException) -> None:
        """The call ends with *error*, which is dressed if it is ours."""
        if isinstance(error, (RejectedError, CallTimeoutError)):
            dress(error, self.package, exchange.request)

    def _replayable(self, stream: Any) -> bool:
        if isinstance(stream, self.package.ByteStream):
            return True
        fields = getattr(stream, "fields", None)  # of a multipart body; its files are rewound by the library
        return isinstance(fields, list) and all(_rewinds(getattr(field, "file", b"")) for field in fields)


def _rewinds(file: Any) -> bool:
    try:
        return isinstance(file, (str, bytes)) or bool(file.seekable())
    except Exception:  # whatever it is, it does not say that it can
        return False


def _with(headers: Any, extra: dict[str, str]) -> Any:
    """The caller's *headers* and ours; what the caller has set stands."""
    both = headers.copy()
    for name, value in extra.items():
        # A state of ours would not belong to a trace of the caller's.
        if name not in headers and not (name == "tracestate" and "traceparent" in headers):
            both[name] = value
    return both


class _Around:
    """What both kinds share: they stand in front of a transport and show its attributes."""

    def __init__(self, inner: Any, edge: Edge) -> None:
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

    grace = 0.0

    @staticmethod
    def sender(edge: Edge) -> Callable[[Exchange], Any]:
        """The innermost frame: one attempt."""

        def send(exchange: Exchange) -> Any:
            request = edge.prepare(exchange)
            _close(exchange)
            try:
                response = exchange.transport.handle_request(request)
            except edge.late as error:
                expiry = edge.expiry(exchange, error)
                if expiry is error:
                    raise
                raise expiry from error
            return edge.judge(exchange, response)

        return send

    def handle_request(self, request: Any) -> Any:
        """Send *request* through the policies."""
        edge = self._edge
        if edge.passes(request.url):
            return self._inner.handle_request(request)
        exchange = edge.exchange(self._inner, request)
        token = REPEATABLE.set(edge.repeatable(exchange))
        try:
            return edge.call(exchange)
        except AnswerError as answer:
            return answer.response
        except BaseException as error:
            edge.ended(exchange, error)
            _close(exchange)
            raise
        finally:
            REPEATABLE.reset(token)

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

    grace = GRACE

    @staticmethod
    def sender(edge: Edge) -> Callable[[Exchange], Awaitable[Any]]:
        """The innermost frame: one attempt."""

        async def send(exchange: Exchange) -> Any:
            request = edge.prepare(exchange)
            await _aclose(exchange)
            try:
                response = await exchange.transport.handle_async_request(request)
            except edge.late as error:
                expiry = edge.expiry(exchange, error)
                if expiry is error:
                    raise
                raise expiry from error
            return edge.judge(exchange, response)

        return send

    async def handle_async_request(self, request: Any) -> Any:
        """Send *request* through the policies."""
        edge = self._edge
        if edge.passes(request.url):
            return await self._inner.handle_async_request(request)
        exchange = edge.exchange(self._inner, request)
        token = REPEATABLE.set(edge.repeatable(exchange))
        try:
            return await edge.call(exchange)
        except AnswerError as answer:
            return answer.response
        except BaseException as error:
            edge.ended(exchange, error)
            await _aclose(exchange)
            raise
        finally:
            REPEATABLE.reset(token)

    async def aclose(self) -> None:
        """Close the transport inside."""
        await self._inner.aclose()

    async def __aenter__(self) -> Self:
        await self._inner.__aenter__()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self._inner.__aexit__(kind, error, trace)


def _close(exchange: Exchange) -> None:
    """Close the failing answer that nobody will read."""
    answer, exchange.open = exchange.open, None
    if answer is not None:
        with suppress(Exception):  # what goes wrong here is not the caller's affair
            answer.close()


async def _aclose(exchange: Exchange) -> None:
    answer, exchange.open = exchange.open, None
    if answer is not None:
        with suppress(Exception):  # as above
            await answer.aclose()
