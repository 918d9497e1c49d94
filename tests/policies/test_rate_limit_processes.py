"""The rate limit in a process that was forked, restored from a snapshot, or whose collector comes at a bad moment."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest

from _collecting import Calling, begun, collected_under
from _forking import forking
from _worlds import in_threads
from svcgov import rate_limit
from svcgov.errors import RateLimitedError
from svcgov.testing import ManualClock

# -- forks -------------------------------------------------------------------------------------------------------------

LIMITS = [
    'svcgov.rate_limit("3/hour")',
    'svcgov.rate_limit(["3/hour", "9/day"])',
    'svcgov.rate_limit("3/hour", algorithm="moving-window")',
    'svcgov.rate_limit("3/hour", max_wait=1)',
    'svcgov.rate_limit("3/hour", burst=4, warm_up=60, cold_factor=1.001)',
    'svcgov.rate_limit("3/hour", key=lambda call: 1)',
    'svcgov.rate_limit("3/hour", key=lambda call: 1, max_wait=1)',
]

FORK = """
gate = {made}
call = gate(lambda: None)

def see():
    return [refused(call) for _ in range(3)]

for _ in range(2):
    call()
machine = gate.machine
for one in [machine, *getattr(machine, "by_key", {{}}).values()]:
    if type(one).__name__ != "Level":  # which has no lock of its own
        held_by_another(getattr(one, "lock", None) or one._lock)
child = []
in_thread(lambda: child.append(in_fork(see))).join(20)
print(json.dumps(child))
"""


@pytest.mark.parametrize("made", LIMITS)
def test_in_a_forked_child_what_is_spent_is_spent(made: str) -> None:
    """Forked by another thread, with every lock held: one of three is left there, and one is refused at once."""
    (seen,) = forking(FORK.format(made=made))
    assert seen[0] is None
    assert None not in seen[1:]


@pytest.mark.parametrize(
    "settings",
    [{}, {"algorithm": "fixed-window"}, {"max_wait": 9}, {"key": lambda call: 1}],
    ids=["gcra", "window", "waiting", "keys"],
)
def test_in_a_child_the_locks_are_new(settings: Any) -> None:
    """The old ones are not even looked at, and what is spent is spent."""
    gate = rate_limit("3/hour", clock=ManualClock(), **settings)
    inner = gate.of(1) if "key" in settings else gate
    inner.machine.admit(0.0)
    name = "_lock" if settings else "lock"
    lock = getattr(gate.machine, name)
    gate.forked()
    assert getattr(gate.machine, name) is not lock
    shown: dict[str, float] = inner.snapshot()
    assert shown["remaining"] == 2


WAITING = """
gate = svcgov.rate_limit("2/second", max_wait=60)
began = []
call = gate(lambda: began.append(1))
call(), call()
waiting = [in_thread(call) for _ in range(2)]
until(lambda: gate.snapshot()["waiting"] == 2)

def see():
    before = gate.snapshot()["waiting"]
    wait = gate.machine.admit(time.monotonic()).until - time.monotonic()
    return [before, wait <= 0.5, gate.snapshot()["waiting"]]

child = []
in_thread(lambda: child.append(in_fork(see))).join(20)
for thread in waiting:
    thread.join()
print(json.dumps([child, len(began)]))
"""


def test_who_waits_in_the_parent_does_not_wait_in_the_child() -> None:
    """His slot is a gap there, which the next call takes; in the parent he gets it."""
    assert forking(WAITING) == [[[0, True, 1]], 4]


def test_a_waiter_of_before_a_fork_gives_nothing_back() -> None:
    """His slot may be somebody else's by now."""
    gate = rate_limit("1/second", max_wait=9, clock=ManualClock())
    machine: Any = gate.machine
    machine.admit(0.0)
    before = machine.admit(0.0)
    machine.forked()
    after = machine.admit(0.0)
    before.abandon()
    assert (before.until, after.until, machine.admit(0.0).until) == (1, 1, 2)


# -- snapshots ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"max_wait": 9}, {"key": lambda call: 1}], ids=["one", "waiting", "keys"])
def test_after_a_snapshot_was_restored_what_is_spent_is_spent(settings: Any) -> None:
    """And who waits keeps his slot."""
    clock = ManualClock()
    gate = rate_limit("1/second", clock=clock, **settings)
    inner = gate.of(1) if "key" in settings else gate
    inner.machine.admit(0.0)
    waiter: Any = inner.machine.admit(0.0) if "max_wait" in settings else None
    clock.restored()
    if waiter:
        assert (waiter.until, inner.machine.admit(0.0).until) == (1, 2)  # type: ignore[attr-defined]  # a Wait
    else:
        with pytest.raises(RateLimitedError):
            inner.machine.admit(0.0)


# -- the collector -----------------------------------------------------------------------------------------------------


async def hang() -> None:
    """Under way until it is thrown away."""
    await asyncio.Event().wait()


@pytest.mark.parametrize("verb", ["admit", "pass", "retarget", "snapshot"])
def test_one_who_waits_and_is_collected_under_the_lock_gives_his_slot_back(verb: str) -> None:
    """In the thread that holds it, whatever is being done there; the next call takes it, or he never had it."""
    gate = rate_limit("1/minute", max_wait=3600)
    machine: Any = gate.machine
    governed = gate(hang)
    machine.admit(gate.clock.monotonic())
    slots: list[Any] = []

    def slot() -> float:
        waiter = machine.admit(gate.clock.monotonic())
        return float(round((waiter.until - gate.clock.monotonic()) / 60))

    def work(number: int) -> None:
        async def main() -> None:
            with collected_under(machine, "_lock", lambda: begun(governed())):
                if verb == "admit":
                    slots.append(slot())
                elif verb == "pass":
                    gate.reconfigure({"max_wait": 3600, "cost": 0})
                    machine.admit(gate.clock.monotonic())
                elif verb == "retarget":
                    gate.reconfigure({"max_wait": 1800, "max_waiting": 5})
                else:
                    gate.snapshot()
            gate.reconfigure({"max_wait": 3600, "cost": 1})
            slots.extend([slot() for _ in range(2)])

        asyncio.run(main())

    assert in_threads(1, work, wait=10) == []
    assert sorted(slots) == [1, 2, 3][: len(slots)]
    assert gate.snapshot()["waiting"] == len(slots)


@pytest.mark.parametrize(
    "settings",
    [{}, {"algorithm": "fixed-window"}, {"max_wait": 9}, {"key": lambda call: 1}],
    ids=["gcra", "window", "waiting", "keys"],
)
def test_a_finaliser_may_call_what_is_governed(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the very lock that it needs; both calls count."""
    monkeypatch.setattr("svcgov.policies.rate_limit.LOCKED", lambda: True)
    gate = rate_limit("9/hour", **settings)
    came: list[int] = []
    call = gate(lambda: came.append(1))
    name = "lock" if not settings else "_lock"

    def work(number: int) -> None:
        with collected_under(gate.machine, name, partial(Calling, call)):
            call()

    assert in_threads(1, work, wait=10) == []
    assert came == [1, 1]
    shown = gate.of(1).snapshot() if "key" in settings else gate.snapshot()
    assert shown["remaining"] == 7
