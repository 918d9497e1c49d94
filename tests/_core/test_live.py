"""What is in use in the process, known weakly."""

from __future__ import annotations

import gc

import pytest

from svcgov._core import _live
from svcgov._core._clock import SYSTEM
from svcgov.testing import ManualClock


class Thing:
    """Something in use, which writes down what it is told."""

    def __init__(self) -> None:
        self.clock = SYSTEM
        self.told: list[str] = []
        _live.born(self)

    def forked(self) -> None:
        self.told.append("forked")

    def restored(self) -> None:
        self.told.append("restored")


class Plain:
    """Something in use, which cares for nothing."""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else is in use."""
    monkeypatch.setattr(_live, "_live", set())


def test_what_is_in_use_is_known_until_nobody_holds_it() -> None:
    """Nothing of it stays."""
    thing = Thing()
    assert _live.living() == [thing]
    del thing
    gc.collect()
    assert _live._live == set()


def test_who_is_to_see_what_is_made_sees_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thing itself, when it is made."""
    seen: list[object] = []
    monkeypatch.setattr(_live, "midwives", [seen.append])
    thing = Thing()
    assert seen == [thing]


def test_a_fork_is_told_to_all_that_care() -> None:
    """The others are left as they are."""
    plain, thing = Plain(), Thing()
    _live.born(plain)
    _live.forked()
    assert thing.told == ["forked"]


def test_to_go_on_from_a_snapshot_is_told_to_what_goes_by_that_clock() -> None:
    """A clock of a test is restored by itself."""
    plain, thing, other = Plain(), Thing(), Thing()
    _live.born(plain)
    other.clock = ManualClock()  # type: ignore[assignment]
    _live.restored(SYSTEM)
    assert (thing.told, other.told) == (["restored"], [])
