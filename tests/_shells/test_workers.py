"""Time-outs on worker threads: a call that hangs is left behind, counted, and cleaned up after."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from _gates import Watched
from _hanging import threaded, until
from _worlds import deadline, garbage_of
from svcgov import Pipeline, bulkhead, circuit_breaker, current_attempt, remaining, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov._shells._workers import Job, Pool
from svcgov.errors import BulkheadFullError, CallTimeoutError, DeadlineExceededError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("pool")


def test_the_call_is_made_on_a_worker() -> None:
    """A daemon thread of ours; arguments, result and context go along."""

    @threaded()
    def call(*args: int, **kwargs: int) -> Any:
        return threading.current_thread(), args, kwargs, DEADLINE.get() is not None

    thread, args, kwargs, limited = call(1, b=2)
    assert (thread.name, thread.daemon) == ("svcgov-worker", True)
    assert (args, kwargs, limited) == ((1,), {"b": 2}, True)
    assert DEADLINE.get() is None


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_error_is_passed_on_as_the_same_object(error: BaseException, pool: Pool) -> None:
    """Whatever it is; the worker goes on."""

    @threaded()
    def call(fail: bool) -> str:
        if fail:
            raise error
        return "answer"

    with pytest.raises(type(error)) as caught:
        call(True)
    assert caught.value is error
    assert call(False) == "answer"
    assert pool.alive <= 1


def test_a_call_that_hangs_is_left_behind(gate: threading.Event, pool: Pool) -> None:
    """The caller gets the time-out's error; the call is counted until it ends."""
    limit = threaded(0.02)
    ended = []

    @limit
    def call() -> None:
        gate.wait(20)
        ended.append(1)

    with pytest.raises(CallTimeoutError, match=r"not done within 0.02 s \(total\)"):
        call()
    assert (pool.abandoned, ended) == (1, [])
    assert limit.snapshot() == {"timed_out": 1, "late": 0}
    gate.set()
    until(lambda: pool.abandoned == 0)
    assert ended == [1]


def test_an_attempt_that_hangs_is_made_again(gate: threading.Event) -> None:
    """Inside a retry the limit is for each attempt, and the reason says so."""

    @retry(on=CallTimeoutError, attempts=2, backoff=0, budget=None)
    @threaded(0.02)
    def call() -> int:
        if current_attempt() == 1:
            gate.wait(20)
        return current_attempt()

    assert call() == 2


class Answer:
    """Something that is to be closed."""

    def __init__(self, close: Callable[[], object] = lambda: None) -> None:
        self.closed = 0
        self._close = close

    def close(self) -> None:
        self.closed += 1
        self._close()


def left_behind(gate: threading.Event, result: object, pool: Pool) -> None:
    """A call that was left and comes to its end."""

    @threaded(0.02)
    def call() -> object:
        gate.wait(20)
        return result

    with pytest.raises(CallTimeoutError):
        call()
    gate.set()
    until(lambda: pool.abandoned == 0)
    until(lambda: pool.alive == 0)


def test_a_late_result_is_closed(gate: threading.Event, pool: Pool) -> None:
    """Nobody else will: a connection would be lost."""
    answer = Answer()
    left_behind(gate, answer, pool)
    assert answer.closed == 1


def test_a_result_in_time_is_not_closed() -> None:
    """It is the caller's."""
    answer = Answer()
    assert threaded()(lambda: answer)() is answer
    assert answer.closed == 0


def fail(error: BaseException) -> Any:
    """A function that raises it."""

    def raises(*args: object) -> None:
        raise error

    return raises


@pytest.mark.parametrize(
    "result",
    [
        Answer(fail(ValueError("mine"))),
        Answer(fail(SystemExit(1))),
        type("Odd", (), {"__getattr__": fail(RuntimeError("odd"))})(),
        type("Odd", (), {"close": 3})(),
    ],
    ids=["close raises", "close exits", "attributes raise", "close is no function"],
)
def test_a_late_result_that_cannot_be_closed_stops_nobody(
    result: object, gate: threading.Event, pool: Pool, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is said once; the worker is free again."""
    left_behind(gate, result, pool)
    assert "svcgov: closing a late" in capfd.readouterr().err


def test_a_gate_around_it_is_left_in_every_case(gate: threading.Event) -> None:
    """Refused, left behind, or done; a refusal is no failure."""
    around, breaker = bulkhead(1), circuit_breaker(consecutive_failures=5)

    @Pipeline(around, breaker, threaded(0.02))
    def call(hang: bool) -> None:
        if hang:
            gate.wait(20)

    for _ in range(3):
        with pytest.raises(CallTimeoutError):
            call(True)
    with pytest.raises(BulkheadFullError):
        call(False)
    assert around.snapshot()["in_use"] == 0
    assert breaker.snapshot()["failed"] == 3


def test_a_call_on_a_worker_does_not_hop_again(pool: Pool) -> None:
    """Its time-out sets the deadline there, as one without a thread does."""

    @threaded(5)
    def inner() -> tuple[int, float | None]:
        return threading.get_ident(), remaining()

    @threaded(9)
    def outer() -> Any:
        before = remaining()
        return threading.get_ident(), inner(), before, remaining()

    mine, (theirs, inside), before, after = outer()
    assert mine == theirs
    assert inside <= 5 < after <= before
    assert pool.alive <= 1


def test_the_tighter_deadline_is_waited_for(gate: threading.Event) -> None:
    """One from outside counts here too."""

    @threaded(9, clock=ManualClock())
    def call() -> None:
        gate.wait(20)

    with deadline(0.02), pytest.raises(CallTimeoutError):
        call()


def test_no_worker_is_asked_when_no_time_is_left(pool: Pool) -> None:
    """It is a refusal."""
    with deadline(1e-9), pytest.raises(DeadlineExceededError):
        threaded()(dict)()
    assert pool.alive == 0


def test_a_deadline_that_passes_on_the_way_is_seen(pool: Pool) -> None:
    """By the frame that would hop: a gate outside of it may take its time."""
    clock = ManualClock()
    outer = Watched("outer", [], clock)

    def lose_time(now: float, call: Any = None) -> object:
        DEADLINE.set(now)
        return outer.permit

    outer.admit = lose_time  # type: ignore[method-assign]
    with deadline(5.0), pytest.raises(DeadlineExceededError):
        Pipeline(outer, threaded(9, clock=clock))(dict)()
    assert pool.alive == 0


def test_without_a_limit_no_thread_is_used(pool: Pool) -> None:
    """None is no limit."""
    call = timeout(None, enforce="thread")(threading.get_ident)
    assert call() == threading.get_ident()
    assert pool.alive == 0


def test_an_interrupted_caller_leaves_its_call_behind(gate: threading.Event, pool: Pool) -> None:
    """Whatever a signal's handler raises: the call is counted until it ends."""

    class Interrupted(Exception):
        """What the handler raises."""

    def handler(number: int, frame: object) -> None:
        raise Interrupted

    @threaded()
    def call() -> None:
        gate.wait(20)

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(Interrupted):
            call()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert pool.abandoned == 1
    gate.set()
    until(lambda: pool.abandoned == 0)


def test_a_failing_call_leaves_nothing_to_the_collector(pool: Pool) -> None:
    """Neither its error nor the job that carried it."""
    pool.idle = 5.0

    @threaded()
    def call() -> None:
        raise ValueError

    def work() -> None:
        try:
            call()
        except ValueError:
            pass
        until(lambda: pool._free)

    work()
    garbage = garbage_of(work)
    assert [one for one in garbage if isinstance(one, (BaseException, Job))] == []
