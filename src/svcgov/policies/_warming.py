"""A limit that has to warm up: after idling it begins at a part of its rate, and rises to all of it.

A cold dependency (empty caches, no connections, code that is not compiled yet) does not bear at once what a warm one bears.
The idea is that of the warm-up of Guava's ``RateLimiter`` and of Sentinel; the formula is this one.

Let *r* be the rate in calls per second, *k* the cold factor and *W* the seconds of the warm-up. *x* seconds after it has
begun, a part ``f(x) = 1/k + (1 - 1/k) * min(1, x/W)`` of everything is there: calls drain from the bucket ``r * f(x)`` a
second, and it holds ``burst * f(x)`` calls. A call that is worth *c* passes iff not more than ``burst * f(x) - c`` are in it,
or none at all: a single call passes a cold limit too. Since *f* rises evenly, what drains in a time is the area of a trapezium.

Rule 1: never more passes than through the same limit without a warm-up.
Rule 2: it begins anew, when a call passes, once the bucket has been empty for *W* seconds; a new limit is cold.
Rule 3: how far the warm-up has come is a matter of time alone, not of how many calls there were.
"""

from __future__ import annotations

from math import sqrt

from ._windows import NEVER, WHOLE, Meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core._durations import Rate


class Warming(Meter):
    """The bucket."""

    __slots__ = ("at", "calls", "cold", "new", "pace", "warm_up")

    def __init__(self, rate: Rate, burst: int | None, birth: float, warm_up: float, factor: float) -> None:
        super().__init__(rate, burst, birth)
        self.pace = rate.n / rate.seconds
        self.warm_up = warm_up
        self.cold = 1 / factor
        self.calls = 0.0  # that were in the bucket at the moment `at`
        self.at = birth
        self.new = True  # no call has passed yet

    @property
    def size(self) -> int:
        return self.burst or self.rate.n

    def part(self, now: float, began: float) -> float:
        """What part of everything is there, where the warm-up has begun at that moment."""
        return self.cold + (1 - self.cold) * min(1.0, max(0.0, (now - began) / self.warm_up))

    def begins(self, now: float) -> float:
        """When the warm-up has begun that a call at this moment finds; now, if it begins with that call."""
        emptied = self.at + self._reached(self.calls, self.at, 0, self.began)
        return now if self.new or now - emptied >= self.warm_up else self.began

    def _reached(self, calls: float, since: float, size: int, began: float) -> float:
        """The seconds until so many calls have drained, or may be in a bucket of *size* that becomes larger meanwhile.

        While it warms up that is where a parabola reaches *calls*; after that, a straight line.
        """
        part, left = self.part(since, began), max(0.0, began + self.warm_up - since)
        missing = calls - size * part
        if missing <= 0:
            return 0.0
        rise = (1 - self.cold) / self.warm_up if left else 0.0
        bend, slope = self.pace * rise / 2, self.pace * part + size * rise
        seconds = 2 * missing / (slope + sqrt(slope * slope + 4 * bend * missing))
        if seconds <= left or not left:
            return seconds
        return left + (missing - left * (slope + bend * left)) / self.pace

    def used(self, now: float) -> float:
        warm = self.began + self.warm_up
        rising, full = max(0.0, min(now, warm) - self.at), max(0.0, now - max(self.at, warm))
        height = (self.part(self.at, self.began) + self.part(min(now, warm), self.began)) / 2
        return max(0.0, self.calls - self.pace * (rising * height + full))

    def early(self, now: float, cost: int) -> float:
        if cost > self.size:
            return NEVER
        if not cost:
            return 0.0
        used, began = self.used(now), self.begins(now)
        early = min(self._reached(used, now, 0, began), self._reached(used + cost, now, self.size, began))
        return early - self.grace / 2 if early > self.grace else 0.0

    def take(self, now: float, cost: int) -> None:
        if cost:
            began = self.begins(now)
            self.fill(self.used(now) + cost, now)
            self.began = began

    def fill(self, calls: float, now: float) -> None:
        self.calls, self.at, self.new = calls, now, False

    def keep(self, share: float, now: float) -> None:
        if share:
            super().keep(share, now)
            self.began = now - self.warm_up  # who is in use is warm

    def left(self, now: float) -> int:
        used = self.used(now)
        return max(int(self.size * self.part(now, self.begins(now)) - used + WHOLE), int(not used))

    def fresh(self, now: float) -> float:
        return self._reached(self.used(now), now, 0, self.began)
