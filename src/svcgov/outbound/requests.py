"""requests: in front of ``Session.send``, by a class of ours above the session's own.

So whatever patches ``Session.send`` or an adapter is inside an attempt, and sees each one. Each hop of a redirect is a
request of its own, with attempts of its own: the session follows redirects here, outside the policies. A call ends when
the head of the answer has arrived, or, unless the answer is streamed, when the session has read all of it; a bulkhead waits
for that in any case.

Rule 1: hooks and cookies of the session see a request once; a hook that asks again (digest authentication) is governed.
Rule 2: an adapter's own retries are off while the policies retry, and untouched else.
Rule 3: a session that was pickled or copied is a plain one, as the rest of what a pickle leaves out.
"""

from __future__ import annotations

import sys
from functools import lru_cache
from urllib.parse import urlsplit

from ..errors import SvcgovError
from ..propagation._carrier import outgoing
from ._answers import answer_error_of, failing
from ._clip import Allowed
from ._dressed import clothes_of
from ._edge import Edge, Exchange, lacking, rewinds, sender, through, with_headers
from ._joint import become
from .urllib3 import allow_body, lend_body, quiet, retries_in, time_out_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..pipeline import Pipeline
    from .target import Place

_BEGIN = len("https://")  # after that the next slash ends the authority
_NO_HOOKS: dict[str, Any] = {"response": []}


def install(session: Any, base: type, *, target: str | None, pipeline: Pipeline, max_hold: float | None) -> None:
    """Put *pipeline* around every request that *session* sends."""
    edge = RequestsEdge(sys.modules["requests"], target, retries=retries_in(pipeline))
    edge.govern(sender, pipeline, package="requests", client="Session", max_hold=max_hold)
    session._svcgov = edge
    become(session, GovernedSession)


class RequestsEdge(Edge):
    """One governed session."""

    covers = True

    def __init__(self, package: Any, target: str | None, *, retries: bool) -> None:
        errors = package.exceptions
        clothes = clothes_of(errors, root="RequestException", refused="ConnectionError", late="Timeout", sign=_signed)
        super().__init__(clothes, answer_error_of(errors.HTTPError), target)
        self.late: Any = (errors.Timeout, errors.ConnectionError)  # what times out in a body is a ConnectionError
        self.package = package
        self.retries = retries
        self._urllib3 = sys.modules["urllib3"]

    def where(self, request: Any) -> Place | None:
        """The place that *request* goes to, if it can be sent at all, and is our business."""
        if not isinstance(request, self.package.PreparedRequest) or not isinstance(request.url, str):
            return None
        try:
            scheme, host, port = _parts(request.url[: request.url.find("/", _BEGIN) + 1] or request.url)
        except ValueError:  # no URL that anybody could send to
            return None
        return self.ours(scheme, host, port)

    def hop(self, send: Callable[..., Any], request: Any, options: dict[str, Any], place: Place) -> Any:
        """One request through the policies: *send* is the session's own, or an adapter's."""
        exchange = Hop(send, request, options, place)
        response = through(self, exchange)
        response.request = request
        if exchange.seat is not None:
            response.url = request.url  # what it leads to goes to any instance
        return response

    def prepare(self, exchange: Any) -> tuple[Any, dict[str, Any]]:
        """The request to send now, and with what options."""
        request = exchange.request
        again = exchange.sent
        now, deadline = self.attempt(exchange)
        if again and not isinstance(request.body, (str, bytes, type(None))):
            request.body.seek(request._body_position)
        attempt = object.__new__(type(request))  # a copy by hand: the library's own copies all the cookies
        attempt.__dict__.update(request.__dict__)
        attempt.hooks = _NO_HOOKS
        seat = None if exchange.place.choose is None else self.seat(exchange)
        if seat is not None:
            attempt.url = seat.url(urlsplit(request.url)._replace(scheme="", netloc="").geturl())
        headers = outgoing(now, ours=exchange.place.ours)
        if headers:
            attempt.headers = self._with(request.headers, headers)
        options = exchange.options
        if deadline is not None:
            exchange.clip = Allowed(deadline, clock=exchange.way.governed.route.clock, began=now)
            options = {**options, "timeout": exchange.clip.within(self.own_timeout(options.get("timeout")))}
        return attempt, options

    def senders(self, exchange: Any) -> tuple[Any, ...]:
        """The session's own, and urllib3's."""
        return exchange.sender, self._urllib3.HTTPConnectionPool.urlopen

    def own_timeout(self, timeout: Any) -> Any:
        """The caller's *timeout* in the form that urllib3 has for it, and nobody else's."""
        if isinstance(timeout, self._urllib3.Timeout):
            return timeout.clone()
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        return self._urllib3.Timeout(connect=connect, read=read)

    def judge(self, exchange: Any, response: Any) -> Any:
        """The answer is there, whole or to be streamed."""
        options = exchange.options
        if exchange.clip is not None and options.get("stream") and hasattr(response.raw, "connection"):
            left = None if exchange.deadline is None else exchange.deadline - self.clock()
            allow_body(response.raw, self.own_timeout(options.get("timeout")), left)
        if not failing(response.status_code):
            return response
        response.request = exchange.request
        raise self.failure(exchange, response)

    def _with(self, headers: Any, extra: dict[str, str]) -> Any:
        if type(headers) is not self.package.structures.CaseInsensitiveDict:
            return with_headers(headers.copy(), extra)
        copied = object.__new__(type(headers))  # as above: the library's own would look at each of them
        copied._store = headers._store.copy()
        copied._store.update((name, (name, value)) for name, value in lacking(extra, copied._store))
        return copied

    def lend(self, exchange: Exchange, response: Any) -> None:
        """A streamed body is still to come."""
        lend_body(self, exchange, response.raw)

    def like(self, error: BaseException) -> BaseException | None:
        """A time-out in a body, or after retries of the adapter's own, is told of in the first argument only."""
        if isinstance(error, self.clothes.late):
            return error
        cause = error.args[0] if error.args else None
        known = isinstance(cause, Exception) and time_out_in(cause, self._urllib3.exceptions)
        return error if known else None

    def ended(self, exchange: Exchange, error: BaseException) -> BaseException:
        """The error speaks of the caller's request."""
        if isinstance(error, self.clothes.root) and not isinstance(error, SvcgovError):
            error.request = exchange.request  # type: ignore[attr-defined]  # every error of requests has it
        return super().ended(exchange, error)


class Hop(Exchange):
    """One request that a session sends, and with what options."""

    __slots__ = ("options", "sender")

    def __init__(self, send: Callable[..., Any], request: Any, options: dict[str, Any], place: Place) -> None:
        def sent(prepared: tuple[Any, dict[str, Any]]) -> Any:
            attempt, options = prepared
            return send(attempt, **options)

        super().__init__(sent, request, place, replayable=_replayable(request))
        self.options: dict[str, Any] = options
        self.sender: Callable[..., Any] = send


class GovernedSession:
    """What a governed session is besides its own class."""

    def send(self: Any, request: Any, **options: Any) -> Any:
        """Send *request* through the policies, and each request that a redirect leads to."""
        edge = self._svcgov
        own = super().send  # type: ignore[misc]  # of the session's own class
        place = edge.where(request)
        if place is None:
            return own(request, **options)
        options.setdefault("stream", self.stream)
        options.setdefault("verify", self.verify)
        options.setdefault("cert", self.cert)
        if "proxies" not in options:
            options["proxies"] = edge.package.utils.resolve_proxies(request, self.proxies, self.trust_env)
        follow = options.pop("allow_redirects", True)
        response = first = edge.hop(own, request, {**options, "allow_redirects": False}, place)
        if any(request.hooks.values()):
            response = _hooked(self, edge, response, request, options)
        if not follow or (response._next is None and response is first):
            return response
        response._next = None  # told not to follow, the session has looked it up
        hops: list[Any] = [response, *self.resolve_redirects(response, request, **options)]
        last = hops.pop()
        if hops:
            last.history = hops
        return last

    def get_adapter(self: Any, url: str) -> Any:
        """The adapter for *url*, without retries of its own where the policies retry."""
        adapter = super().get_adapter(url)  # type: ignore[misc]  # as above
        retries = getattr(adapter, "max_retries", None)
        if not self._svcgov.retries or retries is None or not (retries.total != 0 or retries.status_forcelist):
            return adapter
        other = object.__new__(type(adapter))  # in place it would be without retries for its other sessions, too
        other.__dict__.update(adapter.__dict__)
        other.max_retries = quiet(retries).new(read=False)  # what breaks then is told as it is
        return other

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _plain(super().__reduce_ex__(0))  # later protocols insist on the class that the object has


class Connection:
    """The adapter that an answer came through, for hooks that ask again: through the policies, as the first time."""

    def __init__(self, adapter: Any, edge: RequestsEdge) -> None:
        self._adapter = adapter
        self._edge = edge

    def send(self, request: Any, **options: Any) -> Any:
        """Send *request*."""
        place = self._edge.where(request)
        if place is None:
            return self._adapter.send(request, **options)
        return self._edge.hop(self._adapter.send, request, options, place)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)


def _hooked(session: Any, edge: RequestsEdge, response: Any, request: Any, options: dict[str, Any]) -> Any:
    """What the hooks of *request* make of *response*; from a further answer of theirs the session takes the cookies."""
    response.connection = Connection(response.connection, edge)
    hooked = edge.package.hooks.dispatch_hook("response", request.hooks, response, **options)
    if hooked is not response:
        for one in (*hooked.history, hooked):
            edge.package.cookies.extract_cookies_to_jar(session.cookies, one.request, one.raw)
        if not options["stream"]:
            _ = hooked.content  # reads it
    return hooked


@lru_cache(maxsize=1000)
def _parts(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port


def _replayable(request: Any) -> bool:
    body = request.body
    if body is None or isinstance(body, (str, bytes)):
        return True
    return isinstance(request._body_position, int) and rewinds(body)  # requests has noted where it began


def _signed(error: Any, request: Any) -> None:
    error.request, error.response = request, None


def _plain(part: Any) -> Any:
    """A part of what a pickle is made of, with the session's own class in place of ours, and nothing else of ours."""
    if isinstance(part, tuple):
        return tuple(map(_plain, part))
    if isinstance(part, dict):
        return {name: value for name, value in part.items() if name not in ("_svcgov", "__svcgov__")}
    return part.__mro__[2] if isinstance(part, type) and issubclass(part, GovernedSession) else part
