"""Two threads change a policy at the same time: what it has counted is carried over once."""

from __future__ import annotations

from typing import Any

import pytest

from _forking import forking
from _worlds import hasty_switches, in_threads
from svcgov import bulkhead, rate_limit
from svcgov.policies import _changes
from svcgov.testing import ManualClock


@pytest.mark.parametrize("turn", range(10))
def test_a_bulkhead_counts_nobody_twice(turn: int) -> None:
    """Who was inside is inside once, and gives his place back."""
    gate = bulkhead(9)
    permits = [gate.machine.admit(0.0) for _ in range(5)]
    old = gate.machine
    with hasty_switches():
        assert in_threads(4, lambda number: gate.reconfigure({"max_wait": number + 1})) == []
    assert gate.snapshot()["in_use"] == 5
    for permit in permits:
        old.settle(permit, None, 0.0)
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("turn", range(10))
def test_a_limit_forgets_nobody(turn: int) -> None:
    """Whoever passes meanwhile is counted, by whichever machine."""
    gate = rate_limit("20/hour", clock=ManualClock())
    call = gate(int)
    passed: list[int] = []

    def work(number: int) -> None:
        if number < 3:
            gate.reconfigure([{"max_wait": 0.001}, {"limit": ["20/hour", "20/hour"]}, {"cost": one}][number])  # type: ignore[arg-type]
        for _ in range(10):
            try:
                passed.append(call())
            except Exception as error:
                assert type(error).__name__ == "RateLimitedError"

    with hasty_switches():
        assert in_threads(6, work) == []
    assert len(passed) == 20


def one(call: Any) -> int:
    """Each call is worth so much."""
    return 1


def test_a_child_can_change_its_policies_although_the_parent_was_changing_one() -> None:
    """The lock was held by a thread that the child does not have."""
    code = """
from svcgov.policies._changes import one_change
gate = svcgov.bulkhead(1)
held_by_another(one_change())

def see():
    gate.reconfigure({"limit": 2})
    return gate.snapshot()["limit"]

print(json.dumps(in_fork(see)))
"""
    assert forking(code) == 2


def test_after_a_fork_the_lock_is_another() -> None:
    """The old one is not even looked at."""
    before = _changes.one_change()
    _changes._renewed()
    assert _changes.one_change() is not before
