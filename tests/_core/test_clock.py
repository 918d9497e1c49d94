"""The clock of the process. These tests read real time, and wait for less than a tenth of a second."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

import pytest

from svcgov._core._clock import SYSTEM, moment, utc


def test_it_is_the_time_of_the_process() -> None:
    """Both readings lie between two of the standard library's."""
    for read, theirs in ((SYSTEM.monotonic, time.monotonic), (SYSTEM.wall, time.time)):
        before, now, after = theirs(), read(), theirs()
        assert before <= now <= after


def test_it_sleeps() -> None:
    """At least as long as it was told."""
    before = time.monotonic()
    SYSTEM.sleep(0.01)
    assert time.monotonic() - before >= 0.01


def test_it_sleeps_without_stopping_the_loop() -> None:
    """Others run meanwhile."""

    async def main() -> list[str]:
        order: list[str] = []

        async def sleeper() -> None:
            await SYSTEM.asleep(0.01)
            order.append("slept")

        task = asyncio.create_task(sleeper())
        await asyncio.sleep(0)
        order.append("meanwhile")
        await task
        return order

    assert asyncio.run(main()) == ["meanwhile", "slept"]


def test_a_sleep_is_cut_by_a_cancellation() -> None:
    """At once."""

    async def main() -> None:
        task = asyncio.create_task(SYSTEM.asleep(600))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


@pytest.mark.parametrize("away", [0.01, 0.0, -5.0])
def test_a_timer_fires_not_before_its_moment(away: float) -> None:
    """One whose moment has passed fires at once, and one that was cancelled does not fire."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        fired = loop.create_future()
        at = SYSTEM.monotonic() + away
        SYSTEM.timer(loop, at, lambda: fail.append("cancelled")).cancel()
        SYSTEM.timer(loop, at, lambda: fired.set_result(SYSTEM.monotonic()))
        assert await fired >= at - 0.001

    fail: list[str] = []
    asyncio.run(main())
    assert fail == []


def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    """The loop is told to fire at once."""
    told: list[float] = []
    loop: Any = SimpleNamespace(call_later=lambda seconds, fire: told.append(seconds))
    SYSTEM.timer(loop, SYSTEM.monotonic() - 5, list)
    assert told == [0.0]


@pytest.mark.parametrize(
    ("wall", "said"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_700_000_000.123, "2023-11-14T22:13:20.123Z"),
        (1_700_000_000.9999, "2023-11-14T22:13:20.999Z"),
    ],
)
def test_a_reading_of_the_wall_clock_as_text(wall: float, said: str) -> None:
    """Universal time, cut to the millisecond."""
    assert utc(wall) == said


@pytest.mark.parametrize(
    ("text", "wall"),
    [
        ("2026-01-31T23:59:59.123Z", 1769903999.123),
        ("2026-02-01T01:59:59.123+02:00", 1769903999.123),
        ("2026-01-31T23:59:59.123", None),
        ("2026-01-31", None),
        ("soon", None),
        ("0001-01-01T00:00:00+23:00", -62135679600.0),
        (7, None),
        (None, None),
    ],
)
def test_a_time_is_read_with_its_zone(text: object, wall: float | None) -> None:
    """Without one it is none."""
    assert moment(text) == wall
    if wall is not None and wall > 0:
        assert moment(utc(wall)) == wall
