"""For each step of the conventions the last sampled trace that took so long: from a slow call on a page to its spans.

Rule 1: there are as many as there are steps, and none where no trace is sampled.
Rule 2: nothing here takes a lock, as in `Histogram`.
"""

from __future__ import annotations

from bisect import bisect_left

from .._core._frozen import Frozen
from .._core._histogram import COARSE, Histogram

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

    from .._core._context import Trace


class Exemplar(Frozen):
    """One call.

    Attributes:
        value: seconds that it took.
        trace_id, span_id: where it is to be found.
        wall: when it ended.
    """

    value: float
    trace_id: str
    span_id: str
    wall: float


class Exemplary(Histogram):
    """Durations, and examples of them.

    Attributes:
        exemplars: by the number of their step, that of `COARSE` or the one above; None before the first.
    """

    __slots__ = ("exemplars",)

    def __init__(self) -> None:
        super().__init__()
        self.exemplars: dict[int, Exemplar] | None = None

    def show(self, value: float, trace: Trace, wall: float) -> None:
        """A call that took *value* seconds, has been counted, and belongs to a sampled trace."""
        example = Exemplar(value=value, trace_id=trace.trace_id, span_id=trace.span_id, wall=wall)
        if self.exemplars is None:
            self.exemplars = {}
        self.exemplars[bisect_left(COARSE, value)] = example

    def copy(self) -> Self:
        """As that of a histogram."""
        other = super().copy()
        other.exemplars = None if self.exemplars is None else self.exemplars.copy()
        return other
