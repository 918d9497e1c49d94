"""How a function was started on AWS Lambda, and which of its calls is the first one."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import in_child
from svcgov import Governor
from svcgov._core import _report
from svcgov.inbound import _lifecycle
from svcgov.testing import ManualClock

from .making import Made

if TYPE_CHECKING:
    from collections.abc import Callable


class Hooks(ModuleType):
    """A fake of the platform's package, which calls back when a test restores."""

    def __init__(self) -> None:
        super().__init__("snapshot_restore_py")
        self.asked: list[Callable[[], object]] = []

    def register_after_restore(self, fn: Callable[[], object]) -> None:
        """Remember *fn*."""
        self.asked.append(fn)

    def restore(self) -> None:
        """Go on somewhere else."""
        for fn in self.asked:
            fn()


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    """A function that is started by SnapStart."""
    fake = Hooks()
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", fake)
    monkeypatch.setattr(_lifecycle, "_known", [])
    monkeypatch.setenv(_lifecycle.HOW, "snap-start")
    return fake


def colds(made: Made, calls: int = 2) -> list[bool]:
    """Which of so many calls is cold."""
    before = len(made.seen)
    for _ in range(calls):
        made.handler({}, None)
    return [one.cold_start for one in made.seen[before:]]


# -- the first call ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["", "on-demand", "snap-start", "something new"])
def test_the_first_call_is_cold_where_somebody_waits_for_the_start(
    kind: str, how: str, hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And no other; a way of starting that nobody knows yet is none that is done ahead of time."""
    monkeypatch.setenv(_lifecycle.HOW, how)
    assert colds(Made(kind)) == [True, False]


@pytest.mark.parametrize("how", ["provisioned-concurrency", "lambda-managed-instances"])
def test_no_call_is_cold_where_the_process_is_started_ahead_of_time(kind: str, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has waited for it."""
    monkeypatch.setenv(_lifecycle.HOW, how)
    assert colds(Made(kind)) == [False, False]


@pytest.mark.parametrize(("after", "cold"), [(10.0, True), (10.01, False), (600.0, False)])
def test_a_first_call_that_comes_late_is_not_cold(kind: str, after: float, cold: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform sometimes starts a process that nobody has asked for yet."""
    monkeypatch.setenv(_lifecycle.HOW, "on-demand")
    clock = ManualClock()
    made = Made(kind, clock=clock)
    clock.advance(after)
    assert colds(made) == [cold, False]


def test_the_time_of_a_late_first_call_goes_from_the_last_handler_that_was_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that takes long is a cold one all the more."""
    monkeypatch.setenv(_lifecycle.HOW, "on-demand")
    clock = ManualClock()
    made = Made("sync", clock=clock)
    clock.advance(60.0)
    made.governor.handler(lambda event, context: None)
    clock.advance(5.0)
    assert colds(made) == [True, False]


@pytest.mark.parametrize(("served", "cold"), [(0, True), (1, False)])
def test_a_forked_process_is_as_warm_as_its_parent_was(served: int, cold: bool) -> None:
    """A server that loads the function before it forks its workers has served nobody."""
    code = f"""
import json, os
os.environ["SVCGOV_LOG"] = "off"
import svcgov
handler = svcgov.handler(lambda event, context: svcgov.current().cold_start)
for _ in range({served}):
    handler({{}}, None)
if os.fork() == 0:
    print(json.dumps(handler({{}}, None)), flush=True)
    os._exit(0)
os.wait()
"""
    assert in_child(code) is cold


# -- from a snapshot --------------------------------------------------------------------------------------------------


def test_after_a_restore_the_next_call_is_the_first_one(kind: str, hooks: Hooks) -> None:
    """Somebody has waited for the restore, and looks for it under that name."""
    made = Made(kind)
    hooks.restore()
    assert colds(made) == [True, False]
    hooks.restore()
    assert colds(made) == [True, False]


def test_after_a_restore_nothing_is_under_way(hooks: Hooks) -> None:
    """Whoever held a permit when the snapshot was taken is not here."""
    clock = ManualClock()
    made = Made("sync", clock=clock)
    gate = made.governor.bulkhead(1)
    with gate:
        hooks.restore()
        assert gate.snapshot()["in_use"] == 0
    assert gate.snapshot()["in_use"] == 0


def test_two_copies_of_one_snapshot_give_different_ids(hooks: Hooks) -> None:
    """Ids and chance come from the system, and not from what was there when the snapshot was taken."""
    made = Made("sync")
    hooks.restore()
    assert colds(made) == [True, False]
    first, second = (one.trace for one in made.seen)
    assert first.trace_id != second.trace_id


def test_the_platform_is_asked_once_for_each_service(hooks: Hooks) -> None:
    """However many handlers it has."""
    governor = Governor()
    for _ in range(3):
        governor.handler(lambda event, context: None)
    Governor().handler(lambda event, context: None)
    assert len(hooks.asked) == 2


@pytest.mark.parametrize("how", ["", "on-demand"])
def test_elsewhere_the_platform_is_not_asked(hooks: Hooks, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no snapshot, and the package may not be there."""
    monkeypatch.setenv(_lifecycle.HOW, how)
    Made("sync")
    assert hooks.asked == []


def test_without_the_package_of_the_platform_it_is_said_once(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The function is governed all the same."""
    monkeypatch.setattr(_report, "_said", set())
    missing: Any = None
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", missing)
    assert colds(Made("sync")) == [True, False]
    assert colds(Made("sync")) == [True, False]
    assert capsys.readouterr().err.count("no snapshot_restore_py") == 1


def test_a_call_outside_of_any_platform_is_nobodys() -> None:
    """Nothing has begun."""
    assert svcgov.current().cold_start is False
