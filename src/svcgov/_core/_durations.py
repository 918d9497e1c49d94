"""Durations and rates, as people write them.

A duration is a float of seconds everywhere inside; the door also takes a timedelta and text. A rate is a number of calls
in a window, in the notation of the package ``limits`` (a test compares the two), with windows below a second added.
"""

from __future__ import annotations

from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

_UNITS = {"ms": 0.001, "s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY}
_WINDOWS = {
    "ms": 0.001,
    "millisecond": 0.001,
    "s": 1.0,
    "second": 1.0,
    "m": MINUTE,
    "minute": MINUTE,
    "h": HOUR,
    "hour": HOUR,
    "d": DAY,
    "day": DAY,
    "month": 30 * DAY,
}


class Seconds(float):
    """A duration where a bare number would be read as a count. Made by `seconds`."""

    __slots__ = ()


class Rate:
    """*n* calls in *seconds*: ``Rate(10, 0.1)`` is ``"10/100ms"``."""

    __slots__ = ("n", "seconds")

    n: int
    seconds: float

    def __init__(self, n: int, seconds: Any) -> None:
        length = as_seconds(seconds)
        if isinstance(n, bool) or not isinstance(n, int) or n < 0:
            raise ConfigError("Rate.n", n, "an integer >= 0")
        if length is None or not 0.001 <= length <= 30 * DAY:
            raise ConfigError("Rate.seconds", seconds, 'a window from 1 ms to 30 days, such as 0.1 or "1m"')
        self.n = n
        self.seconds = length

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rate) and (self.n, self.seconds) == (other.n, other.seconds)

    def __hash__(self) -> int:
        return hash((self.n, self.seconds))

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
        return _iso(value) if value[:2] == "PT" else _spoken(value, _UNITS)
    if hasattr(value, "total_seconds"):
        return float(value.total_seconds())
    if isinstance(value, (int, float)) and not isinstance(value, bool) and value - value == 0:
        return float(value)
    return None


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
    if unit not in _WINDOWS:
        unit = unit.removesuffix("s")
    if not (amount.isascii() and amount.isdigit()) or unit not in _WINDOWS or number == "0":
        return None
    length = int(number or 1) * _WINDOWS[unit]
    return Rate(int(amount), length) if 0.001 <= length <= 30 * DAY else None


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
