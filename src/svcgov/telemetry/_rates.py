"""Calls per second over the last one, five and fifteen minutes, right also after a process has been frozen.

Rule 1: there are no ticks: each rate is worked out from the clock when somebody asks.
Rule 2: calls of one second are taken together at its beginning; that is all that is not exact.
Rule 3: in the first minutes a rate is over the time that there has been, and not over time before the first call.
"""

from __future__ import annotations

from math import exp

SPANS = {"m1": 60.0, "m5": 300.0, "m15": 900.0}
_TOGETHER = 1.0  # seconds


class Rates:
    """Exponentially weighted, as the load of a machine is."""

    __slots__ = ("_at", "_born", "_m1", "_m5", "_m15", "_pending")

    def __init__(self, now: float) -> None:
        self._born = now
        self._at = now
        self._pending = 0
        self._m1 = self._m5 = self._m15 = 0.0

    def add(self, now: float) -> None:
        """A call ended at the moment *now*."""
        if now - self._at >= _TOGETHER:
            self._fold(now)
        self._pending += 1

    def copy(self) -> Rates:
        """Another one, as this one is now."""
        other = Rates(self._born)
        other._at, other._pending = self._at, self._pending
        other._m1, other._m5, other._m15 = self._m1, self._m5, self._m15
        return other

    def read(self, now: float) -> dict[str, float]:
        """Calls per second at the moment *now*: ``m1``, ``m5`` and ``m15``."""
        passed, age = max(0.0, now - self._at), max(_TOGETHER, now - self._born)
        known = (self._m1, self._m5, self._m15)
        return {
            name: (value + self._pending / span) * exp(-passed / span) / (1 - exp(-age / span))
            for (name, span), value in zip(SPANS.items(), known, strict=True)
        }

    def _fold(self, now: float) -> None:
        passed, pending = now - self._at, self._pending
        self._m1, self._m5, self._m15 = (
            (value + pending / span) * exp(-passed / span)
            for value, span in zip((self._m1, self._m5, self._m15), SPANS.values(), strict=True)
        )
        self._at, self._pending = now, 0
