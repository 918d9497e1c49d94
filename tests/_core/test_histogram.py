"""Durations, counted in steps of two percent."""

from __future__ import annotations

import json
import sys
from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov._core._histogram import BOUNDS, COARSE, Histogram

WITHIN = st.floats(1e-6, 60)  # the range that quantiles are promised for
STEEP = st.sampled_from([1e-6, 1.01e-6, 9.99e-4, 1e-3, 0.005, 0.0050001, 1.0, 1.02, 59.9, 60.0])  # edges, and far apart
DURATIONS = st.lists(WITHIN | STEEP, min_size=1, max_size=80)


def counted(durations: list[float]) -> Histogram:
    """All of them in one histogram."""
    histogram = Histogram()
    for took in durations:
        histogram.add(took)
    return histogram


def exact(durations: list[float], q: float) -> float:
    """The quantile itself."""
    return next(one for rank, one in enumerate(sorted(durations), 1) if rank >= q * len(durations))


@given(DURATIONS)
def test_what_all_have_in_common_is_exact(durations: list[float]) -> None:
    """How many, how long together, the shortest and the longest; of none it is nothing at all."""
    known = counted(durations).snapshot()
    del known["counts"]
    assert known == {
        "count": len(durations),
        "total": pytest.approx(sum(durations)),
        "least": min(durations),
        "most": max(durations),
    }
    assert Histogram().snapshot() == {"count": 0, "total": 0.0, "least": 0.0, "most": 0.0, "counts": {}}


@given(st.lists(DURATIONS, min_size=1, max_size=3))
def test_there_is_a_place_for_each_step_between_the_shortest_and_the_longest(some: list[list[float]]) -> None:
    """And no other, however they came in."""
    merged = Histogram()
    for durations in some:
        merged.merge(counted(durations))
    for histogram in (merged, counted([took for durations in some for took in durations])):
        steps = [int(step) for step in histogram.snapshot()["counts"]]
        assert (histogram._first, len(histogram._counts)) == (steps[0], steps[-1] - steps[0] + 1)


@given(DURATIONS, st.floats(0.001, 1))
def test_a_quantile_is_right_to_one_percent(durations: list[float], q: float) -> None:
    """Wherever the durations lie: all in one place, at the bounds of the steps, or far apart."""
    assert counted(durations).quantile(q) == pytest.approx(exact(durations, q), rel=0.01)


RANDOM = Random(7)
DISTRIBUTIONS = {
    "one value": [0.0123] * 1000,
    "two values, far apart": [1e-6] * 500 + [59.0] * 500,
    "the bounds of the steps": list(BOUNDS),
    "just above them": [bound * (1 + 1e-9) for bound in BOUNDS[:-1]],
    "just below them": [bound * (1 - 1e-9) for bound in BOUNDS[1:]],
    "a heavy tail": [min(60.0, 1e-3 * RANDOM.paretovariate(0.5)) for _ in range(10_000)],
    "of every order of magnitude the same": [10 ** RANDOM.uniform(-6, 1.7) for _ in range(10_000)],
    "one far away": [0.01] * 9_999 + [60.0],
}


@pytest.mark.parametrize("durations", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_the_quantiles_of_a_distribution_are_right_to_one_percent(durations: list[float]) -> None:
    """However ill it is meant: from the least to the most, and far out in the tail."""
    shares = [number / 1000 for number in range(1, 1001)]
    ordered = sorted(durations)
    right = [ordered[ceil(share * len(ordered)) - 1] for share in shares]
    assert counted(durations).quantiles(shares) == pytest.approx(right, rel=0.01)


@given(st.lists(DURATIONS, min_size=1, max_size=10))
def test_merged_histograms_are_that_of_the_union(some: list[list[float]]) -> None:
    """Of any number of instances, in any order."""
    merged = Histogram()
    for durations in some:
        merged.merge(counted(durations))
    union = counted([took for durations in some for took in durations])
    assert merged.snapshot() == {**union.snapshot(), "total": pytest.approx(union.total)}


def test_a_hundred_merged_are_that_of_the_union() -> None:
    """Each of another order of magnitude than the one before it, and read from its snapshot."""
    some = [[1.1**number * 1e-6 * 1.003**n for n in range(50)] for number in range(100)]
    merged = Histogram()
    for durations in some:
        merged.merge(Histogram.of(json.loads(json.dumps(counted(durations).snapshot()))))
    union = counted([took for durations in some for took in durations])
    assert merged.snapshot()["counts"] == union.snapshot()["counts"]
    assert [merged.quantile(q / 100) for q in range(101)] == [union.quantile(q / 100) for q in range(101)]
    assert (merged.count, merged.least, merged.most) == (5000, union.least, union.most)


def test_to_merge_with_nothing_changes_nothing() -> None:
    """From either side."""
    some, nothing = counted([0.1, 0.2]), Histogram()
    before = some.snapshot()
    some.merge(nothing)
    nothing.merge(some)
    assert some.snapshot() == nothing.snapshot() == before


@given(DURATIONS)
def test_a_snapshot_is_the_histogram_again(durations: list[float]) -> None:
    """By way of JSON too."""
    histogram = counted(durations)
    again = Histogram.of(json.loads(json.dumps(histogram.snapshot())))
    assert again.snapshot() == histogram.snapshot()
    assert again.coarse() == histogram.coarse()


@given(DURATIONS)
def test_the_steps_of_the_conventions_are_exact(durations: list[float]) -> None:
    """A duration that is a bound belongs below it, as in Prometheus."""
    assert counted(durations).coarse() == [sum(took <= bound for took in durations) for bound in COARSE]


@given(DURATIONS, DURATIONS)
def test_what_came_since_is_what_was_added(earlier: list[float], later: list[float]) -> None:
    """As if a new histogram had been begun."""
    histogram = counted(earlier)
    before = histogram.copy()
    for took in later:
        histogram.add(took)
    since, alone = histogram.since(before), counted(later)
    assert since.count == len(later)
    assert since.snapshot()["counts"] == alone.snapshot()["counts"]
    assert since.total == pytest.approx(alone.total)
    assert since.least == pytest.approx(alone.least, rel=0.01)
    assert since.most == pytest.approx(alone.most, rel=0.01)


def test_a_copy_stays_as_it_was() -> None:
    """Whatever is counted after it."""
    histogram = counted([0.1])
    copy = histogram.copy()
    histogram.add(0.1)
    assert (copy.count, histogram.count) == (1, 2)
    assert copy.snapshot()["counts"] != histogram.snapshot()["counts"]


@given(DURATIONS, st.integers(1, 100))
def test_a_spread_has_the_durations_in_their_order(durations: list[float], most: int) -> None:
    """All of them, each right to one percent, or as many as were asked for, by rank."""
    spread = counted(durations).spread(most)
    ordered = sorted(durations)
    if len(durations) <= most:
        assert spread == pytest.approx(ordered, rel=0.01)
    else:
        ranks = [(place + 0.5) / most for place in range(most)]
        assert spread == pytest.approx([exact(durations, rank) for rank in ranks], rel=0.01)


def test_of_nothing_there_is_nothing_to_tell() -> None:
    """No quantile, rather than zero."""
    nothing = Histogram()
    assert (nothing.quantile(0.5), nothing.spread(100), nothing.coarse()) == (None, [], [0] * len(COARSE))
    assert nothing.since(Histogram()).snapshot() == nothing.snapshot()


def test_below_and_above_the_steps_the_shortest_and_the_longest_are_known() -> None:
    """No time at all, and an hour."""
    histogram = counted([0.0, 3600.0])
    assert [histogram.quantile(q) for q in (0.5, 1)] == [0.0, 3600.0]
    assert histogram.coarse() == [1] * len(COARSE)


@pytest.mark.parametrize("took", [0.1, 3600.0])
def test_more_than_all_is_all(took: float) -> None:
    """A share above 1 is not an error: within the longest duration all was done."""
    assert counted([took]).quantile(2) == took


def test_the_steps_reach_from_a_microsecond_to_a_minute() -> None:
    """Those of the conventions among them."""
    assert BOUNDS[0] == 1e-6
    assert BOUNDS[-1] == 60
    assert set(COARSE) < set(BOUNDS)
    assert list(BOUNDS) == sorted(set(BOUNDS))


@pytest.mark.parametrize(("times", "most"), [(1, 2100), (2**16, 4000), (2**32, 8000)])
def test_it_takes_as_much_room_as_its_counts_need(times: int, most: int) -> None:
    """With a count in every step there is: two bytes for each, four after 65 535 calls in one of them, eight after ages."""
    histogram = counted([0.0, 1e6, *BOUNDS])
    counts = histogram.snapshot()["counts"]
    again = Histogram.of({**histogram.snapshot(), "counts": {step: count * times for step, count in counts.items()}})
    assert again.snapshot()["counts"] == {step: count * times for step, count in counts.items()}
    values = (again.count, again.total, again.least, again.most)
    assert sys.getsizeof(again) + sys.getsizeof(again._counts) + sum(map(sys.getsizeof, values)) <= most
    again.add(0.1)
    assert sum(again.snapshot()["counts"].values()) == times * len((0.0, 1e6, *BOUNDS)) + 1
