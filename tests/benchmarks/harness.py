"""Interleaved rounds in one process.

Rule 1: every case runs once in every round, so that a machine whose speed drifts is unfair to none.
Rule 2: what a case adds is worked out round by round (the case minus its floor), and only then the median is taken.
Rule 3: one u is what a bare `functools.wraps` pass-through adds in the same round.
Rule 4: the collector runs between the rounds, never within one.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import itertools
import os
import statistics
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

PLAIN, UNIT = "plain", "pass-through"
WARM_UP = 300  # more than the window of a breaker, so that every ring is full before the first round


class Spread(NamedTuple):
    """The quartiles of one figure over the rounds."""

    low: float
    middle: float
    high: float


def spread(values: Iterable[float]) -> Spread:
    """Quartiles and median of some values, at least one."""
    ordered = sorted(values)
    if len(ordered) == 1:
        return Spread(ordered[0], ordered[0], ordered[0])
    low, middle, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return Spread(low, middle, high)


@dataclasses.dataclass(slots=True)
class Case:
    """One thing to call; `call` returns an awaitable where the rounds are asynchronous.

    `floor` names the case that is taken away from it; `rest` is run after its turn, outside the measurement;
    `calls` is how often it is called per round (None: as often as fills the time of a turn).
    """

    name: str
    call: Callable[[], Any]
    floor: str = PLAIN
    rest: Callable[[], None] | None = None
    calls: int | None = None


class Rounds:
    """Nanoseconds per call, one figure per case and round."""

    def __init__(self, cases: Sequence[Case]) -> None:
        self.floors = {case.name: case.floor for case in cases}
        self.times: dict[str, list[float]] = {case.name: [] for case in cases}

    def added(self, name: str) -> list[float]:
        """What the case adds to its floor, in nanoseconds, round by round."""
        pairs = zip(self.times[name], self.times[self.floors[name]], strict=True)
        return [time - floor for time, floor in pairs]

    def ratio(self, name: str, other: str) -> Spread:
        """How many times as much `name` adds as `other` does."""
        return spread(_shares(self.added(name), self.added(other)))

    def in_units(self, name: str) -> Spread:
        """What the case adds, in u."""
        return self.ratio(name, UNIT)

    def in_nanoseconds(self, name: str) -> Spread:
        """What the case adds, in nanoseconds."""
        return spread(self.added(name))


def _shares(values: Sequence[float], others: Sequence[float]) -> Iterator[float]:
    for value, other in zip(values, others, strict=True):
        if other > 0:  # a round in which the machine took a break inside the floor says nothing
            yield value / other


def run(cases: Sequence[Case], *, rounds: int, turn: float = 0.003) -> Rounds:
    """Measure functions: `rounds` turns of about `turn` seconds for each case."""
    result = Rounds(cases)
    counts = {}
    for case in cases:
        _time(case.call, case.calls or WARM_UP)
        counts[case.name] = case.calls or _fitting(_time(case.call, 100), turn)
        _rest(case)
    for _ in _quiet(rounds):
        for case in cases:
            result.times[case.name].append(_time(case.call, counts[case.name]))
            _rest(case)
    return result


async def run_async(cases: Sequence[Case], *, rounds: int, turn: float = 0.003) -> Rounds:
    """The same for functions that return an awaitable."""
    result = Rounds(cases)
    counts = {}
    for case in cases:
        await _time_async(case.call, case.calls or WARM_UP)
        counts[case.name] = case.calls or _fitting(await _time_async(case.call, 100), turn)
        _rest(case)
    for _ in _quiet(rounds):
        for case in cases:
            result.times[case.name].append(await _time_async(case.call, counts[case.name]))
            _rest(case)
    return result


def _quiet(rounds: int) -> Iterator[int]:
    gc.collect()
    gc.disable()
    try:
        for number in range(rounds):
            yield number
            gc.collect()
    finally:
        gc.enable()


def _fitting(nanoseconds: float, turn: float) -> int:
    return max(20, min(200_000, int(turn * 1e9 / max(nanoseconds, 1.0))))


def _rest(case: Case) -> None:
    if case.rest is not None:
        case.rest()


def _time(call: Callable[[], Any], times: int) -> float:
    again = itertools.repeat(None, times)
    start = time.perf_counter_ns()
    for _ in again:
        call()
    return (time.perf_counter_ns() - start) / times


async def _time_async(call: Callable[[], Awaitable[Any]], times: int) -> float:
    again = itertools.repeat(None, times)
    start = time.perf_counter_ns()
    for _ in again:
        await call()
    return (time.perf_counter_ns() - start) / times


@contextlib.contextmanager
def log_to(word: str) -> Iterator[None]:
    """What begins here has its log there, as ``SVCGOV_LOG`` says."""
    before = os.environ.get("SVCGOV_LOG")
    os.environ["SVCGOV_LOG"] = word
    try:
        yield
    finally:
        os.environ.pop("SVCGOV_LOG")
        if before is not None:
            os.environ["SVCGOV_LOG"] = before
