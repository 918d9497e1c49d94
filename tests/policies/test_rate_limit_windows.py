"""The rate limit's other ways to count, several limits at once, and calls that cost more than one."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from _worlds import World, in_threads
from svcgov import Rate, rate_limit
from svcgov.errors import RateLimitedError
from svcgov.policies._windows import Meter
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.policies import RateLimit

OTHERS = ["fixed-window", "moving-window", "sliding-window"]
ALL = ["gcra", *OTHERS]
PACE = [0, 0, 0, 0.5, 1, 7, 3, 0, 0, 0, 30, 12, 0.25, 0, 0, 19, 41, 0, 0, 0, 0, 0, 60, 0, 0, 59, 1, 0, 0, 0, 0, 150, 0, 0]


def passed(gate: RateLimit, tries: int = 1) -> int:
    """How many of so many calls pass at this moment."""
    count = 0
    for _ in range(tries):
        try:
            with gate:
                count += 1
        except RateLimitedError:
            pass
    return count


def refused(gate: RateLimit) -> RateLimitedError:
    """How it refuses a call at this moment."""
    with pytest.raises(RateLimitedError) as error, gate:
        pass
    return error.value


# -- algorithms --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALL)
def test_a_window_full_of_calls_may_come_at_once(algorithm: str, world: World) -> None:
    """By each way to count; the next call is refused, and not made."""
    call = world.governed(rate_limit("5/second", algorithm=algorithm, clock=world.clock), "answer")  # type: ignore[arg-type]
    assert [call() for _ in range(5)] == ["answer"] * 5
    call.fails(RateLimitedError)
    assert call.count == 5


def test_a_fixed_window_begins_anew_at_its_border() -> None:
    """Cells are counted from the birth of the limit: two cells' worth may come at their border."""
    clock = ManualClock()
    clock.advance(0.3)
    gate = rate_limit("3/second", algorithm="fixed-window", clock=clock)
    clock.advance(0.9)
    assert passed(gate, 5) == 3
    assert refused(gate).retry_after == 0.1
    clock.advance(0.1)
    assert passed(gate, 5) == 3


def test_a_moving_window_never_holds_more_than_the_limit() -> None:
    """Each call leaves it a window after it began, and no sooner."""
    clock = ManualClock()
    gate = rate_limit("3/second", algorithm="moving-window", clock=clock)
    for _ in range(2):
        assert passed(gate) == 1
        clock.advance(0.4)
    assert passed(gate, 5) == 1
    assert refused(gate).retry_after == 0.2
    clock.advance(0.2)
    assert passed(gate, 5) == 1
    assert refused(gate).retry_after == 0.4


def test_a_sliding_window_takes_the_last_cell_to_be_evenly_spread() -> None:
    """A quarter into the new cell, three quarters of the old one count."""
    clock = ManualClock()
    gate = rate_limit("8/second", algorithm="sliding-window", clock=clock)
    assert passed(gate, 10) == 8
    clock.advance(1.25)
    assert gate.snapshot()["remaining"] == 2
    assert passed(gate, 10) == 2
    clock.advance(0.75)
    assert passed(gate, 10) == 6


@pytest.mark.parametrize("start", [0.0, 1e7])
@pytest.mark.parametrize("limit", ["3/second", "7/minute", "10/100ms", ["5/second", "12/minute"]])
@pytest.mark.parametrize("algorithm", ALL)
def test_what_a_refusal_promises_holds(algorithm: str, limit: str, start: float) -> None:
    """Who comes back then passes; who comes a little more than a millisecond earlier does not."""
    clock = ManualClock()
    clock.advance(start)
    gate = rate_limit(limit, algorithm=algorithm, clock=clock)  # type: ignore[arg-type]
    for pause in [0.0, 0.013, 0.21, 0.0, 1.7, 0.4, 0.05, 0.0, 31.0, 0.02]:
        clock.advance(pause)
        passed(gate, 20)
        wait = refused(gate).retry_after
        assert wait is not None
        if wait > 0.0011:
            clock.advance(wait - 0.0011)
            assert passed(gate) == 0
            clock.advance(0.0011)
        else:
            clock.advance(wait)
        assert passed(gate) == 1


@pytest.mark.parametrize(
    ("algorithm", "strategy"),
    [
        ("fixed-window", FixedWindowRateLimiter),
        ("moving-window", MovingWindowRateLimiter),
        ("sliding-window", SlidingWindowCounterRateLimiter),
    ],
)
def test_the_package_limits_decides_alike(algorithm: str, strategy: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Call by call over several windows; for fixed windows, where each begins with a call, as theirs do."""
    clock = ManualClock(wall=60_000_000.0)
    monkeypatch.setattr(MemoryStorage, "_MemoryStorage__schedule_expiry", lambda storage: None)
    for module in ("limits.storage.memory", "limits.strategies"):
        monkeypatch.setattr(f"{module}.time", types.SimpleNamespace(time=clock.wall))
    gate, item, theirs = rate_limit("6/minute", algorithm=algorithm, clock=clock), parse("6/minute"), strategy(MemoryStorage())  # type: ignore[arg-type]
    decisions = []
    for number, pause in enumerate(PACE):
        rest = pause + number / 1024  # not at the very border, where theirs counts a call that has just left
        while algorithm == "fixed-window" and rest >= (border := 60.0 - clock.monotonic() % 60):
            rest -= border
            clock.advance(border)
            decisions.append((passed(gate) == 1, theirs.hit(item)))
        clock.advance(rest)
        decisions.append((passed(gate) == 1, theirs.hit(item)))
    assert [ours for ours, _ in decisions] == [of_theirs for _, of_theirs in decisions]
    assert {ours for ours, _ in decisions} == {True, False}


@pytest.mark.parametrize("algorithm", OTHERS)
def test_the_memory_of_a_window_is_bounded(algorithm: str) -> None:
    """Neither refused calls nor a long life make it grow."""
    clock = ManualClock()
    gate = rate_limit("5/second", algorithm=algorithm, clock=clock)  # type: ignore[arg-type]
    for _ in range(300):
        passed(gate, 20)
        clock.advance(0.3)
    (meter,) = gate.machine.meters  # type: ignore[union-attr]
    assert len(getattr(meter, "begun", ())) <= 5


@pytest.mark.parametrize("algorithm", ALL)
def test_nothing_per_second_refuses_all(algorithm: str) -> None:
    """And says that waiting does not help; free calls are refused too."""
    for cost in (0, 1):
        gate = rate_limit(["0/second", "5/minute"], algorithm=algorithm, cost=cost, clock=ManualClock())  # type: ignore[arg-type]
        error = refused(gate)
        assert (error.reason, error.retry_after) == ("denied", None)
        assert (gate.snapshot()["remaining"], gate.snapshot()["reset"]) == (0, 0)


@pytest.mark.parametrize("algorithm", ALL)
def test_a_limit_that_was_nothing_from_the_start_opens_unused(algorithm: str) -> None:
    """Whoever was refused has taken nothing."""
    gate = rate_limit(["0/second", "9/minute"], algorithm=algorithm, clock=ManualClock())  # type: ignore[arg-type]
    assert passed(gate, 5) == 0
    gate.reconfigure({"limit": ["4/second", "9/minute"]})
    assert passed(gate, 9) == 4


@pytest.mark.parametrize("algorithm", ALL)
def test_what_is_not_used_need_not_be_waited_for(algorithm: str) -> None:
    """Before the first call, and once those that came count no more."""
    clock = ManualClock()
    gate = rate_limit("4/second", algorithm=algorithm, clock=clock)  # type: ignore[arg-type]
    clock.advance(0.25)
    assert gate.snapshot()["reset"] == 0
    passed(gate, 2)
    reset = gate.snapshot()["reset"]
    assert 0 < reset < 2
    clock.advance(reset - 0.01)
    assert gate.snapshot()["reset"] == pytest.approx(0.01)
    clock.advance(0.01)
    assert (gate.snapshot()["reset"], gate.snapshot()["remaining"]) == (0, 4)


def test_calls_of_a_moving_window_leave_it_one_by_one() -> None:
    """Each a window after it began; those of one moment together."""
    clock = ManualClock()
    gate = rate_limit("3/second", algorithm="moving-window", clock=clock)
    clock.advance(0.5)
    assert passed(gate, 2) == 2
    clock.advance(0.5)
    assert passed(gate, 2) == 1
    clock.advance(0.5)
    assert passed(gate, 3) == 2
    clock.advance(0.5)
    assert passed(gate, 3) == 1
    assert len(gate.machine.meters[0].begun) == 2  # type: ignore[union-attr]  # one for each moment


def test_a_sliding_window_knows_when_there_is_room_for_more_than_one() -> None:
    """Three are in this cell: so much later that of those there are but one and two thirds."""
    gate = rate_limit("3/second", algorithm="sliding-window", clock=ManualClock())
    assert passed(gate, 3) == 3
    gate.reconfigure({"cost": 2})
    assert refused(gate).retry_after == 1.334


# -- several limits, and costs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALL)
def test_of_several_limits_all_must_admit(algorithm: str, world: World) -> None:
    """The tightest one decides: by the second at first, then by the minute."""
    gate = rate_limit(["2/second", "5/minute"], algorithm=algorithm, clock=world.clock)  # type: ignore[arg-type]
    call = world.governed(gate)
    through = 0
    for _ in range(4):
        for _ in range(3):
            try:
                call()
            except RateLimitedError:
                continue
            through += 1
        world.clock.advance(2)
    assert through == call.count == 5


@pytest.mark.parametrize("algorithm", ALL)
def test_when_one_limit_refuses_the_others_lose_nothing(algorithm: str) -> None:
    """A hundred knocks at the limit by the second take nothing from the one by the minute."""
    clock = ManualClock()
    gate = rate_limit(["1/second", "3/minute"], algorithm=algorithm, clock=clock)  # type: ignore[arg-type]
    assert passed(gate, 100) == 1
    clock.advance(2)
    assert passed(gate, 100) == 1
    clock.advance(2)
    assert passed(gate, 100) == 1
    clock.advance(2)
    assert passed(gate, 100) == 0


def test_a_limit_of_several_shows_the_tightest() -> None:
    """What may come now is what all of them let through."""
    clock = ManualClock()
    gate = rate_limit(["2/second", "10/minute"], algorithm="moving-window", clock=clock)
    assert gate.snapshot() == {"limit": 2, "window": 1.0, "remaining": 2, "reset": 0.0, "refused": 0}
    for _ in range(5):
        passed(gate, 2)
        clock.advance(1)
    assert gate.snapshot() == {"limit": 10, "window": 60.0, "remaining": 0, "reset": 59.0, "refused": 0}


@pytest.mark.parametrize("algorithm", ALL)
def test_a_call_costs_what_is_said(algorithm: str, world: World) -> None:
    """Three calls of five are fifteen; the sixteenth to eighteenth are too few for another."""
    gate = rate_limit("18/minute", algorithm=algorithm, cost=5, clock=world.clock)  # type: ignore[arg-type]
    call = world.governed(gate)
    for _ in range(3):
        call()
    call.fails(RateLimitedError)
    assert gate.snapshot()["remaining"] == 3


@pytest.mark.parametrize("algorithm", ALL)
def test_what_costs_more_than_there_ever_is_is_refused_for_good(algorithm: str) -> None:
    """There is nothing to come back for; of several limits, the smallest decides."""
    limits: list[Any] = ["4/minute", ["9/minute", "4/second"]]
    for limit in limits:
        error = refused(rate_limit(limit, algorithm=algorithm, cost=5, clock=ManualClock()))  # type: ignore[arg-type]
        assert (error.reason, error.retry_after) == ("cost_exceeds_burst", None)


@pytest.mark.parametrize("algorithm", ALL)
def test_a_free_call_passes_and_takes_nothing(algorithm: str) -> None:
    """Also when the limit is used up."""
    gate = rate_limit("2/minute", algorithm=algorithm, clock=ManualClock())  # type: ignore[arg-type]
    assert passed(gate, 3) == 2
    gate.reconfigure({"cost": 0})
    assert passed(gate, 10) == 10
    gate.reconfigure({"cost": 1})
    assert passed(gate) == 0


# -- other settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALL)
@pytest.mark.parametrize("limit", ["20/minute", ["10/minute", "20/minute"]], ids=str)
def test_another_limit_keeps_the_share_that_is_spent(algorithm: str, limit: str) -> None:
    """Half of the old one is gone, so half of the new one is left; of several, each has lost as much."""
    gate = rate_limit("8/minute", algorithm=algorithm, clock=ManualClock())  # type: ignore[arg-type]
    passed(gate, 4)
    gate.reconfigure({"limit": limit})
    assert passed(gate, 30) == (10 if limit == "20/minute" else 5)


@pytest.mark.parametrize("algorithm", ALL)
def test_a_pause_of_the_limit_gives_no_fresh_burst(algorithm: str) -> None:
    """Set to nothing and back, what was spent is still spent."""
    gate = rate_limit(["4/minute", "9/hour"], algorithm=algorithm, clock=ManualClock())  # type: ignore[arg-type]
    passed(gate, 4)
    gate.reconfigure({"limit": ["0/minute", "9/hour"]})
    assert passed(gate, 3) == 0
    gate.reconfigure({})
    assert passed(gate, 3) == 0


@pytest.mark.parametrize("algorithm", OTHERS)
def test_another_algorithm_counts_anew(algorithm: str, world: World) -> None:
    """Functions that are governed already obey the new one."""
    gate = rate_limit("4/minute", clock=world.clock)
    call = world.governed(gate)
    for _ in range(3):
        call()
    gate.reconfigure({"algorithm": algorithm})
    for _ in range(4):
        call()
    call.fails(RateLimitedError)
    gate.reconfigure({"algorithm": "gcra"})
    for _ in range(4):
        call()
    call.fails(RateLimitedError)
    assert gate.snapshot()["remaining"] == 0


def test_the_same_limits_anew_change_nothing() -> None:
    """What each meter has counted stays."""
    clock = ManualClock()
    gate = rate_limit(["4/minute", "9/hour"], clock=clock)
    passed(gate, 4)
    clock.advance(16)
    gate.reconfigure({"limit": ["4 per minute", "9/hour"]})
    assert passed(gate, 4) == 1


def test_an_old_reading_is_no_travel_in_time() -> None:
    """A thread that was held up is judged by the newest reading there was."""
    clock = ManualClock()
    gate = rate_limit("2/second", algorithm="moving-window", clock=clock)
    clock.advance(5)
    gate.machine.admit(5.0)
    gate.machine.admit(1.0)
    clock.advance(0.5)
    error = refused(gate)
    assert error.retry_after == 0.5


def test_a_moving_window_waits_for_as_many_to_leave_as_are_in_the_way() -> None:
    """A call that costs two needs two single ones gone."""
    clock = ManualClock()
    gate = rate_limit("3/second", algorithm="moving-window", clock=clock)
    for _ in range(3):
        assert passed(gate) == 1
        clock.advance(0.125)
    gate.reconfigure({"cost": 2})
    assert refused(gate).retry_after == 0.75


def test_a_call_about_to_be_refused_reads_the_clock_again() -> None:
    """A thread that was held up after its reading is judged by the present."""
    clock = ManualClock()
    gate = rate_limit("1/second", algorithm="fixed-window", clock=clock)
    gate.machine.admit(0.0)
    clock.advance(1)
    gate.machine.admit(0.5)
    assert gate.snapshot() == {"limit": 1, "window": 1.0, "remaining": 0, "reset": 1.0, "refused": 0}


@pytest.mark.parametrize(
    ("verb", "args"), [("early", (0, 1)), ("take", (0, 1)), ("used", (0,)), ("fill", (1, 0)), ("fresh", (0,))]
)
def test_a_bare_meter_counts_nothing(verb: str, args: tuple[int, ...]) -> None:
    """Each algorithm says for itself how it counts."""
    with pytest.raises(NotImplementedError):
        getattr(Meter(Rate(1, 1), None, 0.0), verb)(*args)


@pytest.mark.parametrize("algorithm", ALL)
def test_a_storm_of_threads_gets_exactly_the_limit(algorithm: str) -> None:
    """Neither one more nor one less, from each of two limits."""
    gate = rate_limit(["300/minute", "900/hour"], algorithm=algorithm, clock=ManualClock())  # type: ignore[arg-type]
    through = [0] * 8

    def storm(number: int) -> None:
        through[number] = passed(gate, 200)

    assert in_threads(8, storm) == []
    assert sum(through) == 300
    assert gate.snapshot()["refused"] == 1300
