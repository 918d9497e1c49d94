"""What the tests and papers of other systems say of retries and their budgets, held against ours.

Where they disagree, the name says what we do.
"""

from __future__ import annotations

from typing import Any

import pytest

from _worlds import Answer, Facts, Takes, World
from svcgov import Backoff, Pipeline, budget, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, CallTimeoutError, CircuitOpenError, ConfigError, RateLimitedError
from svcgov.facts import BudgetEmptied


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, at once, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 0, "budget": None, "clock": world.clock, **settings})


# -- retries -----------------------------------------------------------------------------------------------------------


def test_three_attempts_by_default_and_the_last_error_itself(world: World) -> None:
    """As Resilience4j; failsafe-go wraps it."""
    last = ConnectionError("third")
    call = world.governed(again(world), ConnectionError("first"), ConnectionError("second"), last)
    assert call.fails(ConnectionError) == [last]
    assert call.count == 3


def test_an_ignored_error_is_one_call_and_a_failure_without_a_retry(world: World) -> None:
    """Resilience4j's SupplierRetryTest."""
    policy = again(world, on=OSError, ignore=ConnectionResetError)
    call = world.governed(policy, ConnectionResetError())
    call.fails(ConnectionResetError)
    assert (call.count, policy.snapshot()["failed"], policy.snapshot()["gave_up"]) == (1, 1, 0)


def test_a_negative_delay_means_no_more(world: World) -> None:
    """Of a function that says how long to wait (Resilience4j)."""
    call = world.governed(again(world, backoff=lambda attempt, error: -1 if attempt == 2 else 0), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 2


def test_a_total_time_outside_stops_it_though_attempts_remain(world: World) -> None:
    """failsafe-go's maximum duration is a time-out around the retry here."""
    total = timeout(3.5, clock=world.clock)
    call = world.governed(Pipeline(total, again(world, attempts=100, backoff=1.0)), ConnectionError("real"))
    call.fails(ConnectionError)
    assert call.count == 4
    assert world.clock.monotonic() == 3.0


def test_delays_grow_by_the_factor_up_to_the_greatest(world: World) -> None:
    """gRPC's and failsafe-go's sequence."""
    call = world.governed(again(world, attempts=6, backoff=Backoff(1, 2, 5, "none")), ConnectionError())
    call.fails(ConnectionError)
    assert call.waits == [1, 2, 4, 5, 5]


def test_no_jitter_goes_beyond_the_greatest_delay(world: World) -> None:
    """As Polly and stamina; gRPC's may by a fifth."""
    policy = again(world, attempts=9, backoff=Backoff(1, 10, 5, "full"), random=lambda: 1.0)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert max(call.waits) == 5


def test_a_server_s_wait_gives_no_attempts_beyond_the_most(world: World) -> None:
    """gRPC's pushback."""
    policy = again(world, on="transient", idempotent=True)
    call = world.governed(policy, Answer(503, Retry_After="1"))
    call.fails(Answer)
    assert (call.count, call.waits) == (3, [1, 1])


@pytest.mark.parametrize(("status", "count"), [(501, 1), (500, 3), (502, 3), (503, 3), (429, 3)])
def test_not_implemented_is_not_retried_and_other_answers_of_failing_servers_are(status: int, count: int, world: World) -> None:
    """failsafe-go's policy for HTTP."""
    call = world.governed(again(world, on="transient", idempotent=True), Answer(status))
    call.fails(Answer)
    assert call.count == count


# -- budgets -----------------------------------------------------------------------------------------------------------


def test_only_failures_that_are_retried_on_are_charged(world: World) -> None:
    """gRPC's throttledStream tests; a stop is charged where the failure is meant."""
    tokens = budget(kind="tokens", clock=world.clock)
    world.governed(again(world, budget=tokens), KeyError()).fails(KeyError)
    assert tokens.snapshot()["tokens"] == 10
    stop = again(world, budget=tokens, backoff=lambda attempt, error: None)
    world.governed(stop, ConnectionError()).fails(ConnectionError)
    assert tokens.snapshot()["tokens"] == 9


def test_a_throttled_retry_is_dropped_and_not_delayed(world: World) -> None:
    """gRPC: the first attempt always goes out, and its error is raised at once."""
    tokens = budget(kind="tokens", tokens=4, clock=world.clock)
    call = world.governed(again(world, budget=tokens, backoff=1.0), ConnectionError())
    call.fails(ConnectionError, times=5)
    assert call.count == 5 + 1
    assert world.clock.monotonic() == 1.0


@pytest.mark.parametrize("given", [{"ttl": 0.9}, {"ttl": 61}, {"min_retries": -1}, {"ratio": -0.1}, {"min_per_second": -1}])
def test_what_finagle_refuses_is_refused(given: dict[str, Any]) -> None:
    """A window outside of 1 s to 60 s, and what is negative."""
    with pytest.raises(ConfigError):
        budget(**given)


def test_no_share_and_no_minimum_never_permit(world: World) -> None:
    """However many calls there are (Finagle)."""
    none = budget(ratio=0, min_retries=0, clock=world.clock)
    for _ in range(1000):
        none.deposit()
    assert not none.try_withdraw()


def test_the_floor_wins_over_the_share(world: World) -> None:
    """Envoy's and failsafe-go's: three in flight whatever the share of the calls."""
    flight = budget(kind="in-flight", clock=world.clock)
    assert [flight.try_withdraw() for _ in range(4)] == [True, True, True, False]


def test_an_exhausted_budget_is_one_call_and_one_fact(world: World, facts: Facts) -> None:
    """failsafe-go's "when retries exceeded", but that the error is the callee's own."""
    policy = again(world, budget=budget(ratio=0, min_retries=0, clock=world.clock))
    policy.listen(facts, BudgetEmptied)
    call = world.governed(policy, ConnectionError("real"))
    (error,) = call.fails(ConnectionError)
    assert (call.count, len(facts), error.args) == (1, 1, ("real",))


# -- compositions ------------------------------------------------------------------------------------------------------


def test_attempts_that_time_out_are_failures_that_a_third_one_mends(world: World) -> None:
    """failsafe-go's "with Timeout": two attempts are too slow."""
    slow = Takes(2.0, CallTimeoutError("t", "attempt", 1.0))
    call = world.governed(Pipeline(again(world, on="timeout"), circuit_breaker(clock=world.clock)), slow, slow, "answer")
    assert call() == "answer"
    assert call.count == 3


def test_a_breaker_inside_sees_every_attempt(world: World) -> None:
    """failsafe-go's "success after failures": two failures and a success of three attempts."""
    breaker = circuit_breaker(clock=world.clock)
    world.governed(Pipeline(again(world), breaker), ConnectionError(), ConnectionError(), "answer")()
    assert (breaker.snapshot()["calls"], breaker.snapshot()["failed"]) == (3, 2)


def test_a_breaker_outside_sees_one_outcome(world: World) -> None:
    """Of each logical call."""
    breaker = circuit_breaker(clock=world.clock)
    world.governed(Pipeline(breaker, again(world)), ConnectionError(), ConnectionError(), "answer")()
    assert (breaker.snapshot()["calls"], breaker.snapshot()["failed"]) == (1, 0)


def test_an_open_breaker_inside_ends_it_at_the_first_refusal(world: World) -> None:
    """Three calls and one refusal; failsafe-go makes six retries of it, and raises the refusal."""
    breaker = circuit_breaker(consecutive_failures=3, clock=world.clock)
    call = world.governed(Pipeline(again(world, on=lambda error: True, attempts=7), breaker), ConnectionError("real"))
    (error,) = call.fails(ConnectionError)
    assert (call.count, breaker.snapshot()["refused"], error.args) == (3, 1, ("real",))
    call.fails(CircuitOpenError)
    assert breaker.snapshot()["refused"] == 2


def test_a_full_bulkhead_or_a_used_up_limit_inside_is_asked_once(world: World) -> None:
    """One refusal, where others knock seven times."""
    limit, full = rate_limit("3/second", burst=3, clock=world.clock), bulkhead(1, clock=world.clock)
    call = world.governed(Pipeline(again(world, attempts=7), limit), ConnectionError("real"))
    call.fails(ConnectionError)
    assert (call.count, limit.snapshot()["refused"]) == (3, 1)
    call.fails(RateLimitedError)
    with full:
        world.governed(Pipeline(again(world, on=Exception, attempts=7), full)).fails(BulkheadFullError)
    assert full.snapshot()["refused"] == 1
