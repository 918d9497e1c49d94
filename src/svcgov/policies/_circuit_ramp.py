"""The gradual way back: after good probes a growing share of the calls is let through, before all of them are.

Rule 1: no dice: every call brings credit, in whole thousandths, and a call that is let through takes a thousand of it. So
        the share of any number of calls is exact to one call, and the first call always gets through.
Rule 2: credit is carried over from one step to the next.
Rule 3: the steps follow from the clock at the call. The last one goes on until an outcome was counted: silence proves nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

WHOLE = 1000


class Ramp:
    """One way back, of *length* seconds from *start* on; ``heard`` says whether an outcome was counted."""

    __slots__ = ("_length", "_start", "credit", "heard")

    def __init__(self, length: float, start: float) -> None:
        self._length = length
        self._start = start
        self.credit: int = WHOLE
        self.heard: bool = False

    def over(self, now: float) -> bool:
        """Whether all calls may come."""
        return self.heard and now - self._start >= self._length

    def share(self, now: float, steps: Sequence[int]) -> int:
        """The thousandths of the calls that may come now."""
        step = int(max(0.0, now - self._start) * len(steps) / self._length)
        return steps[min(step, len(steps) - 1)]

    def would_admit(self, now: float, steps: Sequence[int]) -> bool:
        """Whether a call would get through now."""
        return self.credit + self.share(now, steps) >= WHOLE

    def admit(self, now: float, steps: Sequence[int]) -> bool:
        """Whether this call gets through."""
        self.credit += self.share(now, steps)
        if self.credit < WHOLE:
            return False
        self.credit -= WHOLE
        return True
