"""What is asked of policies in Python: threads, coroutines, cancellations, listeners, and windows below a second."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_threads
from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import ConfigError, RateLimitedError
from svcgov.facts import CircuitChanged

from .traces import breaker, trace

if TYPE_CHECKING:
    from _worlds import World

STOPS = pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])


def test_144_calls_run_in_parallel() -> None:
    """Five threads are inside all five policies at the same moment: they meet at a barrier. pybreaker lets in one at a time."""
    meeting = threading.Barrier(5)
    policies = (timeout(60), bulkhead(5), retry(on=OSError), rate_limit("100/second"), circuit_breaker())
    meet = Pipeline(*policies)(lambda: meeting.wait(timeout=10))
    assert in_threads(5, lambda number: meet()) == []


def test_145_a_coroutine_that_fails_is_a_failure() -> None:
    """It is awaited, and what it raises is counted; to pybreaker a coroutine that comes back is a success."""
    gate = circuit_breaker(consecutive_failures=3)

    @gate
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ConnectionError

    async def main() -> None:
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await fail()

    asyncio.run(main())
    assert (gate.snapshot()["failed"], gate.current_state) == (3, "open")


@STOPS
def test_146_what_stops_a_call_is_no_failure(kind: type[BaseException], world: World) -> None:
    """Neither is it a success; no place is held after it, closed or half-open, and no attempt is made again."""
    gate, seats = breaker(world.clock, consecutive_failures=1, half_open_calls=1), bulkhead(1, clock=world.clock)
    again = retry(on=lambda error: True, attempts=5, clock=world.clock)
    call = world.governed(Pipeline(again, seats, gate), kind())
    for state in ("closed", "half-open"):
        if state == "half-open":
            gate.half_open()
        for _ in range(3):
            with suppress(kind):
                call()
        assert (gate.current_state, gate.snapshot()["calls"], gate.would_admit()) == (state, 0, True)
        assert seats.snapshot()["in_use"] == 0
    assert call.count == 6


def test_149_a_raising_listener_changes_nothing(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither the user's error nor the state; its own is told on standard error, once. With pybreaker it takes their place."""
    gate, errors = breaker(world.clock, consecutive_failures=2, half_open_calls=1), [OSError(1), OSError(2)]

    def broken(fact: object) -> None:
        raise RuntimeError("broken listener")

    gate.listen(broken, CircuitChanged)
    assert world.governed(gate, *errors).fails(OSError, times=2) == errors
    assert gate.current_state == "open"
    assert trace(world, gate, ">SF") == "occ"
    assert capfd.readouterr().err.count("broken listener") == 1


def test_156_windows_may_be_shorter_than_a_second(world: World) -> None:
    """Of limits, breakers and time-outs; the package ``limits`` knows whole seconds only."""
    call = world.governed(rate_limit("10/100ms", clock=world.clock))
    for _ in range(10):
        call()
    call.fails(RateLimitedError)
    world.clock.advance(0.1)
    call()
    gate = breaker(world.clock, window="250ms", min_calls=3)
    trace(world, gate, "FF")
    world.clock.advance(0.25)
    assert trace(world, gate, "FF") == "cc"
    assert trace(world, gate, "F") == "o"
    given: dict[str, Any] = {"backoff": "50ms", "on": OSError, "budget": None}
    quick = world.governed(retry(**given, clock=world.clock), OSError(), "answer")
    quick()
    assert quick.waits == [pytest.approx(0.05)]
    with pytest.raises(ConfigError):
        rate_limit("10/0.5ms")
