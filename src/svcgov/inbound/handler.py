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
from .._core._report import report_once
from ._answers import answer_to
from .aws_lambda import Came, came, status_of, waited_for, written
from .invocation import begin, end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._context import Identity
    from ..pipeline import Pipeline
    from ..typing import Clock
    from .invocation import Log


_UNKNOWN = Came(trigger="unknown", headers={}, request_id="", left=None)


def handled(
    fn: Callable[..., Any], *, pipeline: Pipeline, identity: Identity, log: Log, clock: Clock, every: bool = False
) -> Callable[..., Any]:
    """Govern the handler *fn* by *pipeline*; *every* makes answers of refusals from the author's own calls too.

    Raises:
        TypeError: for something that cannot be a handler.
    """
    governed = pipeline.around(fn, clock=clock)
    run = _on_loop(governed) if kind_of(governed) == "async" else governed

    def call(args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        began = clock.monotonic()
        event = args[0] if args else kw.get("event")
        arrived = _look(event, args[1] if len(args) > 1 else kw.get("context"))
        invocation = begin(
            identity,
            began,
            arrived.headers,
            platform="lambda",
            trigger=arrived.trigger,
            request_id=arrived.request_id,
            left=arrived.left,
            waited_for=waited_for(arrived),
            method=arrived.method,
            path=arrived.path,
            client=arrived.client,
            raw=event,
        )
        result: Any = None
        error: BaseException | None = None
        status: int | None = None
        try:
            result = run(*args, **kw)
            status = status_of(arrived, result)
        except BaseException as raised:
            error = raised
            answer = answer_to(raised, every=every) if arrived.form else None
            if answer is None:
                raise
            status = answer.status
            return written(arrived.form, answer)
        else:
            return result
        finally:
            ended = clock.monotonic()
            http = {"method": arrived.method, "path": arrived.path, "status": status}
            end(log, invocation, error=error, began=began, ended=ended, **http)
            del error, result  # an error's traceback holds this frame

    @functools.wraps(fn)
    def handle(*args: Any, **kw: Any) -> Any:
        return copy_context().run(call, args, kw)

    return handle


def _look(event: Any, context: Any) -> Came:
    try:
        return came(event, context)
    except Exception as failure:
        report_once("handler.look", f"what came along with a call could not be read: {failure!r}")
        return _UNKNOWN


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
