"""Time-outs of plain functions that must be left behind: the call is made on a worker thread, and waited for.

Rule 1: the threads are our own and daemons: those of ``concurrent.futures`` are joined at exit, and a hung one hangs it.
Rule 2: no queue. No free worker and no room for another one is a refusal at once.
Rule 3: a call that is on a worker already does not hop again: two pools' worth of nested hops starve one another.
Rule 4: nothing starts before the first call that asks for it; an idle worker ends by itself.
Rule 5: a forked process has none of its parent's workers.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar, copy_context

from .._core._context import DEADLINE
from .._core._fork import after_fork
from .._core._mishaps import said
from .._core._report import report_once
from ..errors import BulkheadFullError, DeadlineExceededError
from ._sync import within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..typing import Limit
    from ._sync import Inner

PAUSE = 60.0  # seconds between two facts about the same thing
_ON_WORKER: ContextVar[bool] = ContextVar("svcgov.on_worker", default=False)


class Job:
    """One call on its way through a worker."""

    __slots__ = ("abandoned", "done", "error", "limit", "result", "run")

    def __init__(self, run: Callable[[], Any], limit: Limit | None = None) -> None:
        self.run = run
        self.limit = limit
        self.done = threading.Lock()  # a latch: taken until the call has ended
        self.done.acquire()
        self.result: Any = None
        self.error: BaseException | None = None
        self.abandoned = False


class Worker(threading.Thread):
    """A daemon thread that takes one job at a time, and ends after *idle* seconds without one."""

    def __init__(self, pool: Pool, job: Job) -> None:
        super().__init__(name="svcgov-worker", daemon=True)
        self.pool = pool
        self.job = job
        self.wake = threading.Lock()
        self.wake.acquire()

    def run(self) -> None:
        """Work until nothing has come for a while."""
        while True:
            job = self.job
            del self.job  # whoever is idle keeps nothing
            self._do(job)
            del job
            if not self.wake.acquire(timeout=self.pool.idle) and self.pool.retire(self):
                return

    def _do(self, job: Job) -> None:
        try:
            job.result = job.run()
        except BaseException as error:  # handed over to the caller, whatever it is
            job.error = error
        self.pool.ended(job, self)
        del job  # its error's traceback holds this frame


class Pool:
    """The workers of the process, at most *most*. ``abandoned`` counts calls that were left behind and still run."""

    def __init__(self, *, most: int = 64, idle: float = 30.0) -> None:
        self.most = most
        self.idle = idle
        self.forget()

    def forget(self) -> None:
        """Begin anew, with no worker: the threads of a process are not those of its children."""
        self.abandoned = 0
        self.alive = 0
        self._told = float("-inf")
        self._free: list[Worker] = []
        self._lock = threading.Lock()

    def start(self, job: Job) -> bool:
        """Give *job* to a worker; False when all are busy and there is no room for another."""
        with self._lock:
            if self._free:
                worker = self._free.pop()
                worker.job = job
                worker.wake.release()
                return True
            if self.alive >= self.most:
                return False
            self.alive += 1
        worker = Worker(self, job)
        try:
            worker.start()
        except RuntimeError:  # the system has no more threads, or the interpreter is about to end
            with self._lock:
                self.alive -= 1
            return False
        return True

    def retire(self, worker: Worker) -> bool:
        """Whether *worker* may end: not when it was just given a job."""
        with self._lock:
            if worker in self._free:
                self._free.remove(worker)
            elif worker.wake.acquire(blocking=False):
                return False  # it has just been woken; else a signal has struck who was about to
            self.alive = max(0, self.alive - 1)  # a call may have forked: its worker is there, and has not been counted
            return True

    def wait(self, job: Job, seconds: float) -> bool:
        """Whether *job* has ended within *seconds*. If not, it is left behind."""
        try:
            ended = job.done.acquire(timeout=seconds)
        except BaseException:  # a signal's: who was interrupted waits no more
            self.leave(job)
            raise
        return ended or not self.leave(job)

    def leave(self, job: Job) -> bool:
        """Stop waiting for *job*; False when it has ended after all."""
        with self._lock:
            if job.done.acquire(blocking=False):
                return False
            job.abandoned = True
            self.abandoned += 1
            return True

    def burdened(self, now: float) -> bool:
        """Whether half of the workers that there may be, or more, run calls that were left behind; true once a minute."""
        with self._lock:
            if 2 * self.abandoned < self.most or 0 <= now - self._told < PAUSE:
                return False
            self._told = now
            return True

    def ended(self, job: Job, worker: Worker) -> None:
        """The call of *job* is over: wake who waits, or clean up after who did. Then *worker* is free again.

        It is free before anybody is woken, who may come with the next call at once.
        """
        with self._lock:
            if not job.abandoned:
                self._free.append(worker)
                job.done.release()
                return
            job.done.release()
            self.abandoned = max(0, self.abandoned - 1)  # as in `retire`
        try:
            close = getattr(job.result, "close", None)
            if close is not None:
                close()
            if job.limit is not None and isinstance(job.error, Exception):
                job.limit.failed(job.error)
        except BaseException as error:  # whatever it is: this worker is needed for other calls
            report_once(("late close", type(job.result)), f"closing a late {type(job.result).__name__} raised {said(error)}")
        with self._lock:
            self._free.append(worker)


POOL = Pool()
after_fork(POOL.forget)


def hop(limit: Limit, inner: Inner, reason: str, pool: Pool = POOL) -> Inner:
    """Make the frames inside on a worker thread; leave them behind when the limit has passed."""
    here = within(limit, inner)

    def call(now: float, args: Any, kw: Any) -> Any:
        seconds = limit.seconds
        if seconds is None or _ON_WORKER.get():
            return here(now, args, kw)
        outer = DEADLINE.get()
        if outer is not None and outer <= now:
            raise DeadlineExceededError(limit.name, "expired")
        end, allowed = (now + seconds, seconds) if outer is None or now + seconds < outer else (outer, outer - now)
        context = copy_context()
        context.run(DEADLINE.set, end)
        context.run(_ON_WORKER.set, True)
        job = Job(lambda: context.run(inner, now, args, kw), limit)
        if not pool.start(job):
            raise BulkheadFullError(limit.name, "no_worker")
        try:
            if not pool.wait(job, max(0.0, end - limit.clock.monotonic())):
                if pool.burdened(limit.clock.monotonic()):
                    limit.burdened(pool.abandoned, pool.most)
                raise limit.expired(reason, allowed)
            if job.error is not None:
                raise job.error
            return job.result
        finally:
            del job  # its error's traceback holds this frame

    return call
