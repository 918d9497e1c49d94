"""Governed generators that meet threads, and the collector, which may close one on a thread that holds any lock."""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import hasty_switches, in_threads
from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, timeout
from svcgov.errors import RejectedError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

bulkheads, breakers, limits = (import_module(f"svcgov.policies.{name}") for name in ("bulkhead", "circuit_breaker", "rate_limit"))


def counting() -> Generator[int, None, None]:
    """Three items."""
    yield 1
    yield 2
    yield 3


def test_each_of_many_threads_drives_its_own() -> None:
    """No permit is lost, whether they end, fail, are closed or refused."""
    gate, breaker = bulkhead(8), circuit_breaker(failure_rate=None, failures=100_000)
    governed = Pipeline(breaker, gate)(counting)
    begun = [0] * 32

    def work(number: int) -> None:
        for turn in range(50):
            items = governed()
            try:
                next(items)
            except RejectedError:
                continue
            begun[number] += 1
            if turn % 3 == 0:
                assert list(items) == [2, 3]
            elif turn % 3 == 1:
                items.close()
            else:
                with pytest.raises(KeyError):
                    items.throw(KeyError)

    with hasty_switches():
        assert in_threads(32, work) == []
    assert sum(begun) > 0
    assert gate.snapshot()["in_use"] == 0
    assert gate.snapshot()["refused"] == 32 * 50 - sum(begun)


def test_one_generator_may_be_stepped_by_two_threads_in_turn() -> None:
    """Its permit belongs to it, whoever asks for the next item."""
    gate = bulkhead(1)
    items = Pipeline(timeout(9), gate)(counting)()
    got = [next(items)]
    assert in_threads(1, lambda _: got.append(next(items))) == []
    got.append(next(items))
    assert gate.snapshot()["in_use"] == 1
    assert in_threads(1, lambda _: got.extend(items)) == []
    assert got == [1, 2, 3]
    assert gate.snapshot()["in_use"] == 0


def test_a_generator_that_runs_cannot_be_stepped_by_another_thread() -> None:
    """As a bare one."""
    inside, go_on = threading.Event(), threading.Event()

    @bulkhead(1)
    def slow() -> Iterator[int]:
        inside.set()
        go_on.wait(10)
        yield 1

    items = slow()
    thread = threading.Thread(target=next, args=(items,))
    thread.start()
    inside.wait(10)
    with pytest.raises(ValueError, match="generator already executing"):
        next(items)
    go_on.set()
    thread.join(10)
    assert list(items) == []


def test_leaving_a_loop_gives_the_permit_back() -> None:
    """Nobody holds the generator any more."""
    gate = bulkhead(1)
    governed = gate(counting)
    for _ in governed():
        assert gate.snapshot()["in_use"] == 1
        break
    assert gate.snapshot()["in_use"] == 0


def test_one_that_is_found_in_a_cycle_gives_its_permit_back() -> None:
    """The collector closes it."""
    gate, breaker = bulkhead(1), circuit_breaker()
    in_a_cycle(Pipeline(breaker, gate)(counting))
    assert gate.snapshot()["in_use"] == 1
    gc.collect()
    assert gate.snapshot()["in_use"] == 0
    assert breaker.snapshot()["calls"] == 0


def in_a_cycle(governed: Callable[[], Any]) -> None:
    """One that has begun, and that only the collector can find."""
    items = governed()
    next(items)
    cycle: list[Any] = [items]
    cycle.append(cycle)


class Collecting:
    """A lock: when it has been taken the collector runs, and closes a generator that has to be settled in the same place."""

    def __init__(self, lock: Any, governed: Callable[[], Any]) -> None:
        self.lock = lock
        self.governed = governed
        self.depth = 0
        self.met = 0
        self.idle = False

    def __enter__(self) -> None:
        if self.depth and not isinstance(self.lock, REENTRANT):
            raise AssertionError("a finaliser takes the lock that its own thread holds: it would wait for ever")
        self.lock.acquire()
        self.depth += 1
        if self.idle:
            self.idle = False
            self.met += gc.collect()

    def __exit__(self, *_: object) -> None:
        self.depth -= 1
        self.lock.release()

    def _is_owned(self) -> bool:
        return self.depth > 0

    def plant(self) -> None:
        """Leave a generator for the collector, which comes when the lock is taken the next time."""
        self.idle = False
        with suppress(RejectedError):
            in_a_cycle(self.governed)
        self.idle = True


REENTRANT = type(threading.RLock())
LOCKS = (REENTRANT, type(threading.Lock()))


def locks_of(machine: Any) -> list[str]:
    """The names of the locks of a machine."""
    names = {name for one in type(machine).__mro__ for name in getattr(one, "__slots__", ())}
    return sorted(name for name in names if isinstance(getattr(machine, name, None), LOCKS))


MACHINES: dict[str, Callable[[], Any]] = {
    "circuit breaker": lambda: circuit_breaker(min_calls=2, window=4, open_for=1.0, clock=ManualClock()),
    "circuit breaker of a time": lambda: circuit_breaker(min_calls=2, window="4s", open_for=1.0, clock=ManualClock()),
    "circuit breaker that counts in flight": lambda: circuit_breaker(
        min_calls=2, slow_call_duration=1.0, count_in_flight=True, clock=ManualClock()
    ),
    "circuit breaker that is slow": lambda: circuit_breaker(window=4, slow_call_duration=1e-9, clock=ManualClock()),
    "bulkhead": lambda: bulkhead(50, clock=ManualClock()),
    "bulkhead with a room": lambda: bulkhead(50, max_wait=1.0, clock=ManualClock()),
    "bulkhead with costs": lambda: bulkhead(50, cost=2, clock=ManualClock()),
    "bulkhead by key": lambda: bulkhead(50, key=lambda call: str(call.args), clock=ManualClock()),
    "circuit breaker by key": lambda: circuit_breaker(min_calls=2, key=lambda call: str(call.args), clock=ManualClock()),
    "rate limit": lambda: rate_limit("1/second", clock=ManualClock()),
    "rate limit in windows": lambda: rate_limit("100/second", algorithm="moving-window", clock=ManualClock()),
    "rate limit that lets wait": lambda: rate_limit("100/second", max_wait=1.0, clock=ManualClock()),
    "rate limit by key": lambda: rate_limit("100/second", key=lambda call: str(call.args), clock=ManualClock()),
}


@pytest.mark.parametrize("locked", [False, True], ids=["usual", "locked"])
@pytest.mark.parametrize("name", MACHINES)
def test_the_collector_may_run_wherever_a_lock_is_held(name: str, locked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """It closes governed generators there; no finaliser waits for that lock, and none complains."""
    for module in (bulkheads, breakers, limits):
        monkeypatch.setattr(module, "LOCKED", lambda: locked)
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    policy = MACHINES[name]()
    governed, call = policy(counting), policy(failing)
    machine = policy.machine
    locks = [Collecting(getattr(machine, attribute), governed) for attribute in locks_of(machine)]
    for attribute, lock in zip(locks_of(machine), locks, strict=True):
        setattr(machine, attribute, lock)
    gc.collect()
    gc.freeze()  # so that the collector has little to look at
    gc.disable()
    try:
        for turn in range(60):
            for lock in locks:
                lock.plant()
            with suppress(KeyError, RejectedError):
                call(turn, turn % 3 == 0)
            policy.snapshot()
            if turn % 10 == 9:
                policy.clock.advance(0.5)
    finally:
        gc.enable()
        gc.collect()
        gc.unfreeze()
    assert complaints == []
    assert bool(sum(lock.met for lock in locks)) == (name != "bulkhead" or locked)
    if name.startswith("bulkhead"):
        assert policy.snapshot()["in_use"] == 0


def failing(turn: int, fails: bool) -> None:
    """A call."""
    if fails:
        raise KeyError
