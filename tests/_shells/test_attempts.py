"""Attempts at a block: ``for attempt in retry(...): with attempt: ...``, and the same with ``async for``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Call, Facts, World, deadline, garbage_of
from svcgov import budget, retry
from svcgov._core._budget import STAYS
from svcgov._core._context import ATTEMPT
from svcgov.errors import BulkheadFullError, ConfigError, DeadlineExceededError, RetriesExhaustedError
from svcgov.facts import RetryEnded

if TYPE_CHECKING:
    from collections.abc import Callable


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, a second apart, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": world.clock, **settings})


def looped(world: World, policy: Any, *steps: Any, met: Callable[[Any], object] = id) -> Call:
    """A function whose block does *steps* in attempts of *policy*; *met* is told each attempt before it is entered."""
    seen, function = world.scripted(*steps)

    def plain() -> Any:
        result = None
        for attempt in policy:
            met(attempt)
            with attempt:
                result = attempt.result(function())
        return result

    async def awaited() -> Any:
        result = None
        async for attempt in policy:
            met(attempt)
            with attempt:
                result = attempt.result(await function())
        return result

    return Call(world, seen, plain if world.name == "sync" else awaited)


def left(world: World, policy: Any, *steps: Any, entered: bool = True) -> Call:
    """The same, but the loop is left by ``break``: in the block, or (not *entered*) before it, at the second attempt."""
    seen, function = world.scripted(*steps)

    def plain() -> Any:
        for attempt in policy:
            if not entered and attempt.number == 2:
                break
            with attempt:
                function()
                break

    async def awaited() -> Any:
        async for attempt in policy:
            if not entered and attempt.number == 2:
                break
            with attempt:
                await function()
                break

    return Call(world, seen, plain if world.name == "sync" else awaited)


# -- attempts ----------------------------------------------------------------------------------------------------------


def test_a_good_block_is_made_once(world: World) -> None:
    """And nothing is waited for."""
    policy = again(world)
    call = looped(world, policy, "answer")
    assert call() == "answer"
    assert (call.count, world.clock.monotonic(), policy.snapshot()["good"]) == (1, 0, 1)


def test_a_failed_block_is_made_again(world: World) -> None:
    """As a function would be: the same waits, the same counts."""
    policy = again(world)
    call = looped(world, policy, ConnectionError(), ConnectionError(), "answer")
    assert call() == "answer"
    assert call.waits == [1.0, 1.0]
    assert [seen.attempt for seen in call.seen] == [1, 2, 3]
    assert (policy.snapshot()["calls"], policy.snapshot()["retries"], policy.snapshot()["recovered"]) == (1, 2, 1)
    assert (ATTEMPT.get(), STAYS.get()) == (1, ())


def test_the_last_error_leaves_the_loop_with_a_note(world: World, facts: Facts) -> None:
    """The very same object; nothing is waited after it."""
    policy, last = again(world), ConnectionError("last")
    policy.listen(facts, RetryEnded)
    call = looped(world, policy, ConnectionError("a"), ConnectionError("b"), last)
    assert call.fails(ConnectionError) == [last]
    assert last.__notes__ == ["svcgov: retry gave up after 3 attempts (attempts)"]
    assert (world.clock.monotonic(), policy.snapshot()["gave_up"]) == (2.0, 1)
    assert [fact.cause for fact in facts.of(RetryEnded)] == ["attempts"]


def test_another_error_leaves_the_loop_at_once(world: World) -> None:
    """As it is."""
    call = looped(world, again(world), KeyError())
    call.fails(KeyError)
    assert call.count == 1


def test_an_attempt_tells_what_it_is(world: World) -> None:
    """Its number, what was waited for it, and the error of the one before."""
    met: list[Any] = []
    first = ConnectionError("first")
    call = looped(
        world, again(world), first, "answer", met=lambda one: met.append((repr(one), one.number, one.delay, one.last_error))
    )
    call()
    assert met == [("<Attempt 1>", 1, 0.0, None), ("<Attempt 2>", 2, 1.0, first)]


def test_a_refusal_after_a_real_attempt_leaves_the_real_error(world: World) -> None:
    """It is what is raised, with the refusal as a note."""
    real = ConnectionError("real")
    call = looped(world, again(world), real, BulkheadFullError("b", "full"))
    assert call.fails(ConnectionError) == [real]
    assert "attempt 2 was refused: b: full" in real.__notes__[0]


def test_what_stops_a_program_is_not_retried(world: World) -> None:
    """The call was cancelled."""
    policy = again(world, on=Exception)
    call = looped(world, policy, KeyboardInterrupt(), ConnectionError(), KeyboardInterrupt())
    call.fails(KeyboardInterrupt, times=2)
    assert call.count == 3
    assert policy.snapshot()["cancelled"] == 2


def test_a_cancelled_wait_ends_it() -> None:
    """No attempt follows, and nothing is held any longer."""
    shared = budget("payments", kind="in-flight")
    policy = retry(on=ConnectionError, backoff=60, budget="payments")
    count = 0

    async def fail() -> None:
        nonlocal count
        async for attempt in policy:
            with attempt:
                count += 1
                raise ConnectionError

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        assert shared.snapshot() == {"in_flight": 1, "held": 1, "left": 2}
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert shared.snapshot() == {"in_flight": 0, "held": 0, "left": 3}
    assert (count, policy.snapshot()["cancelled"]) == (1, 1)


# -- leaving -----------------------------------------------------------------------------------------------------------


def test_leaving_from_within_the_block_is_its_good_end(world: World) -> None:
    """Whoever returns or breaks there has what was wanted."""
    policy = again(world)
    call = left(world, policy, ConnectionError(), "answer")
    call()
    assert call.count == 2
    assert (policy.snapshot()["recovered"], policy.snapshot()["cancelled"]) == (1, 0)


def test_leaving_between_attempts_cancels_the_call(world: World) -> None:
    """What was held for the next attempt is given back."""
    shared, policy = budget("payments", kind="in-flight", clock=world.clock), again(world, budget="payments")
    call = left(world, policy, ConnectionError(), entered=False)
    call()
    assert call.count == 1
    assert shared.snapshot() == {"in_flight": 0, "held": 0, "left": 3}
    assert policy.snapshot()["cancelled"] == 1


def test_what_is_left_needs_no_budget(world: World) -> None:
    """Then nothing is held, and the call is cancelled all the same."""
    policy = again(world)
    call = left(world, policy, ConnectionError(), entered=False)
    call()
    assert policy.snapshot()["cancelled"] == 1


def test_a_loop_that_never_began_is_no_call(world: World) -> None:
    """An iterator is made and thrown away."""
    policy = again(world)
    iter(iter(policy))
    aiter(aiter(policy))
    assert policy.snapshot()["calls"] == 0


def test_an_attempt_that_is_not_entered_is_a_mistake(world: World) -> None:
    """Found at the next step: the block was not governed."""
    policy = again(world)

    def forgotten() -> None:
        for _ in policy:
            pass

    async def aforgotten() -> None:
        async for _ in policy:
            pass

    with pytest.raises(RuntimeError, match="attempt 1 was not entered: write `with attempt:` in the loop"):
        world.run(forgotten if world.name == "sync" else aforgotten)
    assert policy.snapshot()["cancelled"] == 1


def test_a_step_from_within_the_block_is_a_mistake(world: World) -> None:
    """One attempt is made after the other."""
    attempts = iter(again(world))
    with next(attempts), pytest.raises(RuntimeError, match="attempt 1 was not left"):
        next(attempts)


def test_an_attempt_is_entered_once(world: World) -> None:
    """Neither again, nor after its loop."""
    attempts = iter(again(world))
    attempt = next(attempts)
    with attempt:
        pass
    with pytest.raises(RuntimeError, match="attempt 1 is over"):
        attempt.__enter__()
    assert list(attempts) == []


def test_a_retry_is_not_entered_by_itself(world: World) -> None:
    """The error says what to write instead."""
    policy: Any = again(world)

    def enter() -> None:
        with policy:
            pass

    async def aenter() -> None:
        async with policy:
            pass

    with pytest.raises(TypeError, match=r"for attempt in retry\(\.\.\.\): with attempt: \.\.\."):
        world.run(enter if world.name == "sync" else aenter)


# -- results, deadlines, budgets ---------------------------------------------------------------------------------------


def test_an_unacceptable_result_is_tried_again(world: World) -> None:
    """By way of ``attempt.result``; the last one is the author's, and no attempt tells of an error."""
    met: list[Any] = []
    policy = again(world, on_result=lambda result: result == "busy")
    call = looped(world, policy, "busy", "ready", "busy", met=lambda one: met.append(one.last_error))
    assert call() == "ready"
    assert call() == "busy"
    assert call.count == 5
    assert met == [None] * 5
    assert (policy.snapshot()["recovered"], policy.snapshot()["gave_up"]) == (1, 1)


def test_the_author_may_want_an_error_instead_of_a_result(world: World) -> None:
    """It is raised out of the last block."""
    policy = again(world, on_result=lambda result: result == "busy", on_exhausted="raise")
    call = looped(world, policy, "busy")
    (error,) = call.fails(RetriesExhaustedError)
    assert isinstance(error, RetriesExhaustedError)
    assert (call.count, error.result) == (3, "busy")


def test_a_refusal_after_a_result_leaves_the_result(world: World) -> None:
    """The loop ends, and no error leaves it."""
    policy = again(world, on_result=lambda result: result == "busy")
    call = looped(world, policy, "busy", BulkheadFullError("b", "full"))
    assert call() == "busy"
    assert call.count == 2


def test_no_attempt_begins_when_no_time_is_left(world: World) -> None:
    """Neither the first one, nor a further one that would not fit."""
    call = looped(world, again(world), ConnectionError("real"))
    with deadline(0.0):
        call.fails(DeadlineExceededError)
    assert call.count == 0
    with deadline(1.5):
        (error,) = call.fails(ConnectionError)
    assert (call.count, error.args) == (2, ("real",))
    assert world.clock.monotonic() == 1.0


@pytest.mark.parametrize("last", ["error", "result"])
def test_an_attempt_that_was_overslept_is_not_made(last: str, world: World) -> None:
    """The process was stopped in the wait: what there was before it is the end."""
    policy = again(world, backoff=2.0, on_result=lambda result: result == "busy")
    call = looped(world, policy, ConnectionError("real") if last == "error" else "busy")
    world.clock.call_at(1.0, lambda: world.clock.freeze(100))
    with deadline(10.0):
        if last == "error":
            (error,) = call.fails(ConnectionError)
            assert error.args == ("real",)
        else:
            assert call() == "busy"
    assert (call.count, policy.snapshot()["failed"]) == (1, 1)


def test_a_block_is_one_deposit_with_whatever_is_inside_it(world: World) -> None:
    """Here a function with the same retry around it; after the block that is a call of its own."""
    shared, policy = budget("payments", ratio=1, min_retries=0, clock=world.clock), again(world, budget="payments")
    governed = world.governed(policy, "answer")

    def block() -> None:
        for attempt in policy:
            with attempt:
                governed.function()

    async def ablock() -> None:
        async for attempt in policy:
            with attempt:
                await governed.function()

    world.run(block if world.name == "sync" else ablock)
    assert shared.snapshot()["deposited"] == 1
    governed()
    assert shared.snapshot()["deposited"] == 2


def test_what_to_retry_on_has_to_be_said(world: World) -> None:
    """As for a function."""
    with pytest.raises(ConfigError, match=r"^retry\.on"):
        iter(retry(clock=world.clock))
    with pytest.raises(ConfigError, match=r"^retry\.on"):
        aiter(retry(clock=world.clock))


def test_switched_off_it_makes_one_attempt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error leaves the block as it is; results are not looked at."""
    monkeypatch.setenv("SVCGOV_DISABLED", "retry")
    with pytest.warns(match="SVCGOV_DISABLED"):
        call = looped(world, again(world, on_result=lambda result: True), ConnectionError("real"), "busy")
        call.fails(ConnectionError)
    assert call() == "busy"
    assert call.count == 2


def test_failing_blocks_leave_nothing_to_the_collector(world: World) -> None:
    """No error refers to a frame that refers to the error, once its loop is over."""
    call = looped(world, again(world, backoff=0), *[ConnectionError(), "answer"] * 3)

    def mend() -> None:
        for _ in range(3):
            call()

    assert [thing for thing in garbage_of(mend) if isinstance(thing, BaseException)] == []
