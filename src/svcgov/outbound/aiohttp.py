"""aiohttp: the innermost middleware of each call of a ``ClientSession``, by a class of ours above the session's own.

There everything the session does above (redirects, cookies, authentication, its other middlewares, tracing) stays as it is,
and each request that it makes is governed by itself. A call ends when the head of the answer has arrived: for a websocket,
when the connection is one. A bulkhead waits for the end of the body.

Rule 1: aiohttp repeats a request whose connection broke, used before or not. That is off, and done here instead: once, for a
        connection that had been used before, and where the request may be repeated. No policy hears of it.
Rule 2: the session's ``total`` is a deadline of the call, and told as one. aiohttp cancels the task for it, which is no verdict:
        so it becomes a time-out where it strikes.
Rule 3: an answer that is no HTTP is a status error in aiohttp; here it is a connection that broke, too.
"""

from __future__ import annotations

import sys
from functools import lru_cache

from .._core._context import DEADLINE
from ..errors import DeadlineExceededError
from ..propagation._carrier import outgoing
from ._answers import answer_error_of, failing
from ._clip import GRACE, LEAST, Allowed
from ._dressed import clothes_of
from ._edge import Edge, Exchange, asender, athrough, rewinds, with_headers
from ._joint import become, joint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ..pipeline import Pipeline
    from ._answers import AnswerError
    from .target import Place, Seat

_AFTER = 0.25  # seconds after the session's total, when policies would end an attempt: it has ended by itself then


def install(session: Any, base: type, *, target: str | None, pipeline: Pipeline, max_hold: float | None) -> None:
    """Put *pipeline* around every request that *session* makes."""
    edge = AiohttpEdge(sys.modules["aiohttp"], target, session.trace_configs)
    edge.govern(asender, pipeline, package="aiohttp", client=base.__name__, max_hold=max_hold)
    session._retry_connection = False
    object.__setattr__(session, "_svcgov", edge)
    become(session, GovernedSession)


class AiohttpEdge(Edge):
    """One governed session."""

    def __init__(self, package: Any, target: str | None, hooks: list[Any]) -> None:
        clothes = clothes_of(
            package, root="ClientError", refused="ClientConnectionError", late="ServerTimeoutError", sign=_signed
        )
        super().__init__(clothes, answer_error_of(package.ClientResponseError), target)
        self.late: Any = TimeoutError  # those of aiohttp among them
        self.package = package
        self._hooks = hooks
        self.asyncio: Any = sys.modules["asyncio"]
        self.broken: tuple[Any, Any] = package.ClientOSError, package.ServerDisconnectedError
        both = package.ClientResponseError, package.ClientConnectionError
        self.garbled: Any = type("ClientResponseError", both, {"__module__": "aiohttp"})

    def senders(self, exchange: Any) -> tuple[Any, ...]:
        """What is called at the end of a request of the session's: instrumentations stand there."""
        return tuple(hook for hooks in self._hooks for hook in hooks.on_request_end)

    def prepare(self, exchange: Any) -> Any:
        """The request to send now."""
        request, end = exchange.request, exchange.ends
        now, deadline = self.attempt(exchange)
        if deadline is not None and (end is None or deadline < end):  # else it is the session's own
            exchange.clip = Allowed(deadline, clock=exchange.way.governed.route.clock, began=now)
            # A deadline that is not the caller's is that of a policy, which cancels the attempt by itself.
            exchange.left = max(deadline + GRACE - now, LEAST) if deadline == exchange.deadline else None
        attempt = copied(request)
        told = end if exchange.clip is None else deadline
        attempt.headers = with_headers(request.headers.copy(), outgoing(now, ours=exchange.place.ours, until=told))
        seat = None if exchange.place.choose is None else self.seat(exchange)
        if seat is not None:
            _send_to(seat, attempt)
        return attempt

    def attempt(self, exchange: Any) -> tuple[float, float | None]:
        """As any other; the session's own time may be up, too."""
        if exchange.sent and exchange.ends is not None and exchange.ends - self.clock() < LEAST:
            raise DeadlineExceededError(exchange.way.governed.name, "expired")
        return super().attempt(exchange)

    def judge(self, exchange: Exchange, response: Any) -> Any:
        """The head has arrived."""
        if failing(response.status):
            raise self.failure(exchange, response)
        return response

    def failure(self, exchange: Exchange, response: Any) -> AnswerError:
        """With all that an error about a status has in aiohttp."""
        error: Any = super().failure(exchange, response)
        error.status, error.message, error.headers = response.status, response.reason, response.headers
        error.request_info, error.history = response.request_info, response.history
        return error  # type: ignore[no-any-return]  # as `Edge.failure` says

    def lend(self, exchange: Exchange, response: Any) -> None:
        """The body is still to come while there is a connection; what that is upgraded to has none."""
        connection = response.connection
        if connection is not None and response.status != 101:
            connection.add_callback(self.hold(exchange).end)

    async def adiscard(self, exchange: Any, response: Any) -> None:
        """An answer that has been read to its end leaves its connection behind."""
        response.release()


class Hop(Exchange):
    """One request of a session: its attempts, each one request on the wire, or two if the first met a dead connection."""

    __slots__ = ("_edge", "_handler", "_last", "ends", "left")

    def __init__(self, edge: AiohttpEdge, handler: Any, request: Any, place: Place, ends: float | None) -> None:
        super().__init__(self._sent, request, place, replayable=_replayable(edge.package, request.body))
        self._edge = edge
        self._handler: Callable[[Any], Awaitable[Any]] = handler
        self._last: Any = None
        self.ends: float | None = ends  # when the session's own time is up, on the clock of the policies
        self.left: float | None = None  # seconds, for the attempt under way, if that is not up to the session

    async def _sent(self, attempt: Any) -> Any:
        edge = self._edge
        task = edge.asyncio.current_task()
        before = task.cancelling()
        try:
            if self.left is None:
                return await self._met(attempt)
            async with edge.asyncio.timeout(self.left):
                return await self._met(attempt)
        except edge.package.ClientResponseError as error:
            if type(error) is edge.package.ClientResponseError:
                error.__class__ = edge.garbled
            raise
        except edge.asyncio.CancelledError as error:
            if task.cancelling() != before + 1 or not _struck(attempt._timer):
                raise
            task.uncancel()  # as aiohttp would, further out
            raise TimeoutError from error

    async def _met(self, attempt: Any) -> Any:
        edge = self._edge
        try:
            return await self._once(attempt)
        except edge.broken:
            if not attempt.used or not edge.repeatable(self):
                raise
        return await self._once(copied(attempt))

    async def _once(self, attempt: Any) -> Any:
        last, self._last = self._last, attempt
        if last is not None:
            await last.close()  # what it was still sending is sent by this one
        return await self._handler(attempt)


def _send_to(seat: Seat, attempt: Any) -> None:
    """Let *attempt* go to an instance; a ``Host`` that is not the URL's is the caller's."""
    url = attempt.url
    attempt.url = type(url)(seat.url(url.raw_path_qs), encoded=True)
    if attempt.headers.get("Host") == url.host_port_subcomponent:
        attempt.headers["Host"] = seat.netloc


class Call:
    """One call of a session, as its last middleware."""

    __slots__ = ("_edge", "_ends")

    def __init__(self, edge: AiohttpEdge, ends: float | None) -> None:
        self._edge = edge
        self._ends = ends

    async def __call__(self, request: Any, handler: Any) -> Any:
        """Send *request* through the policies."""
        edge, url = self._edge, request.url
        place = edge.ours(url.scheme, url.host or "", url.port)
        if place is None:
            return await handler(request)
        ends, deadline = self._ends, DEADLINE.get()
        hop = Hop(edge, handler, request, place, ends)
        if ends is None or (deadline is not None and deadline <= ends):
            return await athrough(edge, hop)
        token = DEADLINE.set(ends + _AFTER)
        try:
            return await athrough(edge, hop)
        finally:
            DEADLINE.reset(token)


class GovernedSession:
    """What a governed session is besides its own class."""

    def __init_subclass__(cls, **options: Any) -> None:
        """aiohttp warns whoever derives from a session: this here is not meant."""

    async def _request(self: Any, method: str, url: Any, **options: Any) -> Any:
        """Ask for *url*; the requests that are made on the way are governed."""
        edge, given = self._svcgov, options.get("middlewares")
        own = _own_timeout(edge.package, options["timeout"], self._timeout) if "timeout" in options else self._timeout
        total = own.total or None  # zero is none, too
        now, deadline = edge.clock(), DEADLINE.get()
        call = Call(edge, None if total is None else now + total)
        options["middlewares"] = (*(self._middlewares if given is None else given), call)
        options["timeout"] = _within(own, total, None if deadline is None else deadline - now)
        return await super()._request(method, url, **options)  # type: ignore[misc]  # of the session's own class


class Attempt:
    """What an attempt is besides a request: it knows whether its connection was used before."""

    used: bool = False

    async def send(self, connection: Any) -> Any:
        """Send it."""
        protocol = connection.protocol
        self.used = hasattr(protocol, "_svcgov_used")
        protocol._svcgov_used = True
        return await super().send(connection)  # type: ignore[misc]  # of the request's own class


def copied(request: Any) -> Any:
    """An attempt at *request*."""
    kind: type = type(request)
    attempt: Any = object.__new__(_kind_of(kind))
    attempt.__dict__.update(request.__dict__)
    if attempt._continue is not None:
        attempt._continue = attempt.loop.create_future()  # each waits for a 100 of its own
    return attempt


@lru_cache(maxsize=64)
def _kind_of(kind: type) -> type:
    """The class of the attempts at requests of this class."""
    return kind if issubclass(kind, Attempt) else joint(Attempt, kind)


def _struck(timer: Any) -> bool:
    """Whether the time of the session's own is up."""
    try:
        timer.assert_timeout()
    except TimeoutError:
        return True
    return False


def _own_timeout(package: Any, timeout: Any, default: Any) -> Any:
    """The caller's *timeout*, which may be a number; what is neither is the session's own."""
    if isinstance(timeout, package.ClientTimeout):
        return timeout
    if timeout is None or isinstance(timeout, (int, float)):
        return package.ClientTimeout(total=timeout)
    return default


def _within(own: Any, total: float | None, left: float | None) -> Any:
    """The time-outs of a call of which the caller has *left* so much; a body keeps to that, too."""
    if left is None:
        return own
    left = max(left, 0.0) + 2 * GRACE  # an attempt ends by itself before
    if total is not None and total <= left:
        return own
    exact = float("inf")  # else a longer one would be rounded up to a whole second
    return type(own)(
        total=left, connect=own.connect, sock_connect=own.sock_connect, sock_read=own.sock_read, ceil_threshold=exact
    )


def _replayable(package: Any, body: Any) -> bool:
    if not body or isinstance(body, package.BytesPayload):
        return True
    if isinstance(body, package.MultipartWriter):
        return all(_replayable(package, part) for part, *_ in body)
    return isinstance(body, package.payload.IOBasePayload) and rewinds(body._value)


def _signed(error: Any, request: Any) -> None:
    error.url, error.method = request.url, request.method
