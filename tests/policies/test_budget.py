"""The budget as it is asked for: by name, and by retries. The machine is in ``_core/test_budget``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svcgov import budget, retry
from svcgov.errors import ConfigError
from svcgov.policies import Budget

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


def test_without_a_name_each_is_its_own() -> None:
    """Two budgets, two states."""
    assert budget() is not budget()
    assert isinstance(budget(), Budget)


def test_a_budget_without_a_name_reads_the_clock_it_is_given(clock: ManualClock) -> None:
    """What was paid in is gone when the window has passed on it."""
    own = budget(min_retries=0, clock=clock)
    own.deposit()
    assert own.snapshot()["deposited"] == 1.0
    clock.advance(10)
    assert own.snapshot()["deposited"] == 0.0


def test_one_name_is_one_budget(clock: ManualClock) -> None:
    """A name alone refers to what exists; so does a retry that names it."""
    payments = budget("payments", ratio=0.5, clock=clock)
    assert budget("payments") is payments
    assert budget("orders") is not payments
    assert retry(on=KeyError, budget="payments", clock=clock).budget is payments


def test_a_retry_may_name_it_before_it_is_made() -> None:
    """With the defaults until its settings are said; then it is the same one with those."""
    first = retry(on=KeyError, budget="payments").budget
    later = budget("payments", ratio=0.5, min_retries=7)
    assert first is later
    assert (later.settings.ratio, later.settings.min_retries, later.settings.ttl) == (0.5, 7, 10.0)


def test_the_name_is_in_the_error() -> None:
    """Of a setting as of a name that cannot be."""
    with pytest.raises(ConfigError, match=r"^payments\.ratio: expected a number from 0 to 10, got 50"):
        budget("payments", ratio=50)
    with pytest.raises(ConfigError, match=r"^budget\.name: expected"):
        budget("no spaces")


def test_a_budget_that_a_retry_named_goes_by_that_name() -> None:
    """Where a setting of it is refused."""
    retry(on=KeyError, budget="payments")
    with pytest.raises(ConfigError, match=r"^payments\.ratio: expected"):
        budget("payments", ratio=50)


def test_the_calls_of_all_retries_that_name_it_are_its_deposits(clock: ManualClock) -> None:
    """And each of them may take out what the others have paid in."""
    payments = budget("payments", ratio=0.5, min_retries=0, clock=clock)
    first = retry(on=KeyError, budget="payments", clock=clock)(lambda: "answer")
    second = retry(on=KeyError, budget="payments", clock=clock)(lambda: "answer")
    for _ in range(4):
        first()
        second()
    assert payments.snapshot() == {"deposited": 8.0, "withdrawn": 0, "left": 4.0}
