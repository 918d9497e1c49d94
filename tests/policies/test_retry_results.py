"""A retry that looks at results: one that is not acceptable is as good as a failure, and is still returned in the end."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from _worlds import Facts, Response, World
from svcgov import Backoff, Pipeline, budget, circuit_breaker, retry
from svcgov.errors import CircuitOpenError, ConfigError, RetriesExhaustedError
from svcgov.facts import PredicateFailed, RetryEnded, RetryScheduled


def until_ready(world: World, **settings: Any) -> Any:
    """A retry on ``"busy"``, a second apart, that no budget stops."""
    given = {"on_result": lambda result: result == "busy", "backoff": 1.0, "budget": None, "clock": world.clock}
    return retry(**{**given, **settings})


def test_an_unacceptable_result_is_tried_again(world: World) -> None:
    """Until there is a better one; acceptable ones are returned at once."""
    call = world.governed(until_ready(world), "busy", "busy", "ready")
    assert call() == "ready"
    assert call.waits == [1.0, 1.0]
    assert call() == "ready"
    assert call.count == 4


def test_the_last_result_is_returned(world: World) -> None:
    """However bad it is: the very object, and no error of ours in its place."""
    last = ["busy"]
    call = world.governed(until_ready(world, on_result=lambda result: "busy" in result), ["busy"], ["busy"], last)
    assert call() is last
    assert call.count == 3


def test_the_author_may_want_an_error_instead(world: World) -> None:
    """It has the last result, and the note of a retry that gave up."""
    call = world.governed(until_ready(world, on_exhausted="raise"), "busy")
    (error,) = call.fails(RetriesExhaustedError)
    assert isinstance(error, RetriesExhaustedError)
    assert (call.count, error.result) == (3, "busy")
    assert error.__notes__ == ["svcgov: retry gave up after 3 attempts (attempts)"]
    assert error.__cause__ is None


def test_the_error_pickles_and_does_not_show_the_result() -> None:
    """Which may hold secrets; what it says is its type."""
    error = pickle.loads(pickle.dumps(RetriesExhaustedError({"password": "x"})))
    assert error.result == {"password": "x"}
    assert str(error) == "no attempt had an acceptable result; the last one is of type dict"


@pytest.mark.parametrize("on_exhausted", ["last", "raise"])
def test_an_error_at_the_end_is_raised_as_it_is(on_exhausted: str, world: World, facts: Facts) -> None:
    """Whatever the results before it were; without ``on=`` no error is tried again, and there is nothing to report."""
    policy = until_ready(world, on_exhausted=on_exhausted)
    policy.listen(facts, PredicateFailed)
    call = world.governed(policy, "busy", ConnectionError("real"))
    (error,) = call.fails(ConnectionError)
    assert (call.count, error.args, facts) == (2, ("real",), [])


def test_errors_and_results_share_the_attempts(world: World) -> None:
    """Three in all, whichever way they go wrong."""
    call = world.governed(until_ready(world, on=ConnectionError), ConnectionError(), "busy", ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3


def test_a_refusal_after_a_result_leaves_the_result(world: World) -> None:
    """What the other side said is better than what we say in its place."""
    gate = circuit_breaker(window=1, min_calls=1, clock=world.clock)

    def busy() -> str:
        gate.open()
        return "busy"

    call = world.governed(Pipeline(until_ready(world), gate), busy)
    assert call() == "busy"
    assert call.count == 1
    call.fails(CircuitOpenError)


def test_the_policies_around_it_see_the_result_and_no_error(world: World) -> None:
    """Nor do those inside it."""
    outer, inner = (circuit_breaker(window=1, min_calls=1, clock=world.clock) for _ in range(2))
    call = world.governed(Pipeline(outer, until_ready(world), inner), "busy")
    assert call() == "busy"
    assert (outer.current_state, inner.current_state) == ("closed", "closed")


def test_one_inside_another_each_looks_for_itself(world: World) -> None:
    """The inner one's last result is the outer one's next to look at."""
    inner = until_ready(world, attempts=2, backoff=0)
    call = world.governed(Pipeline(until_ready(world, attempts=3), inner), "busy")
    assert call() == "busy"
    assert call.count == 6
    assert call.waits == [0, 1, 0, 1, 0]
    raising = until_ready(world, attempts=2, backoff=0, on_exhausted="raise")
    call = world.governed(Pipeline(until_ready(world, on=RetriesExhaustedError), raising), "busy")
    call.fails(RetriesExhaustedError)
    assert call.count == 6


def test_an_answer_that_says_when_is_believed(world: World) -> None:
    """A result with a status and headers is as good as an error that carries them."""
    busy, ready = Response(503, {"Retry-After": "7"}), Response(200, {})
    policy = until_ready(world, on_result=lambda answer: answer.status_code == 503)
    call = world.governed(policy, busy, ready)
    assert call() is ready
    assert call.waits == [7.0]


def test_a_backoff_function_may_look_at_the_result(world: World) -> None:
    """It is the ``result`` of the error that it gets."""
    policy = until_ready(world, on_result=lambda left: left > 0, backoff=lambda attempt, error: error.result)
    call = world.governed(policy, 4, 2, 0)
    assert call() == 0
    assert call.waits == [4, 2]


def test_an_empty_budget_ends_it_with_the_result(world: World) -> None:
    """Results are paid for as errors are."""
    policy = until_ready(world, budget=budget(ratio=0, min_retries=1, clock=world.clock))
    call = world.governed(policy, "busy")
    assert call() == "busy"
    assert call.count == 2
    assert policy.snapshot()["gave_up"] == 1


def test_tokens_do_not_take_a_bad_result_for_a_good_call(world: World) -> None:
    """It is charged for each, and credited for none."""
    tokens = budget(kind="tokens", clock=world.clock)
    call = world.governed(until_ready(world, budget=tokens), "busy")
    call()
    assert tokens.snapshot()["tokens"] == 7


def test_facts_tell_the_type_of_a_result(world: World, facts: Facts) -> None:
    """And not what it holds."""
    policy = until_ready(world, attempts=2)
    policy.listen(facts)
    world.governed(policy, "busy")()
    said = [fact.error for fact in facts.of(RetryScheduled) + facts.of(RetryEnded)]
    assert said == ["Unacceptable: a result of type str"] * 2


def test_no_function_looks_at_no_result(world: World) -> None:
    """``on_result=None`` is as if it was not said: all that is returned is good."""
    call = world.governed(until_ready(world, on=ConnectionError, on_result=None), "busy")
    assert call() == "busy"
    assert call.count == 1
    with pytest.raises(ConfigError, match=r"^retry\.on: expected"):
        retry(on_result=None)(print)


def test_a_predicate_that_raises_accepts_the_result(world: World, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """It is returned, and the predicate is reported."""
    policy = until_ready(world, on_result=lambda result: 1 / 0)
    policy.listen(facts, PredicateFailed)
    call = world.governed(policy, "busy")
    assert call() == "busy"
    assert call.count == 1
    assert [fact.setting for fact in facts.of(PredicateFailed)] == ["on_result"]
    said = "svcgov: retry.on_result raised ZeroDivisionError: division by zero; the result was accepted (said once)\n"
    assert capsys.readouterr().err == said


def test_a_decorrelated_backoff_and_a_deadline_hold_for_results_too(world: World) -> None:
    """The waits are those of errors."""
    policy = until_ready(world, attempts=3, backoff=Backoff(1, 2, 60, "decorrelated"), random=lambda: 0.5)
    call = world.governed(policy, "busy")
    call()
    assert call.waits == [2.0, 3.5]


@pytest.mark.parametrize(("setting", "value"), [("on_result", 5), ("on_exhausted", "return")])
def test_nonsense_is_refused(setting: str, value: Any) -> None:
    """With the place, the value and what was expected."""
    with pytest.raises(ConfigError, match=rf"^retry\.{setting}: expected .*, got "):
        retry(**{"on": KeyError, setting: value})


def test_results_cannot_come_to_be_looked_at_in_use(world: World) -> None:
    """The frames were nested without; the same function, written again, is the same setting."""

    def judge(result: object) -> bool:
        return result == "busy"

    policy = until_ready(world, on_result=judge)
    policy.reconfigure({"attempts": 2, "on_result": judge})
    with pytest.raises(ConfigError, match=r"^retry\.on_result: expected .*judge.*, which it was made with"):
        policy.reconfigure({"on_result": None})
    assert hash(policy.settings.on_result) == hash(until_ready(world).settings.on_result)
