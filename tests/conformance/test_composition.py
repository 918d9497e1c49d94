"""Several policies around one function: what each of them sees, and what becomes of their refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import CircuitOpenError

if TYPE_CHECKING:
    from _worlds import World


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, at once, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 0, "budget": None, "clock": world.clock, **settings})


def test_139_a_breaker_inside_sees_every_attempt(world: World) -> None:
    """Two failures and a success of three attempts."""
    breaker = circuit_breaker(clock=world.clock)
    world.governed(Pipeline(again(world), breaker), ConnectionError(), ConnectionError(), "answer")()
    assert (breaker.snapshot()["calls"], breaker.snapshot()["failed"]) == (3, 2)


def test_140_a_breaker_outside_sees_one_outcome(world: World) -> None:
    """Of each logical call: a success if an attempt was one, a failure if none was."""
    breaker = circuit_breaker(clock=world.clock)
    policy = Pipeline(breaker, again(world))
    world.governed(policy, ConnectionError(), ConnectionError(), "answer")()
    assert (breaker.snapshot()["calls"], breaker.snapshot()["failed"]) == (1, 0)
    world.governed(policy, ConnectionError()).fails(ConnectionError)
    assert (breaker.snapshot()["calls"], breaker.snapshot()["failed"]) == (2, 1)


def test_141_an_open_breaker_ends_the_retry(world: World) -> None:
    """Three attempts, then one refusal, and the last real error; failsafe-go makes six retries, and raises the refusal."""
    breaker = circuit_breaker(consecutive_failures=3, clock=world.clock)
    policy = again(world, on=lambda error: True, attempts=7)
    call = world.governed(Pipeline(policy, breaker), ConnectionError("real"))
    (error,) = call.fails(ConnectionError)
    assert "refused" in "".join(error.__notes__)
    assert (call.count, breaker.snapshot()["refused"], breaker.snapshot()["calls"]) == (3, 1, 3)
    call.fails(CircuitOpenError)
    assert (call.count, breaker.snapshot()["refused"]) == (3, 2)


def test_143_the_usual_order_does_what_each_place_is_for(world: World) -> None:
    """One place for a call and its waits; each attempt counts for the limit and the breaker, and has a time of its own.

    From the outside in: total time, bulkhead, retry, rate limit, breaker, time of an attempt. Others put the bulkhead
    outermost, which is the same but that a wait for a place is not part of the total time.
    """
    clock = world.clock
    seats, pace = bulkhead(1, clock=clock), rate_limit("10/minute", clock=clock)
    breaker = circuit_breaker(consecutive_failures=3, clock=clock)
    order = Pipeline(
        timeout(10, name="total", clock=clock),
        seats,
        again(world, backoff=2),
        pace,
        breaker,
        timeout(5, name="attempt", clock=clock),
    )
    in_use: list[int] = []

    def fail() -> None:
        in_use.append(seats.snapshot()["in_use"])
        clock.advance(1)
        raise ConnectionError

    call = world.governed(order, fail)
    clock.call_at(2.0, lambda: in_use.append(seats.snapshot()["in_use"]))  # while it waits for its second attempt
    call.fails(ConnectionError)
    assert [(seen.at, seen.deadline) for seen in call.seen] == [(0.0, 5.0), (3.0, 8.0), (6.0, 10.0)]
    assert in_use == [1, 1, 1, 1]
    assert (seats.snapshot()["in_use"], breaker.snapshot()["failed"], breaker.current_state) == (0, 3, "open")
    assert pace.snapshot()["remaining"] == 8  # three are spent, and one has come back after six seconds
    call.fails(CircuitOpenError)
    assert call.count == 3
