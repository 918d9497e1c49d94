"""``Retry-After``, as servers write it: seconds, or a date (RFC 9110, 10.2.3)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def retry_after(headers: Mapping[str, str], wall: Callable[[], float]) -> float | None:
    """Seconds to wait, or None when the server asked for nothing that can be read.

    A date is measured against the same answer's ``Date``, so that a clock that is wrong here does not matter.
    """
    value = _header(headers, "Retry-After")
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.replace(".", "", 1).isdigit():
        return float(value)
    if value[:1] == "-":
        return 0.0
    until = _moment(value)
    if until is None:
        return None
    sent = _moment(_header(headers, "Date") or "")
    return max(0.0, until - (wall() if sent is None else sent))


def _header(headers: Mapping[str, str], name: str) -> str | None:
    for spelled in (name, name.lower()):
        value = headers.get(spelled)
        if isinstance(value, str):
            return value
    return None


def _moment(text: str) -> float | None:
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
