"""Fixtures of the tests of documents: a fake of AppConfig's agent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svcgov.config import appconfig

from .fake_agent import FakeAgent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAgent]:
    """A fake one, where the agent's own variable says; a busy machine has time to answer."""
    monkeypatch.setattr(appconfig, "PATIENCE", 10.0)
    made = FakeAgent()
    monkeypatch.setenv("AWS_APPCONFIG_EXTENSION_HTTP_PORT", str(made.port))
    yield made
    made.end()
