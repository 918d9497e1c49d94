"""What a retry waits between attempts: its backoff, what a server asks for, and no longer than the deadline."""

from __future__ import annotations

from datetime import timedelta
from email.utils import formatdate
from typing import Any

import pytest

from _worlds import Answer, World
from svcgov import Backoff, Pipeline, retry, timeout


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, a second apart, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": world.clock, **settings})


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
