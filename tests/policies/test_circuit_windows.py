"""The windows of a circuit breaker: so many calls, or so many seconds."""

from __future__ import annotations

from math import nextafter
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import hasty_switches, in_threads
from svcgov import circuit_breaker, seconds
from svcgov.policies._circuit import Circuit, LockedCircuit
from svcgov.policies._circuit_window import FAILED, SLOW, CountWindow, TimeWindow
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import World


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of the last ten seconds, without jitter, on *clock*."""
    return circuit_breaker(**{"window": "10s", "min_calls": 4, "open_jitter": 0.0, "clock": clock, **settings})


@pytest.mark.parametrize("window", ["10s", seconds(10)])
def test_outcomes_of_the_last_seconds_count(window: Any, world: World) -> None:
    """However many: a minimum is no part of the window, and is not cut to it."""
    gate = breaker(world.clock, window=window, min_calls=200, failure_rate=0.5)
    call = world.governed(gate, *["good"] * 100, OSError())
    for _ in range(100):
        call()
    call.fails(OSError, times=99)
    assert gate.current_state == "closed"
    assert gate.snapshot()["calls"] == 199
    call.fails(OSError)
    assert gate.current_state == "open"


def test_an_outcome_is_gone_when_the_window_has_passed(world: World) -> None:
    """It counts for nine tenths of the window, and is gone at its very end."""
    gate = breaker(world.clock)
    call = world.governed(gate, OSError())
    call.fails(times=3)
    world.clock.advance(9)
    assert gate.snapshot()["failed"] == 3
    world.clock.advance(1)
    assert gate.snapshot()["failed"] == 0
    call.fails(times=3)
    assert gate.current_state == "closed"


def test_outcomes_leave_a_bucket_at_a_time(clock: ManualClock) -> None:
    """One in each second: after ten of them as many leave as come."""
    gate = breaker(clock, failure_rate=1.0)
    seen = []
    for _ in range(14):
        with gate:
            pass
        seen.append(gate.snapshot()["calls"])
        clock.advance(1)
    assert seen == [*range(1, 11), 10, 10, 10, 10]


def test_a_good_outcome_may_open_it_when_others_have_left(world: World) -> None:
    """Six good ones leave the window, and three failures of four calls remain: the rate is looked at when time has passed."""
    gate = breaker(world.clock, failure_rate=0.6)
    call = world.governed(gate, *["good"] * 6, OSError(), OSError(), OSError(), "good")
    for _ in range(6):
        call()
    world.clock.advance(5)
    call.fails(times=3)
    world.clock.advance(5)
    call()
    assert gate.current_state == "open"


def test_the_good_outcome_that_completes_the_minimum_may_open_it(world: World) -> None:
    """It is the first one at which the rate is known."""
    gate = breaker(world.clock)
    call = world.governed(gate, OSError(), OSError(), "good")
    call.fails(times=2)
    call()
    assert gate.current_state == "closed"
    call()
    assert gate.current_state == "open"


def test_a_pause_of_any_length_empties_the_window(world: World) -> None:
    """A process that was frozen for a day wakes with nothing in it, and goes on as if it were new."""
    gate = breaker(world.clock)
    call = world.governed(gate, OSError())
    call.fails(times=3)
    world.clock.freeze(86_400)
    call.fails(times=3)
    assert gate.current_state == "closed"
    assert gate.snapshot()["calls"] == 3
    call.fails()
    assert gate.current_state == "open"


def test_failures_in_the_window_open_it(world: World) -> None:
    """Three of a hundred, with no minimum of calls and far below the rate."""
    gate = breaker(world.clock, failures=3, window=100, min_calls=20)
    call = world.governed(gate, *[OSError(), "good"] * 2, *["good"] * 40, OSError())
    for _ in range(2):
        call.fails()
        call()
    for _ in range(40):
        call()
    assert gate.current_state == "closed"
    call.fails()
    assert gate.current_state == "open"


def test_failures_that_have_left_the_window_do_not_open_it(world: World) -> None:
    """In a window of time as in one of calls."""
    for window, pause in (("10s", 10.0), (2, 0.0)):
        gate = breaker(world.clock, failures=3, failure_rate=None, window=window)
        call = world.governed(gate, OSError(), OSError(), "good", "good", OSError())
        call.fails(times=2)
        world.clock.advance(pause)
        call()
        call()
        call.fails()
        assert gate.current_state == "closed"


def test_with_failures_alone_the_first_bad_probe_opens_it_again(clock: ManualClock) -> None:
    """As with consecutive ones: there is no rate that could decide."""
    gate = breaker(clock, failures=3, failure_rate=None, half_open_calls=4)
    gate.half_open()
    with pytest.raises(OSError), gate:
        raise OSError
    assert gate.current_state == "open"


@pytest.mark.parametrize("before", ["10s", 10])
@pytest.mark.parametrize("after", ["10s", 10, "20s", 20])
def test_another_window_of_either_kind_starts_the_counts_anew(before: Any, after: Any, world: World) -> None:
    """Ten calls are not ten seconds. Calls under way keep their vote."""
    gate = breaker(world.clock, window=before)
    call = world.governed(gate, "good", OSError())
    call()
    call.fails()
    permit = gate.machine.free
    gate.reconfigure({"window": after})
    assert gate.snapshot()["calls"] == (2 if before == after else 0)
    gate.machine.settle(permit, OSError(), 0.0)
    gate.machine.settle(permit, None, 0.0)
    assert gate.snapshot()["calls"] == (4 if before == after else 2)


def test_a_window_of_time_is_never_calm(clock: ManualClock) -> None:
    """Each good outcome is one more: it is told, but (while its bucket runs) written without the lock."""
    gate = breaker(clock)
    machine = Circuit(gate, gate.settings)
    machine.settle(machine.free, None, 0.0)  # the first one looks at the time, under the lock
    with machine.lock:  # whoever would want it now would put its outcome aside
        for _ in range(1000):
            machine.settle(machine.free, None, 0.0)
        assert machine.returns == []
    assert machine.calm is not machine.free
    assert machine.counts() == (1001, 0, 0, 0)


@pytest.mark.parametrize("variant", [Circuit, LockedCircuit])
def test_threads_lose_no_outcome(variant: type[Circuit], clock: ManualClock) -> None:
    """Eight of them, every fourth outcome a failure, and time that passes from bucket to bucket."""
    gate = breaker(clock, window="1h", failure_rate=1.0, min_calls=1)
    machine = variant(gate, gate.settings)
    machine.settle(machine.free, None, 0.0)

    def work(number: int) -> None:
        for turn in range(400):
            if number == 0 and turn % 100 == 0:
                clock.advance(400)
            machine.settle(machine.free, OSError() if turn % 4 == 0 else None, 0.0)

    with hasty_switches():
        assert in_threads(8, work) == []
    assert machine.counts() == (3201, 800, 0, 800)


def test_windows_may_change_while_threads_count() -> None:
    """From one kind to the other and back, with no outcome in a window of the wrong kind, and nothing raised."""
    gate = breaker(ManualClock(), failure_rate=1.0, min_calls=6)  # five threads fail no six times without a good call between
    machine = gate.machine

    def work(number: int) -> None:
        for turn in range(300):
            if number == 0:
                gate.reconfigure({"window": [50, "10s"][turn % 2], "slow_call_duration": [None, 1][turn // 2 % 2]})
            else:
                machine.settle(machine.free, OSError() if turn % 9 == 0 else None, 0.0)

    with hasty_switches():
        assert in_threads(6, work) == []
    assert gate.current_state == "closed"


def test_a_cell_is_amended_while_it_is_in_the_window() -> None:
    """Later on it is somebody else's."""
    calls, time = CountWindow(2), TimeWindow(10.0, 0.0)
    for window in (calls, time):
        first = window.add(SLOW, 0.0)
        window.amend(first, 0.0)
        assert window.counts(0.0) == (1, 1, 1, 1)
        assert window.copy().counts(0.0) == (1, 1, 1, 1)
    calls.add(0, 0.0)
    calls.amend(0, 0.0)
    assert calls.counts(0.0) == (2, 1, 1, 1)
    number = calls.add(FAILED, 0.0) - 2
    calls.amend(number, 0.0)
    time.amend(0, 10.0)
    assert calls.counts(0.0) == (2, 1, 0, 1)
    assert time.counts(10.0) == (0, 0, 0, 0)


def test_the_oldest_cell_is_amended_as_the_newest_is() -> None:
    """In a ring that has just been filled, and when it has turned."""
    window = CountWindow(2)
    for _ in range(3):
        older, newer = window.add(SLOW, 0.0), window.add(SLOW, 0.0)
        window.amend(older, 0.0)
        assert window.counts(0.0) == (2, 1, 2, 2)
        window.amend(newer, 0.0)
        assert window.counts(0.0) == (2, 2, 2, 2)


def test_each_cell_of_a_bucket_is_amended_for_itself() -> None:
    """Two slow calls of one moment that failed are two failures, in an early bucket as in a late one."""
    for at in (0.0, 6.0, 600.0):
        window = TimeWindow(10.0, 0.0)
        for number in [window.add(SLOW, at), window.add(SLOW, at)]:
            window.amend(number, at)
        assert window.counts(at) == (2, 2, 2, 2)


@pytest.mark.parametrize("birth", [0.0, 0.1, 1e6 / 3])
def test_buckets_begin_where_they_are_said_to(birth: float) -> None:
    """To the last bit: no rounding of the division puts a moment into the bucket before, or the one after."""
    for number in range(1, 500):
        start = birth + number * 0.7 / 10
        for at, bucket in ((start, number), (nextafter(start, 0), number - 1)):
            window = TimeWindow(0.7, birth)
            window.add(FAILED, at)
            assert window.edge == birth + (bucket + 1) * 0.7 / 10


def test_a_clock_read_before_another_thread_s_counts_in_the_running_bucket() -> None:
    """Time does not go back."""
    window = TimeWindow(10.0, 0.0)
    window.add(FAILED, 25.0)
    window.add(FAILED, 3.0)
    assert window.counts(24.0) == (2, 2, 0, 2)
