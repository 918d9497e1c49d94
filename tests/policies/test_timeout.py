"""The time-out around functions, in both worlds: the deadline, what is late, and what is told."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

import _worlds
from _worlds import AsyncWorld, Facts, Takes, World
from svcgov import Pipeline, bulkhead, rate_limit, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import (
    CallTimeoutError,
    ConfigError,
    ConfigWarning,
    DeadlineExceededError,
    RateLimitedError,
    RejectedError,
    TimeoutWarning,
)
from svcgov.facts import TimedOut, TimeoutNotEnforced

# -- the deadline ------------------------------------------------------------------------------------------------------


def test_the_call_sees_its_deadline(world: World) -> None:
    """A reading of the clock, so many seconds from the beginning of the call; outside there is none."""
    world.clock.advance(10)
    call = world.governed(timeout(2, clock=world.clock), "answer")
    assert call() == "answer"
    assert call.seen[0].deadline == 12.0
    assert DEADLINE.get() is None


@pytest.mark.parametrize("seconds", ["500ms", 0.5, timedelta(seconds=0.5), "PT0.5S"], ids=repr)
def test_seconds_can_be_said_in_many_ways(seconds: Any, world: World) -> None:
    """All mean the same."""
    call = world.governed(timeout(seconds, clock=world.clock))
    call()
    assert call.seen[0].deadline == 0.5


@pytest.mark.parametrize("seconds", [None, math.inf])
def test_no_limit_is_no_deadline(seconds: float | None, world: World) -> None:
    """However long it takes."""
    call = world.governed(timeout(seconds, clock=world.clock), Takes(1e6, "answer"))
    assert call() == "answer"
    assert call.seen[0].deadline is None


@pytest.mark.parametrize("end", [ValueError(), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_the_deadline_is_gone_however_the_call_ends(end: BaseException, world: World) -> None:
    """What was set is taken back, and the error is the call's own."""
    call = world.governed(timeout(2, clock=world.clock), end)
    assert call.fails(type(end)) == [end]
    assert DEADLINE.get() is None


@pytest.mark.parametrize(("outer", "inner"), [(2, 5), (5, 2)])
def test_the_tightest_deadline_wins(outer: int, inner: int, world: World) -> None:
    """In whatever order they are nested."""
    call = world.governed(Pipeline(timeout(outer, clock=world.clock), timeout(inner, clock=world.clock)))
    call()
    assert call.seen[0].deadline == 2.0


def test_a_deadline_around_it_is_restored_exactly(world: World) -> None:
    """Inside it is the tighter one of all, outside the one that stood before."""
    call = world.governed(timeout(3, clock=world.clock))
    for around, inside in ((2.0, 2.0), (5.0, 3.0)):
        token = DEADLINE.set(around)
        call()
        assert DEADLINE.get() == around
        DEADLINE.reset(token)
        assert call.seen[-1].deadline == inside


def test_blocks_nest_like_calls(world: World) -> None:
    """The inner block ends, and the outer deadline stands again."""
    outer, inner = timeout(5, clock=world.clock), timeout(2, clock=world.clock)
    with outer:
        with inner:
            assert DEADLINE.get() == 2.0
        assert DEADLINE.get() == 5.0
        with timeout(9, clock=world.clock):
            assert DEADLINE.get() == 5.0
    assert DEADLINE.get() is None


def test_a_block_sets_the_deadline(world: World) -> None:
    """``with`` and ``async with``."""
    call = world.block(timeout(2, clock=world.clock), "answer")
    assert call() == "answer"
    assert call.seen[0].deadline == 2.0
    assert DEADLINE.get() is None


def test_outside_a_retry_it_is_the_total_and_inside_it_is_per_attempt(world: World) -> None:
    """The total deadline stays where it is; each attempt has a new one of its own."""
    again = retry(on=ConnectionError, attempts=3, backoff=1.0, budget=None, clock=world.clock)
    total, attempt = timeout(10, clock=world.clock), timeout(2, clock=world.clock)
    call = world.governed(Pipeline(total, again), ConnectionError(), ConnectionError(), "answer")
    call()
    assert [seen.deadline for seen in call.seen] == [10.0, 10.0, 10.0]
    call = world.governed(Pipeline(again, attempt), ConnectionError(), ConnectionError(), "answer")
    call()
    assert [seen.deadline for seen in call.seen] == [4.0, 5.0, 6.0]


# -- no time left ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", [0.0, -1.0])
def test_with_no_time_left_the_call_does_not_begin(left: float, world: World) -> None:
    """That is a refusal: it teaches nothing, and is no time-out of a call."""
    world.clock.advance(5)
    call = world.governed(timeout(2, name="payments", clock=world.clock))
    token = DEADLINE.set(world.clock.monotonic() + left)
    (error,) = call.fails()
    DEADLINE.reset(token)
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error, RejectedError)
    assert isinstance(error, TimeoutError)
    assert not isinstance(error, CallTimeoutError)
    assert (error.reason, error.status) == ("expired", 504)
    assert call.count == 0


def test_with_no_time_left_an_attempt_does_not_begin(world: World) -> None:
    """The time-out inside a gate looks for itself: the gate's permit comes back."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(Pipeline(gate, timeout(None, clock=world.clock)))
    token = DEADLINE.set(0.0)
    call.fails(DeadlineExceededError)
    DEADLINE.reset(token)
    call()
    assert gate.snapshot()["in_use"] == 0


def test_a_block_does_not_begin_with_no_time_left(world: World) -> None:
    """It is refused, and names the time-out."""
    call = world.block(timeout(2, name="payments", clock=world.clock))
    token = DEADLINE.set(0.0)
    (error,) = call.fails(DeadlineExceededError)
    DEADLINE.reset(token)
    assert isinstance(error, DeadlineExceededError)
    assert error.policy == "payments"


# -- late --------------------------------------------------------------------------------------------------------------


def test_a_plain_function_that_is_late_keeps_its_result(facts: Facts) -> None:
    """What it did has been done; the first time, a warning and a fact say how to be rid of it."""
    world = World()
    gate = timeout(2, name="payments", clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate, Takes(5, "late answer"))
    with pytest.warns(TimeoutWarning) as said:
        assert call() == "late answer"
    (warning,) = said
    assert warning.filename == _worlds.__file__  # where it was called
    assert str(warning.message) == (
        "payments: a call took 5 s of the 2 s it was given and could not be interrupted; its result was kept. "
        'For a plain function that may hang, enforce="thread" leaves it behind.'
    )
    assert call() == "late answer"  # and no second warning, which would be an error here
    assert facts == [
        TimedOut(policy="payments", at=5.0, seconds=2.0, late=True),
        TimeoutNotEnforced(policy="payments", at=5.0, seconds=2.0, took=5.0),
        TimedOut(policy="payments", at=10.0, seconds=2.0, late=True),
    ]
    assert gate.snapshot() == {"timed_out": 0, "late": 2}


def test_a_late_block_is_late_like_a_call(facts: Facts) -> None:
    """It cannot be cut short either."""
    world = World()
    gate = timeout(2, clock=world.clock)
    gate.listen(facts, TimedOut)
    with pytest.warns(TimeoutWarning):
        assert world.block(gate, Takes(5, "late answer"))() == "late answer"
    assert [fact.late for fact in facts.of(TimedOut)] == [True]


def test_an_attempt_that_is_late_is_late_too() -> None:
    """Where the time-out stands inside a retry."""
    world = World()
    gate = timeout(2, clock=world.clock)
    call = world.governed(Pipeline(retry(on=ConnectionError, budget=None, clock=world.clock), gate), Takes(5, "late answer"))
    with pytest.warns(TimeoutWarning):
        assert call() == "late answer"
    assert call.count == 1
    assert gate.snapshot()["late"] == 1


def test_a_result_on_the_very_second_is_in_time() -> None:
    """Late is later than the limit, not at it."""
    world = World()
    gate = timeout(2, clock=world.clock)
    assert world.governed(gate, Takes(2, "answer"))() == "answer"
    assert gate.snapshot()["late"] == 0


def test_a_late_error_of_a_plain_function_is_its_own() -> None:
    """It is not replaced by a time-out."""
    world = World()
    error = ValueError("its own")
    assert world.governed(timeout(2, clock=world.clock), Takes(5, error)).fails() == [error]


def test_with_nobody_listening_it_is_counted_all_the_same() -> None:
    """Silence costs nothing, but nothing is lost."""
    world = World()
    gate = timeout(2, clock=world.clock)
    with pytest.warns(TimeoutWarning):
        world.governed(gate, Takes(5))()
    assert gate.snapshot() == {"timed_out": 0, "late": 1}


def test_a_freeze_makes_a_call_late_and_no_other() -> None:
    """The process stood still for four seconds: the call under way was late, the next one is in time."""
    world = World()
    gate = timeout(2, clock=world.clock)
    call = world.governed(gate, lambda: world.clock.freeze(4), "answer")
    with pytest.warns(TimeoutWarning):
        call()
    assert call() == "answer"
    assert call.seen[1].deadline == 6.0
    assert gate.snapshot()["late"] == 1


# -- other settings ----------------------------------------------------------------------------------------------------


def test_other_seconds_are_in_force_at_the_next_call(world: World) -> None:
    """Those who are inside keep what they were given."""
    gate = timeout(2, clock=world.clock)
    call = world.governed(gate)
    for seconds, deadline in ((2, 2.0), ("5s", 5.0), (None, None), (1, 1.0)):
        gate.reconfigure({"seconds": seconds})
        call()
        assert call.seen[-1].deadline == deadline


def test_how_it_is_enforced_stays_as_it_was_made() -> None:
    """The frames are made for it."""
    gate = timeout(2)
    with pytest.raises(ConfigError) as wrong:
        gate.reconfigure({"enforce": "thread"})
    assert (wrong.value.path, wrong.value.value) == ("timeout.enforce", "thread")
    assert gate.settings.enforce == "deadline"


def test_one_name_is_one_time_out(world: World) -> None:
    """Late in one function, it is counted in both."""
    one, other = (timeout(2, name="payments", clock=world.clock) for _ in range(2))
    assert one is other


def test_switched_off_it_sets_no_deadline(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """By the environment, with one warning."""
    monkeypatch.setenv("SVCGOV_DISABLED", "timeout")
    with pytest.warns(ConfigWarning, match="timeout pass every call through"):
        call = world.governed(timeout(2, clock=world.clock), Takes(5, "answer"))
    assert call() == "answer"
    assert call.seen[0].deadline is None


def test_a_gate_inside_that_refuses_is_heard(world: World) -> None:
    """A time-out is no reason to hide it."""
    denied = rate_limit("0/second", clock=world.clock)
    world.governed(Pipeline(timeout(2, clock=world.clock), denied)).fails(RateLimitedError)
    assert DEADLINE.get() is None


# -- coroutines are cancelled ------------------------------------------------------------------------------------------


@pytest.fixture
def awaited() -> Any:
    """Coroutine functions, on a clock by hand."""
    world = AsyncWorld()
    yield world
    world.close()


def test_a_coroutine_is_cancelled_at_its_deadline(awaited: AsyncWorld, facts: Facts) -> None:
    """At that very moment; what it was about to answer is not waited for."""
    gate = timeout(2, name="payments", clock=awaited.clock)
    gate.listen(facts)
    (error,) = awaited.governed(gate, Takes(5, "never")).fails(CallTimeoutError)
    assert isinstance(error, CallTimeoutError)
    assert (error.policy, error.reason, error.seconds, error.status) == ("payments", "total", 2.0, 504)
    assert not isinstance(error, RejectedError)
    assert facts == [TimedOut(policy="payments", at=2.0, seconds=2.0, late=False)]
    assert gate.snapshot() == {"timed_out": 1, "late": 0}


def test_an_attempt_that_timed_out_is_made_again(awaited: AsyncWorld) -> None:
    """A time-out of a call that began is a failure like any other, and says that it was an attempt's."""
    again = retry(on="timeout", attempts=2, backoff=1.0, budget=None, clock=awaited.clock)
    call = awaited.governed(Pipeline(again, timeout(2, clock=awaited.clock)), Takes(5, "never"))
    (error,) = call.fails(CallTimeoutError)
    assert isinstance(error, CallTimeoutError)
    assert error.reason == "attempt"
    assert [seen.at for seen in call.seen] == [0.0, 3.0]


def test_a_total_time_out_cuts_the_sleep_between_attempts(awaited: AsyncWorld) -> None:
    """The retry sees that the next attempt would not fit, and raises what it has at once."""
    again = retry(on=ConnectionError, attempts=5, backoff=1.5, budget=None, clock=awaited.clock)
    call = awaited.governed(Pipeline(timeout(2, clock=awaited.clock), again), ConnectionError())
    call.fails(ConnectionError)
    assert [seen.at for seen in call.seen] == [0.0, 1.5]
    assert awaited.clock.monotonic() == 1.5


def test_an_async_block_is_cancelled_too(awaited: AsyncWorld, facts: Facts) -> None:
    """``async with timeout(...)``."""
    gate = timeout(2, clock=awaited.clock)
    gate.listen(facts)
    (error,) = awaited.block(gate, Takes(5, "never")).fails(CallTimeoutError)
    assert isinstance(error, CallTimeoutError)
    assert error.reason == "total"
    assert [(fact.at, fact.late) for fact in facts.of(TimedOut)] == [(2.0, False)]


def test_a_tighter_deadline_of_the_context_cancels(awaited: AsyncWorld) -> None:
    """The one that a platform set, for instance."""
    call = awaited.governed(timeout(5, clock=awaited.clock), Takes(9, "never"))
    token = DEADLINE.set(1.0)
    call.fails(CallTimeoutError)
    DEADLINE.reset(token)
    assert awaited.clock.monotonic() == 1.0
