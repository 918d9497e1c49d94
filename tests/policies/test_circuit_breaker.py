"""The circuit breaker around functions, in both worlds. The machine alone is in ``test_circuit``."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import Facts, Takes, World, in_threads
from svcgov import bulkhead, circuit_breaker, rate_limit, timeout
from svcgov.errors import BulkheadFullError, CircuitOpenError, ConfigError, RejectedError
from svcgov.facts import CallRefused, CircuitChanged, PredicateFailed

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker of four calls, without jitter, on *clock*."""
    return circuit_breaker(**{"window": 4, "min_calls": 4, "open_jitter": 0.0, "clock": clock, **settings})


def test_five_threads_run_through_one_breaker_in_parallel() -> None:
    """All five are inside at the same moment: they meet at a barrier that opens for five only."""
    meeting = threading.Barrier(5)

    @circuit_breaker
    def meet() -> None:
        meeting.wait(timeout=10)

    assert in_threads(5, lambda number: meet()) == []


def test_failing_calls_open_it(world: World) -> None:
    """Sync or async, an exception is a failure."""
    gate = breaker(world.clock)
    call = world.governed(gate, ConnectionError())
    call.fails(ConnectionError, times=4)
    assert gate.current_state == "open"
    call.fails(CircuitOpenError)
    assert call.count == 4


def test_the_call_that_opens_it_raises_its_own_error(world: World) -> None:
    """The very same object, not a refusal in its place."""
    gate, error = breaker(world.clock), ValueError("its own")
    call = world.governed(gate, ConnectionError(), ConnectionError(), ConnectionError(), error)
    call.fails(times=3)
    assert call.fails(ValueError) == [error]
    assert gate.current_state == "open"


def test_good_calls_leave_it_closed(world: World) -> None:
    """A thousand answers, a thousand times through."""
    gate = breaker(world.clock)
    call = world.governed(gate, "answer")
    assert {call() for _ in range(1000)} == {"answer"}
    assert gate.current_state == "closed"


def test_it_opens_at_the_very_threshold(world: World) -> None:
    """Two of four at a rate of one half are enough: the comparison is >=."""
    gate = breaker(world.clock)
    call = world.governed(gate, OSError(), OSError(), "good", "good")
    call.fails(times=2)
    call()
    assert gate.current_state == "closed"
    call()
    assert gate.current_state == "open"


def test_below_the_threshold_it_stays_closed(world: World) -> None:
    """One of four is less than a half."""
    gate = breaker(world.clock)
    call = world.governed(gate, OSError(), "good")
    call.fails()
    for _ in range(50):
        call()
    assert gate.current_state == "closed"


def test_it_does_not_open_below_the_minimum_of_calls(world: World) -> None:
    """Nine failures of nine are no verdict when ten calls are needed; the tenth opens it."""
    gate = breaker(world.clock, window=100, min_calls=10)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=9)
    assert gate.current_state == "closed"
    assert gate.snapshot()["failure_rate"] is None
    call.fails(OSError)
    assert gate.current_state == "open"
    assert gate.snapshot()["failure_rate"] == 1.0


def test_a_minimum_above_the_window_is_the_window(world: World) -> None:
    """Five calls are all that a window of five can hold: then the rate is known, and decides."""
    gate = breaker(world.clock, window=5, min_calls=10)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=5)
    assert gate.current_state == "open"
    assert gate.snapshot()["failure_rate"] == 1.0


def test_old_outcomes_leave_the_window(world: World) -> None:
    """Failures that are more than a window ago no longer count."""
    gate = breaker(world.clock, window=4, min_calls=4, failure_rate=0.5)
    call = world.governed(gate, OSError(), "good", "good", "good", "good", OSError(), "good")
    call.fails(OSError)
    for _ in range(4):
        call()
    call.fails(OSError)
    assert gate.current_state == "closed"
    assert gate.snapshot()["failed"] == 1


def test_a_refusal_says_when_to_come_back(world: World) -> None:
    """What is left of the wait; whoever comes back then is let in."""
    gate = breaker(world.clock, open_for=30)
    call = world.governed(gate, *[OSError()] * 4, "well again")
    call.fails(OSError, times=4)
    world.clock.advance(10)
    (error,) = call.fails(CircuitOpenError)
    assert isinstance(error, CircuitOpenError)
    assert (error.policy, error.reason, error.status) == ("circuit_breaker", "open", 503)
    assert error.retry_after == pytest.approx(20, abs=0.001)
    world.clock.advance(error.retry_after or 0.0)
    assert call() == "well again"


def test_the_wait_is_jittered_upwards_only(clock: ManualClock) -> None:
    """Chance adds up to a tenth; it never takes anything off."""
    for chance, longest in ((0.0, 30.0), (1.0, 33.0)):
        gate = breaker(clock, open_for=30, open_jitter=0.1, random=[chance].pop)
        gate.open()
        with pytest.raises(CircuitOpenError) as refused, gate:
            pass
        assert refused.value.retry_after == pytest.approx(longest, abs=0.001)


def test_half_open_lets_so_many_probes_through_and_no_more(clock: ManualClock) -> None:
    """The third caller beside two probes is refused, and not told when to come back: nobody knows."""
    gate = breaker(clock, half_open_calls=2)
    gate.half_open()
    with gate, gate, pytest.raises(CircuitOpenError) as refused, gate:
        pass
    assert refused.value.reason == "half_open"
    assert refused.value.retry_after is None


def test_good_probes_close_it(world: World) -> None:
    """As many as are needed, and then everything is as it was at first."""
    gate = breaker(world.clock, half_open_calls=3, open_for=5)
    call = world.governed(gate, *[OSError()] * 4, "good")
    call.fails(OSError, times=4)
    world.clock.advance(5)
    for expected in ("half-open", "half-open", "closed"):
        call()
        assert gate.current_state == expected
    assert gate.snapshot()["calls"] == 0


def test_bad_probes_open_it_again(world: World) -> None:
    """For another full wait."""
    gate = breaker(world.clock, half_open_calls=2, open_for=5)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=4)
    world.clock.advance(5)
    call.fails(OSError, times=2)
    assert gate.current_state == "open"
    (error,) = call.fails(CircuitOpenError)
    assert isinstance(error, CircuitOpenError)
    assert error.retry_after == pytest.approx(5, abs=0.001)


def test_half_open_is_decided_when_enough_outcomes_are_in(world: World) -> None:
    """Not at the first failure: at a rate of one half, one bad probe of three is good enough."""
    gate = breaker(world.clock, half_open_calls=3, min_calls=10, window=100)
    call = world.governed(gate, OSError(), "good")
    gate.half_open()
    call.fails(OSError)
    assert gate.current_state == "half-open"
    call()
    call()
    assert gate.current_state == "closed"


def test_open_reads_open_until_a_call_comes(clock: ManualClock) -> None:
    """Time alone changes no state, but `would_admit` says at once that a call would get in."""
    gate = breaker(clock, open_for=5)
    gate.open()
    clock.advance(4.999)
    assert not gate.would_admit()
    clock.advance(0.001)
    assert gate.current_state == "open"
    assert gate.would_admit()
    assert gate.current_state == "open"


def test_a_lost_probe_does_not_block_for_ever(clock: ManualClock) -> None:
    """A probe that is out for longer than half_open_max_wait is lost: its place is given to another call."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    with gate:
        clock.advance(59)
        assert not gate.would_admit()
        clock.advance(1)
        assert gate.would_admit()
        with gate:
            pass
    assert gate.current_state == "closed"


def test_a_lost_probe_has_no_vote(clock: ManualClock) -> None:
    """It fails at last, long after its place was given away, and the second probe decides alone."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    with pytest.raises(OSError), gate:
        clock.advance(60)
        with gate:
            pass
        assert gate.current_state == "closed"
        raise OSError
    assert gate.snapshot()["calls"] == 0


def test_asking_whether_a_call_would_get_in_strikes_no_probe_out(clock: ManualClock) -> None:
    """A slow probe whose place nobody took still has its vote."""
    gate = breaker(clock, half_open_calls=1, half_open_max_wait=60)
    gate.half_open()
    with gate:
        clock.advance(60)
        assert gate.would_admit()
    assert gate.current_state == "closed"


def test_a_late_success_does_not_close_an_open_circuit(clock: ManualClock) -> None:
    """A result from before the circuit opened has no vote."""
    gate = breaker(clock)
    with gate:
        gate.open()
    assert gate.current_state == "open"
    gate.half_open()
    assert gate.snapshot()["calls"] == 0


def test_a_late_failure_does_not_open_a_circuit_that_is_closed_again(clock: ManualClock) -> None:
    """Each stay in a state is a term, and this failure belongs to an earlier one."""
    gate = breaker(clock, window=1, min_calls=1)
    with pytest.raises(OSError), gate:
        gate.open()
        gate.close()
        raise OSError
    assert gate.current_state == "closed"
    assert gate.snapshot()["failed"] == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_only_an_exception_is_a_verdict(error: type[BaseException], clock: ManualClock) -> None:
    """What stops a program says nothing about a dependency; a probe that ends so gives its place back."""
    gate = breaker(clock, window=1, min_calls=1, half_open_calls=1)
    gate.half_open()
    with pytest.raises(error), gate:
        raise error
    assert gate.current_state == "half-open"
    assert gate.would_admit()


def test_a_cancelled_task_teaches_nothing_and_returns_the_probe() -> None:
    """A caller that goes away is no failure of the dependency."""
    gate = circuit_breaker(half_open_calls=1)
    gate.half_open()

    @gate
    async def hang() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(hang())
        await asyncio.sleep(0)
        assert not gate.would_admit()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert gate.would_admit()
    assert gate.snapshot()["calls"] == 0


def test_ignored_errors_are_neither_failures_nor_successes(world: World) -> None:
    """They are raised, and nothing is counted."""
    gate = breaker(world.clock, ignore=KeyError)
    call = world.governed(gate, KeyError("a"))
    call.fails(KeyError, times=20)
    assert gate.snapshot()["calls"] == 0


def test_an_ignored_probe_gives_its_place_back(world: World) -> None:
    """The state stays half-open, and the next call is the probe."""
    gate = breaker(world.clock, ignore=KeyError, half_open_calls=1)
    call = world.governed(gate, KeyError("a"), "good")
    gate.half_open()
    call.fails(KeyError)
    assert gate.current_state == "half-open"
    call()
    assert gate.current_state == "closed"


def test_ignore_wins_over_on(world: World) -> None:
    """An error that both mean is ignored."""
    gate = breaker(world.clock, on=OSError, ignore=ConnectionError)
    call = world.governed(gate, ConnectionError())
    call.fails(ConnectionError, times=10)
    assert gate.snapshot()["calls"] == 0


def test_an_error_that_is_not_meant_is_an_answer(world: World) -> None:
    """With ``on=OSError`` a KeyError counts as a success: the dependency has answered."""
    gate = breaker(world.clock, on=OSError)
    call = world.governed(gate, KeyError("a"))
    call.fails(KeyError, times=10)
    assert gate.snapshot()["calls"] == 4
    assert gate.snapshot()["failed"] == 0


@pytest.mark.parametrize("inner", ["bulkhead", "rate_limit", "circuit_breaker", "deadline"])
def test_refusals_of_inner_policies_teach_nothing(inner: str, world: World) -> None:
    """Whoever declined has not asked the dependency."""
    refusing: dict[str, Any] = {
        "bulkhead": bulkhead(1, clock=world.clock),
        "rate_limit": rate_limit("0/second", clock=world.clock),
        "circuit_breaker": circuit_breaker(clock=world.clock),
        "deadline": timeout(1, clock=world.clock),
    }
    policy = refusing[inner]
    gate = breaker(world.clock, window=1, min_calls=1)
    if inner == "circuit_breaker":
        policy.open()
    if inner == "bulkhead":
        policy.machine.admit(0.0)
    steps: list[Any] = [world.clock.monotonic]
    call = world.governed(svcgov.Pipeline(gate, policy), *steps)
    if inner == "deadline":
        from svcgov._core._context import DEADLINE

        def already_too_late() -> Any:
            token = DEADLINE.set(-1.0)
            try:
                return Refusing()
            finally:
                DEADLINE.reset(token)

        class Refusing:
            pass

        from svcgov.errors import DeadlineExceededError

        call = world.governed(gate, DeadlineExceededError("timeout", "expired"))
    call.fails(RejectedError, times=5)
    assert gate.current_state == "closed"
    assert gate.snapshot()["calls"] == 0


def test_a_refusal_counts_where_it_is_named(world: World) -> None:
    """``on=BulkheadFullError`` asks for it."""
    gate = breaker(world.clock, on=BulkheadFullError)
    call = world.governed(gate, BulkheadFullError("b", "full"))
    call.fails(BulkheadFullError, times=4)
    assert gate.current_state == "open"


def test_a_time_out_of_our_own_counts(world: World) -> None:
    """The call began and was too slow: a failure like any other."""
    gate = breaker(world.clock, window=1, min_calls=1)
    call = world.governed(gate, svcgov.errors.CallTimeoutError("t", "attempt", 1.0))
    call.fails(svcgov.errors.CallTimeoutError)
    assert gate.current_state == "open"


def test_a_block_can_be_ignored(world: World) -> None:
    """``permit.ignore()`` lets the breaker learn nothing, whatever the block's end."""
    gate = breaker(world.clock, window=1, min_calls=1)
    with gate as permit:
        permit.ignore()
    with pytest.raises(OSError), gate as permit:
        permit.ignore()
        raise OSError
    assert gate.current_state == "closed"
    assert gate.snapshot()["calls"] == 0


def test_consecutive_failures_open_it(world: World) -> None:
    """Three in a row, however good the rate; a success in between starts the count anew."""
    gate = breaker(world.clock, window=100, consecutive_failures=3)
    call = world.governed(gate, *["good"] * 50, OSError(), OSError(), "good", OSError())
    for _ in range(50):
        call()
    call.fails(OSError, times=2)
    call()
    call.fails(OSError, times=2)
    assert gate.current_state == "closed"
    call.fails(OSError)
    assert gate.current_state == "open"


def test_consecutive_failures_alone_turn_the_rate_off(world: World) -> None:
    """Half of the calls failing is fine when only failures in a row count."""
    gate = circuit_breaker(consecutive_failures=3, clock=world.clock)
    call = world.governed(gate, *[OSError(), "good"] * 50)
    for _ in range(50):
        call.fails(OSError)
        call()
    assert gate.current_state == "closed"


def test_with_consecutive_failures_the_first_bad_probe_opens_it_again(world: World) -> None:
    """And as many good probes in a row as there are half-open calls close it."""
    gate = breaker(world.clock, consecutive_failures=2, half_open_calls=2)
    call = world.governed(gate, OSError(), "good")
    gate.half_open()
    call.fails(OSError)
    assert gate.current_state == "open"
    world.clock.advance(30)
    call()
    assert gate.current_state == "half-open"
    call()
    assert gate.current_state == "closed"


def test_a_raising_predicate_is_reported_and_its_outcome_ignored(world: World, facts: Facts) -> None:
    """The user's error stands; nothing is counted; one fact tells of the predicate."""

    def broken(error: Exception) -> bool:
        raise RuntimeError("broken predicate")

    gate = breaker(world.clock, on=broken)
    gate.listen(facts, PredicateFailed)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    assert gate.snapshot()["calls"] == 0
    assert len(facts) == 1


def test_nested_breakers_in_opposite_order_do_not_deadlock() -> None:
    """No lock is held while the inner one runs."""
    one, two = circuit_breaker(window=2, min_calls=1), circuit_breaker(window=2, min_calls=1)
    meeting = threading.Barrier(2)

    def work(number: int) -> None:
        first, second = (one, two) if number else (two, one)
        with first:
            meeting.wait(timeout=10)
            with second:
                meeting.wait(timeout=10)

    assert in_threads(2, work) == []


def test_a_raising_listener_changes_nothing(world: World, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """Its error is reported once; the breaker and the other listeners go on."""

    def broken(fact: object) -> None:
        raise RuntimeError("broken listener")

    gate = breaker(world.clock)
    gate.listen(broken)
    gate.listen(facts, CircuitChanged)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=4)
    call.fails(CircuitOpenError, times=4)
    assert len(facts) == 1
    assert capsys.readouterr().err.count("broken listener") == 1


def test_a_listener_may_use_the_breaker(clock: ManualClock) -> None:
    """No lock is held while it is told: it can close what has just opened."""
    gate = breaker(clock)
    changes: list[str] = []

    def close(fact: CircuitChanged) -> None:
        changes.append(fact.after)
        if fact.after == "open":
            gate.close()

    gate.listen(close, CircuitChanged)
    gate.open()
    assert changes == ["open", "closed"]
    assert gate.current_state == "closed"


def test_facts_form_a_chain(world: World, facts: Facts) -> None:
    """Where one change ends the next one begins; each carries what led to it."""
    gate = breaker(world.clock, half_open_calls=1, open_for=5)
    gate.listen(facts, CircuitChanged)
    call = world.governed(gate, *[OSError()] * 5, "good")
    call.fails(OSError, times=4)
    world.clock.advance(5)
    call.fails(OSError)
    world.clock.advance(5)
    call()
    changes = facts.of(CircuitChanged)
    states = [(change.before, change.after) for change in changes]
    assert states == [
        ("closed", "open"),
        ("open", "half-open"),
        ("half-open", "open"),
        ("open", "half-open"),
        ("half-open", "closed"),
    ]
    assert [change.opening for change in changes] == [1, 1, 2, 2, 0]
    first = changes[0]
    assert (first.calls, first.failed, first.failure_rate, first.open_for, first.cause) == (4, 4, 1.0, 5.0, "failure_rate")


def test_a_refusal_is_told(clock: ManualClock, facts: Facts) -> None:
    """With the same words as the error."""
    gate = circuit_breaker("payments", clock=clock, open_jitter=0.0)
    gate.open()
    gate.listen(facts, CallRefused)
    with pytest.raises(CircuitOpenError), gate:
        pass
    assert facts == [CallRefused(policy="payments", at=0.0, kind="circuit_breaker", reason="open", retry_after=30.0)]
    assert gate.snapshot()["refused"] == 1


def test_a_reconfiguration_keeps_the_state_and_the_window(world: World) -> None:
    """An open circuit stays open, failures stay counted; the new threshold is in force at the next outcome."""
    gate = breaker(world.clock, window=10, min_calls=4, failure_rate=1.0)
    call = world.governed(gate, OSError(), OSError(), "good", OSError())
    call.fails(OSError, times=2)
    call()
    gate.reconfigure({"failure_rate": 0.75})
    assert gate.snapshot()["failed"] == 2
    assert gate.current_state == "closed"
    call.fails(OSError)
    assert gate.current_state == "open"
    gate.reconfigure({"open_for": 1})
    assert not gate.would_admit()
    world.clock.advance(29)
    assert not gate.would_admit()


def test_a_lower_threshold_is_in_force_at_the_next_outcome_even_a_good_one(world: World) -> None:
    """Four of ten were fine at one half; at three tenths the next outcome, good as it is, opens the circuit."""
    gate = breaker(world.clock, window=20, min_calls=4)
    call = world.governed(gate, *["good"] * 6, *[OSError()] * 4, "good")
    for _ in range(6):
        call()
    call.fails(OSError, times=4)
    gate.reconfigure({"failure_rate": 0.3})
    assert gate.current_state == "closed"
    call()
    assert gate.current_state == "open"


def test_another_window_starts_the_counts_anew(world: World) -> None:
    """The one setting whose change empties the window; the state stays."""
    gate = breaker(world.clock, window=10)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    gate.reconfigure({"window": 20})
    assert gate.snapshot()["calls"] == 0
    gate.open()
    gate.reconfigure({"window": 30})
    assert gate.current_state == "open"


def test_a_reconfiguration_with_equal_settings_changes_nothing(world: World) -> None:
    """It is the identity."""
    gate = breaker(world.clock, window=10)
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    before = gate.snapshot()
    gate.reconfigure({"window": 10})
    gate.reconfigure({})
    assert gate.snapshot() == before


def test_opening_by_hand_lasts_as_long_as_is_said(clock: ManualClock) -> None:
    """Or for the usual time; a second, longer word wins over the first one."""
    gate = breaker(clock, open_for=30)
    gate.open(for_="5s")
    clock.advance(5)
    assert gate.would_admit()
    gate.close()
    gate.open()
    gate.open(for_=60)
    clock.advance(59)
    assert not gate.would_admit()
    clock.advance(1)
    assert gate.would_admit()


@pytest.mark.parametrize("wrong", [0, -1, "soon", True, float("nan")])
def test_opening_for_no_time_is_refused(wrong: Any, clock: ManualClock) -> None:
    """And the circuit stays as it was."""
    gate = breaker(clock)
    with pytest.raises(ConfigError, match=r"^open\.for_: expected a duration > 0 s"):
        gate.open(for_=wrong)
    assert gate.current_state == "closed"


def test_closing_by_hand_empties_the_window(world: World) -> None:
    """Also when it is closed already; then nobody is told."""
    gate = breaker(world.clock)
    heard = Facts()
    call = world.governed(gate, OSError())
    call.fails(OSError, times=3)
    gate.listen(heard, CircuitChanged)
    gate.close()
    assert gate.snapshot()["calls"] == 0
    assert heard == []


def test_a_step_of_the_wall_clock_changes_nothing(world: World) -> None:
    """Two hours forth or back: policies read the monotonic clock."""
    gate = breaker(world.clock, open_for=30)
    gate.open()
    for step in (7200, -14400):
        world.clock.step_wall(step)
        assert not gate.would_admit()
    world.clock.advance(30)
    assert gate.would_admit()


def test_a_slow_call_is_an_ordinary_call(world: World) -> None:
    """However long it takes, its outcome counts, since no state has changed meanwhile."""
    gate = breaker(world.clock)
    call = world.governed(gate, Takes(3600, "late"))
    call()
    assert gate.snapshot()["calls"] == 1
