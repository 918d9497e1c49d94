"""An open circuit: whom it refuses, for how long, and what it makes of those who come back late."""

from __future__ import annotations

from math import nextafter
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Backoff
from svcgov.errors import CircuitOpenError
from svcgov.facts import CircuitChanged

from .traces import WAIT, breaker, trace

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock

HOURS = 7200.0


def test_025_a_refused_call_is_counted_and_not_made(world: World) -> None:
    """The function is not reached, and the refusal says when to come back."""
    gate = breaker(world.clock)
    gate.open()
    call = world.governed(gate)
    (refusal,) = call.fails(CircuitOpenError)
    assert isinstance(refusal, CircuitOpenError)
    assert (refusal.reason, refusal.status, refusal.retry_after) == ("open", 503, WAIT)
    assert (call.count, gate.snapshot()["refused"], gate.snapshot()["calls"]) == (0, 1, 0)


def test_026_the_first_call_after_the_wait_is_a_probe(world: World) -> None:
    """Nothing is counted yet when it is let in; two that came too early were refused."""
    gate = breaker(world.clock, min_calls=2)
    assert trace(world, gate, "FF") == "co"
    world.clock.advance(3)
    assert trace(world, gate, "SS") == "OO"
    assert gate.snapshot()["refused"] == 2
    world.clock.advance(3)
    seen: list[dict[str, Any]] = []
    world.governed(gate, lambda: seen.append(gate.snapshot()))()
    assert (seen[0]["state"], seen[0]["calls"], seen[0]["failed"]) == ("half-open", 0, 0)
    assert gate.snapshot()["calls"] == 1


def test_027_the_wait_is_over_at_its_very_end(world: World) -> None:
    """And not a bit earlier; resilience4j wants more than the wait."""
    gate = breaker(world.clock)
    gate.open()
    call = world.governed(gate, "answer")
    world.clock.advance(nextafter(WAIT, 0.0))
    call.fails(CircuitOpenError)
    world.clock.advance(WAIT - world.clock.monotonic())
    assert world.clock.monotonic() == WAIT
    assert call() == "answer"


def test_028_it_reads_open_until_a_call_comes(clock: ManualClock) -> None:
    """However long ago the wait was over: no timer turns it. Whoever asks whether a call would get in is told at once."""
    gate = breaker(clock)
    gate.open()
    for passes, admits in ((WAIT - 1, False), (1.0, True), (HOURS, True)):
        clock.advance(passes)
        assert (gate.current_state, gate.would_admit()) == ("open", admits)
    with gate:
        assert gate.current_state == "half-open"


@pytest.mark.parametrize("given", [{"for_": "2h"}, {"until": 100 + HOURS}], ids=["for so long", "until a moment"])
def test_029_a_hand_says_how_long_it_is_open(given: dict[str, Any], clock: ManualClock) -> None:
    """Whatever the settings say, and however far beyond their longest it is."""
    clock.advance(100)
    gate = breaker(clock, max_open_for=60)
    gate.open(**given)
    clock.advance(HOURS - 1)
    assert not gate.would_admit()
    clock.advance(1)
    assert gate.would_admit()


def test_031_the_wait_grows_with_the_openings_in_a_row(world: World) -> None:
    """Five seconds, ten, twenty; five again once it was closed. Openings by hand are none of them."""
    gate = breaker(world.clock, consecutive_failures=1, half_open_calls=1, open_for=Backoff(5, 2, 60, "none"))
    gate.open()
    waits: list[float | None] = []
    for calls in ("", "F", "F", "F", "S", "F"):
        trace(world, gate, calls)
        if calls != "S":
            (refusal,) = world.governed(gate).fails(CircuitOpenError)
            assert isinstance(refusal, CircuitOpenError)
            waits.append(refusal.retry_after)
            world.clock.advance(refusal.retry_after or 0.0)
    assert waits == [5, 5, 10, 20, 5]


@pytest.mark.parametrize("error", [None, OSError("late")])
def test_033_a_late_outcome_changes_nothing(error: OSError | None, clock: ManualClock, facts: Facts) -> None:
    """A call began while it was closed and ends while it is open: no second opening, no longer wait, no other counts."""
    gate = breaker(clock, consecutive_failures=1)
    gate.listen(facts, CircuitChanged)
    late = gate.machine.admit(clock.monotonic())
    with pytest.raises(OSError), gate:
        raise OSError
    opened = gate.snapshot()
    clock.advance(3)
    gate.machine.settle(late, error, 0.0)
    assert gate.snapshot() == opened
    assert len(facts) == 1
    with pytest.raises(CircuitOpenError) as refused, gate:
        pass
    assert refused.value.retry_after == WAIT - 3
