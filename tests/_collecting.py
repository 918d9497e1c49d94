"""The collector at the worst of moments: while a machine's lock is held, with calls under way in what it collects."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator


class CollectingLock:
    """A lock of the same kind, with a collection at the beginning of each section that it guards, and one at the end."""

    def __init__(self, lock: Any) -> None:
        self.lock = lock
        self.collections = 0

    def __enter__(self) -> None:
        self.lock.acquire()
        self._collect()

    def __exit__(self, *of: object) -> None:
        self._collect()
        self.lock.release()

    def _collect(self) -> None:
        self.collections += 1
        gc.collect()


class Calling:
    """Something whose finaliser makes a call."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call
        self.itself = self

    def __del__(self) -> None:
        self.call()


@contextmanager
def collected_under(machine: Any, name: str, throw_away: Callable[[], object]) -> Iterator[CollectingLock]:
    """What *throw_away* leaves is collected in the next section that the lock *name* of *machine* guards."""
    lock = CollectingLock(getattr(machine, name))
    gc.collect()
    gc.disable()
    try:
        throw_away()
        setattr(machine, name, lock)
        yield lock
    finally:
        setattr(machine, name, lock.lock)
        gc.enable()


def begun(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Let it run to where it waits, and throw it away in a cycle that only the collector finds."""
    coroutine.send(None)
    cycle: list[Any] = [coroutine]
    cycle.append(cycle)
