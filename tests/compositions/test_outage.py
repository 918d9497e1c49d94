"""All five policies around one function while what it calls fails, is slow, is down and comes back: the whole story."""

from __future__ import annotations

from typing import Any

import pytest

from _worlds import AsyncWorld, Call, Facts, Takes, World, deadline
from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, CallTimeoutError, CircuitOpenError, RateLimitedError
from svcgov.facts import CallRefused, CircuitChanged, RetryEnded, RetryScheduled


class Payments:
    """The function's dependency, and what stands around it."""

    def __init__(self, world: World) -> None:
        clock = self.clock = world.clock
        self.answer: Any = "charged"
        self.total = timeout(10, name="total", clock=clock)
        self.gate = bulkhead(2, clock=clock)
        self.retry = retry(on=(ConnectionError, TimeoutError), attempts=3, backoff=1, budget=None, clock=clock)
        self.limit = rate_limit("20/s", clock=clock)
        self.breaker = circuit_breaker(
            min_calls=5,
            window=10,
            slow_call_duration=10,
            open_for=30,
            open_jitter=0,
            half_open_calls=2,
            random=lambda: 0.0,
            clock=clock,
        )
        self.pipeline = Pipeline(self.total, self.gate, self.retry, self.limit, self.breaker)
        self.facts = Facts()
        self.pipeline.listen(self.facts)

    @property
    def state(self) -> str:
        """Of the breaker."""
        return self.breaker.current_state

    def does(self, world: World, *steps: Any) -> Call:
        """A call of it that does *steps*."""
        return world.governed(self.pipeline, *steps)


@pytest.fixture
def payments(world: World) -> Payments:
    """One dependency of a new process."""
    return Payments(world)


def test_a_blip_is_survived(payments: Payments, world: World) -> None:
    """Two attempts fail, the third is good: the caller sees an answer, and the breaker has its count."""
    call = payments.does(world, ConnectionError(), ConnectionError(), "charged")
    assert call() == "charged"
    assert call.waits == [1.0, 1.0]
    assert payments.breaker.snapshot()["failed"] == 2
    assert [type(fact) for fact in payments.facts] == [RetryScheduled, RetryScheduled]


def test_an_outage_opens_the_breaker_and_ends_the_retries(payments: Payments, world: World) -> None:
    """The attempt that is refused ends it at once: what is raised is the last real error, with a note."""
    call = payments.does(world, ConnectionError("down"))
    call.fails(ConnectionError)
    assert payments.state == "closed"
    (error,) = call.fails(ConnectionError)
    assert call.count == 5
    assert payments.state == "open"
    assert "was refused" in "\n".join(error.__notes__)
    assert [fact.cause for fact in payments.facts.of(RetryEnded)] == ["attempts", "refused"]


def test_while_it_is_open_nothing_is_asked(payments: Payments, world: World) -> None:
    """The refusal says when to come back; the bulkhead is free, the retry has nothing to do."""
    payments.breaker.open()
    call = payments.does(world)
    (error,) = call.fails(CircuitOpenError)
    assert isinstance(error, CircuitOpenError)
    assert error.retry_after == 30.0
    assert call.count == 0
    assert payments.gate.snapshot()["in_use"] == 0
    assert world.clock.monotonic() == 0.0


def test_it_comes_back_by_probes(payments: Payments, world: World) -> None:
    """After the wait two calls are let through, and their answers close it."""
    payments.breaker.open()
    world.clock.advance(30)
    call = payments.does(world, "charged")
    assert call() == "charged"
    assert payments.state == "half-open"
    assert call() == "charged"
    assert payments.state == "closed"
    assert [(fact.before, fact.after) for fact in payments.facts.of(CircuitChanged)] == [
        ("closed", "open"),
        ("open", "half-open"),
        ("half-open", "closed"),
    ]


def test_a_probe_that_fails_is_retried_only_as_far_as_the_breaker_lets(payments: Payments, world: World) -> None:
    """Two bad probes open it again."""
    payments.breaker.open()
    world.clock.advance(30)
    call = payments.does(world, ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 2
    assert payments.state == "open"


def test_no_attempt_is_begun_that_cannot_fit(payments: Payments, world: World) -> None:
    """The wait would end after the deadline from outside: the error comes now, not then."""
    call = payments.does(world, Takes(2, ConnectionError()))
    with deadline(2.5):
        call.fails(ConnectionError)
    assert call.count == 1
    assert world.clock.monotonic() == 2.0
    assert [fact.cause for fact in payments.facts.of(RetryEnded)] == ["deadline"]


def test_a_burst_is_limited_where_it_is_made(payments: Payments, world: World) -> None:
    """Each attempt counts; a refused one is neither retried nor a failure."""
    call = payments.does(world, "charged")
    for _ in range(20):
        call()
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after == pytest.approx(0.05, abs=0.002)
    assert call.count == 20
    assert payments.breaker.snapshot()["failed"] == 0
    assert [fact.kind for fact in payments.facts.of(CallRefused)] == ["rate_limit"]


def test_a_crowd_is_shed_at_the_door(payments: Payments, world: World) -> None:
    """The third call at the same time costs neither the limit nor the breaker anything."""
    payments.gate.machine.used = 2
    call = payments.does(world)
    call.fails(BulkheadFullError)
    assert payments.limit.snapshot()["remaining"] == 20
    assert payments.breaker.snapshot()["calls"] == 0


def test_a_process_that_was_stopped_wakes_in_the_right_state(payments: Payments, world: World) -> None:
    """Between two calls: open is over, the limit is full again, nothing is held."""
    call = payments.does(world, *[ConnectionError()] * 5, "charged")
    call.fails(ConnectionError, times=2)
    assert payments.state == "open"
    world.clock.freeze(3600)
    assert payments.breaker.would_admit()
    assert payments.limit.snapshot()["remaining"] == 20
    assert call() == "charged"
    assert payments.state == "half-open"
    assert payments.gate.snapshot()["in_use"] == 0


def test_the_figures_add_up(payments: Payments, world: World) -> None:
    """Every call is one of: succeeded, failed, refused, cancelled."""
    call = payments.does(world, "charged", ValueError, KeyboardInterrupt, ConnectionError(), "charged")
    call()
    call.fails(ValueError, KeyboardInterrupt, times=2)
    call()
    payments.breaker.open()
    call.fails(CircuitOpenError)
    (row,) = payments.pipeline.snapshot().values()
    assert [row[name] for name in ("succeeded", "failed", "refused", "cancelled")] == [2, 1, 1, 1]
    ends = {"good": 1, "recovered": 1, "failed": 2, "gave_up": 0, "cancelled": 1}
    assert payments.retry.snapshot() == {"calls": 5, "retries": 1, **ends}


@pytest.mark.parametrize("world", [AsyncWorld], indirect=True, ids=["async"])
def test_a_slow_attempt_is_cut_and_made_again(payments: Payments, world: World) -> None:
    """Each attempt has its own time, the whole has another, and the breaker counts the slow ones."""
    attempt = timeout(2, name="attempt", clock=world.clock)
    slow = world.governed(Pipeline(*payments.pipeline.policies, attempt), Takes(60), Takes(60), "charged")
    assert slow() == "charged"
    assert slow.waits == [3.0, 3.0]
    assert payments.breaker.snapshot()["failed"] == 2
    hopeless = world.governed(Pipeline(*payments.pipeline.policies, attempt), Takes(60))
    began = world.clock.monotonic()
    (error,) = hopeless.fails(CallTimeoutError)
    assert isinstance(error, CallTimeoutError)
    assert error.policy == "attempt"
    assert world.clock.monotonic() - began == 6.0
    assert payments.state == "open"
