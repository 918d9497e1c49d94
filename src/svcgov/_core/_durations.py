"""Durations and rates, as people write them.

A duration is a float of seconds everywhere inside; the door also takes a timedelta and text. A rate is a number of calls
in a window, in the notation of the package ``limits`` (a test compares the two), with windows below a second added.
"""

from __future__ import annotations

from ..errors import ConfigError
from ._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

MOST_CALLS = 10**9  # in a window: more than that no process makes, and floats would no longer tell two calls apart

_UNITS = {"ms": 0.001, "s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY}
_WORDS = {"millisecond": 0.001, "second": 1.0, "minute": MINUTE, "hour": HOUR, "day": DAY, "month": 30 * DAY}
_WINDOWS = _UNITS | _WORDS | {f"{word}s": length for word, length in _WORDS.items()}
_DIGITS = 18  # of a whole number in text: what is longer is a slip, and would overflow a float in the end


class Seconds(float):
    """A duration where a bare number would be read as a count. Made by `seconds`."""

    __slots__ = ()


class Rate(Frozen):
    """*n* calls in *seconds*: ``Rate(10, 0.1)`` is ``"10/100ms"``."""

    n: int
    seconds: float

    def __init__(self, n: int, seconds: Any) -> None:
        given: dict[str, Any] = {"n": n, "seconds": as_seconds(seconds)}
        length = given["seconds"]
        if isinstance(n, bool) or not isinstance(given["n"], int) or not 0 <= n <= MOST_CALLS:
            raise ConfigError("Rate.n", n, f"an integer from 0 to {MOST_CALLS:_}")
        if length is None or not 0.001 <= length <= 30 * DAY:
            raise ConfigError("Rate.seconds", seconds, 'a window from 1 ms to 30 days, such as 0.1 or "1m"')
        super().__init__(**given)

    def __repr__(self) -> str:
        return f"Rate({self.n}, {self.seconds:g})"


def seconds(value: Any) -> Seconds:
    """A duration where a bare number would mean a count: ``circuit_breaker(window=seconds(30))``.

    Raises:
        ConfigError: when *value* is no duration.
    """
    length = as_seconds(value)
    if length is None:
        raise ConfigError("seconds", value, 'a duration, such as 2.5, "500ms" or a timedelta')
    return Seconds(length)


def as_seconds(value: Any) -> float | None:
    """The seconds that *value* means, or None when it is no duration. NaN and infinity are none."""
    if isinstance(value, str):
        length = _iso(value) if value[:2] == "PT" else _spoken(value, _UNITS)
    elif hasattr(value, "total_seconds") and not isinstance(value, type):
        length = float(value.total_seconds())
    elif isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300:
        length = float(value)
    else:
        return None
    return length if length is not None and length - length == 0 else None


def as_rate(value: Any) -> Rate | None:
    """The rate that *value* means: a `Rate`, or text such as ``"100/second"``, ``"5 per 2 minutes"``, ``"10/100ms"``."""
    if isinstance(value, Rate):
        return value
    if not isinstance(value, str):
        return None
    amount, _, window = value.lower().replace("per", "/").partition("/")
    amount, window = amount.strip(), window.strip()
    number = window[: len(window) - len(window.lstrip("0123456789"))]
    unit = window[len(number) :].strip()
    if not (amount.isascii() and amount.isdigit()) or unit not in _WINDOWS or max(len(amount), len(number)) > _DIGITS:
        return None
    n, length = int(amount), int(number or 1) * _WINDOWS[unit]
    return Rate(n, length) if n <= MOST_CALLS and 0.001 <= length <= 30 * DAY else None


def _spoken(text: str, units: dict[str, float]) -> float | None:
    text = text.strip()
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = units.get(text[len(number) :].strip())
    if unit is None or not number.replace(".", "", 1).isdigit() or not number.isascii():
        return None
    return float(number) * unit


def _iso(text: str) -> float | None:
    """``PT1H2M3.5S``: hours, minutes and seconds of ISO 8601."""
    total, rest, found = 0.0, text[2:], False
    for mark, unit in (("H", HOUR), ("M", MINUTE), ("S", 1.0)):
        number, sign, after = rest.partition(mark)
        if not sign:
            continue
        if not number.replace(".", "", 1).isdigit() or not number.isascii():
            return None
        total, rest, found = total + float(number) * unit, after, True
    return total if found and not rest else None
