"""The rate limit around functions, in both worlds: who passes, who is refused, and when to come back."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Facts, World, hasty_switches, in_threads
from svcgov import Pipeline, Rate, bulkhead, rate_limit, retry
from svcgov.errors import BulkheadFullError, ConfigError, RateLimitedError
from svcgov.facts import CallRefused
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.policies import RateLimit


@pytest.fixture(params=[False, True], ids=["lock-free", "locked"])
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both machines: the one for interpreters with a GIL, and the one for those without."""
    monkeypatch.setattr("svcgov.policies.rate_limit.LOCKED", lambda: request.param)
    return bool(request.param)


def passed(gate: RateLimit, tries: int) -> int:
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


# -- the limit ---------------------------------------------------------------------------------------------------------


def test_a_window_full_of_calls_may_come_at_once(variant: bool, world: World) -> None:
    """The burst is one window's worth; the next call is refused, and not made."""
    call = world.governed(rate_limit("5/second", clock=world.clock), "answer")
    assert [call() for _ in range(5)] == ["answer"] * 5
    call.fails(RateLimitedError)
    assert call.count == 5


def test_a_refusal_says_when_to_come_back(variant: bool, world: World) -> None:
    """Who comes back then passes; a millisecond before, nobody does."""
    call = world.governed(rate_limit("4/second", name="payments", clock=world.clock))
    for _ in range(4):
        call()
    world.clock.advance(0.1)
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert (error.policy, error.reason, error.status, error.retry_after) == ("payments", "limited", 429, 0.15)
    world.clock.advance(0.149)
    call.fails(RateLimitedError)
    world.clock.advance(0.001)
    call()


@pytest.mark.parametrize("start", [0.0, 86400.0, 1e7, 1e9])
@pytest.mark.parametrize("limit", ["3/second", "7/minute", "10/100ms", "1000/second", "1/day"])
def test_what_a_refusal_promises_holds_at_any_reading_of_the_clock(limit: str, start: float) -> None:
    """Uptimes of years make floats coarse: the promise is kept nevertheless, and is not too long by more than 1 ms."""
    clock = ManualClock()
    clock.advance(start)
    gate = rate_limit(limit, clock=clock)
    passed(gate, gate.settings.limits[0].n)
    for _ in range(20):
        wait = refused(gate).retry_after
        assert wait is not None
        if wait > 0.001:
            clock.advance(wait - 0.0011)
            assert passed(gate, 1) == 0
            clock.advance(0.0011)
        else:
            clock.advance(wait)
        assert passed(gate, 1) == 1
        passed(gate, 1)


@pytest.mark.parametrize("start", [0.0, 86400.0, 1e7])
@pytest.mark.parametrize("limit", ["1/second", "3/second", "7/minute", "10/100ms", "1000/second", "30/day"])
def test_a_burst_is_exactly_what_was_said(limit: str, start: float, variant: bool) -> None:
    """Not one less by the rounding of floats, and not one more: also after years of uptime."""
    clock = ManualClock()
    gate = rate_limit(limit, clock=clock)
    clock.advance(start)
    n = gate.settings.limits[0].n
    assert passed(gate, n + 3) == n


@pytest.mark.parametrize("limit", ["1/second", "3/second", "7/minute", "10/100ms", "1000/second"])
def test_a_lone_caller_at_the_pace_is_never_refused(limit: str, variant: bool) -> None:
    """Evenly spaced, with no burst to live on, for ten thousand calls, at a clock that has run for months."""
    clock = ManualClock()
    gate = rate_limit(limit, burst=1, clock=clock)
    (rate,) = gate.settings.limits
    refusals = 0
    for number in range(10_000):
        clock.advance(1e7 + number * rate.seconds / rate.n - clock.monotonic())
        refusals += 1 - passed(gate, 1)
    assert refusals == 0


def test_a_burst_of_one_is_evenly_spaced(variant: bool, world: World) -> None:
    """The second of two calls at once is one step too early."""
    call = world.governed(rate_limit("10/second", burst=1, clock=world.clock))
    call()
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 0.1


def test_a_larger_burst_than_the_window_holds(world: World) -> None:
    """Saved up by a pause; the pace stays."""
    gate = rate_limit("2/second", burst=6, clock=world.clock)
    assert passed(gate, 10) == 6
    world.clock.advance(1)
    assert passed(gate, 10) == 2


def test_a_pause_never_saves_up_more_than_the_burst(variant: bool) -> None:
    """Neither a day of quiet nor four seconds of a stopped process."""
    clock = ManualClock()
    gate = rate_limit("5/second", clock=clock)
    for pause in (clock.advance, clock.freeze):
        pause(86400)
        assert passed(gate, 20) == 5
        pause(4)
        assert passed(gate, 20) == 5


def test_a_long_window_is_not_left_early(world: World) -> None:
    """One call a day: a second before the day is over is too early."""
    call = world.governed(rate_limit("1/day", clock=world.clock))
    call()
    world.clock.advance(86399)
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == 1.0
    world.clock.advance(1)
    call()


def test_nothing_per_second_refuses_all(variant: bool, world: World) -> None:
    """And says that waiting does not help."""
    call = world.governed(rate_limit("0/second", clock=world.clock))
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert (error.reason, error.retry_after) == ("denied", None)
    world.clock.advance(1e6)
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert (error.remaining, error.reset) == (0, 0)


def test_a_refused_call_takes_nothing(variant: bool, world: World) -> None:
    """A hundred knocks do not put off the moment at which the next call passes."""
    gate = rate_limit("2/second", clock=world.clock)
    call = world.governed(gate)
    for _ in range(2):
        call()
    waits = {error.retry_after for error in call.fails(RateLimitedError, times=100) if isinstance(error, RateLimitedError)}
    assert waits == {0.5}
    assert gate.snapshot() == {"limit": 2, "window": 1.0, "remaining": 0, "reset": 1.0, "refused": 100}
    world.clock.advance(0.5)
    call()


def test_a_call_that_fails_was_a_call(world: World) -> None:
    """What is limited is how often it is asked, so nothing is given back."""
    call = world.governed(rate_limit("2/second", clock=world.clock), ConnectionError())
    call.fails(ConnectionError, times=2)
    call.fails(RateLimitedError)
    assert call.count == 2


def test_a_call_refused_further_in_was_let_through_here(world: World) -> None:
    """The toll is paid by who passes; where it should not be, the gates stand the other way round."""
    full = bulkhead(1, clock=world.clock)
    gate = rate_limit("1/second", clock=world.clock)
    call = world.governed(Pipeline(gate, full))
    with full:
        call.fails(BulkheadFullError)
    call.fails(RateLimitedError)
    assert call.count == 0


def test_a_retry_ends_with_its_refusal(world: World) -> None:
    """Who was refused need not knock again."""
    gate = rate_limit("0/second", clock=world.clock)
    world.governed(Pipeline(retry(on=Exception, budget=None, clock=world.clock), gate)).fails(RateLimitedError)
    assert gate.snapshot()["refused"] == 1


def test_a_block_pays_too(world: World) -> None:
    """``with`` and ``async with``."""
    call = world.block(rate_limit("1/second", clock=world.clock), "answer")
    assert call() == "answer"
    call.fails(RateLimitedError)


def test_the_snapshot_says_how_many_may_come_now(world: World) -> None:
    """It asks nothing of the limit, and knows no fraction of a call."""
    gate = rate_limit("4/second", clock=world.clock)
    remaining = []
    for pause in (0, 0, 0, 0, 0.25, 0.2, 0.05, 10):
        world.clock.advance(pause)
        remaining.append(gate.snapshot()["remaining"])
        if pause == 0:
            passed(gate, 1)
    assert remaining == [4, 3, 2, 1, 1, 1, 2, 4]
    assert rate_limit("0/second", clock=world.clock).snapshot()["remaining"] == 0


# -- time --------------------------------------------------------------------------------------------------------------


def test_a_wall_clock_that_steps_changes_nothing(world: World) -> None:
    """Two hours in either direction give no call away."""
    call = world.governed(rate_limit("1/hour", clock=world.clock))
    call()
    for step in (7200, -14400):
        world.clock.step_wall(step)
        call.fails(RateLimitedError)
    assert call.count == 1


def test_a_call_about_to_be_refused_reads_the_clock_again(variant: bool) -> None:
    """A thread that was held up after its reading is judged by the present."""
    clock = ManualClock()
    gate = rate_limit("1/second", clock=clock)
    gate.machine.admit(clock.monotonic())
    stale = clock.monotonic()
    clock.advance(1)
    gate.machine.admit(stale)
    with pytest.raises(RateLimitedError) as error:
        gate.machine.admit(stale)
    assert error.value.retry_after == 1.0


def test_a_reading_from_before_its_birth_gives_nothing_away(variant: bool) -> None:
    """An older reading than any it has seen is no time travel."""
    clock = ManualClock()
    clock.advance(100)
    gate = rate_limit("2/second", clock=clock)
    for _ in range(2):
        gate.machine.admit(0.0)
    with pytest.raises(RateLimitedError):
        gate.machine.admit(0.0)


# -- other settings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "remaining"),
    [
        ({"limit": "20/second"}, 10),
        ({"limit": "4/second"}, 2),
        ({"limit": "10/minute"}, 5),
        ({"burst": 100}, 50),
        ({"burst": 2}, 1),
        ({"limit": Rate(10, 1)}, 5),
    ],
)
def test_another_limit_keeps_the_share_that_is_spent(changes: dict[str, Any], remaining: int, variant: bool) -> None:
    """Half of the old one is gone, so half of the new one is left."""
    clock = ManualClock()
    clock.advance(1e6)
    gate = rate_limit("10/second", clock=clock)
    passed(gate, 5)
    gate.reconfigure(changes)
    assert gate.snapshot()["remaining"] == remaining
    assert passed(gate, 200) == remaining


def test_another_limit_is_no_gift_to_who_has_spent_all(variant: bool) -> None:
    """After the change nobody passes until the new pace lets somebody in."""
    clock = ManualClock()
    gate = rate_limit("10/second", clock=clock)
    passed(gate, 10)
    gate.reconfigure({"limit": "2/second"})
    assert passed(gate, 5) == 0
    clock.advance(0.5)
    assert passed(gate, 5) == 1


def test_a_pause_of_the_limit_gives_no_fresh_burst(variant: bool) -> None:
    """Set to nothing and back, what was spent is still spent."""
    clock = ManualClock()
    gate = rate_limit("10/minute", clock=clock)
    passed(gate, 10)
    gate.reconfigure({"limit": "0/minute"})
    assert passed(gate, 3) == 0
    gate.reconfigure({"limit": "10/minute"})
    assert passed(gate, 3) == 0
    clock.advance(6)
    assert passed(gate, 3) == 1


def test_the_same_limit_anew_changes_nothing() -> None:
    """Said with other words too."""
    clock = ManualClock()
    gate = rate_limit("2/second", clock=clock)
    machine: Any = gate.machine
    passed(gate, 1)
    clock.advance(0.1)
    for same in ({}, {"limit": "2 per second"}, {"limit": Rate(2, "1s")}):
        gate.reconfigure(same)
        assert (machine.spent, machine.at) == (0.5, 0.0)


def test_a_wrong_limit_changes_nothing() -> None:
    """All or none: what was in force stays."""
    gate = rate_limit("2/second", clock=ManualClock())
    with pytest.raises(ConfigError):
        gate.reconfigure({"burst": 5, "limit": "fast"})
    assert passed(gate, 10) == 2


def test_one_name_shares_the_limit(world: World) -> None:
    """Asked for twice, it is one; without a name each has its own."""
    one, other = (rate_limit("1/second", name="payments", clock=world.clock) for _ in range(2))
    assert passed(one, 1) == 1
    world.governed(other).fails(RateLimitedError)
    world.governed(rate_limit("1/second", clock=world.clock))()


# -- what is told ------------------------------------------------------------------------------------------------------


def test_a_refusal_is_told(facts: Facts, world: World) -> None:
    """Who, when, why and how long; a call that passed is not worth a word."""
    gate = rate_limit("1/second", name="payments", clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate)
    call()
    world.clock.advance(0.25)
    call.fails(RateLimitedError)
    assert facts == [CallRefused(policy="payments", at=0.25, kind="rate_limit", reason="limited", retry_after=0.75)]


def test_a_listener_that_raises_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal is the same, and it is said once on standard error."""
    gate = rate_limit("0/second", clock=world.clock)

    def burst(fact: object) -> None:
        raise ValueError("burst")

    gate.listen(burst)
    world.governed(gate).fails(RateLimitedError, times=2)
    assert capsys.readouterr().err.count("burst") == 1


# -- many at once ------------------------------------------------------------------------------------------------------


def test_a_storm_of_threads_gets_exactly_the_limit(variant: bool) -> None:
    """Those with a fresh reading of the clock take the short way, those with an old one are looked at twice: one limit."""
    clock = ManualClock()
    gate = rate_limit("20000/minute", clock=clock)
    machine = gate.machine
    clock.advance(60)
    fresh = clock.monotonic()
    for _ in range(10_000):
        machine.admit(fresh)
    admitted = [0] * 8
    ready = threading.Barrier(8)

    def storm(number: int) -> None:
        reading = fresh if number % 2 else fresh - 40
        ready.wait(timeout=10)
        for _ in range(2500):
            try:
                machine.admit(reading)
            except RateLimitedError:
                continue
            admitted[number] += 1

    with hasty_switches():
        assert in_threads(8, storm) == []
    assert sum(admitted) == 10_000
    assert gate.snapshot()["remaining"] == 0
