"""A crowd at one budget: thirty-two threads, a thousand tasks on several loops, and a debugger that looks at every line."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import hasty_switches, in_threads
from svcgov import budget, retry
from svcgov._core._budget import STAYS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from svcgov.policies import Budget

KINDS: list[dict[str, Any]] = [
    {"kind": "window", "ratio": 0.5, "min_retries": 10, "ttl": 60},
    {"kind": "in-flight", "ratio": 0.25, "min_concurrency": 2},
    {"kind": "tokens", "tokens": 50, "token_ratio": 0.5},
]


class Crowd:
    """Calls that fail at every third attempt of all, nested in calls on the same budget; what they saw is summed up."""

    def __init__(self, given: dict[str, Any]) -> None:
        self.budget: Budget = budget("payments", **given)
        self.outer, self.inner = (retry(on=ConnectionError, backoff=0, attempts=4, budget="payments") for _ in range(2))
        self.made: list[int] = []

    def attempt(self, number: int) -> int:
        self.made.append(number)
        assert self.budget.snapshot()["left"] >= 0
        if len(self.made) % 3 == 0:
            raise ConnectionError
        return number

    def ends(self) -> int:
        """The logical calls that have come to an end; the inner ones are parts of them."""
        shown = self.outer.snapshot()
        assert self.inner.machine.tally.calls == 0
        assert shown["cancelled"] == 0
        return shown["calls"]

    def settled(self, calls: int) -> None:
        """Nothing is left of them."""
        shown, given = self.budget.snapshot(), self.budget.settings
        retries = self.outer.retries + self.inner.retries
        assert self.ends() == calls
        assert len(self.made) == self.inner.snapshot()["calls"] + self.inner.retries
        assert retries > 0
        if given.kind == "window":
            assert shown["deposited"] == pytest.approx(calls)
            assert shown["withdrawn"] == retries
            assert retries <= given.ratio * calls + given.min_retries
        elif given.kind == "in-flight":
            assert (shown["in_flight"], shown["held"]) == (0, 0)
        else:
            assert 0 <= shown["tokens"] <= given.tokens
        assert STAYS.get() == ()


@contextmanager
def looked_at(*, lines: bool) -> Iterator[None]:
    """With threads that take turns as often as they can, or with a tracer that is told of every line."""
    if not lines:
        with hasty_switches():
            yield
        return

    def trace(*_: object) -> Any:
        return trace

    before = threading.gettrace()
    threading.settrace(trace)
    try:
        yield
    finally:
        threading.settrace(before)  # None, or what measures the coverage


@pytest.mark.parametrize("lines", [False, True], ids=["hasty", "traced"])
@pytest.mark.parametrize("given", KINDS, ids=lambda given: given["kind"])
def test_threads(given: dict[str, Any], lines: bool) -> None:
    """Each logical call is one deposit, and each further attempt is paid for."""
    crowd = Crowd(given)
    inner = crowd.inner(crowd.attempt)

    @crowd.outer
    def outer(number: int) -> int:
        return inner(number)

    def work(number: int) -> None:
        for _ in range(10):
            try:
                assert outer(number) == number
            except ConnectionError as error:
                assert error.__notes__

    with looked_at(lines=lines):
        assert in_threads(32, work) == []
    crowd.settled(320)


@pytest.mark.parametrize("given", KINDS, ids=lambda given: given["kind"])
def test_tasks_on_several_loops(given: dict[str, Any]) -> None:
    """A thousand of them on four; every tenth is cancelled while it waits."""
    crowd = Crowd(given)
    cancelled = [0] * 4

    @crowd.inner
    async def inner(number: int) -> int:
        await asyncio.sleep(0)
        return crowd.attempt(number)

    @crowd.outer
    async def outer(number: int) -> int:
        return await inner(number)

    async def main(loop: int) -> None:
        tasks = [asyncio.create_task(outer(number)) for number in range(250)]
        await asyncio.sleep(0)
        for task in tasks[::10]:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        cancelled[loop] = sum(isinstance(end, asyncio.CancelledError) for end in ends)
        assert {type(end) for end in ends} <= {int, ConnectionError, asyncio.CancelledError}

    with hasty_switches():
        assert in_threads(4, lambda loop: asyncio.run(main(loop))) == []
    shown = crowd.budget.snapshot()
    assert cancelled == [25] * 4
    assert (crowd.outer.snapshot()["calls"], crowd.outer.snapshot()["cancelled"]) == (1000, 100)
    assert crowd.inner.machine.tally.calls == 0
    assert (shown.get("in_flight", 0), shown.get("held", 0)) == (0, 0)
    assert shown.get("deposited", 1000) == pytest.approx(1000)
