"""A crowd at one time-out: each call ends by its own deadline or by its own means, and nobody is left waiting."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from stress._stress import LOOPS, at_rest, ends, nothing, swallowing, tasks, threads, traced
from svcgov import Pipeline, timeout
from svcgov._core._context import DEADLINE
from svcgov._shells._workers import POOL
from svcgov.errors import BulkheadFullError, CallTimeoutError

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov._core._call import Call


def within(each: int = 10) -> dict[str, int]:
    """Thirty-two threads, each with deadlines in deadlines, of which some depend on the call."""

    def seconds(call: Call) -> float:
        return 100.0 + call.args[0]  # type: ignore[no-any-return]  # a number

    outer, inner = timeout(1000), timeout(seconds)

    @Pipeline(outer, inner)
    def work(number: int) -> float:
        deadline = DEADLINE.get()
        assert deadline is not None
        return deadline - 100.0 - number

    def call(number: int) -> bool:
        before = outer.clock.monotonic()
        began = work(number)
        assert DEADLINE.get() is None
        return before - 1e-6 <= began <= outer.clock.monotonic()

    returned = threads(call, each=each)
    at_rest()
    return {"good": sum(returned), "late": outer.late + inner.late, "timed out": outer.timed_out + inner.timed_out}


def on_workers(each: int = 10, most: int = 8) -> dict[str, Any]:
    """Thirty-two threads share eight workers, some of which hang for a while; who finds none is refused at once."""
    alive: list[int] = []
    gate = timeout(0.02, enforce="thread")

    @gate
    def hangs(go: threading.Event) -> None:
        go.wait(20)

    @timeout(60, enforce="thread")
    def work(number: int) -> int:
        alive.append(POOL.alive)
        return number

    def call(number: int) -> None:
        if number % 41:
            assert work(number) == number
            return
        go = threading.Event()
        try:
            hangs(go)
        finally:
            go.set()

    svcgov.configure(max_workers=most, idle=0.01)
    try:
        returned = threads(swallowing(call, CallTimeoutError, BulkheadFullError), each=each)
    finally:
        svcgov.configure(max_workers=64, idle=30)
    how = ends(returned)
    at_rest()
    nothing(gate.timed_out - how.get("CallTimeoutError", 0))
    nothing(max(alive) > most)
    return {"calls": len(returned), "others": sorted(set(how) - {"good", "CallTimeoutError", "BulkheadFullError"})}


def of_tasks(count: int = 1000) -> dict[str, int]:
    """A thousand tasks on four loops: some are cancelled by others, of the rest a third hangs and times out."""
    hasty, patient = timeout(0.05), timeout(600)

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if number % 3 == 0 or cancelled(number):
            await asyncio.Event().wait()
        return number

    one, other = hasty(work), patient(work)

    async def call(number: int) -> int:
        task = asyncio.current_task()
        assert task is not None
        try:
            return await (other(number) if number % 3 or cancelled(number) else one(number))
        except CallTimeoutError:
            assert task.cancelling() == 0
            raise
        finally:
            assert DEADLINE.get() is None

    how = ends(tasks(swallowing(call, CallTimeoutError), count=count, cancel_every=10))
    at_rest()
    nothing([hasty.timed_out - how["CallTimeoutError"], patient.timed_out] != [0, 0])
    return how


def cancelled(number: int) -> bool:
    """Whether the task of this number is one of every ten of its loop."""
    return (number // LOOPS) % 10 == 0


@pytest.mark.parametrize("run", [within, lambda: traced(within, each=3)], ids=["hasty", "traced"])
def test_threads(run: Callable[[], dict[str, int]]) -> None:
    """Every call sees its own deadline."""
    said = run()
    assert said.pop("good") in (320, 96)
    assert said == {"late": 0, "timed out": 0}


@pytest.mark.parametrize("run", [on_workers, lambda: traced(on_workers, each=3)], ids=["hasty", "traced"])
def test_workers(run: Callable[[], dict[str, Any]]) -> None:
    """Each gets its own answer, its time-out or its refusal; all that were left behind come back, and no thread stays."""
    said = run()
    assert said["calls"] in (320, 96)
    assert said["others"] == []


@pytest.mark.parametrize("run", [of_tasks, lambda: traced(of_tasks, count=200)], ids=["hasty", "traced"])
def test_tasks_on_several_loops(run: Callable[[], dict[str, int]]) -> None:
    """Its own expiry is told from the cancellation by another, for each of them."""
    said = run()
    count = sum(said.values())
    assert said["CancelledError"] == count // 10
    assert said["CallTimeoutError"] == sum(number % 3 == 0 and not cancelled(number) for number in range(count))
