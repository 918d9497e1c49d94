"""The loop of handlers that are coroutine functions: one for each thread, which stays from call to call.

Rule 1: a process that has been forked has loops of its own. Those of its parent are not even closed in it: what they wait
        for is shared with the parent, who would wait in vain.
Rule 2: a call is cancelled at its deadline only where the platform lets late calls go on; its own expiry is told from a
        cancellation by others exactly.
"""

from __future__ import annotations

import asyncio
import atexit
from _thread import _local  # threading.local, without threading
from asyncio import events
from contextvars import copy_context

from .._core._context import DEADLINE
from .._core._fork import after_fork
from .._core._listeners import PROCESS
from .._shells._lanes import Expiry
from ..errors import CallTimeoutError
from ._near import watched

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..typing import Clock

_mine = _local()
_runners: list[asyncio.Runner] = []


def on_loop(fn: Callable[..., Any], *, name: str, clock: Clock, cut: bool) -> Callable[..., Any]:
    """A plain function that runs the coroutine function *fn*; with *cut* no longer than to the deadline."""
    inner = _cut_off(fn, name, clock) if cut else fn

    def run(*args: Any, **kw: Any) -> Any:
        if events._get_running_loop() is not None:
            raise RuntimeError(f"{name} is a plain function now: inside a loop, await its __wrapped__ instead")
        runner = getattr(_mine, "runner", None) or _begun()
        alarm = watched(name, clock, runner.get_loop()) if PROCESS.heard else None
        try:
            return runner.run(inner(*args, **kw), context=copy_context())
        finally:
            if alarm is not None:
                alarm.cancel()

    return run


def _cut_off(fn: Callable[..., Any], name: str, clock: Clock) -> Callable[..., Any]:
    async def call(*args: Any, **kw: Any) -> Any:
        deadline = DEADLINE.get()
        if deadline is None:
            return await fn(*args, **kw)
        began = clock.monotonic()
        expiry = Expiry(clock, deadline)
        try:
            result = await fn(*args, **kw)
        except BaseException as error:
            if expiry.ended_by_us(error):
                raise CallTimeoutError(name, "deadline", deadline - began) from error
            raise
        expiry.ended_by_us(None)
        return result

    return call


def _begun() -> asyncio.Runner:
    runner = _mine.runner = asyncio.Runner()
    _runners.append(runner)
    return runner


@atexit.register
def _ended() -> None:
    for runner in _runners:
        runner.close()


@after_fork
def _left_to_the_parent() -> None:
    global _mine, _runners  # the module has one of each
    for runner in _runners:
        runner.get_loop().is_closed = _yes  # type: ignore[method-assign]  # so that nobody closes it when it is let go
    _mine, _runners = _local(), []


def _yes() -> bool:
    return True
