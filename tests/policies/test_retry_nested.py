"""Retries inside retries on one budget: one logical call is one deposit, and every further attempt is paid for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from _worlds import World, in_threads
from svcgov import Pipeline, budget, retry
from svcgov._core._budget import STAYS


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, at once, on the budget of payments."""
    return retry(**{"on": ConnectionError, "backoff": 0, "budget": "payments", "clock": world.clock, **settings})


def payments(world: World, **settings: Any) -> Any:
    """One further attempt for each call."""
    return budget("payments", **{"ratio": 1, "min_retries": 0, "clock": world.clock, **settings})


def nested(world: World, outer: Any, inner: Any, *steps: Any) -> Any:
    """A function that does *steps*, governed by *inner*, inside of one that is governed by *outer*."""
    call = world.governed(inner, *steps)
    if world.name == "sync":
        call.function = outer(lambda function=call.function: function())
    else:

        async def around(function: Any = call.function) -> Any:
            return await function()

        call.function = outer(around)
    return call


def test_a_nested_retry_deposits_nothing(world: World) -> None:
    """Ten logical calls are ten deposits, though twenty retries have seen one."""
    shared = payments(world)
    outer, inner = again(world), again(world)
    call = nested(world, outer, inner, "answer")
    for _ in range(10):
        call()
    assert shared.snapshot()["deposited"] == 10
    assert (outer.snapshot()["calls"], inner.snapshot()["calls"]) == (10, 10)
    assert STAYS.get() == ()


def test_each_by_itself_is_a_call_of_its_own(world: World) -> None:
    """Side by side is not one inside the other; nor is what comes after a call that failed."""
    shared = payments(world)
    first, second = (world.governed(again(world, attempts=1), ConnectionError(), "answer") for _ in range(2))
    first.fails(ConnectionError)
    second.fails(ConnectionError)
    first()
    second()
    assert shared.snapshot()["deposited"] == 4


def test_one_retry_around_two_functions_can_be_inside_itself(world: World) -> None:
    """It is one logical call all the same."""
    shared, both = payments(world), again(world)
    call = nested(world, both, both, "answer")
    call()
    assert shared.snapshot()["deposited"] == 1
    assert both.snapshot()["calls"] == 2


def test_a_pipeline_that_is_called_through_can_be_inside_itself(world: World) -> None:
    """Nobody knows what it will be given."""
    shared, pipeline = payments(world), Pipeline(again(world))
    seen, function = world.scripted("answer")
    if world.name == "sync":
        assert pipeline.call(lambda: pipeline.call(function)) == "answer"
    else:

        async def around() -> Any:
            return await pipeline.acall(function)

        assert world.run(lambda: pipeline.acall(around)) == "answer"
    assert (len(seen), shared.snapshot()["deposited"]) == (1, 1)


def test_further_attempts_of_both_are_paid_from_one_deposit(world: World) -> None:
    """A call may cost what its deposit pays for: here two attempts beyond the first, whoever makes them."""
    shared = payments(world, ratio=2)
    call = nested(world, again(world, attempts=9), again(world, attempts=9), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3
    assert (shared.snapshot()["deposited"], shared.snapshot()["withdrawn"]) == (1, 2)


def test_another_budget_is_another_account(world: World) -> None:
    """Only calls on the same budget are one."""
    shared, other = payments(world), budget("orders", clock=world.clock)
    again(world, budget="orders")
    call = nested(world, again(world), again(world, budget="orders"), "answer")
    call()
    assert (shared.snapshot()["deposited"], other.snapshot()["deposited"]) == (1, 1)


def test_a_call_on_another_budget_in_between_makes_no_difference(world: World) -> None:
    """What is inside of it is still part of the call around both."""
    shared = payments(world)
    budget("orders", kind="in-flight", clock=world.clock)
    outermost = again(world)
    call = nested(world, again(world, budget="orders"), again(world), "answer")
    call.function = outermost(call.function)
    call()
    assert shared.snapshot()["deposited"] == 1


def test_nor_does_a_block_on_another_budget(world: World) -> None:
    """Its attempts are in the context beside what was there."""
    shared = payments(world)
    budget("orders", kind="in-flight", clock=world.clock)
    outermost, between = again(world), again(world, budget="orders")
    call = world.governed(again(world), "answer")
    innermost = call.function

    def block() -> None:
        for attempt in between:
            with attempt:
                innermost()

    async def ablock() -> None:
        async for attempt in between:
            with attempt:
                await innermost()

    call.function = outermost(block if world.name == "sync" else ablock)
    call()
    assert shared.snapshot()["deposited"] == 1
    assert STAYS.get() == ()


def test_a_task_that_outlives_its_call_is_no_part_of_it() -> None:
    """It has the context of the call, which is over."""
    shared = budget("payments", ratio=1)
    retries = [retry(on=ConnectionError, budget="payments") for _ in range(2)]
    over = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    @retries[0]
    async def inner() -> None:
        return None

    async def later() -> None:
        await over.wait()
        await inner()

    @retries[1]
    async def outer() -> None:
        tasks.append(asyncio.create_task(later()))

    async def main() -> None:
        await outer()
        over.set()
        await tasks[0]

    asyncio.run(main())
    assert shared.snapshot()["deposited"] == 2


def test_a_retry_that_leaves_a_budget_pays_in_no_more(world: World) -> None:
    """What it had counted until then stays there."""
    shared, policy = payments(world), again(world)
    call = world.governed(policy, "answer")
    call()
    policy.reconfigure({"budget": "orders"})
    call()
    call()
    policy.reconfigure({"budget": None})
    call()
    assert shared.snapshot()["deposited"] == 1
    assert budget("orders").snapshot()["deposited"] == 2
    assert policy.snapshot()["calls"] == 4


def test_threads_are_calls_of_their_own() -> None:
    """Sixteen of them on one budget: each call is a deposit, and each nested one is none."""
    shared = budget("payments", ratio=1)
    inner = retry(on=ConnectionError, budget="payments")(lambda: "answer")

    @retry(on=ConnectionError, budget="payments")
    def outer() -> str:
        return inner()

    def work(number: int) -> None:
        for _ in range(50):
            outer()

    assert in_threads(16, work) == []
    assert shared.snapshot()["deposited"] == pytest.approx(800)


# -- the other kinds ---------------------------------------------------------------------------------------------------


def test_tokens_are_charged_for_every_failure_and_credited_for_every_good_call(world: World) -> None:
    """The last attempt's failure too; a call that recovers is a good one."""
    shared = budget("payments", kind="tokens", tokens=10, token_ratio=0.5, clock=world.clock)
    call = world.governed(again(world), *[ConnectionError()] * 3, KeyError(), ConnectionError(), "answer", "answer")
    call.fails(ConnectionError)
    assert shared.snapshot()["tokens"] == 7
    call.fails(KeyError)
    assert shared.snapshot()["tokens"] == 7
    call()
    assert shared.snapshot()["tokens"] == 6.5
    call()
    assert shared.snapshot()["tokens"] == 7


def test_a_call_that_is_stopped_puts_nothing_back(world: World) -> None:
    """At its first attempt or at a further one: it was cancelled."""
    shared = budget("payments", kind="tokens", tokens=10, clock=world.clock)
    policy = again(world)
    call = world.governed(policy, KeyboardInterrupt(), ConnectionError(), KeyboardInterrupt())
    call.fails(KeyboardInterrupt, times=2)
    assert shared.snapshot()["tokens"] == 9
    assert (policy.snapshot()["good"], policy.snapshot()["cancelled"]) == (0, 2)


def test_tokens_below_half_drop_the_retry_and_not_the_call(world: World) -> None:
    """The first attempt always goes out; its error is raised at once."""
    budget("payments", kind="tokens", tokens=2, clock=world.clock)
    call = world.governed(again(world, backoff=1), ConnectionError())
    (error,) = call.fails(ConnectionError)
    assert (call.count, world.clock.monotonic()) == (1, 0)
    assert error.__notes__ == ["svcgov: retry gave up after 1 attempt (budget)"]


def test_an_attempt_in_flight_is_held_from_the_decision_to_its_end(world: World) -> None:
    """The wait included; afterwards nothing is held, whatever the end."""
    shared = budget("payments", kind="in-flight", ratio=0, min_concurrency=1, clock=world.clock)
    seen: list[tuple[float, ...]] = []

    def look() -> None:
        seen.append(tuple(shared.snapshot().values()))
        raise ConnectionError

    def give_up() -> None:
        look()

    call = world.governed(again(world, backoff=1), look, look, KeyboardInterrupt(), look, look, give_up, look, "answer")
    world.clock.call_at(0.5, lambda: seen.append(tuple(shared.snapshot().values())))
    call.fails(KeyboardInterrupt)
    assert seen == [(1, 0, 1), (1, 1, 0), (1, 1, 0)]
    assert shared.snapshot() == {"in_flight": 0, "held": 0, "left": 1}
    call.fails(ConnectionError)
    call()
    assert shared.snapshot() == {"in_flight": 0, "held": 0, "left": 1}


def test_an_attempt_in_flight_that_is_held_keeps_another_call_from_retrying(world: World) -> None:
    """As many as the floor allows, and a share of the calls."""
    shared = budget("payments", kind="in-flight", ratio=0, min_concurrency=1, clock=world.clock)
    assert shared.try_withdraw()
    call = world.governed(again(world), ConnectionError(), ConnectionError(), "answer")
    call.fails(ConnectionError)
    assert call.count == 1
    shared.give_back()
    assert call() == "answer"
