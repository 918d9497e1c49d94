"""What a circuit breaker takes for a failure, what for an answer, and what teaches it nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry
from svcgov.errors import BulkheadFullError, CallTimeoutError, DeadlineExceededError, RateLimitedError, RejectedError
from svcgov.facts import PredicateFailed

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of four calls, without jitter, on *clock*."""
    return circuit_breaker(**{"window": 4, "min_calls": 4, "open_jitter": 0.0, "clock": clock, **settings})


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_only_an_exception_is_a_verdict(error: type[BaseException], clock: ManualClock) -> None:
    """What stops a program says nothing about a dependency; a probe that ends so gives its place back."""
    gate = breaker(clock, window=1, min_calls=1, half_open_calls=1)
    gate.half_open()
    with pytest.raises(error), gate:
        raise error
    assert gate.current_state == "half-open"
    assert gate.would_admit()


def test_a_cancelled_task_teaches_nothing_and_returns_the_probe() -> None:
    """A caller that goes away is no failure of the dependency."""
    gate = circuit_breaker(half_open_calls=1)
    gate.half_open()

    @gate
    async def hang() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(hang())
        await asyncio.sleep(0)
        assert not gate.would_admit()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert gate.would_admit()
    assert gate.snapshot()["calls"] == 0


def test_ignored_errors_are_neither_failures_nor_successes(world: World) -> None:
    """They are raised, and nothing is counted."""
    gate = breaker(world.clock, ignore=KeyError)
    call = world.governed(gate, KeyError("a"))
    call.fails(KeyError, times=20)
    assert gate.snapshot()["calls"] == 0


def test_an_ignored_probe_gives_its_place_back(world: World) -> None:
    """The state stays half-open, and the next call is the probe."""
    gate = breaker(world.clock, ignore=KeyError, half_open_calls=1)
    call = world.governed(gate, KeyError("a"), "good")
    gate.half_open()
    call.fails(KeyError)
    assert gate.current_state == "half-open"
    call()
    assert gate.current_state == "closed"


def test_ignore_wins_over_on(world: World) -> None:
    """An error that both mean is ignored."""
    gate = breaker(world.clock, on=OSError, ignore=ConnectionError)
    call = world.governed(gate, ConnectionError())
    call.fails(ConnectionError, times=10)
    assert gate.snapshot()["calls"] == 0


def test_an_error_that_is_not_meant_is_an_answer(world: World) -> None:
    """With ``on=OSError`` a KeyError counts as a success: the dependency has answered."""
    gate = breaker(world.clock, on=OSError)
    call = world.governed(gate, *[KeyError("a")] * 10, ConnectionError())
    call.fails(KeyError, times=10)
    assert gate.snapshot()["calls"] == 4
    assert gate.snapshot()["failed"] == 0
    call.fails(ConnectionError)
    assert gate.snapshot()["failed"] == 1


@pytest.mark.parametrize("inner", ["bulkhead", "rate_limit", "circuit_breaker", "deadline"])
def test_refusals_of_inner_policies_teach_nothing(inner: str, world: World) -> None:
    """Whoever declined has not asked the dependency."""
    full, open_circuit = bulkhead(1, clock=world.clock), circuit_breaker(clock=world.clock)
    full.machine.admit(0.0)
    open_circuit.open()
    policies: dict[str, Any] = {
        "bulkhead": full,
        "rate_limit": rate_limit("0/second", clock=world.clock),
        "circuit_breaker": open_circuit,
        "deadline": retry(on=KeyError, clock=world.clock),  # declines nothing itself: the function below does
    }
    gate = breaker(world.clock, window=1, min_calls=1)
    call = world.governed(Pipeline(gate, policies[inner]), DeadlineExceededError("timeout", "expired"))
    call.fails(RejectedError, times=5)
    assert gate.current_state == "closed"
    assert gate.snapshot()["calls"] == 0


def test_a_refusal_counts_where_it_is_named(world: World) -> None:
    """``on=BulkheadFullError`` asks for it."""
    gate = breaker(world.clock, on=BulkheadFullError)
    call = world.governed(gate, BulkheadFullError("b", "full"))
    call.fails(BulkheadFullError, times=4)
    assert gate.current_state == "open"


@pytest.mark.parametrize("on", [OSError, (RateLimitedError, KeyError), lambda error: True])
def test_a_refusal_does_not_count_where_another_is_named(on: Any, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor where a function would say so: it has to be named by its class."""
    gate = breaker(world.clock, on=on)
    world.governed(gate, BulkheadFullError("b", "full")).fails(BulkheadFullError, times=4)
    assert gate.snapshot()["calls"] == 0
    assert capsys.readouterr().err == ""


def test_a_time_out_of_our_own_counts(world: World) -> None:
    """The call began and was too slow: a failure like any other."""
    gate = breaker(world.clock, window=1, min_calls=1)
    call = world.governed(gate, CallTimeoutError("t", "attempt", 1.0))
    call.fails(CallTimeoutError)
    assert gate.current_state == "open"


def test_a_block_can_be_ignored(world: World) -> None:
    """``permit.ignore()`` lets the breaker learn nothing, whatever the block's end."""
    gate = breaker(world.clock, window=1, min_calls=1)
    with gate as permit:
        permit.ignore()
    with pytest.raises(OSError), gate as permit:
        permit.ignore()
        raise OSError
    assert gate.current_state == "closed"
    assert gate.snapshot()["calls"] == 0


@pytest.mark.parametrize("setting", ["on", "ignore"])
def test_a_raising_predicate_is_reported_and_its_outcome_ignored(
    setting: str, world: World, facts: Facts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The user's error stands; nothing is counted; one fact and one line tell of the predicate."""

    def broken(error: Exception) -> bool:
        raise RuntimeError("broken predicate")

    gate = breaker(world.clock, **{setting: broken})
    gate.listen(facts, PredicateFailed)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    assert gate.snapshot()["calls"] == 0
    assert [(fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [(setting, "RuntimeError: broken predicate")]
    line = f"svcgov: circuit_breaker.{setting} raised RuntimeError: broken predicate; the outcome was ignored (said once)\n"
    assert capsys.readouterr().err == line
