"""Fixtures of all tests: a clock by hand, both worlds, and a process in which nothing has been named yet."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from _worlds import AsyncWorld, Facts, World
from svcgov._core import _environment, _predicates, _report
from svcgov._core._chores import CHORES, NEVER
from svcgov._core._environment import SERVICE, VERSION
from svcgov._core._listeners import PROCESS
from svcgov._core._meters import METERS
from svcgov._core._names import NAMES
from svcgov._core._spans import SPANS
from svcgov._default import DEFAULT
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile(
    "svcgov",
    deadline=None,  # shared machines are slow at times
    database=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile("svcgov")


@pytest.fixture(autouse=True)
def _as_if_new(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No names, no listeners, nothing said yet, no variables of ours: each test begins as a new process does."""
    for name in [name for name in os.environ if name.startswith("SVCGOV")]:
        monkeypatch.delenv(name)
    for name in (*SERVICE[1:], *VERSION[1:]):
        monkeypatch.delenv(name, raising=False)
    NAMES.forget()
    _predicates.forget()
    DEFAULT.__init__()  # type: ignore[misc]  # whoever holds it holds one that serves nobody yet
    _environment._warned.clear()
    _report._said.clear()
    CHORES.mode = "off"
    PROCESS._ears = ()  # a module of tests may have made a handler when it was loaded
    yield
    SPANS.forget()
    PROCESS._ears = ()
    METERS.each = ()
    CHORES._chores, CHORES.due = [], NEVER


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still, but for those who sleep by it."""
    return ManualClock(auto=True)


@pytest.fixture(params=[World, AsyncWorld], ids=["sync", "async"])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Plain functions, then coroutine functions."""
    made: World = request.param()
    yield made
    made.close()


@pytest.fixture
def facts() -> Facts:
    """A listener that keeps what it hears."""
    return Facts()
