"""A circuit breaker with a key has bounded memory: which circuit is forgotten, and which stays."""

from __future__ import annotations

import gc
import sys
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.facts import CircuitChanged
from svcgov.policies._circuit import Circuit
from svcgov.policies._keyed import AT_NEED, FREELY, NEVER
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import Facts


def first(call: Any) -> Any:
    """The key is the first argument."""
    return call.args[0] if call.args else None


def fail_for(*keys: Any) -> Any:
    """A step that fails for some keys."""

    def step(key: Any = None) -> Any:
        if key in keys:
            raise OSError(key)
        return key

    return step


def breaker(clock: ManualClock, **given: Any) -> Any:
    return circuit_breaker(**{"consecutive_failures": 2, "key": first, "clock": clock, "open_jitter": 0.0, **given})


def state_of(gate: Any, key: str, state: str) -> None:
    """Bring the circuit of *key* to a state."""
    one = gate.of(key)
    {"closed": one.close, "open": one.open, "half-open": one.half_open, "disabled": one.disable}[state]()


@pytest.mark.parametrize("kind", ["open", "half-open", "disabled", "ramping"])
def test_a_circuit_that_is_not_closed_is_never_forgotten(kind: str, clock: ManualClock) -> None:
    """When nothing can go, a new key is not governed, and counted."""
    gate = breaker(clock, max_keys=2, ramp="8s", half_open_calls=1)
    call = gate(fail_for("new"))
    for key in "ab":
        state_of(gate, key, "half-open" if kind == "ramping" else kind)
        if kind == "ramping":
            call(key)
    assert {gate.machine.by_key[key].state for key in "ab"} == {kind}
    for _ in range(3):
        with pytest.raises(OSError, match="new"):
            call("new")
    assert gate.snapshot()["keys_overflow"] == 3
    assert sorted(gate.machine.by_key) == ["a", "b"]
    with pytest.raises(RuntimeError, match="no room for 'new'"):
        gate.of("new").open()
    gate.of("a").close()
    gate.of("new").open()
    assert sorted(gate.machine.by_key) == ["b", "new"]


def test_a_call_of_a_key_that_was_forgotten_meanwhile_has_no_vote(clock: ManualClock, facts: Facts) -> None:
    """It opens nothing: nobody would be refused by it."""
    gate = breaker(clock, max_keys=1, consecutive_failures=1)
    gate.listen(facts)
    under_way = gate.machine.admit_key("a", 0.0)
    other = gate.machine.admit_key("b", 0.0)
    gate.machine.settle(under_way, OSError(), 0.0)
    assert facts == []
    gate.machine.settle(other, OSError(), 0.0)
    assert [fact.key for fact in facts.of(CircuitChanged)] == ["b"]


@pytest.mark.parametrize("window", [10, "10s"])
def test_empty_ones_go_before_those_that_were_used_longest_ago(window: Any, clock: ManualClock) -> None:
    """Nothing is lost by them."""
    gate = breaker(clock, max_keys=3, window=window)
    call = gate(fail_for())
    for key in "abc":
        call(key)
    gate.of("b").close()
    call("d")
    assert list(gate.machine.by_key) == ["a", "c", "d"]
    call("e")
    assert list(gate.machine.by_key) == ["c", "d", "e"]


def test_a_window_of_time_that_has_run_out_is_empty(clock: ManualClock) -> None:
    """No call has come for so long; nothing has been done meanwhile."""
    gate = breaker(clock, window="10s")
    circuit = gate.machine.of("a", 0.0)
    assert gate.spare(circuit, 0.0) == FREELY
    circuit.settle(circuit.free, None, 0.0)
    assert gate.spare(circuit, 9.999) == AT_NEED
    circuit.settle(circuit.free, None, 0.0)  # without the lock
    clock.advance(9.999)
    assert gate.spare(circuit, 9.999) == AT_NEED
    assert gate.spare(circuit, 10.0) == FREELY


def test_what_a_setting_holds_can_be_forgotten(clock: ManualClock) -> None:
    """A new one would be held as well; so none gets past a breaker that is forced open."""
    gate = breaker(clock, max_keys=1, force="open")
    for key in "abc":
        with pytest.raises(CircuitOpenError):
            gate(fail_for())(key)
    assert gate.snapshot()["keys_overflow"] == 0
    gate.of("c").close()
    assert gate.spare(gate.machine.by_key["c"], 0.0) == NEVER
    gate.reconfigure({"force": None, "mode": "observe"})
    circuit = gate.machine.by_key["c"]
    assert gate.spare(circuit, 0.0) == FREELY
    circuit.settle(circuit.free, None, 0.0)
    assert gate.spare(circuit, 0.0) == AT_NEED


def test_fewer_keys_are_forgotten_at_once(clock: ManualClock) -> None:
    """But for those that stay in any case."""
    gate = breaker(clock, max_keys=9)
    for key in "abcdef":
        gate(fail_for())(key)
    gate.of("b").open()
    gate.reconfigure({"max_keys": 2})
    assert sorted(gate.machine.by_key) == ["b", "f"]


def test_of_those_to_be_forgotten_one_whose_window_has_run_out_is_the_first(clock: ManualClock) -> None:
    """By the clock of now, though it was used last."""
    gate = breaker(clock, max_keys=2, window="10s")
    under_way = gate.machine.admit_key("a", 0.0)
    gate(fail_for())("b")
    clock.advance(10)
    gate.machine.settle(under_way, OSError(), 0.0)
    gate.reconfigure({"max_keys": 1})
    assert list(gate.machine.by_key) == ["a"]


class Blinking(OrderedDict[Any, Any]):
    """Does not find what is looked up for the second time: it was taken out in that moment, and put back."""

    looked = 0

    def get(self, key: Any, default: Any = None) -> Any:
        self.looked += 1
        return default if self.looked == 2 else super().get(key, default)


def test_a_call_that_finds_its_circuit_taken_out_is_no_outcome(clock: ManualClock) -> None:
    """It gives back what it has, asks anew, and may find the very same circuit again."""
    gate = breaker(clock)
    circuit = gate.machine.of("a", 0.0)
    gate.machine.by_key = Blinking(gate.machine.by_key)
    assert gate.machine.admit_key("a", 0.0).gate is circuit
    assert gate.machine.by_key.looked == 4
    assert gate.of("a").snapshot()["calls"] == 0


def test_a_hand_on_a_key_that_is_forgotten_in_this_moment_takes_hold(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is put on the circuit that there is."""
    gate = breaker(clock)
    move = Circuit.move

    def forgotten(self: Circuit, state: str, **how: Any) -> None:
        monkeypatch.setattr(Circuit, "move", move)
        gate.machine.by_key.clear()
        move(self, state, **how)

    monkeypatch.setattr(Circuit, "move", forgotten)
    gate.of("a").force_open()
    assert gate.machine.by_key["a"].state == "forced-open"


def test_a_key_takes_little_room() -> None:
    """Beside its window it is less than a kilobyte; a thousand of them a megabyte."""
    gate = breaker(ManualClock(), window=1)
    circuit = gate.machine.of("a", 0.0)
    seen, todo, size = {id(gate), id(gate.settings), id(gate.clock)}, [circuit], 0
    while todo:
        one = todo.pop()
        if id(one) in seen or isinstance(one, (type, str)):
            continue
        seen.add(id(one))
        size += sys.getsizeof(one)
        todo += [other for other in gc.get_referents(one) if type(other).__module__.startswith("svcgov") or gc.is_tracked(other)]
    assert 300 < size < 1000
