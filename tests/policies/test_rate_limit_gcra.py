"""The two machines of one limit by GCRA, asked directly: what a second look at the clock finds, and what is left after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svcgov import rate_limit
from svcgov.errors import RateLimitedError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.policies import RateLimit


@pytest.fixture(params=[False, True], ids=["lock-free", "locked"])
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both machines: the one for interpreters with a GIL, and the one for those without."""
    monkeypatch.setattr("svcgov.policies.rate_limit.LOCKED", lambda: request.param)
    return bool(request.param)


def passed(gate: RateLimit, tries: int, now: float) -> int:
    """How many of so many calls pass that have read the clock at *now*."""
    count = 0
    for _ in range(tries):
        try:
            gate.machine.admit(now)
        except RateLimitedError:
            break
        count += 1
    return count


@pytest.mark.parametrize(("pause", "passing"), [(0.15, 1), (0.25, 2), (0.95, 9), (100.0, 10)])
def test_a_second_look_lets_through_what_the_present_allows(pause: float, passing: int, variant: bool) -> None:
    """Calls that read the clock before a pause pass as those after it do: each pays, and no more than a burst is saved up."""
    clock = ManualClock()
    gate = rate_limit("10/second", clock=clock)
    assert passed(gate, 11, clock.monotonic()) == 10
    stale = clock.monotonic()
    clock.advance(pause)
    assert passed(gate, 11, stale) == passing


@pytest.mark.parametrize("above", range(40))
def test_a_promise_just_above_a_millisecond_is_kept(above: int, variant: bool) -> None:
    """However near to it: the promise is rounded, and who comes back then passes."""
    clock = ManualClock()
    gate = rate_limit("1/second", clock=clock)
    gate.machine.admit(clock.monotonic())
    clock.advance(0.9 - above * 1e-6)
    with pytest.raises(RateLimitedError) as refused:
        gate.machine.admit(clock.monotonic())
    assert refused.value.retry_after is not None
    clock.advance(refused.value.retry_after)
    assert passed(gate, 1, clock.monotonic()) == 1
