"""The circuit breaker around functions: when it opens, and how it closes. The machine alone is in ``test_circuit``."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Takes, World, in_threads
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of four calls, without jitter, on *clock*."""
    return circuit_breaker(**{"window": 4, "min_calls": 4, "open_jitter": 0.0, "clock": clock, **settings})


def test_failing_calls_open_it(world: World) -> None:
    """Sync or async, an exception is a failure."""
    gate = breaker(world.clock)
    call = world.governed(gate, ConnectionError())
    call.fails(ConnectionError, times=4)
    assert gate.current_state == "open"
    call.fails(CircuitOpenError)
    assert call.count == 4


def test_good_calls_leave_it_closed(world: World) -> None:
    """A thousand answers, a thousand times through."""
    gate = breaker(world.clock)
    call = world.governed(gate, "answer")
    assert {call() for _ in range(1000)} == {"answer"}
    assert gate.current_state == "closed"


def test_below_the_threshold_it_stays_closed(world: World) -> None:
    """One of four is less than a half."""
    gate = breaker(world.clock)
    call = world.governed(gate, OSError(), "good")
    call.fails()
    for _ in range(50):
        call()
    assert gate.current_state == "closed"


def test_it_does_not_open_below_the_minimum_of_calls(world: World) -> None:
    """Nine failures of nine are no verdict when ten calls are needed; the tenth opens it."""
    gate = breaker(world.clock, window=100, min_calls=10)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=9)
    assert gate.current_state == "closed"
    assert gate.snapshot()["failure_rate"] is None
    call.fails(OSError)
    assert gate.current_state == "open"
    assert gate.snapshot()["failure_rate"] == 1.0


def test_old_outcomes_leave_the_window(world: World) -> None:
    """Failures that are more than a window ago no longer count."""
    gate = breaker(world.clock, window=4, min_calls=4, failure_rate=0.5)
    call = world.governed(gate, OSError(), "good", "good", "good", "good", OSError(), "good")
    call.fails(OSError)
    for _ in range(4):
        call()
    call.fails(OSError)
    assert gate.current_state == "closed"
    assert gate.snapshot()["failed"] == 1


def test_a_refusal_says_when_to_come_back(world: World) -> None:
    """What is left of the wait; whoever comes back then is let in."""
    gate = breaker(world.clock, open_for=30)
    call = world.governed(gate, *[OSError()] * 4, "well again")
    call.fails(OSError, times=4)
    world.clock.advance(10)
    (error,) = call.fails(CircuitOpenError)
    assert isinstance(error, CircuitOpenError)
    assert (error.policy, error.reason, error.status) == ("circuit_breaker", "open", 503)
    assert error.retry_after == pytest.approx(20, abs=0.001)
    world.clock.advance(error.retry_after or 0.0)
    assert call() == "well again"


def test_the_wait_is_jittered_upwards_only(clock: ManualClock) -> None:
    """Chance adds up to a tenth; it never takes anything off."""
    for chance, longest in ((0.0, 30.0), (1.0, 33.0)):
        gate = breaker(clock, open_for=30, open_jitter=0.1, random=[chance].pop)
        gate.open()
        with pytest.raises(CircuitOpenError) as refused, gate:
            pass
        assert refused.value.retry_after == pytest.approx(longest, abs=0.001)


def test_good_probes_close_it(world: World) -> None:
    """As many as are needed, and then everything is as it was at first."""
    gate = breaker(world.clock, half_open_calls=3, open_for=5)
    call = world.governed(gate, *[OSError()] * 4, "good")
    call.fails(OSError, times=4)
    world.clock.advance(5)
    for expected in ("half-open", "half-open", "closed"):
        call()
        assert gate.current_state == expected
    assert gate.snapshot()["calls"] == 0


def test_bad_probes_open_it_again(world: World) -> None:
    """For another full wait."""
    gate = breaker(world.clock, half_open_calls=2, open_for=5)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=4)
    world.clock.advance(5)
    call.fails(OSError, times=2)
    assert gate.current_state == "open"
    (error,) = call.fails(CircuitOpenError)
    assert isinstance(error, CircuitOpenError)
    assert error.retry_after == pytest.approx(5, abs=0.001)


def test_half_open_is_decided_when_enough_outcomes_are_in(world: World) -> None:
    """Not at the first failure: at a rate of one half, one bad probe of three is good enough."""
    gate = breaker(world.clock, half_open_calls=3, min_calls=10, window=100)
    call = world.governed(gate, OSError(), "good")
    gate.half_open()
    call.fails(OSError)
    assert gate.current_state == "half-open"
    call()
    call()
    assert gate.current_state == "closed"


def test_a_lost_probe_does_not_block_for_ever(clock: ManualClock) -> None:
    """A probe that is out for longer than half_open_max_wait is lost: its place is given to another call."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    with gate:
        clock.advance(59)
        assert not gate.would_admit()
        clock.advance(1)
        assert gate.would_admit()
        with gate:
            pass
    assert gate.current_state == "closed"


def test_a_lost_probe_has_no_vote(clock: ManualClock) -> None:
    """It fails at last, long after its place was given away, and the second probe decides alone."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    with pytest.raises(OSError), gate:
        clock.advance(60)
        with gate:
            pass
        assert gate.current_state == "closed"
        raise OSError
    assert gate.snapshot()["calls"] == 0


def test_asking_whether_a_call_would_get_in_strikes_no_probe_out(clock: ManualClock) -> None:
    """A slow probe whose place nobody took still has its vote."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    with gate:
        clock.advance(60)
        assert gate.would_admit()
    assert gate.current_state == "closed"


def test_a_late_success_does_not_close_an_open_circuit(clock: ManualClock) -> None:
    """A result from before the circuit opened has no vote."""
    gate = breaker(clock)
    with gate:
        gate.open()
    assert gate.current_state == "open"
    gate.half_open()
    assert gate.snapshot()["calls"] == 0


def test_a_late_failure_does_not_open_a_circuit_that_is_closed_again(clock: ManualClock) -> None:
    """Each stay in a state is a term, and this failure belongs to an earlier one."""
    gate = breaker(clock, window=1, min_calls=1)
    with pytest.raises(OSError), gate:
        gate.open()
        gate.close()
        raise OSError
    assert gate.current_state == "closed"
    assert gate.snapshot()["failed"] == 0


@pytest.mark.parametrize("window", [100, "10m"])
def test_consecutive_failures_open_it(window: Any, world: World) -> None:
    """Three in a row, however good the rate; a success in between starts the count anew."""
    gate = breaker(world.clock, window=window, consecutive_failures=3)
    call = world.governed(gate, *["good"] * 50, OSError(), OSError(), "good", OSError())
    for _ in range(50):
        call()
    call.fails(OSError, times=2)
    call()
    call.fails(OSError, times=2)
    assert gate.current_state == "closed"
    call.fails(OSError)
    assert gate.current_state == "open"


def test_consecutive_failures_alone_turn_the_rate_off(world: World) -> None:
    """Half of the calls failing is fine when only failures in a row count."""
    gate = circuit_breaker(consecutive_failures=3, clock=world.clock)
    call = world.governed(gate, *[OSError(), "good"] * 50)
    for _ in range(50):
        call.fails(OSError)
        call()
    assert gate.current_state == "closed"


def test_with_consecutive_failures_the_first_bad_probe_opens_it_again(world: World) -> None:
    """And as many good probes in a row as there are half-open calls close it."""
    gate = breaker(world.clock, consecutive_failures=2, half_open_calls=2)
    call = world.governed(gate, OSError(), "good")
    gate.half_open()
    call.fails(OSError)
    assert gate.current_state == "open"
    world.clock.advance(30)
    call()
    assert gate.current_state == "half-open"
    call()
    assert gate.current_state == "closed"


def test_nested_breakers_in_opposite_order_do_not_deadlock() -> None:
    """No lock is held while the inner one runs."""
    one, two = circuit_breaker(window=2, min_calls=1), circuit_breaker(window=2, min_calls=1)
    meeting = threading.Barrier(2)

    def work(number: int) -> None:
        first, second = (one, two) if number else (two, one)
        with first:
            meeting.wait(timeout=10)
            with second:
                meeting.wait(timeout=10)

    assert in_threads(2, work) == []


def test_a_slow_call_is_an_ordinary_call(world: World) -> None:
    """However long it takes, its outcome counts, since no state has changed meanwhile."""
    gate = breaker(world.clock)
    call = world.governed(gate, Takes(3600, "late"))
    call()
    assert gate.snapshot()["calls"] == 1


def test_without_arguments_it_is_a_decorator_itself(world: World) -> None:
    """Each function has a state of its own."""
    step, calls = world.scripted(OSError)
    good, other = world.scripted(1)
    governed, healthy = circuit_breaker(calls), circuit_breaker(other)
    for _ in range(10):
        with pytest.raises(OSError):
            world.run(governed)
    with pytest.raises(CircuitOpenError):
        world.run(governed)
    assert world.run(healthy) == 1
    assert (len(step), len(good)) == (10, 1)
