"""The process itself: what it uses, how long its collector of garbage stops it, how late its loop is, how long it took to start.

======================  ======================================  ======================================
figure                  on Linux from                           elsewhere from
======================  ======================================  ======================================
time of the processor   ``os.times``                            the same
memory                  ``/proc/self/statm``: what is resident  ``resource``: the most there ever was
threads                 ``/proc/self/stat``                     ``threading``: those of Python
open files              ``/proc/self/fd``                       ``/dev/fd``
age                     ``/proc/self/stat``, ``/proc/uptime``   left out
garbage                 ``gc.get_stats``                        the same
======================  ======================================  ======================================

Rule 1: what cannot be read is left out.
Rule 2: nothing is read before somebody asks, and nobody is woken: the lag of a loop is looked at while it serves a call, once a
        second at most. A loop that is later than a minute was frozen with its process, and says nothing.
Rule 3: the collector comes in anywhere, also where a lock is held: what it calls takes none, and adds two numbers.
"""

from __future__ import annotations

import gc
import os
import sys
from _weakref import ref

from .._core._clock import SYSTEM
from .._core._live import born

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..typing import Clock

    Labels = dict[str, str]
    Figures = list[tuple[Labels, float]]

LAG = "svcgov.loop.lag"
START = "faas.init_duration"
PROC = "/proc"
_APART = 1.0  # seconds between two looks at the lag of a loop
_FROZEN = 60.0  # seconds
_WAITED = 10.0  # seconds after this was made: who calls then has waited for the start, and not the process for a call
_STARTED, _THREADS = 19, 17  # fields of /proc/self/stat, behind the name of the command


class Runtime:
    """What has to be watched while it happens.

    Args:
        tell: is told how late the loop was (`LAG`), and how long the process took to start (`START`), in seconds.
        clock: what those are measured by.

    Attributes:
        pauses, paused: of the collector of garbage: how many, and how many seconds in all, since `watch`.
    """

    def __init__(self, tell: Callable[[str, float], object], clock: Clock = SYSTEM) -> None:
        self.clock = clock
        self.pauses: int = 0
        self.paused: float = 0.0
        self.watching: bool = False
        self._tell = tell
        self._made = clock.monotonic()
        self._stopped = 0.0  # since when the collector is at work
        self._look_at = float("-inf")
        self._starts = True  # nobody has said yet how long that took
        born(self)

    def watch(self) -> None:
        """Hear of the collector from now on, until nobody holds this."""
        if self.watching:
            return
        self.watching = True
        known = ref(self, lambda _: gc.callbacks.remove(tell))

        def tell(phase: str, _: object) -> None:
            here = known()
            if here is not None:
                here.collected(phase)

        gc.callbacks.append(tell)

    def collected(self, phase: str) -> None:
        """The collector begins (``start``), or is done (``stop``)."""
        if phase == "start":
            self._stopped = SYSTEM.monotonic()  # a clock by hand may be held by whoever is interrupted
        elif self._stopped:
            self.paused += SYSTEM.monotonic() - self._stopped
            self.pauses += 1

    def called(self, took: float, *, cold: bool) -> None:
        """A call has ended that came in, and took so many seconds; it is *cold* if it had to wait for the process to start."""
        now = self.clock.monotonic()
        if now >= self._look_at:
            self._look_at = now + _APART
            self._look(now)
        if cold and self._starts:
            self._starts = False
            old = age()
            if old is not None and now - took - self._made <= _WAITED:
                self._tell(START, max(0.0, old - took))

    def restored(self) -> None:
        """The process goes on from a snapshot: its age says nothing any more."""
        self._starts = False

    def _look(self, now: float) -> None:
        """Ask the loop, if a call is served by one, to come back as soon as it can."""
        asyncio = sys.modules.get("asyncio")
        loop = None if asyncio is None else asyncio._get_running_loop()
        if loop is not None:
            from contextvars import Context

            loop.call_soon(self._ran, now, context=Context())

    def _ran(self, since: float) -> None:
        late = self.clock.monotonic() - since
        if 0 <= late < _FROZEN:
            self._tell(LAG, late)


def cpu() -> Figures:
    """Seconds of the processor."""
    spent = os.times()
    return [({"cpu.mode": "user"}, spent.user), ({"cpu.mode": "system"}, spent.system)]


def memory() -> Figures:
    """Bytes that are resident."""
    try:
        return [({}, int(_text("self/statm").split()[1]) * os.sysconf("SC_PAGE_SIZE"))]
    except OSError:
        from resource import RUSAGE_SELF, getrusage

        most = getrusage(RUSAGE_SELF).ru_maxrss
        return [({}, most if sys.platform == "darwin" else most * 1024)]


def threads() -> Figures:
    """How many."""
    try:
        return [({}, int(_fields()[_THREADS]))]
    except OSError:
        from threading import active_count

        return [({}, active_count())]


def files() -> Figures:
    """Descriptors that are open, but for the one that this takes."""
    where = f"{PROC}/self/fd" if os.path.isdir(PROC) else "/dev/fd"  # noqa: PTH112  # pathlib costs a cold start more than this
    return [({}, len(os.listdir(where)) - 1)]  # noqa: PTH208  # as above


def uptime() -> Figures:
    """Seconds since the process was started."""
    old = age()
    return [] if old is None else [({}, old)]


def age() -> float | None:
    """As `uptime`, or None where that cannot be known."""
    try:
        return round(float(_text("uptime").split()[0]) - int(_fields()[_STARTED]) / os.sysconf("SC_CLK_TCK"), 2)
    except (OSError, ValueError, IndexError, AttributeError):
        return None


def garbage(figure: str) -> Callable[[], Figures]:
    """Of each generation a *figure* of ``gc.get_stats``."""
    return lambda: [({"cpython.gc.generation": str(number)}, one[figure]) for number, one in enumerate(gc.get_stats())]


def _fields() -> list[str]:
    return _text("self/stat").rpartition(")")[2].split()


def _text(path: str) -> str:
    with open(f"{PROC}/{path}") as file:  # noqa: PTH123  # as above
        return file.read()
