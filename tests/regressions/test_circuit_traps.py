"""Circuit breakers that never open, never come back, or forget: defects seen elsewhere that ours must not have."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Facts, in_threads
from svcgov import Pipeline, circuit_breaker, timeout
from svcgov.errors import CallTimeoutError, CircuitOpenError
from svcgov.facts import CircuitChanged

if TYPE_CHECKING:
    from _worlds import World
    from svcgov.testing import ManualClock

DAY = 86400.0


def ends(gate: Any, outcomes: str, clock: ManualClock) -> None:
    """Make a call for each letter: ``S`` succeeds, ``F`` fails, ``W`` succeeds after two seconds."""
    for outcome in outcomes:
        try:
            with gate:
                clock.advance(2.0 if outcome == "W" else 0.0)
                if outcome == "F":
                    raise OSError
        except OSError:
            pass


def test_a_window_smaller_than_the_usual_minimum_does_not_keep_it_closed(world: World) -> None:
    """Who gives a window of five need not think of the minimum. A defect seen in Easegress: 5000 failures, and still closed."""
    gate = circuit_breaker(window=5, clock=world.clock)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=5)
    call.fails(CircuitOpenError, times=100)
    assert call.count == 5


def test_half_failed_and_half_slow_does_not_pass_for_well(clock: ManualClock) -> None:
    """49 failed and 49 were slow of 100: neither rate is a half, yet all but two were bad. Seen in Easegress; ``bad_rate``."""
    given: dict[str, Any] = {"window": 100, "min_calls": 100, "slow_call_duration": 1, "slow_call_rate": 0.5, "clock": clock}
    apart, together = circuit_breaker(**given), circuit_breaker(bad_rate=0.98, **given)
    for gate in (apart, together):
        ends(gate, "FW" * 49 + "SS", clock)
    assert (apart.current_state, together.current_state) == ("closed", "open")
    assert (together.snapshot()["failure_rate"], together.snapshot()["slow_call_rate"]) == (0.49, 0.49)


def test_probes_that_never_come_back_do_not_keep_it_shut(world: World) -> None:
    """By default, and also after the process was stopped. Seen in Easegress and Polly, where it refuses for ever."""
    gate = circuit_breaker(clock=world.clock)
    gate.half_open()
    lost = [gate.machine.admit(world.clock.monotonic()) for _ in range(5)]
    call = world.governed(gate, "answer")
    call.fails(CircuitOpenError)
    world.clock.freeze(DAY)
    assert [call() for _ in range(5)] == ["answer"] * 5
    assert gate.current_state == "closed"
    for permit in lost:
        gate.machine.settle(permit, OSError(), 0.0)
    assert gate.snapshot()["failed"] == 0


def test_a_hanging_dependency_is_seen_behind_a_time_out() -> None:
    """What hangs is cancelled from outside, and a cancellation is no failure: ``slow_call_duration`` makes it count."""
    gate = circuit_breaker(slow_call_duration=0.001, window=3, min_calls=3)

    @Pipeline(timeout(0.01), gate)
    async def hang() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(CallTimeoutError):
                await hang()
        with pytest.raises(CircuitOpenError):
            await hang()

    asyncio.run(main())


def test_a_late_failure_of_calls_that_began_together_opens_it_once(clock: ManualClock, facts: Facts) -> None:
    """A crowd that began before it opened fails after: one opening, and the wait is not begun anew with each of them."""
    gate = circuit_breaker(consecutive_failures=1, open_for=10, open_jitter=0, half_open_calls=1, clock=clock)
    gate.listen(facts, CircuitChanged)
    crowd = [gate.machine.admit(clock.monotonic()) for _ in range(20)]
    for permit in crowd:
        clock.advance(0.5)
        gate.machine.settle(permit, OSError(), 0.0)
    assert [(fact.at, fact.opening) for fact in facts.of(CircuitChanged)] == [(0.5, 1)]
    clock.advance(0.5)
    assert gate.would_admit()


def test_one_probe_is_one_probe_among_threads(clock: ManualClock) -> None:
    """Elected by all threads together, not by each for itself, as once in Powertools."""
    gate = circuit_breaker(half_open_calls=1, clock=clock)
    gate.half_open()
    together, inside = threading.Barrier(16), threading.Event()
    refused: list[int] = []

    @gate
    def probe() -> None:
        assert inside.wait(10)

    def knock(number: int) -> None:
        together.wait(10)
        try:
            probe()
        except CircuitOpenError:
            refused.append(number)
            if len(refused) == 15:  # everybody else has been sent away: the probe may end
                inside.set()

    assert in_threads(16, knock) == []
    assert gate.snapshot() == {**gate.snapshot(), "state": "closed", "refused": 15}


def test_a_changed_setting_does_not_forget_the_state(world: World) -> None:
    """An open circuit stays open and a window keeps its counts. Seen in Easegress: everything is new after a reload."""
    gate = circuit_breaker("payments", window=10, min_calls=4, open_for=60, open_jitter=0, clock=world.clock)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    gate.reconfigure({"min_calls": 6})
    call.fails(OSError, times=3)
    assert gate.current_state == "open"
    gate.reconfigure({"min_calls": 8, "open_for": 5})
    assert circuit_breaker("payments") is gate
    world.clock.advance(59)
    call.fails(CircuitOpenError)
    assert gate.snapshot()["failed"] == 6


def test_old_failures_are_gone_when_it_is_read(world: World) -> None:
    """Not only at the next outcome: a rate of an hour ago is shown to nobody."""
    gate = circuit_breaker(window="10s", min_calls=3, failure_rate=1.0, clock=world.clock)
    call = world.governed(gate, "good", OSError())
    call()
    call.fails(OSError, times=2)
    assert gate.snapshot()["failed"] == 2
    world.clock.freeze(3600)
    assert gate.snapshot() == {**gate.snapshot(), "calls": 0, "failed": 0, "failure_rate": None}
