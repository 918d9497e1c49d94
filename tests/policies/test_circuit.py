"""The circuit alone: permits, terms, and what is done without the lock. ``test_circuit_model`` holds it against a model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from _worlds import hasty_switches, in_threads
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.policies import circuit_breaker as module
from svcgov.policies._circuit import Circuit, LockedCircuit
from svcgov.testing import ManualClock


@pytest.fixture(params=[Circuit, LockedCircuit], autouse=True)
def _variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Either variant, whichever this interpreter would choose."""
    monkeypatch.setattr(module, "LOCKED", lambda: request.param is LockedCircuit)


def circuit(clock: ManualClock, **given: Any) -> Any:
    """The machine of a breaker."""
    return circuit_breaker(**{"clock": clock, "open_jitter": 0.0, **given}).machine


@pytest.mark.parametrize("variant", [Circuit, LockedCircuit])
def test_it_is_the_variant_that_the_interpreter_needs(
    variant: type[Circuit], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a lock for every outcome, or without."""
    monkeypatch.setattr(module, "LOCKED", lambda: variant is LockedCircuit)
    assert type(circuit(clock)) is variant


def test_a_closed_circuit_is_not_asked(clock: ManualClock) -> None:
    """Its permit is free for the taking."""
    assert circuit(clock).free is not None


def test_it_is_calm_when_its_window_is_full_and_clean(clock: ManualClock) -> None:
    """Then one more clean outcome changes nothing, and need not be told."""
    machine = circuit(clock, window=20, min_calls=5)
    for _ in range(19):
        machine.settle(machine.free, None, 0.0)
    assert machine.calm is not machine.free
    machine.settle(machine.free, None, 0.0)
    assert machine.calm is machine.free


def test_a_failure_ends_the_calm_for_one_turn_of_the_window(clock: ManualClock) -> None:
    """It is calm again when the last failure has left the window."""
    machine = circuit(clock, window=20, min_calls=5)
    for _ in range(20):
        machine.settle(machine.free, None, 0.0)
    machine.settle(machine.free, OSError(), 0.0)
    for _ in range(19):
        assert machine.calm is not machine.free
        machine.settle(machine.free, None, 0.0)
    machine.settle(machine.free, None, 0.0)
    assert machine.calm is machine.free


def test_past_the_minimum_a_clean_outcome_needs_no_lock(clock: ManualClock) -> None:
    """It can only lower a rate: it is written down, and judged by nobody."""
    gate = circuit_breaker(clock=clock, window=100, min_calls=5)
    machine = Circuit(gate, gate.settings)
    for _ in range(5):
        machine.settle(machine.free, None, 0.0)
    with machine.lock:  # whoever would want it now would put its outcome aside
        for _ in range(20):
            machine.settle(machine.free, None, 0.0)
        assert machine.returns == []
    assert machine.counts() == (25, 0, 0, 0)


def test_a_permit_of_another_term_is_another_object(clock: ManualClock) -> None:
    """So that a late outcome is known by identity."""
    machine = circuit(clock)
    first = machine.free
    machine.move("open")
    assert machine.free is None
    machine.move("closed")
    assert machine.free is not first


def test_a_probe_settled_twice_counts_once(clock: ManualClock) -> None:
    """The second time it is not known any more."""
    machine = circuit(clock, half_open_calls=3)
    machine.move("half-open")
    probe = machine.admit(0.0)
    machine.settle(probe, None, 0.0)
    before = machine.counts()
    machine.settle(probe, None, 0.0)
    machine.settle(probe, OSError(), 0.0)
    assert machine.counts() == before


def test_a_clock_read_before_another_thread_s_refuses_nobody_who_is_due(clock: ManualClock) -> None:
    """Whoever is about to be refused reads the clock again."""
    machine = circuit(clock, open_for=30)
    machine.move("open")
    clock.advance(30)
    machine.settle(machine.admit(10.0), None, 10.0)
    assert machine.state == "half-open"


@given(start=st.floats(0, 1e6), wait=st.floats(0.01, 3600), share=st.floats(0, 0.999))
def test_what_it_says_to_wait_is_enough_to_the_last_bit(start: float, wait: float, share: float) -> None:
    """No rounding of floats makes the caller who waited exactly that long come too early."""
    clock = ManualClock()
    clock.advance(start)
    machine = circuit(clock, open_for=wait)
    machine.move("open")
    clock.advance(wait * share)
    with pytest.raises(CircuitOpenError) as refused:
        machine.admit(clock.monotonic())
    assert refused.value.retry_after is not None
    clock.advance(refused.value.retry_after)
    assert machine.would_admit(clock.monotonic())


@pytest.mark.parametrize(("wait", "at"), [(1603.394, 462.765), (91.605, 19.838), (3371.186, 569.2), (1 + 2.0**-52, 2.0**-53)])
def test_what_is_left_is_rounded_up_where_the_sum_would_round_down(wait: float, at: float, clock: ManualClock) -> None:
    """Four that would come a hair too early otherwise; half a hair more than a whole second is none."""
    assert at + (wait - at) < wait
    machine = circuit(clock, open_for=wait)
    machine.move("open")
    with pytest.raises(CircuitOpenError) as refused:
        machine.admit(at)
    assert refused.value.retry_after == pytest.approx(wait - at)
    clock.advance(at)
    clock.advance(refused.value.retry_after or 0.0)
    assert machine.would_admit(clock.monotonic())


def test_an_outcome_is_counted_wherever_its_failure_lies_in_the_window(clock: ManualClock) -> None:
    """The look for a clean window comes at a full turn after the last failure, and again after the next one."""
    machine = circuit(clock, window=5, min_calls=2, failure_rate=1.0)
    for end in (None, None, OSError(), None, None, None, OSError(), *[None] * 4):
        machine.settle(machine.free, end, 0.0)
        assert machine.calm is not machine.free
    machine.settle(machine.free, None, 0.0)
    assert machine.calm is machine.free


def test_a_calm_that_would_come_too_early_waits_another_turn(clock: ManualClock) -> None:
    """The ring is looked through before it is trusted."""
    machine = circuit(clock, window=5, min_calls=2, failure_rate=1.0)
    for end in (None, None, OSError(), None):
        machine.settle(machine.free, end, 0.0)
    machine.window.calm_at = machine.window.at
    machine.settle(machine.free, None, 0.0)
    assert machine.calm is not machine.free
    assert machine.window.calm_at == machine.window.at + 5


def test_other_half_open_calls_are_for_the_next_half_open(clock: ManualClock) -> None:
    """The probes of this one are as many as were said when it began."""
    breaker = circuit_breaker(clock=clock, half_open_calls=2)
    breaker.half_open()
    breaker.reconfigure({"half_open_calls": 3})
    for _ in range(2):
        breaker.machine.admit(0.0)
    assert not breaker.would_admit()
    breaker.half_open()
    for _ in range(3):
        assert breaker.would_admit()
        breaker.machine.admit(0.0)
    assert not breaker.would_admit()


def test_calls_under_way_keep_their_vote_when_the_window_changes(clock: ManualClock) -> None:
    """The counts start anew; permits in flight stay valid."""
    breaker = circuit_breaker(clock=clock, window=10)
    permit = breaker.machine.free
    breaker.machine.settle(permit, OSError(), 0.0)
    breaker.reconfigure({"window": 20})
    assert breaker.machine.counts() == (0, 0, 0, 0)
    breaker.machine.settle(permit, OSError(), 0.0)
    assert breaker.machine.counts() == (1, 1, 0, 1)


def test_who_comes_as_it_closes_gets_in(clock: ManualClock) -> None:
    """Another thread's probe closed it between the look at its permit and the asking."""
    machine = circuit(clock)
    assert machine.admit(0.0) is machine.free


def test_chance_and_clock_may_use_the_breaker(clock: ManualClock) -> None:
    """They are asked before the lock is taken."""
    states: list[str] = []

    def chance() -> float:
        states.append(breaker.current_state)
        assert breaker.would_admit() is not None
        return 0.0

    breaker = circuit_breaker(clock=clock, window=1, min_calls=1, random=chance)
    with pytest.raises(OSError), breaker:
        raise OSError
    assert states == ["closed"]
    assert breaker.current_state == "open"


def test_threads_lose_no_outcome() -> None:
    """Eight of them, every fourth outcome a failure: the window holds a quarter, to the last one."""
    machine = circuit(ManualClock(), window=4001, min_calls=1, failure_rate=1.0)
    machine.settle(machine.free, None, 0.0)

    def work(number: int) -> None:
        for turn in range(500):
            machine.settle(machine.free, OSError() if turn % 4 == 0 else None, 0.0)

    with hasty_switches():
        assert in_threads(8, work) == []
    assert machine.counts() == (4001, 1000, 0, 1000)


def test_threads_get_no_more_probes_than_there_are() -> None:
    """Sixteen knock at a half-open circuit at once; three get in."""
    machine = circuit(ManualClock(), half_open_calls=3)
    machine.move("half-open")
    refused: list[int] = []

    def work(number: int) -> None:
        try:
            machine.admit(0.0)
        except CircuitOpenError:
            refused.append(number)

    with hasty_switches():
        assert in_threads(16, work) == []
    assert len(refused) == 13
