"""The bulkhead in a process that was forked, restored from a snapshot, or whose collector comes at a bad moment."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from _collecting import Calling, begun, collected_under
from _forking import forking
from _worlds import in_threads
from svcgov import bulkhead
from svcgov.errors import BulkheadFullError
from svcgov.testing import ManualClock


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine for interpreters without a GIL, and for runs under a line tracer."""
    monkeypatch.setattr("svcgov.policies.bulkhead.LOCKED", lambda: True)


# -- forks -------------------------------------------------------------------------------------------------------------

MACHINES = ["svcgov.bulkhead(2)", "locked(2)", "svcgov.bulkhead(2, max_wait=30)", "svcgov.bulkhead(2, key=lambda call: 1)"]

FORK = """
from svcgov.policies import bulkhead as module

def locked(limit):
    module.LOCKED = lambda: True
    return svcgov.bulkhead(limit)

gate = {made}
stay, inside = threading.Event(), []

@gate
def hold():
    inside.append(1)
    stay.wait()

@gate
def enter():
    return gate.snapshot()["in_use"]

def see():
    before = gate.snapshot()["in_use"]
    with gate if {made!r}.count("key") == 0 else gate.of(1):
        return [before, refused(enter), gate.snapshot()["in_use"]]

for _ in range(2):
    in_thread(hold)
until(lambda: len(inside) == 2)
for machine in [gate.machine, *getattr(gate.machine, "by_key", {{}}).values()]:
    lock = getattr(machine, "_lock", None)
    if lock is not None:
        held_by_another(lock)
child = []
forker = in_thread(lambda: child.append(in_fork(see)))
forker.join(20)
print(json.dumps(child))
"""


@pytest.mark.parametrize("made", MACHINES)
def test_in_a_forked_child_nobody_is_inside(made: str) -> None:
    """Forked by another thread, with two calls under way and every lock held: the child finds all places free."""
    assert forking(FORK.format(made=made)) == [[0, None, 1]]


@pytest.mark.parametrize("settings", [{}, {"max_wait": 5}, {"key": lambda call: 1}], ids=["seats", "room", "keys"])
@pytest.mark.usefixtures("locked")
def test_in_a_child_the_locks_are_new(settings: Any) -> None:
    """The old ones are not even looked at."""
    gate = bulkhead(2, **settings)
    machine: Any = gate.machine
    inner = gate.of(1) if "key" in settings else gate
    permit = inner.machine.admit(0.0)
    lock = machine._lock
    gate.forked()
    inner.machine.settle(permit, GeneratorExit(), 0.0)
    assert machine._lock is not lock
    assert gate.snapshot()["in_use"] == 0


WAITING = """
gate = svcgov.bulkhead(1, max_wait=30)
permit = gate.machine.admit(0.0)
came = []
enter = gate(lambda: came.append(1))
in_thread(enter)
until(lambda: gate.snapshot()["waiting"] == 1)

def see():
    machine = gate.machine
    machine.settle(permit, None, 0.0)  # of the parent: gives nothing back here
    before = gate.snapshot()
    enter()
    with gate:
        return [before["in_use"], before["waiting"], gate.snapshot()["in_use"], came]

child = []
in_thread(lambda: child.append(in_fork(see))).join(20)
gate.machine.settle(permit, None, 0.0)
until(lambda: came)
print(json.dumps([child, gate.snapshot()["in_use"]]))
"""


def test_who_waits_in_the_parent_does_not_wait_in_the_child() -> None:
    """And a place that was taken before gives nothing back there; in the parent all goes on."""
    assert forking(WAITING) == [[[0, 0, 1, [1]]], 0]


# -- snapshots ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"max_wait": 5}, {"key": lambda call: 1}], ids=["seats", "room", "keys"])
def test_after_a_snapshot_was_restored_nobody_is_inside(settings: Any) -> None:
    """A permit from before gives nothing back, now or ever."""
    clock = ManualClock()
    gate = bulkhead(2, clock=clock, **settings)
    inner = gate.of(1) if "key" in settings else gate
    permits = [inner.machine.admit(0.0) for _ in range(2)]
    clock.restored()
    assert gate.snapshot()["in_use"] == 0
    again = inner.machine.admit(0.0)
    for permit in permits:
        inner.machine.settle(permit, None, 0.0)
    assert gate.snapshot()["in_use"] == 1
    inner.machine.settle(again, None, 0.0)
    assert gate.snapshot()["in_use"] == 0


def test_who_waits_when_a_snapshot_is_restored_comes_in() -> None:
    """The place that he waits for is free."""
    clock = ManualClock()
    gate = bulkhead(1, max_wait=5, clock=clock)
    gate.machine.admit(0.0)
    waiter: Any = gate.machine.admit(0.0)
    woken: list[int] = []
    assert not waiter.join(lambda: woken.append(1))
    clock.restored()
    assert woken == [1]
    assert waiter.over()
    gate.machine.settle(waiter.permit, None, 0.0)
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 0}


# -- the collector -----------------------------------------------------------------------------------------------------


async def hang() -> None:
    """Under way until it is thrown away."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("settings", [{}, {"max_wait": 5}], ids=["seats", "room"])
@pytest.mark.usefixtures("locked")
def test_a_call_that_is_collected_under_the_lock_gives_its_place_back(settings: Any) -> None:
    """In the thread that holds it, while somebody else comes in, and while he leaves."""
    gate = bulkhead(3, **settings)
    governed = gate(hang)
    enter = gate(lambda: gate.snapshot()["in_use"])
    seen: list[Any] = []

    def work(number: int) -> None:
        def throw_away() -> None:
            for _ in range(2):
                begun(governed())

        async def main() -> None:
            with collected_under(gate.machine, "_lock", throw_away) as lock:
                seen.extend((enter(), lock.collections >= 4))

        asyncio.run(main())

    assert in_threads(1, work, wait=10) == []
    assert seen == [1, True]
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("verb", ["admit", "settle", "join", "over", "tune"])
def test_one_who_waits_and_is_collected_under_the_lock_leaves_the_queue(verb: str) -> None:
    """Whatever is being done there: nobody is lost, and the next one comes in."""
    gate = bulkhead(1, max_wait=30)
    room: Any = gate.machine
    governed = gate(hang)
    woken: list[int] = []

    def work(number: int) -> None:
        async def main() -> None:
            permit = room.admit(0.0)
            late = room.admit(0.0)

            def throw_away() -> None:
                begun(governed())

            if verb != "join":
                assert not late.join(lambda: woken.append(1))
            with collected_under(room, "_lock", throw_away):
                if verb == "admit":
                    room.admit(0.0)
                elif verb == "join":
                    assert not late.join(lambda: woken.append(1))
                elif verb == "over":
                    assert not room.admit(0.0).over()
                elif verb == "tune":
                    gate.reconfigure({"max_wait": 30, "max_waiting": 7})
                else:
                    room.settle(permit, None, 0.0)
            if verb != "settle":
                assert gate.snapshot()["waiting"] == 1
                room.settle(permit, None, 0.0)
            assert gate.snapshot() == {"limit": 1, "in_use": 1, "waiting": 0, "refused": 0}
            assert late.over()
            room.settle(late.permit, None, 0.0)

        asyncio.run(main())

    assert in_threads(1, work, wait=10) == []
    assert woken == [1]
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("settings", [{}, {"max_wait": 5}, {"key": lambda call: 1}], ids=["seats", "room", "keys"])
@pytest.mark.usefixtures("locked")
def test_a_finaliser_may_call_what_is_governed(settings: Any) -> None:
    """Under the very lock that it needs."""
    gate = bulkhead(2, **settings)
    came: list[int] = []
    enter = gate(lambda: came.append(1))

    def work(number: int) -> None:
        def call() -> None:
            try:
                enter()
            except BulkheadFullError:
                came.append(0)

        with collected_under(gate.machine, "_lock", partial(Calling, call)):
            enter()

    assert in_threads(1, work, wait=10) == []
    assert came == [1, 1]
    assert gate.snapshot()["in_use"] == 0
