"""The wait between two attempts, in both worlds.

Rule: a plain function that sleeps stops its thread. Where that runs an event loop, all of its tasks stop: that is said.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..typing import Loop


def sleep(retry: Loop, seconds: float, error: BaseException) -> None:
    """Sleep by the clock of *retry*, because of *error*."""
    if runs_a_loop():
        retry.blocks(seconds, error)
    retry.clock.sleep(seconds)


async def asleep(retry: Loop, seconds: float, error: BaseException) -> None:
    """The same, while other tasks run."""
    await retry.clock.asleep(seconds)


def runs_a_loop() -> bool:
    """Whether this thread runs an event loop. Where nobody has imported them, nobody runs one."""
    events = sys.modules.get("asyncio.events")
    return events is not None and events._get_running_loop() is not None
