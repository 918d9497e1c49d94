"""A forked child: locks that a thread of the parent held are held by nobody, and nothing is under way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from _forking import forking
from svcgov._core import _fork, _live
from svcgov._core._clock import SYSTEM
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    import pytest


def test_names_can_be_claimed_in_a_child_although_the_parent_was_claiming_one() -> None:
    """The lock of the names was held by a thread that the child does not have."""
    code = """
from svcgov._core._names import NAMES
first = svcgov.bulkhead(2, name="seats")
held_by_another(NAMES._lock)
print(json.dumps(in_fork(lambda: svcgov.bulkhead(2, name="seats") is first)))
"""
    assert forking(code) is True


def test_listeners_hear_in_a_child_although_the_parent_was_telling() -> None:
    """Nor does it wait for whoever was telling, or joining, in the parent."""
    code = """
from svcgov._core import _listeners
gate = svcgov.bulkhead(1, name="seats")
heard = []
gate.listen(heard.append)
svcgov.listen(heard.append)
for lock in (gate.ears._telling, _listeners.PROCESS._telling, _listeners._joining):
    held_by_another(lock)

def see():
    svcgov.listen(lambda fact: heard.append("late"))
    with gate:
        try:
            gate(int)()
        except svcgov.errors.BulkheadFullError:
            pass
    return len(heard)

print(json.dumps(in_fork(see)))
"""
    assert forking(code) == 3


def test_what_is_to_be_done_in_a_child_is_done_in_the_order_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is registered first is called first: listeners before the policies that tell them."""
    done: list[str] = []
    monkeypatch.setattr(_fork, "_todo", [])
    _fork.after_fork(lambda: done.append("first"))
    _fork.after_fork(lambda: done.append("second"))
    _fork._in_child()
    assert done == ["first", "second"]


class Thing:
    """Something that is in use, and counts how often it was renewed."""

    def __init__(self, clock: object) -> None:
        self.clock = clock
        self.times: list[str] = []
        _live.born(self)

    def forked(self) -> None:
        """Counted."""
        self.times.append("forked")

    def restored(self) -> None:
        """Counted."""
        self.times.append("restored")


def test_a_snapshot_restored_renews_what_goes_by_that_clock() -> None:
    """A test's own clock is another world: what goes by it has not been frozen."""
    here, there = Thing(SYSTEM), Thing(ManualClock())
    SYSTEM.restored()
    assert (here.times, there.times) == (["restored"], [])


def test_a_manual_clock_can_be_restored_as_well() -> None:
    """So a function's behaviour after a restore can be tested."""
    clock = ManualClock()
    mine, other = Thing(clock), Thing(SYSTEM)
    clock.restored()
    assert (mine.times, other.times) == (["restored"], [])
