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
    digits = value.removeprefix("-")
    if digits.isascii() and digits.replace(".", "", 1).isdigit():
        seconds = max(0.0, float(value))
        return None if seconds == float("inf") else seconds
    until = _moment(value)
    if until is None:
        return None
    sent = _moment(_header(headers, "Date") or "")
    return max(0.0, until - (wall() if sent is None else sent))


def _header(headers: Mapping[str, str], name: str) -> str | None:
    """The header of this name, in any spelling: most clients' mappings know that it has no case, a plain dict does not."""
    value = headers.get(name)
    if value is None:
        value = next((headers[other] for other in headers if str(other).lower() == name.lower()), None)
    return value if isinstance(value, str) else None


def _moment(text: str) -> float | None:
    """Seconds since the epoch. All three forms that HTTP knows; a date without a zone is one of Greenwich."""
    from email.utils import mktime_tz, parsedate_tz

    try:
        parts = parsedate_tz(text)
        return None if parts is None else float(mktime_tz(parts))
    except (ValueError, TypeError, OverflowError):
        return None
