"""Calls that have all labels in common, and what was counted of them at one moment."""

from __future__ import annotations

from ._exemplars import Exemplary
from ._rates import Rates

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core._histogram import Histogram

    Labels = tuple[str, ...]

LABELS = ("direction", "kind", "service", "operation", "peer", "colour", "outcome", "method", "status")


class Series:
    """Calls that have all labels in common.

    Attributes:
        labels: their values, in the order of `LABELS`.
        durations: how long they took.
        late: how many ended after their deadline.
        left: how much was left to their deadlines when they ended; None while none had one.
        rates: how many there were lately.
    """

    __slots__ = ("durations", "labels", "late", "left", "rates")

    def __init__(self, labels: Labels, now: float) -> None:
        self.labels: Labels = labels
        self.durations: Exemplary = Exemplary()
        self.late: int = 0
        self.left: Histogram | None = None
        self.rates: Rates = Rates(now)


class Reading:
    """What one series had counted at one moment.

    Attributes:
        labels: the values of the labels by their names, the empty string where there is none.
        durations, late, left: as in `Series`.
    """

    __slots__ = ("_now", "_rates", "durations", "labels", "late", "left")

    def __init__(self, series: Series, now: float) -> None:
        self.labels: dict[str, str] = dict(zip(LABELS, series.labels, strict=True))
        self.durations: Exemplary = series.durations.copy()
        self.late: int = series.late
        self.left: Histogram | None = None if series.left is None else series.left.copy()
        self._rates = series.rates.copy()
        self._now = now

    def rates(self) -> dict[str, float]:
        """Calls per second: ``m1``, ``m5`` and ``m15``."""
        return self._rates.read(self._now)

    def snapshot(self) -> dict[str, Any]:
        """Plain values: the labels that there are, ``rates`` in calls per second, ``late``, and the ``durations``."""
        known = {name: value for name, value in self.labels.items() if value}
        return {**known, "late": self.late, "rates": self.rates(), "durations": self.durations.snapshot()}
