"""A dependency that hangs, one that nobody asks any more, and modules that are loaded again: pipelines as people write them."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import AsyncWorld, Takes, World, in_threads
from svcgov import Pipeline, budget, circuit_breaker, retry, timeout
from svcgov._shells import _workers
from svcgov._shells._workers import Pool, hop
from svcgov.errors import CallTimeoutError, CircuitOpenError, ConfigWarning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


# -- a dependency that hangs, and a time-out around everything -------------------------------------------------------------


@pytest.fixture
def loop() -> Iterator[World]:
    """Coroutines, which a time-out cuts off."""
    world = AsyncWorld()
    yield world
    world.close()


def test_a_hanging_dependency_opens_a_breaker_that_counts_slow_calls(loop: World) -> None:
    """Though all that it sees are cancellations by the time-out outside of the retry."""
    clock: Any = {"clock": loop.clock}
    breaker = circuit_breaker(min_calls=4, slow_call_duration=1, **clock)
    call = loop.governed(Pipeline(timeout(5, **clock), retry(on=OSError, **clock), breaker), Takes(600))
    call.fails(CallTimeoutError, times=4)
    assert breaker.current_state == "open"
    call.fails(CircuitOpenError)
    assert call.count == 4


def test_one_that_does_not_count_them_stays_closed_and_that_is_said_when_it_is_built(loop: World) -> None:
    """Before the first call; once for each pipeline."""
    clock: Any = {"clock": loop.clock}
    breaker = circuit_breaker(min_calls=4, **clock)
    policies = Pipeline(timeout(5, **clock), retry(on=OSError, **clock), breaker)
    with pytest.warns(ConfigWarning, match="circuit_breaker learns nothing from calls that timeout around it cuts off") as said:
        calls = [loop.governed(policies, Takes(600)) for _ in range(2)]
    assert len(said) == 1
    for call in calls:
        call.fails(CallTimeoutError, times=4)
    assert breaker.current_state == "closed"


# -- one that nobody asks any more -----------------------------------------------------------------------------------------


def test_an_instance_that_is_out_of_traffic_is_ready_again_when_the_wait_is_over(world: World) -> None:
    """A readiness probe asks `would_admit`, which changes nothing; the state alone would keep it out for ever."""
    breaker = circuit_breaker(consecutive_failures=1, open_for=30, open_jitter=0, half_open_calls=1, clock=world.clock)
    call = world.governed(breaker, OSError(), "well")
    call.fails(OSError)
    readiness = []
    for _ in range(4):
        readiness.append((breaker.would_admit(), breaker.current_state))
        world.clock.advance(10)
    assert readiness == [(False, "open"), (False, "open"), (False, "open"), (True, "open")]
    assert [breaker.would_admit() for _ in range(20)] == [True] * 20  # no probe takes the place of a call
    assert call() == "well"
    assert (breaker.would_admit(), breaker.current_state) == (True, "closed")


# -- retries inside retries, hops inside hops ------------------------------------------------------------------------------


def test_retries_at_every_layer_are_one_deposit_for_each_call(world: World) -> None:
    """Three layers on one budget, some of which fail on the way: what is paid in is what the caller asked for."""
    purse = budget("payments", ratio=10, ttl=60, clock=world.clock)
    layers = [retry(on=OSError, attempts=2, backoff=0, budget="payments", clock=world.clock) for _ in range(3)]
    call = world.governed(Pipeline(*layers), OSError(), "well", "well", OSError(), OSError(), "well")
    for _ in range(7):
        assert call() == "well"
    shown = purse.snapshot()
    assert shown["deposited"] == pytest.approx(7)
    assert shown["withdrawn"] == sum(layer.retries for layer in layers) == call.count - 7


def test_two_workers_serve_two_calls_that_are_two_time_outs_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are on a worker when they come to their inner time-out: who had to wait for a third one would wait for ever."""
    pool = Pool(most=2, idle=0.01)
    monkeypatch.setattr(_workers, "POOL", pool)
    monkeypatch.setattr(hop, "__defaults__", (pool,))
    both = threading.Barrier(2)
    ends: list[str] = []

    @timeout(10, enforce="thread")
    def inner() -> str:
        return "well"

    @timeout(10, enforce="thread")
    def outer() -> str:
        both.wait(10)
        return inner()

    assert in_threads(2, lambda number: ends.append(outer())) == []
    assert (ends, pool.abandoned) == (["well", "well"], 0)


# -- modules that are loaded again -----------------------------------------------------------------------------------------

MODULE = """
from svcgov import Pipeline, budget, bulkhead, circuit_breaker, rate_limit, retry, timeout

purse = budget("payments", ratio=0.1)
limit = timeout(lambda call: 2.0, name="payments")
seats = bulkhead(2, cost=lambda call: 1, when=lambda call: True, name="payments")
again = retry(
    on=lambda error: isinstance(error, OSError),
    ignore=lambda error: False,
    on_result=lambda result: result is None,
    backoff=lambda attempt, error: 0,
    budget=purse,
    name="payments",
)
pace = rate_limit("100/second", key=lambda call: "all", name="payments")
breaker = circuit_breaker("payments", on=lambda error: True, on_result=lambda result: result is False)
policies = (purse, limit, seats, again, pace, breaker)
call = Pipeline(limit, seats, again, pace, breaker)(lambda: "well")
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A module with functions in all of its settings."""
    (tmp_path / "module_of_a_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("module_of_a_test")
    del sys.modules["module_of_a_test"]


def test_a_module_that_is_loaded_again_has_the_same_policies(module: Any) -> None:
    """Its functions are new objects, and mean the same: no `ConfigError`, and nothing is forgotten."""
    before = module.policies
    assert module.call() == "well"
    again = importlib.reload(module)
    assert all(one is other for one, other in zip(again.policies, before, strict=True))
    assert again.call() == "well"
    assert again.again.snapshot()["calls"] == 2


def test_a_module_that_is_imported_twice_has_the_same_policies(module: Any) -> None:
    """As by two loaders: there are two modules, and one state."""
    spec = importlib.util.spec_from_file_location("module_of_a_test", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    other = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(other)
    assert all(one is same for one, same in zip(other.policies, module.policies, strict=True))
