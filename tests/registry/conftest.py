"""Every engine, in both worlds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .offices import KINDS, NAMES, Office

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=KINDS, ids=NAMES)
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """An empty registry."""
    engine, world = request.param
    made = Office(engine, world, tmp_path)
    yield made
    made.close()


@pytest.fixture(params=["memory", "sqlite"])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Office]:
    """The same for what is alike in both worlds."""
    made = Office(request.param, "sync", tmp_path)
    yield made
    made.close()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Office]:
    """A file."""
    made = Office("sqlite", "sync", tmp_path)
    yield made
    made.close()
