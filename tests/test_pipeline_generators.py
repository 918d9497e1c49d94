"""A generator function under a pipeline: what kinds there are, what they look like, and what a pipeline knows of them."""

from __future__ import annotations

import functools
import inspect
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _generators import Items, Script
from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov._core import _live, _overrides
from svcgov._core._context import DEADLINE
from svcgov.errors import BulkheadFullError, ConfigWarning, RateLimitedError
from svcgov.pipeline import Governed
from svcgov.testing import ManualClock, by_hand, disabled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _worlds import World


def lines(count: int, *, prefix: str = "") -> Iterator[str]:
    """So many lines."""
    for number in range(count):
        yield f"{prefix}{number}"


async def async_lines(count: int, *, prefix: str = "") -> Any:
    """So many lines."""
    for number in range(count):
        yield f"{prefix}{number}"


class Feed:
    """What generators are also written as."""

    def method(self, count: int) -> Iterator[str]:
        """Lines."""
        yield from lines(count)

    @classmethod
    def of_class(cls, count: int) -> Iterator[str]:
        """Lines."""
        yield from lines(count, prefix=cls.__name__)

    @staticmethod
    def of_nobody(count: int) -> Iterator[str]:
        """Lines."""
        yield from lines(count)

    def __call__(self, count: int) -> Iterator[str]:
        """Lines."""
        yield from lines(count)


# -- what they look like -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fn", [lines, async_lines])
def test_the_same_kind_of_function_comes_back(fn: Callable[..., Any]) -> None:
    """With its name, its signature and its docstring; whoever asks finds a generator function."""
    governed = Pipeline(bulkhead(1))(fn)
    assert type(governed) is FunctionType
    assert inspect.isgeneratorfunction(governed) == inspect.isgeneratorfunction(fn)
    assert inspect.isasyncgenfunction(governed) == inspect.isasyncgenfunction(fn)
    assert inspect.isgenerator(governed(1)) == inspect.isgeneratorfunction(fn)
    assert inspect.signature(governed) == inspect.signature(fn)
    assert (governed.__name__, governed.__doc__, inspect.unwrap(governed)) == (fn.__name__, fn.__doc__, fn)
    assert isinstance(governed.__svcgov__, Governed)  # type: ignore[attr-defined]  # the mark


def test_all_that_is_written_as_a_generator_can_be_governed() -> None:
    """Methods, class and static methods, partials, callable objects."""
    gate = bulkhead(1)
    feed = Feed()
    governed = type("Governed", (), {name: gate(vars(Feed)[name]) for name in ("method", "of_class", "of_nobody")})
    assert isinstance(vars(governed)["of_class"], classmethod)
    assert isinstance(vars(governed)["of_nobody"], staticmethod)
    assert list(governed().method(2)) == ["0", "1"]
    assert list(governed.of_class(1)) == ["Governed0"]  # type: ignore[attr-defined]  # made above
    assert list(governed.of_nobody(1)) == ["0"]  # type: ignore[attr-defined]  # made above
    assert list(gate(functools.partial(lines, 1, prefix="p"))()) == ["p0"]
    assert list(gate(feed)(1)) == ["0"]
    assert list(gate(feed.method)(1)) == ["0"]
    assert gate.snapshot()["in_use"] == 0


def test_adjacent_decorators_fuse() -> None:
    """In the order written."""
    outer, inner = bulkhead(2, name="outer"), bulkhead(1, name="inner")
    governed = outer(inner(lines))
    assert governed.__wrapped__ is lines  # type: ignore[attr-defined]  # as functools does
    assert [policy.label for policy in governed.__svcgov__.policies] == ["outer", "inner"]  # type: ignore[attr-defined]  # the mark
    items = governed(2)
    next(items)
    assert (outer.snapshot()["in_use"], inner.snapshot()["in_use"]) == (1, 1)
    with pytest.raises(BulkheadFullError, match="inner"):
        next(governed(1))
    assert outer.snapshot()["in_use"] == 1
    items.close()  # type: ignore[attr-defined]  # a generator
    assert (outer.snapshot()["in_use"], inner.snapshot()["in_use"]) == (0, 0)


@pytest.mark.parametrize(("fn", "kind"), [(lines, "generator"), (async_lines, "async generator")])
def test_a_pipeline_knows_its_generators(fn: Callable[..., Any], kind: str) -> None:
    """In its description, and in its snapshot."""
    pipeline = Pipeline(bulkhead(1, name="feed"), name="feed")
    governed = pipeline(fn)
    assert f"  around {__name__}.{fn.__name__} ({kind})" in pipeline.describe().splitlines()
    assert fn.__name__ in pipeline.describe("mermaid")
    assert list(pipeline.snapshot()) == [f"{__name__}.{governed.__name__}"]


def test_a_breaker_inside_a_time_out_is_warned_of() -> None:
    """It learns nothing from a generator that is closed since its time is over."""
    with pytest.warns(ConfigWarning, match="learns nothing"):
        Pipeline(timeout(5), circuit_breaker("feed"))(lines)


# -- what cannot be -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fn", [lines, async_lines, functools.partial(lines, 1)])
def test_a_retry_refuses_a_generator_function(fn: Callable[..., Any]) -> None:
    """It says why, and what to do; at decoration, alone or fused."""
    again = retry(on=ConnectionError)
    with pytest.raises(TypeError, match=r"is a generator function.*run it again. Retry inside it, around each step"):
        again(fn)
    with pytest.raises(TypeError, match="lines is a generator function"):
        again(bulkhead(1)(fn))
    with disabled("retry"), pytest.raises(TypeError, match="lines is a generator function"):
        again(fn)


@pytest.mark.parametrize("fn", [lines, async_lines])
def test_a_time_out_on_a_thread_refuses_a_generator_function(fn: Callable[..., Any]) -> None:
    """Its steps are made by whoever asks."""
    with pytest.raises(TypeError, match="cannot leave them behind on a thread"):
        timeout(5, enforce="thread")(fn)


def test_a_generator_function_is_not_called_through_a_pipeline() -> None:
    """Nothing of it would be governed. A plain function may return a generator all the same."""
    pipeline = Pipeline(bulkhead(1))
    for fn in (lines, bulkhead(1)(lines), functools.partial(lines)):
        with pytest.raises(TypeError, match="is a generator function: decorate it"):
            pipeline.call(fn, 1)
    with pytest.raises(TypeError, match="is a generator function: decorate it"):
        pipeline.call(async_lines, 1)
    assert list(pipeline.call(lambda: lines(1))) == ["0"]


@pytest.mark.parametrize("fn", [lines, bulkhead(1)(lines), async_lines])
def test_a_handler_is_no_generator_function(fn: Callable[..., Any]) -> None:
    """A platform would get a generator for an answer."""
    with pytest.raises(TypeError, match="is a generator function: a call from outside has one answer"):
        svcgov.handler(fn)


# -- what is shared with calls ------------------------------------------------------------------------------------------


def test_a_gate_is_shown_the_call(world: World) -> None:
    """The function as it was written, and its arguments."""
    seen: list[Any] = []

    def key(call: Any) -> str:
        seen.append((call.fn, call.args))
        return "key"

    script = Script(world, 1)
    items = script.begin(rate_limit("1/hour", key=key, clock=world.clock), 7)
    assert items.rest() == [1]
    assert seen == [(script.function, (7,))]


def test_a_gate_is_there_for_those_it_is_meant_for(world: World) -> None:
    """``when`` is asked at the first step."""
    gate = bulkhead(1, when=lambda call: call.args[0] > 1, clock=world.clock)
    script = Script(world, 1, 2)
    first = script.begin(gate, 2)
    first.next()
    assert script.begin(gate, 1).rest() == [1, 2]
    with pytest.raises(BulkheadFullError):
        script.begin(gate, 2).next()
    first.close()
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 1}


@pytest.mark.parametrize("mode", ["observe", "off"])
def test_a_gate_that_does_not_enforce_refuses_no_generator(world: World, mode: Any) -> None:
    """``observe`` counts what it would have refused, also where it would have let wait."""
    gate = bulkhead(1, mode=mode, max_wait=1.0, clock=world.clock)
    script = Script(world, 1)
    items = [script.begin(gate) for _ in range(3)]
    for one in items:
        assert one.next() == 1
    for one in items:
        one.close()
    assert gate.snapshot()["in_use"] == 0


def test_a_predicate_of_results_is_not_asked(world: World) -> None:
    """A generator has items, and no result."""
    breaker = circuit_breaker(on_result=lambda _: True, window=10, clock=world.clock)
    assert Script(world, 1).begin(breaker).rest() == [1]
    assert (breaker.snapshot()["calls"], breaker.snapshot()["failed"]) == (1, 0)


def test_one_that_runs_ends_on_the_nesting_it_began_with(world: World) -> None:
    """Whatever is changed or switched meanwhile."""
    gate = bulkhead(1, clock=world.clock)
    pipeline = Pipeline(timeout(5, clock=world.clock), gate)
    script = Script(world, DEADLINE.get, DEADLINE.get)
    items = script.begin(pipeline)
    assert items.next() == 5.0
    with disabled():
        assert Items(world, script.governed()).rest() == [None, None]
        assert items.next() == 5.0
    gate.reconfigure({"mode": "off"})
    assert gate.snapshot()["in_use"] == 1
    assert items.rest() == []
    assert gate.snapshot()["in_use"] == 0
    gate.reconfigure({})
    assert Items(world, script.governed()).next() == 5.0


def test_one_that_runs_ends_by_its_own_time() -> None:
    """A test that moves the clock meanwhile neither makes it slow nor late."""
    breaker = circuit_breaker(slow_call_duration=60.0)
    items = Pipeline(timeout(60), breaker)(lines)(2)
    next(items)
    with by_hand() as clock:
        clock.advance(1e6)
        assert list(items) == ["1"]
    assert breaker.snapshot()["slow"] == 0


def test_kinds_of_policies_can_be_switched_off() -> None:
    """As for functions."""
    with disabled("bulkhead"):
        gate = bulkhead(1)
        governed = gate(lines)
        assert [next(governed(1)) for _ in range(3)] == ["0"] * 3


@pytest.fixture
def _no_override_left() -> Iterator[None]:
    """Other tests find the usual frames."""
    yield
    _overrides.in_use = _overrides._nested = False
    for one in _live.living():
        if isinstance(one, Governed):
            one.route = one.nested()


@pytest.mark.usefixtures("_no_override_left")
def test_an_override_is_for_generators_that_begin_inside_it(world: World) -> None:
    """By the first step, that is; one that has begun before ends as it began."""
    script = Script(world, DEADLINE.get, DEADLINE.get)
    pipeline = Pipeline(timeout(5, clock=world.clock), bulkhead(9, clock=world.clock))
    items = script.begin(pipeline)
    assert items.next() == 5.0
    with svcgov.override(timeout=2, retry={"on": "transient"}, bulkhead=None):
        inside = Items(world, script.governed())
        assert inside.next() == 2.0
        assert items.next() == 5.0
    assert inside.next() == 2.0
    outside = Items(world, script.governed())
    assert outside.next() == 5.0
    for one in (inside, outside):
        one.close()


def test_a_rate_is_paid_at_the_first_step(world: World) -> None:
    """Not when it is called, and not by item."""
    limit = rate_limit("1/hour", clock=world.clock)
    script = Script(world, 1, 2, 3)
    items = [script.begin(limit) for _ in range(3)]
    assert items[0].rest() == [1, 2, 3]
    with pytest.raises(RateLimitedError):
        items[1].next()


def test_time_by_hand_is_the_clock_of_generators() -> None:
    """As of functions."""
    clock = ManualClock()
    pipeline = Pipeline(bulkhead(1, clock=clock))
    governed = pipeline(lines)
    assert list(governed(2)) == ["0", "1"]
    assert pipeline.snapshot()[f"{__name__}.lines"]["mean"] == 0.0
