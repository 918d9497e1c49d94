"""``Retry-After``: every form that servers use, and none that would make a wait of nonsense."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from svcgov._core._http_date import retry_after

if TYPE_CHECKING:
    from collections.abc import Iterator

DATES = [
    "Sun, 06 Nov 1994 08:49:37 GMT",
    "Sunday, 06-Nov-94 08:49:37 GMT",
    "Sun Nov  6 08:49:37 1994",
    "Sun, 06 Nov 1994 10:49:37 +0200",
]
SHOWN = 784111777.0  # what all four of them say, in seconds since the epoch


def at(moment: float) -> Any:
    """A wall clock that shows this."""
    return lambda: moment


@pytest.mark.parametrize(
    ("value", "seconds"), [("120", 120.0), ("0", 0.0), (" 7 ", 7.0), ("1.5", 1.5), ("-3", 0.0), ("-1.5", 0.0), ("007", 7.0)]
)
def test_seconds_are_read(value: str, seconds: float) -> None:
    """A negative number is no wait."""
    assert retry_after({"Retry-After": value}, at(0)) == seconds


@pytest.fixture
def _far_from_greenwich() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "XXX-9")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("_far_from_greenwich")
@pytest.mark.parametrize("value", DATES)
def test_every_form_of_a_date_is_read(value: str) -> None:
    """One without a zone is one of Greenwich, wherever this machine stands."""
    assert retry_after({"Retry-After": value}, at(SHOWN - 30)) == 30.0


def test_a_date_that_has_passed_is_no_wait() -> None:
    """Never negative."""
    assert retry_after({"Retry-After": DATES[0]}, at(SHOWN + 1000)) == 0.0


def test_a_date_is_measured_against_the_date_of_the_same_answer() -> None:
    """A clock that is a year wrong on this side does not matter; a ``Date`` that cannot be read is as none."""
    headers = {"Retry-After": DATES[0], "Date": "Sun, 06 Nov 1994 08:49:00 GMT"}
    assert retry_after(headers, at(SHOWN - 31_536_000)) == 37.0
    assert retry_after({**headers, "Date": "yesterday"}, at(SHOWN - 5)) == 5.0


@pytest.mark.parametrize(
    "value",
    [
        *["", " ", "soon", "-", "-soon", "1e3", "1.2.3", "nan", "inf", "-inf", "9" * 400, "\u0663", "1 2 3"],
        *["Wed, 99 Foo", "Mon, 06 Xyz 1994 08:49:37 GMT", "Sun, 06 Nov 99999 08:49:37 GMT"],
    ],
)
def test_what_cannot_be_read_is_no_request(value: str) -> None:
    """Not zero, which would be a request to come at once."""
    assert retry_after({"Retry-After": value}, at(0)) is None


@pytest.mark.parametrize("headers", [{}, {"Retry-After": None}, {"Retry-After": 5}, {"retry-after": b"5"}, {5: "5"}])
def test_no_header_of_text_is_no_request(headers: Any) -> None:
    """Whatever a client may have put there."""
    assert retry_after(headers, at(0)) is None


@pytest.mark.parametrize("name", ["Retry-After", "retry-after", "RETRY-AFTER", "rEtRy-AfTeR"])
def test_the_name_has_no_case(name: str) -> None:
    """Also in a plain dict, which does not know that."""
    assert retry_after({name: "4"}, at(0)) == 4.0
