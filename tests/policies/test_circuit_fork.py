"""The circuit in a forked child, and after a snapshot: nothing is under way there; what was learned stays, or is begun anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _forking import forking
from svcgov import circuit_breaker
from svcgov.facts import CircuitChanged
from svcgov.policies import circuit_breaker as module
from svcgov.policies._circuit import Circuit, LockedCircuit

if TYPE_CHECKING:
    from _worlds import Facts, World

BREAKING = """
from svcgov.testing import ManualClock

def in_a_call(function):
    "Let a thread go into *function*, and stay there."
    inside = threading.Event()
    in_thread(lambda: function(inside.set, threading.Event().wait))
    inside.wait()

def work(*steps):
    for step in steps:
        step()

def failing():
    raise OSError
"""


@pytest.fixture(params=[Circuit, LockedCircuit])
def _either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either variant, whichever this interpreter would choose."""
    monkeypatch.setattr(module, "LOCKED", lambda: request.param is LockedCircuit)


def test_a_child_goes_on_although_another_thread_held_the_lock() -> None:
    """In the parent it is held for ever; the child counts on, opens, and is asked, and the parent has seen nothing of it."""
    code = """
breaker = svcgov.circuit_breaker(consecutive_failures=2, clock=ManualClock())
governed = breaker(work)
held_by_another(breaker.machine.lock)
def see():
    for _ in range(2):
        try:
            governed(failing)
        except OSError:
            pass
    return [breaker.current_state, breaker.would_admit(), breaker.snapshot()["failed"]]
print(json.dumps([in_fork(see), breaker.machine.state]))
"""
    assert forking(BREAKING + code) == [["open", False, 2], "closed"]


def test_a_child_has_no_probe_out_that_a_thread_of_the_parent_had() -> None:
    """All places are free in it; the outcomes that were in are in, and the parent's probe is still its own."""
    code = """
breaker = svcgov.circuit_breaker(half_open_calls=2, min_calls=2, clock=ManualClock())
governed = breaker(work)
breaker.half_open()
governed()
in_a_call(governed)
def see():
    before = breaker.would_admit()
    governed()
    return [before, breaker.current_state]
print(json.dumps([breaker.would_admit(), in_fork(see), breaker.would_admit(), breaker.current_state]))
"""
    assert forking(BREAKING + code) == [False, [True, "closed"], False, "half-open"]


def test_a_call_that_goes_on_in_the_child_has_no_vote_there() -> None:
    """The thread that forks in the middle of its call is inside it in both; it counts in one."""
    code = """
breaker = svcgov.circuit_breaker(consecutive_failures=1, clock=ManualClock())
governed = breaker(work)
come, go = os.pipe()
children = []
def fork():
    children.append(os.fork())
    raise OSError
try:
    governed(fork)
except OSError:
    pass
if children[0] == 0:
    os.write(go, json.dumps([breaker.current_state, breaker.snapshot()["calls"]]).encode())
    os._exit(0)
os.close(go)
with os.fdopen(come) as text:
    print(json.dumps([json.loads(text.read()), breaker.current_state]))
"""
    assert forking(BREAKING + code) == [["closed", 0], "open"]


def test_a_child_knows_the_keys_of_its_parent() -> None:
    """The lock of the keys, and those of their circuits, are held by nobody in it."""
    code = """
breaker = svcgov.circuit_breaker(consecutive_failures=1, key="arg:key", max_keys=2, clock=ManualClock())
@breaker
def call(key, *steps):
    work(*steps)
breaker.of("down").open()
in_a_call(lambda *steps: call("busy", *steps))
for lock in (breaker.machine._lock, breaker.machine.by_key["busy"].lock):
    held_by_another(lock)
def see():
    try:
        call("busy", failing)
    except OSError:
        pass
    return {key: breaker.of(key).current_state for key in breaker.machine.by_key}
print(json.dumps(in_fork(see)))
"""
    assert forking(BREAKING + code) == {"down": "open", "busy": "open"}


def state_after(gate: Any) -> dict[str, Any]:
    machine = gate.machine
    names = ("state", "window", "openings", "open_until", "in_row", "over", "ramp", "led_to")
    return {name: getattr(machine, name) for name in names}


def brought_to(state: str, world: World) -> Any:
    """A breaker in this state, with something counted where something can be."""
    gate = circuit_breaker(
        min_calls=4, half_open_calls=3, ramp="8s", open_jitter=0.0, slow_call_duration=1, count_in_flight=True, clock=world.clock
    )
    call = world.governed(gate, None, OSError, None)
    call()
    call.fails(OSError)
    if state in ("half-open", "ramping"):
        gate.half_open()
        for _ in range(3 if state == "ramping" else 1):
            call()
    else:
        {
            "closed": lambda: None,
            "open": lambda: gate.open(for_=7),
            "forced-open": gate.force_open,
            "disabled": gate.disable,
            "metrics-only": gate.observe,
        }[state]()
    return gate


STATES = ["closed", "open", "half-open", "ramping", "forced-open", "disabled", "metrics-only"]


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize("state", STATES)
def test_a_fork_keeps_what_was_learned_and_voids_what_is_under_way(state: str, world: World, facts: Facts) -> None:
    """In every state: the same state, the same counts, no fact; a permit from before has no vote."""
    gate = brought_to(state, world)
    gate.listen(facts)
    machine, before = gate.machine, state_after(gate)
    permit = None if state in ("open", "forced-open") else machine.free or machine.admit(0.0)
    term, lock = machine.term, machine.lock
    machine.returns.append("what a finaliser of the parent has left")
    gate.forked()
    assert state_after(gate) == before
    assert machine.state == state
    assert machine.term is not term
    assert machine.lock is not lock
    assert not machine.tickets.out
    assert machine.returns == []
    counts = machine.counts()
    if permit is not None:
        machine.settle(permit, OSError(), 0.0)
        machine.settle(permit, None, 0.0)
    assert machine.counts() == counts
    assert facts.of(CircuitChanged) == []


@pytest.mark.usefixtures("_either")
@pytest.mark.parametrize("state", STATES)
def test_a_snapshot_keeps_the_state_and_forgets_the_counts(state: str, world: World, facts: Facts) -> None:
    """What was counted in another place and time says nothing here. An open circuit stays open for what was left."""
    gate = brought_to(state, world)
    gate.listen(facts)
    machine = gate.machine
    permit = None if state in ("open", "forced-open") else machine.free or machine.admit(0.0)
    world.clock.advance(3)
    until, openings, led_to = machine.open_until, machine.openings, machine.led_to
    gate.restored()
    assert machine.state == state
    assert machine.counts() == (led_to[0] if state == "open" else (0, 0, 0, 0))
    assert (machine.open_until, machine.openings, machine.in_row) == (until, openings, 0)
    assert not machine.tickets.out
    if permit is not None:
        machine.settle(permit, OSError(), 0.0)
    assert machine.window.at == 0
    if state == "open":
        assert not gate.would_admit()
        world.clock.advance(4)
        assert gate.would_admit()
    if state == "half-open":
        for _ in range(3):
            machine.settle(machine.admit(3.0), None, 3.0)
        assert machine.state == "ramping"
    assert [fact.after for fact in facts.of(CircuitChanged)] == (["ramping"] if state == "half-open" else [])


@pytest.mark.usefixtures("_either")
def test_a_closed_circuit_is_not_asked_in_a_child_either(world: World) -> None:
    """Its permit is free for the taking, and another one than in the parent."""
    machine: Any = circuit_breaker(clock=world.clock).machine
    before = machine.free
    machine.forked()
    assert machine.free is not None
    assert machine.free is not before


@pytest.mark.usefixtures("_either")
def test_a_window_of_time_begins_anew_with_a_snapshot(world: World) -> None:
    """What comes in from then on is there for as long as was said."""
    gate = circuit_breaker(window="10s", clock=world.clock)
    call = world.governed(gate, None)
    call()
    world.clock.advance(1000.7)
    gate.restored()
    assert gate.snapshot()["calls"] == 0
    call()
    world.clock.advance(9.9)
    assert gate.snapshot()["calls"] == 1
    world.clock.advance(0.2)
    assert gate.snapshot()["calls"] == 0


@pytest.mark.usefixtures("_either")
def test_a_circuit_is_whole_in_a_child_that_is_forked_in_the_middle_of_a_change(world: World) -> None:
    """Wherever the other thread was: the window is that of the state."""
    gate = circuit_breaker(consecutive_failures=1, half_open_calls=2, clock=world.clock)
    seen: list[tuple[str, int]] = []
    machine = gate.machine
    window_for = Circuit._window_for

    class Spied(type(machine)):  # type: ignore[misc]  # either variant
        __slots__ = ()

        def _window_for(self, state: str, now: float) -> Any:
            seen.append((self.state, self.window.size))
            window = window_for(self, state, now)
            seen.append((self.state, self.window.size))
            return window

    machine.__class__ = Spied
    gate.half_open()
    gate.close()
    assert seen == [("closed", 100)] * 2 + [("half-open", 2)] * 2


@pytest.mark.usefixtures("_either")
def test_a_lower_threshold_is_in_force_at_the_next_outcome_of_a_child_too(world: World) -> None:
    """The settings were changed just before; a good outcome is looked at as well."""
    gate = circuit_breaker(failure_rate=0.5, min_calls=4, clock=world.clock)
    call = world.governed(gate, None, None, None, OSError, None)
    for _ in range(3):
        call()
    call.fails(OSError)
    gate.reconfigure({"failure_rate": 0.2})
    gate.forked()
    assert gate.snapshot()["state"] == "closed"
    call()
    assert gate.snapshot()["state"] == "open"
