"""What holds of every circuit, whatever has happened: each said by itself, beside the models that hold all at once."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov import Backoff, circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.facts import ThresholdExceeded
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Sequence

ENDS = st.lists(st.sampled_from([None, None, OSError(), KeyError()]), min_size=1, max_size=60)
LIMITS = ["failure_rate", "bad_rate", "slow_call_rate", "failures", "consecutive_failures", "min_calls"]
RAISED: dict[str, st.SearchStrategy[Any]] = {
    name: st.floats(0.01, 1.0) if "rate" in name else st.integers(1, 20) for name in LIMITS
}


def opens_at(settings: dict[str, Any], trace: Sequence[tuple[BaseException | None, bool]]) -> int:
    """After how many outcomes it opens; more than there are when it does not."""
    clock = ManualClock()
    machine: Any = circuit_breaker(**settings, slow_call_duration=1, window=20, ignore=KeyError, clock=clock).machine
    for number, (error, slow) in enumerate(trace):
        told = clock.monotonic()
        permit = machine.free
        if slow:
            clock.advance(2)
        machine.settle(permit, error, told)
        if machine.state == "open":
            return number
    return len(trace)


@pytest.mark.parametrize("name", LIMITS)
@given(data=st.data())
def test_a_higher_threshold_never_opens_it_sooner(name: str, data: st.DataObject) -> None:
    """On the same outcomes, with everything else the same."""
    trace = data.draw(st.lists(st.tuples(st.sampled_from([None, OSError(), KeyError()]), st.booleans()), max_size=60))
    low, high = sorted(data.draw(st.lists(RAISED[name], min_size=2, max_size=2)))
    others: dict[str, Any] = {"failure_rate": 0.5, "slow_call_rate": 0.7, "min_calls": 4}
    assert opens_at({**others, name: low}, trace) <= opens_at({**others, name: high}, trace)


@given(ends=ENDS, rate=st.floats(0.05, 1.0), least=st.integers(1, 8), in_row=st.none() | st.integers(1, 4))
def test_observing_tells_at_the_very_outcome_that_would_have_opened_it(
    ends: list[Any], rate: float, least: int, in_row: int | None
) -> None:
    """And it lets everything through, before and after."""
    limits: dict[str, Any] = {"failure_rate": rate, "min_calls": least, "consecutive_failures": in_row}
    told: list[Any] = []
    gate = circuit_breaker(**limits, window=20, ignore=KeyError, mode="observe", clock=ManualClock())
    gate.listen(told.append, ThresholdExceeded)
    first = len(ends)
    for number, end in enumerate(ends):
        gate.machine.settle(gate.machine.free, end, 0.0)
        if told and first == len(ends):
            first = number
        assert gate.would_admit()
    assert first == opens_at(limits, [(end, False) for end in ends])


@given(
    calls=st.integers(1, 5), deeds=st.lists(st.sampled_from(["admit", "give up", "lose", "ignore", "fork", "wait"]), max_size=20)
)
def test_half_open_leads_on_whatever_was_lost(calls: int, deeds: list[str]) -> None:
    """After at most the longest wait for a probe there is room, and good probes close it."""
    clock = ManualClock()
    gate = circuit_breaker(half_open_calls=calls, half_open_max_wait=50, ignore=KeyError, clock=clock)
    machine: Any = gate.machine
    gate.half_open()
    out: list[Any] = []
    for deed in deeds:
        if deed == "admit" and gate.would_admit():
            out.append(machine.admit(clock.monotonic()))
        elif deed == "fork":
            gate.forked()
        elif deed == "wait":
            clock.advance(10)
        elif out and deed != "admit":
            ends = {"give up": KeyboardInterrupt(), "ignore": KeyError()}
            probe = out.pop()
            if deed in ends:
                machine.settle(probe, ends[deed], clock.monotonic())
        assert machine.state == "half-open"
        assert len(machine.tickets.out) + machine.window.at <= calls
    clock.advance(50)
    for _ in range(calls):
        assert gate.would_admit()
        gate.call(int)
    assert gate.current_state == "closed"


@given(steps=st.lists(st.integers(1, 999), min_size=1, max_size=5, unique=True), arrivals=st.integers(1, 400))
def test_each_step_of_the_way_back_lets_its_share_in(steps: list[int], arrivals: int) -> None:
    """To one call; and over all steps together too."""
    clock = ManualClock()
    shares = sorted(steps)
    gate = circuit_breaker(
        half_open_calls=1, ramp=len(shares), ramp_steps=[share / 1000 for share in shares], failure_rate=1.0, clock=clock
    )
    gate.half_open()
    gate.call(int)
    due = Fraction(1)
    total = 0
    for share in shares:
        admitted = 0
        for _ in range(arrivals):
            try:
                gate.call(int)
            except CircuitOpenError:
                continue
            admitted += 1
        total += admitted
        due += Fraction(share * arrivals, 1000)
        assert abs(admitted - Fraction(share * arrivals, 1000)) <= 1
        assert due - 1 < total <= due
        clock.advance(1)
    assert gate.would_admit()


@given(openings=st.integers(1, 12), initial=st.integers(1, 50), factor=st.integers(1, 4), longest=st.integers(50, 400))
def test_the_waits_grow_as_they_are_said_to_and_begin_anew_when_it_has_closed(
    openings: int, initial: int, factor: int, longest: int
) -> None:
    """It never stays open beyond the wait once a call comes, and never opens its door before."""
    clock = ManualClock()
    gate = circuit_breaker(
        consecutive_failures=1,
        half_open_calls=1,
        open_for=Backoff(initial, factor, longest, "none"),
        max_open_for=300 if longest > 300 else longest,
        open_jitter=0.0,
        clock=clock,
    )
    for times in (openings, 2):
        for number in range(times):
            with pytest.raises(OSError):
                gate.call(open, "")
            wait = min(initial * factor**number, longest, 300)
            clock.advance(wait - 1 / 1024)
            assert not gate.would_admit()
            clock.advance(1 / 1024)
            assert gate.would_admit()
        gate.call(int)
        assert gate.current_state == "closed"


@given(ends=ENDS, by=st.sampled_from(["forced-open", "disabled", "metrics-only"]))
def test_no_outcome_and_no_time_ends_what_a_hand_holds(ends: list[Any], by: str) -> None:
    """Nor does a refusal; only a hand, or a setting."""
    clock = ManualClock()
    gate = circuit_breaker(failures=1, clock=clock)
    {"forced-open": gate.force_open, "disabled": gate.disable, "metrics-only": gate.observe}[by]()
    for end in ends:
        clock.advance(86400)
        try:
            with gate:
                if end is not None:
                    raise end
        except (OSError, KeyError, CircuitOpenError):
            pass
        assert gate.current_state == by


def test_nothing_grows_with_the_calls(clock: ManualClock) -> None:
    """Probes that nobody brings back, calls that are slow, facts that nobody hears: none of them is kept for ever."""
    gate = circuit_breaker(
        slow_call_duration=1, count_in_flight=True, slow_call_rate=None, half_open_calls=3, half_open_max_wait=5, clock=clock
    )
    machine: Any = gate.machine
    most = 0
    for _ in range(500):
        machine.admit(clock.monotonic())
        clock.advance(0.5)
        most = max(most, len(machine.tickets.out))
    assert most <= 4
    gate.half_open()
    for _ in range(500):
        clock.advance(2)
        try:
            machine.admit(clock.monotonic())
        except CircuitOpenError:
            pass
        assert len(machine.tickets.out) <= 3
    assert gate.ears._line == []
