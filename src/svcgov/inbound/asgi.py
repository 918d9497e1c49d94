"""An ASGI application: each request governed, whatever framework it is written in.

A request: the headers are read, the context is set, the policies are passed, the application is called, one line is logged.

Rule 1: only requests over HTTP are governed; websockets, the lifespan and whatever else a server says pass through.
Rule 2: a call ends with the last piece of its body; the policies hold until the application has returned.
Rule 3: what was set in the context before the request is there again after it.
Rule 4: an answer of ours is sent only where none has begun.
Rule 5: who asks for the health of the service (`_health`), or for its figures (`_pages`), asks us, and not the application.
"""

from __future__ import annotations

from .._core._callable import name_of
from .._core._chores import CHORES, NEVER
from .._core._spans import SPANS
from ..propagation.deadline import LENGTHS, among
from ._answers import answer_to
from ._arrival import Came
from ._operations import of_scope
from .invocation import begin, close, end, keep, named_like, named_request, no_loops, restore, tidy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable
    from typing import Any

    from .._core._context import Identity
    from ..pipeline import Pipeline
    from ..typing import Clock
    from ._answers import Answer
    from ._pages import Answers
    from .invocation import Log

    Send = Callable[[Any], Awaitable[None]]


def asgi(app: Callable[..., Awaitable[None]], *, pipeline: Pipeline, health: Answers | None, **known: Any) -> Callable[..., Any]:
    """Govern *app* by *pipeline*, as `served` does; *health* answers who asks for it.

    Raises:
        ConfigError: for a policy that calls more than once.
    """
    no_loops(pipeline, "asgi.policy")
    governed = served(app, pipeline=pipeline, look=came, sent=Sent, **known)
    return governed if health is None else asked_first(health, app, governed)


def asked_first(health: Answers, app: Callable[..., Awaitable[None]], governed: Callable[..., Any]) -> Callable[..., Any]:
    """*governed*, in the place of *app*; but *health* is asked first, unless an event has come."""

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        asked = scope["type"] == "http" and "event" not in scope
        answer = health.answer(scope.get("method", ""), _path_inside(scope), scope) if asked else None
        if answer is None:
            await governed(scope, receive, send)
        else:
            await _answer(send, answer, scope)

    return named_like(app, serve)


def _path_inside(scope: Any) -> str:
    """The path below the place where the application is mounted."""
    path: str = scope.get("path", "")
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if path.startswith(f"{root}/") else path


def served(
    app: Callable[..., Awaitable[None]],
    *,
    pipeline: Pipeline,
    identity: Identity,
    log: Log,
    clock: Clock,
    every: bool,
    look: Callable[[Any, Any], Came],
    sent: Callable[[Any, Clock], Sent],
) -> Callable[..., Any]:
    """Govern *app*, whose requests are looked at by *look* and answered through what *sent* makes.

    *every* makes answers of refusals from the author's own calls too.
    """
    name = pipeline.name or name_of(app)

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    governed = pipeline.around(named_like(app, asked), clock=clock)

    async def serve(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began = clock.monotonic()
        kept = keep()
        invocation = begin(look, scope, None, identity, now=began, left=left_of(scope))
        out = sent(send, clock)
        error: BaseException | None = None
        try:
            await governed(scope, receive, out.given)
        except BaseException as raised:
            error = raised
            answer = answer_to(raised, every=every) if out.status is None else None
            if answer is None:
                raise
            await _answer(out.send, answer, scope)
        finally:
            if not log.silent or SPANS.tracer is not None:
                http = {"method": invocation.method, "path": invocation.path, "status": out.status}
                ended = clock.monotonic() if out.ended is None else out.ended
                operation = of_scope(scope, name)
                end(log, invocation, error=error, began=began, ended=ended, operation=operation, **http)
                close(invocation, error, status=out.status, operation=operation)
            if CHORES.due != NEVER:
                tidy()
            restore(kept)
            del error  # its traceback holds this frame

    return named_like(app, serve)


class Sent:
    """What has been sent of one answer; the application is *given* the means to send."""

    __slots__ = ("_clock", "_send", "ended", "status")

    def __init__(self, send: Any, clock: Clock) -> None:
        self._send: Any = send
        self._clock = clock
        self.status: int | None = None
        self.ended: float | None = None

    @property
    def given(self) -> Any:
        """What the application sends with."""
        return self.send

    async def send(self, message: Any) -> None:
        """Send a piece, and look which one it is."""
        await self._piece(self._send, message)

    async def _piece(self, send: Send, message: Any) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
        await send(message)
        if kind == "http.response.body" and not message.get("more_body", False):
            self.ended = self._clock.monotonic()


def headers_of(given: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """As `joined`, of headers as they came over the wire."""
    return joined((raw.decode("latin-1"), value.decode("latin-1")) for raw, value in given)


def joined(given: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Names in lower case; a header that came more than once is one list (RFC 9110, 5.3)."""
    headers: dict[str, str] = {}
    for name, value in given:
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    return headers


def came(scope: Any, _: object) -> Came:
    """Look at *scope*."""
    headers, client = headers_of(scope.get("headers", ())), scope.get("client")
    return Came(
        "asgi",
        "http",
        headers,
        request_id=named_request(headers),
        method=str(scope.get("method", "")),
        path=str(scope.get("path", "")),
        client=str(client[0]) if client else "",
    )


def left_of(scope: Any) -> float | None:
    """Seconds that the caller still waits, if it says so, or that AWS Lambda gives the call, where Mangum hands that on."""
    said = [pair for pair in scope.get("headers", ()) if len(pair[0]) in LENGTHS]
    left = among(headers_of(said)) if said else None
    if "aws.context" not in scope:
        return left
    from .aws_lambda import left_of as platforms

    given = platforms(None, scope["aws.context"])
    return given if left is None or (given is not None and given < left) else left


async def _answer(send: Send, answer: Answer, scope: Any) -> None:
    body = answer.body.encode()
    headers = {**answer.headers, "content-length": str(len(body))}
    pairs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
    await send({"type": "http.response.body", "body": b"" if scope.get("method") == "HEAD" else body})
