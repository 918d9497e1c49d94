"""Budgets of retries: what is charged, what is permitted, and what becomes of a retry that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import budget, retry
from svcgov.errors import ConfigError
from svcgov.facts import BudgetEmptied

if TYPE_CHECKING:
    from _worlds import Facts, World


def again(world: World, purse: Any, **settings: Any) -> Any:
    """A retry on connection errors, at once, paid for by *purse*."""
    return retry(**{"on": ConnectionError, "backoff": 0, "budget": purse, "clock": world.clock, **settings})


def test_073_only_failures_that_are_meant_are_charged(world: World) -> None:
    """One that is not retried on costs no token; one that is meant does, though it is told to stop."""
    tokens = budget(kind="tokens", clock=world.clock)
    world.governed(again(world, tokens), KeyError()).fails(KeyError)
    assert tokens.snapshot()["tokens"] == 10
    stop = again(world, tokens, backoff=lambda attempt, error: None)
    world.governed(stop, ConnectionError()).fails(ConnectionError)
    assert tokens.snapshot()["tokens"] == 9


def test_074_a_retry_that_is_not_paid_for_is_dropped_and_not_delayed(world: World) -> None:
    """The first attempt always goes out, and its error is raised at once."""
    tokens = budget(kind="tokens", tokens=4, clock=world.clock)
    errors = [ConnectionError(number) for number in range(6)]
    call = world.governed(again(world, tokens, backoff=1.0), *errors)
    assert call.fails(ConnectionError, times=5) == errors[1:]
    assert (call.count, world.clock.monotonic()) == (5 + 1, 1.0)


def test_075_the_part_of_a_token_has_three_decimals(world: World) -> None:
    """The others are cut off, not rounded."""
    tokens = budget(kind="tokens", token_ratio=0.5466, clock=world.clock)
    assert tokens.settings.token_ratio == 0.546
    call = world.governed(again(world, tokens, attempts=1), ConnectionError(), ConnectionError(), "good")
    call.fails(ConnectionError, times=2)
    call()
    assert tokens.snapshot()["tokens"] == 8.546


@pytest.mark.parametrize("given", [{"ttl": 0.9}, {"ttl": 61}, {"min_retries": -1}, {"ratio": -0.1}, {"min_per_second": -1}])
def test_078_a_window_outside_its_range_and_negative_shares_are_refused(given: dict[str, Any]) -> None:
    """A window has 1 s to 60 s."""
    with pytest.raises(ConfigError, match=f"budget.{next(iter(given))}"):
        budget(**given)


@pytest.mark.parametrize("kind", [{"min_retries": 0}, {"kind": "in-flight", "min_concurrency": 0}])
def test_079_no_share_and_no_minimum_never_permit(kind: dict[str, Any], world: World) -> None:
    """However many calls there are."""
    none = budget(ratio=0, clock=world.clock, **kind)
    for _ in range(1000):
        none.deposit()
    assert not none.try_withdraw()
    call = world.governed(again(world, none), ConnectionError())
    call.fails(ConnectionError, times=10)
    assert call.count == 10


def test_081_the_floor_wins_over_the_share(world: World) -> None:
    """Three in flight, though a share of no calls is none."""
    flight = budget(kind="in-flight", ratio=0.2, min_concurrency=3, clock=world.clock)
    assert [flight.try_withdraw() for _ in range(4)] == [True, True, True, False]


def test_082_an_empty_budget_is_one_attempt_and_one_fact(world: World, facts: Facts) -> None:
    """The error is the callee's own, with a note; failsafe-go raises one about the budget."""
    policy = again(world, budget(ratio=0, min_retries=0, clock=world.clock))
    policy.listen(facts, BudgetEmptied)
    real = ConnectionError("real")
    call = world.governed(policy, real)
    assert call.fails(ConnectionError) == [real]
    assert (call.count, len(facts)) == (1, 1)
    assert "budget" in "".join(real.__notes__)
