"""What a circuit remembers: how the last calls ended, or how the calls of the last seconds did.

One outcome is one cell: 0 for a clean one, `FAILED`, `SLOW`, or both. Counts are ``(calls, failed, slow, bad)``, where bad is
failed or slow, each call once.

Rule 1: a window knows no thresholds and takes no lock: the circuit holds its own.
Rule 2: time is handed in, and may be older than what was seen last: then it is the time that was seen last.

A `CountWindow` is a ring of bytes, and counts them when it is asked: there is no running total that could drift.
A `TimeWindow` has ten buckets, aligned to its birth. What came in at one moment is gone between 0.9 and 1 of its length
later. Nothing is done while time passes: after a pause of any length the buckets that are over are emptied at once.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Counts: TypeAlias = tuple[int, int, int, int]
    Window: TypeAlias = "CountWindow | TimeWindow"

FAILED, SLOW = 1, 2
BUCKETS = 10


class CountWindow:
    """The last *size* outcomes. ``at`` counts all there were; before ``calm_at`` of them the ring cannot be clean."""

    __slots__ = ("at", "calm_at", "ring", "size")

    size: int
    calm_at: int

    def __init__(self, size: int) -> None:
        self.size = self.calm_at = size
        self.ring: bytearray = bytearray(size)
        self.at: int = 0

    def add(self, cell: int, now: float) -> int:
        """Write an outcome down; the number of its cell."""
        number = self.at
        self.ring[number % self.size] = cell
        self.at = number + 1
        if cell:
            self.calm_at = self.at + self.size
        return number

    def amend(self, number: int, now: float) -> None:
        """The outcome in this cell was a failure too, if it is still here."""
        if self.at - number <= self.size:
            self.ring[number % self.size] |= FAILED

    def counts(self, now: float) -> Counts:
        """What is in the window."""
        count = self.ring.count
        failed, slow, both = count(FAILED), count(SLOW), count(FAILED | SLOW)
        return min(self.at, self.size), failed + both, slow + both, failed + slow + both

    def empty(self, now: float) -> bool:
        """Whether nothing is in it."""
        return not self.at

    def clean(self) -> bool:
        """Whether it is full, and every outcome in it is a clean one. Looked for once in a turn."""
        if self.at < self.calm_at:
            return False
        if self.ring.count(0) == self.size:
            return True
        self.calm_at = self.at + self.size
        return False

    def copy(self) -> CountWindow:
        """Another one with the same in it."""
        other = CountWindow(self.size)
        other.ring[:] = self.ring
        other.at = self.at
        return other


class TimeWindow:
    """The outcomes of the last *length* seconds, from *birth* on.

    ``ok`` are the clean outcomes of the running bucket, which ends at ``edge``: these may be added to without the lock.
    """

    __slots__ = ("_birth", "_buckets", "_length", "_number", "edge", "ok")
    at = -1  # never as many as would do without an evaluation

    def __init__(self, length: float, birth: float) -> None:
        self._length = length
        self._birth = birth
        self._number = 0
        self._buckets = [[0, 0, 0, 0] for _ in range(BUCKETS)]
        self.ok: int = 0
        self.edge: float = self._start(1)

    def add(self, cell: int, now: float) -> int:
        """Write an outcome down; the number of its bucket."""
        self._roll(now)
        bucket = self._buckets[self._number % BUCKETS]
        bucket[0] += 1
        bucket[1] += cell & FAILED
        bucket[2] += cell >> 1
        bucket[3] += cell != 0
        return self._number

    def amend(self, number: int, now: float) -> None:
        """One slow outcome in this bucket was a failure too, if it is still here."""
        self._roll(now)
        if self._number - number < BUCKETS:
            self._buckets[number % BUCKETS][1] += 1

    def counts(self, now: float) -> Counts:
        """What is in the window."""
        self._roll(now)
        calls, failed, slow, bad = (sum(column) for column in zip(*self._buckets, strict=True))
        return calls + self.ok, failed, slow, bad

    def empty(self, now: float) -> bool:
        """Whether nothing is in it any more. Looks, and changes nothing: the lock is not needed."""
        over = now >= self._start(self._number + BUCKETS)
        return over or not (self.ok or any(calls for calls, _, _, _ in self._buckets))

    def clean(self) -> bool:
        """Never: each outcome is one more."""
        return False

    def copy(self) -> TimeWindow:
        """Another one with the same in it."""
        other = TimeWindow(self._length, self._birth)
        other._number, other.edge, other.ok = self._number, self.edge, self.ok
        other._buckets = [bucket[:] for bucket in self._buckets]
        return other

    def _start(self, number: int) -> float:
        """When this bucket begins."""
        return self._birth + number * self._length / BUCKETS

    def _roll(self, now: float) -> None:
        if now < self.edge:
            return
        number = max(self._number + 1, int((now - self._birth) * BUCKETS / self._length))
        while self._start(number + 1) <= now:  # the division was rounded down
            number += 1
        while self._start(number) > now:  # or up
            number -= 1
        self._buckets[self._number % BUCKETS][0] += self.ok
        self.ok = 0
        for over in range(self._number + 1, min(number, self._number + BUCKETS) + 1):
            self._buckets[over % BUCKETS] = [0, 0, 0, 0]
        self._number = number
        self.edge = self._start(number + 1)
