"""Retry: attempts, what is waited between them, and what is raised at the end."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from email.utils import formatdate
from typing import Any

import pytest

from _worlds import Answer, Facts, Takes, World, garbage_of
from svcgov import Backoff, Pipeline, budget, bulkhead, circuit_breaker, retry, timeout
from svcgov._core._context import ATTEMPT, REPEATABLE
from svcgov.errors import CallTimeoutError, CircuitOpenError, ConfigError, RateLimitedError
from svcgov.facts import BudgetEmptied, PredicateFailed, RetryEnded, RetryScheduled


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, a second apart, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": world.clock, **settings})


def notes_of(error: BaseException) -> str:
    """All notes of an error, as one text."""
    return "\n".join(getattr(error, "__notes__", ()))


# -- attempts ----------------------------------------------------------------------------------------------------------


def test_a_good_call_is_made_once(world: World) -> None:
    """And nothing is waited for."""
    call = world.governed(again(world), "answer")
    assert call() == "answer"
    assert call.count == 1
    assert world.clock.monotonic() == 0


def test_a_failed_call_is_made_again(world: World) -> None:
    """Until one is good."""
    call = world.governed(again(world), ConnectionError(), ConnectionError(), "answer")
    assert call() == "answer"
    assert call.count == 3
    assert call.waits == [1.0, 1.0]


def test_the_first_attempt_is_counted(world: World) -> None:
    """``attempts=3`` is three calls of the function, two waits, and none after the last."""
    call = world.governed(again(world, attempts=3), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3
    assert world.clock.monotonic() == 2.0


def test_one_attempt_is_no_retry(world: World) -> None:
    """Nothing is waited, and no note is written."""
    call = world.governed(again(world, attempts=1), ConnectionError())
    (error,) = call.fails(ConnectionError)
    assert call.count == 1
    assert notes_of(error) == ""


def test_the_last_real_error_is_raised_with_a_note(world: World) -> None:
    """The very same object; the note says how often it was tried."""
    last = ConnectionError("last")
    call = world.governed(again(world), ConnectionError("first"), ConnectionError("second"), last)
    (error,) = call.fails(ConnectionError)
    assert error is last
    assert "3 attempts" in notes_of(error)


def test_another_error_ends_it(world: World) -> None:
    """What is not meant is raised at once, as it is."""
    call = world.governed(again(world), ConnectionError(), KeyError("a"))
    call.fails(KeyError)
    assert call.count == 2


def test_arguments_go_to_every_attempt(world: World) -> None:
    """The same ones each time."""
    got: list[Any] = []

    def take(*args: Any, **kwargs: Any) -> None:
        got.append((args, kwargs))
        raise ConnectionError

    world.governed(again(world), take).function
    call = world.governed(again(world), take)
    with pytest.raises(ConnectionError):
        call(1, two=2)
    assert got == [((1,), {"two": 2})] * 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_stops_a_program_is_not_retried(error: type[BaseException], world: World) -> None:
    """Not even when everything is meant."""
    call = world.governed(again(world, on=lambda error: True), error())
    with pytest.raises(error):
        call()
    assert call.count == 1


def test_a_cancellation_is_not_retried() -> None:
    """Nor does it wait for the next attempt: a sleep is cut short."""
    count = 0

    @retry(on=Exception, backoff=60, budget=None)
    async def fail() -> None:
        nonlocal count
        count += 1
        raise ConnectionError

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert count == 1


# -- what to retry on --------------------------------------------------------------------------------------------------


def test_on_must_be_said(world: World) -> None:
    """No default would be safe around a plain function: a ConfigError when it is built into a pipeline."""
    with pytest.raises(ConfigError, match=r"retry\.on"):
        retry(attempts=3)(print)


def test_a_positional_error_is_answered_with_a_hint() -> None:
    """Everybody writes ``retry(ConnectionError)`` once."""
    with pytest.raises(TypeError, match=r"did you mean on=ConnectionError\?"):
        retry(ConnectionError)


def test_ignore_wins(world: World) -> None:
    """An error that both mean is not retried."""
    call = world.governed(again(world, on=OSError, ignore=ConnectionResetError), ConnectionResetError())
    call.fails(ConnectionResetError)
    assert call.count == 1


def test_several_types(world: World) -> None:
    """Any of them."""
    call = world.governed(again(world, on=(KeyError, ConnectionError)), KeyError(), ConnectionError(), "answer")
    assert call() == "answer"


def test_a_predicate_decides(world: World) -> None:
    """True for another attempt, False for none."""
    on = again(world, on=lambda error: error.args == ("again",))
    call = world.governed(on, ValueError("again"), ValueError("enough"))
    call.fails(ValueError)
    assert call.count == 2


@pytest.mark.parametrize(("wait", "seconds"), [(2.5, 2.5), (timedelta(seconds=4), 4.0), (0, 0.0)])
def test_a_predicate_may_say_how_long_to_wait(wait: object, seconds: float, world: World) -> None:
    """Seconds or a timedelta, waited exactly."""
    call = world.governed(again(world, on=lambda error: wait), ValueError(), "answer")
    call()
    assert call.waits == [seconds]


@pytest.mark.parametrize("no", [None, False, -1.0, "", ()])
def test_a_predicate_that_says_no_ends_it(no: object, world: World) -> None:
    """None, a negative number, and whatever is false and no number."""
    call = world.governed(again(world, on=lambda error: no), ValueError(), "answer")
    call.fails(ValueError)
    assert call.count == 1


def test_a_raising_predicate_changes_nothing(world: World, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """The user's error is raised; the predicate is reported once."""

    def broken(error: Exception) -> bool:
        raise RuntimeError("broken predicate")

    policy = again(world, on=broken)
    policy.listen(facts, PredicateFailed)
    call = world.governed(policy, ValueError("its own"))
    call.fails(ValueError, times=3)
    assert call.count == 3
    assert len(facts) == 1
    assert capsys.readouterr().err.count("broken predicate") == 1


def test_words_mean_errors_and_answers(world: World) -> None:
    """``transient`` is connection errors, time-outs, and the statuses that invite another try."""
    policy = again(world, on="transient", idempotent=True, attempts=9)
    call = world.governed(policy, ConnectionResetError(), TimeoutError(), *map(Answer, (408, 425, 429, 500, 502)), "answer")
    assert call() == "answer"
    for status in (400, 404, 501):
        call = world.governed(policy, Answer(status))
        call.fails(Answer)
        assert call.count == 1, status


def test_an_answer_is_not_retried_unless_the_call_may_be_repeated(world: World) -> None:
    """On a plain function nobody knows that, unless ``idempotent=True`` says it; a connection error is another matter."""
    call = world.governed(again(world, on="transient"), Answer(503))
    call.fails(Answer)
    assert call.count == 1
    call = world.governed(again(world, on="transient"), ConnectionError(), "answer")
    assert call() == "answer"


def test_an_edge_that_knows_says_whether_a_request_may_be_repeated(world: World) -> None:
    """By the context: False forbids every further attempt, True allows those for statuses."""
    for repeatable, count in ((False, 1), (True, 3)):
        token = REPEATABLE.set(repeatable)
        call = world.governed(again(world, on="transient"), Answer(503))
        call.fails(Answer)
        REPEATABLE.reset(token)
        assert call.count == count
    token = REPEATABLE.set(False)
    call = world.governed(again(world), ConnectionError())
    call.fails(ConnectionError)
    REPEATABLE.reset(token)
    assert call.count == 1


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_refusal_ends_it_at_the_first_attempt(world: World) -> None:
    """One refusal, not seven: the refusal itself is raised."""
    gate = circuit_breaker(clock=world.clock)
    gate.open()
    call = world.governed(Pipeline(again(world, on=lambda error: True, attempts=7), gate))
    call.fails(CircuitOpenError)
    assert gate.snapshot()["refused"] == 1
    assert call.count == 0


def test_a_refusal_after_a_real_attempt_leaves_the_real_error(world: World) -> None:
    """The refusal becomes its note."""
    real = ConnectionError("real")
    gate = circuit_breaker(window=1, min_calls=1, clock=world.clock)
    call = world.governed(Pipeline(again(world, attempts=7), gate), real)
    (error,) = call.fails(ConnectionError)
    assert error is real
    assert call.count == 1
    assert "circuit_breaker: open" in notes_of(error)


def test_a_time_out_of_an_attempt_is_retried(world: World) -> None:
    """It began and was too slow: a failure like any other, and a TimeoutError."""
    call = world.governed(again(world, on=TimeoutError), CallTimeoutError("t", "attempt", 1.0), "answer")
    assert call() == "answer"


# -- backoff -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("jitter", "chance", "waits"),
    [
        ("none", 0.5, [1.0, 2.0, 4.0, 5.0, 5.0]),
        ("full", 0.0, [0.0, 0.0, 0.0, 0.0, 0.0]),
        ("full", 1.0, [1.0, 2.0, 4.0, 5.0, 5.0]),
        ("equal", 0.0, [0.5, 1.0, 2.0, 2.5, 2.5]),
        ("equal", 1.0, [1.0, 2.0, 4.0, 5.0, 5.0]),
        ("decorrelated", 0.0, [1.0, 1.0, 1.0, 1.0, 1.0]),
        ("decorrelated", 1.0, [3.0, 5.0, 5.0, 5.0, 5.0]),
    ],
)
def test_delays_lie_in_the_range_of_their_jitter(jitter: str, chance: float, waits: list[float], world: World) -> None:
    """The cap comes after the jitter, so no delay is longer than max."""
    backoff = Backoff(1.0, 2.0, 5.0, jitter)
    policy = again(world, attempts=6, backoff=backoff, random=lambda: chance)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert call.waits == waits


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [
        (0.25, [0.25, 0.25, 0.25]),
        ("500ms", [0.5, 0.5, 0.5]),
        (timedelta(seconds=2), [2.0, 2.0, 2.0]),
        ([0.5, "1s"], [0.5, 1.0, 1.0]),
        (0, [0.0, 0.0, 0.0]),
        ({"initial": 1, "factor": 3, "max": "1m", "jitter": "none"}, [1.0, 3.0, 9.0]),
        (lambda attempt, error: attempt * 2.0, [2.0, 4.0, 6.0]),
    ],
)
def test_a_backoff_is_said_in_many_ways(backoff: Any, waits: list[float], world: World) -> None:
    """A number, text, a timedelta, a list whose last one goes on, a table, or a function of attempt and error."""
    call = world.governed(again(world, attempts=4, backoff=backoff), ConnectionError())
    call.fails(ConnectionError)
    assert call.waits == waits


@pytest.mark.parametrize("enough", [None, -1])
def test_a_backoff_function_may_say_that_it_is_enough(enough: object, world: World) -> None:
    """None or a negative number: no further attempt."""
    call = world.governed(again(world, backoff=lambda attempt, error: enough), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 1


def test_a_raising_backoff_function_leaves_the_user_s_error(world: World) -> None:
    """It is reported, and no further attempt is made."""

    def broken(attempt: int, error: BaseException) -> float:
        raise RuntimeError("broken backoff")

    call = world.governed(again(world, backoff=broken), ConnectionError("its own"))
    call.fails(ConnectionError)
    assert call.count == 1


def test_attempt_5000_does_not_overflow() -> None:
    """The power is capped before it is taken."""
    for jitter in ("full", "equal", "decorrelated", "none"):
        assert Backoff(0.1, 10.0, 5.0, jitter)(5000, 5.0, OSError(), lambda: 0.999) <= 5.0


# -- what a server asks for --------------------------------------------------------------------------------------------


def asked(world: World, **settings: Any) -> Any:
    """A retry of repeatable calls, a second apart when nobody asks for anything else."""
    return again(world, on="transient", idempotent=True, **settings)


@pytest.mark.parametrize(("value", "seconds"), [("7", 7.0), ("0", 0.0), ("2.5", 2.5), ("-3", 0.0)])
def test_retry_after_in_seconds_is_waited_exactly(value: str, seconds: float, world: World) -> None:
    """Never less, never more; a negative number is none at all."""
    call = world.governed(asked(world), Answer(503, Retry_After=value), "answer")
    call()
    assert call.waits == [seconds]


@pytest.mark.parametrize("value", ["soon", "", "-soon", "nan", "inf", "9" * 400, "Wed, 99 Foo"])
def test_a_retry_after_that_cannot_be_read_is_ignored(value: str, world: World) -> None:
    """The backoff is waited in its place."""
    call = world.governed(asked(world), Answer(503, Retry_After=value), "answer")
    call()
    assert call.waits == [1.0]


def test_retry_after_as_a_date_is_measured_against_the_answer_s_own_date(world: World) -> None:
    """So a clock that is wrong on this side does not matter."""
    date = formatdate(1_000_000_000, usegmt=True)
    until = formatdate(1_000_000_011, usegmt=True)
    call = world.governed(asked(world), Answer(429, Retry_After=until, Date=date), "answer")
    call()
    assert call.waits == [11.0]


def test_retry_after_as_a_date_alone_is_measured_against_the_wall_clock(world: World) -> None:
    """And a date that has passed is no wait at all."""
    wall = world.clock.wall()
    ahead, behind = formatdate(wall + 9, usegmt=True), formatdate(wall - 900, usegmt=True)
    call = world.governed(asked(world), Answer(503, Retry_After=ahead), Answer(503, Retry_After=behind), "answer")
    call()
    assert call.waits == [9.0, 0.0]


def test_retry_after_is_read_in_any_spelling(world: World) -> None:
    """Headers have no case."""
    for name in ("retry-after", "Retry-After", "RETRY-AFTER"):
        error = Answer(503)
        error.response.headers[name] = "3"
        call = world.governed(asked(world), error, "answer")
        call()
        assert call.waits == [3.0], name


@pytest.mark.parametrize(("status", "waits"), [(429, 7.0), (503, 7.0), (413, 7.0), (500, 1.0), (502, 1.0), (408, 1.0)])
def test_retry_after_is_heard_on_429_503_and_413_alone(status: int, waits: float, world: World) -> None:
    """On other answers it means nothing."""
    call = world.governed(again(world, on=[status], idempotent=True), Answer(status, Retry_After="7"), "answer")
    call()
    assert call.waits == [waits]


def test_after_a_server_s_wait_the_backoff_starts_again_at_its_beginning(world: World) -> None:
    """The server has told where the load stands; growing on from there would punish twice."""
    policy = asked(world, attempts=5, backoff=Backoff(1, 2, 60, "none"))
    plain = Answer(503)
    call = world.governed(policy, plain, plain, Answer(503, Retry_After="7"), plain, "answer")
    call()
    assert call.waits == [1.0, 2.0, 7.0, 1.0]


def test_retry_after_gives_no_extra_attempts(world: World) -> None:
    """Three are three."""
    call = world.governed(asked(world), Answer(503, Retry_After="1"))
    call.fails(Answer)
    assert call.count == 3


def test_retry_after_can_be_turned_off(world: World) -> None:
    """Then the backoff is waited."""
    call = world.governed(asked(world, retry_after=False), Answer(503, Retry_After="7"), "answer")
    call()
    assert call.waits == [1.0]


# -- the deadline ------------------------------------------------------------------------------------------------------


def test_a_wait_that_does_not_fit_the_deadline_is_not_begun(world: World) -> None:
    """The real error is raised at once, while there is time left to do something about it."""
    policy = Pipeline(timeout(5, clock=world.clock), again(world, attempts=9, backoff=2))
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3
    assert world.clock.monotonic() == 4.0


def test_an_attempt_never_begins_at_the_deadline(world: World) -> None:
    """A wait that ends exactly then does not fit either."""
    policy = Pipeline(timeout(4, clock=world.clock), again(world, attempts=9, backoff=2))
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert [seen.at for seen in call.seen] == [0.0, 2.0]


def test_an_attempt_needs_its_minimum_of_time(world: World) -> None:
    """``min_attempt_time`` is added to the wait before it is held against the deadline."""
    policy = Pipeline(timeout(5, clock=world.clock), again(world, attempts=9, backoff=2, min_attempt_time=1))
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert [seen.at for seen in call.seen] == [0.0, 2.0]


def test_a_freeze_in_the_wait_does_not_let_an_attempt_begin_after_the_deadline(world: World) -> None:
    """The process was stopped while it waited: there is no time left, and the real error is raised."""
    real = ConnectionError("real")
    policy = Pipeline(timeout(10, clock=world.clock), again(world, attempts=9, backoff=2))
    call = world.governed(policy, real)
    world.clock.call_at(1.0, lambda: world.clock.freeze(100))
    (error,) = call.fails(Exception)
    assert call.count == 1
    if world.name == "sync":
        assert error is real


def test_a_server_s_wait_that_does_not_fit_ends_it(world: World) -> None:
    """It is never shortened."""
    policy = Pipeline(timeout(5, clock=world.clock), asked(world))
    call = world.governed(policy, Answer(503, Retry_After="60"))
    call.fails(Answer)
    assert world.clock.monotonic() == 0


# -- the budget --------------------------------------------------------------------------------------------------------


def test_an_empty_budget_ends_it_with_the_original_error(world: World, facts: Facts) -> None:
    """At once, with a note and one fact, however many calls come to it."""
    policy = again(world, budget=budget(ratio=0, min_retries=2, clock=world.clock), backoff=0)
    policy.listen(facts, BudgetEmptied)
    call = world.governed(policy, ConnectionError("a"), ConnectionError("b"), ConnectionError("c"), ConnectionError("d"))
    call.fails(ConnectionError)
    assert call.count == 3
    (error,) = call.fails(ConnectionError)
    assert error.args == ("d",)
    assert "budget" in notes_of(error)
    call.fails(ConnectionError)
    assert call.count == 5
    assert len(facts) == 1


def test_a_budget_fills_again_with_time(world: World) -> None:
    """When its window has passed."""
    policy = again(world, budget=budget(ratio=0, min_retries=1, ttl=10, clock=world.clock), backoff=0)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError, times=2)
    assert call.count == 3
    world.clock.advance(11)
    call.fails(ConnectionError)
    assert call.count == 5


def test_by_default_every_retry_has_a_budget(world: World) -> None:
    """A fifth of the calls and three more: the fourth retry of a lonely call is not made."""
    call = world.governed(retry(on=ConnectionError, attempts=9, backoff=0, clock=world.clock), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 4


def test_a_retry_with_a_name_and_a_named_budget_can_be_made() -> None:
    """Two names at once do not stand in each other's way."""
    from _worlds import in_threads

    def make(number: int) -> None:
        retry(on=ConnectionError, name="payments", budget="payments")

    assert in_threads(1, make, wait=3) == []


# -- what is seen from outside -----------------------------------------------------------------------------------------


def test_the_attempt_is_visible_and_put_back(world: World) -> None:
    """1, 2, 3 inside; 1 outside, whatever the end."""
    call = world.governed(again(world), ConnectionError())
    call.fails(ConnectionError)
    assert [seen.attempt for seen in call.seen] == [1, 2, 3]
    assert ATTEMPT.get() == 1


def test_facts_tell_of_every_attempt_and_of_the_end(world: World, facts: Facts) -> None:
    """Scheduled, scheduled, ended."""
    policy = again(world)
    policy.listen(facts)
    call = world.governed(policy, ConnectionError("down"))
    call.fails(ConnectionError)
    scheduled = [(fact.attempt, fact.delay, fact.at) for fact in facts.of(RetryScheduled)]
    assert scheduled == [(1, 1.0, 0.0), (2, 1.0, 1.0)]
    (ended,) = facts.of(RetryEnded)
    assert (ended.attempts, ended.cause, ended.error) == (3, "attempts", "ConnectionError: down")


def test_the_snapshot_has_four_counts(world: World) -> None:
    """Calls begun, further attempts, calls that recovered, calls that gave up."""
    policy = again(world)
    call = world.governed(policy, "good", ConnectionError(), "good", ConnectionError())
    call()
    call()
    call.fails(ConnectionError)
    assert policy.snapshot() == {"calls": 3, "retries": 3, "recovered": 1, "gave_up": 1}


def test_other_settings_are_in_force_at_the_next_call(world: World) -> None:
    """A call that has failed already keeps those of its first failure."""
    policy = again(world, attempts=3)

    def fewer() -> None:
        policy.reconfigure({"attempts": 1})
        raise ConnectionError

    call = world.governed(policy, ConnectionError(), fewer, ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3
    call.fails(ConnectionError)
    assert call.count == 4


def test_failing_calls_leave_nothing_to_the_collector(world: World) -> None:
    """No error refers to a frame that refers to the error."""
    policy = Pipeline(timeout(60, clock=world.clock), bulkhead(9, clock=world.clock), again(world, backoff=0))
    governed = world.governed(policy, lambda: [][0], ConnectionError).function

    def fail() -> None:
        with suppress(ConnectionError, IndexError):
            governed()

    async def afail() -> None:  # the errors stay within the coroutine: those that leave a task do refer to its frames
        with suppress(ConnectionError, IndexError):
            await governed()

    def fail_often() -> None:
        for _ in range(3):
            world.run(fail if world.name == "sync" else afail)

    fail_often()
    assert [thing for thing in garbage_of(fail_often) if isinstance(thing, BaseException)] == []


def test_a_slow_attempt_and_its_wait_take_their_time(world: World) -> None:
    """Nothing is waited in parallel."""
    call = world.governed(again(world), Takes(3, ConnectionError()), "answer")
    call()
    assert [seen.at for seen in call.seen] == [0.0, 4.0]


def test_a_limited_call_is_refused_once(world: World) -> None:
    """Even when the refusal says when to come back."""
    call = world.governed(again(world, on=lambda error: True), RateLimitedError("r", "limited", 0.5))
    call.fails(RateLimitedError)
    assert call.count == 1
