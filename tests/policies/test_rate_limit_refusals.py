"""What a rate limit says of itself, whichever machine decides: when to come back, how it stands, and to whom it tells it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import rate_limit
from svcgov._core._call import Wait
from svcgov.errors import RateLimitedError
from svcgov.facts import CallRefused
from svcgov.policies._tolls import Tolls
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.policies import RateLimit

KINDS: dict[str, Any] = {
    "gcra": {},
    "several": {"limit": ["1/second", "9/second"]},
    "fixed-window": {"algorithm": "fixed-window"},
    "moving-window": {"algorithm": "moving-window"},
    "sliding-window": {"algorithm": "sliding-window"},
    "warming": {"warm_up": 4},
    "keys": {"key": "arg:who"},
    "keys with several": {"key": "arg:who", "limit": ["1/second", "9/second"]},
}


def made(kind: str, clock: ManualClock) -> RateLimit:
    """One call a second, by one of the machines."""
    return rate_limit(**{"limit": "1/second", "clock": clock, **KINDS[kind]})


def refused(gate: RateLimit) -> RateLimitedError:
    """How it refuses a call at this moment."""
    with pytest.raises(RateLimitedError) as error, gate:
        pass
    return error.value


def due(gate: RateLimit) -> float:
    """The seconds until the next call may begin, before they are rounded."""
    if isinstance(gate.machine, Tolls):
        return max(meter.early(gate.clock.monotonic(), 1) for meter in gate.machine.meters)
    return gate.snapshot()["reset"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_promise_is_kept_however_near_it_is_to_a_millisecond(kind: str) -> None:
    """It is rounded up to one, and there is some grace for floats: together they must not let anybody come too early."""
    for above in range(-25, 50):
        clock = ManualClock()
        gate = made(kind, clock)
        with gate:
            pass
        clock.advance(due(gate) - 0.1 - above * 1e-6)
        wait = refused(gate).retry_after
        assert wait is not None
        clock.advance(wait)
        with gate:
            pass


@pytest.mark.parametrize("kind", KINDS)
def test_a_refusal_is_told_with_its_moment(kind: str, facts: Facts) -> None:
    """As the clock had it when it was decided."""
    clock = ManualClock()
    gate = made(kind, clock)
    gate.listen(facts, CallRefused)
    clock.advance(7)
    with gate:
        pass
    error = refused(gate)
    assert [(fact.at, fact.reason, fact.retry_after) for fact in facts.of(CallRefused)] == [(7.0, "limited", error.retry_after)]


@pytest.mark.parametrize(
    ("limit", "first", "cost", "expected"),
    [
        (["5/2 seconds", "99/minute"], 3, 3, (5, 2.0, 2)),
        (["1/2 seconds", "99/minute"], 0, 2, (1, 2.0, 1)),
        ("5/2 seconds", 3, 3, (5, 2.0, 2)),
        ("1/2 seconds", 0, 2, (1, 2.0, 1)),
    ],
)
def test_what_is_left_for_a_smaller_call_is_said(limit: Any, first: int, cost: int, expected: Any) -> None:
    """As many calls as the window is long for have no part in it."""
    gate = rate_limit(limit, cost=first, clock=ManualClock())
    with gate:
        pass
    gate.reconfigure({"cost": cost})
    error = refused(gate)
    assert (error.limit, error.window, error.remaining) == expected


def test_a_wait_that_cannot_be_is_a_refusal_like_any_other(facts: Facts) -> None:
    """Where a frame cannot wait: it says for how long it would have been, how the limit stands, and tells it."""
    clock = ManualClock()
    gate = rate_limit("2/second", max_wait=5, clock=clock)
    gate.listen(facts, CallRefused)
    clock.advance(10)
    answers = [gate.machine.admit(clock.monotonic()) for _ in range(3)]
    waiter = answers[2]
    assert isinstance(waiter, Wait)
    waiter.abandon()
    clock.advance(0.125)
    error = waiter.refused("would_block_loop")
    assert isinstance(error, RateLimitedError)
    assert (error.reason, error.retry_after) == ("would_block_loop", 0.375)
    assert (error.limit, error.remaining, error.reset) == (2, 0, 0.875)
    assert [(fact.at, fact.reason) for fact in facts.of(CallRefused)] == [(10.125, "would_block_loop")]


@pytest.mark.parametrize("tells", [True, False])
def test_who_need_not_wait_pays_and_passes(tells: bool) -> None:
    """Where each decision is told, as where the clock has to be read again: he is not made to wait for no time."""
    clock = ManualClock()
    gate = rate_limit("2/second", max_wait=5, clock=clock)
    if tells:
        gate.tell_decisions()
    else:
        assert [gate.machine.admit(0.0) for _ in range(2)] == [None, None]
        clock.advance(1)
    *passed, waiter = [gate.machine.admit(0.0) for _ in range(3)]
    assert passed == [None, None]
    assert isinstance(waiter, Wait)
    assert waiter.until == clock.monotonic() + 0.5


def test_decisions_of_a_window_are_told_too(world: World) -> None:
    """What it has counted before somebody asked for that goes on to count."""
    gate = rate_limit("4/second", algorithm="fixed-window", clock=world.clock)
    call = world.governed(gate, lambda *_: gate.decided())
    assert call() is None
    gate.tell_decisions()
    assert call() == {"limit": 4, "window": 1.0, "remaining": 2, "reset": 1.0}


@pytest.mark.parametrize("kind", ["several", "fixed-window", "moving-window"])
def test_a_machine_is_unused_until_a_call_and_again_when_it_counts_no_more(kind: str) -> None:
    """So that its key can be forgotten; a call whose reading of the clock was newer than the one now has come all the same."""
    clock = ManualClock()
    machine = made(kind, clock).machine
    assert isinstance(machine, Tolls)
    assert machine.unused()
    machine.admit(0.5)
    assert not machine.unused()
    clock.advance(0.9)
    assert not machine.unused()
    clock.advance(0.7)
    assert machine.unused()


def test_a_gap_whose_time_has_just_come_is_not_drawn_in() -> None:
    """The slot after it is given up in that very moment: what is before it is spent."""
    clock = ManualClock()
    gate = rate_limit("1/second", burst=1, max_wait=9, clock=clock)
    _, first, second = [gate.machine.admit(0.0) for _ in range(3)]
    assert isinstance(first, Wait)
    assert isinstance(second, Wait)
    first.abandon()
    clock.advance(1)
    second.abandon()
    third = gate.machine.admit(1.0)
    assert isinstance(third, Wait)
    assert third.until == 2.0


def test_the_last_slot_of_an_old_limit_is_a_gap_when_it_is_given_up() -> None:
    """How its limit stood before it is not known any more, so it cannot be as if it had never been given."""
    clock = ManualClock()
    gate = rate_limit("1/second", burst=1, max_wait=9, clock=clock)
    _, waiter = [gate.machine.admit(0.0) for _ in range(2)]
    gate.reconfigure({"limit": "2/second", "burst": 1, "max_wait": 9})
    assert isinstance(waiter, Wait)
    waiter.abandon()
    later = [gate.machine.admit(0.0) for _ in range(2)]
    assert [one.until for one in later if isinstance(one, Wait)] == [1.0, 1.5]
