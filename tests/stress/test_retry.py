"""A crowd at one budget: every logical call is one deposit, every further attempt is paid for, whoever looks on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from stress._stress import at_rest, ends, swallowing, tasks, threads, traced
from svcgov import budget, retry
from svcgov.errors import SvcgovError

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.policies import Budget

KINDS: list[dict[str, Any]] = [
    {"kind": "window", "ratio": 0.5, "min_retries": 10, "ttl": 60},
    {"kind": "in-flight", "ratio": 0.25, "min_concurrency": 2},
    {"kind": "tokens", "tokens": 50, "token_ratio": 0.5},
]
by_kind = pytest.mark.parametrize("given", KINDS, ids=lambda given: given["kind"])


class Shop:
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

    def settled(self) -> dict[str, Any]:
        """What was counted, now that nothing is left of the calls."""
        at_rest(self.budget)
        shown, outer, inner = self.budget.snapshot(), self.outer.snapshot(), self.inner.snapshot()
        retries = self.outer.retries + self.inner.retries
        assert self.inner.machine.tally.calls == 0  # they are parts of the outer ones
        assert retries > 0
        given = self.budget.settings
        if given.kind == "window":
            assert shown["deposited"] == pytest.approx(outer["calls"])
            assert shown["withdrawn"] == retries <= given.ratio * outer["calls"] + given.min_retries
        if given.kind == "tokens":
            assert 0 <= shown["tokens"] <= given.tokens
        return {
            "calls": outer["calls"],
            "cancelled": outer["cancelled"],
            "gave up": outer["failed"] + outer["gave_up"],
            "attempts": inner["calls"] + self.inner.retries - len(self.made),
        }


def by_threads(given: dict[str, Any], each: int = 10) -> dict[str, Any]:
    """Thirty-two of them."""
    shop = Shop(given)
    call: Callable[[int], Any] = swallowing(shop.outer(shop.inner(shop.attempt)), ConnectionError)
    returned = ends(threads(call, each=each))
    settled = shop.settled()
    assert returned.get("ConnectionError", 0) == settled["gave up"]
    return settled


@by_kind
def test_threads(given: dict[str, Any]) -> None:
    """Each call is counted once, and each ends in one way."""
    settled = by_threads(given)
    assert (settled["calls"], settled["cancelled"], settled["attempts"]) == (320, 0, 0)


@by_kind
def test_threads_under_a_tracer(given: dict[str, Any]) -> None:
    """A debugger that looks at every line costs no count."""
    settled = traced(by_threads, given=given, each=3)
    assert (settled["calls"], settled["cancelled"], settled["attempts"]) == (96, 0, 0)


@by_kind
def test_tasks_on_several_loops(given: dict[str, Any]) -> None:
    """A thousand of them on four; every tenth is cancelled in its first attempt, before the function does anything."""
    shop = Shop(given)

    @shop.inner
    async def inner(number: int) -> int:
        await asyncio.sleep(0)
        return shop.attempt(number)

    returned = ends(tasks(swallowing(shop.outer(inner), ConnectionError), cancel_every=10))
    settled = shop.settled()
    assert (settled["calls"], settled["cancelled"]) == (1000, 100)
    assert (returned["CancelledError"], returned.get("ConnectionError", 0)) == (100, settled["gave up"])
    assert settled["attempts"] == 100  # which were begun, and did nothing


def by_hand(each: int = 20) -> dict[str, float]:
    """Deposits and withdrawals without a retry, by thirty-two threads, and loops around blocks that are left midway."""
    purse: Budget = budget("purse", kind="in-flight", ratio=0, min_concurrency=5)
    again = retry(on=ConnectionError, backoff=0, attempts=3, budget=purse)

    def work(number: int) -> bool:
        purse.deposit()
        held = purse.try_withdraw()
        assert 0 <= purse.snapshot()["left"] <= 5
        if held:
            purse.give_back()
        for attempt in again:
            with attempt:
                if number % 2:
                    break  # the loop is left: what it holds comes back by its finaliser
                raise_first(attempt.number)
        return held

    returned = threads(swallowing(work, ConnectionError), each=each)
    assert not any(isinstance(one, SvcgovError) for one in returned)
    at_rest(purse)
    return purse.snapshot()


def raise_first(number: int) -> None:
    """The first attempt fails."""
    if number == 1:
        raise ConnectionError


@pytest.mark.parametrize("run", [by_hand, lambda: traced(by_hand, each=2)], ids=["hasty", "traced"])
def test_what_is_taken_out_by_hand_or_left_behind_comes_back(run: Callable[[], dict[str, float]]) -> None:
    """All five are there again."""
    assert run() == {"in_flight": 0, "held": 0, "left": 5}
