"""``enforce="thread"``: a plain function that hangs is left behind on a worker thread. These calls wait in real time."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import Facts, garbage_of, in_child, in_threads
from svcgov import Pipeline, bulkhead, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov._shells._workers import POOL
from svcgov.errors import BulkheadFullError, CallTimeoutError, DeadlineExceededError
from svcgov.facts import TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

SOON, LONG = 0.03, 30.0


def until(true: Callable[[], bool]) -> None:
    """Wait for something that other threads are about to do."""
    last = time.monotonic() + 10
    while not true():
        assert time.monotonic() < last
        time.sleep(0.001)


class Hanging:
    """A plain function that hangs until it is let go."""

    def __init__(self, result: Any = None) -> None:
        self.let_go = threading.Event()
        self.result = result
        self.entered = 0

    def __call__(self) -> Any:
        self.entered += 1
        self.let_go.wait(timeout=10)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def test_a_call_that_hangs_is_left_behind(facts: Facts) -> None:
    """The caller has its time-out; the worker comes back when the function does."""
    hanging = Hanging()
    gate = timeout(SOON, enforce="thread", name="payments")
    gate.listen(facts)
    with pytest.raises(CallTimeoutError) as late:
        gate(hanging)()
    assert (late.value.policy, late.value.reason, late.value.seconds) == ("payments", "total", SOON)
    assert [(fact.policy, fact.late) for fact in facts.of(TimedOut)] == [("payments", False)]
    assert POOL.abandoned == 1
    hanging.let_go.set()
    until(lambda: POOL.abandoned == 0)
    assert gate.snapshot() == {"timed_out": 1, "late": 0}


def test_results_and_errors_come_through() -> None:
    """As they are: the very same object."""
    answer, error = object(), ValueError("its own")

    @timeout(LONG, enforce="thread")
    def work(end: Any) -> Any:
        if isinstance(end, Exception):
            raise end
        return end

    assert work(answer) is answer
    with pytest.raises(ValueError, match="its own") as raised:
        work(error)
    assert raised.value is error


def test_an_attempt_that_hangs_is_made_again() -> None:
    """Inside a retry the time-out is per attempt, and an attempt left behind is one that failed."""
    hanging = Hanging()
    again = retry(on="timeout", attempts=2, backoff=0.0, budget=None)
    with pytest.raises(CallTimeoutError) as late:
        Pipeline(again, timeout(SOON, enforce="thread"))(hanging)()
    assert late.value.reason == "attempt"
    assert hanging.entered == 2
    hanging.let_go.set()
    until(lambda: POOL.abandoned == 0)


def test_a_gate_around_it_has_its_permit_back_at_once() -> None:
    """The caller is free, so its place is."""
    hanging = Hanging()
    gate = bulkhead(1)
    call = Pipeline(gate, timeout(SOON, enforce="thread"))(hanging)
    for _ in range(2):
        with pytest.raises(CallTimeoutError):
            call()
        assert gate.snapshot()["in_use"] == 0
    hanging.let_go.set()
    until(lambda: POOL.abandoned == 0)


def test_the_context_goes_along_but_changes_do_not_come_back() -> None:
    """The worker runs in a copy: it sees the caller's values and the deadline."""
    colour: ContextVar[str] = ContextVar("colour", default="none")

    @timeout(LONG, enforce="thread")
    def look() -> tuple[str, bool]:
        seen = colour.get()
        colour.set("changed")
        return seen, DEADLINE.get() is not None

    token = colour.set("blue")
    assert look() == ("blue", True)
    assert colour.get() == "blue"
    assert DEADLINE.get() is None
    colour.reset(token)


def test_it_is_another_thread_than_the_callers() -> None:
    """Which is why thread-locals of the caller are not seen."""
    local = threading.local()
    local.session = "mine"

    @timeout(LONG, enforce="thread")
    def look() -> tuple[bool, int]:
        return hasattr(local, "session"), threading.get_ident()

    seen, thread = look()
    assert not seen
    assert thread != threading.get_ident()


def test_a_call_on_a_worker_does_not_hop_again() -> None:
    """It would wait for a second worker while it holds the first; its deadline is set all the same."""

    @timeout(SOON, enforce="thread")
    def inside() -> tuple[int, float | None]:
        return threading.get_ident(), DEADLINE.get()

    @timeout(LONG, enforce="thread")
    def outside() -> tuple[int, float | None, tuple[int, float | None]]:
        return threading.get_ident(), DEADLINE.get(), inside()

    thread, far, (nested, near) = outside()
    assert thread == nested
    assert far is not None
    assert near is not None
    assert near < far - LONG / 2


def test_a_tighter_deadline_around_it_is_when_it_is_left() -> None:
    """The limit itself has time left."""
    hanging = Hanging()
    token = DEADLINE.set(time.monotonic() + SOON)
    with pytest.raises(CallTimeoutError):
        timeout(LONG, enforce="thread")(hanging)()
    DEADLINE.reset(token)
    hanging.let_go.set()
    until(lambda: POOL.abandoned == 0)


def test_with_no_time_left_no_worker_is_asked() -> None:
    """It is refused before it begins."""
    hanging = Hanging()
    token = DEADLINE.set(time.monotonic() - 1)
    with pytest.raises(DeadlineExceededError):
        timeout(LONG, enforce="thread")(hanging)()
    DEADLINE.reset(token)
    assert hanging.entered == 0


def test_no_limit_is_no_hop() -> None:
    """With nothing to enforce, the caller's own thread will do."""
    assert timeout(None, enforce="thread")(threading.get_ident)() == threading.get_ident()


def test_a_block_and_a_coroutine_stay_where_they_are() -> None:
    """A block cannot be moved to a worker, and a coroutine is cancelled instead."""
    gate = timeout(SOON, enforce="thread")
    with gate:
        assert DEADLINE.get() is not None

    @gate
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(CallTimeoutError):
        asyncio.run(hang())
    assert POOL.abandoned == 0


def test_a_late_result_is_closed() -> None:
    """Nobody is there to take the connection that a call left behind comes back with."""

    class Connection:
        closed = False

        def close(self) -> None:
            self.closed = True

    connection = Connection()
    hanging = Hanging(connection)
    with pytest.raises(CallTimeoutError):
        timeout(SOON, enforce="thread")(hanging)()
    hanging.let_go.set()
    until(lambda: connection.closed)


def test_all_workers_busy_is_a_refusal_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no queue: a call that hangs does not make the next one wait."""
    until(lambda: POOL.abandoned == 0)
    monkeypatch.setattr(POOL, "most", 0)
    monkeypatch.setattr(POOL, "_free", [])
    with pytest.raises(BulkheadFullError) as refused:
        timeout(LONG, enforce="thread", name="payments")(lambda: None)()
    assert (refused.value.policy, refused.value.reason) == ("payments", "no_worker")


def test_many_threads_find_workers() -> None:
    """Sixteen callers at once: each gets its own answer, and no more workers live than there may be."""

    @timeout(LONG, enforce="thread")
    def double(number: int) -> int:
        return number * 2

    def work(number: int) -> None:
        for one in range(100):
            assert double(one * number) == one * number * 2

    assert in_threads(16, work) == []
    assert POOL.alive <= POOL.most
    assert POOL.abandoned == 0


def test_nothing_is_left_for_the_collector() -> None:
    """Neither a good call nor one that raises makes a cycle of its error and its frames."""

    @timeout(LONG, enforce="thread")
    def work(good: bool) -> None:
        if not good:
            raise ValueError

    def both() -> None:
        work(True)
        try:
            work(False)
        except ValueError:
            pass

    both()
    assert garbage_of(both) == []


def test_no_thread_starts_before_a_call_asks_for_it() -> None:
    """Neither the import nor the decoration starts one; ``enforce="deadline"`` never does."""
    counts = in_child(
        """
import json, threading
from svcgov import timeout
deadline, thread = timeout(5)(threading.active_count), timeout(5, enforce="thread")(threading.active_count)
print(json.dumps([threading.active_count(), deadline(), threading.active_count(), thread()]))
"""
    )
    assert counts == [1, 1, 1, 2]


def test_a_hung_worker_does_not_keep_the_interpreter_from_ending() -> None:
    """Its thread is a daemon, and nobody joins it."""
    answer = in_child(
        """
import json, time
from svcgov import timeout
try:
    timeout(0.02, enforce="thread")(time.sleep)(600)
except TimeoutError as late:
    print(json.dumps(type(late).__name__))
"""
    )
    assert answer == "CallTimeoutError"


def test_a_handler_and_a_client_stay_on_their_thread() -> None:
    """They belong to it, with all that the platform keeps there: the time-out sets the deadline, as without a thread."""
    hop = timeout(LONG, enforce="thread")
    by_size = timeout(lambda call: LONG, enforce="thread")
    seen: list[bool] = []

    def look(*args: Any) -> int:
        seen.append(DEADLINE.get() is not None)
        return threading.get_ident()

    @svcgov.handler(policy=[hop])
    def handler(event: Any, context: Any) -> int:
        return look()

    at_an_edge = [Pipeline(one).around(look, edge=True) for one in (hop, by_size)]
    inside = Pipeline(retry(on=OSError), hop).around(look, inline=True)
    here = threading.get_ident()
    assert [handler({}, None), inside(), *(call() for call in at_an_edge)] == [here] * 4
    assert seen == [True] * 4
    assert Pipeline(hop)(look)() != here
