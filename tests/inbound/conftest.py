"""What the tests of every way in share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Log lines that can be read here, whatever other tests have loaded."""
    monkeypatch.setenv("SVCGOV_LOG", "json")


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Plain functions, then coroutine functions."""
    kind: str = request.param
    return kind
