"""The switches of the testing kit: what was made long before obeys, and all is as it was afterwards."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

import svcgov
from svcgov import Backoff, bulkhead, circuit_breaker, rate_limit, retry, testing, timeout
from svcgov._core import _live
from svcgov._core._chance import system_random
from svcgov._core._clock import SYSTEM
from svcgov.errors import BulkheadFullError, CallTimeoutError, CircuitOpenError, ConfigError, RateLimitedError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import World


def test_what_is_in_use_goes_by_the_clock_of_the_test(world: World) -> None:
    """A retry with long waits is done at once, and has waited as long as it says."""
    call = world.governed(retry(on=OSError, attempts=3, backoff=[5, 60]), OSError(), OSError(), "done")
    with testing.by_hand(ManualClock(auto=True)) as clock:
        assert call() == "done"
        assert clock.monotonic() == 65.0


def test_afterwards_it_goes_by_the_clock_of_the_process() -> None:
    """The readings of the system's clock, as if nothing had been."""
    before = SYSTEM.monotonic()
    with testing.by_hand() as clock:
        assert (SYSTEM.monotonic(), SYSTEM.wall()) == (0.0, clock.wall())
    assert before <= SYSTEM.monotonic() < before + 60
    assert SYSTEM.wall() > 1_700_000_000


def test_a_policy_begins_anew_and_is_then_as_it_was(world: World) -> None:
    """What a test does to a breaker, and what was done to it before, do not see one another."""
    breaker = circuit_breaker("stock", consecutive_failures=2, open_for="1h")
    call = world.governed(breaker, OSError())
    call.fails(OSError, times=2)
    call.fails(CircuitOpenError)
    with testing.by_hand() as clock:
        call.fails(OSError, times=2)
        call.fails(CircuitOpenError)
        clock.advance(3961)
        assert (breaker.current_state, breaker.would_admit(), breaker.snapshot()["refused"]) == ("open", True, 1)
    assert (breaker.current_state, breaker.would_admit(), breaker.snapshot()["refused"]) == ("open", False, 1)
    assert breaker.state.name == "open"
    call.fails(CircuitOpenError)


def test_settings_that_a_test_puts_in_force_are_those_of_the_test() -> None:
    """They are undone with the rest."""
    policy = bulkhead(2)
    with testing.by_hand():
        policy.reconfigure({"limit": 9})
        assert policy.snapshot()["limit"] == 9
    assert policy.snapshot()["limit"] == 2


def test_counting_gates_begin_anew(world: World) -> None:
    """A limit that is used up is whole again in the test, and used up after it."""
    call = world.governed(rate_limit("1/hour"))
    call()
    with testing.by_hand() as clock:
        call()
        call.fails(RateLimitedError)
        clock.advance(3600)
        call()
    call.fails(RateLimitedError)
    assert call.count == 3


def test_what_is_made_inside_goes_on_by_the_clock_of_the_process(world: World) -> None:
    """As the code that a test imports first: it begins anew when the test is over."""
    with testing.by_hand():
        breaker = circuit_breaker(consecutive_failures=1)
        call = world.governed(breaker, OSError())
        call.fails(OSError)
        call.fails(CircuitOpenError)
    assert breaker.current_state == "closed"
    assert vars(call.function)["__svcgov__"].route.clock is SYSTEM.monotonic
    call.fails(OSError)
    call.fails(CircuitOpenError)


def test_what_is_made_inside_fuses_with_what_was_there(world: World) -> None:
    """One clock for both."""
    before = timeout(1)
    with testing.by_hand():
        assert world.governed(svcgov.Pipeline(before, bulkhead(1)), "done")() == "done"


def test_a_policy_with_a_clock_of_its_own_keeps_it(world: World) -> None:
    """It obeys its own test."""
    call = world.governed(timeout(5, clock=world.clock), svcgov.remaining)
    world.clock.advance(100)
    with testing.by_hand():
        assert call() == 105.0  # by the other clock, which stands at 0
        assert call.seen[0].at == 100.0


def test_a_governor_with_a_clock_of_its_own_keeps_it(world: World) -> None:
    """And so does what is made through it, before or meanwhile; one without goes by the clock of the test."""
    its = ManualClock()
    governor, other = svcgov.Governor(service="orders", clock=its), svcgov.Governor(service="stock")
    before = governor.rate_limit("1/minute", name="api")
    with testing.by_hand(ManualClock(wall=0.0)) as clock:
        its.advance(7)
        assert governor.rate_limit(name="api", limit="1/minute") is before
        for made, its_own in ((before, its), (governor.bulkhead(1), its), (other.bulkhead(1), SYSTEM)):
            assert made.clock is its_own
        call = world.governed(governor.timeout(5), svcgov.remaining)
        assert call() == 12.0
        assert clock.monotonic() == 0.0


def test_the_limit_of_one_key_begins_anew_too(world: World) -> None:
    """It is a part of the limit, or of the breaker, whenever it was asked for."""
    limited = world.governed(rate_limit("1/hour", key="colour").of("blue"))
    broken = world.governed(circuit_breaker(key="colour", consecutive_failures=1).of("blue"), OSError())
    for _ in range(2):
        with testing.by_hand():
            limited()
            limited.fails(RateLimitedError)
            broken.fails(OSError)
            broken.fails(CircuitOpenError)
    assert (limited.count, broken.count) == (2, 2)
    limited()
    broken.fails(OSError)
    broken.fails(CircuitOpenError)


def test_remaining_follows_the_clock(world: World) -> None:
    """The deadline of a governed call is told in the time of the test."""

    def left() -> float | None:
        clock.advance(0.5)
        return svcgov.remaining()

    call = world.governed(timeout(2), left)
    with testing.by_hand() as clock:
        assert call() == 1.5


def test_a_time_out_of_a_coroutine_obeys() -> None:
    """It is cancelled when the clock of the test says so."""

    @timeout("10m")
    async def patient() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(patient())
        await asyncio.sleep(0)
        clock.advance(600)
        await task

    with testing.by_hand() as clock, pytest.raises(CallTimeoutError):
        asyncio.run(main())


def test_chance_is_at_its_most_or_as_the_test_says(world: World) -> None:
    """The waits of a backoff are its own numbers."""
    slow = retry(on=OSError, attempts=3, backoff=Backoff(1.0))
    for random, waited in ((None, 3.0), (lambda: 0.5, 1.5), (lambda: 0.0, 0.0)):
        call = world.governed(slow, OSError())
        with testing.by_hand(ManualClock(auto=True), random=random) as clock:
            call.fails(OSError)
            assert clock.monotonic() == waited
    assert system_random() < 1.0


def test_the_jitter_of_a_circuit_is_at_its_most_too(world: World) -> None:
    """In the test; its next opening afterwards is as random as ever."""
    breaker = circuit_breaker(consecutive_failures=1, open_for=10, open_jitter=0.5)
    call = world.governed(breaker, OSError())
    with testing.by_hand():
        call.fails(OSError)
        (error,) = call.fails(CircuitOpenError)
        assert error.retry_after == 15.0  # type: ignore[attr-defined]  # as refusals have
    assert breaker.random is system_random


def test_budgets_have_no_end(world: World) -> None:
    """Not those that were made before, nor those made inside that say nothing."""
    pot = svcgov.budget("before", ratio=0, min_retries=0)
    first = retry(on=OSError, attempts=9, backoff=0, budget=pot)
    with testing.by_hand():
        for policy in (
            first,
            retry(on=OSError, attempts=9, backoff=0, budget="inside"),
            retry(on=OSError, attempts=9, backoff=0),
        ):
            call = world.governed(policy, OSError())
            call.fails(OSError, times=3)
            assert call.count == 27
        assert pot.snapshot()["left"] == float("inf")
        pot.give_back()
    call = world.governed(first, OSError())
    call.fails(OSError)
    assert call.count == 1


def test_a_budget_made_inside_with_settings_of_its_own_has_an_end(world: World) -> None:
    """It is what the test is about."""
    with testing.by_hand():
        call = world.governed(retry(on=OSError, attempts=9, backoff=0, budget=svcgov.budget(min_retries=2)), OSError())
        call.fails(OSError)
        assert call.count == 3


def test_a_budget_made_inside_begins_anew_and_has_an_end_afterwards(world: World) -> None:
    """And the retries on it are still counted by it."""
    with testing.by_hand():
        pot = svcgov.budget("inside")
        call = world.governed(retry(on=OSError, attempts=9, backoff=0, budget=pot), OSError())
        call.fails(OSError)
    call.fails(OSError)
    assert call.count == 9 + 1 + 3
    assert (pot.snapshot()["deposited"], pot.snapshot()["withdrawn"]) == (1, 3)


def test_names_first_used_inside_are_forgotten() -> None:
    """The next test may give them other settings; those from before are still found."""
    before = bulkhead(3, name="before")
    with testing.by_hand():
        assert bulkhead(3, name="before") is before
        assert bulkhead(4, name="before").snapshot()["limit"] == 4
        inside = bulkhead(1, name="inside")
    assert bulkhead(3, name="before") is before
    assert before.snapshot()["limit"] == 3
    assert bulkhead(2, name="inside") is not inside


def test_switches_stand_in_one_another(world: World) -> None:
    """In any order; the inner one is undone first."""
    call = world.governed(retry(on=OSError, attempts=5, backoff=60, budget=None), OSError())
    with testing.no_waiting(attempts=2), testing.by_hand() as clock, testing.by_hand() as inner:
        call.fails(OSError)
        assert (call.count, clock.monotonic(), inner.monotonic()) == (2, 0.0, 0.0)
    with testing.by_hand() as clock, testing.no_waiting(attempts=2):
        call.fails(OSError)
        assert (call.count, clock.monotonic()) == (4, 0.0)
    assert not _live.midwives


def test_an_error_in_the_test_undoes_it_too() -> None:
    """It is the test's own."""
    policy = bulkhead(1)
    with pytest.raises(ZeroDivisionError), testing.by_hand(), policy:
        assert policy.snapshot()["in_use"] == 1 / 0
    assert policy.snapshot()["in_use"] == 0
    assert SYSTEM.monotonic() > 0


def test_nothing_passes_while_disabled(world: World) -> None:
    """Or rather all does, through what was there and what is made meanwhile."""
    gate = bulkhead(1)
    call = world.governed(gate, "through")
    with gate:
        call.fails(BulkheadFullError)
        with testing.disabled():
            assert call() == world.governed(gate, "through")() == "through"
            assert world.block(gate, "through")() == "through"
        call.fails(BulkheadFullError)


def test_some_kinds_are_disabled(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others govern, and those of the environment stay as they are."""
    gate = bulkhead(1)
    call = world.governed(svcgov.Pipeline(gate, retry(on=OSError, attempts=2, backoff=0)), OSError())
    with testing.disabled("retry"), gate:
        call.fails(BulkheadFullError)
    with testing.disabled("bulkhead"), testing.disabled("retry"):
        call.fails(OSError)
    assert call.count == 1
    monkeypatch.setenv("SVCGOV_DISABLED", "retry")
    with pytest.warns(svcgov.errors.ConfigWarning, match="SVCGOV_DISABLED=retry"), testing.disabled("bulkhead"), gate:
        call = world.governed(svcgov.Pipeline(gate, retry(on=OSError, attempts=2, backoff=0)), OSError())
        call.fails(OSError)
    assert call.count == 1


def test_nobody_waits(world: World) -> None:
    """One attempt unless the test says more, and no pause, whatever the backoff."""
    policy = retry(on=OSError, attempts=4, backoff="1h", budget=None)
    call = world.governed(policy, OSError())
    with testing.no_waiting():
        call.fails(OSError)
        assert call.count == 1
    with testing.no_waiting(attempts=3):
        call.fails(OSError)
        assert call.count == 4
        inside = world.governed(retry(on=OSError, attempts=2, backoff="1h", budget=None), OSError())
        inside.fails(OSError)
        assert inside.count == 2  # never more than it has
    assert (policy.settings.attempts, policy.machine.clock) == (4, policy.clock)


def test_nobody_waits_for_a_permit(world: World) -> None:
    """A full bulkhead refuses at once, and has its waiting room back afterwards; a rate limit that never waits is left alone."""
    gate = bulkhead(1, max_wait=60, clock=world.clock)
    call = world.governed(svcgov.Pipeline(gate, rate_limit("5/s", clock=world.clock)))
    with testing.no_waiting(), gate:
        call.fails(BulkheadFullError)
        assert world.clock.monotonic() == 0.0
    assert gate.settings.max_wait == 60.0
    assert call() is None


def test_a_clock_without_sleep_is_the_clock_otherwise(world: World) -> None:
    """It reads the same and rings the same."""
    policy = retry(on=OSError, clock=world.clock)
    rung: list[float] = []

    async def main() -> None:
        policy.machine.clock.timer(asyncio.get_running_loop(), 3.0, lambda: rung.append(world.clock.monotonic()))
        world.clock.advance(5)

    with testing.no_waiting():
        asyncio.run(main())
        assert (policy.machine.clock.monotonic(), policy.machine.clock.wall()) == (5.0, world.clock.wall())
    assert rung == [3.0]


@pytest.mark.parametrize(
    ("switch", "path"),
    [
        (lambda: testing.by_hand(5), "by_hand.clock: expected a clock, such as"),  # type: ignore[arg-type]  # not a clock
        (lambda: testing.by_hand(random=5), "by_hand.random: expected a function"),  # type: ignore[arg-type]  # no function
        (lambda: testing.disabled("retries"), "disabled: expected one of retry"),
        (lambda: testing.no_waiting(0), "no_waiting.attempts: expected an integer >= 1, got 0"),
    ],
)
def test_a_wrong_switch_is_refused(switch: Any, path: str) -> None:
    """With its place; nothing has changed then."""
    with pytest.raises(ConfigError, match=path), switch():
        pass
    assert SYSTEM.monotonic() > 0


def test_the_kit_keeps_nothing_alive(world: World) -> None:
    """A policy and its functions go when their user lets them go, also after a test."""
    call = world.governed(circuit_breaker(), "done")
    with testing.by_hand(), testing.no_waiting():
        call()
    governed = vars(call.function)["__svcgov__"]
    gone, policy = ref(governed), ref(governed.policies[0])
    before = len(_live.living())
    del governed, call
    gc.collect()
    assert (gone(), policy()) == (None, None)
    assert len(_live.living()) <= before - 2
