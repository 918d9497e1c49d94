"""The circuit.

Rule 1: what leads to another state is decided in this file, under the lock; the change itself is in `_circuit_states`.
Rule 2: nothing here sleeps, awaits, logs, or calls the user.
Rule 3: each stay in a state is a term. A permit remembers its term; an outcome of an earlier term has no vote.
Rule 4: all states follow from the clock at the next call; no timer, no thread.
Rule 5: a finaliser takes no lock. What it brings back it leaves in a list, and whoever comes by next counts it.

::

    closed     --a threshold holds, or an answer says how long-->             open
    open       --a call comes when the wait is over-->                        half-open
    half-open  --min(half_open_calls, min_calls) outcomes are in, bad-->      open
    half-open  --the same, good-->                                            closed, or ramping
    ramping    --a threshold holds-->                                         open
    ramping    --a call comes when the ramp is over-->                        closed
    any        --by hand, or by a setting-->                                  any, and forced-open, disabled, metrics-only

A permit of the closed state is the term itself, free for the taking; where one call must be told from another it is a
`Ticket`: a probe, or a call that is counted while it is under way.

While a window of so many calls is full and clean, one more clean outcome changes nothing: then the permit is `calm` and is
not even returned. Past the first ``min_calls`` outcomes of a term a clean one can only lower a rate, so it is written
without the lock and never evaluated; but for the first one after a change of the settings, which may hold the old window
against a new threshold. In a window of time that is so until its running bucket ends, at ``edge``.
"""

from __future__ import annotations

from ..facts import ThresholdExceeded
from ._circuit_ramp import Ramp
from ._circuit_states import (
    CLOSED,
    COUNTING,
    DISABLED,
    EVERY_TIME,
    FORCED_OPEN,
    HALF_OPEN,
    HELD,
    METRICS_ONLY,
    NOTHING,
    OPEN,
    RAMPING,
    Terms,
)
from ._circuit_tickets import Ticket
from ._circuit_window import FAILED, SLOW, TimeWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..typing import Permit
    from ._circuit_settings import BreakerSettings
    from ._circuit_window import Counts


class Circuit(Terms):
    """The machine."""

    __slots__ = ()

    settings: BreakerSettings
    window: Any
    ramp: Ramp
    open_until: float
    edge: float
    in_row: int
    warm: int
    over: bool
    free: Permit
    calm: Permit

    def admit(self, now: float, call: Any = None) -> Permit:
        """A permit, or the breaker's refusal. Not reached while the circuit is closed and a permit is free."""
        fresh = self.owner.clock.monotonic()  # read before the lock: an old reading would refuse what is due
        if fresh > now:
            now = fresh
        if self.state == OPEN and now < self.open_until:  # by far the commonest; it changes nothing, so it takes no lock
            raise self.owner.refusal("open", self._left(now), now)
        if self._inside():
            return NOTHING  # called by a collection of garbage from inside: it passes, and has no vote
        if self.returns:
            self._collect()
        spread = self.owner.spread() if self.settings.count_in_flight else 1.0
        with self.lock:
            permit = self.free = self._door()
            refusal = None if permit is not None else self._refusal_locked(now, spread)
            if refusal is None and permit is None:
                shared = self.state == RAMPING and not self.settings.count_in_flight
                permit = self.term if shared else self.free or self.tickets.give(self.term, now)
        self._done()
        if refusal is not None:
            raise self.owner.refusal(refusal, self._left(now) if refusal == OPEN else None, now)
        return permit

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """How a call ended. Where nothing can follow from a clean end, it is written without the lock."""
        if error is None and permit is self.free:
            window = self.window
            if window.at >= self.warm:
                window.ring[window.at % window.size] = 0  # no call from this load to the store: no thread comes between
                window.at += 1
                self.in_row = 0
                if window.at >= window.calm_at:
                    with self.lock:
                        self._settle_down_locked(permit)
                return
            end = self.owner.clock.monotonic()
            if end < self.edge and end - now <= self.slow and permit is self.free:
                self.window.ok += 1
                self.in_row = 0
                return
        self.weigh(permit, error, now)

    def weigh(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Count how a call ended, and judge: under the lock. Whatever runs code of others comes before it."""
        if self.state == DISABLED:
            return
        failed = False if error is None else self.owner.verdict(error)
        end = self.owner.clock.monotonic()
        slow = end - now > self.slow
        answer = spread = None
        if failed is not None or (slow and not isinstance(error, Exception)):  # a cancelled call that was slow is a slow call
            spread = self.owner.spread()
            if failed is not None and error is not None and self.settings.open_from_answer:
                answer = self.owner.asked(error)
        outcome = (permit, failed, SLOW if slow else 0, end, spread, answer)
        if isinstance(error, GeneratorExit) or self._inside():
            self._leave(outcome)
            return
        if self.returns:
            self._collect()
        self._take(outcome)
        self._done()

    def _leave(self, outcome: tuple[Any, ...]) -> None:
        """A finaliser was here, perhaps in the middle of what is done under the lock: it takes none."""
        permit, _, _, _, spread, _ = outcome
        if spread is not None or type(permit) is Ticket:
            self.returns.append(outcome)
            self.free = None  # so that the next call asks, and counts it first

    def _collect(self) -> None:
        """Count what finalisers have left."""
        while True:
            try:
                outcome = self.returns.pop(0)
            except IndexError:
                return
            self._take(outcome)

    def _done(self) -> None:
        """After the lock: what was left while it was held is counted, and what happened is told."""
        if self.returns:
            self._collect()
        self.owner.ears.flush()

    def _take(self, outcome: tuple[Any, ...]) -> None:
        """An outcome, if it has a vote; *spread* is None where it teaches nothing."""
        permit, failed, cell, end, spread, answer = outcome
        with self.lock:
            vote = self.tickets.take_back(permit, self.term) if type(permit) is Ticket else permit is self.term
            if vote and spread is not None:
                self._count_locked(permit, failed, cell, end)
                if answer and self.state != METRICS_ONLY:
                    self._trip_locked(("answer",), end, min(answer, self.settings.max_open_for))
                elif failed or cell or self.window.at <= self.sure:
                    self._judge_locked(end, spread)
                self._settle_down_locked(permit)

    def would_admit(self, now: float) -> bool:
        """Whether a call would get in now. Asking changes nothing."""
        if self.returns:
            self._done()
        with self.lock:
            if self._door() is not None:
                return True
            if self.state == OPEN:
                return now >= self.open_until
            if self.state == HALF_OPEN:
                return self._room_locked(now)
            if self.state == FORCED_OPEN or (self.state != METRICS_ONLY and self._would_trip_locked(now)):
                return False
            return self.state != RAMPING or self.ramp.over(now) or self.ramp.would_admit(now, self.settings.thousandths())

    def move(self, state: str, *, wait: float | None = None, until: float | None = None, origin: Any = "hand") -> None:
        """Another state by hand, or by a setting; *wait* or *until* say how long to be open, where that is not usual."""
        spread = self.owner.spread()
        now = self.owner.clock.monotonic()
        with self.lock:
            if until is not None:
                wait = max(0.0, until - now)
            if state != self.state or state not in (OPEN, FORCED_OPEN, DISABLED):
                usual = self.settings.wait(1) * spread
                cause = "hand" if origin == "hand" else "settings"
                self._change_locked(state, now, (cause,), wait=usual if wait is None else wait, origin=origin)
            elif wait is not None:
                self.open_until = max(self.open_until, now + wait)
        self._done()

    def tune(self, settings: BreakerSettings) -> None:
        """Other settings: in force at the next outcome. Another window starts its counts anew; the state stays."""
        now = self.owner.clock.monotonic()
        with self.lock:
            before, self.settings = self.settings, settings
            other = not settings.same_window(before)
            if other or not settings.same_numbers(before):
                if other and self.state in COUNTING:
                    self.warm, self.edge = EVERY_TIME, -EVERY_TIME  # first, so that nobody adds to a window of another kind
                    self.window = self._window_for(self.state, now)  # calls under way still have a vote
                    self.in_row, self.over = 0, False
                self._arm_locked()
                self._look_again_locked()
        if settings.held != before.held and (settings.held or self.state in HELD):
            self.move(settings.held or CLOSED, origin="document")

    def reading(self) -> tuple[str, Counts, int]:
        """The state, the counts in the window (while open: those that led to it), and what is enough for a rate."""
        now = self.owner.clock.monotonic()
        if self.returns:
            self._done()
        with self.lock:
            if self.state == OPEN:
                return OPEN, *self.led_to
            return self.state, self.window.counts(now), self.enough

    def counts(self) -> Counts:
        """The outcomes in the window: all, and how many of them failed, were slow, or either."""
        return self.reading()[1]

    def _left(self, now: float) -> float:
        """Seconds until a probe may go."""
        wait = self.open_until - now
        while now + wait < self.open_until:  # the sum rounds down: who waits exactly this long comes in time
            wait += abs(wait) * 2.0**-52
        return wait

    # -- under the lock: coming in -----------------------------------------------------------------------------------

    def _refusal_locked(self, now: float, spread: float) -> str | None:
        """Why this call may not come in, or None; what is due at a call happens here."""
        early = self.settings.count_in_flight and self.state in COUNTING
        if early and self.tickets.count_slow(self.window, now, self.slow):
            self.ramp.heard = True
            self._judge_locked(now, spread)
        if self.state == RAMPING:
            if self.ramp.over(now):
                self._change_locked(CLOSED, now, ("ramp",), keep=True)
            elif not self.ramp.admit(now, self.settings.thousandths()):
                return "ramp"
        elif self.state == OPEN:
            if now < self.open_until:
                return "open"
            self._change_locked(HALF_OPEN, now, ("waited",))
        elif self.state == FORCED_OPEN:
            return "forced_open"
        if self.state == HALF_OPEN:
            if not self._room_locked(now):
                return "half_open"
            self.tickets.strike(now, self.settings.half_open_max_wait)
        return None

    def _room_locked(self, now: float) -> bool:
        """Whether a probe may go. One that was out too long is lost: its place is free."""
        tickets, places = self.tickets, self.window.size - self.window.at
        return bool(len(tickets.out) - len(tickets.lost(now, self.settings.half_open_max_wait)) < places)

    def _would_trip_locked(self, now: float) -> bool:
        """Whether the calls that are slow already would open the circuit at the next admission."""
        overdue = self.tickets.overdue(now, self.slow) if self.settings.count_in_flight else ()
        if not overdue:
            return False
        window = self.window.copy()
        for _ in overdue:
            window.add(SLOW, now)
        return bool(self.settings.breached(window.counts(now), self.in_row, self.enough))

    # -- under the lock: going out -----------------------------------------------------------------------------------

    def _count_locked(self, permit: Permit, failed: bool | None, cell: int, now: float) -> None:
        """Write an outcome down; *failed* is None for a cancelled call, which is counted for its slowness alone."""
        if type(permit) is not Ticket or permit.cell is None:
            self.window.add(cell | FAILED if failed else cell, now)
        elif failed and permit.window is self.window:
            permit.window.amend(permit.cell, now)
        if failed is not None:
            self.in_row = self.in_row + 1 if failed else 0
        self.ramp.heard = True
        if cell or failed:
            self.calm = NOTHING

    def _judge_locked(self, now: float, spread: float) -> None:
        own, counts = self.settings, self.window.counts(now)
        if self.state == HALF_OPEN:
            self._judge_probes_locked(counts, now, spread)
            return
        causes = own.breached(counts, self.in_row, self.enough)
        if causes and self.state != METRICS_ONLY:
            self._trip_locked(causes, now, own.wait(self.openings + 1) * spread)
            return
        if causes and not self.over and self.owner.ears.heard:
            figures = own.figures(counts, self.enough)
            self.owner.ears.post(ThresholdExceeded(policy=self.owner.label, at=now, causes=causes, **figures, key=self.owner.key))
        if self.over != bool(causes):
            self.over = bool(causes)
            self._arm_locked()
        if type(self.window) is TimeWindow:  # until the bucket ends a clean outcome can only lower what holds
            settled = not self.over and (not counts[3] or counts[0] >= self.enough)
            self.edge = self.window.edge if settled else -EVERY_TIME

    def _judge_probes_locked(self, counts: Counts, now: float, spread: float) -> None:
        own = self.settings
        if self.in_row and own.one_is_enough:
            causes: tuple[str, ...] = ("failures" if own.consecutive_failures is None else "consecutive_failures",)
        elif counts[0] < (self.enough if own.has_rates else self.window.size):
            return
        else:
            causes = own.breached_rates(counts)
        if causes:
            self._trip_locked(causes, now, own.wait(self.openings + 1) * spread)
        elif own.ramp is None:
            self._change_locked(CLOSED, now, ("probes",))
        else:
            self.ramp = Ramp(own.ramp, now)
            self._change_locked(RAMPING, now, ("probes",))

    def _settle_down_locked(self, permit: Permit) -> None:
        """If the window is clean for a whole turn: be calm until the next failure."""
        if permit is self.free and self.slow == EVERY_TIME and self.window.clean():
            self.calm = self.free


class LockedCircuit(Circuit):
    """The same with a lock for every outcome, for interpreters without a GIL and runs under a line tracer."""

    __slots__ = ()

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """As `Circuit.settle`."""
        self.weigh(permit, error, now)
