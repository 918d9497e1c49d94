"""A WSGI application: each request governed, whatever framework it is written in.

A request: the headers are read, the policies are entered, the application is called, its body is handed on piece by piece,
one line is logged.

Rule 1: each request runs in a copy of the context of its own, and so does every piece of its body: a thread that serves one
        request after another never shows one what belongs to the other.
Rule 2: a call ends with its body: exhausted, closed, or broken off by an error. The policies hold until then.
Rule 3: an answer of ours is given only where none has begun.
Rule 4: who asks for the health of the service (`_health`), or for its figures (`_pages`), asks us, and not the application.
"""

from __future__ import annotations

from contextvars import copy_context

from .._core._call import Call as Called
from .._core._callable import name_of
from .._core._chores import CHORES, NEVER
from .._core._context import NOWHERE
from .._core._spans import SPANS
from ..errors import DeadlineExceededError
from ..propagation.deadline import NAMES, read
from ._answers import answer_to
from ._arrival import Came
from ._operations import of_environ
from .invocation import begin, close, end, named_like, named_request, no_loops, tidy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextvars import Context
    from typing import Any

    from .._core._context import Identity, Invocation
    from .._shells._hold import Held
    from ..pipeline import Pipeline
    from ..typing import Clock
    from ._answers import Answer
    from ._pages import Answers
    from .invocation import Log


_DEADLINES = {f"HTTP_{name.upper().replace('-', '_')}": name for name in NAMES}


def wsgi(
    app: Callable[..., Iterable[bytes]],
    *,
    pipeline: Pipeline,
    identity: Identity,
    log: Log,
    clock: Clock,
    every: bool,
    health: Answers | None,
) -> Callable[..., Iterable[bytes]]:
    """Govern *app* by *pipeline*; *every* makes answers of refusals from the author's own calls too.

    *health* answers who asks for it.

    Raises:
        ConfigError: for a policy that calls more than once.
    """
    no_loops(pipeline, "wsgi.policy")
    name = pipeline.name or name_of(app)

    def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        call = Call(app, environ, start_response, log=log, clock=clock, pipeline=pipeline, every=every)
        return call.made(identity, name)

    def asked(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", "")
        answer = health.answer(method, path, environ) if health is not None else None
        return serve(environ, start_response) if answer is None else _answer(answer, environ, start_response)

    return named_like(app, serve if health is None else asked)


class Call:
    """One request, from its beginning to the end of its body, which it is."""

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        environ: dict[str, Any],
        start_response: Callable[..., Any],
        *,
        log: Log,
        clock: Clock,
        pipeline: Pipeline,
        every: bool,
    ) -> None:
        self._app = app
        self._environ = environ
        self._start_response = start_response
        self._log = log
        self._clock = clock
        self._pipeline = pipeline
        self._every = every
        self._context: Context = copy_context()
        self._status: int | None = None
        self._held: Held | None = None
        self._ended = False
        self._body: Any = ()
        self._pieces: Iterator[bytes] = iter(())
        self._began = clock.monotonic()
        self._invocation: Invocation = NOWHERE
        self._name = ""

    def made(self, identity: Identity, name: str) -> Iterable[bytes]:
        """Ask the application, unless the policies refuse; what it raises is raised."""
        self._name = name
        try:
            self._context.run(self._begin, identity, name)
        except BaseException as error:
            return self._broken(error, answered=True)
        try:
            self._body = self._context.run(self._app, self._environ, self._start)
            self._pieces = self._context.run(iter, self._body)
        except BaseException as error:
            return self._broken(error, answered=self._every)
        return self

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return self._context.run(next, self._pieces)
        except StopIteration:
            self._end(None)
            raise
        except BaseException as error:
            (piece,) = self._broken(error, answered=self._every)
            self._pieces = iter(())
            return piece

    def close(self) -> None:
        """The server is done with the body, read to its end or not."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                self._context.run(close)
        except BaseException as error:
            self._end(error)
            raise
        self._end(None)

    def _begin(self, identity: Identity, name: str) -> None:
        left = left_of(self._environ)
        self._invocation = begin(came, self._environ, None, identity, now=self._began, left=left)
        if left is not None and left <= 0:
            raise DeadlineExceededError(name, "expired")
        if self._pipeline.policies:
            self._held = self._pipeline.enter_for(Called(self._app, (self._environ, self._start_response), {}))

    def _start(self, status: str, headers: Any, *more: Any) -> Any:
        """What the application calls to begin its answer."""
        self._status = int(status[:3])
        if not self._log.silent or SPANS.tracer is not None:
            self._name = of_environ(self._environ, self._name)  # Flask takes it away again at the end
        return self._start_response(status, headers, *more)

    def _broken(self, error: BaseException, *, answered: bool) -> list[bytes]:
        """An answer of ours in place of one that has not begun; else *error* goes on to the server."""
        answer = answer_to(error, every=True) if answered and self._status is None else None
        if answer is None:
            self._end(error)
            raise error
        self._status = answer.status
        self._end(error)
        return _answer(answer, self._environ, self._start_response)

    def _end(self, error: BaseException | None) -> None:
        """Once: leave the policies, and write down how it went."""
        if self._ended:
            return
        self._ended = True
        try:
            if self._held is not None:
                self._context.run(self._held.leave, error)
        finally:
            if not self._log.silent or SPANS.tracer is not None:
                http = {"method": self._invocation.method, "path": self._invocation.path, "status": self._status}
                ended, operation = self._clock.monotonic(), of_environ(self._environ, self._name)
                end(self._log, self._invocation, error=error, began=self._began, ended=ended, operation=operation, **http)
                self._context.run(close, self._invocation, error, status=self._status, operation=operation)
            if CHORES.due != NEVER:
                self._context.run(tidy)


def came(environ: dict[str, Any], _: object) -> Came:
    """Look at *environ*."""
    headers = headers_of(environ)
    return Came(
        "wsgi",
        "http",
        headers,
        request_id=named_request(headers),
        method=str(environ.get("REQUEST_METHOD", "")),
        path=path_of(environ),
        client=str(environ.get("REMOTE_ADDR", "")),
    )


def left_of(environ: dict[str, Any]) -> float | None:
    """Seconds that the caller still waits, if it says so."""
    said = {name: environ[key] for key, name in _DEADLINES.items() if key in environ}
    return read(said) if said else None


def headers_of(environ: Mapping[str, Any]) -> dict[str, str]:
    """Names in lower case and with dashes, as they came."""
    headers = {}
    for key, value in environ.items():
        if key.startswith("HTTP_"):
            headers[key[5:].replace("_", "-").lower()] = value
    return headers


def path_of(environ: Mapping[str, Any]) -> str:
    """The path without the query; a server hands it on as bytes in the guise of text (PEP 3333)."""
    raw = str(environ.get("SCRIPT_NAME", "")) + str(environ.get("PATH_INFO", ""))
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _answer(answer: Answer, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    body = answer.body.encode()
    headers = [(name.title(), value) for name, value in answer.headers.items()]
    start_response(f"{answer.status} {answer.title}", [*headers, ("Content-Length", str(len(body)))])
    return [b"" if environ.get("REQUEST_METHOD") == "HEAD" else body]
