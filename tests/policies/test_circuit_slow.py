"""Slow calls: by themselves, together with failures, and while they are under way."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Takes
from svcgov import Pipeline, circuit_breaker, timeout
from svcgov.errors import CallTimeoutError, CircuitOpenError

if TYPE_CHECKING:
    from _worlds import World
    from svcgov.testing import ManualClock


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of four calls, for which a second is long, on *clock*."""
    given = {"window": 4, "min_calls": 4, "open_jitter": 0.0, "slow_call_duration": 1, "clock": clock, **settings}
    return circuit_breaker(**given)


@pytest.mark.parametrize("window", [4, "10m"])
def test_a_slow_call_after_fast_ones_is_seen(window: Any, world: World) -> None:
    """Fast ones need no evaluation; a slow one does."""
    gate = breaker(world.clock, window=window, min_calls=1)
    call = world.governed(gate, "fast", "fast", "fast", Takes(1.5))
    for _ in range(4):
        call()
    assert (gate.snapshot()["slow"], gate.snapshot()["calls"]) == (1, 4)


def test_a_call_may_be_failed_and_slow(world: World) -> None:
    """It counts for either rate."""
    gate = breaker(world.clock)
    call = world.governed(gate, Takes(2, OSError()))
    call.fails(OSError)
    assert (gate.snapshot()["failed"], gate.snapshot()["slow"], gate.snapshot()["calls"]) == (1, 1, 1)


def test_a_share_of_slow_calls_opens_it(world: World) -> None:
    """One of four is less than a half, two of four are not."""
    for slow, state in ((1, "closed"), (2, "open")):
        gate = breaker(world.clock, slow_call_rate=0.5)
        call = world.governed(gate, *[Takes(2)] * slow, "fast")
        for _ in range(4):
            call()
        assert gate.current_state == state


def test_each_call_is_bad_once(world: World) -> None:
    """One failed, one slow, one both: three of four are bad."""
    for last, state in ((Takes(2, OSError()), "open"), ("fast", "closed")):
        gate = breaker(world.clock, bad_rate=0.75, failure_rate=None, slow_call_rate=None)
        call = world.governed(gate, OSError(), Takes(2), "fast", last)
        for _ in range(4):
            try:
                call()
            except OSError:
                pass
        assert gate.current_state == state


def test_without_a_threshold_no_call_is_slow(world: World) -> None:
    """And its rate is not known."""
    gate = breaker(world.clock, slow_call_duration=None)
    call = world.governed(gate, Takes(3600))
    for _ in range(8):
        call()
    assert (gate.snapshot()["slow"], gate.snapshot()["slow_call_rate"]) == (0, None)


def test_with_a_threshold_it_is_never_calm(clock: ManualClock) -> None:
    """Each call's end has to be looked at; without it, it may be calm again."""
    gate = breaker(clock)
    for slow, calm in ((1, False), (None, True)):
        gate.reconfigure({"slow_call_duration": slow})
        for _ in range(9):
            gate.machine.settle(gate.machine.free, None, clock.monotonic())
        assert (gate.machine.calm is gate.machine.free) is calm


def test_a_cancelled_call_that_was_slow_is_a_slow_call() -> None:
    """A time-out outside cancels what hangs: without this rule the breaker inside would learn nothing, ever."""
    gate = circuit_breaker(slow_call_duration=0.005, window=2, min_calls=2)

    @Pipeline(timeout(0.02), gate)
    async def hang() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        for _ in range(2):
            with pytest.raises(CallTimeoutError):
                await hang()

    asyncio.run(main())
    assert gate.current_state == "open"
    assert (gate.snapshot()["failed"], gate.snapshot()["slow"]) == (0, 2)


@pytest.mark.parametrize("error", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_cancelled_call_is_slow_but_never_failed(error: type[BaseException], clock: ManualClock) -> None:
    """While it was not slow it is not counted at all; and it says nothing about failures in a row."""
    gate = breaker(clock, consecutive_failures=2)
    with pytest.raises(OSError), gate:
        raise OSError
    for takes, slow in ((1.0, 0), (1.5, 1)):
        with pytest.raises(error), gate:
            clock.advance(takes)
            raise error
        assert (gate.snapshot()["calls"], gate.snapshot()["slow"], gate.snapshot()["failed"]) == (1 + slow, slow, 1)
    with pytest.raises(OSError), gate:
        raise OSError
    assert gate.current_state == "open"


def test_an_ignored_call_is_not_slow(world: World) -> None:
    """Whatever it took."""
    gate = breaker(world.clock, ignore=KeyError)
    call = world.governed(gate, Takes(5, KeyError("a")))
    call.fails(KeyError, times=8)
    assert gate.snapshot()["calls"] == 0


def test_calls_under_way_open_it(clock: ManualClock) -> None:
    """Four hang: the next one is refused before any of them has come back, and each of them is one cell, however it ends."""
    gate = breaker(clock, count_in_flight=True)
    hanging = [gate.machine.admit(0.0) for _ in range(4)]
    clock.advance(1.0)
    assert gate.would_admit()
    clock.advance(0.001)
    assert not gate.would_admit()
    assert gate.current_state == "closed"
    with pytest.raises(CircuitOpenError) as refused, gate:
        pass
    assert (refused.value.reason, refused.value.retry_after) == ("open", 30.0)
    assert gate.snapshot()["slow"] == 4
    for permit in hanging:
        gate.machine.settle(permit, OSError(), 0.0)
    assert (gate.snapshot()["failed"], gate.snapshot()["calls"]) == (0, 4)


@pytest.mark.parametrize("window", [10, "10m"])
def test_a_call_that_was_counted_under_way_is_one_cell(window: Any, clock: ManualClock) -> None:
    """Its failure is added to that cell; a second word about it changes nothing."""
    gate = breaker(clock, count_in_flight=True, window=window, min_calls=10)
    hanging, good = gate.machine.admit(0.0), gate.machine.admit(0.0)
    clock.advance(2)
    with gate:
        assert (gate.snapshot()["calls"], gate.snapshot()["slow"]) == (2, 2)
    for error in (OSError(), None, OSError()):
        gate.machine.settle(hanging, error, 0.0)
    gate.machine.settle(good, None, 0.0)
    snapshot = gate.snapshot()
    assert (snapshot["calls"], snapshot["slow"], snapshot["failed"]) == (3, 2, 1)


def test_a_cell_that_has_left_the_window_stays_away(clock: ManualClock) -> None:
    """The failure of a call that was counted long ago is no cell of another call."""
    gate = breaker(clock, count_in_flight=True, slow_call_rate=None, window=2, min_calls=2)
    hanging = gate.machine.admit(0.0)
    clock.advance(2)
    for _ in range(3):
        with gate:
            pass
    gate.machine.settle(hanging, OSError(), 0.0)
    assert (gate.snapshot()["calls"], gate.snapshot()["slow"], gate.snapshot()["failed"]) == (2, 0, 0)


def test_one_admission_counts_sixteen_at_most(clock: ManualClock) -> None:
    """The rest is left to the next ones: no caller pays for a thousand others."""
    gate = breaker(clock, count_in_flight=True, slow_call_rate=None, window=100)
    for _ in range(20):
        gate.machine.admit(0.0)
    clock.advance(2)
    for slow in (16, 20, 20):
        gate.machine.admit(0.0)
        assert gate.snapshot()["slow"] == slow


def test_counting_calls_under_way_can_be_turned_on_and_off(clock: ManualClock) -> None:
    """While calls are under way: their permits stay what they are."""
    gate = breaker(clock, slow_call_rate=None)
    shared = gate.machine.free
    gate.reconfigure({"count_in_flight": True})
    own = gate.machine.admit(0.0)
    assert own is not shared
    gate.reconfigure({})
    assert gate.machine.free is shared
    gate.machine.settle(own, None, 0.0)
    gate.machine.settle(shared, None, 0.0)
    assert gate.snapshot()["calls"] == 2
    assert gate.machine.tickets.out == {}


def test_calls_under_way_open_it_for_as_long_as_others_do(clock: ManualClock) -> None:
    """With the jitter, which is as chance has it."""
    gate = breaker(clock, count_in_flight=True, open_for=10, open_jitter=0.5, random=lambda: 1.0)
    for _ in range(4):
        gate.machine.admit(0.0)
    clock.advance(2)
    with pytest.raises(CircuitOpenError) as refused, gate:
        pass
    assert refused.value.retry_after == 15.0


def test_asking_foresees_what_calls_under_way_would_do(clock: ManualClock) -> None:
    """In a window of time as in one of calls, with failures in a row watched or not."""
    for window, failed in ((4, None), ("10m", None), ("10m", 9)):
        gate = breaker(clock, count_in_flight=True, window=window, consecutive_failures=failed)
        for _ in range(4):
            gate.machine.admit(clock.monotonic())
        assert gate.would_admit()
        clock.advance(2)
        assert not gate.would_admit()
        assert gate.snapshot()["calls"] == 0


def test_calls_under_way_do_not_count_any_more_once_that_is_turned_off(clock: ManualClock) -> None:
    """Those neither that are slow already."""
    gate = breaker(clock, count_in_flight=True, half_open_calls=1, ramp="8s", ramp_steps=[0.99])
    gate.half_open()
    with gate:
        pass
    gate.machine.admit(0.0)
    clock.advance(2)
    assert not gate.would_admit()
    gate.reconfigure({"count_in_flight": False})
    assert gate.would_admit()
    gate.machine.admit(clock.monotonic())
    assert gate.snapshot()["calls"] == 0


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"consecutive_failures": 3}, "open"),
        ({"failures": 3, "failure_rate": None}, "open"),
        ({"failure_rate": None}, "closed"),
        ({"failures": 3}, "closed"),
    ],
)
def test_a_failed_probe_is_not_made_good_by_being_fast(given: dict[str, Any], state: str, clock: ManualClock) -> None:
    """Where failures are counted and no rate has them in it, one is enough; where nothing counts them, they do not matter."""
    gate = breaker(clock, half_open_calls=3, min_calls=3, **given)
    gate.half_open()
    for error in (None, OSError(), None):
        if gate.current_state == "half-open":
            gate.machine.settle(gate.machine.admit(clock.monotonic()), error, clock.monotonic())
    assert gate.current_state == state


def test_a_cell_of_another_window_stays_as_it_is(clock: ManualClock) -> None:
    """The window was changed while the call was under way: its failure is no failure of somebody else's call."""
    gate = breaker(clock, count_in_flight=True, slow_call_rate=None, window=5)
    hanging = gate.machine.admit(0.0)
    clock.advance(2)
    for window in (5, 6):
        gate.reconfigure({"window": window})
        with gate:
            pass
    gate.machine.settle(hanging, OSError(), 0.0)
    assert (gate.snapshot()["calls"], gate.snapshot()["failed"]) == (1, 0)
