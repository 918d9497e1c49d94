"""Time-outs and deadlines: what is cancelled, who is told, and what a caller's own cancellation is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import AsyncWorld, Takes, World, deadline
from svcgov import Governor, Pipeline, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import CallTimeoutError, ConfigError, DeadlineExceededError
from svcgov.facts import TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _worlds import Facts


@pytest.fixture
def loop_world() -> Iterator[World]:
    """Coroutine functions alone: plain ones cannot be cancelled."""
    world = AsyncWorld()
    yield world
    world.close()


def again(world: World, **settings: Any) -> Any:
    """A retry on what is too slow or not connected, at once."""
    return retry(**{"on": (ConnectionError, TimeoutError), "backoff": 0, "budget": None, "clock": world.clock, **settings})


def test_083_attempts_that_are_too_slow_are_cancelled_and_made_again(loop_world: World, facts: Facts) -> None:
    """Two of them; the third is good, and two time-outs are told."""
    attempt = timeout(1, clock=loop_world.clock)
    attempt.listen(facts, TimedOut)
    call = loop_world.governed(Pipeline(again(loop_world), attempt), Takes(5), Takes(5), "answer")
    assert call() == "answer"
    assert (call.count, call.waits) == (3, [1, 1])
    assert [(fact.at, fact.late) for fact in facts.of(TimedOut)] == [(1.0, False), (2.0, False)]


def test_084_a_total_time_ends_the_attempt_and_the_waiting(loop_world: World) -> None:
    """The attempt that is under way is cancelled, and none follows; a wait that would not end in time is not begun."""
    clock = loop_world.clock
    total = Pipeline(timeout(10, clock=clock), again(loop_world))
    call = loop_world.governed(total, Takes(4, ConnectionError()), Takes(60))
    (error,) = call.fails(CallTimeoutError)
    assert isinstance(error, CallTimeoutError)
    assert (error.reason, call.count, clock.monotonic()) == ("total", 2, 10.0)
    total = Pipeline(timeout(10, clock=clock), again(loop_world, backoff=6))
    call = loop_world.governed(total, Takes(4, ConnectionError()))
    call.fails(ConnectionError)
    assert (call.count, clock.monotonic()) == (1, 14.0)


def test_086_the_caller_s_cancellation_is_no_time_out(loop_world: World, facts: Facts) -> None:
    """It comes out as what it is, is not retried, and nobody hears of a time-out."""
    attempt = timeout(5, clock=loop_world.clock)
    attempt.listen(facts)
    begun: list[float] = []

    @Pipeline(again(loop_world, on=lambda error: True), attempt)
    async def hang() -> None:
        begun.append(loop_world.clock.monotonic())
        await asyncio.Event().wait()

    async def main() -> bool:
        task = asyncio.create_task(hang())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert loop_world.run(main)
    assert (begun, facts, attempt.snapshot()["timed_out"]) == ([0.0], [], 0)


@pytest.mark.parametrize("seconds", [None, float("inf")])
def test_087_no_limit_is_no_time_out(seconds: float | None, world: World) -> None:
    """None and infinity, as a setting and said for a call; no time at all is an error in a setting, and for a call its end."""
    for given in (seconds, lambda call: seconds):
        call = world.governed(timeout(given, clock=world.clock), Takes(86400, "answer"))
        assert call() == "answer"
        assert call.seen[0].deadline is None
    for nothing in (0, -1):
        with pytest.raises(ConfigError, match=r"^timeout\.seconds: expected a duration"):
            timeout(nothing)
        none_left = world.governed(timeout(lambda call, left=nothing: left, clock=world.clock))  # type: ignore[misc]
        none_left.fails(DeadlineExceededError)
        assert none_left.count == 0


def test_088_a_time_out_is_a_failure_to_the_breaker_around_it(loop_world: World) -> None:
    """The call began and was too slow: it counts, unlike a refusal."""
    gate = circuit_breaker(consecutive_failures=2, clock=loop_world.clock)
    call = loop_world.governed(Pipeline(gate, timeout(1, clock=loop_world.clock)), Takes(5))
    call.fails(CallTimeoutError, times=2)
    assert (gate.current_state, gate.snapshot()["failed"]) == ("open", 2)


def test_089_the_deadline_of_a_call_spans_its_attempts(world: World) -> None:
    """Each of them sees the same moment, not a span of its own, and none begins that late."""
    call = world.governed(again(world, attempts=9, backoff=1), Takes(3, ConnectionError()))
    with deadline(10.0):
        call.fails(ConnectionError)
    assert [(seen.at, seen.deadline) for seen in call.seen] == [(0.0, 10.0), (4.0, 10.0), (8.0, 10.0)]


def test_090_a_call_whose_deadline_has_passed_is_refused(world: World) -> None:
    """At once, before anything is taken from a limit; Finagle serves a part of them. So is a request that comes without time."""
    pace = rate_limit("1/hour", clock=world.clock)
    call = world.governed(pace)
    with deadline(world.clock.monotonic()):
        (error,) = call.fails(DeadlineExceededError)
    assert isinstance(error, DeadlineExceededError)
    assert (error.reason, call.count, pace.snapshot()["remaining"]) == ("expired", 0, 1)
    started: list[str] = []
    app = Governor(service="shop", clock=world.clock).wsgi(lambda environ, start: pytest.fail("it was reached"))
    request = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_X_REQUEST_DEADLINE_MS": "0"}
    b"".join(app(request, lambda status, headers, exc_info=None: started.append(status)))
    assert [status[:3] for status in started] == ["504"]
