"""urllib3: in front of the pool that a ``PoolManager`` asks, by a class of ours above the manager's own.

The manager follows redirects as ever, and each hop that it asks a pool for is a request of its own, with attempts of its
own. Whatever patches ``HTTPConnectionPool.urlopen`` is inside an attempt. A call ends when the head of the answer has
arrived, or, where the content is preloaded, when all of it has; a bulkhead waits for the end of the body.

Rule 1: only what goes through the manager's ``urlopen`` is governed: who takes a pool from it gets the plain one.
Rule 2: urllib3's own retries are off while the policies retry, and untouched else; redirects are counted by them anyway.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar

from .._policy import active
from ..propagation._carrier import outgoing
from ._answers import AnswerError, failing
from ._clip import LEAST, Allowed
from ._dressed import clothes_of
from ._edge import Edge, Exchange, rewinds, sender, through, with_headers
from ._joint import become

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..pipeline import Pipeline

_kinds: set[type] = set()  # of bodies that were lent: held, else they would be made anew for each
_ASKING: ContextVar[Any] = ContextVar("svcgov.urllib3", default=None)  # the manager whose urlopen is under way


def install(manager: Any, base: type, *, target: str | None, pipeline: Pipeline, max_hold: float | None) -> None:
    """Put *pipeline* around every request that *manager* makes."""
    edge = Urllib3Edge(sys.modules["urllib3"], target, retries=retries_in(pipeline))
    edge.govern(sender, pipeline, package="urllib3", client=base.__name__, max_hold=max_hold)
    manager._svcgov = edge
    become(manager, GovernedManager)


class Urllib3Edge(Edge):
    """One governed manager."""

    def __init__(self, package: Any, target: str | None, *, retries: bool) -> None:
        errors = package.exceptions
        clothes = clothes_of(errors, root="HTTPError", refused="ProtocolError", late="TimeoutError", sign=_signed)
        super().__init__(clothes, AnswerError, target)
        self.late: Any = (errors.TimeoutError, errors.EmptyPoolError, errors.MaxRetryError)
        self._package = package
        self._retries = retries
        self._quiet: tuple[Any, Any] = None, None  # the last one of the client's own, and what stands for it

    def senders(self, exchange: Any) -> tuple[Any, ...]:
        """The pool's own."""
        return (exchange.request.pool.urlopen,)

    def headers(self, options: dict[str, Any]) -> Any:
        """The caller's headers, which come in any mapping, in one that knows no case."""
        return self._package.HTTPHeaderDict(options["headers"])

    def prepare(self, exchange: Any) -> dict[str, Any]:
        """What the pool is asked with now."""
        request = exchange.request
        now, deadline = self.attempt(exchange)
        options: dict[str, Any] = dict(request.options)
        if exchange.place.choose is not None:
            self.seat(exchange)
        headers = outgoing(now, ours=exchange.place.ours)
        if headers:
            options["headers"] = with_headers(self.headers(request.options), headers)
        if request.body_pos is not None:
            options["body_pos"] = request.body_pos
        if self._retries:
            own = request.retries(self._package)
            known = self._quiet  # read once: threads share it
            if own is not known[0]:
                known = self._quiet = own, quiet(own)
            options["retries"] = known[1]
        if deadline is not None:
            exchange.clip = Allowed(deadline, clock=exchange.way.governed.route.clock, began=now)
            options["timeout"] = exchange.clip.within(request.timeout(self._package))
            left, free = max(deadline - now, LEAST), options.get("pool_timeout")
            options["pool_timeout"] = left if free is None else min(free, left)
        return options

    def judge(self, exchange: Any, response: Any) -> Any:
        """The answer is there, whole or to be streamed."""
        request = exchange.request
        if self._retries:
            response.retries = request.retries(self._package)  # the manager counts redirects by them
        if exchange.clip is not None and not request.options.get("preload_content", True):
            left = None if exchange.deadline is None else exchange.deadline - self.clock()
            allow_body(response, request.timeout(self._package), left)
        if failing(response.status):
            raise self.failure(exchange, response)
        return response

    def lend(self, exchange: Exchange, response: Any) -> None:
        """A body that is not preloaded is still to come."""
        lend_body(self, exchange, response)

    def discard(self, response: Any) -> None:
        """Close an answer that nobody will read, and give its place in the pool back."""
        response.close()
        response.release_conn()

    def like(self, error: BaseException) -> BaseException | None:
        """Also what an exhausted ``Retry`` of urllib3's gives as its reason."""
        return time_out_in(error, self.clothes.module)


class Asked:
    """What a pool is asked: urllib3 has no object for it."""

    def __init__(self, pool: Any, method: str, url: str, options: dict[str, Any], edge: Urllib3Edge) -> None:
        self.pool = pool
        self.method = method
        self.path = url  # or, by way of a proxy, the whole
        self.options = options
        self._edge = edge
        body: Any = options.get("body")
        self.replayable: bool = body is None or rewinds(body)
        self.body_pos = options.get("body_pos")
        if self.body_pos is None and hasattr(body, "tell") and self.replayable:
            self.body_pos = body.tell()

    @property
    def headers(self) -> Any:
        """The caller's."""
        return self._edge.headers(self.options)

    @property
    def url(self) -> str:
        """The whole of it."""
        if not self.path.startswith("/"):
            return self.path
        return f"{self.pool.scheme}://{self.pool.host}:{self.pool.port}{self.path}"

    def timeout(self, package: Any) -> Any:
        """The client's own, as a ``Timeout`` that is nobody else's."""
        timeout = self.options.get("timeout", package.Timeout.DEFAULT_TIMEOUT)
        if timeout is package.Timeout.DEFAULT_TIMEOUT:
            timeout = self.pool.timeout
        return timeout.clone() if isinstance(timeout, package.Timeout) else package.Timeout.from_float(timeout)

    def retries(self, package: Any) -> Any:
        """The client's own, as a ``Retry``."""
        return package.Retry.from_int(self.options.get("retries"), redirect=False, default=self.pool.retries)


class GovernedPool:
    """The pool that a governed manager asks."""

    def __init__(self, pool: Any, edge: Urllib3Edge, other: Callable[..., Any]) -> None:
        self._pool = pool
        self._edge = edge
        self._other = other

    def urlopen(self, method: str, url: str, **options: Any) -> Any:
        """Ask the pool, through the policies."""
        pool, other = self._pool, self._other

        def send(prepared: dict[str, Any]) -> Any:
            seat = exchange.seat
            if seat is None:
                return pool.urlopen(method, url, **prepared)
            return other(seat.host, seat.port, seat.scheme).urlopen(method, f"{seat.path}{url}", **prepared)

        edge = self._edge
        asked = Asked(pool, method.upper(), url, options, edge)
        place = edge.place(pool.scheme, pool.host, pool.port)
        exchange = Exchange(send, asked, place, replayable=asked.replayable)
        return through(edge, exchange)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


class GovernedManager:
    """What a governed manager is besides its own class."""

    def urlopen(self, method: str, url: str, redirect: bool = True, **options: Any) -> Any:
        """Ask for *url*; the pools that are asked on the way are governed."""
        token = _ASKING.set(self)
        try:
            return super().urlopen(method, url, redirect, **options)  # type: ignore[misc]  # of the manager's own class
        finally:
            _ASKING.reset(token)

    def connection_from_host(self: Any, host: Any, port: Any = None, scheme: Any = "http", pool_kwargs: Any = None) -> Any:
        """The pool for an authority."""
        own = super().connection_from_host  # type: ignore[misc]  # as above
        pool = own(host, port, scheme, pool_kwargs)
        edge = self._svcgov
        if _ASKING.get() is not self or edge.passes(host, port or (443 if scheme == "https" else 80)):
            return pool
        return GovernedPool(pool, edge, own)


class HeldBody:
    """What a response of urllib3 is, besides its own class, while permits are out for its body."""

    _svcgov: Any

    def read(self: Any, *size: Any, **options: Any) -> Any:
        """Read from it."""
        part = super().read(*size, **options)  # type: ignore[misc]  # of its own class
        if self.closed:
            self._svcgov.end()
        return part

    def release_conn(self) -> Any:
        """Give the connection back: the body has come to its end, or has broken."""
        self._svcgov.end()
        return super().release_conn()  # type: ignore[misc]  # as above

    def close(self) -> None:
        """Close it."""
        self._svcgov.end()
        super().close()  # type: ignore[misc]  # as above


def lend_body(edge: Edge, exchange: Exchange, raw: Any) -> None:
    """Let the hold of *exchange* end with the body of *raw*, if that is a response of urllib3, and has not been read yet."""
    if hasattr(raw, "release_conn") and not raw.closed:
        raw._svcgov = edge.hold(exchange)
        become(raw, HeldBody)
        _kinds.add(type(raw))


def retries_in(pipeline: Pipeline) -> bool:
    """Whether any of the policies makes further attempts."""
    return any(policy.kind == "retry" for policy in active(pipeline.policies))


def quiet(retries: Any) -> Any:
    """A ``urllib3.Retry`` that gives up at once, as *retries* does in the end."""
    return retries.new(total=False if retries.total is False else 0, status_forcelist=())


def time_out_in(error: BaseException, errors: Any) -> BaseException | None:
    """The time-out of urllib3 that *error* is, or has as its reason; a refused connection counts as one there, not here."""
    reason = getattr(error, "reason", None)
    found = reason if isinstance(reason, Exception) else error
    slow = isinstance(found, (errors.TimeoutError, errors.EmptyPoolError)) and not isinstance(found, errors.NewConnectionError)
    return found if slow else None


def allow_body(response: Any, timeout: Any, left: float | None) -> None:
    """From the head on a streamed body may take, read by read, what the client's *timeout* allows and the caller has left."""
    socket = getattr(response.connection, "sock", None)
    if socket is not None:
        timeout.start_connect()
        limit = timeout.read_timeout
        socket.settimeout(limit if left is None else max(left if limit is None else min(limit, left), LEAST))


def _signed(error: Any, request: Any) -> None:
    error.url, error.pool = request.url, None
