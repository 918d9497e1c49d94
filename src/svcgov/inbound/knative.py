"""A function of Knative's Python runtime (func-python): ``new()``, which makes an object with ``handle``, or ``handle`` itself.

The runtime tells them apart by their names, so both keep theirs. It calls ``handle(scope, receive, send)`` as a server calls an
ASGI application, and where it is made for CloudEvents, with the event in ``scope["event"]`` and a ``send`` that takes events.

Rule 1: what the object has besides ``handle`` (``start``, ``stop``, or anything else) is reached as before.
Rule 2: ``alive`` and ``ready`` are ours where the object has none. Where it has, it is asked too: both have to say yes.
Rule 3: who asks for its figures (`_pages`) asks us. The runtime hands on no such request where it is made for CloudEvents.
"""

from __future__ import annotations

from .._core._callable import kind_of
from ._arrival import Came
from ._health import missing
from .asgi import Sent, asked_first, served
from .asgi import came as requested
from .cloud_event import attributes_of, carried
from .invocation import named_like, no_loops

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._context import Identity
    from ..pipeline import Pipeline
    from ..typing import Clock
    from ._health import Reasons
    from ._pages import Answers
    from .invocation import Log

    Answer = tuple[bool, str]
    Serve = Callable[..., Any]


def knative(
    fn: Callable[..., Any],
    *,
    pipeline: Pipeline,
    identity: Identity,
    log: Log,
    clock: Clock,
    every: bool,
    reasons: Reasons,
    pages: Answers | None,
) -> Callable[..., Any]:
    """Govern *fn*; *reasons* says which dependencies are not ready, *pages* answers who asks for its figures.

    Raises:
        TypeError: for something that is neither ``new`` nor a coroutine function ``handle``.
    """
    no_loops(pipeline, "knative.policy")
    name = getattr(fn, "__name__", "")

    def serve(handle: Serve) -> Serve:
        known: dict[str, Any] = {"identity": identity, "log": log, "clock": clock, "every": every}
        governed = served(handle, pipeline=pipeline, look=came, sent=_sent, **known)
        return governed if pages is None else asked_first(pages, handle, governed)

    if name == "handle" and kind_of(fn) == "async":
        return serve(fn)
    if name != "new":
        raise TypeError(f"expected a function new() or a coroutine function handle(scope, receive, send), got {fn!r}")

    def new(*args: Any, **kw: Any) -> Function:
        return Function(fn(*args, **kw), serve, reasons)

    return named_like(fn, new)


def came(scope: Any, _: object) -> Came:
    """Look at *scope*, and at the event in it."""
    request = requested(scope, None)
    event = scope.get("event")
    headers = request.headers if event is None else {**carried(attributes_of(event)), **request.headers}
    return Came(
        "knative",
        "http" if event is None else "cloudevent",
        headers,
        request_id=request.request_id,
        method=request.method,
        path=request.path,
        client=request.client,
    )


class SentEvents(Sent):
    """The same, where the application sends events: directly, or as it says."""

    __slots__ = ()

    status: int | None
    ended: float | None

    @property
    def given(self) -> Any:
        """This, which takes events."""
        return self

    async def __call__(self, event: Any, status: int = 200) -> None:
        """Send *event* as the runtime does by itself."""
        await self._event(self._send, event, status)

    async def structured(self, event: Any, status: int = 200) -> None:
        """Send *event* as one document."""
        await self._event(self._send.structured, event, status)

    async def binary(self, event: Any, status: int = 200) -> None:
        """Send *event* as headers and a body."""
        await self._event(self._send.binary, event, status)

    async def http(self, message: Any) -> None:
        """Send a message of ASGI."""
        await self.send(message)

    async def send(self, message: Any) -> None:
        """As any other, past the events."""
        await self._piece(self._send.http, message)

    async def _event(self, send: Any, event: Any, status: int) -> None:
        self.status = status
        await send(event, status)
        self.ended = self._clock.monotonic()


def _sent(send: Any, clock: Clock) -> Sent:
    return SentEvents(send, clock) if hasattr(send, "structured") else Sent(send, clock)


class Function:
    """What ``new()`` makes, governed."""

    def __init__(self, inner: Any, serve: Callable[[Serve], Serve], reasons: Reasons) -> None:
        self._inner = inner
        self._reasons = reasons
        self.handle: Serve = serve(inner.handle)

    def alive(self) -> Answer:
        """Whether the process is."""
        return _said(self._inner, "alive") or (True, "ok")

    def ready(self) -> Answer:
        """Whether it may be given more calls."""
        own = _said(self._inner, "ready")
        if own is not None and not own[0]:
            return own
        reasons = missing(self._reasons)
        return (False, "; ".join(reasons)) if reasons else own or (True, "ok")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __repr__(self) -> str:
        return f"<governed {self._inner!r}>"


def _said(inner: Any, name: str) -> Answer | None:
    """What the object itself says: true or false, or that and a text; None where it says nothing."""
    ask = getattr(inner, name, None)
    if ask is None:
        return None
    said = ask()
    if isinstance(said, tuple):
        return bool(said[0]), str(said[1])
    return bool(said), "ok" if said else "; ".join(getattr(said, "reasons", ())) or f"not {name}"
