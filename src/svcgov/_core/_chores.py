"""Work that can wait until an answer has gone out: figures that are written, a lease that is renewed.

Rule 1: no thread is needed. Whoever has answered a call does what is due, within a budget; a process that was frozen finds
        it due at its next call.
Rule 2: where a process has time between its calls, one thread does it when it is due, and calls do not: the keeper. It is not
        there before there is a chore, and ends with the process. A forked child has none until it has a chore of its own.
Rule 3: nothing here raises, and nobody waits: whoever finds the chores in another's hands goes on.
Rule 4: a chore that raises is reported once, and has its turn again. One that takes longer than it may is not interrupted: the
        others wait for the next turn.
Rule 5: what is to be done at the end is done when the interpreter ends, or the platform asks the process to (SIGTERM). A server
        that listens to that itself hears it from us, and may go on for a while: then it is done at once, and again at the end.
"""

from __future__ import annotations

from _thread import RLock

from ._clock import SYSTEM
from ._environment import text, word
from ._fork import after_fork
from ._mishaps import said
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..typing import Clock

NEVER = float("inf")
BUDGET = 0.05  # seconds that a call may spend on chores after its answer is ready
MODES = ("auto", "on", "off")


class Chore:
    """Something that is done again and again."""

    __slots__ = ("at_end", "do", "due", "every", "name")

    def __init__(self, name: str, do: Callable[[], object], every: float, due: float, *, at_end: bool) -> None:
        self.name: str = name
        self.do: Callable[[], object] = do
        self.every: float = every  # seconds
        self.due: float = due
        self.at_end: bool = at_end


class Chores:
    """The chores of one process. The one that is used is `CHORES`.

    ``due`` is when the next one is: whoever has ended a call compares it with the clock, and calls `turn`.
    """

    def __init__(self, clock: Clock = SYSTEM) -> None:
        self.clock: Clock = clock
        self.mode: str = "auto"
        self.due: float = NEVER
        self._chores: list[Chore] = []
        self._registered = False  # for the end; a forked child inherits that
        self._forked()

    def _forked(self) -> None:
        """In a process that has just been forked: its parent's keeper is not here, and nobody has the chores in hand."""
        self._lock = RLock()  # a signal may ask for the end on the thread that is doing them
        self._busy = False
        self._keeper: Any = None  # what wakes it, while there is one

    def add(self, name: str, do: Callable[[], object], *, every: float, at_end: bool = False) -> Callable[[], None]:
        """Let *do* be called every so many seconds, *at_end* of the process too; call what comes back to stop.

        It is to look after its own time-outs: a chore is not interrupted.
        """
        chore = Chore(name, do, every, self.clock.monotonic() + every, at_end=at_end)
        with self._lock:
            self._chores = [*self._chores, chore]
            self._plan_locked()
            if at_end and not self._registered:
                self._registered = True
                _at_end(self.end, self.leave)
        self._look()

        def stop() -> None:
            with self._lock:
                self._chores = [one for one in self._chores if one is not chore]
                self._plan_locked()

        return stop

    def answered(self, left: float) -> None:
        """An answer is ready, and nobody waits for another *left* seconds: do what is due, where no keeper does."""
        if self._keeper is None and self.clock.monotonic() >= self.due:
            self.turn(min(BUDGET, left))

    def turn(self, budget: float) -> None:
        """Do what is due, the longest overdue first, until *budget* is used up."""
        with self._lock:
            if self._busy:
                return
            self._busy = True
        try:
            began = self.clock.monotonic()
            for chore in sorted(self._chores, key=lambda one: one.due):
                now = self.clock.monotonic()
                if chore.due > now or now - began > budget:
                    break
                chore.due = now + chore.every  # first: it may ask for an earlier turn
                self._do(chore)
        finally:
            with self._lock:
                self._busy = False
                self._plan_locked()

    def end(self) -> None:
        """Do what is to be done at the end, and nothing any more."""
        chores, self._chores, self.due = self._chores, [], NEVER
        self._last(chores)

    def leave(self) -> None:
        """Do what is to be done at the end, which has begun, and is not here yet."""
        self._last(self._chores)

    def _last(self, chores: list[Chore]) -> None:
        for chore in chores:
            if chore.at_end:
                self._do(chore)

    def _do(self, chore: Chore) -> None:
        try:
            chore.do()
        except Exception as failure:
            report_once(("chore", chore.name), f"{chore.name} raised {said(failure)}; it is tried again")

    def _plan_locked(self) -> None:
        self.due = min([one.due for one in self._chores], default=NEVER)

    # -- the keeper --------------------------------------------------------------------------------------------------

    def keep(self, mode: str) -> None:
        """Have a keeper from now on (``on``), or none (``off``), or one where the process has time for it (``auto``)."""
        self.mode = mode
        self._look()

    def _keeps(self) -> bool:
        """Whether a thread looks after the chores: not where the process is frozen between its calls."""
        mode = word("SVCGOV_KEEPER", MODES, "auto") if self.mode == "auto" else self.mode
        if mode != "auto":
            return mode == "on"
        return not text("AWS_LAMBDA_RUNTIME_API") or bool(text("AWS_LAMBDA_MAX_CONCURRENCY"))

    def _look(self) -> None:
        """Let the keeper look again; begin one, if there should be one and is none."""
        with self._lock:
            if self._keeper is None and self._chores and self._keeps():
                from threading import Event, Thread

                self._keeper = Event()
                Thread(target=self._keep, args=(self._keeper,), name="svcgov-keeper", daemon=True).start()
            if self._keeper is not None:
                self._keeper.set()

    def _keep(self, woken: Any) -> None:
        try:
            while True:
                with self._lock:
                    if not self._chores or not self._keeps():
                        self._keeper = None  # under the lock: who adds a chore now begins another one
                        return
                    left = self.due - self.clock.monotonic()
                woken.wait(max(0.0, min(left, 3600.0)))
                woken.clear()
                if self.clock.monotonic() >= self.due:
                    self.turn(NEVER)
        except BaseException:  # that of a chore which ends its thread: calls do what is due, until there is another keeper
            self._keeper = None
            raise


def _at_end(end: Callable[[], None], leave: Callable[[], None]) -> None:
    """Call *end* when the interpreter ends, and when the platform asks it to; if somebody else listens to that, *leave*."""
    import atexit
    import os
    import signal

    atexit.register(end)

    def asked(number: int, frame: object) -> None:
        end()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def told(number: int, frame: object) -> None:
        leave()
        before(number, frame)

    before: Any = signal.getsignal(signal.SIGTERM)
    try:
        if before is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, asked)
        elif callable(before):
            signal.signal(signal.SIGTERM, told)
    except ValueError:  # on another thread than the main one nobody can listen
        pass


CHORES = Chores()
after_fork(CHORES._forked)
