"""Results in a block: shown to the gates that look at them, by ``permit.result``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _worlds import garbage_of
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout

if TYPE_CHECKING:
    from _worlds import World


def bad(result: object) -> bool:
    if result == "odd":
        raise LookupError
    return result == "bad"


def shown(world: World, gate: Any, *results: Any, error: type[Exception] | None = None, ignore: bool = False) -> Any:
    """What came back in a block of *gate* that shows these results to it."""

    def look(permit: Any) -> Any:
        back = [permit.result(result) for result in results]
        if ignore:
            permit.ignore()
        if error is not None:
            raise error
        return back

    def block() -> Any:
        with gate as permit:
            return look(permit)

    async def ablock() -> Any:
        async with gate as permit:
            return look(permit)

    return world.run(block if world.name == "sync" else ablock)


@pytest.mark.parametrize(
    ("results", "failed"),
    [(["bad"], 1), (["good"], 0), ([], 0), (["bad", "good"], 0), (["good", "bad"], 1)],
    ids=["bad", "good", "none", "good at last", "bad at last"],
)
def test_a_result_that_is_shown_is_judged(results: list[str], failed: int, world: World) -> None:
    """A bad one is a failure, and comes back as it is; the last one counts."""
    gate = circuit_breaker(on_result=bad, min_calls=1, failure_rate=1.0, window=1, clock=world.clock)
    assert shown(world, gate, *results) == results
    assert gate.snapshot()["calls"] == 1
    assert gate.snapshot()["failed"] == failed


def test_a_result_that_cannot_be_judged_teaches_nothing(world: World) -> None:
    """The function raised; that is told, and the result is there."""
    gate = circuit_breaker(on_result=bad, clock=world.clock)
    assert shown(world, gate, "odd") == ["odd"]
    assert gate.snapshot()["calls"] == 0


def test_an_error_after_a_result_is_what_counts(world: World) -> None:
    """And what is ignored is ignored, whatever was shown."""
    gate = circuit_breaker(on_result=bad, ignore=KeyError, clock=world.clock)
    for error in (KeyError, OSError):
        with pytest.raises(error):
            shown(world, gate, "bad", error=error)
    assert gate.snapshot()["failed"] == 1
    shown(world, gate, "bad", ignore=True)
    assert gate.snapshot()["calls"] == 1


def test_each_gate_of_a_pipeline_that_looks_at_results_judges(world: World) -> None:
    """By its own function; the others see a call that came to its end."""
    outer = circuit_breaker(on_result=lambda result: result == "worse", clock=world.clock)
    plain = circuit_breaker(clock=world.clock)
    inner = circuit_breaker(on_result=bad, clock=world.clock)
    pipeline = Pipeline(outer, bulkhead(1, clock=world.clock), timeout(5, clock=world.clock), plain, inner)
    for result in ("bad", "worse", "good"):
        assert shown(world, pipeline, result) == [result]
    assert [gate.snapshot()["failed"] for gate in (outer, plain, inner)] == [1, 0, 1]
    assert [gate.snapshot()["calls"] for gate in (outer, plain, inner)] == [3, 3, 3]


def test_a_gate_that_looks_at_no_results_takes_one_all_the_same(world: World) -> None:
    """What shows it need not know."""
    assert shown(world, bulkhead(1, clock=world.clock), "bad") == ["bad"]


def test_pybreaker_s_call_shows_its_result(world: World) -> None:
    """A bad one counts, and is returned."""
    gate = circuit_breaker(on_result=bad, clock=world.clock)
    _, function = world.scripted("bad")
    call = gate.call if world.name == "sync" else gate.call_async
    assert world.run(call, function) == "bad"
    assert gate.snapshot()["failed"] == 1


def test_a_block_leaves_nothing_to_the_collector(world: World) -> None:
    """Whatever was made of its results."""
    gate = circuit_breaker(on_result=bad, clock=world.clock)
    shown(world, gate, "bad")
    found = garbage_of(lambda: [shown(world, gate, result) for result in ("bad", "odd", "good")])
    assert [one for one in found if isinstance(one, BaseException) or type(one).__module__.startswith("svcgov")] == []
