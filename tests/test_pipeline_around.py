"""What a pipeline tells its policies of where they stand, what it keeps of its functions, and how those look."""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from _gates import Watched
from svcgov import bulkhead, circuit_breaker, retry, timeout
from svcgov._core._clock import SYSTEM
from svcgov._documented import called, check, hold
from svcgov.errors import BulkheadFullError, ConfigError
from svcgov.pipeline import Pipeline
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.pipeline import Policy


class Placed(Watched):
    """A gate that writes down where it is built in."""

    def __init__(self) -> None:
        self.places: list[tuple[bool, str | None]] = []
        super().__init__("placed", [], SYSTEM)

    def attach(self, *, edge: bool, service: str | None) -> None:
        self.places.append((edge, service))


def plain() -> str:
    """A function to govern."""
    return "plain"


async def coroutine() -> str:
    """Another one."""
    return "coroutine"


def test_a_policy_is_told_where_it_stands() -> None:
    """At an edge with the service, around a function without."""
    gate = Placed()
    pipeline = Pipeline(gate)
    at_edge = pipeline.around(plain, edge=True, service="orders")
    around = pipeline(plain)
    assert gate.places == [(True, "orders"), (False, None)]
    assert (at_edge.__svcgov__.service, around.__svcgov__.service) == ("orders", None)  # type: ignore[attr-defined]  # our mark


class Asked:
    """What a client is asked with: it keeps permits until the answer has been read."""

    def __init__(self) -> None:
        self.kept: list[Any] = []

    def let_go(self) -> None:
        """Nothing has been kept before."""

    def keep(self, *kept: Any) -> bool:
        self.kept.append(kept)
        return True


def test_at_an_edge_a_permit_is_out_until_the_answer_has_been_read() -> None:
    """Around a function it comes back with what the function returns."""
    gate = bulkhead(1)
    asked: Any = Asked()
    assert Pipeline(gate)(str.title)("plain") == "Plain"
    assert gate.snapshot()["in_use"] == 0
    assert Pipeline(gate).around(repr, edge=True)(asked) == repr(asked)
    assert gate.snapshot()["in_use"] == 1
    ((settle, permit, error, now),) = asked.kept
    settle(permit, error, now)
    assert gate.snapshot()["in_use"] == 0


def test_what_a_function_holds_counts_from_the_next_call_on() -> None:
    """And goes by its clock; without any policy the clock stays."""
    clock = ManualClock()
    pipeline, gate = Pipeline(), bulkhead(1, clock=clock)
    call = pipeline(plain)
    hold(pipeline, (gate,))
    with gate, pytest.raises(BulkheadFullError):
        call()
    hold(pipeline, ())
    with gate:
        assert call() == "plain"
    assert call.__svcgov__.clock is clock  # type: ignore[attr-defined]  # our mark


def test_a_policy_that_comes_later_is_told_where_it_stands_too() -> None:
    """Of each function that is there by then."""
    pipeline, gate = Pipeline(), Placed()
    held = pipeline.around(plain, edge=True, service="orders"), pipeline(plain)
    check(pipeline, (gate,), "place")
    assert gate.places == [(True, "orders"), (False, None)]
    assert [call() for call in held] == ["plain"] * 2


def test_a_function_that_holds_other_policies_says_so_where_somebody_wants_to_know() -> None:
    """As soon as it does, and not where it holds what it held."""
    gate = Placed()
    pipeline = Pipeline()
    heard, unheard = (pipeline.around(plain).__svcgov__ for _ in range(2))  # type: ignore[attr-defined]  # our mark
    told: list[Any] = []
    heard.told = lambda: told.append(heard.policies)
    hold(pipeline, (gate,))
    heard.renew()
    assert told == [(gate,)]
    assert unheard.policies == (gate,)


def test_a_policy_is_told_once_of_calls_through_it() -> None:
    """And the pipeline keeps one function for all of them."""
    gate = Placed()
    pipeline = Pipeline(gate)
    assert [pipeline.call(plain) for _ in range(3)] == ["plain"] * 3
    assert gate.places == [(False, None)]
    assert len(pipeline._known) == 1
    assert pipeline.snapshot()["pipeline"]["succeeded"] == 3


def test_calls_show_in_the_pipeline_too_that_theirs_was_made_like() -> None:
    """Whether it was made so, or is told so of one function; the policies are its own, before and after they change."""
    gate = Placed()
    model = Pipeline(bulkhead(1))
    made_so, told_so = called(model, "shop"), Pipeline(name="told")
    calls = [made_so.around(plain), told_so.around(plain, model=model)]
    assert [call() for call in calls] == ["plain"] * 2
    counts = [[count["succeeded"] for count in one.snapshot().values()] for one in (model, made_so, told_so)]
    assert counts == [[2], [1], [1]]
    for pipeline, call in zip((made_so, told_so), calls, strict=True):
        hold(pipeline, (gate,))
        assert call.__svcgov__.policies == (gate,)  # type: ignore[attr-defined]  # our mark


def test_plain_and_coroutine_functions_go_through_one_pipeline() -> None:
    """Each by a way of its own; counted together."""
    pipeline = Pipeline(name="payments")
    assert pipeline.call(plain) == "plain"
    assert asyncio.run(pipeline.acall(coroutine)) == "coroutine"
    assert pipeline.call(plain) == "plain"
    assert pipeline.snapshot()["payments"]["succeeded"] == 3


def test_a_plain_call_is_not_cut_off_and_not_warned_of() -> None:
    """A deadline ends no plain function, so a breaker inside of it learns what there is to learn."""
    pipeline = Pipeline(timeout(5), circuit_breaker())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pipeline.call(plain) == "plain"


def test_what_a_pipeline_warns_of_it_says_once() -> None:
    """Not for each function, and not for two at once."""
    pipeline = Pipeline(timeout(5), circuit_breaker("stock"), name="payments")
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        first, second = pipeline(coroutine), pipeline(coroutine)
    assert [str(one.message).partition(" learns")[0] for one in said] == ["payments: stock"]
    assert first is not second


def test_a_function_that_is_gone_is_forgotten() -> None:
    """A pipeline that decorates without end does not grow."""
    pipeline = Pipeline()
    governed = pipeline(plain)
    assert len(pipeline._known) == 1
    del governed
    gc.collect()
    assert pipeline._known == []


def test_a_partial_looks_like_its_function() -> None:
    """By its names, not by what else the function carries."""
    named: Any = Pipeline()(functools.partial(json.dumps, indent=2))
    assert (named.__module__, named.__name__, named.__qualname__) == ("json", "dumps", "dumps")

    def marked() -> None:
        """Marked by somebody."""

    marked.mark = True  # type: ignore[attr-defined]  # as decorators of others do
    assert not hasattr(Pipeline()(functools.partial(marked)), "mark")
    assert Pipeline()(marked).mark  # type: ignore[attr-defined]  # as above


def test_a_retry_around_a_block_is_refused_with_what_to_do() -> None:
    """A block cannot be made twice."""
    with pytest.raises(TypeError) as refused, Pipeline(retry(on=OSError, name="again")):
        pass
    assert str(refused.value) == (
        "a block cannot be made twice, as <Retry again> would: "
        "use .call(fn, ...), a decorator, or `for attempt in retry(...): with attempt: ...`"
    )


def test_a_generator_function_that_is_called_through_is_named() -> None:
    """With what to do."""

    def items() -> Any:
        yield 1

    with pytest.raises(TypeError, match=r"\.items is a generator function: decorate it, so that"):
        Pipeline().call(items)


def test_changes_without_names_are_refused() -> None:
    """At the place of the pipeline, and shown."""
    with pytest.raises(ConfigError, match=r"^payments: expected settings by their names") as refused:
        Pipeline(name="payments").reconfigure(5)  # type: ignore[arg-type]  # that is what is tried
    assert refused.value.value == 5


def test_policies_of_two_clocks_are_refused() -> None:
    """The other clock is shown."""
    clock = ManualClock()
    with pytest.raises(ConfigError, match=r"^Pipeline\[1\]\.clock: expected the clock of the other policies") as refused:
        Pipeline(bulkhead(1), bulkhead(1, clock=clock))
    assert refused.value.value is clock


def test_frames_are_made_anew_only_for_what_they_see() -> None:
    """Other settings of a machine are no other frames."""
    gate = bulkhead(2)
    governed: Any = gate(plain)
    before = governed.__svcgov__.route
    gate.reconfigure({"limit": 3})
    assert governed.__svcgov__.route is before
    gate.reconfigure({"mode": "observe"})
    assert governed.__svcgov__.route is not before


@pytest.mark.parametrize(
    ("policies", "slot", "expected"),
    [
        ([], "retry", "one of "),
        ([circuit_breaker(), circuit_breaker()], "circuit_breaker", "one circuit_breaker in the pipeline"),
    ],
)
def test_changes_that_cannot_be_made_are_shown(policies: list[Policy], slot: str, expected: str) -> None:
    """Beside the place and what was expected."""
    with pytest.raises(ConfigError) as refused:
        Pipeline(*policies, name="payments").reconfigure({slot: {"mode": "off"}})
    assert (refused.value.path, refused.value.value) == (f"payments.{slot}", {"mode": "off"})
    assert refused.value.expected.startswith(expected)
