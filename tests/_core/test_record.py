"""What is written down of a governed function: how often, how long, and how it ended."""

from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov._core._record import BOUNDS, Record
from svcgov.errors import BulkheadFullError


def recorded(*durations: float) -> Record:
    """A record of clean calls, written as the head of a pipeline does."""
    record = Record()
    for took in durations:
        record.counts[bisect_right(BOUNDS, took)] += 1
        record.total[0] += took
    return record


def test_before_the_first_call_there_is_nothing_to_tell() -> None:
    """No mean and no quantile, rather than zeros."""
    assert Record().snapshot() == {
        "succeeded": 0,
        "failed": 0,
        "refused": 0,
        "cancelled": 0,
        "mean": None,
        "p50": None,
        "p99": None,
    }


@pytest.mark.parametrize(
    ("error", "counted"),
    [(BulkheadFullError("bulkhead", "full"), "refused"), (LookupError(), "failed"), (KeyboardInterrupt(), "cancelled")],
)
def test_a_call_that_did_not_return_is_counted_once(error: BaseException, counted: str) -> None:
    """A refusal is an error too, but not a failure."""
    record = Record()
    for times in (1, 2):
        record.end(error)
        found = record.snapshot()
        assert {name: found[name] for name in ("failed", "refused", "cancelled") if found[name]} == {counted: times}


@given(st.lists(st.floats(1e-6, 50), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_right_to_an_eighth(durations: list[float], q: float) -> None:
    """Of the value that it stands for."""
    exact = next(one for rank, one in enumerate(sorted(durations), 1) if rank >= q * len(durations))
    found = recorded(*durations).quantile(q)
    assert found is not None
    assert exact * 7 / 8 <= found <= exact * 9 / 8


def test_the_shortest_and_the_longest_have_a_place() -> None:
    """Below a microsecond and above a minute the step is all that is known."""
    assert recorded(0.0).quantile(1) == BOUNDS[0] / 2
    assert recorded(1e6).quantile(1) == BOUNDS[-1]
    assert BOUNDS[0] == 1e-6
    assert 55 < BOUNDS[-1] < 65


def test_the_mean_is_exact() -> None:
    """It is summed, not read from the steps."""
    assert recorded(0.1, 0.2, 0.6).snapshot()["mean"] == pytest.approx(0.3)


def test_of_a_hundred_calls_the_slowest_shows_in_the_last_percent() -> None:
    """And not in the median."""
    found = recorded(*[0.01] * 98, 5.0, 5.0).snapshot()
    assert found["succeeded"] == 100
    assert found["p50"] == pytest.approx(0.01, rel=0.125)
    assert found["p99"] == pytest.approx(5.0, rel=0.125)


def test_two_records_add_up() -> None:
    """As if one function had made all the calls."""
    one, other = recorded(0.1, 0.2), recorded(0.4)
    for error in (BulkheadFullError("bulkhead", "full"), LookupError(), LookupError(), KeyboardInterrupt()):
        one.end(error)
        other.end(error)
    one.add(other)
    together = recorded(0.1, 0.2, 0.4).snapshot()
    assert one.snapshot() == {**together, "refused": 2, "failed": 4, "cancelled": 2, "mean": pytest.approx(together["mean"])}
