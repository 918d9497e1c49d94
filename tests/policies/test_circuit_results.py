"""Results that are failures: what the function returns is looked at, and returned all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _worlds import garbage_of
from svcgov import Pipeline, bulkhead, circuit_breaker, retry
from svcgov.errors import ConfigError
from svcgov.facts import PredicateFailed

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock


def is_false(result: object) -> bool:
    """False is a bad result, and nothing else is."""
    return result is False


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of which two bad results in a row are enough, on *clock*."""
    return circuit_breaker(**{"consecutive_failures": 2, "on_result": is_false, "open_jitter": 0.0, "clock": clock, **settings})


def test_good_results_and_errors_are_what_they_always_are(world: World) -> None:
    """The very same objects."""
    gate, answer, error = breaker(world.clock), object(), OSError("its own")
    call = world.governed(gate, answer, error, 0)
    assert call() is answer
    assert call.fails(OSError) == [error]
    assert call() == 0
    assert (gate.snapshot()["calls"], gate.snapshot()["failed"]) == (3, 1)


def test_it_is_calm_all_the_same(world: World) -> None:
    """Good results of a clean window need not be told; the first bad one is."""
    gate = breaker(world.clock, window=4, min_calls=4)
    call = world.governed(gate, *["good"] * 8, False)
    for _ in range(8):
        call()
    assert gate.machine.calm is gate.machine.free
    assert call() is False
    assert gate.snapshot()["failed"] == 1


def test_a_raising_function_is_reported_and_its_outcome_ignored(
    world: World, facts: Facts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The result stands, and nothing is counted."""

    def broken(result: object) -> bool:
        raise RuntimeError("broken predicate")

    gate = breaker(world.clock, on_result=broken)
    gate.listen(facts, PredicateFailed)
    call = world.governed(gate, "answer")
    assert [call() for _ in range(3)] == ["answer"] * 3
    assert gate.snapshot()["calls"] == 0
    error = "RuntimeError: broken predicate"
    assert [(fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [("on_result", error)]
    line = f"svcgov: circuit_breaker.on_result raised {error}; the outcome was ignored (said once)\n"
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("order", ["outermost", "innermost", "between"])
def test_the_other_policies_see_a_result(order: str, world: World) -> None:
    """To them nothing was raised: a retry makes no second attempt of it, an outer breaker counts a success."""
    gate, seats = breaker(world.clock, window=9), bulkhead(1, clock=world.clock)
    again, outer = retry(on=Exception, attempts=3, clock=world.clock), circuit_breaker(clock=world.clock)
    rest = [seats, again]
    policies = {"outermost": [gate, *rest, outer], "innermost": [*rest, outer, gate], "between": [seats, outer, gate, again]}
    call = world.governed(Pipeline(*policies[order]), False)
    assert call() is False
    assert call.count == 1
    assert (gate.snapshot()["failed"], outer.snapshot()["failed"], outer.snapshot()["calls"]) == (1, 0, 1)


def test_two_that_look_at_results_do_not_mix_them_up(world: World) -> None:
    """Each asks its own function, and hands on what it got."""
    inner, outer = breaker(world.clock), breaker(world.clock, on_result=lambda result: result is None)
    call = world.governed(Pipeline(outer, inner), False, None)
    assert [call(), call()] == [False, None]
    assert [gate.snapshot()["failed"] for gate in (inner, outer)] == [1, 1]


def test_a_bad_probe_opens_it_again(world: World) -> None:
    """As a failed one does."""
    gate = breaker(world.clock)
    gate.half_open()
    assert world.governed(gate, False)() is False
    assert gate.current_state == "open"


def test_it_leaves_nothing_to_the_collector(world: World) -> None:
    """The marker holds frames, and no frame holds the marker."""
    call = world.governed(breaker(world.clock, consecutive_failures=1000), False)
    call()
    assert garbage_of(call) == []


def test_it_cannot_change_while_it_is_in_use(clock: ManualClock) -> None:
    """The frames were made for it."""
    gate = breaker(clock)
    gate.reconfigure({"failure_rate": 0.5})
    with pytest.raises(ConfigError, match=r"circuit_breaker\.on_result"):
        gate.reconfigure({"on_result": None})
    with pytest.raises(ConfigError, match="a function of the result that is true for a bad one"):
        breaker(clock, on_result="bad")
