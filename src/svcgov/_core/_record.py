"""What the head of a pipeline writes down of its function: how often, how long, and how it ended.

The histogram is log-linear: four equal steps in each power of two, from 1 microsecond to about a minute, so a quantile
is right to one eighth of its value. A clean call costs one look-up and two additions.

Rule: in a clean call no call stands between the load and the store of a number (the head does it, on one line each),
so no count is lost between threads while there is a GIL; without one a rare lost count is accepted, none is invented.
"""

from __future__ import annotations

from ..errors import RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_STEPS, _POWERS = 4, 26
BOUNDS = tuple(1e-6 * 2.0**power * (1 + step / _STEPS) for power in range(_POWERS) for step in range(_STEPS))


class Record:
    """Counts of one governed function."""

    __slots__ = ("cancelled", "counts", "failed", "refused", "total")

    def __init__(self) -> None:
        self.counts: list[int] = [0] * (len(BOUNDS) + 1)
        self.total: list[float] = [0.0]
        self.failed: int = 0
        self.refused: int = 0
        self.cancelled: int = 0

    def end(self, error: BaseException) -> None:
        """Count a call that did not return: refused, failed, or else cancelled."""
        if isinstance(error, RejectedError):
            self.refused += 1
        elif isinstance(error, Exception):
            self.failed += 1
        else:
            self.cancelled += 1

    def add(self, other: Record) -> None:
        """Count what *other* has counted."""
        self.counts[:] = [mine + more for mine, more in zip(self.counts, other.counts, strict=True)]
        self.total[0] += other.total[0]
        self.failed += other.failed
        self.refused += other.refused
        self.cancelled += other.cancelled

    def quantile(self, q: float) -> float | None:
        """Seconds within which the share *q* of the clean calls was done, or None before the first."""
        counts = list(self.counts)
        rank = q * sum(counts)
        seen = 0
        for index, count in enumerate(counts):
            seen += count
            if count and seen >= rank:
                low = BOUNDS[index - 1] if index else 0.0
                return (low + BOUNDS[min(index, len(BOUNDS) - 1)]) / 2
        return None

    def ends(self) -> dict[str, int]:
        """How many calls ended in which way."""
        return {"succeeded": sum(self.counts), "failed": self.failed, "refused": self.refused, "cancelled": self.cancelled}

    def snapshot(self) -> dict[str, Any]:
        """Plain values: ``succeeded failed refused cancelled mean p50 p99`` (durations in seconds, of clean calls)."""
        ends = self.ends()
        clean = ends["succeeded"]
        return {
            **ends,
            "mean": self.total[0] / clean if clean else None,
            "p50": self.quantile(0.5),
            "p99": self.quantile(0.99),
        }
