"""The two machines of one limit by GCRA, asked directly: what a second look at the clock finds, and what is left after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import rate_limit
from svcgov.errors import RateLimitedError
from svcgov.policies.rate_limit import Gcra, LockedGcra
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


def test_a_machine_has_a_lock_only_where_it_needs_one(variant: bool) -> None:
    """Who pays for a lock on every call is the one whose interpreter has none of its own."""
    assert type(rate_limit("1/second").machine) is (LockedGcra if variant else Gcra)


@pytest.mark.parametrize("cost", [1, lambda call: 1], ids=["fixed", "asked"])
def test_a_burst_of_a_very_fast_limit_is_what_was_said(cost: Any, variant: bool) -> None:
    """The grace for rounding is a small part of the pace, however fast that is."""
    gate = rate_limit("1000000/second", burst=5, cost=cost, clock=ManualClock())
    assert passed(gate, 20, 0.0) == 5


def test_time_goes_on_while_the_limit_is_nothing(variant: bool) -> None:
    """What drains meanwhile is what would have drained without the pause."""
    clock = ManualClock()
    gate = rate_limit("10/minute", clock=clock)
    assert passed(gate, 20, 0.0) == 10
    gate.reconfigure({"limit": "0/minute"})
    clock.advance(12)
    assert passed(gate, 1, clock.monotonic()) == 0
    gate.reconfigure({"limit": "10/minute"})
    assert passed(gate, 20, clock.monotonic()) == 2
