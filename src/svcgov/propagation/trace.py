"""The trace: W3C Trace Context (Recommendation of 23 November 2021), read and written by hand.

``traceparent`` is ``00-{32 hex digits: trace}-{16 hex digits: span}-{2 hex digits: flags}``, in lower case; a version that
is not known yet may have more behind. ``tracestate`` belongs to it and is handed on as it is.
"""

from __future__ import annotations

from os import urandom

from .._core._context import Trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
    state = headers.get("tracestate", "").strip()
    sampled = bool(int(flags, 16) & 1)
    return Trace(trace_id=trace_id, span_id=span_id, sampled=sampled, state=state if len(state) <= _LONGEST_STATE else "")


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


def _hex(text: str, length: int) -> bool:
    return len(text) == length and _HEX.issuperset(text)


def _random(length: int) -> str:
    """An id from the system: a thousand thawed copies of one process must not agree. Never all zeros."""
    return (int.from_bytes(urandom(length), "big") or 1).to_bytes(length, "big").hex()
