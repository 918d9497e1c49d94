"""Documents that change while a crowd calls: no call fails or waits, none goes by a half of one, and what is counted stays."""

from __future__ import annotations

import asyncio
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import Facts, hasty_switches, in_threads
from svcgov import Governor, Pipeline, bulkhead, circuit_breaker, rate_limit, retry
from svcgov.config.sources import Raw
from svcgov.errors import RateLimitedError
from svcgov.facts import DocumentApplied, DocumentRefused
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

CROWD, REVISIONS, QUOTA, STEPS = 32, 200, 500, 4
TAKES = 0.002  # seconds, so that whoever looks gets his turn
SLEPT: ContextVar[list[float]] = ContextVar("slept")


class Still(ManualClock):
    """Time stands still: who would sleep says how long, and lets others go first."""

    def sleep(self, seconds: float, /) -> None:
        SLEPT.get().append(seconds)

    async def asleep(self, seconds: float) -> None:
        SLEPT.get().append(seconds)
        await asyncio.sleep(0)


def slots(revision: int) -> dict[str, Any]:
    """What one revision says of the payments: each policy twice, so that halves of two can be told; one slot comes and goes."""
    step = revision % STEPS
    said = {
        "bulkhead": {"limit": 40 + step, "order": ("fifo", "lifo")[step % 2]},
        "retry": {"attempts": 2 + step, "backoff": 1.0 + step},
        "circuit_breaker": {"failure_rate": 0.5 + step / 100, "open_for": 10 + step},
    }
    return said | ({"rate_limit": "1000000/second"} if revision % 3 else {})


class Revisions:
    """A source that has another one whenever it is asked, and every tenth time one that cannot be."""

    layer = "service"

    def __init__(self) -> None:
        self.asked = 0

    @property
    def over(self) -> bool:
        """Whether there are no more of them."""
        return self.asked >= REVISIONS * 11 // 10

    def pull(self) -> Raw | None:
        """The next one."""
        if self.over:
            return None
        self.asked += 1
        payments = slots(self.asked) if self.asked % 11 else {**slots(self.asked), "bulkhead": 0}
        more = {
            "quota": {"rate_limit": {"max_keys": 100 + self.asked}},
            "turned": {"circuit_breaker": {"window": 100 + self.asked}},
        }
        data = {"policies": {"payments": payments, **more}}
        return Raw(layer=self.layer, place="here", data=data, revision=str(self.asked))


def nothing() -> None:
    """Goes well."""


class Shop:
    """What is called, and what has become of it."""

    def __init__(self) -> None:
        clock = Still()
        again = retry(on_result=lambda answer: True, attempts=2, backoff=1.0, budget=None, clock=clock)
        self.gate = bulkhead(40, clock=clock)
        self.breaker = circuit_breaker(window="1h", clock=clock)
        self.payments = Pipeline(self.gate, again, self.breaker, name="payments")
        self.quota = rate_limit(f"{QUOTA}/hour", name="quota", clock=clock)
        self.turned = circuit_breaker("turned", window=100, clock=clock)
        self.take, self.turn = self.quota(nothing), self.turned(nothing)
        self.plain, self.other = self.payments(self.charge), self.payments(self.acharge)
        self.revisions = Revisions()
        self.documents = Governor()._under()
        self.documents.follow(self.revisions)
        self.tries: list[int] = []  # of each call
        self.spent: list[object] = []
        self.left = True

    def charge(self, tries: list[object]) -> str:
        """Never well: all attempts are made that there are."""
        time.sleep(TAKES)
        return self.noted(tries)

    async def acharge(self, tries: list[object]) -> str:
        """Likewise."""
        await asyncio.sleep(TAKES)
        return self.noted(tries)

    def noted(self, tries: list[object]) -> str:
        """One more; each policy has both of its settings from one revision."""
        tries.append(None)
        gate, breaker = self.gate.settings, self.breaker.settings
        assert gate.order == ("fifo", "lifo")[gate.limit % 2]
        known = {(0.5 + step / 100, 10 + step) for step in range(STEPS)}
        assert (breaker.failure_rate, breaker.open_for) in known
        return "again"

    def ended(self, answer: str, tries: list[object], slept: list[float]) -> None:
        """A call has: its attempts and its delays are of one revision. Who has answered looks for the next one."""
        assert answer == "again"
        assert slept == [len(tries) - 1.0] * (len(tries) - 1)
        self.tries.append(len(tries))
        self.spend()
        self.turn()
        self.documents.look()

    def spend(self) -> None:
        """One of the quota, until somebody has found nothing left."""
        if self.left:
            try:
                self.take()
            except RateLimitedError:
                self.left = False
            else:
                self.spent.append(None)

    def in_threads(self) -> None:
        """A crowd of threads calls until the last revision is in force."""

        def work(number: int) -> None:
            while not self.revisions.over:
                tries: list[object] = []
                slept: list[float] = []
                SLEPT.set(slept)
                self.ended(self.plain(tries), tries, slept)

        with hasty_switches():
            assert in_threads(CROWD, work) == []

    def in_tasks(self) -> None:
        """A crowd of tasks."""

        async def work() -> None:
            while not self.revisions.over:
                tries: list[object] = []
                slept: list[float] = []
                SLEPT.set(slept)
                self.ended(await self.other(tries), tries, slept)

        async def all_of_them() -> None:
            await asyncio.gather(*(work() for _ in range(CROWD)))

        asyncio.run(all_of_them())


@pytest.mark.parametrize("crowd", [Shop.in_threads, Shop.in_tasks], ids=["threads", "tasks"])
def test_calls_go_on_while_revisions_come(crowd: Callable[[Shop], None], facts: Facts) -> None:
    """No call fails or is refused, a permit stays out through all of them, and what is counted is counted on."""
    svcgov.listen(facts, DocumentApplied, DocumentRefused)
    shop = Shop()
    with shop.gate:
        crowd(shop)
        assert shop.gate.snapshot()["in_use"] == 1
    assert (len(facts.of(DocumentApplied)), len(facts.of(DocumentRefused))) == (REVISIONS, REVISIONS // 10)
    last = shop.documents.revisions["service"]
    assert shop.gate.settings.limit == slots(int(last))["bulkhead"]["limit"]
    assert shop.gate.snapshot() == {"limit": shop.gate.settings.limit, "in_use": 0, "waiting": 0, "refused": 0}
    assert shop.breaker.snapshot()["calls"] == sum(shop.tries)
    assert shop.turned.snapshot()["calls"] < len(shop.tries)
    while shop.left:
        shop.spend()
    assert len(shop.spent) == QUOTA


def test_no_call_waits_for_who_puts_a_document_in_force() -> None:
    """Somebody is in the middle of it, and stays there: calls come to their end, and who looks, or has a new name, goes on."""
    shop = Shop()
    inside, go_on = threading.Event(), threading.Event()
    labels = shop.documents._labels

    def slow() -> Any:
        inside.set()
        assert go_on.wait(20.0)
        return labels()

    shop.documents._labels = slow
    who = threading.Thread(target=shop.documents.look, daemon=True)
    who.start()
    assert inside.wait(20.0)

    def work(number: int) -> None:
        tries: list[object] = []
        SLEPT.set([])
        assert shop.plain(tries) == "again"
        assert asyncio.run(shop.other(tries)) == "again"
        assert len(tries) == 2 * slots(1)["retry"]["attempts"]
        bulkhead(1, name=f"new-{number}")
        shop.documents.look()

    try:
        assert in_threads(CROWD, work) == []
        assert who.is_alive()
    finally:
        go_on.set()
    who.join(20.0)
    assert shop.documents.revisions["service"] == "2"
    assert shop.gate.settings.limit == slots(2)["bulkhead"]["limit"]
    assert (shop.revisions.asked, shop.documents._named) == (2, [])
