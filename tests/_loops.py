"""What tests of tasks need: loops of their own, turns for others, and a clock that counts its timers."""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Any

from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class Counting(ManualClock):
    """A clock that counts the timers it was asked for."""

    def __init__(self, *, auto: bool = False) -> None:
        super().__init__(auto=auto)
        self.timers: list[float] = []

    def timer(self, loop: asyncio.AbstractEventLoop, at: float, fire: Callable[[], object]) -> Any:
        self.timers.append(at)
        return super().timer(loop, at, fire)


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """On a loop of its own, in a context of its own."""
    return contextvars.copy_context().run(asyncio.run, main())


async def turns(count: int = 4) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


def cancels_of(task: asyncio.Task[Any] | None = None) -> int:
    """The cancellations that are asked of a task and not taken back."""
    found = task or asyncio.current_task()
    assert found is not None
    return found.cancelling()


async def forever() -> None:
    """Hang until it is cancelled."""
    await asyncio.Event().wait()
