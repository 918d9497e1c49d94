"""What the edges of all clients share: one request on its way through the policies, and what is decided about it.

A file for a client says where it stands in that client, how its requests are copied, and what its errors are called.

Rule 1: what to do is decided in plain methods of `Edge`; `through` and `sender` only do it, one pair waiting, one awaiting.
Rule 2: the caller's request is never changed: each attempt sends a copy with fresh headers and clipped time-outs.
Rule 3: a failing answer is an error to the policies and an answer to the caller, who gets the last one. An earlier one
        is closed before the next attempt is sent, and any that the caller does not get when the call ends.
Rule 4: a body that can be sent once is sent once, whatever a retry was told.
Rule 5: an attempt that is sent begins its span, if somebody makes spans: so the headers that are made for it tell of that one.
Rule 6: permits that are to stay out until the answer has been read do so for the answer that the caller gets (`Hold`).
"""

from __future__ import annotations

from contextlib import suppress

from .._core._context import DEADLINE, REPEATABLE, put_back
from .._core._spans import SPANS
from ..errors import CallTimeoutError, DeadlineExceededError, RejectedError
from ._answers import AnswerError
from ._clip import LEAST
from ._control import LINK_LOCAL, control_authorities, link_local
from ._counted import counts, tell
from ._dressed import dress
from ._holds import Hold, Holds, give_back
from ._ways import Way, Ways
from .target import FINDER, PORTS, as_written

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container
    from typing import Any

    from .._core._spans import Span, Tracer
    from ..pipeline import Pipeline
    from ..typing import Permit
    from ._dressed import Clothes
    from ._holds import Part, Settle
    from .target import Finder, Place, Seat

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})  # idempotent by RFC 9110, 9.2.2


class Exchange:
    """One request on its way through the policies: what its attempts know of one another."""

    __slots__ = (
        "clip",
        "deadline",
        "kept",
        "open",
        "place",
        "replayable",
        "request",
        "seat",
        "send",
        "sent",
        "span",
        "tracer",
        "way",
    )

    way: Way

    def __init__(self, send: Callable[[Any], Any], request: Any, place: Place, *, replayable: bool) -> None:
        self.send: Any = send  # takes what `Edge.prepare` has made
        self.request: Any = request
        self.place: Place = place
        self.replayable: bool = replayable  # whether its body can be sent again
        self.deadline: float | None = DEADLINE.get()  # the caller's, before the policies tighten it
        self.clip: Any = None  # the time-outs of the attempt under way, where a deadline clips them
        self.sent: int = 0  # how many attempts have begun
        self.seat: Seat | None = None  # the instance that an attempt went to last, where there is a choice
        self.tracer: Tracer | None = None  # who makes spans of its attempts
        self.span: Span | None = None  # of the attempt under way
        self.open: Any = None  # an answer that has arrived, and is not the caller's yet
        self.kept: list[Part] = []  # permits that are out with it

    def keep(self, settle: Settle, permit: Permit, error: BaseException | None, now: float) -> bool:
        """Whether the permit stays out: there is an answer to be read."""
        kept = error is None or isinstance(error, AnswerError)
        if kept:
            self.kept.append((settle, permit, error, now))
        return kept

    def let_go(self) -> None:
        """Another attempt begins: nobody will read the answer to the one before."""
        if self.kept:
            give_back(self.kept)


class Edge:
    """One governed client: all that is decided. Each client's file has its own kind of it."""

    find: Finder = staticmethod(as_written)
    many = True  # whether its client may call many authorities
    covers = False  # whether its client sends by another one, of which nobody is to tell
    service = ""  # of AWS
    late: Any  # the client's errors that may be a time-out

    if TYPE_CHECKING:  # for each client its own

        def prepare(self, exchange: Any) -> Any:
            """What ``Exchange.send`` takes, for one attempt; begins with `attempt`."""

        def judge(self, exchange: Any, response: Any) -> Any:
            """The answer has arrived: hand it on, or raise `failure` when its status says no."""

        def lend(self, exchange: Any, response: Any) -> None:
            """The caller gets an answer: where it is still to be read, let its `hold` end when it has been."""

    def __init__(self, clothes: Clothes, answer_error: type[AnswerError], target: str | None) -> None:
        self.clothes = clothes
        self._answer_error = answer_error
        self._target = target
        self._control = control_authorities()
        found = FINDER.get()
        if found is not None:
            self.find = found

    def govern(
        self, sender: Callable[[Edge], Any], pipeline: Pipeline, *, package: str, client: str, max_hold: float | None
    ) -> None:
        """Build the frames around what *sender* makes: once, or where there is no target, once for each authority."""

        def send(name: str) -> Any:
            made = sender(self)
            made.__module__, made.__qualname__ = package, name  # whom records and refusals speak of
            return made

        self._way = Way(pipeline, send(self._target or client), target=self._target)
        self._ways = Ways(pipeline, send, self._way) if self._target is None and self.many else None
        self._governed = self._way.governed
        self._holds = Holds(max_hold)

    def place(self, scheme: str, host: str, port: int | None) -> Place:
        """Where a request to this authority goes."""
        return self.find(self._target, scheme, host, port)

    def ours(self, scheme: str, host: str, port: int | None) -> Place | None:
        """The same; None where that is control traffic, and none of our business."""
        return None if self.passes(host, port or PORTS.get(scheme, 0)) else self.place(scheme, host, port)

    def begin(self, exchange: Exchange) -> Way:
        """A call begins: the way that it goes by."""
        exchange.tracer = SPANS.tracer or SPANS.look()
        if self._holds.open:
            self._holds.look(self._governed.route.clock)
        ways = self._ways
        way = exchange.way = self._way if ways is None else ways.enter(exchange.place.authority, id(exchange))
        return way

    def handed_on(self, exchange: Exchange, response: Any, error: AnswerError | None = None) -> Any:
        """The caller gets *response*, which was an *error* to the policies if it is a failing one."""
        exchange.open = None
        if exchange.kept:
            self.lend(exchange, response)
        self.over(exchange, error)
        return response

    def hold(self, exchange: Exchange) -> Hold:
        """What is to be ended when the answer has been read."""
        kept, exchange.kept = exchange.kept, []
        return Hold(self._holds, kept, exchange.way.under_way)

    def over(self, exchange: Exchange, error: BaseException | None) -> None:
        """The call has ended; what is still held goes back, and the exchange holds nobody who holds it."""
        exchange.send = None
        if exchange.kept:
            give_back(exchange.kept, error)
        if self._ways is not None:
            exchange.way.under_way.discard(id(exchange))
        if exchange.place.told is not None:
            exchange.place.told(error)

    def clock(self) -> float:
        """A reading of the clock that calls are measured by."""
        return self._governed.route.clock()

    def peer(self, exchange: Exchange) -> str:
        """Whom an attempt asks: the target, or else the host."""
        return self._target or exchange.place.authority.partition("://")[2].rpartition(":")[0]

    def asked(self, exchange: Any) -> tuple[str, str]:
        """What an attempt asks for, in a word, and its method."""
        return exchange.request.method, exchange.request.method

    def senders(self, exchange: Any) -> tuple[Any, ...]:
        """The functions of the client that send an attempt: others may have put theirs in place of them."""
        return (exchange.send,)

    def passes(self, host: str, port: int) -> bool:
        """Whether a request to this authority is control traffic, and none of our business."""
        return (host, port) in self._control or (host.startswith(LINK_LOCAL) and link_local(host))

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
        governed = exchange.way.governed
        now = governed.route.clock()
        deadline = DEADLINE.get()
        if exchange.sent:
            if not exchange.replayable:
                raise RejectedError(governed.name, "body_sent")
            if deadline is not None and deadline - now < LEAST:
                raise DeadlineExceededError(governed.name, "expired")
        if exchange.tracer is not None:
            self._spanned(exchange, exchange.tracer)
        exchange.sent += 1
        return now, deadline

    def _spanned(self, exchange: Exchange, tracer: Tracer) -> None:
        operation, method = self.asked(exchange)
        exchange.span = tracer.asked(
            operation,
            method,
            authority=exchange.place.authority,
            service=self.service,
            target=self._target,
            again=exchange.sent,
            senders=self.senders(exchange),
            covers=self.covers,
        )

    def seat(self, exchange: Exchange) -> Seat | None:
        """The instance that an attempt goes to, where its place has a choice; None: where its URL says."""
        exchange.seat = exchange.place.choose(exchange.seat)  # type: ignore[misc]  # it has one
        return exchange.seat

    def failure(self, exchange: Exchange, response: Any) -> AnswerError:
        """What a failing answer is to the policies."""
        return self._answer_error(response, exchange.request)

    def discard(self, response: Any) -> None:
        """Close an answer that nobody will read."""
        response.close()

    async def adiscard(self, exchange: Any, response: Any) -> None:
        """As `discard`, for clients of tasks."""
        await response.aclose()

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
    for name, value in lacking(extra, headers):
        headers[name] = value
    return headers


def lacking(extra: dict[str, str], there: Container[str]) -> list[tuple[str, str]]:
    """What of *extra* is not *there* yet. A state of ours would not belong to a trace of the caller's."""
    traced = "traceparent" in there
    return [(name, value) for name, value in extra.items() if name not in there and not (traced and name == "tracestate")]


def rewinds(file: Any) -> bool:
    """Whether *file* can be read again from where it stands."""
    try:
        return isinstance(file, (str, bytes)) or bool(file.seekable())
    except Exception:  # whatever it is, it does not say that it can
        return False


def sender(edge: Edge) -> Callable[[Exchange], Any]:
    """The innermost frame: one attempt, counted while somebody wants that."""

    def send(exchange: Exchange) -> Any:
        began = edge.clock() if counts(exchange) else None
        try:
            request = edge.prepare(exchange)
            if exchange.open is not None:
                close(edge, exchange)
            try:
                response = exchange.open = exchange.send(request)
            except edge.late as error:
                expiry = edge.expiry(exchange, error)
                if expiry is error:
                    raise
                raise expiry from error
            response = edge.judge(exchange, response)
        except BaseException as error:
            if began is not None:
                tell(edge, exchange, began, error)
            raise
        if began is not None:
            tell(edge, exchange, began, response)
        return response

    return send


def asender(edge: Edge) -> Callable[[Exchange], Awaitable[Any]]:
    """As `sender`, for clients of tasks."""

    async def send(exchange: Exchange) -> Any:
        began = edge.clock() if counts(exchange) else None
        try:
            request = edge.prepare(exchange)
            if exchange.open is not None:
                await aclose(edge, exchange)
            try:
                response = exchange.open = await exchange.send(request)
            except edge.late as error:
                expiry = edge.expiry(exchange, error)
                if expiry is error:
                    raise
                raise expiry from error
            response = edge.judge(exchange, response)
        except BaseException as error:
            if began is not None:
                tell(edge, exchange, began, error)
            raise
        if began is not None:
            tell(edge, exchange, began, response)
        return response

    return send


def through(edge: Edge, exchange: Exchange) -> Any:
    """The answer to *exchange*, by the policies."""
    way = edge.begin(exchange)
    token = REPEATABLE.set(edge.repeatable(exchange))
    try:
        return edge.handed_on(exchange, way.call(exchange))
    except AnswerError as answer:
        return edge.handed_on(exchange, answer.response, answer)
    except BaseException as error:
        close(edge, exchange)
        edge.over(exchange, error)
        dressed = edge.ended(exchange, error)
        if dressed is error:
            raise
        raise dressed from error.__cause__
    finally:
        put_back(REPEATABLE, token)


async def athrough(edge: Edge, exchange: Exchange) -> Any:
    """As `through`, for clients of tasks."""
    way = edge.begin(exchange)
    token = REPEATABLE.set(edge.repeatable(exchange))
    try:
        return edge.handed_on(exchange, await way.call(exchange))
    except AnswerError as answer:
        return edge.handed_on(exchange, answer.response, answer)
    except BaseException as error:
        edge.over(exchange, error)
        await aclose(edge, exchange)
        edge.ended(exchange, error)
        raise
    finally:
        put_back(REPEATABLE, token)


def close(edge: Edge, exchange: Exchange) -> None:
    """Close the answer that nobody will read."""
    answer, exchange.open = exchange.open, None
    if answer is not None:
        with suppress(Exception):  # what goes wrong here is not the caller's affair
            edge.discard(answer)


async def aclose(edge: Edge, exchange: Exchange) -> None:
    """As `close`, for clients of tasks."""
    answer, exchange.open = exchange.open, None
    if answer is not None:
        with suppress(Exception):  # as above
            await edge.adiscard(exchange, answer)
