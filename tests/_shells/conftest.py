"""Fixtures of calls on worker threads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from _hanging import until
from svcgov._shells import _workers
from svcgov._shells._workers import Job, Pool, hop

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    """A pool of this test, whose workers end soon."""
    pool = Pool(most=3, idle=0.01)
    monkeypatch.setattr(_workers, "POOL", pool)
    monkeypatch.setattr(hop, "__defaults__", (pool,))
    yield pool
    pool.idle = 0.0

    def ended() -> bool:
        if pool._free:
            pool.start(Job(dict))  # wakes one up, so that it ends
        return pool.alive == 0

    until(ended)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hanging calls wait for; it is opened at the end of the test."""
    event = threading.Event()
    yield event
    event.set()
