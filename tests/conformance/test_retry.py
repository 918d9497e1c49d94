"""Retries: how many, on what, after which delays, and what is returned or raised in the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Answer, Response
from svcgov import Backoff, Pipeline, retry, timeout
from svcgov.errors import RetriesExhaustedError

if TYPE_CHECKING:
    from _worlds import World


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, at once, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 0, "budget": None, "clock": world.clock, **settings})


def asked(world: World, **settings: Any) -> Any:
    """A retry on answers of servers, with delays of half a second."""
    return again(world, **{"on": "transient", "idempotent": True, "backoff": 0.5, **settings})


def test_056_three_attempts_and_the_last_error_itself(world: World) -> None:
    """Unless more are asked for; failsafe-go wraps the error in one of its own."""
    last = ConnectionError("third")
    call = world.governed(again(world), ConnectionError("first"), ConnectionError("second"), last)
    assert call.fails(ConnectionError) == [last]
    assert call.count == 3


def test_057_an_ignored_error_is_one_attempt(world: World) -> None:
    """It is raised unchanged, and counted as a failure without a retry; so is one that is not meant."""
    for error in (ConnectionResetError("ignored"), KeyError("not meant")):
        policy = again(world, on=OSError, ignore=ConnectionResetError)
        call = world.governed(policy, error)
        assert call.fails(type(error)) == [error]
        assert not hasattr(error, "__notes__")
        assert (call.count, policy.snapshot()["failed"], policy.snapshot()["gave_up"]) == (1, 1, 0)


def test_058_the_last_result_is_returned_unless_an_error_is_wanted(world: World) -> None:
    """And where it ended with an error, that one is raised, whatever was wanted for results."""
    given = {"on_result": lambda result: result == "bad", "attempts": 4}
    call = world.governed(again(world, **given), "bad")
    assert (call(), call.count) == ("bad", 4)
    wanted = again(world, on_exhausted="raise", **given)
    (error,) = world.governed(wanted, "bad").fails(RetriesExhaustedError)
    assert isinstance(error, RetriesExhaustedError)
    assert error.result == "bad"
    world.governed(wanted, "bad", ConnectionError()).fails(ConnectionError)


def test_059_ends_are_counted_in_four_ways(world: World) -> None:
    """Good and bad ones, each with and without a further attempt."""
    policy = again(world)
    for steps in (["good"], [ConnectionError(), "good"], [KeyError()], [ConnectionError()]):
        try:
            world.governed(policy, *steps)()
        except (ConnectionError, KeyError):
            pass
    assert policy.snapshot() == {**policy.snapshot(), "calls": 4, "good": 1, "recovered": 1, "failed": 1, "gave_up": 1}


@pytest.mark.parametrize("enough", [-1, None])
def test_060_a_negative_delay_means_no_more(enough: float | None, world: World) -> None:
    """Nor does None: said by a function of the attempt, after the second one."""
    call = world.governed(again(world, backoff=lambda attempt, error: enough if attempt == 2 else 0), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 2


def test_061_a_total_time_stops_it_though_attempts_remain(world: World) -> None:
    """failsafe-go's greatest duration is a time-out around the retry here: no attempt is begun that cannot fit in it."""
    total = timeout(3.5, clock=world.clock)
    call = world.governed(Pipeline(total, again(world, attempts=100, backoff=1.0)), ConnectionError("real"))
    call.fails(ConnectionError)
    assert (call.count, world.clock.monotonic()) == (4, 3.0)


def test_062_delays_grow_up_to_the_greatest(world: World) -> None:
    """By the factor, and no further than that."""
    call = world.governed(again(world, attempts=6, backoff=Backoff(1, 2, 5, "none")), ConnectionError())
    call.fails(ConnectionError)
    assert call.waits == [1, 2, 4, 5, 5]


@pytest.mark.parametrize("jitter", ["full", "equal", "decorrelated"])
def test_063_the_cap_comes_after_the_jitter(jitter: Any, world: World) -> None:
    """No delay is longer than the greatest, as with Polly; gRPC's may be by a fifth."""
    policy = again(world, attempts=9, backoff=Backoff(1, 10, 5, jitter), random=lambda: 0.999999)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert max(call.waits) == pytest.approx(5, abs=0.001)
    assert max(call.waits) <= 5 + 1e-9


@pytest.mark.parametrize(("says", "wait"), [("soon", 0.5), ("", 0.5), ("1e3", 0.5), ("-3", 0.0), ("2", 2.0)])
def test_065_a_wait_that_cannot_be_read_is_none_and_a_negative_one_is_nought(says: str, wait: float, world: World) -> None:
    """The backoff is waited in place of nonsense; gRPC stops at either."""
    call = world.governed(asked(world), Answer(503, Retry_After=says), "answer")
    assert call() == "answer"
    assert call.waits == [wait]


def test_066_a_wait_of_the_server_gives_no_attempts(world: World) -> None:
    """Three are three; by an error or by a result that carries it."""
    call = world.governed(asked(world), Answer(503, Retry_After="1"))
    call.fails(Answer)
    assert (call.count, call.waits) == (3, [1, 1])
    bad = Response(503, {"Retry-After": "1"})
    call = world.governed(asked(world, on_result=lambda result: result is bad), bad)
    assert call() is bad
    assert call.waits == [1, 1]


@pytest.mark.parametrize(("status", "count"), [(501, 1), (404, 1), (500, 3), (502, 3), (503, 3), (504, 3), (429, 3)])
def test_068_not_implemented_is_not_retried(status: int, count: int, world: World) -> None:
    """Other answers of failing servers are, and 429."""
    call = world.governed(asked(world), Answer(status))
    call.fails(Answer)
    assert call.count == count
