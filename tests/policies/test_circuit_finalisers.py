"""The circuit and the collector of garbage, which may end a governed call at any moment, on any thread, in any lock."""

from __future__ import annotations

import gc
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_threads
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.policies import circuit_breaker as module
from svcgov.policies._circuit import Circuit, LockedCircuit
from svcgov.policies._circuit_tickets import Tickets
from svcgov.policies._circuit_window import CountWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from svcgov.testing import ManualClock


@pytest.fixture(params=[Circuit, LockedCircuit], autouse=True)
def _variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Either variant; and nothing is collected but when a test says so."""
    monkeypatch.setattr(module, "LOCKED", lambda: request.param is LockedCircuit)
    gc.collect()
    gc.freeze()  # what there is already need not be looked through each time
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()


class Suspended:
    """What a coroutine waits for that nobody wakes."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def left_in_a_cycle(gate: Any) -> None:
    """Begin a governed call, and leave it to the collector: only a cycle holds it."""

    async def call(*args: Any) -> None:
        await Suspended()

    box: list[Any] = []
    running = gate(call)(box)
    box.append(running)
    running.send(None)


def collecting(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, waiting: list[int], machine: Any) -> None:
    """Let *owner* collect garbage in the middle of what it does; how much was put aside is written down."""
    before = getattr(owner, name)

    def collect(*args: Any, **kwargs: Any) -> Any:
        result = before(*args, **kwargs)
        gc.collect()
        if machine.lock._is_owned():
            waiting.append(len(machine.returns))
        return result

    monkeypatch.setattr(owner, name, collect)


SECTIONS: dict[str, tuple[type, str, Callable[[Any], object]]] = {
    "coming in": (Tickets, "give", lambda gate: gate.machine.admit(0.0)),
    "going out": (CountWindow, "add", lambda gate: gate.call(int)),
    "asking": (Circuit, "_room_locked", lambda gate: gate.would_admit()),
    "reading": (CountWindow, "counts", lambda gate: gate.snapshot()),
    "moving": (Circuit, "_window_for", lambda gate: gate.half_open()),
    "tuning": (Circuit, "_arm_locked", lambda gate: gate.reconfigure({"min_calls": 20})),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_collection_in_the_middle_of_it_hangs_nothing(
    section: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the finaliser brings is put aside while the lock is held, and taken in afterwards: the place of the probe is free."""
    owner, name, work = SECTIONS[section]
    gate = circuit_breaker(half_open_calls=3, clock=clock)
    gate.half_open()
    left_in_a_cycle(gate)
    assert len(gate.machine.tickets.out) == 1  # type: ignore[union-attr]  # a Circuit
    waiting: list[int] = []
    collecting(monkeypatch, owner, name, waiting, gate.machine)
    assert in_threads(1, lambda number: work(gate)) == []
    assert 1 in waiting
    monkeypatch.undo()
    machine: Any = gate.machine
    assert gate.would_admit()
    assert machine.returns == []
    assert len(machine.tickets.out) == (section == "coming in")
    assert machine.window.at == (section == "going out")


def test_a_finaliser_waits_for_no_other_thread(clock: ManualClock) -> None:
    """That one holds the lock; what was brought back is there for whoever comes next."""
    gate = circuit_breaker(half_open_calls=1, clock=clock)
    gate.half_open()
    left_in_a_cycle(gate)
    taken, go = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        with gate.machine.lock:  # type: ignore[union-attr]  # a Circuit
            taken.set()
            go.wait(20)

    def collect(number: int) -> None:
        taken.wait(20)
        gc.collect()
        go.set()

    assert in_threads(2, lambda number: (hold, collect)[number](number)) == []
    assert len(gate.machine.returns) == 1  # type: ignore[union-attr]  # as above
    assert gate.would_admit()
    assert gate.call(int) == 0
    assert gate.current_state == "closed"


def test_a_slow_call_that_was_collected_counts_before_the_next_one(clock: ManualClock) -> None:
    """A closed circuit is not asked usually; the next call asks, and finds that it has opened."""
    gate = circuit_breaker(slow_call_duration=1, min_calls=3, clock=clock)
    for _ in range(3):
        left_in_a_cycle(gate)
    clock.advance(2)
    gc.collect()
    assert gate.current_state == "closed"
    with pytest.raises(CircuitOpenError):
        gate.call(int)
    assert gate.snapshot()["slow"] == 3


@pytest.mark.parametrize("asked", ["snapshot", "would_admit", "an outcome", "a call"])
def test_whoever_comes_by_counts_what_was_left(asked: str, clock: ManualClock) -> None:
    """A reading, a question, an outcome, a call."""
    gate = circuit_breaker(slow_call_duration=1, min_calls=10, clock=clock)
    under_way = gate.machine.free
    left_in_a_cycle(gate)
    clock.advance(2)
    gc.collect()
    machine: Any = gate.machine
    assert len(machine.returns) == 1
    asks: dict[str, Callable[[], object]] = {
        "snapshot": gate.snapshot,
        "would_admit": gate.would_admit,
        "an outcome": lambda: machine.settle(under_way, None, 2.0),
        "a call": lambda: gate.call(int),
    }
    asks[asked]()
    assert machine.returns == []
    assert machine.counts()[2] == 1
    assert gate.call(int) == 0
    assert machine.free is under_way  # not asked any more


def test_a_call_that_was_collected_in_time_teaches_nothing(clock: ManualClock) -> None:
    """Nor does it leave anything to be taken back."""
    gate = circuit_breaker(slow_call_duration=1, clock=clock)
    permit = gate.machine.free
    left_in_a_cycle(gate)
    gc.collect()
    assert gate.machine.returns == []  # type: ignore[union-attr]  # a Circuit
    assert gate.machine.free is permit


def test_what_finalisers_leave_does_not_pile_up(clock: ManualClock) -> None:
    """Each call takes in what was left before it."""
    gate = circuit_breaker(slow_call_duration=1, slow_call_rate=None, min_calls=5, clock=clock)
    most = 0
    for _ in range(50):
        left_in_a_cycle(gate)
        clock.advance(2)
        gc.collect()
        most = max(most, len(gate.machine.returns))  # type: ignore[union-attr]  # a Circuit
    assert most == 1
    assert gate.snapshot()["slow"] == 50


def test_a_call_made_by_a_finaliser_passes_and_has_no_vote(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the middle of a change there is no telling: it is let through, however it ends."""
    gate = circuit_breaker(half_open_calls=3, clock=clock)
    gate.half_open()
    machine, ended = gate.machine, []

    class Closing:
        def __init__(self) -> None:
            self.myself = self

        def __del__(self) -> None:
            assert gate.call(int) == 0
            try:
                gate.call(int, "seven")
            except ValueError:
                ended.append(machine.counts()[0])

    Closing()
    collecting(monkeypatch, Tickets, "give", [], machine)
    assert in_threads(1, lambda number: gate.call(int)) == []
    assert ended == [0]
    assert machine.counts() == (1, 0, 0, 0)
    assert gate.current_state == "half-open"


def test_an_outcome_that_a_finaliser_brings_in_the_middle_counts_after_it(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error that its clean-up has raised, in place of the end by the collector, is a failure as any other."""
    gate = circuit_breaker(consecutive_failures=2, half_open_calls=3, clock=clock)
    gate.half_open()

    @gate
    async def call(box: list[Any]) -> None:
        try:
            await Suspended()
        finally:
            raise OSError

    box: list[Any] = []
    running: Any = call(box)
    box.append(running)
    running.send(None)
    del running, box
    waiting: list[int] = []
    collecting(monkeypatch, CountWindow, "add", waiting, gate.machine)
    monkeypatch.setattr("sys.unraisablehook", lambda unraisable: None)  # what the interpreter says of such an error
    assert in_threads(1, lambda number: gate.call(int)) == []
    assert waiting[0] == 1
    assert gate.current_state == "open"


def test_the_keys_and_their_circuits_bear_it(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call is given back to the circuit of its key, whatever is held at that moment."""
    gate = circuit_breaker(key="arg:key", half_open_calls=1, max_keys=2, clock=clock)
    left: Any = gate.of("a")
    left.half_open()
    left_in_a_cycle(left)
    assert not left.would_admit()
    make = type(gate).spare

    def spare(self: Any, circuit: Any, now: float) -> int:
        gc.collect()
        return make(self, circuit, now)

    monkeypatch.setattr(type(gate), "spare", spare)

    @gate
    def call(key: str, number: int) -> str:
        return key

    for key in "bcd":
        assert in_threads(1, partial(call, key)) == []
    assert left.would_admit()
    assert "a" in gate.machine.by_key  # type: ignore[union-attr]  # it has keys
