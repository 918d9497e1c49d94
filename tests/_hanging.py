"""What tests of calls on worker threads need."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from svcgov import timeout
from svcgov._core._clock import SYSTEM

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.policies import Timeout
    from svcgov.typing import Clock


def until(holds: Callable[[], object]) -> None:
    """Wait for what another thread is about to do."""
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.001)
    raise AssertionError("it does not happen")


def threaded(seconds: float = 9.0, clock: Clock = SYSTEM) -> Timeout:
    """A time-out on a worker."""
    return timeout(seconds, enforce="thread", clock=clock)
