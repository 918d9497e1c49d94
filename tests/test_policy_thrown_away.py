"""A gate without a name that is made for one block guards nothing, and says so; one that somebody keeps does not."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, timeout
from svcgov.errors import ConfigWarning

if TYPE_CHECKING:
    from collections.abc import Callable

GATES: list[Any] = [
    lambda: bulkhead(1),
    lambda: bulkhead(1, max_wait=1),
    lambda: rate_limit("5/s"),
    circuit_breaker,
    lambda: circuit_breaker(slow_call_duration=5, window="10s"),
]


@pytest.mark.parametrize("make", GATES)
def test_a_gate_made_for_one_block_warns(make: Callable[[], Any]) -> None:
    """It is told where the block stands."""
    with pytest.warns(ConfigWarning, match="it was made for one block and is thrown away with it") as said, make():
        pass
    assert [one.filename for one in said] == [__file__]


@pytest.mark.parametrize("make", GATES)
def test_a_gate_made_for_one_async_block_warns(make: Callable[[], Any]) -> None:
    """As a plain one."""

    async def main() -> None:
        async with make():
            pass

    with pytest.warns(ConfigWarning, match="it guards nothing"):
        asyncio.run(main())


class Holder:
    """Somebody who keeps a gate."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate


def held(make: Callable[[], Any]) -> None:
    """In a variable, a list, an attribute, a closure."""
    gate, gates, holder = make(), [make()], Holder(make())

    def inside() -> None:
        with gate:
            pass

    with gates[0], holder.gate:
        inside()
    by_hand = make()
    by_hand.__enter__()
    by_hand.__exit__(None, None, None)


async def held_async(make: Callable[[], Any]) -> None:
    """The same for tasks."""
    gate, gates, holder = make(), [make()], Holder(make())
    async with gate, gates[0], holder.gate:
        pass


OTHERS: list[Any] = [
    lambda: bulkhead(1, name="shared"),
    lambda: timeout(5),
    lambda: Pipeline(timeout(5)),
]


@pytest.mark.parametrize("make", GATES)
def test_who_keeps_it_is_not_warned(make: Callable[[], Any]) -> None:
    """Wherever it is kept."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        held(make)
        asyncio.run(held_async(make))
    assert said == []


@pytest.mark.parametrize("make", OTHERS)
def test_what_may_be_made_for_one_block_does_not_warn(make: Callable[[], Any]) -> None:
    """A name keeps its state, and a time-out has none."""

    async def main() -> None:
        async with make():
            pass

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        with make():
            pass
        asyncio.run(main())
    assert said == []
