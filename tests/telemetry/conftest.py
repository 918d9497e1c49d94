"""A provider of spans that is set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .spanning import Told


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """It is the provider of the process while the test lasts."""
    from .spanning import Told

    return Told(monkeypatch)
