"""What the process says of itself."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from svcgov.telemetry import runtime
from svcgov.telemetry.metrics import METRICS, families
from svcgov.telemetry.runtime import LAG, START, Runtime
from svcgov.testing import ManualClock

from .counting import Counting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAT = "7 (a (very) odd\nname) S " + " ".join(str(number) for number in range(4, 53))


class Told(list[Any]):
    """What was measured."""

    def __call__(self, name: str, seconds: float) -> None:
        self.append((name, seconds))


@pytest.fixture
def told() -> Told:
    """Nothing yet."""
    return Told()


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system whose figures are known."""
    (tmp_path / "self" / "fd").mkdir(parents=True)
    (tmp_path / "self" / "stat").write_text(STAT)
    (tmp_path / "self" / "statm").write_text("900 30 20 1 0 40 0\n")
    (tmp_path / "uptime").write_text("100.5 70.1\n")
    for number in range(4):
        (tmp_path / "self" / "fd" / f"{number}").touch()
    monkeypatch.setattr(runtime, "PROC", str(tmp_path))
    return tmp_path


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another system than Linux."""
    monkeypatch.setattr(runtime, "PROC", str(tmp_path / "none"))


@pytest.fixture
def quiet() -> Iterator[None]:
    """The collector comes only when it is asked."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def values(name: str) -> list[float]:
    """Those of one metric."""
    return [value for metric, samples in families(Counting().recorder) if metric.name == name for _, value in samples]  # type: ignore[misc]


def test_figures_are_those_of_the_system(proc: Path) -> None:
    """Also where the name of the command is an odd one; the descriptor that looking takes is not counted."""
    assert values("process.memory.usage") == [30 * resource.getpagesize()]
    assert values("process.thread.count") == [20]
    assert values("process.unix.file_descriptor.count") == [3]
    assert values("process.uptime") == [pytest.approx(100.5 - 22 / os.sysconf("SC_CLK_TCK"))]


def test_the_real_figures_are_plausible() -> None:
    """On this machine, whatever it is."""
    assert 0 < values("process.memory.usage")[0] < resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2048
    assert values("process.thread.count")[0] >= threading.active_count()
    before = values("process.unix.file_descriptor.count")[0]
    reading, writing = os.pipe()
    assert values("process.unix.file_descriptor.count") == [before + 2]
    os.close(reading)
    os.close(writing)
    spent = values("process.cpu.time")
    assert all(0 <= one <= later for one, later in zip(spent, os.times()[:2], strict=True))
    assert values("process.uptime")[0] > 0


@pytest.mark.usefixtures("nothing")
def test_elsewhere_the_standard_library_says_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """The age of the process is left out, where it is not known."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    monkeypatch.setattr(os, "listdir", lambda where: [where] * 3)
    assert values("process.memory.usage") == [pytest.approx(most * 1024, rel=0.1)]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert values("process.memory.usage") == [pytest.approx(most, rel=0.1)]
    assert values("process.thread.count") == [threading.active_count()]
    assert values("process.unix.file_descriptor.count") == [2]
    assert values("process.uptime") == []


def test_what_cannot_be_read_is_left_out(proc: Path) -> None:
    """The rest is told."""
    for name in ("stat", "statm"):
        (proc / "self" / name).write_text("?")
    told = {metric.name for metric, _ in families(Counting().recorder) if metric.name.startswith("process.")}
    assert told == {"process.cpu.time", "process.unix.file_descriptor.count"}


@pytest.mark.usefixtures("quiet")
def test_garbage_is_counted_by_generation() -> None:
    """As the collector counts it."""

    def counts() -> dict[str, dict[str, Any]]:
        return {
            metric.name: {labels["cpython.gc.generation"]: value for labels, value in metric.read(None)}  # type: ignore[arg-type]
            for metric in METRICS
            if metric.name.startswith("cpython.")
        }

    before = counts()
    rings: list[Any] = [[] for _ in range(10)]
    for ring in rings:
        ring.append(ring)
    del rings, ring
    gc.collect(1)
    after = counts()
    assert after["cpython.gc.collections"] == {**before["cpython.gc.collections"], "1": before["cpython.gc.collections"]["1"] + 1}
    assert after["cpython.gc.collected_objects"]["1"] >= before["cpython.gc.collected_objects"]["1"] + 10
    assert after["cpython.gc.uncollectable_objects"] == before["cpython.gc.uncollectable_objects"]


@pytest.mark.usefixtures("quiet")
def test_pauses_are_counted_while_somebody_watches(told: Told) -> None:
    """From the moment that it is asked for, once however often; and nothing is left behind."""
    before = list(gc.callbacks)
    watched = Runtime(told)
    gc.collect()
    assert (watched.pauses, gc.callbacks) == (0, before)
    for _ in range(2):
        watched.watch()
    for number in (1, 2):
        gc.collect()
        assert watched.pauses == number
    assert watched.paused > 0
    (told_by_the_collector,) = [one for one in gc.callbacks if one not in before]
    del watched
    gc.collect()
    assert gc.callbacks == before
    assert told_by_the_collector("stop", {}) is None  # whoever is still told goes on


def test_a_pause_that_began_before_is_none(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever begins to watch during one hears its end only."""
    watched = Runtime(told)
    watched.collected("stop")
    assert (watched.pauses, watched.paused) == (0, 0.0)
    moments = iter([5.0, 5.25])
    monkeypatch.setattr(runtime, "SYSTEM", type("Clock", (), {"monotonic": lambda _: next(moments)})())
    watched.collected("start")
    watched.collected("stop")
    assert (watched.pauses, watched.paused) == (1, 0.25)


class Serving:
    """Calls that a loop serves, by a clock by hand."""

    def __init__(self, told: Told) -> None:
        self.clock = ManualClock()
        self.runtime = Runtime(told, self.clock)

    async def call(self, *, then: float = 0.0) -> None:
        """One call; before the loop comes back, so many seconds pass."""
        self.runtime.called(0.1, cold=False)
        self.clock.advance(then)
        await asyncio.sleep(0)


def test_the_loop_says_how_late_it_is(told: Told) -> None:
    """While it serves a call, and once a second at most."""
    serving = Serving(told)

    async def calls() -> None:
        for then in (0.3, 0.4, 0.5, 0.6):
            await serving.call(then=then)

    asyncio.run(calls())
    assert told == [(LAG, 0.3), (LAG, pytest.approx(0.6))]


def test_a_loop_that_was_frozen_says_nothing(told: Told) -> None:
    """It was not late: nothing was there that could have been."""
    serving = Serving(told)
    asyncio.run(serving.call(then=3600))
    asyncio.run(serving.call(then=59))
    assert told == [(LAG, 59)]


def test_without_a_loop_there_is_no_lag(told: Told) -> None:
    """A call on a thread."""
    Serving(told).runtime.called(0.1, cold=False)
    assert told == []


def test_nothing_of_a_call_is_held_until_the_loop_comes_back(told: Told) -> None:
    """Not the context in which it was looked at."""
    serving = Serving(told)
    seen: list[Any] = []

    class Loop:
        """One that never comes."""

        def call_soon(self, *_: Any, context: Any) -> None:
            seen.append(list(context))

    asyncio._set_running_loop(Loop())  # type: ignore[arg-type]
    try:
        serving.runtime.called(0.1, cold=False)
    finally:
        asyncio._set_running_loop(None)
    assert seen == [[]]


@pytest.mark.usefixtures("proc")
def test_the_first_call_says_how_long_the_process_took_to_start(told: Told) -> None:
    """If it had to wait for that; once."""
    clock = ManualClock()
    clock.advance(1000.0)  # the clock is that of the machine, which has been up for long
    started = Runtime(told, clock)
    started.called(1.0, cold=False)
    assert told == []
    for took in (0.5, 0.7):
        started.called(took, cold=True)
    assert told == [(START, pytest.approx(100.0 - 22 / os.sysconf("SC_CLK_TCK")))]


@pytest.mark.usefixtures("proc")
def test_a_first_call_long_after_the_start_did_not_wait_for_it(told: Told) -> None:
    """The process has waited for the call."""
    clock = ManualClock()
    started = Runtime(told, clock)
    clock.advance(10.6)
    started.called(0.5, cold=True)
    assert told == []


@pytest.mark.usefixtures("nothing")
def test_where_the_age_is_not_known_nothing_is_said_of_the_start(told: Told) -> None:
    """Rather than something wrong."""
    Runtime(told, ManualClock()).called(0.5, cold=True)
    assert told == []


@pytest.mark.usefixtures("proc")
def test_a_process_from_a_snapshot_has_no_start(told: Told) -> None:
    """It was started long ago, and somewhere else."""
    clock = ManualClock()
    restored = Runtime(told, clock)
    clock.restored()
    restored.called(0.5, cold=True)
    assert told == []


@pytest.mark.usefixtures("proc")
def test_what_is_measured_is_a_histogram_of_the_recorder() -> None:
    """Of the service, and there once something was measured."""
    counting = Counting()
    names = {"svcgov.loop.lag", "faas.init_duration"}
    assert not names & {metric.name for metric, _ in families(counting.recorder)}
    counting.call(cold_start=True)
    counting.recorder.timed(LAG, 0.2)
    counting.call(cold_start=True)
    found = {metric.name: samples for metric, samples in families(counting.recorder) if metric.name in names}
    assert {name: [(labels, value.count) for labels, value in samples] for name, samples in found.items()} == {  # type: ignore[union-attr]
        name: [({"service": "shop"}, 1)] for name in names
    }
