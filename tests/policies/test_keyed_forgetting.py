"""Gates with a key have bounded memory: which key is forgotten when, and what becomes of those beyond."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from _desks import Desks, desks
from _worlds import World, hasty_switches, in_threads
from svcgov._shells._modes import PASSED
from svcgov.errors import BulkheadFullError
from svcgov.policies._keyed import FREELY, LOOKS, NEVER, Taken
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.policies._room import Room


def test_what_was_used_longest_ago_is_forgotten_first(clock: ManualClock) -> None:
    """There is room for three; to be used again is to be remembered for longer."""
    gate = desks(clock)
    call = gate(lambda key: None)
    for key in "abcad":
        call(key)
    assert list(gate.machine.by_key) == ["c", "a", "d"]


def test_a_key_that_is_in_use_is_not_forgotten(clock: ManualClock) -> None:
    """The one after it is."""
    gate = desks(clock)
    held = gate.machine.admit_key("a", 0.0)
    for key in "bcd":
        gate(lambda key: None)(key)
    assert list(gate.machine.by_key) == ["c", "a", "d"]
    gate.machine.settle(held, None, 0.0)


def test_where_nothing_can_be_forgotten_a_new_key_passes_ungoverned(world: World) -> None:
    """It is counted, and holds nothing; once there is room it is governed as all others are."""
    gate = desks(world.clock)
    held = [gate.machine.admit_key(key, 0.0) for key in "abc"]
    call = world.governed(gate, lambda key: key)
    assert [call("d"), call("d"), call("e")] == ["d", "d", "e"]
    assert gate.machine.figures() == {"keys": 3, "keys_overflow": 3}
    assert gate.machine.admit_key("d", 0.0) is PASSED
    gate.machine.settle(PASSED, ValueError(), 0.0)  # a call that passed has failed: nobody is told
    with pytest.raises(BulkheadFullError):
        call("a")
    for permit in held:
        gate.machine.settle(permit, None, 0.0)
    assert call("d") == "d"
    assert gate.machine.figures() == {"keys": 3, "keys_overflow": 4}


def test_all_keys_are_looked_at_before_one_passes_ungoverned(clock: ManualClock) -> None:
    """The one that can be spared is the very last."""
    gate = desks(clock, max_keys=3 * LOOKS)
    for key in range(3 * LOOKS):
        permit = gate.machine.admit_key(key, 0.0)
    gate.machine.settle(permit, None, 0.0)
    assert isinstance(gate.machine.admit_key("new", 0.0), Taken)
    assert key not in gate.machine.by_key


def test_while_nothing_can_be_forgotten_a_few_are_looked_at(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever makes up keys in an outage does not make each call look at a million of them; all get their turn."""
    gate = desks(clock, max_keys=3 * LOOKS)
    held = [gate.machine.admit_key(key, 0.0) for key in range(3 * LOOKS)]
    looks: list[Room] = []

    def spare(self: Desks, room: Room, now: float) -> int:
        looks.append(room)
        return NEVER if room.used else FREELY

    monkeypatch.setattr(Desks, "spare", spare)
    counts = []
    for number in range(3):
        assert gate.machine.admit_key(f"new-{number}", 0.0) is PASSED
        counts.append(len(looks))
    assert counts == [3 * LOOKS, 4 * LOOKS, 5 * LOOKS]
    gate.machine.settle(held[-1], None, 0.0)
    assert isinstance(gate.machine.admit_key("new", 0.0), Taken)  # its turn came next


def test_what_can_be_spared_best_goes_first(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before those that were used longer ago, but that only need makes one spare."""
    gate = desks(clock)
    for key in "abc":
        gate(lambda key: None)(key)
    kinds = {"a": 1, "b": 2, "c": 2, "d": 1, "e": 1}
    monkeypatch.setattr(Desks, "spare", lambda self, room, now: kinds[room.owner.key])
    for key in "dea":
        gate(lambda key: None)(key)
    assert list(gate.machine.by_key) == ["d", "e", "a"]


class Forgetful(OrderedDict[Any, Any]):
    """Loses what is looked up for the second time: it was forgotten in that moment."""

    looked: ClassVar[int] = 0

    def get(self, key: Any, default: Any = None) -> Any:
        type(self).looked += 1
        if type(self).looked == 2:
            del self[key]
        return super().get(key, default)


@pytest.mark.parametrize("waits", [False, True])
def test_a_gate_that_is_forgotten_in_the_moment_of_admission_is_left(
    waits: bool, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was taken of it is given back, and the gate that there is now is asked."""
    gate = desks(clock, max_wait=1.0)
    old = gate.machine.admit_key("a", 0.0).gate
    if not waits:
        old.used = 0
    monkeypatch.setattr(Forgetful, "looked", 0)
    gate.machine.by_key = Forgetful(gate.machine.by_key)
    permit = gate.machine.admit_key("a", 0.0)
    assert isinstance(permit, Taken)
    assert permit.gate is gate.machine.by_key["a"] is not old
    assert old.used == int(waits)
    assert not gate.machine.joining
    assert not old.waiters


def test_a_gate_is_not_forgotten_while_a_call_is_about_to_wait_for_it(clock: ManualClock) -> None:
    """Between the answer and the queue nobody is in, and nobody waits."""
    gate = desks(clock, max_wait=1.0, max_keys=1)
    held = gate.machine.admit_key("a", 0.0)
    waiting: Any = gate.machine.admit_key("a", 0.0)
    gate.machine.settle(held, None, 0.0)
    assert gate.machine.admit_key("b", 0.0) is PASSED
    assert waiting.join(lambda: None)
    assert gate.machine.admit_key("b", 0.0) is PASSED  # now it is in
    waiting.abandon()
    assert isinstance(gate.machine.admit_key("b", 0.0), Taken)


def test_fewer_keys_are_in_force_at_once(clock: ManualClock) -> None:
    """As far as they can be spared."""
    gate = desks(clock, max_keys=9)
    for key in "abcdefghi":
        gate(lambda key: None)(key)
    held = gate.machine.admit_key("b", 0.0)
    gate.reconfigure({"max_keys": 2})
    assert list(gate.machine.by_key) == ["i", "b"]
    gate.machine.admit_key("i", 0.0)
    gate.reconfigure({"max_keys": 1})
    assert sorted(gate.machine.by_key) == ["b", "i"]
    gate.machine.settle(held, None, 0.0)
    assert gate.machine.admit_key("new", 0.0) is PASSED  # one too many is gone by that, and there is no room still
    assert list(gate.machine.by_key) == ["i"]


def test_what_comes_by_while_one_is_forgotten_makes_and_forgets_none(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collection of garbage may call from inside: a key that is not known passes."""
    gate = desks(clock, max_keys=2)
    for key in "ab":
        gate(lambda key: None)(key)
    spare, got = Desks.spare, list[Any]()

    def meanwhile(self: Desks, room: Room, now: float) -> int:
        got.extend([gate.machine.admit_key("inner", 0.0), gate.machine.of("a", 0.0) is room])
        return spare(self, room, now)

    monkeypatch.setattr(Desks, "spare", meanwhile)
    assert isinstance(gate.machine.admit_key("c", 0.0), Taken)
    assert got == [PASSED, True, PASSED, False]  # it was looked at, taken out, and looked at once more
    assert list(gate.machine.by_key) == ["b", "c"]


def test_two_first_calls_of_a_key_at_once_get_one_gate(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second one was faster, and took the last room: the first one finds its gate there, and nothing is ungoverned."""
    gate = desks(clock, max_keys=1)
    make = Desks.gate_for

    def slowly(self: Desks, key: Any) -> Room:
        room = make(self, key)
        monkeypatch.setattr(Desks, "gate_for", make)
        gate.machine.admit_key("a", 0.0)
        return room

    monkeypatch.setattr(Desks, "gate_for", slowly)
    with pytest.raises(BulkheadFullError):
        gate.machine.admit_key("a", 0.0)
    assert gate.machine.figures() == {"keys": 1, "keys_overflow": 0}


def test_all_keys_are_looked_at_when_there_shall_be_fewer(clock: ManualClock) -> None:
    """The one that can be spared is the very last, and nothing could be before."""
    gate = desks(clock, max_keys=3 * LOOKS)
    permits = [gate.machine.admit_key(key, 0.0) for key in range(3 * LOOKS)]
    assert gate.machine.admit_key("new", 0.0) is PASSED
    key = list(gate.machine.by_key)[-1]
    gate.machine.settle(permits[key], None, 0.0)
    gate.reconfigure({"max_keys": 3 * LOOKS - 1})
    assert key not in gate.machine.by_key
    assert len(gate.machine.by_key) == 3 * LOOKS - 1


def test_a_crowd_on_few_places_for_keys_gets_past_no_limit() -> None:
    """Keys are forgotten and made anew all the time, and no key ever has two in."""
    gate = desks(ManualClock(), max_keys=2)
    inside: dict[int, list[int]] = {key: [] for key in range(5)}
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(150):
            key = (number + turn) % 5
            try:
                permit = gate.machine.admit_key(key, 0.0)
            except BulkheadFullError:
                continue
            if permit is PASSED:
                continue
            inside[key].append(number)
            if len(inside[key]) > 1:
                wrong.append(key)
            inside[key].remove(number)
            gate.machine.settle(permit, None, 0.0)

    with hasty_switches():
        assert in_threads(8, work) == []
    assert wrong == []
    assert all(room.used == 0 for room in gate.machine.gates())
    assert len(gate.machine.by_key) <= 2


def test_a_key_that_comes_into_use_while_it_is_looked_at_stays(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another thread's call got in between the look and the taking out: it is asked once more."""
    gate = desks(clock, max_keys=1)
    gate(lambda key: None)("a")
    spare = Desks.spare

    def meanwhile(self: Desks, room: Room, now: float) -> int:
        said = spare(self, room, now)
        room.used = 1
        return said

    monkeypatch.setattr(Desks, "spare", meanwhile)
    assert gate.machine.admit_key("b", 0.0) is PASSED
    assert list(gate.machine.by_key) == ["a"]
