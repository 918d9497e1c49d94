"""The frame of a governed async generator. `_generators_sync` is the mirror of this file.

It is a generator function itself, so its consumer sees what it saw before; it has to make each step by itself, where
``async for`` would not do, since a deadline is set around each and nobody sees it between them (`_life`).
"""

from __future__ import annotations

from .._core._call import Call
from .._core._context import DEADLINE
from ..errors import DeadlineExceededError
from ._task_life import TaskLife as Life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from typing import Any

    from ..pipeline import Governed
    from ._life import Stages


def head(governed: Governed) -> Callable[..., Any]:
    """The one frame: what a generator enters at its first step, its steps, and its end."""
    target, record = governed.target, governed.record

    async def call(*args: Any, **kw: Any) -> AsyncGenerator[Any, Any]:
        stages: Stages = governed.route  # type: ignore[assignment]  # as generators are nested
        life = Life(stages, record)
        value: Any = None
        try:
            await enter(life, stages, Call(target, args, kw))
            body = stages.fn(*args, **kw)
            del args, kw  # what the generator lets go of is not held here
            step = life.first(body)
            while True:
                item = await step(value)
                life.pause()
                try:
                    value = yield item
                    step = body.asend
                except BaseException as thrown:
                    life.thrown = value = thrown
                    step = body.athrow
                item = None
                if life.resume():
                    await body.aclose()
                    raise life.cut_short()
        except StopAsyncIteration:
            life.end(None)
            return
        except BaseException as error:
            life.end(error)
            raise
        finally:
            value = None  # an error's traceback holds this frame: together they would wait for the collector

    return call


async def enter(life: Life, stages: Stages, call: Call) -> None:
    """Take the permits and set the deadline, outermost first."""
    outer = DEADLINE.get()
    if outer is not None and outer <= life.since:
        raise DeadlineExceededError(stages.name, "expired")
    for machine, limits in stages.chosen():
        if limits:
            life.tighten(machine, life.since, call)
        else:
            life.since = await life.take_in_turn(machine, life.since, call)
    life.arm()
