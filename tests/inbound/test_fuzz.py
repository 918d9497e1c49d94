"""Events, headers and bodies made up at random: a few of them, of the many that `fuzz` makes when it is run by hand."""

from __future__ import annotations

from .fuzz import run


def test_nothing_that_somebody_sends_is_an_error() -> None:
    """And what is kept of it is bounded."""
    assert set(run(60)) == {"events", "requests", "cloud events"}
