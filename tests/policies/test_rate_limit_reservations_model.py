"""Waiting for a rate limit against a model that keeps the list of all slots, in exact numbers, and reckons anew each time."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from _worlds import deadline
from svcgov import Rate, rate_limit
from svcgov._core._call import Wait
from svcgov.errors import RateLimitedError
from svcgov.testing import ManualClock

LIMITS = st.builds(Rate, st.sampled_from([1, 2, 4, 8]), st.sampled_from([0.5, 1, 2, 8]))
PAUSES = st.sampled_from([0.0, 1 / 64, 1 / 16, 0.25, 0.5, 1.0, 7.5, 3600.0])  # exact as floats, so the model is exact too
COSTS = st.sampled_from([1, 1, 1, 2, 3, 5])


class Booked:
    """One entry of the list: a call that was let through when it came, or one that was given a slot."""

    def __init__(self, came: Fraction, at: Fraction, cost: int, waiter: Any) -> None:
        self.came, self.at, self.cost, self.waiter = came, at, cost, waiter
        self.removable = waiter is not None
        self.used = cost  # by whoever has it now

    @property
    def is_gap(self) -> bool:
        """Whether nobody has it."""
        return self.used == 0


class ReservationsModel(RuleBasedStateMachine):
    """The textbook form of the algorithm: the theoretical arrival time after all entries, one after the other."""

    @initialize(
        limit=LIMITS,
        burst=st.sampled_from([None, 1, 2, 4]),
        most=st.sampled_from([100.0, 4.0, 1.0, 0.25]),
        waiting=st.sampled_from([1000, 2, 0]),
        start=st.sampled_from([0.0, 1024.0]),
    )
    def begin(self, limit: Rate, burst: int | None, most: float, waiting: int, start: float) -> None:
        self.clock = ManualClock()
        self.clock.advance(start)
        self.cost = 1
        self.gate = rate_limit(
            limit, burst=burst, max_wait=most, max_waiting=waiting, cost=lambda call: self.cost, clock=self.clock
        )
        self.most, self.waiting = Fraction(most), waiting
        self.set_limit(limit, burst, Fraction(start))
        self.refused = 0

    def set_limit(self, limit: Rate, burst: int | None, base: Fraction) -> None:
        self.declared = limit, burst
        self.step, self.burst = Fraction(limit.seconds) / limit.n, burst or limit.n
        self.base = base
        self.booked: list[Booked] = []  # of today's limit
        self.of_old: list[Booked] = []

    def now(self) -> Fraction:
        return Fraction(self.clock.monotonic())

    def tail(self) -> Fraction:
        """The theoretical arrival time."""
        time = self.base
        for one in self.booked:
            time = max(time, one.came) + one.cost * self.step
        return time

    def in_line(self) -> list[Booked]:
        """Slots that are still to come."""
        return sorted((one for one in self.of_old + self.booked if one.waiter and one.at > self.now()), key=lambda one: one.at)

    @rule(count=st.integers(2, 5))
    def ask_more_often(self, count: int) -> None:
        """A few calls at one moment."""
        for _ in range(count):
            self.ask(1, None)

    @rule(cost=COSTS, until=st.sampled_from([None, None, None, 0.25, 2.0]))
    def ask(self, cost: int, until: float | None) -> None:
        """It passes, is given the earliest gap or the next slot, or is refused for the reason that holds."""
        now, self.cost = self.now(), cost
        latest = None if until is None else float(now) + until
        answer: Any
        try:
            with deadline(latest) if latest is not None else deadline(1e12):
                answer = self.gate.machine.admit(self.clock.monotonic(), object())
        except RateLimitedError as error:
            answer = error
            self.refused += 1
        at = max(self.tail(), now) + (cost - self.burst) * self.step
        if at <= now:
            assert answer is None
            self.booked.append(Booked(now, now, cost, None))
            return
        gap = next((one for one in self.in_line() if one.is_gap and one.cost >= cost), None)
        at = gap.at if gap else at
        waiting = [one for one in self.in_line() if not one.is_gap]
        full = Fraction(0)
        if len(waiting) >= self.waiting:
            full = (waiting[len(waiting) - self.waiting].at if self.waiting else at) - now
        if at - now > self.most:
            assert (answer.reason, answer.retry_after) == ("wait_timeout", up(max(at - now - self.most, full)))
        elif latest is not None and at >= Fraction(latest):
            assert (answer.reason, answer.retry_after) == ("wait_timeout", up(at - now))
        elif full:
            assert (answer.reason, answer.retry_after) == ("queue_full", up(full))
        else:
            assert isinstance(answer, Wait)
            assert answer.until == at
            if gap:
                gap.waiter, gap.used = answer, cost
            else:
                self.booked.append(Booked(now, at, cost, answer))

    @precondition(lambda self: any(not one.is_gap for one in self.in_line()))
    @rule(data=st.data(), twice=st.booleans())
    def give_up(self, data: st.DataObject, twice: bool) -> None:
        """Any of those who wait; the last ones of the list, if they are gaps then, were never there."""
        waiting = [one for one in self.in_line() if not one.is_gap]
        one = waiting[data.draw(st.integers(0, len(waiting) - 1))]
        for _ in range(1 + twice):
            one.waiter.abandon()
        one.used = 0
        while self.booked and self.booked[-1].is_gap and self.booked[-1].at > self.now():
            self.booked.pop()

    @precondition(lambda self: any(one.waiter and one.at <= self.now() for one in self.booked))
    @rule()
    def give_up_too_late(self) -> None:
        """What has come to its time is spent."""
        next(one for one in self.booked if one.waiter and one.at <= self.now()).waiter.abandon()

    @rule(seconds=PAUSES)
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(seconds=PAUSES, wall=st.sampled_from([-7200, 7200]))
    def freeze(self, seconds: float, wall: int) -> None:
        """The process stands still, and the wall clock steps."""
        self.clock.freeze(seconds)
        self.clock.step_wall(wall)

    @rule(limit=LIMITS, burst=st.sampled_from([None, 1, 4]))
    def change(self, limit: Rate, burst: int | None) -> None:
        """The share that is spent stays, and what comes later comes after those who wait."""
        now, before = self.now(), (self.step, self.burst)
        share = max(Fraction(0), self.tail() - now) / (before[1] * before[0])
        kept = [one for one in self.in_line() if not one.is_gap]
        self.gate.reconfigure({"limit": limit, "burst": burst, "max_wait": float(self.most), "max_waiting": self.waiting})
        if (limit, burst) == self.declared:
            return
        self.set_limit(limit, burst, now)
        bucket = self.burst * self.step
        self.base = max([now + share * bucket, *(one.at + bucket for one in kept)])
        self.of_old = kept

    @rule(most=st.sampled_from([100.0, 4.0, 0.25]), waiting=st.sampled_from([1000, 2, 0]))
    def change_the_room(self, most: float, waiting: int) -> None:
        """How long, and how many, is in force at the next call."""
        limit, burst = self.declared
        self.gate.reconfigure({"limit": limit, "burst": burst, "max_wait": most, "max_waiting": waiting})
        self.most, self.waiting = Fraction(most), waiting

    @rule()
    def fork(self) -> None:
        """Those who wait do so in the parent: their slots are gaps."""
        self.gate.machine.forked()
        for one in self.in_line():
            one.used = 0

    @invariant()
    def agree(self) -> None:
        """So many wait, and so many were refused."""
        found = self.gate.snapshot()
        assert (found["waiting"], found["refused"]) == (sum(not one.is_gap for one in self.in_line()), self.refused)

    def teardown(self) -> None:
        """In no span was more admitted than the burst and the pace, and slots are a step apart."""
        calls = sorted((one for one in getattr(self, "booked", ()) if not one.is_gap), key=lambda one: one.at)
        for place, first in enumerate(calls):
            worth = most = 0
            for last in calls[place:]:
                worth, most = worth + last.used, max(most, last.used)
                assert worth <= max(self.burst, most) + (last.at - first.at) / self.step
        slots = [one for one in calls if one.waiter]
        for before, after in itertools.pairwise(slots):
            assert after.at - before.at >= after.used * self.step


def up(seconds: Fraction) -> float:
    """In milliseconds, rounded up."""
    return float(-(-seconds * 1000 // 1) / 1000)


TestReservationsModel = ReservationsModel.TestCase
TestReservationsModel.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
