"""The access log: one line for each call of a handler, with the ids that lead to everything else.

====================================  ===================================================================================
``event``                             ``svcgov.call``
``outcome``                           ``ok``, ``failed`` (it answered 500 or more), ``raised``, ``refused``
``late``                              there, and true, when the call ended after its deadline
``duration_ms``                       from the moment the handler was called to the moment it ended
``status method path``                of an HTTP request
``error``                             the class of what was raised; its message may hold secrets, and is not written
``trace_id span_id request_id``       which call this was
``service version colour trigger``    whose it was, and of what kind
``cold_start``                        there, and true, for the first call of a process
====================================  ===================================================================================

``SVCGOV_LOG`` says where to: ``json`` (standard output), ``structlog``, or ``off``. When it says nothing, structlog is
used if the function has loaded it, else JSON, so nobody pays for what is not there.

Rule: what is not known is left out.
"""

from __future__ import annotations

import sys

try:
    from _json import encode_basestring_ascii as quoted
except ImportError:  # another interpreter than CPython
    from json import dumps as quoted

from .._core._clock import utc
from .._core._environment import word
from ..errors import RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._context import Invocation
    from ..typing import Clock

EVENT = "svcgov.call"
WORDS = ("structlog", "json", "off")
LEVELS = {"ok": "info", "failed": "error", "raised": "error", "refused": "warning"}


class AccessLog:
    """Writes one line for each call.

    Attributes:
        meter: who counts the calls, or None.

    Raises:
        ConfigError: when ``SVCGOV_LOG`` is none of its words.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._to = word("SVCGOV_LOG", WORDS, "")
        self._logger: Any = None
        self._meter: Callable[..., object] | None = None
        self.silent: bool = self._to == "off"  # whether nothing is written, and nobody counts
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
                self._line(invocation, outcome, error=error, took=took, late=late, http=http)
        finally:
            if self.meter is not None and "record" not in http:  # a record is part of a call
                self.meter(invocation, operation=operation, outcome=outcome, status=http.get("status"), took=took, late=late)

    def _line(
        self, invocation: Invocation, outcome: str, *, error: BaseException | None, took: float, late: bool, http: dict[str, Any]
    ) -> None:
        here = invocation.trace
        fields = {
            "service": invocation.service,
            "version": invocation.version,
            "outcome": outcome,
            "late": late,
            "duration_ms": round(took * 1000, 3),
            **http,
            "error": None if error is None else type(error).__name__,
            "trace_id": None if here is None else here.trace_id,
            "span_id": None if here is None else here.span_id,
            "request_id": invocation.request_id,
            "colour": invocation.colour,
            "trigger": invocation.trigger,
            "cold_start": invocation.cold_start,
        }
        known = {name: value for name, value in fields.items() if not (value is None or value is False or value == "")}
        self._write(LEVELS[outcome], known)

    def _write(self, level: str, fields: dict[str, Any]) -> None:
        loaded = sys.modules.get("structlog") if self._to == "" else None
        if self._logger is None and loaded is not None and hasattr(loaded, "get_logger"):
            self._structlog(loaded)
        if self._logger is not None:
            getattr(self._logger, level)(EVENT, **fields)
            return
        line = {"timestamp": utc(self._clock.wall()), "level": level, "event": EVENT, **fields}
        sys.stdout.write("{" + ", ".join(f'"{name}": {_json(value)}' for name, value in line.items()) + "}\n")
        sys.stdout.flush()

    def _structlog(self, module: Any) -> None:
        self._logger = module.get_logger("svcgov.access")


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
