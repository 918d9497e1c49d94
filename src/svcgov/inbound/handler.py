"""The handler of an event function, ``(event, context)``, on AWS Lambda: governed, and otherwise what it was.

Rule 1: the result is a plain function, since the platform cannot wait for a coroutine: a coroutine function runs on a loop
        that stays between calls (`_loop`).
Rule 2: a durable function is called again and again until it is done. A call that only goes over what has been done was
        let in before: it passes the time-outs, and no other policy.
All else is as `_functions` has it.
"""

from __future__ import annotations

from .._core._callable import kind_of, name_of
from . import aws_lambda
from ._functions import Edge, plain
from ._lifecycle import late_calls_go_on, started

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

    def dressed(target: Callable[..., Any], passed: bool) -> Callable[..., Any]:
        run = _unless_replayed(target, clock) if passed else target
        if kind_of(target) == "async":
            from ._loop import on_loop

            run = on_loop(run, name=name_of(fn), clock=clock, cut=late_calls_go_on())
        return run

    edge = Edge(fn, aws_lambda, pipeline=pipeline, identity=identity, log=log, clock=clock, dress=dressed)
    started(identity, clock)
    return plain(fn, edge, clock=clock, every=every)


def _unless_replayed(target: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    """*target*, without its gates and loops for a call that goes over what a durable function has done already."""
    made: list[Callable[..., Any]] = []

    def run(*args: Any, **kw: Any) -> Any:
        if not aws_lambda.replays(args[1] if len(args) > 1 else kw.get("context")):
            return target(*args, **kw)
        if not made:
            made.append(_only_timed(target, clock))
        return made[0](*args, **kw)

    return run


def _only_timed(target: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    from ..pipeline import Pipeline

    governed = target.__svcgov__  # type: ignore[attr-defined]  # the mark of what is governed
    limits = [policy for policy in governed.policies if policy.shape == "limit"]
    return Pipeline(*limits).around(governed.target, clock=clock, inline=True)
