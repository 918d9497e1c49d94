"""A half-open circuit: who probes, which outcomes decide, and that it never stays so for want of them."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, bulkhead
from svcgov.errors import BulkheadFullError, CircuitOpenError

from .traces import WAIT, breaker, trace

if TYPE_CHECKING:
    from _worlds import World
    from svcgov.testing import ManualClock

FOUR = {"half_open_calls": 4, "window": 10}


def probing(clock: ManualClock, **settings: Any) -> Any:
    """A breaker that is half-open."""
    gate = breaker(clock, **settings)
    gate.half_open()
    return gate


def places(gate: Any) -> int:
    """How many calls get in one after the other, none of which comes back."""
    taken = 0
    with ExitStack() as inside:
        while taken < 100:
            try:
                permit = inside.enter_context(gate)
            except CircuitOpenError:
                return taken
            permit.ignore()
            taken += 1
    raise AssertionError("there is no end of them")


def test_034_as_many_probes_as_there_are_places(clock: ManualClock) -> None:
    """Four get in; each one beyond them is refused and counted."""
    gate = probing(clock, **FOUR)
    with gate, gate, gate, gate:
        for refused in (1, 2):
            with pytest.raises(CircuitOpenError) as error, gate:
                pass
            assert (error.value.reason, error.value.retry_after) == ("half_open", None)
            assert gate.snapshot()["refused"] == refused


@pytest.mark.parametrize("end", [KeyError("ignored"), asyncio.CancelledError(), KeyboardInterrupt()])
def test_035_a_place_that_is_given_back_is_one_more_probe(end: BaseException, clock: ManualClock) -> None:
    """Exactly one: whoever was ignored or cancelled has not said anything."""
    gate = probing(clock, **FOUR)
    with gate, gate, gate:
        with pytest.raises(type(end)), gate:
            assert places(gate) == 0
            raise end
        assert places(gate) == 1


def test_036_coming_back_to_half_open_gives_all_places_anew(clock: ManualClock) -> None:
    """Though two of the stay before are still out; what becomes of those does not matter any more."""
    gate = probing(clock, **FOUR)
    before = [gate.machine.admit(clock.monotonic()) for _ in range(2)]
    gate.open()
    clock.advance(WAIT)
    assert places(gate) == 4
    for permit in before:
        gate.machine.settle(permit, OSError(), 0.0)
    assert places(gate) == 4


def test_038_good_probes_close_it_with_an_empty_window(world: World) -> None:
    """One failure of four is below the rate; the next call is the first that is counted."""
    gate = probing(world.clock, **FOUR)
    assert trace(world, gate, "FSSS") == "hhhc"
    assert gate.snapshot()["calls"] == 0
    trace(world, gate, "S")
    assert gate.snapshot()["calls"] == 1


@pytest.mark.parametrize(
    ("given", "calls", "states"),
    [
        ({"min_calls": 5}, "SSSS", "hhhc"),
        ({"min_calls": 2}, "SS", "hc"),
        ({}, "SFSF", "hhho"),
        ({}, "FFFF", "hhho"),
        ({}, "XXXXXXSSSS", "h" * 9 + "c"),
    ],
)
def test_039_it_is_decided_when_enough_outcomes_are_in(given: dict[str, Any], calls: str, states: str, world: World) -> None:
    """As many as there are places, or the minimum if that is less; not before, and ignored errors are no outcomes."""
    assert trace(world, probing(world.clock, **FOUR, **given), calls) == states


def test_041_silence_changes_nothing(world: World) -> None:
    """No wait makes it open or closed; resilience4j has a timer that does. The next outcomes decide."""
    gate = probing(world.clock, **FOUR, half_open_max_wait=1)
    assert trace(world, gate, "S" + ">" * 50) == "h" * 51
    assert trace(world, gate, "SSS") == "hhc"


@pytest.mark.parametrize(("end", "state"), [("S", "closed"), ("F", "open")])
def test_042_with_one_place_there_is_one_probe(end: str, state: str, world: World) -> None:
    """Beside it everybody is refused; a good one closes it, a bad one means another full wait."""
    gate = breaker(world.clock, half_open_calls=1)
    gate.open()
    world.clock.advance(WAIT)

    def beside() -> None:
        assert places(gate) == 0
        if end == "F":
            raise OSError

    try:
        world.governed(gate, beside)()
    except OSError:
        (refusal,) = world.governed(gate).fails(CircuitOpenError)
        assert isinstance(refusal, CircuitOpenError)
        assert refusal.retry_after == WAIT
    assert gate.current_state == state


@pytest.mark.parametrize("end", [KeyError("ignored"), asyncio.CancelledError(), None], ids=["ignored", "cancelled", "lost"])
def test_043_a_probe_that_is_given_up_or_lost_gives_its_place_back(end: BaseException | None, clock: ManualClock) -> None:
    """The state stays as it is. With Polly a cancelled probe closes the circuit, and one that hangs keeps it shut for ever."""
    gate = probing(clock, half_open_calls=1, half_open_max_wait=60)
    probe = gate.machine.admit(clock.monotonic())
    assert places(gate) == 0
    if end is None:
        clock.advance(60)
    else:
        gate.machine.settle(probe, end, clock.monotonic())
    assert gate.current_state == "half-open"
    with gate:
        gate.machine.settle(probe, OSError("of a place that is somebody else's"), clock.monotonic())
        assert gate.current_state == "half-open"
    assert gate.current_state == "closed"


def test_044_a_probe_that_is_refused_further_in_gives_its_place_back(world: World) -> None:
    """It has not asked the dependency: the state stays half-open and is never stuck there. Sentinel opens it again."""
    gate, full = probing(world.clock, half_open_calls=1), bulkhead(1, clock=world.clock)
    call = world.governed(Pipeline(gate, full), "answer")
    with full:
        call.fails(BulkheadFullError, times=3)
    assert (gate.current_state, gate.snapshot()["calls"]) == ("half-open", 0)
    assert call() == "answer"
    assert gate.current_state == "closed"


@pytest.mark.parametrize(("calls", "states"), [("SSS", "hhc"), ("SF", "ho"), ("F", "o")])
def test_045_where_failures_in_a_row_count_one_is_enough(calls: str, states: str, world: World) -> None:
    """The first bad probe opens it; as many good ones as there are places close it."""
    assert trace(world, probing(world.clock, half_open_calls=3, consecutive_failures=3), calls) == states


@pytest.mark.parametrize(("calls", "states"), [("SFSS", "hhhc"), ("SFSF", "hhho"), ("FFSS", "hhho")])
def test_046_where_a_rate_counts_all_probes_decide(calls: str, states: str, world: World) -> None:
    """Not the first two that are bad: failsafe-go opens as soon as its share cannot be reached any more."""
    assert trace(world, probing(world.clock, half_open_calls=4, window=10, failure_rate=0.5), calls) == states
