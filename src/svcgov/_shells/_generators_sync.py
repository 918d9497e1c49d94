"""The frame of a governed generator. `_generators_async` is the mirror of this file.

It is a generator function itself, so its consumer sees what it saw before; it has to make each step by itself, where
``yield from`` would do, since a deadline is set around each and nobody sees it between them (`_life`).
"""

from __future__ import annotations

from .._core._call import Call
from .._core._context import DEADLINE
from ..errors import DeadlineExceededError
from ._life import Life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from ..pipeline import Governed
    from ._life import Stages


def head(governed: Governed) -> Callable[..., Any]:
    """The one frame: what a generator enters at its first step, its steps, and its end."""
    target, record = governed.target, governed.record

    def call(*args: Any, **kw: Any) -> Generator[Any, Any, Any]:
        stages: Stages = governed.route  # type: ignore[assignment]  # as generators are nested
        life = Life(stages, record)
        value: Any = None
        try:
            enter(life, stages, Call(target, args, kw))
            body = stages.fn(*args, **kw)
            del args, kw  # what the generator lets go of is not held here
            step = life.first(body)
            while True:
                item = step(value)
                life.pause()
                try:
                    value = yield item
                    step = body.send
                except BaseException as thrown:
                    life.thrown = value = thrown
                    step = body.throw
                item = None
                if life.resume():
                    body.close()
                    raise life.cut_short()
        except StopIteration as stop:
            life.end(None)
            return stop.value
        except BaseException as error:
            life.end(error)
            raise
        finally:
            value = None  # an error's traceback holds this frame: together they would wait for the collector

    return call


def enter(life: Life, stages: Stages, call: Call) -> None:
    """Take the permits and set the deadline, outermost first."""
    outer = DEADLINE.get()
    if outer is not None and outer <= life.since:
        raise DeadlineExceededError(stages.name, "expired")
    for machine, limits in stages.chosen():
        if limits:
            life.tighten(machine, life.since, call)
        else:
            life.since = life.take(machine, life.since, call)
    life.arm()
