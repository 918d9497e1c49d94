"""Threads and tasks that keep the invocation, and nothing of the frames around."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import in_child
from svcgov._core._clock import SYSTEM
from svcgov._core._context import DEADLINE, REPEATABLE
from svcgov._core._overrides import OVERRIDES
from svcgov._shells import _hold, _spawn
from svcgov.testing import invocation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THEIRS: ContextVar[str] = ContextVar("theirs", default="")


def of_the_call() -> dict[str, Any]:
    """What belongs to the call under way."""
    current = svcgov.current()
    return {
        "colour": current.colour,
        "tenant": current.baggage.get("tenant"),
        "trace": current.trace,
        "id": current.request_id,
        "deadline": DEADLINE.get(),
        "overrides": OVERRIDES.get(),
        "theirs": THEIRS.get(),
    }


def of_frames() -> tuple[Any, ...]:
    """What belongs to a frame."""
    return _hold._HELD.get(), svcgov.current_attempt(), REPEATABLE.get()


def on_thread(fn: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """By a thread of its own."""
    return svcgov.spawn(fn, *args, **kw).result(5)


def on_task(fn: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """By a task."""

    async def child() -> Any:
        await asyncio.sleep(0)
        return fn(*args, **kw)

    async def parent() -> Any:
        return await svcgov.spawn(child)

    return asyncio.run(parent())


def in_pool(fn: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """By an executor, with a copy of the context."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(svcgov.copy_context().run, fn, *args, **kw).result(5)


@pytest.fixture(params=[on_thread, on_task, in_pool], ids=["thread", "task", "pool"])
def child(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """All ways to have something done beside."""
    way: Callable[..., Any] = request.param
    return way


@pytest.fixture
def call() -> Iterator[None]:
    """A call with everything that there is."""
    trace = svcgov.current().trace
    token = THEIRS.set("kept")
    with invocation(colour="blue", baggage={"tenant": "acme"}, request_id="id-1", trace=trace, remaining=5.0):
        yield
    THEIRS.reset(token)


def test_what_belongs_to_the_call_is_kept(child: Callable[..., Any], call: None) -> None:
    """Invocation, deadline, colour, trace, overrides, and whatever others keep in the context."""
    with svcgov.override(timeout=3.0), svcgov.colour("green"):
        before = of_the_call()
        assert child(of_the_call) == before
    assert (before["colour"], before["tenant"], before["theirs"], len(before["overrides"])) == ("green", "acme", "kept", 1)


def test_what_belongs_to_a_frame_is_left_behind(child: Callable[..., Any]) -> None:
    """The blocks of the parent are not the child's to leave, and its attempts begin with the first."""
    bulkhead = svcgov.bulkhead(2)
    attempts: list[int] = []

    @svcgov.retry(on=LookupError, attempts=2, backoff=0)
    def parent() -> tuple[Any, ...]:
        attempts.append(svcgov.current_attempt())
        if len(attempts) == 1:
            raise LookupError
        token = REPEATABLE.set(True)
        with bulkhead:
            seen: tuple[Any, ...] = child(of_frames)
        REPEATABLE.reset(token)
        return seen

    assert parent() == ((), 1, None)
    assert attempts == [1, 2]


def test_a_block_of_the_parent_cannot_be_left_by_the_child(child: Callable[..., Any]) -> None:
    """It would give back a permit that somebody else still uses."""
    bulkhead = svcgov.bulkhead(1)
    with bulkhead:
        with pytest.raises(RuntimeError, match="left in a context in which it was not entered"):
            child(bulkhead.__exit__, None, None, None)
        with pytest.raises(svcgov.errors.BulkheadFullError):
            child(bulkhead.__enter__)
    with bulkhead:
        pass


def test_retries_of_a_child_are_calls_of_their_own(child: Callable[..., Any], clock: Any) -> None:
    """A retry inside of another one deposits nothing, unless it is made by somebody else."""
    budget = svcgov.budget(clock=clock)

    @svcgov.retry(on=LookupError, attempts=2, backoff=0, budget=budget, clock=clock)
    def inner() -> int:
        return svcgov.current_attempt()

    @svcgov.retry(on=LookupError, attempts=2, backoff=0, budget=budget, clock=clock)
    def outer(run: Callable[..., Any]) -> Any:
        return run(inner)

    assert outer(lambda fn: fn()) == 1
    assert budget.snapshot()["deposited"] == 1.0
    assert outer(child) == 1
    assert budget.snapshot()["deposited"] == 3.0


def test_what_the_child_sets_stays_with_it(child: Callable[..., Any], call: None) -> None:
    """It is a copy."""

    def change() -> None:
        THEIRS.set("changed")
        DEADLINE.set(SYSTEM.monotonic())

    before = of_the_call()
    child(change)
    assert of_the_call() == before


def test_arguments_results_and_errors_are_handed_over(child: Callable[..., Any]) -> None:
    """Whatever they are."""
    assert child(lambda *args, **kw: (args, kw), 1, 2, end=3) == ((1, 2), {"end": 3})

    def exit_() -> None:
        raise SystemExit(3)

    if child is not on_task:  # a task would end the loop by it
        with pytest.raises(SystemExit):
            child(exit_)
    with pytest.raises(ZeroDivisionError):
        child(lambda: 1 / 0)


# -- threads ----------------------------------------------------------------------------------------------------------


def test_a_plain_function_gets_a_thread_of_its_own() -> None:
    """Which ends with it."""
    thread = on_thread(threading.current_thread)
    thread.join(5)
    assert (thread.name, thread.is_alive(), thread.daemon) == ("svcgov-spawn", False, False)


def test_the_parent_may_end_before_its_child() -> None:
    """What the child keeps is its own."""
    go = threading.Event()

    def later() -> str | None:
        go.wait(5)
        return svcgov.current().colour

    with invocation(colour="blue"):
        future = svcgov.spawn(later)
    go.set()
    assert future.result(5) == "blue"
    assert svcgov.current().colour is None


def test_a_future_that_was_cancelled_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    """If somebody is that quick."""
    started: list[Callable[[], None]] = []
    monkeypatch.setattr(threading.Thread, "start", lambda self: started.append(self.run))
    called: list[int] = []
    future = svcgov.spawn(called.append, 1)
    assert future.cancel()
    started[0]()
    assert called == []
    with pytest.raises(CancelledError):
        future.result(0)


def test_an_error_does_not_wait_for_the_collector() -> None:
    """Nothing of ours refers to itself by way of it."""

    class Failed(Exception):
        pass

    def fail() -> None:
        raise Failed

    gc.collect()
    gc.disable()
    try:
        future = svcgov.spawn(fail)
        gone = weakref.ref(future.exception(5) or future)
        for thread in threading.enumerate():
            if thread.name == "svcgov-spawn":
                thread.join(5)
        del future
        assert gone() is None
    finally:
        gc.enable()


# -- tasks ------------------------------------------------------------------------------------------------------------


def test_a_task_is_kept_until_it_has_ended() -> None:
    """A loop alone would let the collector have it."""

    async def wait(over: asyncio.Event) -> str | None:
        await over.wait()
        return svcgov.current().colour

    async def main() -> tuple[bool, str | None, int]:
        over = asyncio.Event()
        with invocation(colour="blue"):
            task = svcgov.spawn(wait, over)
        kept = task in _spawn._tasks
        over.set()
        return kept, await task, len(_spawn._tasks)

    assert asyncio.run(main()) == (True, "blue", 0)


def test_a_coroutine_function_needs_a_loop() -> None:
    """There is none to give it to; and none is begun for it."""

    async def child() -> None:
        """Never begun."""

    with pytest.raises(RuntimeError, match="no running event loop"):
        svcgov.spawn(child)


def test_nothing_is_loaded_before_it_is_used() -> None:
    """The context needs no threads, a coroutine function no futures, and neither any loop."""
    code = """
import json, sys
before = set(sys.modules)
import svcgov
svcgov.copy_context().run(svcgov.current)
loaded = sorted({"asyncio", "threading", "concurrent.futures"} & (set(sys.modules) - before))
async def child(): pass
try:
    svcgov.spawn(child)
except RuntimeError as error:
    said = str(error)
print(json.dumps([loaded, said, "asyncio" in sys.modules]))
"""
    assert in_child(code) == [[], "no running event loop", False]
