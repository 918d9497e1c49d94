"""The ids of the call under way, in the lines that the author's own code logs.

One object, `correlate`, is both a processor of structlog and a filter of ``logging``. What it adds to an event or a record:

=======================  =====================================================================
``trace_id span_id``     where the call stands in its trace
``request_id``           the platform's id of the call
``service version``      who is running
``colour``               the traffic's colour
``attempt``              which attempt of a retry it is, from 1 on
=======================  =====================================================================

Rule 1: outside of a call nothing is added, and what is not known is left out.
Rule 2: what the author has bound stays as it is.
Rule 3: the ids are looked up when a line is written: a call that logs nothing pays nothing.
"""

from __future__ import annotations

from .._core._context import ATTEMPT, INVOCATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from logging import LogRecord
    from typing import Any

    from .._core._context import Invocation

    Event = MutableMapping[str, Any]

__all__ = ["Correlate", "correlate", "ids"]


def ids() -> dict[str, str | int]:
    """The ids of the call under way, by the names above; outside of a call, none."""
    here = INVOCATION.get()
    if here.platform == "none":
        return {}
    return {**ids_of(here), "attempt": ATTEMPT.get()}


def ids_of(here: Invocation) -> dict[str, str | int]:
    """The ids of a call, without what is not known of it."""
    trace = here.trace
    known = {
        "trace_id": "" if trace is None else trace.trace_id,
        "span_id": "" if trace is None else trace.span_id,
        "request_id": here.request_id,
        "service": here.service,
        "version": here.version,
        "colour": here.colour,
    }
    return {name: value for name, value in known.items() if value}


class Correlate:
    """Adds the ids of the call under way.

    A processor of structlog: ``processors=[merge_contextvars, svcgov.logs.correlate, ...]``. A filter of ``logging``:
    ``handler.addFilter(svcgov.logs.correlate)``; it belongs to a handler, since the filter of a logger is not asked for the
    records of the loggers below it.
    """

    def __call__(self, logger: object, method: str, event: Event, /) -> Event:
        """As structlog calls a processor. A line of ours has its ids already."""
        said = event.get("event")
        if isinstance(said, str) and said.startswith("svcgov."):
            return event
        for name, value in ids().items():
            event.setdefault(name, value)
        return event

    def filter(self, record: LogRecord) -> bool:
        """As ``logging`` calls a filter; every record passes."""
        known = record.__dict__
        for name, value in ids().items():
            known.setdefault(name, value)
        return True


correlate: Correlate = Correlate()
