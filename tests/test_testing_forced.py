"""States by force: what is in one acts as it does by itself, and is afterwards what it was."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _loops import turns
from svcgov import Pipeline, Rate, bulkhead, circuit_breaker, rate_limit, retry, testing
from svcgov.errors import BulkheadFullError, CircuitOpenError, ConfigError, RateLimitedError
from svcgov.facts import CallRefused, RetryEnded

if TYPE_CHECKING:
    from _worlds import Facts, World


def test_a_circuit_is_open_by_force_and_then_as_it_was(world: World, facts: Facts) -> None:
    """It refuses as it does by itself: the error, how long, the fact, the count. Of the force nobody is told."""
    breaker = circuit_breaker("payments", open_for=30, open_jitter=0, clock=world.clock)
    call = world.governed(breaker, OSError(), "paid")
    call.fails(OSError)
    before = breaker.snapshot()
    breaker.listen(facts)
    with testing.forced(breaker, "open"):
        (error,) = call.fails(CircuitOpenError)
        assert isinstance(error, CircuitOpenError)
        assert (error.policy, error.reason, error.retry_after) == ("payments", "open", 30.0)
        assert (breaker.current_state, breaker.snapshot()["refused"], breaker.state.name) == ("open", 1, "open")
    assert [(fact.reason, fact.retry_after) for fact in facts.of(CallRefused)] == [("open", 30.0)]
    assert len(facts) == 1
    assert breaker.snapshot() == before
    assert call() == "paid"


def test_an_open_circuit_comes_back_by_itself(world: World) -> None:
    """When its time is over probes go through, and close it; a bad one opens it for the next wait."""
    breaker = circuit_breaker(
        open_for=svcgov.Backoff(30, max=600, jitter="none"), open_jitter=0, half_open_calls=1, clock=world.clock
    )
    call = world.governed(breaker, OSError(), "paid")
    with testing.forced(breaker, "open"):
        world.clock.advance(30)
        call.fails(OSError)
        (error,) = call.fails(CircuitOpenError)
        assert error.retry_after == 60.0  # type: ignore[attr-defined]  # as refusals have
        world.clock.advance(60)
        assert call() == "paid"
        assert breaker.current_state == "closed"
    assert breaker.snapshot()["calls"] == 0


def test_the_circuits_of_all_keys_are_open_by_force(world: World, facts: Facts) -> None:
    """Those that there are and those to come, each for its own time; afterwards each is as it was."""
    breaker = circuit_breaker("hosts", key="arg:host", half_open_calls=1, open_for=30, open_jitter=0, clock=world.clock)
    call = world.governed(Pipeline(breaker), *["answer"] * 3, OSError(), "answer")
    its = world.governed(breaker.of("a"), "answer")
    assert its() == "answer"
    breaker.listen(facts)
    with testing.forced("hosts", "open"):
        assert (breaker.current_state, breaker.of("b").current_state) == ("open", "open")
        call.fails(CircuitOpenError)
        its.fails(CircuitOpenError)
        world.clock.advance(30)
        assert its() == "answer"
        assert (breaker.of("a").current_state, breaker.of("b").current_state) == ("closed", "open")
    assert (breaker.of("a").snapshot()["calls"], breaker.of("b").current_state) == (1, "closed")
    assert its() == "answer"
    assert [(fact.key, fact.reason) for fact in facts.of(CallRefused)] == [(None, "open"), ("a", "open")]


@pytest.mark.parametrize(
    ("state", "passes"),
    [("closed", 3), ("half-open", 2), ("forced-open", 0), ("disabled", 3), ("metrics-only", 3)],
)
def test_a_circuit_can_be_in_each_of_its_states(world: World, state: Any, passes: int) -> None:
    """Also closed, where it is open in truth."""
    breaker = circuit_breaker(consecutive_failures=1, half_open_calls=2, clock=world.clock)
    call = world.governed(breaker, OSError())
    call.fails(OSError)
    through = 0
    with testing.forced(breaker, state), ExitStack() as under_way:
        assert breaker.current_state == state
        for _ in range(3):
            with suppress(CircuitOpenError):
                under_way.enter_context(breaker)
                through += 1
    assert through == passes
    call.fails(CircuitOpenError)


def test_a_bulkhead_is_full_by_force(world: World, facts: Facts) -> None:
    """Whoever holds a place holds it before and after; one that comes meanwhile is refused."""
    gate = bulkhead(2, name="pool", clock=world.clock)
    call = world.governed(gate, "through")
    gate.listen(facts)
    with gate:
        with testing.forced("pool", "full"):
            assert gate.snapshot()["in_use"] == 2
            (error,) = call.fails(BulkheadFullError)
            assert error.reason == "full"  # type: ignore[attr-defined]  # as refusals have
        assert gate.snapshot() == {**gate.snapshot(), "in_use": 1, "refused": 0}
        assert call() == "through"
    assert [fact.reason for fact in facts.of(CallRefused)] == ["full"]


def test_a_place_that_is_given_back_inside_goes_to_where_it_came_from(world: World) -> None:
    """A call under way counts where it began."""
    gate = bulkhead(1, clock=world.clock)
    with gate:
        force = testing.forced(gate, "full")
        force.__enter__()
    assert gate.snapshot()["in_use"] == 1
    force.__exit__(None, None, None)
    assert gate.snapshot()["in_use"] == 0


def test_who_may_wait_for_a_full_bulkhead_waits() -> None:
    """As long as it may, by the clock, and is refused then."""
    clock = testing.ManualClock()
    gate = bulkhead(1, max_wait=5, clock=clock)

    @gate
    async def coroutine() -> None: ...

    async def main() -> None:
        task = asyncio.ensure_future(coroutine())
        await turns()
        assert gate.snapshot()["waiting"] == 1
        clock.advance(5)
        with pytest.raises(BulkheadFullError, match="wait_timeout"):
            await task

    with testing.forced(gate, "full"):
        with pytest.raises(BulkheadFullError, match="wait_timeout"):
            gate(str)()
        assert clock.monotonic() == 5.0
        asyncio.run(main())
    assert gate.snapshot()["waiting"] == 0


@pytest.mark.parametrize(
    ("limit", "retry_after"),
    [
        (lambda clock: rate_limit("10/s", clock=clock), 0.1),
        (lambda clock: rate_limit("10/s", burst=1, clock=clock), 0.1),
        (lambda clock: rate_limit("10/s", cost=3, clock=clock), 0.3),
        (lambda clock: rate_limit(["10/s", Rate(60, 60)], clock=clock), 1.0),
        (lambda clock: rate_limit("10/s", algorithm="fixed-window", clock=clock), 1.0),
        (lambda clock: rate_limit("10/s", algorithm="moving-window", clock=clock), 1.0),
        (lambda clock: rate_limit("10/s", key=lambda call: "anybody", clock=clock), 0.1),
        (lambda clock: rate_limit("10/s", key=lambda call: None, clock=clock), 0.1),
    ],
)
def test_a_rate_limit_is_used_up_by_force(world: World, facts: Facts, limit: Any, retry_after: float) -> None:
    """By all keys, and in no other way than by calls: it says when to come back, and there is one more then."""
    gate = limit(world.clock)
    call = world.governed(gate, "through")
    before = gate.snapshot()
    gate.listen(facts)
    with testing.forced(gate, "limited"):
        assert gate.snapshot()["remaining"] == 0
        (error,) = call.fails(RateLimitedError)
        assert (error.reason, error.retry_after) == ("limited", pytest.approx(retry_after, abs=0.002))  # type: ignore[attr-defined]
        world.clock.advance(error.retry_after)  # type: ignore[attr-defined]  # as refusals have
        assert call() == "through"
    assert gate.snapshot() == before
    assert [fact.event for fact in facts] == ["svcgov.call_refused"]


def test_a_budget_is_empty_by_force(world: World, facts: Facts) -> None:
    """A retry ends with the first error; afterwards there is as much as before."""
    pot = svcgov.budget("payments", min_retries=9, clock=world.clock)
    policy = retry(on=OSError, attempts=3, backoff=0, budget="payments", clock=world.clock)
    policy.listen(facts)
    call = world.governed(policy, OSError())
    call.fails(OSError)
    left = pot.snapshot()["left"]
    with testing.forced("payments", "empty"):
        assert pot.snapshot()["left"] == 0.0
        call.fails(OSError)
    assert call.count == 4
    assert [fact.cause for fact in facts.of(RetryEnded)] == ["attempts", "budget"]
    assert pot.snapshot()["left"] == pytest.approx(left, abs=0.5)  # the call has paid its part in


def test_a_budget_that_is_said_anew_inside_is_that_one(world: World) -> None:
    """What the code says of its settings stays said."""
    pot = svcgov.budget("payments", min_retries=3)
    with testing.forced(pot, "empty"):
        svcgov.budget("payments", min_retries=7)
        assert pot.snapshot()["left"] == 0.0
    assert pot.snapshot()["left"] == 7.0
    with testing.forced(pot, "empty"):
        svcgov.budget("payments", kind="in-flight", min_concurrency=2)
    assert pot.snapshot()["left"] == 2.0


def test_settings_that_are_put_in_force_inside_stay(world: World) -> None:
    """They are no part of the state."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(gate, "through")
    with testing.forced(gate, "full"):
        gate.reconfigure({"limit": 2})
        assert call() == "through"  # a second place
    assert gate.snapshot() == {**gate.snapshot(), "limit": 2, "in_use": 0}


def test_a_name_means_all_of_its_kind(world: World) -> None:
    """A bulkhead of the same name is another matter, and so is a circuit of another governor's."""
    breaker, gate = circuit_breaker("payments", clock=world.clock), bulkhead(1, name="payments", clock=world.clock)
    with testing.forced("payments", "open"):
        assert world.governed(gate, "through")() == "through"
        world.governed(breaker).fails(CircuitOpenError)
        with testing.forced("payments", "full"):
            world.governed(gate).fails(BulkheadFullError)
    assert world.governed(Pipeline(breaker, gate), "through")() == "through"


def test_the_limit_of_one_key_is_used_up_too(world: World) -> None:
    """It is a part of the limit, whenever it was asked for."""
    limit = rate_limit("2/minute", key="colour", clock=world.clock)
    call = world.governed(limit.of("blue"), "through")
    with testing.forced(limit, "limited"):
        call.fails(RateLimitedError)
    assert call() == "through"


def test_a_force_stands_inside_the_clock_of_a_test(world: World) -> None:
    """Time is the test's, and the wait of the circuit at its own number."""
    call = world.governed(circuit_breaker("stock", open_for=60, open_jitter=0), "in stock")
    with testing.by_hand() as clock, testing.forced("stock", "open"):
        call.fails(CircuitOpenError)
        clock.advance(60)
        assert call() == "in stock"


@pytest.mark.parametrize(
    ("policy", "state", "path"),
    [
        ("payments", "opened", "forced.state: expected one of closed, open"),
        ("nobody", "open", "forced.policy: expected a circuit_breaker in use, or its name, to be open, got 'nobody'"),
        ("circuit_breaker", "open", "forced.policy: expected a circuit_breaker in use"),
        (bulkhead(1), "limited", "forced.policy: expected a rate_limit in use"),
        (rate_limit("1/s", key="colour").of("blue"), "limited", "forced.policy: expected a rate_limit in use"),
    ],
)
def test_a_state_that_cannot_be_is_refused(policy: Any, state: Any, path: str) -> None:
    """Before anything has changed."""
    unnamed = circuit_breaker()
    with pytest.raises(ConfigError, match=path), testing.forced(policy, state):
        pass
    assert unnamed.current_state == "closed"


def test_an_error_inside_puts_all_back_too(world: World) -> None:
    """It is the test's own."""
    breaker = circuit_breaker(clock=world.clock)
    with pytest.raises(ZeroDivisionError), testing.forced(breaker, "open"):
        assert breaker.snapshot()["calls"] == 1 / 0
    assert world.governed(breaker, "through")() == "through"
