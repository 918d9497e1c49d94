"""The handler of an event function, ``(event, context)``: governed, and otherwise what it was.

A call: the carrier is read, the context is set, the policies are passed, one line is logged.

Rule 1: each call runs in a copy of the context, so whatever is set in it, by us or by the function, is gone after it.
Rule 2: what is returned or raised is the function's own; the log line says which.
Rule 3: what goes wrong on our side is reported once, and the function is called all the same.
Rule 4: the result is a plain function, since the platform cannot wait for a coroutine: a coroutine function runs on a loop
        that stays between calls.
"""

from __future__ import annotations

import functools
from contextvars import copy_context

from .._core._callable import kind_of, name_of
from .._core._context import ATTEMPT, DEADLINE, INVOCATION, NOWHERE, REPEATABLE, Invocation
from .._core._report import report_once
from ..propagation import trace
from ..propagation._carrier import incoming
from .aws_lambda import Came, came, status_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from .._core._context import Identity
    from ..pipeline import Pipeline
    from ..typing import Clock

    class Log(Protocol):
        """Where a call is written down."""

        def call(self, invocation: Invocation, *, error: BaseException | None, took: float, late: bool, **http: Any) -> None:
            """Write one line."""
            ...


_UNKNOWN = Came(trigger="unknown", headers={}, request_id="", left=None)


def handled(fn: Callable[..., Any], *, pipeline: Pipeline, identity: Identity, log: Log, clock: Clock) -> Callable[..., Any]:
    """Govern the handler *fn* by *pipeline*.

    Raises:
        TypeError: for something that cannot be a handler.
    """
    governed = pipeline.around(fn, clock=clock)
    run = _on_loop(governed) if kind_of(governed) == "async" else governed

    def call(args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        began = clock.monotonic()
        event = args[0] if args else kw.get("event")
        context = args[1] if len(args) > 1 else kw.get("context")
        arrived, invocation = _begin(event, context, identity, began)
        result: Any = None
        error: BaseException | None = None
        try:
            result = run(*args, **kw)
        except BaseException as raised:
            error = raised
            raise
        else:
            return result
        finally:
            ended = clock.monotonic()
            _end(log, arrived, invocation, result, error, took=ended - began, late=_late(invocation, ended))
            del error, result  # an error's traceback holds this frame

    @functools.wraps(fn)
    def handle(*args: Any, **kw: Any) -> Any:
        return copy_context().run(call, args, kw)

    return handle


def _begin(event: Any, context: Any, identity: Identity, now: float) -> tuple[Came, Invocation]:
    """Read what came along, and set the context of this call."""
    arrived, invocation, deadline = _UNKNOWN, NOWHERE, None
    try:
        arrived = came(event, context)
        carried = incoming(arrived.headers, colours=identity.colours)
        left = min((left for left in (arrived.left, carried.left) if left is not None), default=None)
        deadline = None if left is None else now + left
        invocation = Invocation(
            platform="lambda",
            service=identity.service,
            version=identity.version,
            colour=carried.colour,
            request_id=arrived.request_id,
            trigger=arrived.trigger,
            deadline=deadline,
            cold_start=identity.first_call(),
            headers=arrived.headers,
            trace=trace.begin() if carried.trace is None else trace.child(carried.trace),
            baggage=carried.baggage,
            raw=event,
        )
    except Exception as failure:
        report_once("handler.begin", f"what came along with a call could not be read: {failure!r}")
    INVOCATION.set(invocation)
    DEADLINE.set(deadline)
    ATTEMPT.set(1)
    REPEATABLE.set(None)
    return arrived, invocation


def _end(
    log: Log, arrived: Came, invocation: Invocation, result: Any, error: BaseException | None, *, took: float, late: bool
) -> None:
    """Write down how the call ended."""
    try:
        log.call(
            invocation,
            method=arrived.method,
            path=arrived.path,
            status=None if error is not None else status_of(arrived, result),
            error=error,
            took=took,
            late=late,
        )
    except Exception as failure:
        report_once("handler.end", f"the end of a call could not be logged: {failure!r}")


def _late(invocation: Invocation, ended: float) -> bool:
    return invocation.deadline is not None and ended > invocation.deadline


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
