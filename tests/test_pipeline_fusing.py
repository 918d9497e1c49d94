"""Adjacent decorators are one pipeline, in the order written; a foreign decorator between them ends it."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from _worlds import World, deadline, garbage_of
from svcgov import Pipeline, bulkhead, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, ConfigError


def policies_of(governed: Any) -> tuple[Any, ...]:
    """The policies around a governed function."""
    policies: tuple[Any, ...] = governed.__svcgov__.policies
    return policies


def test_adjacent_decorators_fuse_in_the_order_written(world: World) -> None:
    """Top is outermost, and there is one frame of ours around the function, not three."""
    outer, middle, inner = timeout(9, clock=world.clock), bulkhead(9, clock=world.clock), retry(on=OSError, clock=world.clock)
    _, fn = world.scripted("answer")
    governed = outer(middle(inner(fn)))
    assert policies_of(governed) == (outer, middle, inner)
    assert governed.__wrapped__ is fn  # type: ignore[attr-defined]
    assert world.run(governed) == "answer"


def test_fused_and_written_as_one_do_the_same(world: World) -> None:
    """The bulkhead outside the retry is asked once, the rate limit inside it for each attempt."""
    for fuse in (True, False):
        gate, limit = bulkhead(1, clock=world.clock), rate_limit("100/s", clock=world.clock)
        again = retry(on=ConnectionError, attempts=3, backoff=0, budget=None, clock=world.clock)
        _, fn = world.scripted(ConnectionError(), ConnectionError(), "answer")
        governed = gate(again(limit(fn))) if fuse else Pipeline(gate, again, limit)(fn)
        assert world.run(governed) == "answer"
        assert limit.snapshot()["remaining"] == 97
        assert gate.snapshot()["in_use"] == 0


def test_pipelines_fuse_with_policies(world: World) -> None:
    """Whichever of them stands above."""
    gate, again = bulkhead(9, clock=world.clock), retry(on=OSError, clock=world.clock)
    _, fn = world.scripted(None)
    assert policies_of(Pipeline(gate)(again(fn))) == policies_of(gate(Pipeline(again)(fn))) == (gate, again)


def test_a_policy_that_is_there_twice_is_there_once(world: World) -> None:
    """A bulkhead of one would refuse its own call otherwise."""
    gate = bulkhead(1, clock=world.clock)
    _, fn = world.scripted("answer")
    assert world.run(gate(Pipeline(gate)(gate(fn)))) == "answer"


def test_policies_of_different_clocks_do_not_fuse(world: World) -> None:
    """It is an error, as it is within one pipeline."""
    _, fn = world.scripted(None)
    with pytest.raises(ConfigError, match="the clock of the other policies"):
        bulkhead(1)(bulkhead(1, clock=world.clock)(fn))


def test_nothing_fuses_through_a_foreign_decorator(world: World) -> None:
    """It copies our mark, but what it does must still be done, and in its place."""
    reached: list[str] = []

    def counted(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            reached.append("foreign")
            return fn(*args, **kwargs)

        return wrapper

    outer, inner = bulkhead(9, clock=world.clock), retry(on=OSError, clock=world.clock)
    _, fn = world.scripted("answer")
    copied = counted(inner(fn))
    assert policies_of(copied) == (inner,)
    governed = outer(copied)
    assert policies_of(governed) == (outer,)
    assert world.run(governed) == "answer"
    assert reached == ["foreign"]


def test_a_bound_method_of_a_governed_function_is_governed_anew() -> None:
    """It shows the mark of its function, and is another thing: it brings its object along."""
    inner, outer = bulkhead(9), bulkhead(9)

    class Shop:
        @inner
        def charge(self) -> Shop:
            return self

    shop = Shop()
    governed = outer(shop.charge)
    assert policies_of(governed) == (outer,)
    assert governed() is shop


def test_the_inner_decorated_function_goes_on_by_itself(world: World) -> None:
    """Fusing changes nothing of what it was given."""
    outer, inner = bulkhead(1, clock=world.clock), bulkhead(2, clock=world.clock)
    call = world.governed(inner, lambda: outer.snapshot()["in_use"])
    governed = outer(call.function)
    assert policies_of(call.function) == (inner,)
    assert (world.run(governed), call()) == (1, 0)


def test_descriptors_fuse_too(world: World) -> None:
    """A class method that is decorated above and below."""
    outer, inner = bulkhead(9, clock=world.clock), retry(on=OSError, clock=world.clock)
    _, fn = world.scripted("answer")
    kind = type("Kind", (), {"charge": outer(classmethod(inner(fn)))})  # type: ignore[arg-type]
    assert policies_of(kind.charge.__func__) == (outer, inner)  # type: ignore[attr-defined]
    assert world.run(kind.charge) == "answer"  # type: ignore[attr-defined]


def test_every_pipeline_knows_the_function_that_it_is_part_of(world: World) -> None:
    """And not what was there before it was fused."""
    inner, outer = Pipeline(bulkhead(9, clock=world.clock)), Pipeline(bulkhead(9, clock=world.clock))
    _, fn = world.scripted(None)
    governed = outer(inner(fn))
    world.run(governed)
    assert inner.snapshot() == outer.snapshot()
    assert [one["succeeded"] for one in inner.snapshot().values()] == [1]


def test_the_outermost_pipeline_names_the_call(world: World) -> None:
    """In the errors of the head."""
    governed = Pipeline(name="outer")(Pipeline(name="inner")(world.scripted(None)[1]))
    with deadline(-1.0), pytest.raises(TimeoutError, match="outer: expired"):
        world.run(governed)


def test_fusing_leaves_nothing_to_the_collector() -> None:
    """What was decorated on the way is gone at once; so is a decorated function that nobody keeps."""
    gate, again = bulkhead(9), retry(on=OSError, budget=None)

    def work() -> None:
        gate(again(lambda: None))()

    work()
    assert garbage_of(work) == []


def test_a_gate_inside_two_functions_is_one_gate(world: World) -> None:
    """Each function has frames of its own around the same state."""
    gate = bulkhead(1, clock=world.clock)
    other = world.governed(gate)

    def plain() -> Any:
        return other.function()

    async def coroutine() -> Any:
        return await other.function()

    with pytest.raises(BulkheadFullError):
        world.run(gate(plain if world.name == "sync" else coroutine))
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 1}
