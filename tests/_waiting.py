"""What tests of waiting need: a clock by which nobody has to wait."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from svcgov.testing import ManualClock

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable


class Jumping(ManualClock):
    """A clock that goes on to the moment of a timer as soon as one is set: tasks wait by it as threads do, at once."""

    def __init__(self) -> None:
        super().__init__(auto=True)

    def timer(self, loop: asyncio.AbstractEventLoop, at: float, fire: Callable[[], object]) -> Any:
        """The time has come when it is the loop's turn."""
        alarm = super().timer(loop, at, fire)
        loop.call_soon(lambda: self._go_to(max(at, self._now)))
        return alarm
