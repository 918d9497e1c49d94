"""The invocation: made of what came along with a call, and set for as long as the call lasts.

Rule 1: whoever begins one does so in a context of its own, which ends with the call.
Rule 2: what goes wrong here is reported once, and the call goes on without it.
"""

from __future__ import annotations

from functools import update_wrapper

from .._core._callable import origin_of
from .._core._chores import CHORES, NEVER
from .._core._context import ATTEMPT, DEADLINE, INVOCATION, REPEATABLE
from .._core._report import report_once
from ..errors import ConfigError
from ._arrival import arriving, span_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from typing import Any, Protocol

    from .._core._context import Identity, Invocation
    from ..pipeline import Pipeline
    from ._arrival import Came

    class Log(Protocol):
        """Where a call is written down."""

        silent: bool  # whether nothing is written

        def call(self, invocation: Invocation, *, error: BaseException | None, took: float, late: bool, **more: Any) -> None:
            """Write one line."""
            ...


_LONGEST_ID = 128  # characters of a request's id that are taken from outside


def begin(
    look: Callable[[Any, Any], Came], event: Any, context: Any, identity: Identity, *, now: float, left: float | None
) -> Invocation:
    """Set the context of a call that came with *event* and *context*, which *look* reads when that is needed.

    *left* is how many seconds there are from *now* on.
    """
    deadline = None if left is None else now + left
    invocation = arriving(look, event, context, identity, deadline, now=now)
    INVOCATION.set(invocation)
    if deadline is not DEADLINE.get():  # to set a variable costs more than to look at it
        DEADLINE.set(deadline)
    if ATTEMPT.get() != 1:
        ATTEMPT.set(1)
    if REPEATABLE.get() is not None:
        REPEATABLE.set(None)
    return invocation


def tidy() -> None:
    """The answer is ready: do what can wait, if it is due and there is time for it."""
    deadline = DEADLINE.get()
    CHORES.answered(NEVER if deadline is None else deadline - CHORES.clock.monotonic())


def keep() -> list[Token[Any]]:
    """What is set in the context now, for `restore`."""
    return [
        INVOCATION.set(INVOCATION.get()),
        DEADLINE.set(DEADLINE.get()),
        ATTEMPT.set(ATTEMPT.get()),
        REPEATABLE.set(REPEATABLE.get()),
    ]


def restore(kept: list[Token[Any]]) -> None:
    """Set everything as it was. A coroutine that is thrown away ends in somebody else's context: that one is left alone."""
    try:
        for token in kept:
            token.var.reset(token)
    except ValueError:
        pass


def named_request(headers: Mapping[str, str], *names: str) -> str:
    """The id that whoever stands in front gave the request, by the first of *names*, if it may go into a log."""
    return loggable(next((headers[name] for name in names or ("x-request-id",) if name in headers), ""))


def loggable(given: object) -> str:
    """*given*, if it is an id that may go into a log: a short line of printable ASCII; else the empty string."""
    fits = isinstance(given, str) and len(given) <= _LONGEST_ID and given.isascii() and given.isprintable()
    return str(given) if fits else ""


def named_like(app: Any, fn: Callable[..., Any]) -> Callable[..., Any]:
    """*fn* with the name of *app*, which may be an object with more in it than a function should have."""
    update_wrapper(fn, origin_of(app), ("__module__", "__name__", "__qualname__", "__doc__"), ())
    fn.__wrapped__ = app  # type: ignore[attr-defined]  # as functools does
    return fn


def no_loops(pipeline: Pipeline, path: str) -> None:
    """Raise a `ConfigError` for policies that call more than once: an answer that has begun cannot be begun again."""
    for policy in pipeline.policies:
        if policy.shape == "loop":
            raise ConfigError(path, policy, "policies that call once (a retry belongs around the calls inside)")
    pipeline.once = True


def end(log: Log, invocation: Invocation, *, error: BaseException | None, began: float, ended: float, **more: Any) -> None:
    """Write down how the call went; *more* are fields of the line."""
    late = invocation.deadline is not None and ended > invocation.deadline
    try:
        log.call(invocation, error=error, took=ended - began, late=late, **more)
    except Exception as failure:
        report_once(f"{invocation.platform}.end", f"the end of a call could not be logged: {failure!r}")


def close(invocation: Invocation, error: BaseException | None, *, status: int | None, operation: str) -> None:
    """The call has ended, and so has its span, if it has one of ours."""
    span = span_of(invocation)
    if span is not None:
        span.end(error, status=status, operation=operation)
