"""Rate limits: how many in a cycle, what a change keeps, and what a refusal takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _loops import run, turns
from svcgov import Pipeline, rate_limit, retry
from svcgov.errors import RateLimitedError

if TYPE_CHECKING:
    from _worlds import Call, World
    from svcgov.testing import ManualClock

ALGORITHMS = pytest.mark.parametrize("algorithm", ["gcra", "fixed-window", "moving-window", "sliding-window"])


def passed(call: Call, times: int) -> int:
    """How many of so many calls get through."""
    before = call.count
    for _ in range(times):
        try:
            call()
        except RateLimitedError:
            pass
    return call.count - before


@pytest.mark.parametrize("algorithm", ["gcra", "fixed-window", "moving-window"])
def test_123_one_call_in_each_cycle(algorithm: Any, world: World) -> None:
    """The next one in the same cycle is refused, and says when its own begins."""
    call = world.governed(rate_limit("1/second", algorithm=algorithm, clock=world.clock))
    for _ in range(3):
        call()
        world.clock.advance(0.25)
        (error,) = call.fails(RateLimitedError)
        assert isinstance(error, RateLimitedError)
        assert error.retry_after == pytest.approx(0.75, abs=0.0011)
        world.clock.advance(0.75)
    assert call.count == 3


@ALGORITHMS
def test_125_another_limit_is_in_force_at_the_next_call(algorithm: Any, world: World) -> None:
    """With the share that is spent, of five of ten a half: so of twenty ten are left. resilience4j waits for the next cycle."""
    gate = rate_limit("10/minute", algorithm=algorithm, clock=world.clock)
    call = world.governed(gate)
    assert passed(call, 5) == 5
    gate.reconfigure({"limit": "20/second"})
    assert passed(call, 20) == 10
    gate.reconfigure({"limit": "2/minute"})
    assert passed(call, 5) == 0


def test_129_a_limit_that_is_used_up_ends_the_retry(world: World) -> None:
    """Three attempts and one refusal, and what is raised is the last real error; failsafe-go goes on knocking."""
    limit = rate_limit("3/second", clock=world.clock)
    policy = retry(on=Exception, attempts=7, backoff=0, budget=None, clock=world.clock)
    call = world.governed(Pipeline(policy, limit), ConnectionError("real"))
    (error,) = call.fails(ConnectionError)
    assert "refused" in "".join(error.__notes__)
    assert (call.count, limit.snapshot()["refused"], policy.snapshot()["retries"]) == (3, 1, 3)
    call.fails(RateLimitedError)
    assert (call.count, limit.snapshot()["refused"]) == (3, 2)


def test_130_who_would_have_to_wait_too_long_takes_no_place(clock: ManualClock) -> None:
    """Five come at once, one a second may, and nobody waits more than two: three do, and the other two leave no gap behind."""
    gate = rate_limit("1/second", burst=1, max_wait=2, clock=clock)
    came: list[tuple[int, float]] = []

    @gate
    async def call(number: int) -> None:
        came.append((number, clock.monotonic()))

    async def main() -> list[BaseException | None]:
        calls = [asyncio.create_task(call(number)) for number in range(5)]
        for _ in range(3):
            await turns()
            clock.advance(1)
        ends = await asyncio.gather(*calls, return_exceptions=True)
        await call(5)
        return ends

    assert [type(end) for end in run(main)] == [type(None)] * 3 + [RateLimitedError] * 2
    assert came == [(0, 0.0), (1, 1.0), (2, 2.0), (5, 3.0)]


@ALGORITHMS
def test_131_a_limit_of_nothing_refuses_all_and_a_free_call_passes(algorithm: Any, world: World) -> None:
    """Nobody needs to come back to the one; the other passes a limit that is used up. A cost below nothing is nonsense."""
    (error,) = world.governed(rate_limit("0/second", algorithm=algorithm, clock=world.clock)).fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert (error.reason, error.retry_after) == ("denied", None)
    gate = rate_limit("1/day", algorithm=algorithm, clock=world.clock)
    call = world.governed(gate)
    assert passed(call, 3) == 1
    gate.reconfigure({"limit": "1/day", "cost": 0})
    assert passed(call, 3) == 3
    with pytest.raises(ValueError, match=r"^rate_limit\.cost: expected an integer"):
        rate_limit("1/day", cost=-1)
