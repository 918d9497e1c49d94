"""The plan of a retry, where the world is rough: errors that cannot be noted on, functions that raise, endless waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from _worlds import Answer, Facts, World
from svcgov import Backoff, Pipeline, budget, retry, timeout
from svcgov.errors import ConfigError
from svcgov.facts import BudgetEmptied, PredicateFailed, RetryEnded, RetryScheduled


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, a second apart, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": world.clock, **settings})


class Rough(ConnectionError):
    """An error that cannot be printed, and that nothing can be set on."""

    def __str__(self) -> str:
        raise RuntimeError("cannot be printed")

    def add_note(self, note: str) -> None:
        raise AttributeError("cannot be noted on")


class NoAnswer:
    """What a function may say that is neither yes nor no."""

    def __bool__(self) -> bool:
        raise RuntimeError("neither")


def test_an_error_that_cannot_be_printed_or_noted_on_is_raised_as_it_is(world: World, facts: Facts) -> None:
    """Also where somebody listens: the facts tell its class."""
    policy = again(world)
    policy.listen(facts)
    error = Rough()
    call = world.governed(policy, error)
    assert call.fails(Rough) == [error]
    assert call.count == 3
    assert [fact.error for fact in facts.of(RetryScheduled) + facts.of(RetryEnded)] == ["Rough"] * 3


@pytest.mark.parametrize("setting", ["on", "ignore", "backoff"])
def test_a_function_that_raises_is_named(setting: str, world: World, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """By the setting that it was given as; the user's error is raised at once."""

    def broken(*args: object) -> Any:
        raise RuntimeError("broken")

    policy = again(world, **{setting: broken})
    policy.listen(facts, PredicateFailed)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 1
    assert [(fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [(setting, "RuntimeError: broken")]
    said = f"svcgov: retry.{setting} raised RuntimeError: broken; the error was not retried (said once)\n"
    assert capsys.readouterr().err == said


def test_an_answer_that_is_neither_yes_nor_no_is_a_fault_of_the_function(world: World, facts: Facts) -> None:
    """It is not retried on, and told."""
    policy = again(world, on=lambda error: NoAnswer())
    policy.listen(facts, PredicateFailed)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 1
    assert len(facts) == 1


@pytest.mark.parametrize("wait", [7 * 86400 + 1, 1e300, float("inf"), float("nan"), timedelta(days=400)])
def test_a_wait_of_more_than_a_week_is_the_end(wait: Any, world: World) -> None:
    """From a function or a server: nobody waits so long, and no clock can; nor for ever, nor for no number."""
    call = world.governed(again(world, on=lambda error: wait), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 1
    served = str(wait) if isinstance(wait, int) else "9" * 30
    call = world.governed(again(world, on=[503], idempotent=True), Answer(503, Retry_After=served))
    call.fails(Answer)
    assert call.count == 1
    assert world.clock.monotonic() == 0


def test_a_wait_of_a_week_is_waited(world: World) -> None:
    """No duration of a setting is longer."""
    call = world.governed(again(world, on=lambda error: 7 * 86400), ConnectionError(), "answer")
    call()
    assert call.waits == [7 * 86400]


def test_a_delay_of_a_function_does_not_restart_the_backoff(world: World) -> None:
    """Nor does it stand in for the delay before: the backoff goes on as the attempts are counted."""
    waits = iter([True, 9.0, True])
    policy = again(world, on=lambda error: next(waits), attempts=4, backoff=Backoff(1, 2, 60, "none"))
    call = world.governed(policy, *[ConnectionError()] * 3, "answer")
    call()
    assert call.waits == [1.0, 9.0, 4.0]


def test_a_decorrelated_backoff_grows_from_its_own_last_delay(world: World) -> None:
    """And begins anew after a server's wait."""
    plain, served = Answer(503), Answer(503, Retry_After="7")
    policy = again(
        world, on=[503], idempotent=True, attempts=6, backoff=Backoff(0.5, 2, 60, "decorrelated"), random=lambda: 1 - 2.0**-53
    )
    call = world.governed(policy, plain, plain, served, plain, plain, "answer")
    call()
    assert call.waits == pytest.approx([1.5, 4.5, 7.0, 1.5, 4.5])


@pytest.mark.parametrize(("asleep", "made"), [(1.0, 1), (3.0, 2)])
def test_a_wait_that_was_overslept_is_no_attempt(asleep: float, made: int, world: World, facts: Facts) -> None:
    """The process was stopped meanwhile: what is told are the attempts that were made."""
    policy = again(world, backoff=2)
    policy.listen(facts, RetryEnded)
    call = world.governed(Pipeline(timeout(10, clock=world.clock), policy), ConnectionError("real"))
    if world.name == "sync":  # a coroutine is cancelled by its own time-out as soon as the process goes on
        world.clock.call_at(asleep, lambda: world.clock.freeze(100))
        call.fails(ConnectionError)
        assert [(fact.attempts, fact.cause) for fact in facts.of(RetryEnded)] == [(made, "deadline")]
        assert (call.count, policy.snapshot()["retries"]) == (made, made - 1)
    else:
        call.fails(ConnectionError)
        assert call.count == 3


def test_the_budget_s_end_is_told_again_after_it_had_something(world: World, facts: Facts) -> None:
    """Once for each time that it runs dry."""
    policy = again(world, budget=budget(ratio=0, min_retries=1, ttl=10, clock=world.clock), backoff=0)
    policy.listen(facts, BudgetEmptied)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError, times=3)
    assert len(facts) == 1
    world.clock.advance(11)
    call.fails(ConnectionError, times=3)
    assert [(fact.policy, fact.at, fact.ratio) for fact in facts.of(BudgetEmptied)] == [("retry", 0.0, 0), ("retry", 11.0, 0)]


def test_a_budget_that_never_had_anything_is_told_of(world: World, facts: Facts) -> None:
    """At the first failure, and then no more."""
    policy = again(world, budget=budget(ratio=0, min_retries=0, clock=world.clock))
    policy.listen(facts, BudgetEmptied)
    call = world.governed(policy, ConnectionError())
    call.fails(ConnectionError, times=2)
    assert len(facts) == 1


def test_nobody_hears_of_an_empty_budget_who_does_not_listen(world: World) -> None:
    """The error has a note all the same."""
    call = world.governed(again(world, budget=budget(ratio=0, min_retries=0, clock=world.clock)), ConnectionError())
    (error,) = call.fails(ConnectionError)
    assert error.__notes__ == ["svcgov: retry gave up after 1 attempt (budget)"]


def test_an_error_that_is_raised_twice_is_noted_once(world: World) -> None:
    """Some libraries raise one and the same object again and again."""
    error = ConnectionError("one")
    call = world.governed(again(world, attempts=2), error)
    call.fails(ConnectionError, times=2)
    assert error.__notes__ == ["svcgov: retry gave up after 2 attempts (attempts)"]


# -- settings ----------------------------------------------------------------------------------------------------------


def test_at_an_edge_it_is_transient_and_spends_from_the_service_s_budget() -> None:
    """What was left open is settled by where it stands; what was said is not touched."""
    policy, said, none = retry(), retry(on=KeyError, budget="other"), retry(budget=None)
    for one in (policy, said, none):
        Pipeline(one).around(print, edge=True, service="payments")
    assert policy.on.words == {"transient"}
    assert policy.budget is budget("payments")
    assert said.on.types == (KeyError,)
    assert said.budget is budget("other")
    assert none.budget is None


def test_at_an_edge_it_is_transient_again_when_nothing_else_is_said_any_more() -> None:
    """Around a function that a document has said it for, what was said last stands: nobody has said anything else."""
    edge, function = retry(), retry()
    Pipeline(edge).around(print, edge=True, service="payments")
    for one in (edge, function):
        one.reconfigure({"on": KeyError})
        assert one.on.types == (KeyError,)
    Pipeline(function).around(print, edge=False)
    for one in (edge, function):
        one.reconfigure({})
    assert edge.on.words == {"transient"}
    assert function.on.types == (KeyError,)


def test_another_budget_can_be_put_in_force(world: World) -> None:
    """By name, by object, or none; going back to the default keeps what there is."""
    policy = again(world, budget="default")
    own = policy.budget
    policy.reconfigure({"backoff": 0})
    assert policy.budget is own
    for given, expected in ((budget("one"), budget("one")), ("two", budget("two")), (False, None), (None, None)):
        policy.reconfigure({"budget": given})
        assert policy.budget is expected
    policy.reconfigure({"budget": "default"})
    assert policy.budget is not None


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("attempts", 0),
        ("attempts", 101),
        ("attempts", "3"),
        ("attempts", True),
        ("on", "sometimes"),
        ("ignore", 42),
        ("backoff", -1),
        ("min_attempt_time", -0.1),
        ("budget", 5),
        ("budget", "no spaces"),
        ("retry_after", 1),
        ("idempotent", "yes"),
        ("max_attempts", 3),
        ("name", "no spaces"),
    ],
)
def test_nonsense_is_refused(setting: str, value: Any) -> None:
    """With the place, the value and what was expected."""
    with pytest.raises(ConfigError, match=rf"^retry\.{setting}: expected .*, got "):
        retry(**{"on": KeyError, setting: value})


def test_a_near_miss_is_recognised() -> None:
    """By the names that other packages use."""
    with pytest.raises(ConfigError, match=r"did you mean attempts\?"):
        retry(on=KeyError, max_attempts=3)  # type: ignore[call-arg]  # that is the point
