"""botocore and boto3: in front of ``_make_api_call``, by a class of ours above the client's own.

So paginators, waiters and transfers are governed call by call, and whatever patches ``BaseClient._make_api_call`` is inside
an attempt. A resource is governed by its client. A call ends when the answer has been read, or, where it is a stream, when its
head has arrived; a bulkhead waits for the end of the stream.

Rule 1: what the service says of the caller (a record that is not there, a condition that does not hold, a parameter that
        cannot be) is an answer to the policies, and the client's error to the caller. So is what the client itself objects to.
Rule 2: an operation is repeated if it only reads, by its name, or has a token that makes it one; after a failure that says
        that nothing was done (too many requests, nobody reached), any operation.
Rule 3: botocore's own retries are off while the policies retry, and untouched else. What a client asks its service meanwhile
        (where a bucket is, say) is a part of the attempt.
"""

from __future__ import annotations

import sys
from contextvars import ContextVar
from urllib.parse import urlsplit

from .._core._callable import kind_of
from .._core._context import REPEATABLE
from .._core._matching import Matcher, status_of
from ..errors import ConfigError
from ..propagation._carrier import outgoing
from ._answers import AnswerError, failing
from ._aws import carries, carrying, modelled, reads_only, with_tokens
from ._clip import Allowed
from ._dressed import clothes_of
from ._edge import Edge, Exchange, rewinds, sender, through
from ._joint import become
from .target import PORTS
from .urllib3 import allow_body, lend_body, retries_in

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..pipeline import Pipeline

_HERE: ContextVar[Any] = ContextVar("svcgov.botocore", default=None)  # the operation whose attempt is under way
_BROKEN = Matcher(("connection", "timeout"), "on")


def held_by(resource: Any) -> Any:
    """The client that a resource of boto3 is governed by."""
    return resource.meta.client


def install(client: Any, base: type, *, target: str | None, pipeline: Pipeline, max_hold: float | None) -> None:
    """Put *pipeline* around every operation of *client*."""
    if kind_of(client._make_api_call) == "async":
        raise ConfigError("govern.client", client, "a client of botocore itself: those of tasks are not governed")
    model = client.meta.service_model
    edge = BotocoreEdge(client, target)
    edge.govern(sender, pipeline, package="botocore", client=model.service_name, max_hold=max_hold)
    object.__setattr__(client, "_svcgov", edge)
    become(client, GovernedClient)
    http = client._endpoint.http_session
    if hasattr(http, "_get_connection_manager"):  # else it is somebody's own, and has time-outs of its own
        become(http, ClippedHttp)
    if retries_in(pipeline):
        client.meta.events.unregister(f"needs-retry.{edge.service}", unique_id=f"retry-config-{edge.service}")


class BotocoreEdge(Edge):
    """One governed client."""

    many = False
    covers = True

    def __init__(self, client: Any, target: str | None) -> None:
        errors = sys.modules["botocore.exceptions"]
        clothes = clothes_of(errors, root="BotoCoreError", refused="HTTPClientError", late="ReadTimeoutError", sign=_signed)
        super().__init__(clothes, AnswerError, target)
        self.late: Any = (errors.ReadTimeoutError, errors.ConnectTimeoutError)
        self.service: str = client.meta.service_model.service_id.hyphenize()
        url = urlsplit(client.meta.endpoint_url)
        self.endpoint: tuple[str, str, int | None] = url.scheme, url.hostname or "", url.port
        self.control: bool = self.passes(url.hostname or "", url.port or PORTS.get(url.scheme, 0))
        self._errors = errors
        self._unreached = errors.EndpointConnectionError, errors.ConnectTimeoutError
        self._read_timeout = client.meta.config.read_timeout

    def repeatable(self, exchange: Any) -> bool:
        """Whether the operation may be made twice, whatever has become of the first one."""
        return bool(exchange.replayable and exchange.safe)

    def peer(self, exchange: Exchange) -> str:
        """The target, or else the service."""
        return self._target or self.service

    def asked(self, exchange: Any) -> tuple[str, str]:
        """The operation; its method is always the same."""
        return exchange.request.operation, ""

    def senders(self, exchange: Any) -> tuple[Any, ...]:
        """The client's own."""
        return (exchange.own,)

    def prepare(self, exchange: Any) -> dict[str, Any]:
        """The parameters to send now."""
        request = exchange.request
        again = exchange.sent
        now, deadline = self.attempt(exchange)
        if again:
            for stream, position in exchange.streams:
                stream.seek(position)
        if deadline is not None:
            exchange.clip = Allowed(deadline, clock=exchange.way.governed.route.clock, began=now)
        params: dict[str, Any] = request.params
        if not carries(self.service, request.operation):
            return params
        return carrying(self.service, request.operation, params, outgoing(now, ours=exchange.place.ours))

    def judge(self, exchange: Exchange, response: Any) -> Any:
        """The answer is there, whole or to be streamed."""
        if exchange.clip is not None:
            for raw in _streams(response):
                if hasattr(raw, "connection"):
                    left = None if exchange.deadline is None else exchange.deadline - self.clock()
                    allow_body(raw, sys.modules["urllib3"].Timeout(read=self._read_timeout), left)
        return response

    def lend(self, exchange: Exchange, response: Any) -> None:
        """A stream is still to come."""
        for raw in _streams(response):
            lend_body(self, exchange, raw)

    def speaks_of_us(self, exchange: Exchange, error: Exception) -> bool:
        """Whether *error* is about what was asked, and says nothing of how the service is."""
        if isinstance(error, self._errors.ClientError):
            status = status_of(error)
            if status is None or not failing(status):
                status = error.status = modelled(exchange.request.model, error.response.get("Error", {}).get("Code", ""))
            return status is None
        return isinstance(error, self._errors.BotoCoreError) and not _BROKEN.matches(error)

    def nothing_done(self, error: Exception) -> bool:
        """Whether *error* says that the service did not even begin."""
        return status_of(error) == 429 or isinstance(error, self._unreached)


class Told(dict[str, "Any"]):
    """An error that is an answer to the policies: what a function of the result sees is the answer of the service."""

    def __init__(self, error: Exception) -> None:
        response = getattr(error, "response", None)
        super().__init__(response if isinstance(response, dict) else {})
        self.error = error


class Asked:
    """What a client is asked."""

    __slots__ = ("model", "operation", "params", "token")

    def __init__(self, operation: str, params: dict[str, Any], model: Any) -> None:
        self.operation: str = operation
        self.model: Any = model
        carried, token = with_tokens(model, params)
        self.params: dict[str, Any] = carried
        self.token: bool = token


class Operation(Exchange):
    """One operation on its way through the policies."""

    __slots__ = ("edge", "own", "safe", "streams")

    def __init__(self, edge: BotocoreEdge, own: Callable[[str, Any], Any], asked: Asked) -> None:
        streams = [value for value in asked.params.values() if hasattr(value, "read")]
        replayable = all(map(rewinds, streams))
        super().__init__(self._sent, asked, edge.place(*edge.endpoint), replayable=replayable)
        self.edge: BotocoreEdge = edge
        self.own: Callable[[str, Any], Any] = own
        self.safe: bool = asked.token or reads_only(asked.operation)
        self.streams: list[tuple[Any, int]] = [(stream, stream.tell()) for stream in streams] if replayable else []

    def _sent(self, params: dict[str, Any]) -> Any:
        edge = self.edge
        token = _HERE.set(self)
        try:
            return self.own(self.request.operation, params)
        except Exception as error:
            if edge.speaks_of_us(self, error):
                return Told(error)
            REPEATABLE.set(self.replayable and (self.safe or edge.nothing_done(error)))
            raise
        finally:
            _HERE.reset(token)


class GovernedClient:
    """What a governed client is besides its own class."""

    def _make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        """Call the service, through the policies."""
        edge = self._svcgov
        own = super()._make_api_call  # type: ignore[misc]  # of the client's own class
        here = _HERE.get()
        if edge.control or (here is not None and here.edge is edge):
            return own(operation_name, api_params)
        asked = Asked(operation_name, api_params, self.meta.service_model.operation_model(operation_name))
        answer = through(edge, Operation(edge, own, asked))
        if isinstance(answer, Told):
            raise answer.error
        return answer


class ClippedHttp:
    """What the inside of a governed client is besides its own class: each request is told how long it may take."""

    def _get_connection_manager(self, url: str, proxy_url: str | None = None) -> Any:
        manager = super()._get_connection_manager(url, proxy_url)  # type: ignore[misc]  # of its own class
        here = _HERE.get()
        return manager if here is None or here.clip is None else ClippedManager(manager, here.clip)


class ClippedManager:
    """The manager of pools, for one request."""

    def __init__(self, manager: Any, clip: Allowed) -> None:
        self._manager = manager
        self._clip = clip

    def connection_from_url(self, url: str) -> Any:
        """The pool for *url*."""
        return ClippedPool(self._manager.connection_from_url(url), self._clip)


class ClippedPool:
    """A pool, for one request; it is set up by its attributes."""

    def __init__(self, pool: Any, clip: Allowed) -> None:
        self.__dict__.update(_pool=pool, _clip=clip)

    def urlopen(self, **options: Any) -> Any:
        """Ask the pool."""
        own = options.get("timeout") or self._pool.timeout
        return self._pool.urlopen(**{**options, "timeout": self._clip.within(own.clone())})

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._pool, name, value)


def _streams(response: Any) -> list[Any]:
    """The streams in an answer, as urllib3 has them: one, if any."""
    return [value._raw_stream for value in response.values() if hasattr(value, "_raw_stream")]


def _signed(error: Any, request: Any) -> None:
    error.kwargs, error.request, error.response = {}, None, None  # as errors of botocore have them
    error.operation_name = request.operation
