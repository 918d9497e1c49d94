"""The access log: one line for each call of a handler, with the ids that lead to everything else.

===================================  ==================================================================================
``timestamp level``                  when it ended, in UTC (of JSON); ``info``, ``warning`` (refused, late) or
                                     ``error`` (failed, raised)
``event``                            ``svcgov.call``
``outcome``                          ``ok``, ``failed`` (it answered 500 or more), ``raised``, ``refused``
``late``                             there, and true, when the call ended after its deadline
``duration_ms``                      from the moment the handler was called to the moment it ended
``status method path``               of an HTTP request
``record``                           the id of a record that failed, which has a line of its own
``error``                            the class of what was raised; its message may hold secrets, and is not written
``trace_id span_id request_id``      which call this was
``parent_span_id``                   the span that the caller has named
``service version colour trigger``   whose it was, and of what kind
``cold_start``                       there, and true, for the first call of a process
===================================  ==================================================================================

===================================  ==================================================================================
``SVCGOV_LOG``                       where to: ``json`` (standard output), ``structlog``, or ``off``; else structlog if
                                     the function has loaded it, else JSON, so nobody pays for what is not there
``SVCGOV_LOG_LEVEL``                 what is mild enough to be left out: ``debug``, ``info`` (the default) and so on
``SVCGOV_LOG_SAMPLE``                the share of calls that went well and are written, from 0 to 1 (the default)
===================================  ==================================================================================

Rule 1: what is not known is left out.
Rule 2: only calls that went well are sampled: not one that was late, or the first one. The id of the trace decides, as it does
        for OpenTelemetry's sampler of ratios, so that the calls of one trace are all written, or none of them.
Rule 3: a log that takes longer than 0.2 s for a line has none of calls that went well for ten seconds. That is reported once,
        and ``svcgov.lines_left_out`` tells how many there were, with the next line after that.
Rule 4: what the policies did is written to the same place (`fact_log`), from the first of it on.
Rule 5: what the collector ends while structlog writes a line of its own on that thread has none (`_interrupted`).
"""

from __future__ import annotations

import sys

try:
    from _json import encode_basestring_ascii as quoted
except ImportError:  # another interpreter than CPython
    from json import dumps as quoted

from .._core._clock import utc
from .._core._environment import share, text, word
from .._core._listeners import PROCESS
from .._core._report import report_once
from ..errors import RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from .._core._context import Identity, Invocation, Trace
    from ..facts import Fact
    from ..typing import Clock
    from .fact_log import FactLog

EVENT = "svcgov.call"
WORDS = ("structlog", "json", "off")
RANKS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
LEVELS = {"ok": "info", "failed": "error", "raised": "error", "refused": "warning"}
LEFT_OUT = "svcgov.lines_left_out"
BUDGET = 0.2  # seconds for one line
REST = 10.0  # seconds, after one that took longer
_IDS = 1 << 64  # what the second half of a trace's id can be


class AccessLog:
    """Writes one line for each call, and for each fact that matters.

    Attributes:
        meter: who counts the calls, or None.
        silent: whether nothing is written, and nobody counts.

    Raises:
        ConfigError: when a variable has a value that it cannot have.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._to = word("SVCGOV_LOG", WORDS, "")
        self._least = RANKS[word("SVCGOV_LOG_LEVEL", tuple(RANKS), "info")]
        self._kept = round(share("SVCGOV_LOG_SAMPLE") * _IDS)
        if text("SVCGOV_REDACT"):
            from .redaction import extra

            extra()  # whether it can be, is said at the door
        self._logger: Any = None
        self._meter: Callable[..., object] | None = None
        self._identity: Identity | None = None
        self._facts: FactLog | None = None
        self._resting = float("-inf")  # until then, calls that went well have no line
        self._left_out = 0
        self._moment = 0, ""
        self.silent: bool = self._to == "off"
        if self._to == "structlog":
            self._structlog(__import__("structlog"))

    @property
    def meter(self) -> Callable[..., object] | None:
        """Who counts the calls, beside the line that is written."""
        return self._meter

    @meter.setter
    def meter(self, meter: Callable[..., object] | None) -> None:
        self._meter = meter
        self.silent = self._to == "off" and meter is None

    # -- calls ------------------------------------------------------------------------------------------------------

    def call(
        self,
        invocation: Invocation,
        *,
        error: BaseException | None,
        took: float,
        late: bool,
        operation: str = "",
        **http: Any,
    ) -> None:
        """Write down a call of *operation* that took so many seconds; *http* is its ``status``, ``method`` and ``path``."""
        outcome = outcome_of(error, http.get("status"))
        try:
            if self._to != "off":
                self._called(invocation, outcome, error=error, took=took, late=late, http=http)
        finally:
            if self.meter is not None and "record" not in http:  # a record is part of a call
                self.meter(invocation, operation=operation, outcome=outcome, status=http.get("status"), took=took, late=late)

    def _called(
        self, invocation: Invocation, outcome: str, *, error: BaseException | None, took: float, late: bool, http: dict[str, Any]
    ) -> None:
        if isinstance(error, GeneratorExit) and self._amid():
            return
        level = "warning" if late and outcome == "ok" else LEVELS[outcome]
        if RANKS[level] >= self._least and (level != "info" or self._sampled(invocation)):
            here = invocation.trace
            fields: dict[str, Any] = {
                "service": invocation.service,
                "version": invocation.version,
                "outcome": outcome,
                "late": late,
                "duration_ms": round(took * 1000, 3),
                **http,
                "error": None if error is None else type(error).__name__,
                "trace_id": None if here is None else here.trace_id,
                "span_id": None if here is None else here.span_id,
                "parent_span_id": None if here is None else parent_of(here, invocation.headers),
                "request_id": invocation.request_id,
                "colour": invocation.colour,
                "trigger": invocation.trigger,
                "cold_start": invocation.cold_start,
            }
            known = {name: value for name, value in fields.items() if not (value is None or value is False or value == "")}
            self.write(level, EVENT, known)
        if self._facts is not None and self._facts.due <= self._clock.monotonic():
            self._facts.turn()

    def _sampled(self, invocation: Invocation) -> bool:
        """Whether a call that went well is written."""
        if invocation.cold_start:
            return True
        if self._kept < _IDS and invocation.trace is not None and int(invocation.trace.trace_id[16:], 16) >= self._kept:
            return False
        if self._clock.monotonic() < self._resting:
            self._left_out += 1
            return False
        if self._left_out:
            count, self._left_out = self._left_out, 0
            self.write("warning", LEFT_OUT, {"service": invocation.service, "count": count})
        return True

    # -- facts ------------------------------------------------------------------------------------------------------

    def listen(self, identity: Identity) -> None:
        """Write down what policies do from now on, unless another log of this process does already."""
        if self._to == "off" or any(isinstance(getattr(ear, "__self__", None), AccessLog) for ear, _ in PROCESS._ears):
            return
        self._identity = identity
        PROCESS.add(self.heard)

    def heard(self, fact: Fact) -> None:
        """A policy has done something."""
        if self._amid():
            return
        if self._facts is None:
            from .fact_log import FactLog

            self._facts = FactLog(self, self._identity, self._clock)
        self._facts.heard(fact)

    # -- lines ------------------------------------------------------------------------------------------------------

    def tells(self, level: str) -> bool:
        """Whether lines of this level are written."""
        return RANKS[level] >= self._least

    def _amid(self) -> bool:
        """Whether structlog is writing a line on this thread: it holds a lock then, also where the collector comes in."""
        if self._to == "json" or "structlog" not in sys.modules:
            return False
        from ._interrupted import interrupts

        return interrupts("structlog.")

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write one line."""
        loaded = sys.modules.get("structlog") if self._to == "" else None
        if self._logger is None and loaded is not None and hasattr(loaded, "get_logger"):
            self._structlog(loaded)
        began = self._clock.monotonic()
        if self._logger is not None:
            getattr(self._logger, level)(event, **fields)
        else:
            pairs = [f'"{name}": {quoted(value) if type(value) is str else _json(value)}' for name, value in fields.items()]
            line = ", ".join((f'{{"timestamp": "{self._now()}"', f'"level": "{level}"', f'"event": "{event}"', *pairs))
            sys.stdout.write(f"{line}}}\n")
            sys.stdout.flush()
        ended = self._clock.monotonic()
        if ended - began > BUDGET:
            self._resting = ended + REST
            report_once(
                "access_log.slow", f"the log took {ended - began:.3g} s for a line; calls that go well have none for a while"
            )

    def _now(self) -> str:
        """The time, in UTC: of what `utc` says only the milliseconds are new in most lines."""
        milliseconds = int(self._clock.wall() * 1000)
        second, said = self._moment
        if milliseconds // 1000 != second:
            second, said = self._moment = milliseconds // 1000, utc(milliseconds // 1000)[:-4]
        return f"{said}{milliseconds % 1000:03}Z"

    def _structlog(self, module: Any) -> None:
        self._logger = module.get_logger("svcgov.access")


def parent_of(here: Trace, headers: Mapping[str, str]) -> str | None:
    """The span that the caller has named, if the call is in the caller's trace."""
    said = headers.get("traceparent", "").strip()
    return said[36:52] if said[3:35] == here.trace_id else None


def _json(value: Any) -> str:
    """The values of a line are text, numbers and truths: not worth the package ``json``, a twentieth of a cold start."""
    if isinstance(value, str):
        return quoted(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def outcome_of(error: BaseException | None, status: int | None) -> str:
    """One of the words above: for a line, and for whoever counts."""
    if error is None:
        return "failed" if status is not None and status >= 500 else "ok"
    return "refused" if isinstance(error, RejectedError) else "raised"
