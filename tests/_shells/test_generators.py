"""A governed generator: what its gates are told, from its first step to its end, and what its consumer sees."""

from __future__ import annotations

from typing import Any

import pytest

from _gates import Watched
from _generators import OVER, Items, Script
from _worlds import Takes, World, garbage_of
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout
from svcgov._core._matching import Ignored
from svcgov.errors import BulkheadFullError, CircuitOpenError, RejectedError

Log = list[tuple[Any, ...]]


def watched(world: World, *labels: str) -> tuple[Log, list[Watched]]:
    """Gates that write down what they are asked and told."""
    log: Log = []
    return log, [Watched(label, log, world.clock) for label in labels or ("a",)]


def told(log: Log) -> list[Any]:
    """What the gates were told, as errors."""
    return [one[2] for one in log if one[1] == "settled"]


def ends(items: Items) -> None:
    """It is over."""
    with pytest.raises(OVER):
        items.next()


# -- from its first step to its end ------------------------------------------------------------------------------------


def test_a_call_does_nothing(world: World) -> None:
    """The permits are taken at the first step, and given back at the end."""
    log, (gate,) = watched(world)
    items = Script(world, 1, 2).begin(gate)
    assert log == []
    assert items.next() == 1
    assert log == [("a", "admitted")]
    assert items.rest() == [2]
    assert log == [("a", "admitted"), ("a", "settled", None, 0.0)]
    ends(items)
    assert len(log) == 2


def test_gates_are_entered_from_outside_and_left_from_inside(world: World) -> None:
    """As those of a call."""
    log, gates = watched(world, "a", "b", "c")
    error = ValueError()
    items = Script(world, 1, error).begin(Pipeline(*gates))
    items.next()
    with pytest.raises(ValueError, match=r"^$") as raised:
        items.next()
    assert raised.value is error
    assert [one[0] for one in log] == ["a", "b", "c", "c", "b", "a"]
    assert told(log) == [error] * 3


def test_a_refusal_is_raised_at_the_first_step(world: World) -> None:
    """What has been taken is given back, the body has not begun, and it counts as refused."""
    log, gates = watched(world, "a", "b")
    gates[1].refusing = True
    script = Script(world, 1)
    pipeline = Pipeline(*gates)
    items = script.begin(pipeline)
    with pytest.raises(RejectedError) as refusal:
        items.next()
    assert log == [("a", "admitted"), ("b", "refused"), ("a", "settled", refusal.value, 0.0)]
    (counts,) = pipeline.snapshot().values()
    assert (counts["refused"], counts["succeeded"], counts["failed"]) == (1, 0, 0)
    ends(items)


def test_a_calm_permit_is_not_told_of_a_clean_end(world: World) -> None:
    """It costs as little as that of a call."""
    log, (gate,) = watched(world)
    gate.free = gate.calm = object()
    assert Script(world, 1).begin(gate).rest() == [1]
    assert log == []


def test_a_permit_is_out_for_the_whole_life(world: World) -> None:
    """Between its steps too."""
    gate = bulkhead(1, clock=world.clock)
    script = Script(world, 1, 2)
    items = script.begin(gate)
    items.next()
    world.clock.freeze(1000)
    with pytest.raises(BulkheadFullError):
        script.begin(gate).next()
    items.rest()
    assert script.begin(gate).rest() == [1, 2]


# -- what the consumer sees --------------------------------------------------------------------------------------------


def test_what_is_sent_arrives(world: World) -> None:
    """At the yield that waits for it."""
    script = Script(world, 1, 2)
    items = script.begin(bulkhead(1))
    assert (items.next(), items.send("first"), items.rest()) == (1, 2, [])
    assert script.heard == ["first", None]


def test_what_a_generator_returns_is_returned(world: World) -> None:
    """An async generator returns nothing."""
    items = Script(world, 1).begin(bulkhead(1))
    items.rest()
    assert items.result == ("end" if world.name == "sync" else None)


def test_a_generator_can_be_delegated_to() -> None:
    """``yield from`` sees items and result."""

    @bulkhead(1)
    def inner() -> Any:
        got = yield 1
        return got

    def outer() -> Any:
        result = yield from inner()
        yield result

    items = outer()
    assert (next(items), items.send("sent")) == (1, "sent")


# -- how it ends -------------------------------------------------------------------------------------------------------


def test_a_closed_generator_was_cancelled(world: World) -> None:
    """Its gates are told the very `GeneratorExit`, for which no gate takes a lock."""
    log, (gate,) = watched(world)
    script = Script(world, 1, 2)
    pipeline = Pipeline(gate)
    items = script.begin(pipeline)
    items.next()
    items.close()
    (end,) = told(log)
    assert isinstance(end, GeneratorExit)
    assert isinstance(script.heard[0], GeneratorExit)
    assert next(iter(pipeline.snapshot().values()))["cancelled"] == 1


def test_one_that_was_not_begun_holds_nothing(world: World) -> None:
    """So there is nothing to give back, and nothing to count."""
    log, (gate,) = watched(world)
    pipeline = Pipeline(gate)
    governed = pipeline(Script(world, 1).function)
    Items(world, governed()).close()
    assert log == []
    assert sum(value for value in pipeline.snapshot()[next(iter(pipeline.snapshot()))].values() if value) == 0


@pytest.mark.parametrize("deaf", [ValueError("while it closed"), "another item"], ids=["raises", "yields"])
def test_what_a_generator_does_when_it_is_closed_is_no_verdict(world: World, deaf: Any) -> None:
    """The collector may have closed it. The consumer sees the error all the same."""
    log, (gate,) = watched(world)
    items = Script(world, 1, 2, deaf=deaf).begin(gate)
    items.next()
    with pytest.raises(
        ValueError if isinstance(deaf, Exception) else RuntimeError, match=r"while it closed|ignored GeneratorExit"
    ):
        items.close()
    assert [type(end) for end in told(log)] == [GeneratorExit]
    items.rest()
    assert len(log) == 2


def test_an_error_thrown_in_teaches_nothing_when_it_comes_out(world: World) -> None:
    """It is the consumer's own."""
    log, (gate,) = watched(world)
    pipeline = Pipeline(gate)
    items = Script(world, 1).begin(pipeline)
    items.next()
    error = ValueError()
    with pytest.raises(ValueError, match=r"^$") as raised:
        items.throw(error)
    assert raised.value is error
    assert [type(end) for end in told(log)] == [Ignored]
    (counts,) = pipeline.snapshot().values()
    assert (counts["cancelled"], counts["failed"]) == (1, 0)


def test_an_error_that_a_generator_makes_of_it_is_a_verdict(world: World) -> None:
    """It is the generator's own."""
    log, (gate,) = watched(world)
    own = KeyError("own")
    items = Script(world, 1, deaf=own).begin(gate)
    items.next()
    with pytest.raises(KeyError):
        items.throw(ValueError())
    assert told(log) == [own]


def test_a_generator_may_go_on_after_an_error(world: World) -> None:
    """Then it is not over, and ends as well as any."""
    log, (gate,) = watched(world)
    items = Script(world, 1, 2, deaf="caught").begin(gate)
    items.next()
    assert items.throw(ValueError()) == "caught"
    assert len(log) == 1
    assert items.rest() == [2]
    assert told(log) == [None]


def test_an_error_thrown_in_before_is_forgotten(world: World) -> None:
    """The same error raised at a later step is the generator's."""
    log, (gate,) = watched(world)
    error = ValueError()
    items = Script(world, 1, error, deaf="caught").begin(gate)
    items.next()
    items.throw(error)
    with pytest.raises(ValueError, match=r"^$"):
        items.next()
    assert told(log) == [error]


def test_no_error_that_is_not_an_exception_is_a_verdict(world: World) -> None:
    """As everywhere."""
    breaker = circuit_breaker(min_calls=1, clock=world.clock)
    items = Script(world, 1).begin(breaker)
    items.next()
    with pytest.raises(KeyboardInterrupt):
        items.throw(KeyboardInterrupt())
    assert breaker.snapshot()["calls"] == 0


def test_a_failure_opens_the_circuit(world: World) -> None:
    """It is one outcome, whatever was yielded before."""
    breaker = circuit_breaker(min_calls=2, clock=world.clock)
    script = Script(world, 1, 2, ValueError())
    for _ in range(2):
        items = script.begin(breaker)
        assert (items.next(), items.next()) == (1, 2)
        with pytest.raises(ValueError, match=r"^$"):
            items.next()
    with pytest.raises(CircuitOpenError):
        script.begin(breaker).next()


# -- what is counted ---------------------------------------------------------------------------------------------------


def test_a_generator_is_one_call(world: World) -> None:
    """Its duration is the time of its steps; its consumer's is not its own."""
    pipeline = Pipeline(bulkhead(1, clock=world.clock))
    items = Script(world, Takes(1, "a"), Takes(1, "b")).begin(pipeline)
    for _ in range(2):
        items.next()
        world.clock.advance(100)
    items.rest()
    (counts,) = pipeline.snapshot().values()
    assert (counts["succeeded"], counts["mean"]) == (1, 2.0)


@pytest.mark.parametrize(("seconds", "slow"), [(1, 0), (1.5, 1)])
def test_slow_is_what_its_steps_take(world: World, seconds: float, slow: int) -> None:
    """Neither a slow consumer nor a frozen process makes a generator slow."""
    breaker = circuit_breaker(slow_call_duration=2.0, clock=world.clock)
    items = Script(world, Takes(1, "a"), Takes(seconds, "b")).begin(breaker)
    items.next()
    world.clock.freeze(3600)
    items.next()
    world.clock.advance(50)
    assert items.rest() == []
    assert (breaker.snapshot()["calls"], breaker.snapshot()["slow"]) == (1, slow)


def test_one_that_was_slow_already_was_slow_when_it_is_closed(world: World) -> None:
    """As a call that is cancelled."""
    breaker = circuit_breaker(slow_call_duration=2.0, clock=world.clock)
    for seconds in (2, 3):
        items = Script(world, Takes(seconds, "a"), "b").begin(breaker)
        items.next()
        items.close()
    assert (breaker.snapshot()["calls"], breaker.snapshot()["slow"]) == (1, 1)


DEEDS_OF_GARBAGE = [("rest", 0), ("throw", 0), ("close", 0), ("late", 10)]


def test_a_governed_generator_leaves_nothing_to_the_collector(world: World) -> None:
    """Neither when it ends, nor when it fails, is closed, or runs out of time."""
    policies = Pipeline(timeout(9, clock=world.clock), bulkhead(1, clock=world.clock))

    @policies
    def plain() -> Any:
        yield 1

    @policies
    async def other() -> Any:
        yield 1

    def work() -> None:
        for deed, seconds in DEEDS_OF_GARBAGE:
            items = plain()
            next(items)
            world.clock.advance(seconds)
            try:
                items.throw(KeyError) if deed == "throw" else items.close() if deed == "close" else next(items)
            except (KeyError, StopIteration, TimeoutError):
                pass

    async def awork() -> None:
        for deed, seconds in DEEDS_OF_GARBAGE:
            items = other()
            await anext(items)
            world.clock.advance(seconds)
            try:
                await (items.athrow(KeyError) if deed == "throw" else items.aclose() if deed == "close" else anext(items))
            except (KeyError, StopAsyncIteration, TimeoutError):
                pass

    def either() -> None:
        world.run(work if world.name == "sync" else awork)

    either()
    left = [one for one in garbage_of(either) if isinstance(one, BaseException) or type(one).__module__.startswith("svcgov")]
    assert left == []
