"""The machine of the budget: what counts as a call, and when it is forgotten."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import hasty_switches, in_threads
from svcgov._core._budget import Budget, Tally
from svcgov.errors import BudgetExhaustedError, ConfigError

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


def made(clock: ManualClock, **given: Any) -> Budget:
    """A budget of one attempt in five calls and no more, over ten seconds."""
    return Budget({"ratio": 0.2, "min_retries": 0, "ttl": 10, **given}, clock=clock)


def calls(budget: Budget, count: int) -> None:
    """So many calls."""
    for _ in range(count):
        budget.deposit()


def granted(budget: Budget) -> int:
    """How many attempts it pays for, until it is empty."""
    count = 0
    while budget.try_withdraw():
        count += 1
    return count


def test_it_pays_for_a_share_of_the_calls_and_a_few_more(clock: ManualClock) -> None:
    """To the last one: withdrawn + 1 <= ratio * deposited + min_retries."""
    budget = made(clock, min_retries=3)
    calls(budget, 24)
    assert granted(budget) == 4 + 3
    calls(budget, 1)
    assert granted(budget) == 1


def test_a_ratio_above_one_pays_for_several_attempts_of_each_call(clock: ManualClock) -> None:
    """Up to ten; a ratio of 0 for none, but for the few."""
    budget = made(clock, ratio=10)
    calls(budget, 2)
    assert granted(budget) == 20
    budget = made(clock, ratio=0, min_retries=1)
    calls(budget, 1000)
    assert granted(budget) == 1


def test_a_full_window_later_all_is_forgotten(clock: ManualClock) -> None:
    """What was deposited, and what was withdrawn."""
    budget = made(clock, min_retries=1)
    calls(budget, 100)
    assert granted(budget) == 21
    clock.advance(9.99)
    assert granted(budget) == 0
    clock.advance(0.01)
    assert budget.snapshot() == {"deposited": 0.0, "withdrawn": 0, "left": 1.0}


def test_the_calls_of_a_long_silence_are_not_of_this_moment(clock: ManualClock) -> None:
    """A million calls in the hour before the first failure: those of the last window are a share of it, no more."""
    budget = made(clock)
    clock.advance(3600)
    calls(budget, 360_000)
    assert budget.snapshot()["deposited"] == pytest.approx(1000, rel=0.01)


@pytest.mark.parametrize("seconds", range(10))
@pytest.mark.parametrize("count", [1, 2, 7])
def test_calls_are_spread_over_the_time_since_the_last_look_without_loss(count: int, seconds: int, clock: ManualClock) -> None:
    """One call over six tenths of the window is one call, though six sixths of a float are less."""
    budget = made(clock, ratio=1)
    calls(budget, count)
    clock.advance(seconds)
    assert granted(budget) == count


def test_a_clock_read_before_another_thread_s_takes_nothing_back(clock: ManualClock) -> None:
    """Its reading counts as the newest one that is known."""
    clock.advance(100)
    budget = made(clock)
    calls(budget, 50)
    assert budget.try_withdraw()
    clock._now = 3.0
    assert granted(budget) == 9
    assert budget.snapshot()["withdrawn"] == 10


def test_the_calls_of_all_its_retries_count(clock: ManualClock) -> None:
    """From when they joined; joining twice is joining once."""
    budget, tally = made(clock, ratio=1), Tally()
    tally.calls += 100
    budget.join(tally)
    budget.join(tally)
    tally.calls += 3
    calls(budget, 2)
    assert granted(budget) == 5


def test_a_retry_that_is_gone_is_let_go(clock: ManualClock) -> None:
    """A budget outlives many decorated functions, and keeps nothing of them."""
    budget, tallies = made(clock), [Tally() for _ in range(100)]
    for tally in tallies:
        budget.join(tally)
    del tallies, tally
    gc.collect()
    assert budget.snapshot()["deposited"] == 0
    assert len(budget._tallies) == 1


def test_a_retry_around_one_function_only_adds_to_its_own_count(clock: ManualClock) -> None:
    """As long as none of its calls can be part of another: with a second function around which it is, each is looked at."""
    budget, tally = made(clock), Tally()
    tally.around(made)
    assert not tally.watched
    budget.join(tally)
    tally.around(made)
    assert not tally.watched
    tally.around(calls)
    assert tally.watched


def test_a_retry_that_leaves_need_not_be_looked_at(clock: ManualClock) -> None:
    """What it shared the budget with is no concern of its any more."""
    budget, tallies = made(clock), [Tally(), Tally()]
    for tally in tallies:
        budget.join(tally)
    assert [tally.watched for tally in tallies] == [True, True]
    budget.leave(tallies[0])
    assert not tallies[0].watched


def test_asked_directly_it_refuses_by_an_error(clock: ManualClock) -> None:
    """For those who make further attempts by hand."""
    budget = Budget({"ratio": 0, "min_retries": 1}, name="payments", clock=clock)
    budget.withdraw()
    with pytest.raises(BudgetExhaustedError) as refused:
        budget.withdraw()
    assert (refused.value.policy, refused.value.reason, refused.value.retry_after) == ("payments", "budget", None)


def test_another_ratio_keeps_what_was_counted(clock: ManualClock) -> None:
    """In force at once; what is left is never shown below nothing."""
    budget = made(clock)
    calls(budget, 100)
    assert granted(budget) == 20
    budget.redefine({"ratio": 0.3, "min_retries": 0, "ttl": 10})
    assert granted(budget) == 10
    budget.redefine({"ratio": 0.1, "min_retries": 0, "ttl": 10})
    assert budget.snapshot() == {"deposited": 100.0, "withdrawn": 30, "left": 0.0}


def test_another_window_begins_anew(clock: ManualClock) -> None:
    """The calls before it are no deposits in it."""
    budget = made(clock, ratio=1)
    calls(budget, 100)
    budget.redefine({"ratio": 1, "min_retries": 0, "ttl": 20})
    assert granted(budget) == 0
    calls(budget, 2)
    assert granted(budget) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ratio", -0.1),
        ("ratio", 11),
        ("ratio", "0.2"),
        ("ratio", True),
        ("ratio", float("nan")),
        ("min_retries", -1),
        ("min_retries", 1.5),
        ("ttl", 0.5),
        ("ttl", 61),
        ("ttl", "soon"),
        ("retries", 3),
    ],
)
def test_nonsense_is_refused(name: str, value: Any, clock: ManualClock) -> None:
    """With the place, and nothing is made."""
    with pytest.raises(ConfigError, match=rf"^budget\.{name}: expected"):
        Budget({name: value}, clock=clock)


def test_threads_take_out_no_more_than_there_is(clock: ManualClock) -> None:
    """Sixteen of them at once: a hundred attempts are a hundred."""
    budget = made(clock, ratio=0, min_retries=100)
    taken = [0] * 16

    def take(number: int) -> None:
        for _ in range(50):
            taken[number] += budget.try_withdraw()

    with hasty_switches():
        assert in_threads(16, take) == []
    assert sum(taken) == 100
