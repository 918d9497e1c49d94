"""What a retry makes of groups of errors, of refusals, and of calls that are themselves further attempts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from _worlds import Answer, Facts, World
from svcgov import Pipeline, budget, bulkhead, circuit_breaker, rate_limit, retry
from svcgov._core._context import INVOCATION, Invocation
from svcgov.errors import BulkheadFullError, CircuitOpenError, ConfigError, RateLimitedError
from svcgov.facts import RetryEnded


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, a second apart, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": world.clock, **settings})


def group(*errors: Exception) -> ExceptionGroup[Exception]:
    """These errors, as a task group raises them."""
    return ExceptionGroup("several", errors)


# -- groups ------------------------------------------------------------------------------------------------------------


def test_a_group_is_retried_if_each_of_its_errors_is(world: World) -> None:
    """Those of the groups within it too; one other error is enough to end it."""
    meant = group(ConnectionError(), group(ConnectionResetError(), ConnectionAbortedError()))
    call = world.governed(again(world), meant, group(ConnectionError(), group(KeyError())))
    call.fails(ExceptionGroup)
    assert call.count == 2


def test_one_ignored_error_in_a_group_is_ignored(world: World) -> None:
    """It was not to be retried on, and trying again would be just that."""
    policy = again(world, on=OSError, ignore=ConnectionResetError)
    call = world.governed(policy, group(ConnectionError(), ConnectionResetError()))
    call.fails(ExceptionGroup)
    assert call.count == 1


def test_a_group_may_be_meant_as_such(world: World) -> None:
    """By its own type."""
    call = world.governed(again(world, on=ExceptionGroup), group(KeyError()), "answer")
    assert call() == "answer"


@pytest.mark.parametrize(
    ("says", "wait"),
    [((2.0, True), 2.0), ((True, True), 1.0), ((timedelta(seconds=3), 2.0), 3.0), ((0, "500ms"), 0.5), ((0, 0), 0.0)],
)
def test_the_longest_wait_for_an_error_of_a_group_is_waited(says: tuple[object, ...], wait: float, world: World) -> None:
    """Shorter ones would be too early for one of them."""
    policy = again(world, on=lambda error: error.args[0])
    call = world.governed(policy, group(*(ValueError(one) for one in says)), "answer")
    call()
    assert call.waits == [wait]


@pytest.mark.parametrize("no", [-1.0, None, False])
def test_one_no_in_a_group_ends_it(no: object, world: World) -> None:
    """Whatever the others say."""
    call = world.governed(again(world, on=lambda error: error.args[0]), group(ValueError(5.0), ValueError(no), ValueError(1)))
    call.fails(ExceptionGroup)
    assert call.count == 1


def test_a_group_of_answers_is_retried_where_each_may_be(world: World) -> None:
    """By their statuses, after the longest wait that a server asks for; not where nobody knows whether it may be repeated."""
    both = group(Answer(503, Retry_After="3"), Answer(429, Retry_After="8"))
    call = world.governed(again(world, on="transient", idempotent=True), both, "answer")
    call()
    assert call.waits == [8.0]
    call = world.governed(again(world, on="transient"), group(ConnectionError(), Answer(503)))
    call.fails(ExceptionGroup)
    assert call.count == 1


def test_a_refusal_in_a_group_ends_it(world: World) -> None:
    """As it would by itself, even where everything is meant."""
    call = world.governed(again(world, on=Exception), group(ConnectionError(), CircuitOpenError("b", "open")))
    call.fails(ExceptionGroup)
    assert call.count == 1


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_refusal_is_retried_where_the_author_wants_it(world: World) -> None:
    """After the wait that it names, exactly; it need not be in ``on``."""
    gate = rate_limit("1/10s", clock=world.clock)
    call = world.governed(Pipeline(again(world, retry_refused=True), gate), "answer")
    call()
    assert call() == "answer"
    assert call.waits == [10.0]


def test_a_refusal_that_names_no_wait_is_waited_for_as_the_backoff_says(world: World) -> None:
    """After one that does, the backoff begins anew."""
    steps = (BulkheadFullError("b", "full"), RateLimitedError("r", "limited", 7.0), BulkheadFullError("b", "full"), "answer")
    call = world.governed(again(world, retry_refused=True, attempts=9, backoff=[1, 2]), *steps)
    call()
    assert call.waits == [1.0, 7.0, 1.0]


def test_refusals_take_attempts_and_money_as_failures_do(world: World) -> None:
    """But tokens are not charged for them: the other side has done nothing wrong."""
    few = budget(ratio=0, min_retries=1, clock=world.clock)
    call = world.governed(again(world, retry_refused=True, budget=few), BulkheadFullError("b", "full"))
    call.fails(BulkheadFullError)
    assert call.count == 2
    tokens = budget(kind="tokens", clock=world.clock)
    call = world.governed(again(world, retry_refused=True, budget=tokens), BulkheadFullError("b", "full"))
    call.fails(BulkheadFullError)
    assert (call.count, tokens.snapshot()["tokens"]) == (3, 10)


def test_an_ignored_refusal_is_not_retried(world: World, facts: Facts) -> None:
    """``ignore`` wins over everything."""
    policy = again(world, retry_refused=True, ignore=CircuitOpenError)
    policy.listen(facts, RetryEnded)
    gate = circuit_breaker(clock=world.clock)
    gate.open()
    call = world.governed(Pipeline(policy, gate))
    call.fails(CircuitOpenError)
    assert [(fact.attempts, fact.cause) for fact in facts.of(RetryEnded)] == [(1, "refused")]


def test_the_real_error_is_raised_though_the_last_attempts_were_refused(world: World) -> None:
    """Each refusal is a note of it."""
    real = ConnectionError("real")
    call = world.governed(again(world, retry_refused=True), real, RateLimitedError("r", "limited", 1.0))
    assert call.fails(ConnectionError) == [real]
    assert [note.partition(":")[2][:24] for note in real.__notes__[:2]] == [
        " attempt 2 was refused: ",
        " attempt 3 was refused: ",
    ]


def test_seven_attempts_meet_one_refusal(world: World) -> None:
    """A full bulkhead inside is asked once, and the function never."""
    gate = bulkhead(1, clock=world.clock)
    permit = gate.machine.admit(0.0)
    call = world.governed(Pipeline(again(world, on=Exception, attempts=7), gate))
    call.fails(BulkheadFullError)
    assert (call.count, gate.snapshot()["refused"]) == (0, 1)
    gate.machine.settle(permit, None, 0.0)


@pytest.mark.parametrize("setting", ["retry_refused", "retry_retried"])
def test_nonsense_is_refused(setting: str) -> None:
    """With the place, the value and what was expected."""
    given: dict[str, Any] = {"on": KeyError, setting: 1}
    with pytest.raises(ConfigError, match=rf"^retry\.{setting}: expected true or false, got 1"):
        retry(**given)


# -- calls that are further attempts -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "count"), [("1", 3), ("2", 1), ("30", 1), ("", 3), ("two", 3), ("-2", 3), ("9" * 9, 1), ("9" * 10, 3)]
)
def test_a_retry_of_our_caller_is_not_retried_where_the_author_says_so(header: str, count: int, world: World) -> None:
    """By the header ``x-retry-attempt`` of the invocation, if it is a number above 1."""
    token = INVOCATION.set(Invocation(headers={"x-retry-attempt": header}))
    call = world.governed(again(world, retry_retried=False), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == count
    call = world.governed(again(world), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3
    INVOCATION.reset(token)


def test_outside_of_any_call_everything_is_retried(world: World, facts: Facts) -> None:
    """Nobody calls us; where somebody does, the end has a cause of its own."""
    policy = again(world, retry_retried=False)
    policy.listen(facts, RetryEnded)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    token = INVOCATION.set(Invocation(headers={"x-retry-attempt": "2"}))
    call.fails(ConnectionError)
    INVOCATION.reset(token)
    assert [(fact.attempts, fact.cause) for fact in facts.of(RetryEnded)] == [(3, "attempts"), (1, "retried")]
