"""The trace: W3C Trace Context (Recommendation of 23 November 2021), read and written by hand.

Where OpenTelemetry is in use, its current span is where the call stands, and the baggage of its context goes along.

``traceparent`` is ``00-{32 hex digits: trace}-{16 hex digits: span}-{2 hex digits: flags}``, in lower case; a version that
is not known yet may have more behind. ``tracestate`` belongs to it and is handed on as it is.

Rule 1: OpenTelemetry is not imported for this: it is looked for among the modules that are loaded, and used if somebody
        has set a provider. Without one, that look is all it costs.
Rule 2: what goes wrong in it is said once, and the trace goes on by hand.
"""

from __future__ import annotations

from os import urandom

from .._core._context import Trace
from .._core._report import report_once
from ._plain import is_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_HEX = frozenset("0123456789abcdef")
_LONGEST_STATE = 512  # characters that everybody should hand on, by the standard


def read(headers: Mapping[str, str]) -> Trace | None:
    """Where the caller stands, or None when it does not say, or says it wrongly."""
    parent = headers.get("traceparent", "").strip()
    parts = parent.split("-")
    if len(parts) < 4:
        return None
    version, trace_id, span_id, flags, *more = parts
    if not (_hex(version, 2) and _hex(trace_id, 32) and _hex(span_id, 16) and _hex(flags, 2)):
        return None
    if version == "ff" or (version == "00" and more) or set(trace_id) == {"0"} or set(span_id) == {"0"}:
        return None
    sampled = bool(int(flags, 16) & 1)
    return Trace(trace_id=trace_id, span_id=span_id, sampled=sampled, state=_state(headers.get("tracestate", "")))


def begin() -> Trace:
    """The first span of a new trace, which nobody records."""
    return Trace(trace_id=_random(16), span_id=_random(8))


def child(parent: Trace) -> Trace:
    """Another span of the same trace."""
    return parent.replace(span_id=_random(8))


def write(here: Trace, headers: dict[str, str]) -> None:
    """Say where the caller stands."""
    headers["traceparent"] = f"00-{here.trace_id}-{here.span_id}-{'01' if here.sampled else '00'}"
    if here.state:
        headers["tracestate"] = here.state


def current(otel: Any) -> Any:
    """What the span that is current in *otel* says of itself, or None where there is none."""
    try:
        said = otel.get_current_span().get_span_context()
        valid = said.is_valid
    except Exception as failure:
        report_once("trace.current", f"the current span could not be asked: {failure!r}")
        return None
    return said if valid else None


def of(said: Any) -> Trace:
    """Where a span stands, by what it *said*."""
    state = said.trace_state
    return Trace(
        trace_id=f"{said.trace_id:032x}",
        span_id=f"{said.span_id:016x}",
        sampled=bool(said.trace_flags & 1),
        state=_state(state.to_header()) if state else "",
    )


def write_of(said: Any, headers: dict[str, str]) -> None:
    """The same as to `write` where a span stands, by what it *said*."""
    headers["traceparent"] = f"00-{said.trace_id:032x}-{said.span_id:016x}-{'01' if said.trace_flags & 1 else '00'}"
    if said.trace_state and (state := _state(said.trace_state.to_header())):
        headers["tracestate"] = state


def bags() -> dict[str, str]:
    """The baggage of OpenTelemetry's current context."""
    try:
        from opentelemetry import baggage

        return {str(key): str(value) for key, value in baggage.get_all().items()}
    except Exception as failure:
        report_once("trace.bags", f"the baggage of the context could not be read: {failure!r}")
        return {}


def _state(text: str) -> str:
    text = text.strip()
    return text if len(text) <= _LONGEST_STATE and is_plain(text) else ""


def _hex(text: str, length: int) -> bool:
    return len(text) == length and _HEX.issuperset(text)


def _random(length: int) -> str:
    """An id from the system: a thousand thawed copies of one process must not agree. Never all zeros."""
    return (int.from_bytes(urandom(length), "big") or 1).to_bytes(length, "big").hex()
