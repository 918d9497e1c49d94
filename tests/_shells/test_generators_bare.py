"""Whatever its consumer does, a governed generator answers as a bare one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from _generators import Items
from _worlds import AsyncWorld, World
from svcgov import Pipeline, bulkhead, timeout

if TYPE_CHECKING:
    from collections.abc import Callable


def react(kind: str, error: BaseException) -> Any:
    """What a body does with an error that is thrown in."""
    if kind == "raise":
        raise error
    if kind == "other":
        raise KeyError("other") from error
    return kind


def restless(*kinds: str) -> Callable[[], Any]:
    """A generator function that reacts to each error as the next of *kinds* says."""

    def body() -> Any:
        left, closed = list(kinds), 0
        value = yield "began"
        while left:
            try:
                value = yield ("got", value)
            except BaseException as error:
                closed += isinstance(error, GeneratorExit)
                kind = left.pop(0) if closed < 2 else "raise"  # ignored once, it is raised when the interpreter asks again
                if kind == "return":
                    return kind
                value = react(kind, error)
        return value

    return body


def restless_async(*kinds: str) -> Callable[[], Any]:
    """The same, async."""

    async def body() -> Any:
        left, closed = list(kinds), 0
        value = yield "began"
        while left:
            try:
                value = yield ("got", value)
            except BaseException as error:
                closed += isinstance(error, GeneratorExit)
                kind = left.pop(0) if closed < 2 else "raise"  # ignored once, it is raised when the interpreter asks again
                if kind == "return":
                    return
                value = react(kind, error)

    return body


ERRORS = [ValueError, KeyboardInterrupt, GeneratorExit, StopIteration, StopAsyncIteration]
DEEDS = st.one_of(
    st.tuples(st.just("send"), st.integers()),
    st.tuples(st.just("next")),
    st.tuples(st.just("close")),
    st.tuples(st.just("throw"), st.sampled_from(ERRORS)),
)


@given(st.lists(st.sampled_from(["raise", "other", "return", "go on"]), max_size=3), st.lists(DEEDS, max_size=6))
def test_the_consumer_notices_nothing(kinds: list[str], deeds: list[tuple[Any, ...]]) -> None:
    """Whatever it does, in either world, a governed generator answers as a bare one does."""
    for kind, function in ((World, restless(*kinds)), (AsyncWorld, restless_async(*kinds))):
        world = kind()
        governed = Pipeline(timeout(9, clock=world.clock), bulkhead(1, clock=world.clock))(function)
        try:
            assert answers(Items(world, governed()), deeds) == answers(Items(world, function()), deeds)
        finally:
            world.close()


def answers(items: Items, deeds: list[tuple[Any, ...]]) -> list[Any]:
    """What comes of each deed: an item, or the kind of an error and what it says."""
    found: list[Any] = []
    for deed, *args in [*deeds, ("close",), ("next",), *[("close",)] * 4]:  # nothing is left to the collector
        try:
            found.append(getattr(items, deed)(*[arg() if isinstance(arg, type) else arg for arg in args]))
        except BaseException as error:
            found.append((type(error), error.args, type(error.__cause__)))
    return found
