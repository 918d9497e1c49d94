"""What gates with a key have in common: one gate for each key, and each permit given back where it is from."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _desks import DeskOf, Desks, desks
from _worlds import Facts, World, in_threads
from svcgov._shells._modes import PASSED
from svcgov.errors import BulkheadFullError, ConfigError
from svcgov.facts import PredicateFailed
from svcgov.pipeline import Pipeline
from svcgov.policies._keyed import MachineOfKey, machine_with_keys
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.policies._room import Room


def test_each_key_has_a_gate_of_its_own(world: World) -> None:
    """Who is at one desk leaves the others free; a second one at the same is refused by it."""
    gate = desks(world.clock)
    inner = world.governed(gate)

    def both() -> Any:
        with pytest.raises(BulkheadFullError, match="acme"):
            gate.machine.admit_key("acme", 0.0)
        permit = gate.machine.admit_key("globex", 0.0)
        gate.machine.settle(permit, None, 0.0)

    call = world.governed(gate, lambda *args: both())
    call("acme")
    inner("acme")
    assert list(gate.machine.by_key) == ["globex", "acme"]
    assert [room.used for room in gate.machine.gates()] == [0, 0, 0]


def test_calls_without_a_key_share_a_gate(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A block too: it has no call to look at, and nobody is asked for its key."""
    gate = desks(world.clock)
    shared = gate.machine.shared
    assert world.governed(gate, lambda: shared.used)() == 1
    assert world.block(gate, lambda: shared.used)() == 1
    assert shared.used == 0
    assert not gate.machine.by_key
    assert capsys.readouterr().err == ""


WRONG_KEYS: dict[str, Any] = {
    "ZeroDivisionError: division by zero": lambda call: 1 / 0,
    "TypeError: unhashable type: 'list'": lambda call: [],
}


@pytest.mark.parametrize("error", WRONG_KEYS)
def test_a_key_that_cannot_be_is_told_once(error: str, facts: Facts, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Its call goes by the gate of those without a key."""
    key = WRONG_KEYS[error]
    gate = desks(world.clock, key=key)
    gate.listen(facts)
    call = world.governed(gate, lambda arg: gate.machine.shared.used)
    assert [call("a"), call("b")] == [1, 1]
    assert [(fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [("key", error)]
    assert capsys.readouterr().err == f"svcgov: desks.key raised {error}; the call went under no key (said once)\n"


def test_the_key_is_asked_for_outside_of_every_lock(clock: ManualClock) -> None:
    """A key function that uses the same gate does not hang."""
    gate = desks(clock)

    def key(call: Any) -> str:
        with DeskOf(gate, MachineOfKey(gate, "inner")):
            return "outer"

    gate.reconfigure({"key": key})
    assert in_threads(1, lambda number: gate(lambda: None)()) == []
    assert list(gate.machine.by_key) == ["inner", "outer"]


def test_a_permit_is_given_back_to_the_gate_it_is_of(clock: ManualClock) -> None:
    """Also when that was forgotten meanwhile, and another stands in its place."""
    gate = desks(clock)
    permit: Any = gate.machine.admit_key("a", 0.0)
    old = permit.gate
    del gate.machine.by_key["a"]
    other: Any = gate.machine.admit_key("a", 0.0)
    assert other.gate is not old
    gate.machine.settle(permit, None, 0.0)
    assert (old.used, other.gate.used) == (0, 1)
    gate.machine.settle(permit, ValueError(), 0.0)
    assert (old.used, other.gate.used) == (0, 1)


def test_a_gate_that_need_not_be_asked_or_told_is_not(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its free permit is taken, and a clean return of a calm one is no news; an error is."""
    told: list[BaseException | None] = []

    class Easy:
        free = calm = object()

        def settle(self, permit: object, error: BaseException | None, now: float) -> None:
            assert permit is self.free
            told.append(error)

    monkeypatch.setattr(Desks, "gate_for", lambda self, key: Easy())
    gate, failure = desks(clock), ValueError()
    for error in (None, failure):
        gate.machine.settle(gate.machine.admit_key("a", 0.0), error, 0.0)
    assert told == [failure]


def test_who_waits_too_long_at_the_gate_of_its_key_is_refused(clock: ManualClock) -> None:
    """By that gate, and in its words."""
    gate = desks(clock, max_wait=1.0)
    held = gate.machine.admit_key("a", 0.0)
    call = gate(lambda key: gate.machine.by_key[key].used)
    with pytest.raises(BulkheadFullError) as error:
        call("a")
    assert error.value.reason == "wait_timeout"
    gate.machine.settle(held, None, 0.0)
    assert call("a") == 1
    assert [room.used for room in gate.machine.gates()] == [0, 0]
    assert not gate.machine.joining


def test_who_waits_gets_the_permit_of_its_gate() -> None:
    """A task waits until another one leaves; then the place is its own, and goes back there."""
    clock = ManualClock()
    gate = desks(clock, max_wait=1.0)
    log = []

    @gate
    async def work(key: str, leave: asyncio.Event) -> None:
        log.append(gate.machine.by_key[key].used)
        await leave.wait()

    async def main() -> None:
        leave = asyncio.Event()
        one, two = asyncio.create_task(work("a", leave)), asyncio.create_task(work("a", leave))
        while not (gate.machine.by_key and gate.machine.by_key["a"].waiters):
            await asyncio.sleep(0)
        assert log == [1]
        assert not gate.machine.joining  # it stands in the queue now
        leave.set()
        await asyncio.gather(one, two)

    asyncio.run(main())
    assert log == [1, 1]
    assert gate.machine.by_key["a"].used == 0


def test_other_settings_reach_a_gate_that_is_just_being_made(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made again."""
    gate = desks(clock)
    make = Desks.gate_for

    def slowly(self: Desks, key: Any) -> Room:
        room = make(self, key)
        if self.settings.limit == 1:
            self.reconfigure({"limit": 5})
        return room

    monkeypatch.setattr(Desks, "gate_for", slowly)
    gate.machine.admit_key("a", 0.0)
    assert [room.limit for room in gate.machine.gates()] == [5, 5]


class Nosy:
    """A key that does something else when it is looked up, as a collection of garbage might."""

    then: Any = None

    def __hash__(self) -> int:
        return 1

    def __eq__(self, other: object) -> bool:
        then, self.then = self.then, None
        if then:
            then()
        return isinstance(other, Nosy)


def test_what_comes_by_from_inside_the_lock_changes_nothing(clock: ManualClock) -> None:
    """It gets the gate that there is, or passes."""
    gate = desks(clock)
    known: Any = gate.machine.admit_key("known", 0.0)
    gate.machine.settle(known, None, 0.0)
    stored = Nosy()
    gate.machine.admit_key(stored, 0.0)
    got: list[Any] = []

    def inside() -> None:
        got.extend(gate.machine.admit_key(key, 0.0) for key in ("known", "new", "newer"))

    stored.then = inside
    with pytest.raises(BulkheadFullError):
        gate.machine.admit_key(Nosy(), 0.0)
    assert got[0].gate is known.gate
    assert got[1] is got[2] is PASSED
    assert gate.machine.figures() == {"keys": 2, "keys_overflow": 2}


def test_of_one_key_as_a_policy(world: World) -> None:
    """It governs functions and blocks, by the settings and the name of the whole."""
    gate = desks(world.clock)
    acme = DeskOf(gate, MachineOfKey(gate, "acme"))
    assert world.governed(acme, lambda: gate.machine.by_key["acme"].used)() == 1
    assert world.block(acme, lambda: gate.machine.by_key["acme"].used)() == 1
    assert world.governed(Pipeline(acme), lambda: gate.machine.by_key["acme"].used)() == 1
    assert (acme.label, acme.name, acme.settings, acme.clock) == (gate.label, None, gate.settings, gate.clock)
    assert repr(acme) == "<DeskOf desks 'acme'>"
    with pytest.raises(ConfigError) as wrong:
        acme.reconfigure({"limit": 3})
    assert (wrong.value.path, wrong.value.value) == ("desks", {"limit": 3})
    assert wrong.value.expected == "nothing: reconfigure the desks that has the keys"


def test_every_gate_is_told_of_a_fork_and_of_a_snapshot(clock: ManualClock) -> None:
    """That of the calls without a key too."""
    gate = desks(clock)
    gate.machine.admit_key("a", 0.0)
    lock = gate.machine._lock
    gate.forked()
    assert gate.machine._lock is not lock
    assert [room.told for room in gate.machine.gates()] == ["forked", "forked"]
    gate.restored()
    assert [room.told for room in gate.machine.gates()] == ["restored", "restored"]


def test_a_gate_without_keys_has_none_to_ask_for(clock: ManualClock) -> None:
    """The error says what is missing."""
    gate = desks(clock)
    gate.machine = None  # any other machine
    with pytest.raises(TypeError, match="make it with key="):
        machine_with_keys(gate)
