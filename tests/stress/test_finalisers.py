"""The collector ends calls that nobody waits for any more: at any moment, in any context, on any thread, in any lock."""

from __future__ import annotations

import asyncio
import gc
import threading
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

from _loops import turns
from _worlds import in_threads
from svcgov import Pipeline, budget, bulkhead, circuit_breaker, retry, timeout
from svcgov._core._context import ATTEMPT, DEADLINE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from svcgov.policies import Budget, Retry

KINDS = ["window", "in-flight", "tokens"]


@pytest.fixture(autouse=True)
def _by_hand() -> Iterator[None]:
    """Nothing is collected but when a test says so; and nothing is left at its end."""
    gc.collect()
    gc.freeze()  # what there is already need not be looked through each time
    gc.disable()
    yield
    gc.enable()
    gc.unfreeze()
    gc.collect()


class Suspended:
    """What a coroutine waits for that nobody wakes."""

    def __await__(self) -> Generator[None, None, None]:
        yield


def left_in_a_cycle(*policies: Any, fail: bool = False) -> None:
    """Begin a governed call, and leave it to the collector: only a cycle holds it. With *fail*, in its second attempt."""

    async def call(*args: Any) -> None:
        if fail and ATTEMPT.get() == 1:
            raise OSError
        await Suspended()

    box: list[Any] = []
    running = Pipeline(*policies)(call)(box)
    box.append(running)
    copy_context().run(running.send, None)


def left_in_a_loop(again: Retry) -> None:
    """The same with a loop of attempts around a block, which has failed once: the next attempt is held."""
    box: list[Any] = []
    attempts = iter(again)
    with next(attempts):
        raise OSError
    box += [box, attempts, next(attempts)]


def again(purse: Budget | None) -> Retry:
    """Two attempts, at once."""
    return retry(on=OSError, attempts=2, backoff=0, budget=purse)


BEGUN: dict[str, Callable[[Budget], object]] = {
    "first attempt": lambda purse: left_in_a_cycle(again(purse)),
    "second attempt": lambda purse: left_in_a_cycle(again(purse), fail=True),
    "block": lambda purse: left_in_a_loop(again(purse)),
}
SECTIONS: dict[str, tuple[str, Callable[[Budget], object]]] = {
    "a call begins": ("begin", lambda purse: again(purse)(int)()),
    "an attempt has failed": ("charge", lambda purse: purse.charge()),
    "an attempt is taken out": ("take", lambda purse: purse.take()),
    "it is read": ("left", lambda purse: purse.snapshot()),
}


@pytest.mark.parametrize("section", SECTIONS)
@pytest.mark.parametrize("begun", BEGUN)
@pytest.mark.parametrize("kind", KINDS)
def test_a_collection_in_the_middle_of_a_budget_s_work_hangs_nothing(
    kind: str, begun: str, section: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While this very thread holds its lock; what the call held is there again afterwards."""
    purse: Budget = budget("payments", kind=kind)  # type: ignore[arg-type]  # one of them
    method, work = SECTIONS[section]
    pot = type(purse._pot)
    before = getattr(pot, method)
    held: list[bool] = []

    def collect(*args: Any) -> Any:
        held.append(purse._lock.locked())
        gc.collect()
        return before(*args)

    BEGUN[begun](purse)
    under_way = purse.snapshot()
    monkeypatch.setattr(pot, method, collect)
    assert in_threads(1, lambda number: work(purse)) == []
    assert held[:1] == ([True] if pot.watches or method != "begin" else [])
    monkeypatch.undo()
    after = purse.snapshot()
    assert (under_way.get("in_flight", 1), after.get("in_flight", 0)) == (1, 0)
    assert after.get("held", 0) == (1 if method == "take" and kind == "in-flight" else 0)


def test_a_finaliser_waits_for_no_other_thread() -> None:
    """That one holds the budget's lock; what was given back is there for whoever comes next."""
    purse: Budget = budget("payments", kind="in-flight")
    left_in_a_cycle(again(purse), fail=True)
    taken, go = threading.Event(), threading.Event()

    def hold(number: int) -> None:
        with purse._lock:
            taken.set()
            go.wait(20)

    def collect(number: int) -> None:
        taken.wait(20)
        gc.collect()
        go.set()

    assert in_threads(2, lambda number: (hold, collect)[number](number)) == []
    assert purse.snapshot() == {"in_flight": 0, "held": 0, "left": 3}


@pytest.mark.parametrize("inside", [False, True], ids=["total", "attempt"])
@pytest.mark.parametrize("fail", [False, True], ids=["first attempt", "second attempt"])
def test_a_call_that_is_collected_in_another_context_is_cancelled_and_nothing_else(inside: bool, fail: bool) -> None:
    """Its variables cannot be put back there; it is no failure, is not made again, and gives back all that it held."""
    purse: Budget = budget("payments", kind="in-flight")
    seats, breaker, limit = bulkhead(2), circuit_breaker(slow_call_duration=60), timeout(60)
    on_all = retry(on=Exception, attempts=2, backoff=0, budget=purse)
    policies = (seats, on_all, breaker, limit) if inside else (limit, seats, on_all, breaker)
    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda *_: None)  # it says that a task was destroyed, which it was

    async def call(*, hang: bool) -> None:
        if fail and ATTEMPT.get() == 1:
            raise OSError
        if hang:
            await asyncio.Event().wait()

    governed: Any = Pipeline(*policies)(call)

    async def main() -> None:
        asyncio.get_running_loop().create_task(governed(hang=True))
        await turns()

    loop.run_until_complete(main())
    assert seats.snapshot()["in_use"] == 1
    loop.close()
    del loop
    asyncio.run(governed(hang=False))  # on another loop: what was kept for the old one is let go
    gc.collect()
    assert (seats.snapshot()["in_use"], purse.snapshot()["in_flight"], purse.snapshot()["held"]) == (0, 0, 0)
    assert on_all.snapshot() == {
        "calls": 2, "retries": 2 * fail, "good": 1 - fail, "recovered": fail, "failed": 0, "gave_up": 0, "cancelled": 1,
    }  # fmt: skip
    assert breaker.snapshot()["failed"] == 2 * fail
    assert governed.__svcgov__.record.snapshot()["cancelled"] == 1
    assert (DEADLINE.get(), ATTEMPT.get()) == (None, 1)
