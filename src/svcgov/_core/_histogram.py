"""Durations, counted so finely that a quantile is right to one percent, and so that histograms of many instances add up.

The steps are logarithmic, 2 % wide, from 1 microsecond to a minute. The bounds that OpenTelemetry's conventions have for
durations are bounds here too, so what is counted up to one of those is exact.

Rule 1: all histograms have the same steps: to merge two is to add their counts.
Rule 2: only the steps between the shortest and the longest duration are kept, two bytes for each until one needs more.
Rule 3: nothing here takes a lock: whoever shares one brings a lock along.

The way to count, and its error, are those of DDSketch (Masson, Rim, Lee: PVLDB 12, 2019).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from itertools import accumulate, compress
from math import ceil, log

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, Self

COARSE = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # seconds, of the conventions
_WIDEST = log(1.01 / 0.99)  # of a step: its middle is then right to 1 % for all of it


def _bounds() -> Iterator[float]:
    """The shortest, and then between each two bounds of the conventions as many equal steps as are needed."""
    low = 1e-6
    yield low
    for high in (*COARSE, 60.0):
        steps = ceil(log(high / low) / _WIDEST)
        yield from (low * (high / low) ** (step / steps) for step in range(1, steps))
        yield high
        low = high


BOUNDS = tuple(_bounds())  # a step ends with its bound
_NAMES = tuple(map(str, range(len(BOUNDS) + 1)))  # of the steps, in a snapshot
_COARSE_AT = tuple(BOUNDS.index(bound) + 1 for bound in COARSE)
_WIDER = {"H": "I", "I": "Q"}  # the types of an array: two bytes a count, four, eight


class Histogram:
    """Durations in seconds."""

    __slots__ = ("_counts", "_first", "count", "least", "most", "total")

    def __init__(self) -> None:
        self._counts: array[int] = array("H")
        self._first = 0  # the step of the first count
        self.count: int = 0
        self.total: float = 0.0
        self.least: float = 0.0
        self.most: float = 0.0

    def add(self, value: float) -> None:
        """Count one duration."""
        if value < self.least or not self.count:
            self.least = value
        if value > self.most or not self.count:
            self.most = value
        self.count += 1
        self.total += value
        step = bisect_left(BOUNDS, value)
        place = step - self._first
        if 0 <= place < len(self._counts):
            self._raise(place, 1)
        else:
            self._put(step, 1)

    def merge(self, other: Histogram) -> None:
        """Count what *other* has counted."""
        if not other.count:
            return
        self.least = min(self.least, other.least) if self.count else other.least
        self.most = max(self.most, other.most) if self.count else other.most
        self.count += other.count
        self.total += other.total
        self._span(other._first, other._first + len(other._counts) - 1)
        ahead = other._first - self._first
        for step, more in enumerate(other._counts, ahead):
            if more:
                self._raise(step, more)

    def copy(self) -> Self:
        """Another one, equal to this one as it is now."""
        other = self.__class__.__new__(self.__class__)
        other._counts, other._first = self._counts[:], self._first
        other.count, other.total, other.least, other.most = self.count, self.total, self.least, self.most
        return other

    def since(self, before: Histogram) -> Histogram:
        """What was counted after *before*, which was a copy of this one; its shortest and longest are right to 1 %."""
        new = Histogram()
        known = dict(enumerate(before._counts, before._first))
        for step, count in enumerate(self._counts, self._first):
            more = count - known.get(step, 0)
            if more:
                value = self._value(step)
                new._put(step, more)
                new.least, new.most = (new.least if new.count else value), value
                new.count += more
        new.total = self.total - before.total
        return new

    def quantile(self, q: float) -> float | None:
        """Seconds within which the share *q* of all was done, right to 1 % from 1 microsecond to a minute; None for none."""
        return self.quantiles((q,))[0]

    def quantiles(self, shares: Iterable[float]) -> list[float | None]:
        """As `quantile`, of several shares at once."""
        totals = list(accumulate(self._counts))
        if not totals:
            return [None for _ in shares]
        return [self._value(self._first + min(bisect_left(totals, q * totals[-1]), len(totals) - 1)) for q in shares]

    def coarse(self) -> list[int]:
        """How many were done within each of `COARSE`, exactly."""
        totals = [0, *accumulate(self._counts)]
        return [totals[min(max(step - self._first, 0), len(totals) - 1)] for step in _COARSE_AT]

    def spread(self, most: int) -> list[float]:
        """All durations, each right to 1 %; where they are more than *most*, that many of them, at equal distances by rank."""
        number = min(self.count, most)
        found = self.quantiles((place + 0.5) / number for place in range(number))
        return [value for value in found if value is not None]

    def snapshot(self) -> dict[str, Any]:
        """Plain values, which `of` makes a histogram of again: ``count total least most`` and the ``counts`` by their steps."""
        names = _NAMES[self._first : self._first + len(self._counts)]
        counts = dict(zip(compress(names, self._counts), filter(None, self._counts), strict=True))
        return {"count": self.count, "total": self.total, "least": self.least, "most": self.most, "counts": counts}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Self:
        """The histogram that *plain* is the snapshot of, perhaps by way of JSON."""
        made = cls()
        for step, count in plain["counts"].items():
            made._put(int(step), count)
        made.count, made.total = plain["count"], plain["total"]
        made.least, made.most = plain["least"], plain["most"]
        return made

    def _value(self, step: int) -> float:
        """What stands for the durations of this step."""
        return min(max(_middle(step), self.least), self.most)

    def _put(self, step: int, more: int) -> None:
        self._span(step, step)
        self._raise(step - self._first, more)

    def _span(self, low: int, high: int) -> None:
        """Have a place for each step between these two."""
        if not self._counts:
            self._first = low
        empty = array(self._counts.typecode, [0])
        if low < self._first:
            self._counts = empty * (self._first - low) + self._counts
            self._first = low
        missing = high + 1 - self._first - len(self._counts)
        if missing > 0:
            self._counts = self._counts + empty * missing  # in place it would take room in advance

    def _raise(self, place: int, more: int) -> None:
        count = self._counts[place] + more
        try:
            self._counts[place] = count
        except OverflowError:
            self._counts = array(_WIDER[self._counts.typecode], self._counts)
            self._raise(place, more)


def _middle(step: int) -> float:
    """What stands for all durations of this step: as far, in proportion, from its lower as from its upper bound."""
    if step == 0:
        return 0.0
    if step == len(BOUNDS):
        return float("inf")  # what is known of those is the longest one
    low, high = BOUNDS[step - 1], BOUNDS[step]
    return 2 * low * high / (low + high)
