"""Figures for CloudWatch: one line on standard output, in its embedded metric format, at the end of a call.

===============================  ============  ====================================================================
metric                           unit          what was counted since the line before
===============================  ============  ====================================================================
``faas.invocations``             Count         calls that came in and were answered well
``faas.errors``                  Count         calls that raised, or were answered by 500 or more
``faas.coldstarts``              Count         calls that had to wait for the start of the process
``faas.invoke_duration``         Seconds       how long all calls took that came in
``svcgov.calls.refused``         Count         calls that the policies of the way in refused
``svcgov.calls.late``            Count         calls that ended after their deadline
``svcgov.attempts``              Count         requests of governed clients, each of a retry by itself
``svcgov.attempts.failed``       Count         those that raised, or were answered by 500 or more
``http.client.request.duration`` Seconds       how long they took
``svcgov.refusals``              Count         calls that any policy refused
``svcgov.circuit.opened``        Count         times that a circuit breaker opened
``svcgov.retries``               Count         further attempts
``svcgov.timeouts``              Count         calls that were not done in time
``svcgov.budget.emptied``        Count         times that a budget had nothing left
``svcgov.output.failures``       Count         lines that were skipped, too slow, or could not be written
===============================  ============  ====================================================================

Their only dimension is ``service``: every further one is a metric of its own to pay for.

Rule 1: the first call has a line, since many a process never sees a second one; then there is at most one a minute, and what is
        left is written at the end of the process, where there is one.
Rule 2: what could not be told is told with the next line: all counts are of what came since the last line that was written.
Rule 3: where a call has less than 5 ms left there is no line. After one that took longer than that, or raised, there is none for
        ten minutes. Both are counted.
Rule 4: durations are all there are, or a hundred of them at equal distances by rank, so the format's limit is kept.
"""

from __future__ import annotations

import sys
from _thread import allocate_lock
from json import dumps

from .._core._histogram import Histogram
from .._core._live import born
from .._core._report import report_once
from ..facts import BudgetEmptied, CallRefused, CircuitChanged, RetryScheduled, TimedOut

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core._context import Invocation
    from ._series import Reading
    from .recorder import Recorder

NAMESPACE = "svcgov"
INTERVAL = 60.0  # seconds
BUDGET = 0.005  # seconds
REST = 10  # intervals without a line, after one that cost too much
MOST_VALUES = 100
DURATIONS = ("faas.invoke_duration", "http.client.request.duration")
_WRONG = ("failed", "raised")


class Emf:
    """Writes the lines of one recorder."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._clock = recorder.clock
        self._due = float("-inf")
        self._counts: dict[str, int] = {}  # as they were at the last line
        self._took = {name: Histogram() for name in DURATIONS}
        self._writing = allocate_lock()
        born(self)

    def ended(self, invocation: Invocation) -> None:
        """A call has ended: write a line, if it is time for one and there is time for it."""
        now = self._clock.monotonic()
        if now >= self._due:
            self._tell(now, invocation.deadline, empty=True)

    def flush(self) -> None:
        """Write what is left: nobody calls any more, or the process ends. While lines cost too much there is none either."""
        now = self._clock.monotonic()
        if now + INTERVAL >= self._due:
            self._tell(now, None, empty=False)

    def _tell(self, now: float, deadline: float | None, *, empty: bool) -> None:
        """Write what has been counted since the last line, or that nothing was (*empty*), unless somebody is writing."""
        if not self._writing.acquire(blocking=False):
            return
        try:
            if deadline is not None and deadline - now < BUDGET:
                self._recorder.output_failures += 1
                return
            counts, took = self._read()
            fresh = {name: count - self._counts.get(name, 0) for name, count in counts.items()}
            if empty or any(fresh.values()):
                self._due = now + INTERVAL
                self._write(now, self._line(fresh, took))
                self._counts, self._took = counts, took
        except Exception as failure:
            self._rest(now, f"raised {failure!r}")
        finally:
            self._writing.release()

    def _write(self, now: float, line: str) -> None:
        sys.stdout.write(line)
        sys.stdout.flush()
        lasted = self._clock.monotonic() - now
        if lasted > BUDGET:
            self._rest(now, f"took {lasted * 1000:.1f} ms")

    def _rest(self, now: float, why: str) -> None:
        self._recorder.output_failures += 1
        self._due = now + INTERVAL * REST
        report_once("emf", f"a line of metrics {why}: there is none for {INTERVAL * REST:g} s")

    def _line(self, counts: dict[str, int], took: dict[str, Histogram]) -> str:
        values: dict[str, Any] = {name: count for name, count in counts.items() if count}
        for name, histogram in took.items():
            spread = histogram.since(self._took[name]).spread(MOST_VALUES)
            if spread:
                values[name] = [round(value, 7) for value in spread]
        metrics = [{"Name": name, "Unit": "Seconds" if name in DURATIONS else "Count"} for name in values]
        about = {"Namespace": NAMESPACE, "Dimensions": [["service"]], "Metrics": metrics}
        head = {"Timestamp": int(self._clock.wall() * 1000), "CloudWatchMetrics": [about]}
        return dumps({"_aws": head, "service": self._recorder.service or "unknown", **values}) + "\n"

    def _read(self) -> tuple[dict[str, int], dict[str, Histogram]]:
        """All that has been counted up to now."""
        recorder, series = self._recorder, self._recorder.series()
        came = [one for one in series if one.labels["direction"] == "in"]
        went = [one for one in series if one.labels["direction"] == "out"]
        changes = recorder.facts(CircuitChanged)
        counts = {
            "faas.invocations": _number(came, "ok"),
            "faas.errors": _number(came, *_WRONG),
            "faas.coldstarts": recorder.cold_starts,
            "svcgov.calls.refused": _number(came, "refused"),
            "svcgov.calls.late": sum(one.late for one in came),
            "svcgov.attempts": sum(one.durations.count for one in went),
            "svcgov.attempts.failed": _number(went, *_WRONG),
            "svcgov.refusals": sum(n for (*_, observed), n in recorder.facts(CallRefused).items() if observed == "false"),
            "svcgov.circuit.opened": sum(n for (_, _, after, _), n in changes.items() if after == "open"),
            "svcgov.retries": sum(recorder.facts(RetryScheduled).values()),
            "svcgov.timeouts": sum(n for (_, was_late), n in recorder.facts(TimedOut).items() if was_late == "false"),
            "svcgov.budget.emptied": sum(recorder.facts(BudgetEmptied).values()),
            "svcgov.output.failures": recorder.output_failures,
        }
        return counts, dict(zip(DURATIONS, (_merged(came), _merged(went)), strict=True))

    def forked(self) -> None:
        """In a process that has just been forked: nobody is writing."""
        self._writing = allocate_lock()


def _number(series: list[Reading], *outcomes: str) -> int:
    return sum(one.durations.count for one in series if one.labels["outcome"] in outcomes)


def _merged(series: list[Reading]) -> Histogram:
    merged = Histogram()
    for one in series:
        merged.merge(one.durations)
    return merged
