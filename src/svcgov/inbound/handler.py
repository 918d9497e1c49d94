"""The handler of an event function, ``(event, context)``: governed, and otherwise what it was.

A call: the carrier is read, the context is set, the policies are passed, one line is logged.

Rule 1: each call runs in a copy of the context, so whatever is set in it, by us or by the function, is gone after it.
Rule 2: what is returned or raised is the function's own, but for a refusal where somebody waits over HTTP: that is an answer
        (`_answers`). The log line says which.
Rule 3: what goes wrong on our side is reported once, and the function is called all the same.
Rule 4: the result is a plain function, since the platform cannot wait for a coroutine: a coroutine function runs on a loop
        that stays between calls.
"""

from __future__ import annotations

import functools
from contextvars import copy_context

from .._core._callable import kind_of, name_of
from ..errors import DeadlineExceededError
from ._answers import answer_to
from ._arrival import came_by
from .aws_lambda import came, left_of, status_of, written
from .invocation import begin, end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._context import Identity, Invocation
    from ..pipeline import Pipeline
    from ..typing import Clock
    from .invocation import Log


def handled(
    fn: Callable[..., Any], *, pipeline: Pipeline, identity: Identity, log: Log, clock: Clock, every: bool = False
) -> Callable[..., Any]:
    """Govern the handler *fn* by *pipeline*; *every* makes answers of refusals from the author's own calls too.

    Raises:
        TypeError: for something that cannot be a handler.
    """
    governed = pipeline.around(fn, clock=clock)
    policies = governed.__svcgov__.policies  # type: ignore[attr-defined]  # the mark of what is governed
    if not policies and pipeline.name is None:
        governed = fn  # nobody to pass, and nobody to ask how it went
    run = _on_loop(governed) if kind_of(governed) == "async" else governed
    name = name_of(fn)

    def call(args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        now = clock.monotonic()
        event = args[0] if args else kw.get("event")
        context = args[1] if len(args) > 1 else kw.get("context")
        left = left_of(event, context)
        invocation = begin(came, event, context, identity, now=now, left=left)
        if not log.silent:
            came_by(invocation)  # before the function has changed the event
        expired = left is not None and left <= 0
        try:
            if expired:
                raise DeadlineExceededError(name, "expired")
            result = run(*args, **kw)
        except BaseException as error:
            answer = ended_badly(invocation, error, now, expired)
            if answer is None:
                raise
            return answer
        if not log.silent:
            line(invocation, None, now, status_of(came_by(invocation), result))
        return result

    def ended_badly(invocation: Invocation, error: BaseException, began: float, expired: bool) -> dict[str, Any] | None:
        """The answer that *error* is, or None where it is to be raised."""
        form = came_by(invocation).form
        may_be_ours = policies or every or expired
        answer = answer_to(error, every=every or expired) if form and may_be_ours else None
        line(invocation, error, began, None if answer is None else answer.status)
        return None if answer is None else written(form, answer)

    def line(invocation: Invocation, error: BaseException | None, began: float, status: int | None) -> None:
        http = {"method": invocation.method or None, "path": invocation.path or None, "status": status}
        end(log, invocation, error=error, began=began, ended=clock.monotonic(), **http)

    @functools.wraps(fn)
    def handle(*args: Any, **kw: Any) -> Any:
        return copy_context().run(call, args, kw)

    return handle


def _on_loop(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Run the coroutine function *fn* on a loop of this thread, which stays for the next call."""
    import asyncio
    import atexit
    from _thread import _local  # threading.local, without threading
    from asyncio import events

    mine = _local()

    def run(*args: Any, **kw: Any) -> Any:
        if events._get_running_loop() is not None:
            raise RuntimeError(f"{name_of(fn)} is a plain function now: inside a loop, await its __wrapped__ instead")
        runner = getattr(mine, "runner", None)
        if runner is None:
            runner = mine.runner = asyncio.Runner()
            atexit.register(runner.close)
        return runner.run(fn(*args, **kw), context=copy_context())

    return run
