"""The handler of an event function, ``(event, context)``, on AWS Lambda: governed, and otherwise what it was.

Rule: the result is a plain function, since the platform cannot wait for a coroutine: a coroutine function runs on a loop
that stays between calls. All else is as `_functions` has it.
"""

from __future__ import annotations

from contextvars import copy_context

from .._core._callable import kind_of, name_of
from . import aws_lambda
from ._functions import Edge, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._context import Identity
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
    edge = Edge(fn, aws_lambda, pipeline=pipeline, identity=identity, log=log, clock=clock)
    run = _on_loop(edge.target) if kind_of(edge.target) == "async" else edge.target
    return plain(fn, edge, run, clock=clock, every=every)


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
