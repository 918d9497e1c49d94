"""What the package ``limits`` does wrong in memory, and our local limits do right: the same scenario with either of them."""

from __future__ import annotations

import asyncio
import threading
import types
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from _loops import run, turns
from _worlds import in_threads
from svcgov import bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, RateLimitedError, RejectedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.testing import ManualClock

ALL = ["gcra", "fixed-window", "moving-window", "sliding-window"]
ALGORITHMS = pytest.mark.parametrize("algorithm", ALL)


@pytest.fixture
def theirs(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str], Callable[..., bool]]:
    """A limit of that package by the wall clock of *clock*, without its timers: it says whether so many calls pass."""
    monkeypatch.setattr(MemoryStorage, "_MemoryStorage__schedule_expiry", lambda storage: None)
    monkeypatch.setattr("limits.storage.memory.threading", types.SimpleNamespace(Timer=NoTimer, RLock=threading.RLock))
    for module in ("limits.storage.memory", "limits.strategies"):
        monkeypatch.setattr(f"{module}.time", types.SimpleNamespace(time=clock.wall))

    def make(strategy: Any, limit: str) -> Callable[..., bool]:
        limiter, item = strategy(MemoryStorage()), parse(limit)
        return lambda cost=1: limiter.hit(item, cost=cost)

    return make


class NoTimer:
    """In place of a timer: nothing happens by itself here."""

    def __init__(self, *_: Any) -> None:
        self.start = lambda: None


def ours(limit: str, algorithm: Any, clock: ManualClock) -> Callable[..., bool]:
    """The same of ours."""
    gate = rate_limit(limit, algorithm=algorithm, clock=clock)

    def hit(cost: int = 1) -> bool:
        gate.reconfigure({"limit": limit, "algorithm": algorithm, "cost": cost})
        try:
            with gate:
                return True
        except RateLimitedError:
            return False

    return hit


@ALGORITHMS
def test_a_refused_cost_takes_nothing(algorithm: str, theirs: Any, clock: ManualClock) -> None:
    """Nine of ten are used, five more are refused, one more passes. Their fixed window counts first, and burns what is left."""
    for hit, last in ((theirs(FixedWindowRateLimiter, "10/minute"), False), (ours("10/minute", algorithm, clock), True)):
        assert [hit(9), hit(5), hit(1)] == [True, False, last]


@ALGORITHMS
def test_no_call_is_let_in_on_credit(algorithm: str, clock: ManualClock) -> None:
    """A million calls for the one that is left are refused, and nobody starves for it. Seen in Easegress: they all pass."""
    hit = ours("5/second", algorithm, clock)
    assert [hit(4), hit(1_000_000), hit(2), hit(1), hit(1)] == [True, False, False, True, False]
    clock.advance(2)
    assert [hit(5), hit(1)] == [True, False]


def most_in_a_window(hit: Callable[[], bool], clock: ManualClock) -> int:
    """The most calls that pass within any second, its end not included: many knock 64 times a second, from late in one on."""
    passed: list[float] = []
    clock.advance(63 / 64)
    for _ in range(200):
        passed += [clock.monotonic() for _ in range(60) if hit()]
        clock.advance(1 / 64)
    return max(sum(begin <= at < begin + 1 for at in passed) for begin in passed)


def test_a_window_holds_no_more_than_the_limit(theirs: Any, clock: ManualClock) -> None:
    """Wherever it begins: with ``moving-window``. Their sliding window lets nearly twice as many in."""
    assert most_in_a_window(theirs(SlidingWindowCounterRateLimiter, "50/second"), clock) > 90
    assert most_in_a_window(ours("50/second", "moving-window", clock), clock) == 50


def test_a_call_leaves_a_moving_window_at_its_very_end(theirs: Any, clock: ManualClock) -> None:
    """A second later is a second later; theirs still counts it then."""
    clock.step_wall(-(clock.wall() % 1024))  # a moment that floats hold exactly
    for hit, second in ((theirs(MovingWindowRateLimiter, "1/second"), False), (ours("1/second", "moving-window", clock), True)):
        assert hit()
        clock.advance(1)
        assert hit() is second


@ALGORITHMS
def test_a_wall_clock_that_is_set_back_shuts_nobody_out(algorithm: str, theirs: Any, clock: ManualClock) -> None:
    """Theirs waits until the time of day has caught up: an hour for a limit by the second."""
    for hit, passes in ((theirs(MovingWindowRateLimiter, "2/second"), False), (ours("2/second", algorithm, clock), True)):
        assert [hit(), hit(), hit()] == [True, True, False]
        clock.step_wall(-3600)
        clock.advance(2)
        assert hit() is passes


def test_who_gives_up_waiting_gives_up_the_place(clock: ManualClock) -> None:
    """The next one gets it, and the call is not made. Seen in Easegress: the place is lost, and the request goes through."""
    gate = rate_limit("1/second", burst=1, max_wait=60, clock=clock)
    came: list[tuple[int, float]] = []

    @gate
    async def call(number: int) -> None:
        came.append((number, clock.monotonic()))

    async def main() -> list[BaseException | None]:
        calls = [asyncio.create_task(call(number)) for number in range(3)]
        await turns()
        calls[1].cancel()
        await turns()
        calls.append(asyncio.create_task(call(3)))
        for _ in range(3):
            await turns()
            clock.advance(1)
        return await asyncio.gather(*calls, return_exceptions=True)

    assert [type(end) for end in run(main)] == [type(None), asyncio.CancelledError, type(None), type(None)]
    assert came == [(0, 0.0), (3, 1.0), (2, 2.0)]


def test_no_policy_starts_a_thread() -> None:
    """Not when it is made, called, waited for or refused. Their storage starts a timer at once, and another one with traffic."""
    storage = MemoryStorage()
    assert storage.timer.ident is not None  # it has been started
    storage.timer.join(10)
    before = set(threading.enumerate())
    room = bulkhead(1, max_wait=0.001)
    policies = (
        timeout(5),
        room,
        rate_limit(["1/hour", "1/day"]),
        rate_limit("1/hour", key="arg:tenant"),
        circuit_breaker(consecutive_failures=1, open_for=0.001, half_open_max_wait=0.001, ramp=0.001),
        retry(on=ZeroDivisionError, backoff=0.001),
    )
    for policy in policies:
        fail = policy(lambda tenant="a": 1 / 0)
        for _ in range(3):
            with suppress(ZeroDivisionError, RejectedError):
                fail()
    with room, pytest.raises(BulkheadFullError):
        room(int)()
    assert set(threading.enumerate()) <= before


def test_one_limit_serves_the_tasks_of_several_loops() -> None:
    """And plain functions beside them. Theirs binds a lock to the first loop: on a second one it raises, or hangs."""
    gate = rate_limit("100/hour", algorithm="moving-window")
    passed: list[int] = []

    @gate
    async def call(number: int) -> None:
        passed.append(number)
        await asyncio.sleep(0)

    def loop(number: int) -> None:
        async def main() -> list[BaseException | None]:
            return await asyncio.gather(*(call(number) for _ in range(50)), return_exceptions=True)

        ends = asyncio.run(main())
        assert {type(end) for end in ends} <= {type(None), RateLimitedError}

    assert in_threads(4, loop) == []
    assert len(passed) == 100
    assert gate.snapshot()["refused"] == 100


def test_a_window_below_a_second_can_be_said(clock: ManualClock) -> None:
    """Theirs knows whole seconds; the notation is the same otherwise."""
    with pytest.raises(ValueError, match="ms"):
        parse("10/100ms")
    hit = ours("10/100ms", "gcra", clock)
    assert [hit() for _ in range(11)] == [True] * 10 + [False]
    clock.advance(0.1)
    assert hit()
