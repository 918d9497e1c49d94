"""How much of a limit is used: four ways to count, behind the same few verbs.

Rule 1: `early` changes nothing; `take` is called only when nothing was early.
Rule 2: time is handed in and never goes back; windows begin at the meter's birth, so no wall clock moves them.
Rule 3: what is asked for in a moment is asked under one lock: nothing here calls the user, and nothing here waits.

``gcra`` is a bucket that drains steadily. ``fixed-window`` counts in cells of time, and lets two cells' worth through at
their border. ``moving-window`` remembers each call, and never lets more than the limit through in any window.
``sliding-window`` remembers two numbers, and takes the calls of the last cell to have been evenly spread.
"""

from __future__ import annotations

from collections import deque

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._core._durations import Rate

NEVER = float("inf")
WHOLE = 1e-6  # of a call: shares that were kept over a change of the limit are not whole numbers


class Meter:
    """What is used of one limit. *burst* means something to the bucket alone, and *began* to one that warms up."""

    __slots__ = ("began", "birth", "burst", "grace", "rate")

    def __init__(self, rate: Rate, burst: int | None, birth: float) -> None:
        self.rate = rate
        self.burst = burst
        self.birth = self.began = birth
        self.grace = min(rate.seconds / max(1, rate.n) / 1000, 0.00001)  # seconds: floats are rounded

    def early(self, now: float, cost: int) -> float:
        """How many seconds too early *cost* calls are: 0 for not at all, `NEVER` for always."""
        raise NotImplementedError

    def due(self, now: float, cost: int) -> float:
        """The same as exactly as the meter knows it."""
        return self.early(now, cost)

    def take(self, now: float, cost: int) -> None:
        """Let *cost* calls begin."""
        raise NotImplementedError

    def used(self, now: float) -> float:
        """The calls that count at this moment."""
        raise NotImplementedError

    def fill(self, calls: float, now: float) -> None:
        """Count so many calls as begun now, in a meter that is new."""
        raise NotImplementedError

    def keep(self, share: float, now: float) -> None:
        """Count this share of the limit as used."""
        if share:
            self.fill(share * self.size, now)

    def fresh(self, now: float) -> float:
        """Seconds until nothing is used any more, if nobody comes."""
        raise NotImplementedError

    @property
    def size(self) -> int:
        """The calls that may come at once."""
        return self.rate.n

    def share(self, now: float) -> float:
        """The part of the limit that is used."""
        return self.used(now) / self.size

    def left(self, now: float) -> int:
        """The calls that may come now."""
        return max(0, int(self.size - self.used(now) + WHOLE))


class Closed(Meter):
    """A limit of nothing. It remembers the share that was used, for the limit after it."""

    __slots__ = ("kept",)

    def __init__(self, rate: Rate, burst: int | None, birth: float) -> None:
        super().__init__(rate, burst, birth)
        self.kept = 0.0

    def early(self, now: float, cost: int) -> float:
        return NEVER

    def share(self, now: float) -> float:
        return self.kept

    def keep(self, share: float, now: float) -> None:
        self.kept = share

    def used(self, now: float) -> float:
        return 0.0

    def fresh(self, now: float) -> float:
        return 0.0


class Bucket(Meter):
    """GCRA: each call pours a step, and time drains it."""

    __slots__ = ("at", "spent", "step")

    def __init__(self, rate: Rate, burst: int | None, birth: float) -> None:
        super().__init__(rate, burst, birth)
        self.step = rate.seconds / rate.n
        self.spent = 0.0  # seconds, as of the moment `at`
        self.at = birth

    @property
    def size(self) -> int:
        return self.burst or self.rate.n

    def _ahead(self, now: float) -> float:
        return max(0.0, self.spent - (now - self.at))

    def early(self, now: float, cost: int) -> float:
        if cost > self.size:
            return NEVER
        due = self.due(now, cost)
        return due - self.grace / 2 if due else 0.0

    def due(self, now: float, cost: int) -> float:
        """As `early` without rounding, and also for what costs more than there ever is: it can be paid for step by step."""
        due = self._ahead(now) - (self.size - cost) * self.step
        return due if cost and due > self.grace else 0.0

    def take(self, now: float, cost: int) -> None:
        self.spent, self.at = self._ahead(now) + cost * self.step, now

    def used(self, now: float) -> float:
        return self._ahead(now) / self.step

    def left(self, now: float) -> int:
        return max(0, int(self.size - (self._ahead(now) - self.grace) / self.step))

    def fill(self, calls: float, now: float) -> None:
        self.spent, self.at = calls * self.step, now

    def fill_until(self, at: float) -> None:
        """Let it be full at that moment to come, if it would not be."""
        if self._ahead(at) < self.size * self.step:
            self.fill(self.size, at)

    @property
    def state(self) -> tuple[float, float]:
        """What it has to be set to, to stand as it does now."""
        return self.spent, self.at

    @state.setter
    def state(self, state: tuple[float, float]) -> None:
        self.spent, self.at = state

    def fresh(self, now: float) -> float:
        return self._ahead(now)


class FixedWindow(Meter):
    """Cells of time, each with a count of its own."""

    __slots__ = ("cell", "count")

    def __init__(self, rate: Rate, burst: int | None, birth: float) -> None:
        super().__init__(rate, burst, birth)
        self.cell = 0
        self.count = 0.0

    def _cell(self, now: float) -> int:
        return int((now - self.birth + self.grace) // self.rate.seconds)

    def _begin(self, cell: int) -> float:
        """Seconds of the clock at which *cell* begins."""
        return self.birth + cell * self.rate.seconds

    def used(self, now: float) -> float:
        return self.count if self._cell(now) == self.cell else 0.0

    def early(self, now: float, cost: int) -> float:
        if cost > self.rate.n:
            return NEVER
        if self.used(now) + cost <= self.rate.n + WHOLE:
            return 0.0
        return self._begin(self.cell + 1) - now - self.grace / 2

    def take(self, now: float, cost: int) -> None:
        self.fill(self.used(now) + cost, now)

    def fill(self, calls: float, now: float) -> None:
        self.cell, self.count = self._cell(now), calls

    def fresh(self, now: float) -> float:
        return self._begin(self.cell + 1) - now if self.used(now) else 0.0


class MovingWindow(Meter):
    """Every call of the last window, by the moment of its beginning."""

    __slots__ = ("begun", "total")

    def __init__(self, rate: Rate, burst: int | None, birth: float) -> None:
        super().__init__(rate, burst, birth)
        self.begun: deque[tuple[float, float]] = deque()
        self.total = 0.0

    def used(self, now: float) -> float:
        begun, edge = self.begun, now - self.rate.seconds + self.grace
        while begun and begun[0][0] <= edge:
            self.total -= begun.popleft()[1]
        if not begun:
            self.total = 0.0
        return self.total

    def early(self, now: float, cost: int) -> float:
        if cost > self.rate.n:
            return NEVER
        over = self.used(now) + cost - self.rate.n
        if over <= WHOLE:
            return 0.0
        leaves, begun = now, iter(self.begun)
        while over > WHOLE:
            when, calls = next(begun)
            leaves, over = when + self.rate.seconds, over - calls
        return leaves - now - self.grace / 2

    def take(self, now: float, cost: int) -> None:
        self.fill(cost, now)

    def fill(self, calls: float, now: float) -> None:
        self.total += calls
        if self.begun and self.begun[-1][0] == now:
            calls += self.begun.pop()[1]
        self.begun.append((now, calls))

    def fresh(self, now: float) -> float:
        return self.begun[-1][0] + self.rate.seconds - now if self.used(now) else 0.0


class SlidingWindow(FixedWindow):
    """Two cells: of the last one, the part counts that still lies in the window, in whole calls."""

    __slots__ = ("last",)

    def __init__(self, rate: Rate, burst: int | None, birth: float) -> None:
        super().__init__(rate, burst, birth)
        self.last = 0.0

    def _counts(self, now: float) -> tuple[float, float, float]:
        """The counts of the last cell and of this one, and the part of this one that is over."""
        cell = self._cell(now)
        over = min(1.0, max(0.0, (now - self._begin(cell)) / self.rate.seconds))
        if cell == self.cell:
            return self.last, self.count, over
        return self.count if cell == self.cell + 1 else 0.0, 0.0, over

    def used(self, now: float) -> float:
        last, count, over = self._counts(now)
        return last * (1 - over) + count

    def early(self, now: float, cost: int) -> float:
        if cost > self.rate.n:
            return NEVER
        last, count, over = self._counts(now)
        room: float = self.rate.n - cost + 1  # whole calls: less than one too many is none too many
        if last * (1 - over) + count < room - WHOLE:
            return 0.0
        begin = self._begin(self._cell(now))
        room -= WHOLE
        part = 1 - (room - count) / last if count < room else 1 + max(0.0, 1 - room / count)
        return begin + part * self.rate.seconds - now + self.grace

    def take(self, now: float, cost: int) -> None:
        last, count, _ = self._counts(now)
        self.cell, self.last, self.count = self._cell(now), last, count + cost

    def fill(self, calls: float, now: float) -> None:
        self.cell, self.last, self.count = self._cell(now), 0.0, calls

    def left(self, now: float) -> int:
        return max(0, self.size - int(self.used(now) + WHOLE))

    def fresh(self, now: float) -> float:
        last, count, _ = self._counts(now)
        return self._begin(self._cell(now) + (2 if count else 1)) - now if last or count else 0.0


ALGORITHMS: dict[str, type[Meter]] = {
    "gcra": Bucket,
    "fixed-window": FixedWindow,
    "moving-window": MovingWindow,
    "sliding-window": SlidingWindow,
}


def meter(algorithm: str, rate: Rate, burst: int | None, birth: float) -> Meter:
    """A new meter for *rate*."""
    return (ALGORITHMS[algorithm] if rate.n else Closed)(rate, burst, birth)


def aimed(rate: Rate, burst: int | None, cost: int) -> tuple[float, float, float, float]:
    """The step that a call pours, how far ahead of its time it may come, the grace in that for rounding, the bucket's size.

    Without the grace the last call of a burst could be refused. ``0/second`` refuses all: nothing is ever due.
    """
    if not rate.n:
        return NEVER, -NEVER, 0.0, 0.0
    pace = rate.seconds / rate.n
    grace = min(pace / 1000, 0.00001)
    room = (burst or rate.n) - cost
    return cost * pace, room * pace + grace if room >= 0 else -NEVER, grace, (burst or rate.n) * pace
