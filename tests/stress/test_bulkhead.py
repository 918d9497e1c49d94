"""A crowd at one bulkhead: never more inside than its limit, no place lost, and whoever waits gets in or gives up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from stress._stress import at_rest, ends, swallowing, tasks, threads, traced
from svcgov import bulkhead
from svcgov.errors import BulkheadFullError

if TYPE_CHECKING:
    from svcgov.policies import Bulkhead

KINDS: list[dict[str, Any]] = [
    {},
    {"max_wait": 60, "max_waiting": 100_000},
    {"max_wait": 60, "max_waiting": 100_000, "order": "lifo"},
    {"max_wait": 60, "max_waiting": 100_000, "cost": 2},
]
NAMES = ["seats", "fifo", "lifo", "weights"]
by_kind = pytest.mark.parametrize("given", KINDS, ids=NAMES)


class Inside:
    """Who is inside of a bulkhead, and the most that ever were."""

    def __init__(self) -> None:
        self.here: list[int] = []
        self.most: list[int] = [0]

    def visit(self, number: int) -> int:
        """Come, look about, and go."""
        self.here.append(number)
        self.most.append(len(self.here))
        self.here.pop()
        return number

    async def stay(self, number: int) -> int:
        """The same, letting others run meanwhile."""
        self.here.append(number)
        self.most.append(len(self.here))
        await asyncio.sleep(0)
        self.here.remove(number)
        return number


def by_threads(given: dict[str, Any], each: int = 20) -> dict[str, Any]:
    """Thirty-two of them at four places."""
    gate: Bulkhead = bulkhead(4, **given)
    inside = Inside()
    returned = ends(threads(swallowing(gate(inside.visit), BulkheadFullError), each=each))
    at_rest(gate)
    assert returned.get("BulkheadFullError", 0) == gate.snapshot()["refused"]
    return {"machine": type(gate.machine).__name__, "most": max(inside.most), "ended": sum(returned.values()), **returned}


@by_kind
def test_threads(given: dict[str, Any]) -> None:
    """Each call is let in or refused; where it may wait, none is refused."""
    seen = by_threads(given)
    assert seen["ended"] == 640
    assert seen["most"] <= 4 // given.get("cost", 1)
    if given:
        assert seen["good"] == 640


@by_kind
def test_threads_under_a_tracer(given: dict[str, Any]) -> None:
    """A debugger that looks at every line gets the machine that bears it."""
    seen = traced(by_threads, given=given, each=3)
    assert seen["machine"] == ("Room" if given else "LockedSeats")
    assert seen["ended"] == 96
    assert seen["most"] <= 4 // given.get("cost", 1)


@by_kind
def test_tasks_on_several_loops(given: dict[str, Any]) -> None:
    """A thousand of them on four, every seventh cancelled while it waits or stays."""
    gate: Bulkhead = bulkhead(8, **given)
    inside = Inside()

    @gate
    async def visit(number: int) -> int:
        try:
            return await inside.stay(number)
        finally:
            if number in inside.here:
                inside.here.remove(number)

    returned = ends(tasks(swallowing(visit, BulkheadFullError), cancel_every=7))
    at_rest(gate)
    assert sum(returned.values()) == 1000
    assert max(inside.most) <= 8 // given.get("cost", 1)
    assert returned.get("BulkheadFullError", 0) == gate.snapshot()["refused"]
    assert (returned.get("CancelledError", 0) == 0) is False
    if given:
        assert returned["good"] + returned["CancelledError"] == 1000


@by_kind
def test_threads_while_the_limit_changes(given: dict[str, Any]) -> None:
    """It becomes smaller and larger all the time: never more inside than the largest, and none is lost."""
    gate: Bulkhead = bulkhead(6, **given)
    inside = Inside()
    visit = swallowing(gate(inside.visit), BulkheadFullError)

    def work(number: int) -> Any:
        if number % 40 == 0:
            gate.reconfigure({**given, "limit": 2 + number // 40 % 5})
        return visit(number)

    returned = ends(threads(work))
    at_rest(gate)
    assert sum(returned.values()) == 320
    assert max(inside.most) <= 6 // given.get("cost", 1)


def test_threads_and_tasks_of_many_keys() -> None:
    """Each key has two places, and there is room for fewer keys than come: those in use are not forgotten."""
    gate: Bulkhead = bulkhead(2, key=lambda call: call.args[0] % 8, max_keys=8, max_wait=60, max_waiting=100_000)
    insides = [Inside() for _ in range(8)]

    @gate
    def visit(number: int) -> int:
        return insides[number % 8].visit(number)

    @gate
    async def stay(number: int) -> int:
        return await insides[number % 8].stay(number)

    assert ends(threads(visit)) == {"good": 320}
    assert ends(tasks(stay, count=400)) == {"good": 400}
    at_rest(gate)
    assert max(max(inside.most) for inside in insides) <= 2
    assert gate.snapshot()["keys"] == 8
