"""The kinds of budgets beside the window: attempts in flight, and tokens. The window is in ``test_budget``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_child
from svcgov._core._budget import Budget, Tally
from svcgov.errors import ConfigError

if TYPE_CHECKING:
    from svcgov._core._budget import Stay
    from svcgov.testing import ManualClock


def tokens(clock: ManualClock, **given: Any) -> Budget:
    """Four tokens; a good call puts a half of one back."""
    return Budget({"kind": "tokens", "tokens": 4, "token_ratio": 0.5, **given}, clock=clock)


def in_flight(clock: ManualClock, **given: Any) -> Budget:
    """Half as many further attempts as there are calls under way, and at least one."""
    return Budget({"kind": "in-flight", "ratio": 0.5, "min_concurrency": 1, **given}, clock=clock)


def begun(budget: Budget, count: int) -> list[Stay]:
    """So many calls under way, side by side."""
    stays = []
    for _ in range(count):
        stay = budget.enter(Tally())
        assert stay is not None
        stay.unmark()
        stays.append(stay)
    return stays


def granted(budget: Budget) -> int:
    """How many attempts it pays for at this moment."""
    count = 0
    while budget.take() is not None:
        count += 1
    return count


# -- tokens ------------------------------------------------------------------------------------------------------------


def test_attempts_are_made_while_more_than_half_of_the_tokens_are_there(clock: ManualClock) -> None:
    """The failure is charged first: the second one of four tokens leaves half of them, which is too few."""
    budget = tokens(clock)
    assert [budget.try_withdraw() for _ in range(3)] == [True, False, False]
    assert budget.snapshot() == {"tokens": 1.0, "left": 0}


def test_good_calls_put_tokens_back(clock: ManualClock) -> None:
    """A part of one each, and never more than there were."""
    budget = tokens(clock)
    for _ in range(4):
        budget.charge()
    assert budget.snapshot()["tokens"] == 0
    for _ in range(5):
        budget.deposit()
    assert budget.snapshot() == {"tokens": 2.5, "left": 0}
    for stay in begun(budget, 3):
        stay.end(True)
    assert budget.snapshot() == {"tokens": 4.0, "left": 1}


def test_a_good_call_may_put_a_whole_token_back(clock: ManualClock) -> None:
    """No more, and no less."""
    budget = tokens(clock, token_ratio=1)
    for _ in range(3):
        budget.charge()
    budget.deposit()
    assert budget.snapshot() == {"tokens": 2.0, "left": 0}


def test_a_bad_call_puts_nothing_back(clock: ManualClock) -> None:
    """Nor does one that only begins."""
    budget = tokens(clock)
    budget.charge()
    for stay in begun(budget, 3):
        stay.end(False)
    begun(budget, 3)
    assert budget.snapshot()["tokens"] == 3


def test_tokens_do_not_fall_below_nothing(clock: ManualClock) -> None:
    """However long an outage: it takes as many good calls to mend as it did before."""
    budget = tokens(clock)
    for _ in range(1000):
        budget.charge()
    for _ in range(5):
        budget.deposit()
    assert budget.try_withdraw() is False
    assert budget.snapshot()["tokens"] == 1.5


@pytest.mark.parametrize(("given", "kept"), [(0.5466, 0.546), (1.001, 1.001), (0.001, 0.001), (1000, 1000.0)])
def test_the_part_of_a_token_is_cut_to_three_decimals(given: float, kept: float, clock: ManualClock) -> None:
    """As in gRPC; whole thousandths are kept as they are."""
    assert tokens(clock, token_ratio=given).settings.token_ratio == kept


def test_time_puts_no_tokens_back(clock: ManualClock) -> None:
    """Only good calls do."""
    budget = tokens(clock)
    budget.charge()
    clock.advance(3600)
    assert budget.snapshot()["tokens"] == 3


@pytest.mark.parametrize(("tokens", "left"), [(2, 0), (2.002, 1), (4, 1), (4.002, 2), (10, 4)])
def test_what_is_left_is_how_many_failures_may_still_be_followed_by_an_attempt(
    tokens: float, left: int, clock: ManualClock
) -> None:
    """In a row; to the thousandth of a token, since exactly a half is too few."""
    budget = Budget({"kind": "tokens", "tokens": tokens}, clock=clock)
    assert budget.snapshot()["left"] == left
    assert [budget.try_withdraw() for _ in range(left + 1)] == [True] * left + [False]


# -- in flight ---------------------------------------------------------------------------------------------------------


def test_attempts_under_way_are_a_share_of_the_calls_under_way(clock: ManualClock) -> None:
    """To the last one, whatever happened before."""
    budget = in_flight(clock)
    stays = begun(budget, 6)
    assert granted(budget) == 3
    assert budget.snapshot() == {"in_flight": 6, "held": 3, "left": 0}
    for stay in stays:
        stay.end(True)
    assert budget.snapshot() == {"in_flight": 0, "held": 3, "left": 0}


def test_the_floor_wins_over_the_share(clock: ManualClock) -> None:
    """With no call under way at all, so many may be made."""
    assert granted(in_flight(clock, min_concurrency=2)) == 2
    assert granted(in_flight(clock, min_concurrency=0)) == 0


def test_an_attempt_that_is_over_makes_room(clock: ManualClock) -> None:
    """One for one; giving back what nobody holds changes nothing."""
    budget = in_flight(clock)
    assert budget.try_withdraw()
    assert not budget.try_withdraw()
    budget.give_back()
    budget.give_back()
    assert budget.snapshot() == {"in_flight": 0, "held": 0, "left": 1}
    assert granted(budget) == 1


def test_giving_back_takes_no_lock(clock: ManualClock) -> None:
    """The collector may do it while this very thread holds it; it is taken in at the next look."""
    budget = in_flight(clock)
    (stay,) = begun(budget, 1)
    pot = budget.take()
    assert pot is not None
    with budget._lock:
        stay.end(good=False)
        budget.put(pot)
    assert budget.snapshot() == {"in_flight": 0, "held": 0, "left": 1}


def test_what_is_given_back_does_not_pile_up(clock: ManualClock) -> None:
    """Each call that begins takes in what those before it gave back."""
    budget = in_flight(clock)
    for _ in range(100):
        (stay,) = begun(budget, 1)
        stay.end(good=True)
    assert len(budget._returns) == 1


# -- settings ----------------------------------------------------------------------------------------------------------


def test_min_per_second_is_another_way_to_say_min_retries(clock: ManualClock) -> None:
    """So many for each second of the window, in whole attempts."""
    assert Budget({"min_per_second": 0.5, "ttl": 5}, clock=clock).settings.min_retries == 2
    assert Budget({"min_per_second": 0}, clock=clock).settings.min_retries == 0
    assert Budget({"min_per_second": 1000}, clock=clock).settings.min_retries == 10_000


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"kind": "bucket"}, "kind"),
        ({"kind": "tokens", "ratio": 0.2}, "ratio"),
        ({"kind": "tokens", "min_per_second": 1}, "min_per_second"),
        ({"kind": "in-flight", "ttl": 10}, "ttl"),
        ({"min_concurrency": 3}, "min_concurrency"),
        ({"tokens": 3}, "tokens"),
        ({"kind": "tokens", "tokens": 0}, "tokens"),
        ({"kind": "tokens", "tokens": 1001}, "tokens"),
        ({"kind": "tokens", "token_ratio": 0.0004}, "token_ratio"),
        ({"kind": "tokens", "token_ratio": True}, "token_ratio"),
        ({"kind": "in-flight", "min_concurrency": -1}, "min_concurrency"),
        ({"min_per_second": 1, "min_retries": 3}, "min_per_second"),
        ({"min_per_second": -1}, "min_per_second"),
        ({"min_per_second": "1"}, "min_per_second"),
    ],
)
def test_a_setting_belongs_to_its_kind(given: dict[str, Any], name: str, clock: ManualClock) -> None:
    """What another kind knows is refused here, as nonsense is."""
    with pytest.raises(ConfigError, match=rf"^budget\.{name}: expected"):
        Budget(given, clock=clock)


def test_another_kind_begins_anew(clock: ManualClock) -> None:
    """What is under way is given back to where it was taken from."""
    budget = in_flight(clock)
    (stay,) = begun(budget, 1)
    pot = budget.take()
    assert pot is not None
    budget.redefine({"kind": "tokens"})
    assert budget.snapshot() == {"tokens": 10.0, "left": 4}
    budget.redefine({"kind": "in-flight", "ratio": 0.5, "min_concurrency": 1})
    stay.end(True)
    budget.put(pot)
    assert budget.snapshot() == {"in_flight": 0, "held": 0, "left": 1}


def test_another_share_keeps_what_is_under_way(clock: ManualClock) -> None:
    """In force at once."""
    budget = in_flight(clock)
    begun(budget, 4)
    assert granted(budget) == 2
    budget.redefine({"kind": "in-flight", "ratio": 1, "min_concurrency": 1})
    assert budget.snapshot() == {"in_flight": 4, "held": 2, "left": 2}


# -- forks -------------------------------------------------------------------------------------------------------------


def test_a_forked_process_has_no_calls_under_way() -> None:
    """Nor a lock that another thread held: here the forking one holds it. What lies in the window is kept."""
    code = """
import json, os, svcgov
from svcgov._core._budget import Tally
flight = svcgov.budget(kind="in-flight", min_concurrency=1)
window = svcgov.budget(ratio=1, min_retries=1)
stay, taken = flight.enter(Tally()), flight.take()
assert window.try_withdraw()
read, write = os.pipe()
with flight._lock, window._lock:
    child = os.fork()
if child == 0:
    shown = [flight.snapshot()]
    flight.put(taken)
    stay.end(True)
    shown += [flight.snapshot(), window.snapshot()["withdrawn"]]
    os.write(write, json.dumps(shown).encode())
    os._exit(0)
os.wait()
print(os.read(read, 999).decode())
"""
    rest = {"in_flight": 0, "held": 0, "left": 1}
    assert in_child(code, timeout=10) == [rest, rest, 1]


@pytest.mark.parametrize("kind", ["window", "in-flight", "tokens"])
def test_a_budget_begins_anew_in_a_child(kind: str, clock: ManualClock) -> None:
    """With a lock of its own, and nothing that finalisers of the parent gave back; what lies in the window is kept."""
    budget = Budget({"kind": kind}, clock=clock)
    (stay,) = begun(budget, 1)
    assert budget.try_withdraw()
    stay.end(good=False)
    budget._lock.acquire()
    budget.forked()
    shown = budget.snapshot()
    assert shown.get("in_flight", 0) == shown.get("held", 0) == 0
    assert shown.get("withdrawn", 1) == 1
    assert shown.get("tokens", 9) == 9


@pytest.mark.parametrize("kind", ["window", "in-flight", "tokens"])
def test_a_budget_goes_on_from_a_snapshot_with_an_empty_window(kind: str, clock: ManualClock) -> None:
    """Nothing is under way where the process was brought to; calls of the old place are no deposits. Tokens are kept."""
    budget, tally = Budget({"kind": kind}, clock=clock), Tally()
    budget.join(tally)
    (stay,) = begun(budget, 1)
    tally.calls = 100
    assert budget.try_withdraw()
    clock.restored()
    rest: dict[str, Any] = {
        "window": {"deposited": 0, "withdrawn": 0, "left": 3},
        "in-flight": {"in_flight": 0, "held": 0, "left": 3},
        "tokens": {"tokens": 9, "left": 3},
    }
    assert budget.snapshot() == rest[kind]
    stay.end(good=False)
    assert budget.snapshot() == rest[kind]
