"""Who counts what the governed clients do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _worlds import hasty_switches, in_threads
from svcgov._core._meters import Attempt, Meters

if TYPE_CHECKING:
    import pytest

ATTEMPT = Attempt(peer="payments", operation="GET", method="GET", status=200, error=None, took=0.1)


def test_whoever_counts_is_told_until_he_stops() -> None:
    """In the order in which they began."""
    meters = Meters()
    told: list[tuple[str, Attempt]] = []
    stop = meters.add(lambda attempt: told.append(("one", attempt)))
    meters.add(lambda attempt: told.append(("other", attempt)))
    meters.tell(ATTEMPT)
    stop()
    meters.tell(ATTEMPT)
    assert told == [("one", ATTEMPT), ("other", ATTEMPT), ("other", ATTEMPT)]


def test_nobody_who_counts_is_lost_among_threads() -> None:
    """Many begin and stop at the same time; those who stay are all told."""
    meters = Meters()
    stay: list[list[Attempt]] = [[] for _ in range(8)]

    def come_and_go(number: int) -> None:
        for _ in range(200):
            meters.add(lambda attempt: None)()
        meters.add(stay[number].append)

    with hasty_switches():
        assert in_threads(8, come_and_go) == []
    meters.tell(ATTEMPT)
    assert stay == [[ATTEMPT]] * 8


def test_one_that_raises_is_reported_once_and_the_others_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """And the attempt goes on."""
    meters = Meters()
    told: list[Attempt] = []

    def broken(attempt: Attempt) -> None:
        raise LookupError(attempt.peer)

    meters.add(broken)
    meters.add(told.append)
    meters.tell(ATTEMPT)
    meters.tell(ATTEMPT)
    assert told == [ATTEMPT, ATTEMPT]
    assert capsys.readouterr().err == "svcgov: an attempt could not be counted: LookupError('payments') (said once)\n"


def test_each_one_that_raises_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """Not only the first of them."""
    meters = Meters()

    def broken(attempt: Attempt) -> None:
        raise LookupError(attempt.peer)

    def broken_too(attempt: Attempt) -> None:
        raise OSError("disk full")

    for one in (broken, broken_too):
        meters.add(one)
    meters.tell(ATTEMPT)
    assert [line.split(": ")[2] for line in capsys.readouterr().err.splitlines()] == [
        "LookupError('payments') (said once)",
        "OSError('disk full') (said once)",
    ]
