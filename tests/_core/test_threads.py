"""Which variant of a machine is right: the one without a lock, or the one with it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from _worlds import in_child
from svcgov import bulkhead, rate_limit
from svcgov._core import _threads
from svcgov.policies.bulkhead import LockedSeats, Seats
from svcgov.policies.rate_limit import Gcra, LockedGcra


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter with a GIL that nobody watches, whatever runs these tests."""
    monkeypatch.setattr(_threads, "_GIL", True)
    monkeypatch.setattr(sys, "gettrace", lambda: None)
    monkeypatch.setattr(sys, "monitoring", SimpleNamespace(get_tool=([None] * 6).__getitem__), raising=False)


def machines() -> tuple[type, type]:
    """What policies made now use."""
    return type(bulkhead(1).machine), type(rate_limit("1/second").machine)


def test_with_a_gil_no_lock_is_needed() -> None:
    """Threads change only between steps that are whole."""
    assert not _threads.LOCKED()
    assert machines() == (Seats, Gcra)


def test_without_a_gil_the_locked_variants_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads run side by side there."""
    monkeypatch.setattr(_threads, "_GIL", False)
    assert _threads.LOCKED()
    assert machines() == (LockedSeats, LockedGcra)


def test_under_a_line_tracer_the_locked_variants_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A debugger is called between two lines, and threads may change there."""
    monkeypatch.setattr(sys, "gettrace", lambda: lambda *args: None)
    assert machines() == (LockedSeats, LockedGcra)


def test_under_monitoring_the_locked_variants_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """From Python 3.12 on, debuggers and coverage tools come by that way."""
    tools = [None, "coverage", None, None, None, None]
    monkeypatch.setattr(sys, "monitoring", SimpleNamespace(get_tool=tools.__getitem__))
    assert machines() == (LockedSeats, LockedGcra)


def test_before_monitoring_existed_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in Python 3.11."""
    monkeypatch.delattr(sys, "monitoring")
    assert not _threads.LOCKED()


@pytest.mark.parametrize("gil", [True, False])
def test_an_interpreter_of_its_own_knows_whether_it_has_a_gil(gil: bool) -> None:
    """Asked once, when it is imported."""
    code = f"""
import json, sys
sys._is_gil_enabled = lambda: {gil}
from svcgov._core import _threads
print(json.dumps(_threads._GIL))
"""
    assert in_child(code) is gil
