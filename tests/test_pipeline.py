"""The pipeline as a decorator: what can be governed, and that it stays what it was."""

from __future__ import annotations

import asyncio
import builtins
import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

from _gates import Watched
from _worlds import World, hasty_switches, in_threads
from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import ConfigError
from svcgov.pipeline import Policy, pipeline_of

if TYPE_CHECKING:
    from collections.abc import Callable


def all_five(world: World) -> Pipeline:
    """One policy of each kind."""
    clock = world.clock
    return Pipeline(
        timeout(60, clock=clock),
        bulkhead(9, clock=clock),
        retry(on=ConnectionError, clock=clock),
        rate_limit("9/s", clock=clock),
        circuit_breaker(slow_call_duration=30, clock=clock),
    )


def charge(order: str, /, *more: int, amount: int = 1, **rest: Any) -> tuple[Any, ...]:
    """Charge an order."""
    return order, more, amount, rest


async def acharge(order: str, /, *more: int, amount: int = 1, **rest: Any) -> tuple[Any, ...]:
    """Charge an order."""
    return order, more, amount, rest


def of(world: World) -> Callable[..., Any]:
    """The function of this world."""
    return charge if world.name == "sync" else acharge


def test_a_governed_function_is_a_function(world: World) -> None:
    """Some platforms take nothing else for a handler."""
    assert type(all_five(world)(of(world))) is FunctionType


def test_name_signature_and_docstring_stay(world: World) -> None:
    """And what it wraps can be found."""
    fn = of(world)
    governed = all_five(world)(fn)
    assert (governed.__name__, governed.__qualname__, governed.__module__) == (fn.__name__, fn.__qualname__, fn.__module__)
    assert governed.__doc__ == "Charge an order."
    assert inspect.signature(governed) == inspect.signature(fn)
    assert inspect.unwrap(governed) is fn


def test_plain_stays_plain_and_async_stays_async(world: World) -> None:
    """It is never guessed again at a call."""
    assert inspect.iscoroutinefunction(all_five(world)(of(world))) is (world.name == "async")


@pytest.mark.parametrize(
    "make", [all_five, lambda world: Pipeline(), lambda world: Pipeline(retry(on=OSError, clock=world.clock))]
)
def test_arguments_and_result_pass(make: Any, world: World) -> None:
    """By position and by name, through whatever policies there are."""
    assert world.run(make(world)(of(world)), "a", 2, 3, amount=4, fee=5) == ("a", (2, 3), 4, {"fee": 5})


def test_arguments_may_have_any_name(world: World) -> None:
    """No name is taken by the frames."""
    names = {"self": 1, "fn": 2, "args": 3, "kwargs": 4, "kw": 5, "now": 6, "error": 7, "policy": 8}
    pipeline = all_five(world)
    assert world.run(functools.partial(pipeline(of(world)), "a", **names))[3] == names
    through = pipeline.call if world.name == "sync" else pipeline.acall
    assert world.run(functools.partial(through, of(world), "a", **names))[3] == names


def test_attributes_of_the_function_stay(world: World) -> None:
    """Frameworks mark functions."""

    @functools.wraps(of(world))
    def fn() -> None: ...

    fn.route = "/orders"  # type: ignore[attr-defined]
    assert all_five(world)(fn).route == "/orders"  # type: ignore[attr-defined]


class Plain:
    """Things that can be called, of the plain kind."""

    def method(self, x: int) -> tuple[Any, int]:
        """Take it."""
        return self, x

    def __call__(self, x: int) -> tuple[Any, int]:
        return self, x


class Coroutines:
    """The same of the other kind."""

    async def method(self, x: int) -> tuple[Any, int]:
        """Take it."""
        return self, x

    async def __call__(self, x: int) -> tuple[Any, int]:
        return self, x


@pytest.fixture
def thing(world: World) -> Any:
    """An object that can be called, and has a method."""
    return Plain() if world.name == "sync" else Coroutines()


def test_a_bound_method_is_governed(world: World, thing: Any) -> None:
    """It keeps its object."""
    governed = all_five(world)(thing.method)
    assert world.run(governed, 1) == (thing, 1)
    assert governed.__name__ == "method"


def test_a_method_is_governed_in_its_class(world: World, thing: Any) -> None:
    """For every object of the class, with one state."""
    cls = type(thing)
    kind = type("Kind", (), {"method": all_five(world)(cls.method)})
    one = kind()
    assert world.run(one.method, 1) == (one, 1)


def test_a_callable_object_is_governed(world: World, thing: Any) -> None:
    """It is called by its class, since it has no name of its own."""
    governed = all_five(world)(thing)
    assert world.run(governed, 1) == (thing, 1)
    assert (governed.__name__, governed.__module__) == (type(thing).__name__, __name__)
    assert type(governed) is FunctionType


def test_a_partial_is_governed(world: World) -> None:
    """It is called by its function, and shows the signature that is left."""
    partial = functools.partial(functools.partial(of(world), "a"), amount=2)
    governed = all_five(world)(partial)
    assert world.run(governed, 3) == ("a", (3,), 2, {})
    assert (governed.__name__, governed.__doc__) == (of(world).__name__, "Charge an order.")
    assert inspect.signature(governed) == inspect.signature(partial)


@pytest.mark.parametrize("name", ["classmethod", "staticmethod"])
def test_the_same_kind_of_descriptor_comes_back(name: str, world: World) -> None:
    """Whichever of the two decorators stands above the other."""
    policies, descriptor = all_five(world), getattr(builtins, name)
    assert type(policies(descriptor(of(world)))).__name__ == name
    above: Any = type("Above", (), {"charge": policies(descriptor(of(world)))})
    below: Any = type("Below", (), {"charge": descriptor(policies(of(world)))})
    for kind in (above, below):
        mine = () if name == "classmethod" else (kind,)
        assert world.run(kind.charge, *mine) == (kind, (), 1, {})


def test_a_class_that_is_called_is_governed() -> None:
    """What makes an object can fail like any other call."""
    assert Pipeline(retry(on=OSError))(dict)([("a", 1)]) == {"a": 1}


def test_what_says_that_it_returns_a_coroutine_is_awaited() -> None:
    """A plain function that is marked so is governed until the coroutine has ended."""
    if not hasattr(inspect, "markcoroutinefunction"):
        from asyncio.coroutines import _is_coroutine  # type: ignore[attr-defined]  # the older mark

        def mark(fn: Any) -> Any:
            fn._is_coroutine = _is_coroutine
            return fn
    else:
        mark = inspect.markcoroutinefunction
    gate = bulkhead(1)
    inside: list[int] = []

    async def work() -> None:
        inside.append(gate.snapshot()["in_use"])

    governed = gate(mark(functools.partial(work)))
    asyncio.run(governed())
    assert inside == [1]


@pytest.mark.parametrize("thing", [None, 3, "charge", [charge], property(charge)], ids=repr)
def test_what_cannot_be_called_is_refused(thing: Any) -> None:
    """The error shows what it was given."""
    with pytest.raises(TypeError, match="expected a function to govern, got"):
        Pipeline(bulkhead(1))(thing)


@pytest.mark.parametrize("decorate", [bulkhead(1), Pipeline()], ids=["policy", "pipeline"])
def test_an_exception_class_was_meant_otherwise(decorate: Any) -> None:
    """It can be called, but nobody governs it."""
    with pytest.raises(TypeError, match=r"did you mean retry\(on=\.\.\.\)"):
        decorate(ConnectionError)


@pytest.mark.parametrize("given", ["retry", retry, 3, None, [bulkhead(1)], ConnectionError], ids=repr)
def test_what_is_no_policy_is_refused(given: Any) -> None:
    """With the place where it stands."""
    with pytest.raises(ConfigError, match=r"Pipeline\[1\]: expected a policy or a pipeline"):
        Pipeline(bulkhead(1), given)


def test_an_exception_class_among_the_policies_is_recognised() -> None:
    """The hint says what was meant."""
    with pytest.raises(ConfigError, match=r"did you mean retry\(on=\.\.\.\)"):
        Pipeline(ConnectionError)  # type: ignore[arg-type]


def test_policies_of_different_clocks_are_refused(world: World) -> None:
    """A call has one time."""
    with pytest.raises(ConfigError, match=r"Pipeline\[1\]\.clock: expected the clock of the other policies"):
        Pipeline(bulkhead(1), bulkhead(1, clock=world.clock))


@pytest.mark.parametrize("name", ["", "a b", 3])
def test_a_name_that_cannot_be_is_refused(name: Any) -> None:
    """It ends up in errors and documents."""
    with pytest.raises(ConfigError, match=r"Pipeline\.name"):
        Pipeline(name=name)


def test_nested_pipelines_are_taken_apart() -> None:
    """In the order written; what is there twice is there once."""
    one, two, three = bulkhead(1), bulkhead(2), retry(on=OSError)
    inner = Pipeline(two, Pipeline(three), one)
    assert Pipeline(one, inner, two).policies == (one, two, three)
    assert Pipeline(Pipeline(), Pipeline()).policies == ()


def test_a_pipeline_shows_its_order() -> None:
    """First is outermost."""
    assert repr(Pipeline(timeout(1), bulkhead(1, name="b"), retry(on=OSError))) == "Pipeline(timeout > b > retry)"


def test_a_policy_argument_means_a_pipeline() -> None:
    """One policy, a pipeline, the name of one, several of them, or none."""
    gate, other = bulkhead(1), bulkhead(2)
    pipeline = Pipeline(gate)
    assert pipeline_of(pipeline, "here") is pipeline
    assert pipeline_of(gate, "here").policies == (gate,)
    assert pipeline_of([pipeline, other], "here").policies == pipeline_of((gate, other), "here").policies == (gate, other)
    assert pipeline_of(None, "here").policies == ()
    named = Pipeline(gate, name="payments")
    assert pipeline_of("payments", "here") is named
    with pytest.raises(ConfigError, match="here: expected a policy, a pipeline, the name of one, or a list of them, got 7"):
        pipeline_of(7, "here")


def test_a_policy_of_ones_own_is_governed_like_any_other(world: World) -> None:
    """A new policy is a class: the pipeline knows shapes, no names."""
    log: list[tuple[Any, ...]] = []
    own = Watched("own", log, world.clock)
    world.governed(Pipeline(own, bulkhead(1, clock=world.clock)))()
    world.governed(own)()
    assert [one[1] for one in log] == ["admitted", "settled"] * 2
    assert isinstance(own, Policy)


def test_the_head_measures_by_its_own_clock_where_no_policy_has_one(world: World) -> None:
    """A policy's clock goes before."""
    seen, fn = world.scripted(lambda: world.clock.advance(3))
    pipeline = Pipeline()
    governed = pipeline.around(fn, clock=world.clock)
    world.run(governed)
    (record,) = pipeline.snapshot().values()
    assert (len(seen), record["mean"]) == (1, 3.0)


def test_functions_are_governed_from_many_threads_at_once() -> None:
    """While others ask what became of the calls."""
    pipeline = Pipeline(bulkhead(100))
    kept: list[Any] = []

    def work(number: int) -> None:
        def fn() -> int:
            return number

        for _ in range(50):
            governed = pipeline(fn)
            kept.append(governed)
            governed()
            pipeline.snapshot()

    with hasty_switches():
        assert in_threads(8, work) == []
    assert sum(one["succeeded"] for one in pipeline.snapshot().values()) == 400
