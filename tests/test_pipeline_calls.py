"""Calling through a pipeline: what the policies see, what the caller gets, and what is left behind."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

from _gates import Watched
from _loops import forever
from _worlds import Call, Facts, Takes, World, deadline, garbage_of, hasty_switches, in_threads
from svcgov import Pipeline, bulkhead, circuit_breaker, current_attempt, rate_limit, remaining, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import BulkheadFullError, CircuitOpenError, ConfigError, DeadlineExceededError, RateLimitedError
from svcgov.facts import CallRefused, RetryScheduled

if TYPE_CHECKING:
    from svcgov.testing import ManualClock

WAYS = ["governed", "through", "block"]


def by(world: World, way: str, policies: Any, *steps: Any) -> Call:
    """A function that does *steps*, governed in one of the three ways."""
    call: Call = getattr(world, way)(policies, *steps)
    return call


def passing(world: World, **settings: Any) -> Pipeline:
    """Everything that can be entered, so wide that nothing is refused."""
    clock = world.clock
    return Pipeline(timeout(60, clock=clock), bulkhead(9, clock=clock), rate_limit("99/s", clock=clock), **settings)


@pytest.mark.parametrize("way", WAYS)
def test_the_result_is_the_functions_own(way: str, world: World) -> None:
    """The same object, in every way to be governed."""
    result = object()
    assert by(world, way, passing(world), result)() is result


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", [ValueError("a"), KeyboardInterrupt(), SystemExit(3), asyncio.CancelledError()], ids=repr)
def test_an_error_is_passed_on_as_the_same_object(error: BaseException, way: str, world: World) -> None:
    """Whatever it is, and the gates are left."""
    policies = passing(world)
    call = by(world, way, policies, error)
    with pytest.raises(type(error)) as caught:
        call()
    if not (world.name == "async" and isinstance(error, asyncio.CancelledError)):  # a task makes its own of these
        assert caught.value is error
    assert error.__cause__ is None
    assert policies.policies[1].machine.used == 0


@pytest.mark.parametrize("way", WAYS)
def test_a_refusal_reaches_the_caller(way: str, world: World) -> None:
    """The function is not called, and what was taken on the way is given back."""
    outer, limit = bulkhead(1, clock=world.clock), rate_limit("1/s", clock=world.clock)
    call = by(world, way, Pipeline(outer, limit), "answer")
    call()
    call.fails(RateLimitedError)
    assert call.count == 1
    assert outer.snapshot()["in_use"] == 0


@pytest.mark.parametrize("way", WAYS)
def test_policies_are_asked_from_the_outside_in(way: str, world: World) -> None:
    """A call that the outer one refuses costs the inner one nothing."""
    outer, limit = bulkhead(1, clock=world.clock), rate_limit("1/s", clock=world.clock)
    outer.machine.used = 1
    by(world, way, Pipeline(outer, limit)).fails(BulkheadFullError)
    assert limit.snapshot()["remaining"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_deadline_is_seen_inside_and_restored_outside(way: str, world: World) -> None:
    """The tightest wins; afterwards everything is as it was, also when the call fails."""
    seen: list[float | None] = []

    def look() -> None:
        seen.append(DEADLINE.get())
        raise ValueError

    call = by(world, way, Pipeline(timeout(5, clock=world.clock)), look)
    for outer in (100.0, 2.0):
        with deadline(outer):
            call.fails(ValueError)
            assert DEADLINE.get() == outer
    call.fails(ValueError)
    assert DEADLINE.get() is None
    assert seen == [5.0, 2.0, 5.0]


@pytest.mark.parametrize("way", WAYS)
def test_no_call_is_begun_when_no_time_is_left(way: str, world: World) -> None:
    """And no gate is asked for it."""
    gate = bulkhead(1, clock=world.clock)
    call = by(world, way, Pipeline(timeout(5, clock=world.clock), gate))
    with deadline(0.0):
        call.fails(DeadlineExceededError)
    assert call.count == 0
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("way", ["governed", "through"])
def test_a_failing_call_leaves_nothing_to_the_collector(way: str, world: World) -> None:
    """Errors and frames that refer to one another would stay until it comes."""
    clock = world.clock
    policies = Pipeline(
        timeout(60, clock=clock), bulkhead(9, clock=clock), retry(on=OSError, backoff=0, attempts=2, budget=None, clock=clock)
    )
    call = by(world, way, policies, ConnectionError, ConnectionError, "answer", ValueError)

    async def several() -> None:
        for _ in range(5):
            try:
                await call.function()
            except (OSError, ValueError):
                pass

    def work() -> None:
        if world.name == "async":
            world.run(several)
            return
        for _ in range(5):
            try:
                call()
            except (OSError, ValueError):
                pass

    work()
    assert [one for one in garbage_of(work) if isinstance(one, BaseException) or inspect.iscode(one)] == []


def test_call_is_for_plain_functions() -> None:
    """A coroutine that nobody awaits would count as a success: it is an error, and the coroutine is closed."""

    async def fn() -> None: ...

    with pytest.raises(TypeError, match=r"fn is a coroutine function: await \.acall\(fn, \.\.\.\) instead"):
        Pipeline(bulkhead(1)).call(fn)  # type: ignore[unused-coroutine]  # nobody awaits it


def test_calls_through_are_recorded_under_the_label(world: World) -> None:
    """One row for all of them, whatever was called."""
    named, unnamed = passing(world, name="payments"), passing(world)
    for pipeline in (named, unnamed):
        world.through(pipeline, 1)()
        world.through(pipeline, ValueError).fails(ValueError)
    (row,) = named.snapshot().items()
    assert row[0] == "payments"
    assert (row[1]["succeeded"], row[1]["failed"]) == (1, 1)
    assert list(unnamed.snapshot()) == ["pipeline"]


def test_two_first_calls_at_once_are_both_recorded(clock: ManualClock) -> None:
    """Whichever thread was quicker makes the frames; the other one uses them."""
    gate = Watched("gate", [], clock)
    pipeline = Pipeline(gate)

    def overtake(**where: Any) -> None:
        gate.attach = lambda **where: None  # type: ignore[method-assign]
        pipeline.call(dict)

    gate.attach = overtake  # type: ignore[method-assign]
    pipeline.call(dict)
    assert pipeline.snapshot()["pipeline"]["succeeded"] == 2


def test_a_retry_that_is_called_through_needs_to_know_on_what(world: World) -> None:
    """The same error as at decoration."""
    with pytest.raises(ConfigError, match=r"retry\.on"):
        world.through(Pipeline(retry(clock=world.clock)))()


@pytest.mark.parametrize("policies", [retry(on=OSError), Pipeline(bulkhead(1), retry(on=OSError))], ids=repr)
def test_a_block_cannot_be_retried(policies: Any, world: World) -> None:
    """It cannot be made twice."""
    with pytest.raises((TypeError, AttributeError)):
        world.block(policies)()


def test_the_error_of_a_block_with_a_retry_says_what_to_do() -> None:
    """Call it through, decorate, or make attempts at the block."""
    wanted = r"use \.call\(fn, \.\.\.\), a decorator, or `for attempt in retry\(\.\.\.\): with attempt: \.\.\.`"
    with pytest.raises(TypeError, match=wanted), Pipeline(retry(on=OSError)):
        pass


def test_an_empty_pipeline_lets_everything_through(world: World) -> None:
    """And records it."""
    pipeline = Pipeline()
    call = world.governed(pipeline, "answer", ValueError, KeyboardInterrupt)
    assert call() == "answer"
    call.fails(ValueError, KeyboardInterrupt, times=2)
    (record,) = pipeline.snapshot().values()
    assert {name: record[name] for name in ("succeeded", "failed", "refused", "cancelled")} == {
        "succeeded": 1,
        "failed": 1,
        "refused": 0,
        "cancelled": 1,
    }


def test_a_refused_call_is_recorded_as_refused(world: World) -> None:
    """Whichever policy declined, and also when it is the function's own refusal."""
    gate = bulkhead(1, clock=world.clock)
    gate.machine.used = 1
    pipeline = Pipeline(gate)
    call = world.governed(pipeline)
    call.fails(BulkheadFullError)
    (record,) = pipeline.snapshot().values()
    assert (record["refused"], record["failed"]) == (1, 0)


def test_the_time_of_clean_calls_is_recorded(world: World) -> None:
    """In seconds, by the policies' clock."""
    pipeline = Pipeline(bulkhead(1, clock=world.clock))
    call = world.governed(pipeline, Takes(0.5))
    call()
    call()
    (record,) = pipeline.snapshot().values()
    assert record["mean"] == 0.5
    assert record["p50"] == pytest.approx(0.5, rel=0.125)


def test_a_listener_hears_all_policies_until_it_stops(world: World, facts: Facts) -> None:
    """Of the kinds it asked for."""
    gate = bulkhead(1, clock=world.clock)
    pipeline = Pipeline(retry(on=OSError, backoff=0, budget=None, clock=world.clock), gate)
    stop = pipeline.listen(facts, CallRefused, RetryScheduled)
    call = world.governed(pipeline, OSError, "answer", "answer")
    call()
    gate.machine.used = 1
    call.fails(BulkheadFullError)
    assert [type(fact) for fact in facts] == [RetryScheduled, CallRefused]
    stop()
    call.fails(BulkheadFullError)
    assert len(facts) == 2


def test_inside_a_call_one_can_ask_about_it(world: World) -> None:
    """The attempt, and the time that is left; outside there is neither."""
    seen: list[tuple[int, bool]] = []

    def look() -> None:
        seen.append((current_attempt(), remaining() is not None))
        raise OSError

    policies = Pipeline(timeout(60, clock=world.clock), retry(on=OSError, backoff=0, attempts=2, budget=None, clock=world.clock))
    world.governed(policies, look).fails(OSError)
    assert seen == [(1, True), (2, True)]
    assert (current_attempt(), remaining()) == (1, None)


def busy() -> tuple[Pipeline, Any, Any]:
    """A pipeline of all kinds that refuses nothing, its bulkhead and its breaker."""
    gate, breaker = bulkhead(5000), circuit_breaker(window=50, failure_rate=1.0, slow_call_duration=60)
    return Pipeline(timeout(60), gate, retry(on=OSError, budget=None, backoff=0), rate_limit("100000/s"), breaker), gate, breaker


def test_thirty_two_threads_leave_every_counter_right() -> None:
    """Called in all ways at once, and by nobody before."""
    pipeline, gate, breaker = busy()
    governed = pipeline(lambda x: x)

    def work(number: int) -> None:
        for _ in range(50):
            assert governed(number) == number
            assert pipeline.call(lambda x: x, number) == number
            with gate, breaker:
                pass

    with hasty_switches():
        assert in_threads(32, work) == []
    assert sum(row["succeeded"] for row in pipeline.snapshot().values()) == 2 * 32 * 50
    assert gate.snapshot()["in_use"] == 0
    assert pipeline.policies[2].machine.tally.calls == 2 * 32 * 50
    assert breaker.snapshot()["failed"] == 0


def test_a_thousand_tasks_leave_every_counter_right() -> None:
    """A third of them fail, a third are cancelled."""
    pipeline, gate, breaker = busy()

    @pipeline
    async def fn(number: int) -> int:
        await asyncio.sleep(0)
        if number % 3 == 1:
            raise ValueError(number)
        if number % 3 == 2:
            await forever()
        return number

    async def main() -> list[Any]:
        tasks = [asyncio.create_task(fn(number)) for number in range(1000)]
        for _ in range(3):
            await asyncio.sleep(0)
        assert gate.snapshot()["in_use"] > 0
        for task in tasks[2::3]:
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    results = asyncio.run(main())
    (row,) = pipeline.snapshot().values()
    assert [row[name] for name in ("succeeded", "failed", "cancelled")] == [334, 333, 333]
    assert [type(one) for one in results[:3]] == [int, ValueError, asyncio.CancelledError]
    assert gate.snapshot()["in_use"] == 0
    assert breaker.current_state == "closed"


def test_a_tripped_breaker_refuses_in_every_way(world: World) -> None:
    """Decorated, called through and entered, it is one breaker."""
    breaker = circuit_breaker(consecutive_failures=1, clock=world.clock)
    pipeline = Pipeline(breaker)
    world.governed(pipeline, ValueError).fails(ValueError)
    for way in WAYS:
        by(world, way, pipeline).fails(CircuitOpenError)
    assert breaker.snapshot()["refused"] == 3


def test_what_is_called_through_a_time_out_is_called_where_it_wants() -> None:
    """On a worker, as a decorated function is."""
    through = Pipeline(timeout(5.0, enforce="thread"))
    assert through.call(threading.get_ident) != threading.get_ident()
