"""The workers themselves: how many there are, when they begin and end, and what becomes of them in other processes."""

from __future__ import annotations

import threading

import pytest

from _hanging import threaded, until
from _worlds import Facts, in_child, in_threads
from svcgov._shells._workers import Job, Pool, Worker
from svcgov.errors import BulkheadFullError, CallTimeoutError
from svcgov.facts import WorkersAbandoned
from svcgov.testing import ManualClock

pytestmark = pytest.mark.usefixtures("pool")


def test_no_queue_is_built(gate: threading.Event, pool: Pool) -> None:
    """When every worker hangs, one more call is refused at once."""

    @threaded(0.02)
    def call() -> None:
        gate.wait(20)

    for _ in range(3):
        with pytest.raises(CallTimeoutError):
            call()
    with pytest.raises(BulkheadFullError, match="timeout: no_worker"):
        call()
    assert (pool.abandoned, pool.alive) == (3, 3)
    gate.set()
    until(lambda: pool.abandoned == 0)


def test_a_worker_is_used_again(pool: Pool) -> None:
    """Whoever was answered finds it free at once."""
    pool.idle = 5.0
    names = set()

    @threaded()
    def call() -> None:
        names.add(threading.get_ident())

    for _ in range(200):
        call()
    assert len(names) == 1


def test_an_idle_worker_ends(pool: Pool) -> None:
    """And another one is made when it is needed."""
    call = threaded()(threading.get_ident)
    call()
    until(lambda: pool.alive == 0)
    assert isinstance(call(), int)


def test_a_worker_that_was_just_woken_does_not_end(pool: Pool) -> None:
    """Its time was over as the job came: it is not free any more, and takes the job."""
    worker = Worker(pool, Job(dict))
    worker.wake.release()
    assert pool.retire(worker) is False
    assert worker.wake.locked()


def test_a_worker_that_nobody_will_wake_ends(pool: Pool) -> None:
    """It was taken for a job, and a signal struck who took it."""
    pool.alive = 1
    assert pool.retire(Worker(pool, Job(dict))) is True
    assert pool.alive == 0


def test_workers_come_and_go_under_load(pool: Pool) -> None:
    """No call is lost between a worker's end and its next job."""
    pool.most, pool.idle = 8, 0.0

    @threaded()
    def call(number: int) -> int:
        return number

    def work(number: int) -> None:
        for _ in range(200):
            assert call(number) == number

    assert in_threads(8, work) == []
    assert pool.abandoned == 0


def test_where_no_thread_can_be_started_the_call_is_refused(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the place in the pool is free again."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(BulkheadFullError, match="no_worker"):
        threaded()(dict)()
    assert pool.alive == 0


def test_a_call_that_ends_at_the_last_moment_keeps_its_result(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever gives up looks once more, under the lock."""
    job = Job(lambda: "answer")
    assert pool.start(job)
    until(lambda: not job.done.locked())
    assert pool.leave(job) is False
    assert (job.result, job.abandoned, pool.abandoned) == ("answer", False, 0)


def test_a_hung_worker_does_not_hold_up_the_end_of_the_process() -> None:
    """Nobody joins it: the child ends though its call hangs for ever."""
    code = """
import json, threading, svcgov
@svcgov.timeout(0.02, enforce="thread")
def call():
    threading.Event().wait()
try:
    call()
except svcgov.errors.CallTimeoutError as error:
    print(json.dumps(str(error)))
"""
    assert in_child(code, timeout=10) == "timeout: not done within 0.02 s (total)"


def test_a_forked_process_has_workers_of_its_own() -> None:
    """Those of its parent are not there: a job for one of them would never be done."""
    code = """
import json, os, sys, warnings, svcgov
warnings.simplefilter("ignore")
call = svcgov.timeout(5, enforce="thread")(os.getpid)
parent = call()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, str(call()).encode())
    os._exit(0)
os.wait()
print(json.dumps(int(os.read(read, 99)) not in (0, parent)))
"""
    assert in_child(code, timeout=10) is True


def test_the_pool_begins_anew_in_a_child() -> None:
    """Its lock too, which a thread of the parent may have held."""
    pool = Pool(most=1)
    pool.alive = pool.abandoned = 1
    pool._lock.acquire()
    pool.forget()
    assert (pool.alive, pool.abandoned, pool._free) == (0, 0, [])
    assert pool._lock.acquire(blocking=False)
    pool._lock.release()


def test_many_calls_left_behind_are_told_once_a_minute(gate: threading.Event, pool: Pool) -> None:
    """From half of the workers that there may be; a call that is left behind for the first time is none too many."""
    pool.most = 4
    clock, facts = ManualClock(), Facts()
    limit = threaded(0.02, clock)
    limit.listen(facts, WorkersAbandoned)
    told = []
    for pause in (0, 0, 59, 1):
        clock.advance(pause)
        with pytest.raises(CallTimeoutError):
            limit(gate.wait)(20)
        told.append(len(facts))
    assert told == [0, 1, 1, 2]
    assert [(fact.policy, fact.abandoned, fact.most, fact.at) for fact in facts] == [  # type: ignore[attr-defined]  # as they have
        ("timeout", 2, 4, 0.0),
        ("timeout", 4, 4, 60.0),
    ]


def test_workers_that_are_nearly_all_lost_are_told_to_nobody_where_nobody_listens(gate: threading.Event, pool: Pool) -> None:
    """Nothing is made of it, and the caller has its time-out."""
    pool.most = 1
    with pytest.raises(CallTimeoutError):
        threaded(0.02)(gate.wait)(20)
    assert pool.abandoned == 1


def test_a_clock_that_is_another_ones_does_not_silence_it(pool: Pool) -> None:
    """Policies in tests have clocks of their own: a minute is over when it cannot be going on."""
    pool.most = 0
    assert [pool.burdened(now) for now in (1e6, 1e6 + 1, 5.0, 64.0, 65.0)] == [True, False, True, False, True]


def test_a_call_that_forks_ends_in_the_child_on_a_worker_that_nobody_has_counted(pool: Pool) -> None:
    """It is the only thread there; it can be used again, and its end is no less than nobody."""
    pool.idle = 0.05
    held = threading.Event()

    def forks() -> int:
        pool.forget()  # as in the child
        held.wait(10)
        return 1

    job = Job(forks)
    assert pool.start(job)
    until(lambda: pool.alive == 0)
    assert pool.leave(job)
    pool.forget()
    held.set()
    until(lambda: pool._free)
    assert (pool.abandoned, pool.alive) == (0, 0)
    assert threaded()(threading.get_ident)() != threading.get_ident()
    until(lambda: not pool._free)
    assert pool.alive == 0
