"""What the edges of all clients share: one request on its way through the policies, and what is decided about it.

A file for a client says where it stands in that client, how its requests are copied, and what its errors are called.

Rule 1: what to do is decided in plain methods of `Edge`; `through` and `sender` only do it, one pair waiting, one awaiting.
Rule 2: the caller's request is never changed: each attempt sends a copy with fresh headers and clipped time-outs.
Rule 3: a failing answer is an error to the policies and an answer to the caller, who gets the last one; an earlier one
        is closed before the next attempt is sent, and in any case when the call ends otherwise.
Rule 4: a body that can be sent once is sent once, whatever a retry was told.
"""

from __future__ import annotations

from contextlib import suppress

from .._core._context import DEADLINE, REPEATABLE
from ..errors import CallTimeoutError, DeadlineExceededError, RejectedError
from ._answers import AnswerError
from ._clip import LEAST
from ._control import control_authorities, link_local
from ._dressed import dress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ..pipeline import Pipeline
    from ._dressed import Clothes

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # idempotent by RFC 9110, 9.2.2
_classes: dict[tuple[type, type], type] = {}


class Exchange:
    """One request on its way through the policies: what its attempts know of one another."""

    __slots__ = ("clip", "deadline", "open", "replayable", "request", "send", "sent")

    def __init__(self, send: Callable[[Any], Any], request: Any, *, replayable: bool) -> None:
        self.send: Callable[[Any], Any] = send  # takes what `Edge.prepare` has made
        self.request: Any = request
        self.replayable: bool = replayable  # whether its body can be sent again
        self.deadline: float | None = DEADLINE.get()  # the caller's, before the policies tighten it
        self.clip: Any = None  # the time-outs of the attempt under way, where a deadline clips them
        self.sent: bool = False
        self.open: Any = None  # a failing answer that is not closed yet


class Edge:
    """One governed client: all that is decided. Each client's file has its own kind of it."""

    call: Any
    late: Any  # the client's errors that may be a time-out

    if TYPE_CHECKING:  # for each client its own

        def prepare(self, exchange: Any) -> Any:
            """What ``Exchange.send`` takes, for one attempt; begins with `attempt`."""

        def judge(self, exchange: Any, response: Any) -> Any:
            """The answer has arrived: hand it on, or raise `failure` when its status says no."""

    def __init__(self, clothes: Clothes, answer_error: type[AnswerError], target: str | None) -> None:
        self.clothes = clothes
        self._answer_error = answer_error
        self._ours = target is not None
        self._target = target
        self._control = control_authorities()

    def govern(self, send: Any, pipeline: Pipeline, *, package: str, client: str) -> None:
        """Build the frames around *send*, once."""
        send.__module__, send.__qualname__ = package, self._target or client  # whom records and refusals speak of
        self.call = pipeline.around(send, edge=True, service=self._target)
        self._governed = self.call.__svcgov__

    def passes(self, host: str, port: int) -> bool:
        """Whether a request to this authority is control traffic, and none of our business."""
        return link_local(host) or (host, port) in self._control

    def repeatable(self, exchange: Exchange) -> bool:
        """Whether the request may be made twice."""
        request = exchange.request
        return exchange.replayable and (request.method in _REPEATABLE or "idempotency-key" in request.headers)

    def attempt(self, exchange: Exchange) -> tuple[float, float | None]:
        """An attempt begins: now, and the deadline it has to keep.

        Raises:
            RejectedError: for a further attempt when the body cannot be sent again.
            DeadlineExceededError: for a further attempt when there is no time for one.
        """
        now = self._governed.route.clock()
        deadline = DEADLINE.get()
        if exchange.sent:
            if not exchange.replayable:
                raise RejectedError(self._governed.name, "body_sent")
            if deadline is not None and deadline - now < LEAST:
                raise DeadlineExceededError(self._governed.name, "expired")
        exchange.sent = True
        return now, deadline

    def failure(self, exchange: Exchange, response: Any) -> AnswerError:
        """What a failing answer is to the policies."""
        exchange.open = response
        return self._answer_error(response, exchange.request)

    def discard(self, response: Any) -> None:
        """Close an answer that nobody will read."""
        response.close()

    def like(self, error: BaseException) -> BaseException | None:
        """The time-out that *error* is, or tells of; None if it is none."""
        return error

    def expiry(self, exchange: Exchange, error: BaseException) -> BaseException:
        """What a time-out of the client is: ours if the deadline caused it, else its own."""
        clip = exchange.clip
        if clip is None or isinstance(error, CallTimeoutError) or not clip.expired():
            return error
        like = self.like(error)
        if like is None:
            return error
        return dress(CallTimeoutError("deadline", "attempt", clip.seconds), self.clothes, exchange.request, like=like)

    def ended(self, exchange: Exchange, error: BaseException) -> BaseException:
        """The call ends with *error*, which is dressed if it is ours."""
        if isinstance(error, (RejectedError, CallTimeoutError)):
            return dress(error, self.clothes, exchange.request)
        return error


def with_headers(headers: Any, extra: dict[str, str]) -> Any:
    """A copy of the caller's *headers*, and ours in it; what the caller has set stands."""
    traced = "traceparent" in headers
    for name, value in extra.items():
        # A state of ours would not belong to a trace of the caller's.
        if name not in headers and not (traced and name == "tracestate"):
            headers[name] = value
    return headers


def rewinds(file: Any) -> bool:
    """Whether *file* can be read again from where it stands."""
    try:
        return isinstance(file, (str, bytes)) or bool(file.seekable())
    except Exception:  # whatever it is, it does not say that it can
        return False


def become(client: Any, governed: type) -> None:
    """Make *client* one of its own class and of *governed*, in place: no reference to it is needed for that."""
    own = type(client)
    both = _classes.get((governed, own))
    if both is None:
        space = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
        both = _classes.setdefault((governed, own), type(own.__name__, (governed, own), space))
    client.__class__ = both


def sender(edge: Edge) -> Callable[[Exchange], Any]:
    """The innermost frame: one attempt."""

    def send(exchange: Exchange) -> Any:
        request = edge.prepare(exchange)
        if exchange.open is not None:
            close(edge, exchange)
        try:
            response = exchange.send(request)
        except edge.late as error:
            expiry = edge.expiry(exchange, error)
            if expiry is error:
                raise
            raise expiry from error
        return edge.judge(exchange, response)

    return send


def asender(edge: Edge) -> Callable[[Exchange], Awaitable[Any]]:
    """As `sender`, for clients of tasks."""

    async def send(exchange: Exchange) -> Any:
        request = edge.prepare(exchange)
        if exchange.open is not None:
            await aclose(exchange)
        try:
            response = await exchange.send(request)
        except edge.late as error:
            expiry = edge.expiry(exchange, error)
            if expiry is error:
                raise
            raise expiry from error
        return edge.judge(exchange, response)

    return send


def through(edge: Edge, exchange: Exchange) -> Any:
    """The answer to *exchange*, by the policies."""
    token = REPEATABLE.set(edge.repeatable(exchange))
    try:
        return edge.call(exchange)
    except AnswerError as answer:
        return answer.response
    except BaseException as error:
        close(edge, exchange)
        dressed = edge.ended(exchange, error)
        if dressed is error:
            raise
        raise dressed from error.__cause__
    finally:
        REPEATABLE.reset(token)


async def athrough(edge: Edge, exchange: Exchange) -> Any:
    """As `through`, for clients of tasks."""
    token = REPEATABLE.set(edge.repeatable(exchange))
    try:
        return await edge.call(exchange)
    except AnswerError as answer:
        return answer.response
    except BaseException as error:
        await aclose(exchange)
        edge.ended(exchange, error)
        raise
    finally:
        REPEATABLE.reset(token)


def close(edge: Edge, exchange: Exchange) -> None:
    """Close the failing answer that nobody will read."""
    answer, exchange.open = exchange.open, None
    if answer is not None:
        with suppress(Exception):  # what goes wrong here is not the caller's affair
            edge.discard(answer)


async def aclose(exchange: Exchange) -> None:
    """As `close`, for clients of tasks."""
    answer, exchange.open = exchange.open, None
    if answer is not None:
        with suppress(Exception):  # as above
            await answer.aclose()
