"""The settings of a circuit breaker that go beyond one number each."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from svcgov import Backoff, circuit_breaker, seconds
from svcgov.errors import ConfigError
from svcgov.policies._circuit_settings import BreakerSettings

WINDOW = 'calls, such as 100, or a duration from 100 ms to 1 h, such as "30s" or seconds(30)'
OPEN_FOR = 'a duration >= 0.001 s and <= 3600 s, such as 2.5 or "500ms"'
STEPS = "rising shares between 0 and 1, such as [0.1, 0.25, 0.5]"
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"window": "99ms"}, "window", WINDOW),
    ({"window": "2h"}, "window", WINDOW),
    ({"window": 30.0}, "window", WINDOW),
    ({"window": True}, "window", WINDOW),
    ({"window": "soon"}, "window", WINDOW),
    ({"window": 100_001}, "window", "an integer from 1 to 100_000"),
    ({"failures": 0}, "failures", "an integer >= 1"),
    ({"slow_call_rate": 0}, "slow_call_rate", "a share above 0 to 1"),
    ({"bad_rate": 50}, "bad_rate", "a share above 0 to 1 (did you mean 0.5?)"),
    ({"open_for": Backoff(5, 2, 60)}, "open_for.jitter", "none: the time open is spread by open_jitter"),
    (
        {"open_for": {"initial": 5, "max": 60, "jitter": "full"}},
        "open_for.jitter",
        "none: the time open is spread by open_jitter",
    ),
    ({"open_for": Backoff(5, 2, 7200, "none")}, "open_for", "delays from 0.001 s to 3600 s"),
    ({"open_for": Backoff(0.0005, 2, 60, "none")}, "open_for", "delays from 0.001 s to 3600 s"),
    ({"open_for": {"initial": 5, "maximum": 60}}, "open_for.maximum", "one of initial, factor, max, jitter (did you mean max?)"),
    ({"open_for": [1, 2]}, "open_for", OPEN_FOR),
    ({"max_open_for": 10}, "max_open_for", "at least open_for, 30 s"),
    ({"max_open_for": 4, "open_for": Backoff(5, 2, 60, "none")}, "max_open_for", "at least open_for, 5 s"),
    ({"ramp": 0}, "ramp", 'a duration > 0 s and <= 604800 s, such as 2.5 or "500ms"'),
    ({"ramp_steps": []}, "ramp_steps", STEPS),
    ({"ramp_steps": [0.5, 0.1]}, "ramp_steps", STEPS),
    ({"ramp_steps": [0.5, 0.5]}, "ramp_steps", STEPS),
    ({"ramp_steps": [0.5, 1]}, "ramp_steps", STEPS),
    ({"ramp_steps": [0, 0.5]}, "ramp_steps", STEPS),
    ({"ramp_steps": ["0.5"]}, "ramp_steps", STEPS),
    ({"ramp_steps": 0.5}, "ramp_steps", STEPS),
    ({"count_in_flight": True}, "count_in_flight", "slow_call_duration beside it: the time after which a call is slow"),
    ({"count_in_flight": 1, "slow_call_duration": 1}, "count_in_flight", "true or false"),
    ({"open_from_answer": "yes"}, "open_from_answer", "true or false"),
    ({"on_result": ValueError}, "on_result", "a function of the result that is true for a bad one"),
    ({"mode": "metrics-only"}, "mode", "one of enforce, observe, off"),
    ({"force": "closed"}, "force", "open, or None"),
    ({"failure_rate": None}, "failure_rate", "a share above 0 to 1, since nothing else is given that opens it"),
]


@pytest.mark.parametrize(("given", "place", "expected"), WRONG, ids=lambda value: str(value)[:40])
def test_a_setting_that_cannot_be_is_refused(given: dict[str, Any], place: str, expected: str) -> None:
    """With its place, what stood there, and what could have."""
    with pytest.raises(ConfigError) as wrong:
        circuit_breaker(**given)
    assert (wrong.value.path, wrong.value.expected) == (f"circuit_breaker.{place}", expected)
    value: Any = given
    for part in place.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value.settings, part)
    assert wrong.value.value == value


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (1, 1),
        (100_000, 100_000),
        (30, 30),
        ("30s", 30.0),
        (seconds(30), 30.0),
        (timedelta(seconds=30), 30.0),
        ("PT1M", 60.0),
        ("100ms", 0.1),
        ("1h", 3600.0),
    ],
)
def test_a_window_is_calls_or_time(given: Any, read: float) -> None:
    """A whole number is calls; everything that says a unit is time."""
    window = BreakerSettings.of({"window": given}, "").window
    assert window == read
    assert isinstance(window, float) is isinstance(read, float)


@pytest.mark.parametrize("given", [{"failures": 5}, {"consecutive_failures": 5}, {"bad_rate": 0.5}, {"slow_call_duration": 1}])
def test_any_threshold_will_do(given: dict[str, Any]) -> None:
    """Without the failure rate each of them opens the circuit by itself."""
    assert circuit_breaker(failure_rate=None, **given).current_state == "closed"


@pytest.mark.parametrize("given", [0.001, "1h", Backoff(0.001, 2, 3600, "none")])
def test_the_shortest_and_the_longest_time_to_be_open_are_allowed(given: Any) -> None:
    """A millisecond and an hour; and what grows from the one to the other."""
    assert BreakerSettings.of({"open_for": given}, "").shortest_open in (0.001, 3600.0)


def test_no_error_types_are_as_none_given() -> None:
    """Every exception is a failure, and none is ignored."""
    settings = BreakerSettings.of({"on": (), "ignore": ()}, "")
    assert (settings.on, settings.ignore) == (None, None)


def test_who_says_how_long_need_not_say_it_twice() -> None:
    """``max_open_for`` is five minutes, or as long as what is given is."""
    longest = [
        BreakerSettings.of(given, "").max_open_for
        for given in ({}, {"open_for": "10m"}, {"open_for": {"initial": 1, "max": "20m"}}, {"open_for": 5, "max_open_for": 5})
    ]
    assert longest == [300, 600, 1200, 5]


def test_consecutive_failures_turn_off_the_failure_rate_alone() -> None:
    """What else is given stands; and a rate that is given too."""
    settings = BreakerSettings.of({"consecutive_failures": 3, "slow_call_duration": 1}, "")
    assert (settings.failure_rate, settings.slow_call_rate) == (None, 1.0)
    assert settings.has_rates
    assert BreakerSettings.of({"consecutive_failures": 3, "failure_rate": 0.5}, "").failure_rate == 0.5
    assert BreakerSettings.of({"failures": 3}, "").failure_rate == 0.5


def test_rates_are_shares_of_the_calls_once_there_are_enough() -> None:
    """One call before that they are not known; the share of slow ones never without a duration."""
    counts = {"calls": 4, "failed": 2, "slow": 1}
    slow, any_time = BreakerSettings.of({"slow_call_duration": 1}, ""), BreakerSettings.of({}, "")
    assert slow.figures((4, 2, 1, 3), 4) == {**counts, "failure_rate": 0.5, "slow_call_rate": 0.25}
    assert any_time.figures((4, 2, 1, 3), 4) == {**counts, "failure_rate": 0.5, "slow_call_rate": None}
    assert slow.figures((4, 2, 1, 3), 5) == {**counts, "failure_rate": None, "slow_call_rate": None}


def test_each_threshold_holds_at_its_very_number() -> None:
    """And not at one call less; each is told by its name."""
    given = {"failures": 3, "consecutive_failures": 2, "failure_rate": 0.75, "slow_call_duration": 1, "slow_call_rate": 0.5}
    settings = BreakerSettings.of({**given, "bad_rate": 1.0}, "")
    names = ("failures", "consecutive_failures", "failure_rate", "slow_call_rate", "bad_rate")
    assert settings.breached((4, 3, 2, 4), 2, 4) == names
    assert settings.breached((4, 3, 2, 4), 2, 5) == names[:2]
    assert settings.breached((4, 2, 1, 3), 1, 4) == ()
    for number, counts in enumerate([(9, 3, 0, 3), (9, 0, 0, 0), (4, 3, 0, 3), (4, 0, 2, 2), (4, 2, 1, 4)]):
        assert names[number] in settings.breached(counts, 2 if number == 1 else 0, 4)


def test_shares_of_the_ramp_are_whole_thousandths() -> None:
    """No share is none, and none is all."""
    steps = BreakerSettings.of({"ramp_steps": [0.0001, 0.25, 0.3339, 0.9, 0.9999]}, "").thousandths()
    assert steps == (1, 250, 334, 900, 999)
