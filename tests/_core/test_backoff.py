"""Delays: the four kinds of jitter, and the many ways to say them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov import Backoff
from svcgov._core._backoff import backoff, read_backoff
from svcgov._core._schema import Settings
from svcgov.errors import ConfigError

SHARE = st.floats(0, 1, exclude_max=True)
JITTERS = st.sampled_from(["full", "equal", "decorrelated", "none"])


def after(backoff: Any, attempt: int, *, previous: float = 0.0, chance: float = 0.0) -> float | None:
    """The delay after this many attempts."""
    delay: float | None = read_backoff(backoff, "retry.backoff")(attempt, previous, OSError(7, "far"), lambda: chance)
    return delay


def test_the_defaults() -> None:
    """A tenth of a second, doubled each time, five seconds at most, full jitter."""
    assert repr(Backoff()) == "Backoff(0.1, 2, 5, 'full')"


@given(data=st.data(), jitter=JITTERS, attempt=st.integers(1, 100_000), chance=SHARE)
def test_no_delay_is_longer_than_max_or_negative(data: st.DataObject, jitter: str, attempt: int, chance: float) -> None:
    """Whatever the jitter, the attempt or the chance."""
    most = data.draw(st.floats(0.0001, 1000))
    backoff = Backoff(data.draw(st.floats(0.0001, most)), data.draw(st.floats(1, 10)), most, jitter)
    assert 0 <= backoff(attempt, data.draw(st.floats(0, 1000)), OSError(), lambda: chance) <= most


@given(attempt=st.integers(1, 100), chance=SHARE)
def test_each_jitter_spreads_over_its_own_range(attempt: int, chance: float) -> None:
    """As in the article that it is from."""
    ceiling = min(60.0, 0.5 * 3.0 ** (attempt - 1))
    delays = {jitter: after(Backoff(0.5, 3, 60, jitter), attempt, chance=chance) for jitter in ("full", "equal", "none")}
    assert delays == pytest.approx({"full": ceiling * chance, "equal": ceiling / 2 + ceiling / 2 * chance, "none": ceiling})


@given(previous=st.floats(0, 1000), chance=SHARE)
def test_decorrelated_grows_from_the_delay_before(previous: float, chance: float) -> None:
    """Uniform from initial to three times the previous delay, whatever the number of the attempt."""
    expected = min(60.0, 0.5 + chance * (3 * max(previous, 0.5) - 0.5))
    assert after(Backoff(0.5, 2, 60, "decorrelated"), 7, previous=previous, chance=chance) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("given", "delays"),
    [
        (0.25, [0.25, 0.25]),
        (0, [0.0, 0.0]),
        ("500ms", [0.5, 0.5]),
        (timedelta(seconds=2), [2.0, 2.0]),
        ([0.5, "1s"], [0.5, 1.0, 1.0]),
        ((3,), [3.0, 3.0]),
        ({"initial": 1, "factor": 3, "max": "1m", "jitter": "none"}, [1.0, 3.0, 9.0]),
        (lambda attempt, error: attempt * 2, [2.0, 4.0]),
        (lambda attempt, error: "250ms", [0.25]),
        (lambda attempt, error: None, [None]),
        (lambda attempt, error: -1, [None]),
        (lambda attempt, error: 0, [0.0]),
        (lambda attempt, error: error.errno, [7.0]),
        ("7d", [604800.0]),
        (lambda attempt, error: "nonsense", [None]),
    ],
)
def test_there_are_many_ways_to_say_one(given: Any, delays: list[float | None]) -> None:
    """A table, seconds, text, a timedelta, a list whose last one goes on, a function; None is no further attempt."""
    assert [after(given, attempt) for attempt in range(1, len(delays) + 1)] == delays


def test_a_small_factor_grows_until_the_cap() -> None:
    """However many attempts that takes."""
    backoff = Backoff(0.001, 1.01, 5, "none")
    assert after(backoff, 700) == pytest.approx(0.001 * 1.01**699)
    assert after(backoff, 1000) == after(backoff, 10**6) == 5.0


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (None, "retry.backoff"),
        (True, "retry.backoff"),
        (-1, "retry.backoff"),
        (float("nan"), "retry.backoff"),
        ("soon", "retry.backoff"),
        (7 * 86400 + 1, "retry.backoff"),
        ([], "retry.backoff"),
        ([1, "soon"], r"retry.backoff\[1\]"),
        ({"initial": 0}, "retry.backoff.initial"),
        ({"factor": 0.5}, "retry.backoff.factor"),
        ({"jitter": "some"}, "retry.backoff.jitter"),
        ({"initial": 2, "max": 1}, "retry.backoff.max"),
        ({"maximum": 2}, "retry.backoff.maximum"),
    ],
)
def test_nonsense_is_refused_at_its_place(wrong: Any, place: str) -> None:
    """Down to the place in a list or a table."""
    with pytest.raises(ConfigError, match=f"^{place}: expected"):
        read_backoff(wrong, "retry.backoff")


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [("soon", "a Backoff, a duration >= 0 s, a list of them, or a function of attempt and error"), ([], "at least one delay")],
)
def test_what_was_expected_is_said(wrong: Any, expected: str) -> None:
    """With the value beside it."""
    with pytest.raises(ConfigError) as refused:
        read_backoff(wrong, "retry.backoff")
    assert (refused.value.value, refused.value.expected) == (wrong, expected)


def test_it_is_a_setting() -> None:
    """With a default, or without one where none would be right."""

    class Patience(Settings):
        first: Any = backoff()
        then: Any = backoff(default=None)

    patience = Patience.of({"first": [1, 2]}, "patience")
    assert (patience.first, patience.then) == (read_backoff([1, 2], ""), None)
    with pytest.raises(ConfigError, match=r"^patience\.first: expected a value"):
        Patience.of({}, "patience")


def test_a_cap_below_the_first_delay_is_refused() -> None:
    """It says what that is."""
    with pytest.raises(ConfigError, match=r"Backoff\.max: expected at least initial, which is 3 s, got 1"):
        Backoff(3, max=1)


def test_equal_backoffs_are_equal() -> None:
    """So that a module that says the same again says nothing new."""
    assert Backoff(1, 2, "5s") == Backoff(1.0, 2.0, 5)
    assert Backoff(1) != Backoff(2)
    assert Backoff(1) != 1
    assert len({Backoff(1), Backoff(1), Backoff(2)}) == 2
    assert hash(Backoff(1)) != hash(Backoff(2))
    one, same, other = (read_backoff(value, "b") for value in ([1, 2], (1.0, "2s"), [1, 3]))
    assert one == same != other
    assert len({one, same, other}) == 2
    assert hash(one) != hash(other)
    assert repr(one) == "[1.0, 2.0]"
