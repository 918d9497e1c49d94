"""Retry: attempts, what is waited between them, and what is raised at the end."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from _worlds import Answer, Facts, World
from svcgov import Pipeline, circuit_breaker, retry
from svcgov._core._context import REPEATABLE
from svcgov.errors import CallTimeoutError, CircuitOpenError, ConfigError
from svcgov.facts import PredicateFailed


def again(world: World, **settings: Any) -> Any:
    """A retry on connection errors, a second apart, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": world.clock, **settings})


def notes_of(error: BaseException) -> str:
    """All notes of an error, as one text."""
    return "\n".join(getattr(error, "__notes__", ()))


# -- attempts ----------------------------------------------------------------------------------------------------------


def test_a_good_call_is_made_once(world: World) -> None:
    """And nothing is waited for."""
    call = world.governed(again(world), "answer")
    assert call() == "answer"
    assert call.count == 1
    assert world.clock.monotonic() == 0


def test_a_failed_call_is_made_again(world: World) -> None:
    """Until one is good."""
    call = world.governed(again(world), ConnectionError(), ConnectionError(), "answer")
    assert call() == "answer"
    assert call.count == 3
    assert call.waits == [1.0, 1.0]


def test_the_first_attempt_is_counted(world: World) -> None:
    """``attempts=3`` is three calls of the function, two waits, and none after the last."""
    call = world.governed(again(world, attempts=3), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3
    assert world.clock.monotonic() == 2.0


def test_one_attempt_is_no_retry(world: World) -> None:
    """Nothing is waited, and no note is written."""
    call = world.governed(again(world, attempts=1), ConnectionError())
    (error,) = call.fails(ConnectionError)
    assert call.count == 1
    assert notes_of(error) == ""


def test_the_last_real_error_is_raised_with_a_note(world: World) -> None:
    """The very same object; the note says how often it was tried."""
    last = ConnectionError("last")
    call = world.governed(again(world), ConnectionError("first"), ConnectionError("second"), last)
    (error,) = call.fails(ConnectionError)
    assert error is last
    assert "3 attempts" in notes_of(error)


def test_another_error_ends_it(world: World) -> None:
    """What is not meant is raised at once, as it is."""
    call = world.governed(again(world), ConnectionError(), KeyError("a"))
    call.fails(KeyError)
    assert call.count == 2


def test_arguments_go_to_every_attempt(world: World) -> None:
    """The same ones each time."""
    got: list[Any] = []

    def take(*args: Any, **kwargs: Any) -> None:
        got.append((args, kwargs))
        raise ConnectionError

    call = world.governed(again(world), take)
    with pytest.raises(ConnectionError):
        call(1, two=2)
    assert got == [((1,), {"two": 2})] * 3


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_stops_a_program_is_not_retried(error: type[BaseException], world: World) -> None:
    """Not even when everything is meant."""
    call = world.governed(again(world, on=lambda error: True), error())
    with pytest.raises(error):
        call()
    assert call.count == 1


def test_a_cancellation_is_not_retried() -> None:
    """Nor does it wait for the next attempt: a sleep is cut short."""
    count = 0

    @retry(on=Exception, backoff=60, budget=None)
    async def fail() -> None:
        nonlocal count
        count += 1
        raise ConnectionError

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert count == 1


# -- what to retry on --------------------------------------------------------------------------------------------------


def test_on_must_be_said(world: World) -> None:
    """No default would be safe around a plain function: a ConfigError when it is built into a pipeline."""
    with pytest.raises(ConfigError, match=r"retry\.on"):
        retry(attempts=3)(print)


def test_a_positional_error_is_answered_with_a_hint() -> None:
    """Everybody writes ``retry(ConnectionError)`` once."""
    with pytest.raises(TypeError, match=r"did you mean on=ConnectionError\?"):
        retry(ConnectionError)


def test_ignore_wins(world: World) -> None:
    """An error that both mean is not retried."""
    call = world.governed(again(world, on=OSError, ignore=ConnectionResetError), ConnectionResetError())
    call.fails(ConnectionResetError)
    assert call.count == 1


def test_several_types(world: World) -> None:
    """Any of them."""
    call = world.governed(again(world, on=(KeyError, ConnectionError)), KeyError(), ConnectionError(), "answer")
    assert call() == "answer"


def test_a_predicate_decides(world: World) -> None:
    """True for another attempt, False for none."""
    on = again(world, on=lambda error: error.args == ("again",))
    call = world.governed(on, ValueError("again"), ValueError("enough"))
    call.fails(ValueError)
    assert call.count == 2


@pytest.mark.parametrize(("wait", "seconds"), [(2.5, 2.5), (timedelta(seconds=4), 4.0), (0, 0.0)])
def test_a_predicate_may_say_how_long_to_wait(wait: object, seconds: float, world: World) -> None:
    """Seconds or a timedelta, waited exactly."""
    call = world.governed(again(world, on=lambda error: wait), ValueError(), "answer")
    call()
    assert call.waits == [seconds]


@pytest.mark.parametrize("no", [None, False, -1.0, "", ()])
def test_a_predicate_that_says_no_ends_it(no: object, world: World) -> None:
    """None, a negative number, and whatever is false and no number."""
    call = world.governed(again(world, on=lambda error: no), ValueError(), "answer")
    call.fails(ValueError)
    assert call.count == 1


def test_a_raising_predicate_changes_nothing(world: World, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """The user's error is raised; the predicate is reported once."""

    def broken(error: Exception) -> bool:
        raise RuntimeError("broken predicate")

    policy = again(world, on=broken)
    policy.listen(facts, PredicateFailed)
    call = world.governed(policy, ValueError("its own"))
    call.fails(ValueError, times=3)
    assert call.count == 3
    assert len(facts) == 1
    assert capsys.readouterr().err.count("broken predicate") == 1


def test_words_mean_errors_and_answers(world: World) -> None:
    """``transient`` is connection errors, time-outs, and the statuses that invite another try."""
    policy = again(world, on="transient", idempotent=True, attempts=9)
    call = world.governed(policy, ConnectionResetError(), TimeoutError(), *map(Answer, (408, 425, 429, 500, 502)), "answer")
    assert call() == "answer"
    for status in (400, 404, 501):
        call = world.governed(policy, Answer(status))
        call.fails(Answer)
        assert call.count == 1, status


def test_an_answer_is_not_retried_unless_the_call_may_be_repeated(world: World) -> None:
    """On a plain function nobody knows that, unless ``idempotent=True`` says it; a connection error is another matter."""
    call = world.governed(again(world, on="transient"), Answer(503))
    call.fails(Answer)
    assert call.count == 1
    call = world.governed(again(world, on="transient"), ConnectionError(), "answer")
    assert call() == "answer"


def test_an_answer_that_is_meant_by_its_class_is_retried(world: World) -> None:
    """Who names the class knows what he repeats; statuses beside it do not take that back."""
    call = world.governed(again(world, on=(Answer, "transient")), Answer(503), "answer")
    assert call() == "answer"


def test_an_edge_that_knows_says_whether_a_request_may_be_repeated(world: World) -> None:
    """By the context: False forbids every further attempt, True allows those for statuses."""
    for repeatable, count in ((False, 1), (True, 3)):
        token = REPEATABLE.set(repeatable)
        call = world.governed(again(world, on="transient"), Answer(503))
        call.fails(Answer)
        REPEATABLE.reset(token)
        assert call.count == count
    token = REPEATABLE.set(False)
    call = world.governed(again(world), ConnectionError())
    call.fails(ConnectionError)
    REPEATABLE.reset(token)
    assert call.count == 1


def test_an_edge_may_say_so_anew_with_each_failure() -> None:
    """The first one did nothing, the second one may have: so there is no third."""
    said = [True, False, True]
    asked: list[bool] = []

    @retry(on=ConnectionError, attempts=3, backoff=0, budget=None)
    def charge() -> None:
        asked.append(said[len(asked)])
        REPEATABLE.set(asked[-1])
        raise ConnectionError

    token = REPEATABLE.set(False)
    with pytest.raises(ConnectionError):
        charge()
    REPEATABLE.reset(token)
    assert asked == [True, False]


# -- refusals ----------------------------------------------------------------------------------------------------------


def test_a_refusal_ends_it_at_the_first_attempt(world: World) -> None:
    """One refusal, not seven: the refusal itself is raised."""
    gate = circuit_breaker(clock=world.clock)
    gate.open()
    call = world.governed(Pipeline(again(world, on=lambda error: True, attempts=7), gate))
    call.fails(CircuitOpenError)
    assert gate.snapshot()["refused"] == 1
    assert call.count == 0


def test_a_refusal_after_a_real_attempt_leaves_the_real_error(world: World) -> None:
    """The refusal becomes its note."""
    real = ConnectionError("real")
    gate = circuit_breaker(window=1, min_calls=1, clock=world.clock)
    call = world.governed(Pipeline(again(world, attempts=7), gate), real)
    (error,) = call.fails(ConnectionError)
    assert error is real
    assert call.count == 1
    assert "circuit_breaker: open" in notes_of(error)


def test_a_time_out_of_an_attempt_is_retried(world: World) -> None:
    """It began and was too slow: a failure like any other, and a TimeoutError."""
    call = world.governed(again(world, on=TimeoutError), CallTimeoutError("t", "attempt", 1.0), "answer")
    assert call() == "answer"
