"""A crowd at one governed function: threads, tasks of several loops, and a tracer that looks at every line.

A test says what one call does and what it may raise, lets a crowd do it, and counts afterwards::

    def scenario(each: int = 10) -> dict[str, Any]:
        gate = bulkhead(4)
        done = threads(swallowing(gate(work), BulkheadFullError), each=each)
        at_rest(gate)
        return {"machine": type(gate.machine).__name__, ...}

    def test_threads() -> None:
        assert scenario() == {...}

    def test_under_a_tracer() -> None:
        assert traced(scenario, each=2)["machine"] == "LockedSeats"

Rule 1: whatever a call raises that it may not is an error of the test, and so is whoever hangs, or is still there at the end.
Rule 2: threads take turns as often as the interpreter can, all the time.
Rule 3: in this process the tracer of whoever measures the coverage stays; ours is in a child alone.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _hanging import until
from _worlds import TESTS, hasty_switches, in_child, in_threads
from svcgov._core._budget import STAYS
from svcgov._core._context import ATTEMPT, DEADLINE
from svcgov._shells._workers import POOL

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

THREADS, TASKS, LOOPS = 32, 1000, 4
UNDER_WAY = ("in_use", "waiting", "in_flight", "held")


@contextmanager
def nobody_stays() -> Iterator[None]:
    """At the end there are no other threads than at the beginning."""
    before = set(threading.enumerate())
    yield
    until(lambda: set(threading.enumerate()) <= before)


def threads(work: Callable[[int], object], *, count: int = THREADS, each: int = 10) -> list[Any]:
    """Let *count* threads begin at once and call ``work(number)`` *each* times; what they returned, of all, in no order."""
    together = threading.Barrier(count)
    returned: list[Any] = []

    def calls(thread: int) -> None:
        together.wait()
        returned.extend([work(thread * each + turn) for turn in range(each)])

    with nobody_stays(), hasty_switches():
        nothing(in_threads(count, calls))
    return returned


def tasks(
    work: Callable[[int], Awaitable[Any]], *, count: int = TASKS, loops: int = LOOPS, cancel_every: int | None = None
) -> list[Any]:
    """Let *count* tasks of *loops* event loops, each in a thread of its own, await ``work(number)``; what they returned.

    With *cancel_every* each so-manieth is cancelled after its first turn; what it returns then is its `CancelledError`.
    """
    together = threading.Barrier(loops)
    returned: list[Any] = []

    async def main(loop: int) -> None:
        started = [asyncio.ensure_future(_as_task(work(number))) for number in range(loop, count, loops)]
        await asyncio.sleep(0)
        for task in started[:: cancel_every or count]:
            if cancel_every:
                task.cancel()
        await asyncio.gather(*started, return_exceptions=True)
        for task in started:
            stopped = task.cancelled() and cancel_every  # nobody else cancels
            returned.append(asyncio.CancelledError() if stopped else task.result())

    def run(loop: int) -> None:
        together.wait()
        asyncio.run(main(loop))

    with nobody_stays(), hasty_switches():
        nothing(in_threads(loops, run))
    return returned


async def _as_task(work: Awaitable[Any]) -> Any:
    return await work


def swallowing(call: Callable[..., Any], *kinds: type[BaseException]) -> Callable[..., Any]:
    """*call*, but that what it may raise is returned. A coroutine function stays one."""
    if asyncio.iscoroutinefunction(call):

        async def awaits(*args: Any) -> Any:
            try:
                return await call(*args)
            except kinds as error:
                return error

        return awaits

    def calls(*args: Any) -> Any:
        try:
            return call(*args)
        except kinds as error:
            return error

    return calls


def ends(returned: list[Any]) -> dict[str, int]:
    """How many of them ended how: by the class of the error, or as ``good``."""
    counts: dict[str, int] = {}
    for one in returned:
        how = type(one).__name__ if isinstance(one, BaseException) else "good"
        counts[how] = counts.get(how, 0) + 1
    return counts


def at_rest(*things: Any) -> None:
    """Nothing is under way in the policies and budgets given, in the pool of workers, or in this context."""
    for thing in things:
        shown = thing.snapshot()
        nothing({name: shown[name] for name in UNDER_WAY if shown.get(name, 0) != 0})
    until(lambda: POOL.abandoned == 0)
    nothing([one for one in (*STAYS.get(), DEADLINE.get(), ATTEMPT.get() - 1) if one])


def nothing(found: object) -> None:
    """What is found shows in the error: this file is no test's, whose assertions say it by themselves."""
    if found:
        raise AssertionError(f"nothing was expected, there is {found!r}")


def traced(scenario: Callable[..., Any], **arguments: Any) -> Any:
    """What *scenario*, a function of a file in this folder, returns in a child where a tracer looks at every line."""
    module = f"{Path(__file__).parent.name}.{Path(scenario.__code__.co_filename).stem}"
    code = f"""
import json, sys, warnings
sys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent / "src")!r}]
warnings.simplefilter("error")
from {module} import {scenario.__name__} as scenario
from stress._stress import looked_at
with looked_at():
    said = scenario(**json.loads({json.dumps(json.dumps(arguments))}))
print(json.dumps(said))
"""
    return in_child(code, timeout=60.0)


@contextmanager
def looked_at() -> Iterator[None]:
    """A tracer is told of every line, in all threads that begin now."""

    def trace(*_: object) -> Any:
        return trace

    before = sys.gettrace(), threading.gettrace()
    sys.settrace(trace)
    threading.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before[0])
        threading.settrace(before[1])  # None, or what measures the coverage
