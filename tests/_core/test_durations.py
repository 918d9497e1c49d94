"""Durations and rates, as people write them."""

from __future__ import annotations

import pickle
import re
from datetime import timedelta
from typing import Any

import limits
import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov import Rate, seconds
from svcgov._core._durations import DAY, Seconds, as_rate, as_seconds
from svcgov.errors import ConfigError


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (2, 2.0),
        (2.5, 2.5),
        (0, 0.0),
        (-1, -1.0),
        (timedelta(minutes=1, milliseconds=500), 60.5),
        ("250ms", 0.25),
        ("2s", 2.0),
        ("2.5s", 2.5),
        (".5s", 0.5),
        (" 2 s ", 2.0),
        ("1m", 60.0),
        ("1h", 3600.0),
        ("7d", 7 * 86400.0),
        ("PT2S", 2.0),
        ("PT0.25S", 0.25),
        ("PT1M", 60.0),
        ("PT1H2M3.5S", 3723.5),
    ],
)
def test_what_is_a_duration(said: Any, meant: float) -> None:
    """Numbers, timedeltas and text, all in seconds."""
    assert as_seconds(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        *[None, True, False, [2], {"s": 2}, b"2s", 2j, timedelta, object()],
        *[float("nan"), float("inf"), float("-inf"), 10**400, -(10**400), "9" * 400 + "s", "PT" + "9" * 400 + "S"],
        *[
            "",
            "s",
            "2",
            "2 s s",
            "two s",
            "2x",
            "-2s",
            "+2s",
            "1e3s",
            "2,5s",
            "1.2.3s",
            ".s",
            "2S",
            "\u0662s",
            "\u00b2s",
            "nans",
            "infs",
        ],
        *["PT", "PT2", "PTS", "PT2X", "PT-2S", "PT1S2M", "PT1H1H", "PT1.2.3S", "P1D", "pt2s", "PT\u0662S"],
    ],
    ids=lambda said: repr(said)[:30],
)
def test_what_is_no_duration(said: Any) -> None:
    """Nothing is guessed: a number that is none, a bool, a bare number in text, a unit that nobody knows."""
    assert as_seconds(said) is None


def test_a_duration_like_object_without_a_length_is_none() -> None:
    """Such as a date library's not-a-time."""

    class NotATime:
        def total_seconds(self) -> float:
            return float("nan")

    assert as_seconds(NotATime()) is None


@given(st.floats(0.001, 1e6))
def test_text_and_number_agree(length: float) -> None:
    """What is printed is read as the same."""
    assert as_seconds(f"{length:f}s") == float(f"{length:f}")


def test_seconds_says_that_a_number_is_a_duration() -> None:
    """Where a bare one would be a count."""
    assert seconds("30s") == 30.0
    assert isinstance(seconds(30), Seconds)


def test_seconds_of_nonsense_is_an_error() -> None:
    """It names the value and what was expected."""
    with pytest.raises(ConfigError, match=r"^seconds: expected a duration, such as .*, got '30'$"):
        seconds("30")


# -- rates -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("100/second", (100, 1.0)),
        ("100 per second", (100, 1.0)),
        ("5 per 2 minutes", (5, 120.0)),
        ("5/2minutes", (5, 120.0)),
        ("10/100ms", (10, 0.1)),
        ("1/1 millisecond", (1, 0.001)),
        ("10/s", (10, 1.0)),
        ("10/m", (10, 60.0)),
        ("10/h", (10, 3600.0)),
        ("10/d", (10, 86400.0)),
        ("10 / MONTH", (10, 30 * 86400.0)),
        ("0/second", (0, 1.0)),
        ("1000000000/second", (10**9, 1.0)),
    ],
)
def test_what_is_a_rate(said: str, meant: tuple[int, float]) -> None:
    """So many calls in so many seconds."""
    rate = as_rate(said)
    assert rate is not None
    assert (rate.n, rate.seconds) == meant


@pytest.mark.parametrize(
    "said",
    [
        *[None, 10, 10.0, True, b"1/s", ("1", "s")],
        *["", "10", "10/", "/s", "ten/s", "1.5/s", "-1/s", "10/1.5s", "10//s", "10 per per s", "\u0661/s", "\u00b2/s", "1_0/s"],
        *["10/ss", "10/mss", "10/hs", "10/fortnight", "10/year", "10/0s", "10/00s", "10/31d", "10/2 months", "10/-1s"],
        *["1000000001/s", "9" * 19 + "/s", "9" * 5000 + "/s", "1/" + "9" * 400 + "s", "1/second; 5/minute"],
    ],
    ids=lambda said: repr(said)[:30],
)
def test_what_is_no_rate(said: Any) -> None:
    """No window, no whole number, or a window that is too short or too long."""
    assert as_rate(said) is None


@given(
    amount=st.integers(0, 10**6),
    separator=st.sampled_from(["/", " / ", " per ", "per", " PER "]),
    multiple=st.one_of(st.none(), st.integers(1, 100)),
    space=st.sampled_from(["", " "]),
    unit=st.sampled_from(["second", "seconds", "minute", "minutes", "hour", "hours", "day", "days", "month", "MONTHS", "Minute"]),
)
def test_the_notation_is_that_of_limits(amount: int, separator: str, multiple: int | None, space: str, unit: str) -> None:
    """What the package ``limits`` reads, we read as the same, up to a window of 30 days."""
    text = f"{amount}{separator}{'' if multiple is None else multiple}{space}{unit}"
    theirs, ours = limits.parse(text), as_rate(text)
    if theirs.get_expiry() > 30 * DAY:
        assert ours is None
    else:
        assert ours == Rate(theirs.amount, theirs.get_expiry())


@given(
    st.from_regex(
        r"[0-9]{1,2}( ?/ ?| per |per|/)[0-9]{0,2} ?(ms|s|m|h|d|ss|minute|second|hours|dayss|per|/)?[ ;,]?", fullmatch=True
    )
)
def test_beyond_limits_there_are_only_shorter_units(text: str) -> None:
    """What we read and ``limits`` refuses ends in a unit that it does not know: milliseconds, or a single letter."""
    ours = as_rate(text)
    try:
        limits.parse(text)
    except ValueError:
        assert ours is None or re.split(r"[0-9/ ]|per", text.strip())[-1] in {"ms", "s", "m", "h", "d"}


def test_a_rate_is_a_value() -> None:
    """Equal when it says the same, usable as a key, frozen, and the same after a pickle."""
    rate = Rate(10, "100ms")
    assert rate == as_rate("10/100ms") == pickle.loads(pickle.dumps(rate))
    assert {rate: 1}[Rate(10, 0.1)] == 1
    assert rate != Rate(10, 1)
    assert repr(rate) == "Rate(10, 0.1)"
    with pytest.raises(AttributeError, match="frozen"):
        rate.n = 20  # type: ignore[misc]  # it is frozen, as said


@pytest.mark.parametrize("n", [-1, True, 1.5, "10", None, 10**9 + 1])
def test_a_rate_of_no_number_of_calls_is_an_error(n: Any) -> None:
    """It names the place, the value and what was expected."""
    with pytest.raises(ConfigError) as wrong:
        Rate(n, 1)
    assert (wrong.value.path, wrong.value.value, wrong.value.expected) == ("Rate.n", n, "an integer from 0 to 1_000_000_000")


@pytest.mark.parametrize("length", [0, -1, 0.0009, 30 * DAY + 1, "soon", None, True, float("nan"), 10**400])
def test_a_rate_over_no_window_is_an_error(length: Any) -> None:
    """From 1 ms to 30 days."""
    with pytest.raises(ConfigError, match=r"^Rate\.seconds: expected a window from 1 ms to 30 days, such as") as wrong:
        Rate(1, length)
    assert wrong.value.value is length
