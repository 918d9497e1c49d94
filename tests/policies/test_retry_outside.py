"""What is seen of a retry from outside: its budget, its facts, its counts."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from _worlds import Facts, Takes, World, garbage_of
from svcgov import Pipeline, budget, bulkhead, override, retry, timeout
from svcgov._core._context import ATTEMPT
from svcgov.errors import BudgetExhaustedError, RateLimitedError
from svcgov.facts import BudgetEmptied, RetryEnded, RetryScheduled


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, a second apart, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": world.clock, **settings})


def notes_of(error: BaseException) -> str:
    """All notes of an error, as one text."""
    return "\n".join(getattr(error, "__notes__", ()))


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
    """A fifth of the calls and three more in ten seconds: the fourth retry of a lonely call is not made."""
    call = world.governed(retry(on=ConnectionError, attempts=9, backoff=0, clock=world.clock), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 4
    world.clock.advance(11)
    call.fails(ConnectionError)
    assert call.count == 8


def test_the_budget_of_a_retry_goes_by_its_name() -> None:
    """As its own refusal says, for those who make further attempts by hand."""
    own = retry(on=ConnectionError, name="payments").budget
    assert own is not None
    while own.try_withdraw():
        pass
    with pytest.raises(BudgetExhaustedError, match="payments"):
        own.withdraw()


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
    assert (ended.policy, ended.at) == ("retry", 2.0)
    assert (ended.attempts, ended.cause, ended.error) == (3, "attempts", "ConnectionError: down")


@pytest.mark.parametrize(
    ("cause", "settings", "error"),
    [
        ("refused", {}, RateLimitedError("r", "limited", 0.5)),
        ("not_retryable", {}, KeyError()),
        ("not_repeatable", {"idempotent": False}, ConnectionError()),
        ("attempts", {"attempts": 1}, ConnectionError()),
        ("stopped", {"backoff": lambda attempt, error: None}, ConnectionError()),
        ("deadline", {"backoff": 7.0}, ConnectionError()),
    ],
)
def test_the_end_has_a_cause(cause: str, settings: dict[str, Any], error: Exception, world: World, facts: Facts) -> None:
    """By which dashboards tell one from another; the budget's end has a fact of its own beside it."""
    policy = again(world, **settings)
    policy.listen(facts)
    call = world.governed(Pipeline(timeout(5, clock=world.clock), policy), error)
    call.fails()
    assert [(type(fact), fact.cause) for fact in facts.of(RetryEnded)] == [(RetryEnded, cause)]


def test_the_snapshot_has_four_counts(world: World) -> None:
    """Good and bad ends, each with and without a further attempt; beside them what was cut short."""
    policy = again(world)
    steps = ("good", ConnectionError(), "good", *[ConnectionError()] * 3, KeyError(), KeyboardInterrupt())
    call = world.governed(policy, *(*steps, ConnectionError(), KeyboardInterrupt(), "good") * 2)
    for _ in range(2):
        call()
        call()
        call.fails(ConnectionError)
        call.fails(KeyError)
        call.fails(KeyboardInterrupt, times=2)
        call()
    ends = {"good": 4, "recovered": 2, "failed": 2, "gave_up": 2, "cancelled": 4}
    assert policy.snapshot() == {"calls": 14, "retries": 8, **ends}


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


def test_it_can_be_meant_for_other_errors_in_some_calls(world: World) -> None:
    """Those alone, as long as the override lasts."""
    call = world.governed(again(world), KeyError())
    with override(retry={"on": KeyError}):
        call.fails(KeyError)
    assert call.count == 3
    call.fails(KeyError)
    assert call.count == 4


def test_a_retry_around_a_block_is_overridden_by_its_name() -> None:
    """As a pipeline is: by another name it is not meant."""
    policy = retry(on=ConnectionError, attempts=3, backoff=0, budget=None, name="payments")
    made: list[int] = []
    for name in ("payments", "orders"):
        with override(name, retry={"attempts": 1}), suppress(ConnectionError):
            for attempt in policy:
                with attempt:
                    made.append(attempt.number)
                    raise ConnectionError
    assert made == [1, 1, 2, 3]


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
