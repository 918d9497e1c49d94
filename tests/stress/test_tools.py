"""The crowd itself: who fails, hangs or stays is found, and the tracer is there."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

from stress import _stress
from stress._stress import at_rest, ends, nobody_stays, swallowing, tasks, threads, traced
from svcgov import bulkhead, rate_limit


def test_all_threads_call_with_numbers_of_their_own() -> None:
    """And what they return is returned."""
    assert sorted(threads(lambda number: number, count=4, each=5)) == list(range(20))


def test_all_tasks_await_with_numbers_of_their_own() -> None:
    """The same; every so-manieth of each loop is cancelled after its first turn."""

    async def work(number: int) -> int:
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return number

    assert sorted(tasks(work, count=20, loops=2)) == list(range(20))
    assert ends(tasks(work, count=20, loops=2, cancel_every=5)) == {"good": 16, "CancelledError": 4}


def test_an_error_in_a_crowd_is_an_error_of_the_test() -> None:
    """Unless it is one that may be."""

    def work(number: int) -> int:
        return 1 // (number % 7)

    async def awaited(number: int) -> int:
        return work(number)

    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        threads(work)
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        tasks(awaited)
    for returned in (threads(swallowing(work, ZeroDivisionError)), tasks(swallowing(awaited, ZeroDivisionError))):
        assert ends(returned)["ZeroDivisionError"] > 40


def test_a_thread_that_stays_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may be left."""
    monkeypatch.setattr("_hanging.time.sleep", lambda seconds: None)
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    with pytest.raises(AssertionError, match="does not happen"), nobody_stays():
        thread.start()
    go.set()
    thread.join()


def test_a_call_under_way_is_found() -> None:
    """Nothing may be."""
    gate = bulkhead(1)
    at_rest(gate)
    with gate, pytest.raises(AssertionError, match="in_use"):
        at_rest(gate)


def machines() -> dict[str, Any]:
    """What policies made under a tracer use, and whether their threads are looked at."""
    seen: list[bool] = []
    threads(lambda number: seen.append(sys.gettrace() is not None), count=2, each=1)
    return {"machines": [type(bulkhead(1).machine).__name__, type(rate_limit("1/second").machine).__name__], "seen": seen}


def test_a_tracer_in_a_child_looks_at_every_thread() -> None:
    """So the machines there have locks."""
    assert traced(machines) == {"machines": ["LockedSeats", "LockedGcra"], "seen": [True, True]}


def test_the_tracer_before_is_there_again() -> None:
    """Whoever measures the coverage goes on."""
    before = sys.gettrace(), threading.gettrace()
    with _stress.looked_at():
        pass
    assert (sys.gettrace(), threading.gettrace()) == before
