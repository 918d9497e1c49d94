"""Retries that wait for nothing, come too early, repeat what they must not, or hide the error: defects seen elsewhere."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _loops import run, turns
from _worlds import Answer, in_threads
from svcgov import Backoff, Pipeline, budget, bulkhead, retry, timeout
from svcgov.errors import CallTimeoutError, SvcgovError

if TYPE_CHECKING:
    from _worlds import World
    from svcgov.policies import Retry
    from svcgov.testing import ManualClock


def again(clock: ManualClock, **settings: Any) -> Retry:
    """A retry on connection errors after a second, that no budget stops."""
    return retry(**{"on": ConnectionError, "backoff": 1.0, "budget": None, "clock": clock, **settings})


def test_nobody_waits_after_the_last_attempt(world: World) -> None:
    """Three attempts are two waits. A defect seen in Easegress: each exhausted call sleeps once more, for nothing."""
    call = world.governed(again(world.clock), ConnectionError())
    call.fails(ConnectionError)
    assert (call.waits, world.clock.monotonic()) == ([1.0, 1.0], 2.0)


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_call_that_was_stopped_is_not_made_again(kind: type[BaseException], world: World) -> None:
    """Whatever it is meant for: nobody waits for the answer any more. Seen in Easegress, which retries for clients that left."""
    call = world.governed(again(world.clock, on=lambda error: True), kind())
    with pytest.raises(kind):
        call()
    assert (call.count, world.clock.monotonic()) == (1, 0.0)


def test_a_caller_who_leaves_in_the_wait_is_not_kept(clock: ManualClock) -> None:
    """The wait is cut short by the cancellation, and no attempt follows."""
    clock.auto = False
    made: list[float] = []

    @again(clock, backoff=60)
    async def fail() -> None:
        made.append(clock.monotonic())
        raise ConnectionError

    async def main() -> bool:
        task = asyncio.create_task(fail())
        await turns()
        task.cancel()
        await turns()
        return task.cancelled()

    assert run(main)
    assert (made, clock.monotonic()) == ([0.0], 0.0)


def test_the_usual_delays_are_not_the_same_for_everybody(world: World) -> None:
    """They depend on chance unless that is turned off. Seen in Easegress: "random" is constant where nothing else is said."""
    waits = []
    chances = iter([0.25, 0.25, 0.75, 0.75])
    for _ in range(2):
        call = world.governed(retry(on=ConnectionError, random=lambda: next(chances), clock=world.clock), ConnectionError())
        call.fails(ConnectionError)
        waits.append(call.waits)
    assert waits[0] == pytest.approx([0.025, 0.05])
    assert waits[1] == pytest.approx([0.075, 0.15])


@pytest.mark.parametrize("chance", [0.0, 0.5, 0.999])
def test_nobody_comes_before_a_server_said(chance: float, world: World) -> None:
    """The wait that it asks for is not jittered. Seen in clients for .NET: a retry a moment too early is refused again."""
    policy = again(world.clock, on="transient", idempotent=True, backoff=Backoff(0.1, 2, 5, "full"), random=lambda: chance)
    call = world.governed(policy, Answer(429, Retry_After="7"), "answer")
    assert call() == "answer"
    assert call.waits == [7.0]


def test_what_nobody_knows_to_be_repeatable_is_not_repeated(world: World) -> None:
    """A server's answer tells that a request arrived. Seen in Easegress: all methods are retried, POST among them."""
    call = world.governed(again(world.clock, on="transient"), Answer(503))
    call.fails(Answer)
    assert call.count == 1


def test_the_last_error_is_not_wrapped(world: World) -> None:
    """Code that catches it goes on catching it. Seen in tenacity, where an error of its own comes out unless one asks."""
    last = ConnectionError("last")
    call = world.governed(again(world.clock), ConnectionError("first"), last)
    (error,) = call.fails(Exception)
    assert error is last
    assert not isinstance(error, SvcgovError)


def test_nobody_retries_for_ever(world: World) -> None:
    """Nor without a wait: as seen in tenacity, where that is what one gets who says nothing."""
    call = world.governed(retry(on=ConnectionError, random=lambda: 0.5, clock=world.clock), ConnectionError())
    call.fails(ConnectionError)
    assert call.count == 3
    assert min(call.waits) > 0


def test_a_generator_is_not_taken_for_a_call() -> None:
    """It has only begun when it comes back, so a retry around it would retry nothing, silently, as seen in tenacity."""

    def rows() -> Any:
        yield 1

    with pytest.raises(TypeError, match="generator"):
        retry(on=ConnectionError)(rows)


def test_a_retry_that_waits_is_in_flight() -> None:
    """It counts from the decision on. Seen in Envoy: retries in their backoff are counted here and not there."""
    made: list[int] = []

    @retry(on=ConnectionError, attempts=2, backoff=0.02, budget=budget(kind="in-flight", ratio=0, min_concurrency=1))
    async def fail(number: int) -> None:
        made.append(number)
        raise ConnectionError

    async def main() -> Any:
        return await asyncio.gather(fail(1), fail(2), return_exceptions=True)

    assert [type(end) for end in run(main)] == [ConnectionError, ConnectionError]
    assert made == [1, 2, 1]  # the first one was waiting for its second attempt when the other one asked


def test_a_total_time_is_no_mere_end_of_retries() -> None:
    """It cancels the attempt that is under way. Seen in stamina, whose time-out is looked at between attempts alone."""

    @Pipeline(timeout(0.02), retry(on=ConnectionError, attempts=100, backoff=0, budget=None))
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(CallTimeoutError) as error:
        run(hang)
    assert (error.value.reason, error.value.status) == ("total", 504)  # Easegress says 408, which blames the caller


def test_a_bulkhead_outside_is_not_left_in_the_wait(world: World) -> None:
    """The place is held over all attempts and waits of a call, once: a crowd that retries is no larger than the limit."""
    seats = bulkhead(1, clock=world.clock)
    in_use: list[int] = []

    def fail() -> None:
        in_use.append(seats.snapshot()["in_use"])
        raise ConnectionError

    world.clock.call_at(0.5, lambda: in_use.append(seats.snapshot()["in_use"]))
    world.governed(Pipeline(seats, again(world.clock)), fail).fails(ConnectionError)
    assert in_use == [1, 1, 1, 1]
    assert seats.snapshot()["in_use"] == 0


def test_a_budget_is_not_overdrawn_by_threads() -> None:
    """Sixteen callers whose calls fail at once share what there is: three attempts, not three each."""
    paid = budget(ratio=0, min_retries=3)
    made: list[int] = []
    policy = retry(on=ConnectionError, attempts=9, backoff=0, budget=paid)

    def fail() -> None:
        made.append(1)
        raise ConnectionError

    governed = policy(fail)

    def call(number: int) -> None:
        with pytest.raises(ConnectionError):
            governed()

    assert in_threads(16, call) == []
    assert len(made) == 16 + 3
