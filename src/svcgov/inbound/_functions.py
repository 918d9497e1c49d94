"""Functions that a platform calls with what came in: governed, and otherwise what they were.

A call: the context is set, the policies are passed, the function is called, one line is logged.

Rule 1: what was set in the context before the call is there again after it, whatever the function has set.
Rule 2: what is returned or raised is the function's own, but for a refusal where somebody waits over HTTP: that is an answer
        (`_answers`). The log line says which.
Rule 3: what goes wrong on our side is reported once, and the function is called all the same.
Rule 4: with the log off, what came along is not even looked at, unless somebody asks.
Rule 5: a function that leaves in order to be called again, as durable ones do, has not ended: only its end is logged.
"""

from __future__ import annotations

import functools
from contextvars import copy_context

from .._core._callable import kind_of, name_of
from .._core._chores import CHORES, NEVER
from .._core._listeners import PROCESS
from .._core._report import report_once
from .._core._spans import SPANS
from ..errors import CallTimeoutError, DeadlineExceededError
from ._answers import answer_to
from ._arrival import came_by
from ._near import ended_near
from .invocation import begin, close, end, keep, restore, tidy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from .._core._context import Identity, Invocation
    from ..pipeline import Governed, Pipeline
    from ..typing import Clock
    from ._answers import Answer
    from ._arrival import Came
    from .invocation import Log

    class Way(Protocol):
        """How a platform calls: a module of this folder."""

        def came(self, first: Any, second: Any) -> Came:
            """Look at the arguments of the call."""
            ...

        def waits(self) -> Callable[[Any, Any], float | None]:
            """What tells of a call's arguments the seconds until nobody waits any more, made once for each function."""
            ...

        def status_of(self, came: Came, result: Any) -> int | None:
            """The status that an HTTP caller gets for *result*."""
            ...

        def written(self, form: str, answer: Answer) -> Any:
            """*answer*, as the platform takes it."""
            ...


class Edge:
    """What stands around a function on one *way* in: how its calls begin, and how they end."""

    def __init__(
        self,
        fn: Callable[..., Any],
        way: Way,
        *,
        pipeline: Pipeline,
        identity: Identity,
        log: Log,
        clock: Clock,
        dress: Callable[[Callable[..., Any], bool], Callable[..., Any]] | None = None,
    ) -> None:
        if "generator" in kind_of(fn):
            raise TypeError(f"{name_of(fn)} is a generator function: a call from outside has one answer, so return it whole")
        self._fn = fn
        self._governed = pipeline.around(fn, clock=clock, inline=True)
        self._named = pipeline.name is not None
        self._dress = dress
        self._mark: Governed = self._governed.__svcgov__  # type: ignore[attr-defined]  # of what is governed
        self._mark.told = self.look
        self.look()
        self.name: str = name_of(fn)
        self._way = way
        self.came: Callable[[Any, Any], Came] = way.came
        self.left_of: Callable[[Any, Any], float | None] = way.waits()
        self.identity: Identity = identity
        self.log: Log = log
        self._clock = clock

    def look(self) -> None:
        """Whether there is anybody to pass: a document may say so at any time."""
        self.passed: bool = bool(self._mark.policies)
        # With nobody to pass, and nobody to ask how it went, the function is called as it is.
        target = self._governed if self.passed or self._named else self._fn
        self.run: Callable[..., Any] = target if self._dress is None else self._dress(target, self.passed)

    def begun(self, now: float, args: tuple[Any, ...], kw: dict[str, Any]) -> tuple[Invocation, bool]:
        """Set the context of a call with these arguments; and whether its time is over already."""
        first = args[0] if args else next(iter(kw.values()), None)
        second = args[1] if len(args) > 1 else kw.get("context")
        left = self.left_of(first, second)
        invocation = begin(self.came, first, second, self.identity, now=now, left=left)
        if not self.log.silent:
            came_by(invocation)  # before the function has changed it
        return invocation, left is not None and left <= 0

    def ended(self, invocation: Invocation, began: float, result: Any) -> None:
        """It has returned: write it down, and do what can wait."""
        status = None
        if not self.log.silent or SPANS.tracer is not None:
            status = self._status(invocation, result)
            if not self.log.silent:
                self._line(invocation, None, began, status)
        self._over(invocation, None, began, status)

    def _status(self, invocation: Invocation, result: Any) -> int | None:
        try:
            return self._way.status_of(came_by(invocation), result)
        except Exception as failure:  # what is returned is the author's, and may be anything
            report_once(("status", self.name), f"the status of what {self.name} answers could not be found out: {failure!r}")
            return None

    def _over(self, invocation: Invocation, error: BaseException | None, began: float, status: int | None) -> None:
        """It is written down: tell, if it came near its deadline, and do what can wait."""
        if PROCESS.heard:
            ended_near(self.name, self._clock, began)
        if SPANS.tracer is not None:
            close(invocation, error, status=status, operation=self.name)
        if CHORES.due != NEVER:
            tidy()

    def failed(self, invocation: Invocation, began: float, error: BaseException, *, every: bool) -> Any:
        """It has raised: write it down. The answer that this is, or None where it is to be raised."""
        came = came_by(invocation)
        if came.durable and not isinstance(error, Exception):
            close(invocation, None, status=None, operation=self.name)
            return None  # it leaves, and will be called again: its end is written down when it comes
        form, every = came.form, every or self._cut_off(error)
        answer = answer_to(error, every=every) if form and (self.passed or every) else None
        status = None if answer is None else answer.status
        self._line(invocation, error, began, status)
        self._over(invocation, error, began, status)
        return None if answer is None else self._way.written(form, answer)

    def _cut_off(self, error: BaseException) -> bool:
        """Whether *error* is that of a call of ours that was cancelled at its deadline (`_loop`)."""
        return isinstance(error, CallTimeoutError) and (error.policy, error.reason) == (self.name, "deadline")

    def _line(self, invocation: Invocation, error: BaseException | None, began: float, status: int | None) -> None:
        http = {"method": invocation.method or None, "path": invocation.path or None, "status": status}
        end(self.log, invocation, error=error, began=began, ended=self._clock.monotonic(), operation=self.name, **http)


def plain(fn: Callable[..., Any], edge: Edge, *, clock: Clock, every: bool) -> Callable[..., Any]:
    """A plain function in the place of *fn*."""
    left_of, came, identity = edge.left_of, edge.came, edge.identity
    ended, failed, name, log = edge.ended, edge.failed, edge.name, edge.log

    def call(args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        now = clock.monotonic()
        if len(args) == 2:  # as the platforms call; `Edge.begun` is the same for any call, and a frame more
            first, second = args
            left = left_of(first, second)
            invocation = begin(came, first, second, identity, now=now, left=left)
            if not log.silent:
                came_by(invocation)
            expired = left is not None and left <= 0
        else:
            invocation, expired = edge.begun(now, args, kw)
        try:
            if expired:
                raise DeadlineExceededError(name, "expired")
            result = edge.run(*args, **kw)
        except BaseException as error:
            answer = failed(invocation, now, error, every=every or expired)
            if answer is None:
                raise
            return answer
        if not log.silent or PROCESS._ears or CHORES.due != NEVER:
            ended(invocation, now, result)
        return result

    @functools.wraps(fn)
    def handle(*args: Any, **kw: Any) -> Any:
        return copy_context().run(call, args, kw)

    return handle


def waiting(fn: Callable[..., Any], edge: Edge, *, clock: Clock, every: bool) -> Callable[..., Any]:
    """A coroutine function in the place of *fn*."""

    @functools.wraps(fn)
    async def handle(*args: Any, **kw: Any) -> Any:
        now = clock.monotonic()
        kept = keep()
        try:
            invocation, expired = edge.begun(now, args, kw)
            try:
                if expired:
                    raise DeadlineExceededError(edge.name, "expired")
                result = await edge.run(*args, **kw)
            except BaseException as error:
                answer = edge.failed(invocation, now, error, every=every or expired)
                if answer is None:
                    raise
                return answer
            edge.ended(invocation, now, result)
            return result
        finally:
            restore(kept)

    return handle


def governed(
    fn: Callable[..., Any], way: Way, *, pipeline: Pipeline, identity: Identity, log: Log, clock: Clock, every: bool
) -> Callable[..., Any]:
    """*fn*, sync or async as it is, governed by *pipeline*; *every* makes answers of refusals from its own calls too."""
    edge = Edge(fn, way, pipeline=pipeline, identity=identity, log=log, clock=clock)
    return (waiting if kind_of(edge.run) == "async" else plain)(fn, edge, clock=clock, every=every)
