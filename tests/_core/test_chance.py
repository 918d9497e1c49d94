"""Chance from the system."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcgov._core import _chance
from svcgov._core._chance import system_random

if TYPE_CHECKING:
    import pytest


def test_it_lies_from_0_to_1_with_1_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """At both ends of what the system can give."""
    monkeypatch.setattr(_chance, "urandom", bytes)
    assert system_random() == 0.0
    monkeypatch.setattr(_chance, "urandom", lambda size: b"\xff" * size)
    assert system_random() == 1 - 2.0**-53


def test_it_spreads_evenly() -> None:
    """Of ten thousand numbers about a tenth lies in each tenth: 15 standard deviations are never missed by chance."""
    tenths = [0] * 10
    for _ in range(10_000):
        tenths[int(system_random() * 10)] += 1
    assert all(550 < count < 1450 for count in tenths)


def test_it_does_not_repeat() -> None:
    """No generator whose state a thousand thawed copies of one process would share."""
    assert len({system_random() for _ in range(1000)}) == 1000
