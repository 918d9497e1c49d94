"""Calls per second, worked out from the clock when somebody asks."""

from __future__ import annotations

from math import exp

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov.telemetry._rates import SPANS, Rates


def weighted(moments: list[float], now: float) -> dict[str, float]:
    """The rates by their definition, from all moments at which there was a call."""
    age = max(1.0, now - moments[0])
    return {name: sum(exp(-(now - at) / span) for at in moments) / span / (1 - exp(-age / span)) for name, span in SPANS.items()}


@given(st.lists(st.floats(0, 1) | st.floats(0, 30) | st.floats(0, 5000), max_size=60), st.floats(0, 4000))
def test_a_rate_is_that_of_its_definition(gaps: list[float], idle: float) -> None:
    """But for the second within which calls are taken together, whatever pauses there are."""
    moments = [100.0]
    for gap in gaps:
        moments.append(moments[-1] + gap)
    rates = Rates(moments[0])
    for at in moments:
        rates.add(at)
    found = rates.read(moments[-1] + idle)
    for name, value in weighted(moments, moments[-1] + idle).items():
        assert found[name] == pytest.approx(value, rel=1 - exp(-1 / SPANS[name]), abs=1e-300)


def test_a_steady_rate_is_found_from_the_first_seconds_on() -> None:
    """Ten calls a second are ten calls a second, whether for five seconds or for an hour."""
    rates, now = Rates(0.0), 0.0
    for number in range(36_000):
        now = number / 10
        rates.add(now)
        if number in (50, 600, 35_999):
            assert rates.read(now) == {name: pytest.approx(10, rel=0.03) for name in SPANS}


def test_after_a_freeze_nothing_is_left_of_what_was() -> None:
    """A process that thaws after an hour does not tell of the minute before, nor spread it over the hour."""
    rates = Rates(0.0)
    for _ in range(1000):
        rates.add(0.0)
    found = rates.read(3600.0)
    assert found["m1"] < 1e-20
    assert found["m15"] == pytest.approx(1000 / 900 * exp(-4), rel=0.02)
    rates.add(3600.0)
    assert rates.read(3600.0)["m1"] == pytest.approx(1 / 60)


def test_to_read_changes_nothing() -> None:
    """However often, and by however many."""
    rates = Rates(0.0)
    for at in (0.0, 0.5, 2.0, 2.1):
        rates.add(at)
    assert [rates.read(10.0) for _ in range(3)] == [rates.read(10.0)] * 3


def test_a_clock_that_another_thread_read_earlier_does_no_harm() -> None:
    """A moment before the newest one counts as now."""
    rates = Rates(10.0)
    rates.add(12.0)
    rates.add(11.0)
    assert rates.read(9.0)["m1"] > 0
