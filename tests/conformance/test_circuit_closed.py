"""A closed circuit: which outcomes count, for how long, and when they are enough. Slow calls too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Takes
from svcgov.errors import CircuitOpenError

from .traces import breaker, trace

if TYPE_CHECKING:
    from _worlds import World

FIVE = {"min_calls": 5, "window": 10}


def test_001_it_opens_on_the_outcome_that_completes_the_minimum(world: World) -> None:
    """Before it there is no rate, only counts; with it the rate is known, and decides."""
    gate = breaker(world.clock, **FIVE)
    assert trace(world, gate, "FFFS") == "cccc"
    assert (gate.snapshot()["calls"], gate.snapshot()["failed"], gate.snapshot()["failure_rate"]) == (4, 3, None)
    assert trace(world, gate, "S") == "o"
    assert (gate.snapshot()["calls"], gate.snapshot()["failed"], gate.snapshot()["failure_rate"]) == (5, 3, 0.6)


def test_002_a_success_may_be_what_opens_it(world: World) -> None:
    """When it completes the minimum, or when older successes have left; Polly looks at the rate after failures alone."""
    assert trace(world, breaker(world.clock, **FIVE), "FFFFS") == "cccco"
    assert trace(world, breaker(world.clock, min_calls=4, window="10s"), "SSSSSS>FFF>S") == "cccccc" + "cccc" + "co"


@pytest.mark.parametrize(("calls", "states"), [("FSFS", "ccco"), ("FSSS", "cccc")])
def test_003_the_very_threshold_is_enough(calls: str, states: str, world: World) -> None:
    """Two of four are one half, and one half opens it; Sentinel wants more than the threshold."""
    assert trace(world, breaker(world.clock, min_calls=4, window=4, failure_rate=0.5), calls) == states


def test_005_a_minimum_above_a_window_of_calls_is_the_window(world: World) -> None:
    """More than five cannot be in it, so five are enough."""
    gate = breaker(world.clock, min_calls=100, window=5)
    assert trace(world, gate, "FFFFF") == "cccco"
    assert gate.snapshot()["failure_rate"] == 1.0


def test_006_a_minimum_is_not_cut_to_the_seconds_of_a_window(world: World) -> None:
    """Five seconds are not five calls: the sixth failure completes a minimum of six."""
    assert trace(world, breaker(world.clock, min_calls=6, window="5s"), "FFFFFF") == "ccccco"


def test_007_below_the_minimum_not_even_failures_alone_open_it(world: World) -> None:
    """One failure every five seconds, in a window that never holds three of them."""
    gate = breaker(world.clock, min_calls=3, window="10s")
    assert trace(world, gate, "F>" * 50) == "c" * 100
    assert gate.snapshot()["failure_rate"] is None


@pytest.mark.parametrize("birth", [0.0, 0.25, 0.5, 0.75, 5.125, 9.5])
def test_008_an_outcome_is_gone_when_the_window_has_passed(birth: float, world: World) -> None:
    """It counts for nine tenths of the window at least, and at its very end no more: outcomes leave a tenth at a time."""
    gate = breaker(world.clock, min_calls=100, window="10s")
    world.clock.advance(birth)
    trace(world, gate, "F")
    world.clock.advance(8.99)
    assert gate.snapshot()["failed"] == 1
    world.clock.advance(1.01)
    assert gate.snapshot()["failed"] == 0


def test_010_one_failure_and_four_successes_are_a_fifth_of_five_calls(world: World) -> None:
    """In a window of calls and in one of time."""
    for window in (10, "10s"):
        gate = breaker(world.clock, min_calls=5, window=window)
        assert trace(world, gate, "FSSSS") == "ccccc"
        assert (gate.snapshot()["failure_rate"], gate.snapshot()["calls"]) == (0.2, 5)


def test_011_three_failures_in_a_row_open_it(world: World) -> None:
    """A success between them begins the count anew."""
    assert trace(world, breaker(world.clock, consecutive_failures=3), "FSFFF") == "cccco"


def test_012_failures_that_alternate_with_successes_are_never_in_a_row(world: World) -> None:
    """However often: where failures in a row count, a rate of one half is fine."""
    assert trace(world, breaker(world.clock, consecutive_failures=2), "SF" * 20) == "c" * 40


@pytest.mark.parametrize(
    "given", [{"min_calls": 3, "failure_rate": 2 / 3}, {"failures": 2, "failure_rate": None}], ids=["as a rate", "as a count"]
)
def test_013_two_failures_of_the_last_three_calls_open_it(given: dict[str, Any], world: World) -> None:
    """Said as a rate or as a count; and three of four are never reached by every second one."""
    assert trace(world, breaker(world.clock, window=3, **given), "FSF") == "cco"
    for three in ({"failures": 3, "failure_rate": None}, {"min_calls": 4, "failure_rate": 0.75}):
        assert trace(world, breaker(world.clock, window=4, **three), "SF" * 20) == "c" * 40


def test_016_a_bad_result_counts_as_a_failure(world: World) -> None:
    """It is returned as it is; after two of them the third call is refused, and the function not reached."""
    gate = breaker(world.clock, consecutive_failures=2, on_result=lambda result: result is False)
    call = world.governed(gate, False)
    assert (call(), call()) == (False, False)
    call.fails(CircuitOpenError)
    assert call.count == 2


def test_017_an_ignored_error_is_neither_success_nor_failure(world: World) -> None:
    """Not to a rate, and not to a row of failures, which goes on past it; pybreaker takes it for a success."""
    gate = breaker(world.clock, **FIVE)
    assert trace(world, gate, "XFXFXXFXF") == "c" * 9
    assert (gate.snapshot()["calls"], gate.snapshot()["failed"]) == (4, 4)
    assert trace(world, gate, "F") == "o"
    assert trace(world, breaker(world.clock, consecutive_failures=2), "FXXF") == "ccco"


@pytest.mark.parametrize("verb", ["close", "open", "half_open", "force_open", "disable", "observe"])
def test_018_a_reset_closes_it_and_empties_the_window(verb: str, world: World) -> None:
    """From any state, by the same verb; refusals are counted from nothing too: it is as if it were new."""
    gate = breaker(world.clock, min_calls=10)
    trace(world, gate, "FFF")
    gate.open()
    trace(world, gate, "S")
    getattr(gate, verb)()
    trace(world, gate, "F")
    gate.reset()
    assert gate.snapshot() == breaker(world.clock).snapshot()
    assert trace(world, gate, "S") == "c"


def test_019_the_call_that_opens_it_raises_its_own_error(world: World) -> None:
    """The very object, and no refusal in its place as with pybreaker: the call was made."""
    gate, last = breaker(world.clock, consecutive_failures=3), OSError("its own")
    call = world.governed(gate, OSError(), OSError(), last)
    assert call.fails(OSError, times=3)[-1] is last
    assert gate.current_state == "open"


# -- slow calls --------------------------------------------------------------------------------------------------------


def test_021_as_long_as_the_threshold_is_not_slow(world: World) -> None:
    """Longer is."""
    gate = breaker(world.clock, slow_call_duration=1)
    call = world.governed(gate, Takes(1.0), Takes(1.001))
    call()
    assert gate.snapshot()["slow"] == 0
    call()
    assert gate.snapshot()["slow"] == 1


@pytest.mark.parametrize("window", [5, "10m"])
def test_022_slow_successes_alone_open_it(window: Any, world: World) -> None:
    """Three of five, and not one failure."""
    gate = breaker(world.clock, slow_call_duration=1.5, slow_call_rate=0.6, min_calls=5, window=window)
    assert trace(world, gate, "WWWSS") == "cccco"
    assert (gate.snapshot()["slow"], gate.snapshot()["slow_call_rate"], gate.snapshot()["failure_rate"]) == (3, 0.6, 0.0)


def test_023_slow_probes_open_it_again(world: World) -> None:
    """Three slow ones of four at three quarters, and no failure."""
    gate = breaker(world.clock, slow_call_duration=1.5, slow_call_rate=0.75, half_open_calls=4)
    gate.half_open()
    assert trace(world, gate, "WWWS") == "hhho"
    assert (gate.snapshot()["slow_call_rate"], gate.snapshot()["failure_rate"]) == (0.75, 0.0)
