"""A provider of spans that is set, and a log that is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .writing import Written

if TYPE_CHECKING:
    from .spanning import Told


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """It is the provider of the process while the test lasts."""
    from .spanning import Told

    return Told(monkeypatch)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Written:
    """A log that can be read here."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    return Written(capsys)
