"""A call as it came in: looked at when somebody asks, since most functions never ask for most of it.

What a call costs before the function is reached is what every call pays. So the deadline alone is read at once, and the
rest (who sent it, in which trace, in which colour) when it is first used: by the function, by a request that goes out, or
by the line in the log.

Rule 1: what came along is whatever somebody sent: what cannot be read is reported once, and the call goes on without it.
Rule 2: whoever asks first looks; all others see the same, in other threads too.
Rule 3: while somebody makes spans, it is looked at when it comes: its span says what is known then.
"""

from __future__ import annotations

from _thread import RLock
from sys import modules

from .._core._context import Invocation
from .._core._fork import after_fork
from .._core._report import report_once
from .._core._spans import SPANS, provider
from ..propagation import trace
from ..propagation._carrier import incoming
from ._records import traces_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .._core._context import Identity
    from .._core._spans import Span, Tracer


class Came:
    """A call as it came in.

    Attributes:
        platform: the way it came, such as ``lambda``.
        trigger: ``http``, ``direct``, ``authorizer``, or what the records come from, such as ``sqs``.
        headers: names in lower case.
        request_id: the platform's id of the call, or the empty string.
        method, path, client: of an HTTP request, or the empty string.
        form: how an answer is written, or the empty string where nobody could read one.
        durable: whether the function may leave, by raising what is no `Exception`, and be called again to go on.
    """

    __slots__ = ("client", "durable", "form", "headers", "method", "path", "platform", "request_id", "trigger")

    def __init__(
        self,
        platform: str,
        trigger: str,
        headers: Mapping[str, str],
        *,
        request_id: str = "",
        method: str = "",
        path: str = "",
        client: str = "",
        form: str = "",
        durable: bool = False,
    ) -> None:
        self.platform: str = platform
        self.trigger: str = trigger
        self.headers: Mapping[str, str] = headers
        self.request_id: str = request_id
        self.method: str = method
        self.path: str = path
        self.client: str = client
        self.form: str = form
        self.durable: bool = durable


class Arriving(Invocation):
    """An invocation that is looked at when it is asked for the first time."""

    __slots__ = ("_seed", "_span")

    def __getattr__(self, name: str) -> Any:
        # Only reached for what has not been set yet.
        if name not in Invocation._fields:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        with _lock:
            if type(self._seed) is tuple:
                _look(self)
        return getattr(self, name)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Invocation) and self.as_dict() == other.as_dict()

    __hash__ = Invocation.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (self.as_dict(),)


def _rebuild(values: dict[str, Any]) -> Invocation:
    return Invocation(**values)


_lock = RLock()  # held while one is looked at
_new = Arriving.__new__
_sow = Arriving._seed.__set__  # type: ignore[attr-defined]  # the slot: what a frozen record cannot set itself
_set_span = Arriving._span.__set__  # type: ignore[attr-defined]  # as above
_set = {name: getattr(Invocation, name).__set__ for name in Invocation._fields}


@after_fork
def _unlocked() -> None:
    global _lock  # noqa: PLW0603  # the module has one
    _lock = RLock()


def arriving(
    look: Callable[[Any, Any], Came], event: Any, context: Any, identity: Identity, deadline: float | None, *, now: float = 0.0
) -> Invocation:
    """The invocation of a call that came with *event* and *context* at the moment *now*; *look* is how they are read."""
    invocation = _new(Arriving)
    span = None
    if "opentelemetry.trace" in modules and (otel := provider()) is not None:
        tracer = SPANS.look()
        if tracer is not None:
            _sow(invocation, (look, event, context, identity, deadline, identity.first_call(now), None))
            _look(invocation, otel, tracer)
            return invocation
        span = trace.current(otel)  # now: whoever looks later may be in another one
    _sow(invocation, (look, event, context, identity, deadline, identity.first_call(now), span))
    return invocation


def span_of(invocation: Invocation) -> Span | None:
    """The span of ours that has begun with it."""
    span: Span | None = getattr(invocation, "_span", None)
    return span


def came_by(invocation: Invocation) -> Came:
    """How it came, for whoever answers."""
    seed = getattr(invocation, "_seed", _UNKNOWN)
    if type(seed) is tuple:
        invocation.trigger  # noqa: B018  # it is looked at when it is asked for
        seed = getattr(invocation, "_seed", _UNKNOWN)
    return seed


def _look(invocation: Arriving, otel: Any = None, tracer: Tracer | None = None) -> None:
    look, event, context, identity, deadline, cold, span = invocation._seed
    came, carried = _UNKNOWN, None
    try:
        came = look(event, context)
        carried = incoming(came.headers, identity)
    except Exception as failure:
        report_once(("arrival", came.platform), f"what came along with a call could not be read: {failure!r}")
    if tracer is not None:
        colour = None if carried is None else carried.colour
        records = [] if came.form else traces_of(event)
        _set_span(invocation, tracer.arrived(came, colour=colour, cold=cold, records=records))
        span = trace.current(otel)
    if span is not None:  # somebody has read the headers before us, and records this call
        here = trace.of(span)
    else:
        here = trace.begin() if carried is None or carried.trace is None else trace.child(carried.trace)
    values: dict[str, Any] = {
        "platform": came.platform,
        "service": identity.service,
        "version": identity.version,
        "colour": None if carried is None else carried.colour,
        "request_id": came.request_id,
        "trigger": came.trigger,
        "method": came.method,
        "path": came.path,
        "client": came.client,
        "deadline": deadline,
        "cold_start": cold,
        "headers": came.headers,
        "raw": event,
        "trace": here,
        "baggage": {} if carried is None else carried.baggage,
        "forwarded": {} if carried is None else carried.forwarded,
    }
    for name, value in values.items():
        _set[name](invocation, value)
    _sow(invocation, came)


_UNKNOWN = Came("", "unknown", {})
