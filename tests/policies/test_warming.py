"""A rate limit that warms up: what passes when it is cold, how it rises, and when it begins anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from svcgov import rate_limit
from svcgov.errors import RateLimitedError
from svcgov.policies._tolls import Tolls
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import World
    from svcgov.policies import RateLimit

CELL = 1 / 64  # seconds: all that happens in the model happens at the border of one
GRACE = 1e-5  # seconds: who comes earlier by no more passes, since floats are rounded


def passed(gate: RateLimit, tries: int = 99) -> int:
    """How many of so many calls pass at this moment."""
    count = 0
    for _ in range(tries):
        try:
            with gate:
                count += 1
        except RateLimitedError:
            pass
    return count


def test_a_cold_limit_lets_a_part_of_its_burst_through(world: World) -> None:
    """A third of 30 at once, and then at a third of the rate, which rises; after the warm-up it is what was said."""
    gate = rate_limit("30/second", warm_up=10, clock=world.clock)
    call = world.governed(gate, "answer")
    assert [call() for _ in range(10)] == ["answer"] * 10
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    # 20 / 15 calls a second make room in the bucket, and 10 drain from it: one fits in after 1 / (10 + 2) s.
    assert error.retry_after == pytest.approx(1 / 12, abs=0.002)
    world.clock.advance(error.retry_after or 0)
    call()
    for _ in range(2):
        world.clock.advance(5)
        call()
    world.clock.advance(1)
    assert passed(gate) == 30


def test_the_rate_rises_evenly() -> None:
    """With a burst of one that is always used, what passes is the area under the line from a third to all."""
    clock = ManualClock()
    gate = rate_limit("60/second", burst=1, warm_up=6, clock=clock)
    by_second = []
    for _ in range(8):
        count = 0
        for _ in range(1000):
            count += passed(gate, 1)
            clock.advance(0.001)
        by_second.append(count)
    assert by_second[:6] == [pytest.approx(60 * (1 / 3 + 2 / 3 * (second + 0.5) / 6), abs=2) for second in range(6)]
    assert by_second[6:] == [pytest.approx(60, abs=3)] * 2


@pytest.mark.parametrize(("pause", "expected"), [(4.9, 8), (5.0, 4), (5.1, 4)])
def test_it_begins_anew_after_idling_for_so_long(pause: float, expected: int) -> None:
    """From the moment on at which nothing of it is used any more."""
    clock = ManualClock()
    gate = rate_limit("8/second", warm_up=5, cold_factor=2, clock=clock)
    passed(gate)
    clock.advance(9)
    passed(gate)
    clock.advance(gate.snapshot()["reset"] + pause)
    assert gate.snapshot()["remaining"] == expected
    assert passed(gate) == expected


def test_one_call_passes_a_cold_limit_whatever_it_costs() -> None:
    """Else it would never warm up; what is more than the burst does not pass."""
    gate = rate_limit("4/second", warm_up=5, cost=4, clock=ManualClock())
    assert gate.snapshot()["remaining"] == 1
    assert passed(gate) == 1
    gate.reconfigure({"warm_up": 5, "cost": 0})
    assert passed(gate, 3) == 3
    gate.reconfigure({"warm_up": 5, "cost": 5})
    with pytest.raises(RateLimitedError) as error, gate:
        pass
    assert error.value.reason == "cost_exceeds_burst"


@pytest.mark.parametrize("limit", ["2/second", "8/second", "30/second"])
def test_what_is_left_is_what_passes(limit: str) -> None:
    """Cold, used in part, used up, half way, and warm; one at least while nothing is used."""
    clock = ManualClock()
    gate = rate_limit(limit, warm_up=10, clock=clock)
    for tries in (1, 99, 0, 1, 2, 99, 3, 99):
        passed(gate, tries)
        left = gate.snapshot()["remaining"]
        assert passed(gate) == left
        clock.advance(0.7 + tries % 7)


def test_a_slow_limit_does_not_stay_cold() -> None:
    """A call a minute is no idling: it takes so long until nothing is used."""
    clock = ManualClock()
    gate = rate_limit("1/minute", warm_up=30, clock=clock)
    assert passed(gate) == 1
    assert gate.snapshot()["reset"] == 30 + 40  # in the first half a minute a third of a call drains, at two thirds of the rate
    clock.advance(71)
    assert passed(gate) == 1
    assert gate.snapshot()["reset"] == 60


def test_it_may_learn_to_warm_up_and_unlearn_it() -> None:
    """Who is in use is warm, and keeps what is spent; another rate goes on where the warm-up was."""
    clock = ManualClock()
    gate = rate_limit("8/second", clock=clock)
    gate.reconfigure({"warm_up": 4, "cold_factor": 4})
    assert gate.snapshot()["remaining"] == 2  # nothing is spent, so it begins cold
    gate = rate_limit("8/second", clock=clock)
    passed(gate, 4)
    gate.reconfigure({"warm_up": 4})
    assert isinstance(gate.machine, Tolls)
    assert passed(gate) == 4
    gate.reconfigure({"limit": "0/second", "warm_up": 4})
    assert passed(gate) == 0
    gate.reconfigure({})
    assert passed(gate) == 0


def test_who_asks_each_call_what_it_costs_may_learn_it_too() -> None:
    """The machine stays, and its bucket becomes one that warms up: who is in use is warm."""
    gate = rate_limit("8/second", cost=lambda call: 1, clock=ManualClock())
    passed(gate, 4)
    gate.reconfigure({"warm_up": 4})
    assert passed(gate) == 4


def test_another_rate_goes_on_with_the_warm_up() -> None:
    """Half of it is over, so two thirds of everything are there."""
    clock = ManualClock()
    gate = rate_limit("30/second", warm_up=10, clock=clock)
    passed(gate)
    clock.advance(5)
    passed(gate)
    gate.reconfigure({"limit": "60/second", "warm_up": 10})
    assert passed(gate) == 0
    clock.advance(60 / 40)
    assert passed(gate) == pytest.approx(40, abs=8)


def test_each_key_warms_up_by_itself() -> None:
    """One that has been busy is warm, another is not."""
    clock = ManualClock()
    gate = rate_limit("9/second", warm_up=2, key="arg:who", clock=clock)
    for _ in range(5):
        passed(gate.of("busy"))  # type: ignore[arg-type]  # a gate
        clock.advance(1)
    assert [passed(gate.of(who)) for who in ("busy", "new")] == [9, 3]  # type: ignore[arg-type]  # gates


# -- a model -----------------------------------------------------------------------------------------------------------


class Model:
    """Reckons all anew from the list of calls that have passed, cell by cell, with the area of each."""

    def __init__(self, rate: int, burst: int, warm_up: float, factor: float) -> None:
        self.rate, self.burst, self.warm_up, self.cold = rate, burst, warm_up, 1 / factor
        self.calls: list[tuple[float, int]] = []

    def room(self, at: float, cost: int) -> float:
        """How many calls there is room for, beyond this one, at that moment; negative: it has to wait."""
        level, time, began, emptied = 0.0, 0.0, 0.0, float("-inf")

        def part(moment: float) -> float:
            return self.cold + (1 - self.cold) * min(1.0, (moment - began) / self.warm_up)

        room = 0.0
        for number, (moment, worth) in enumerate([*self.calls, (at, cost)]):
            while time < moment:
                end = min(moment, (time // CELL + 1) * CELL)
                area = self.rate * (end - time) * (part(time) + part(end)) / 2
                if 0 < level <= area:
                    emptied = time + (end - time) * level / area
                level, time = max(0.0, level - area), end
            if level == 0:
                assume(abs(moment - emptied - self.warm_up) > GRACE)  # whether it begins anew hangs on the last bit
                began = moment if moment - emptied >= self.warm_up else began
            room = self.burst * part(moment) - worth - level
            if number == len(self.calls) and level == 0:
                return max(0.0, room)
            level += worth
        return room


@example(rate=2, burst=4, warm_up=4.0, factor=3.0, trace=[(0.0, 1), (0.5, 1), (0.0, 3)])  # empty just then, to the last bit
@example(rate=16, burst=4, warm_up=4.0, factor=3.0, trace=[(0.0, 1), (2.0, 3), (0.0, 3)])  # empty but for the grace
@given(
    rate=st.sampled_from([2, 8, 16]),
    burst=st.sampled_from([1, 4, 16]),
    warm_up=st.sampled_from([1.0, 4.0]),
    factor=st.sampled_from([2.0, 3.0]),
    trace=st.lists(st.tuples(st.sampled_from([0.0, 0.0, CELL, 0.125, 0.5, 2.0, 6.0]), st.integers(1, 3)), max_size=25),
)
def test_it_is_as_the_model_says(rate: int, burst: int, warm_up: float, factor: float, trace: Any) -> None:
    """Who passes, and when to come back; never more than without a warm-up."""
    clock = ManualClock()
    cost = 1
    given: Any = {"burst": burst, "cost": lambda call: cost, "clock": clock}
    gate = rate_limit(f"{rate}/second", warm_up=warm_up, cold_factor=factor, **given)
    model, warm = Model(rate, burst, warm_up, factor), rate_limit(f"{rate}/second", **given)
    for pause, cost in trace:
        clock.advance(pause)
        now = clock.monotonic()
        room = model.room(now, cost)
        try:
            gate.machine.admit(now, object())
        except RateLimitedError as error:
            if cost > burst:
                assert error.reason == "cost_exceeds_burst"
                continue
            assert room < 1e-6
            assert error.retry_after is not None
            assert model.room(now + error.retry_after + GRACE, cost) >= -1e-3
            assert error.retry_after < 0.003 or model.room(now + error.retry_after - 0.003, cost) < 1e-6
        else:
            assert model.room(now + GRACE, cost) > -1e-3
            model.calls.append((now, cost))
            warm.machine.admit(now, object())
