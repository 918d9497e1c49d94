"""The circuit.

Rule 1: every change of state happens in this file, under the lock.
Rule 2: nothing here sleeps, awaits, logs, or calls the user.
Rule 3: each stay in a state is a term. A permit remembers its term; an outcome of an earlier term has no vote.
Rule 4: all states follow from the clock at the next call; no timer, no thread.

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

from _thread import allocate_lock

from ..facts import CircuitChanged, ThresholdExceeded
from ._circuit_ramp import Ramp
from ._circuit_tickets import Ticket, Tickets
from ._circuit_window import FAILED, SLOW, CountWindow, TimeWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from typing import Any

    from ..typing import Permit
    from ._circuit_settings import BreakerSettings
    from ._circuit_window import Counts, Window
    from .circuit_breaker import CircuitBreaker

CLOSED, OPEN, HALF_OPEN, RAMPING = "closed", "open", "half-open", "ramping"
FORCED_OPEN, DISABLED, METRICS_ONLY = "forced-open", "disabled", "metrics-only"
HELD = (FORCED_OPEN, DISABLED, METRICS_ONLY)
_NOTHING: Any = object()  # a permit that nobody has
_EVERY_TIME = 1 << 62  # outcomes, or seconds, after which no evaluation is needed: never


class Circuit:
    """The machine.

    ``window`` holds the outcomes of this term; from ``sure`` outcomes on a clean one needs no evaluation, from ``warm`` on
    or until ``edge`` no lock either. ``led_to`` are the counts that led to the last change, and what was enough for a rate then.
    """

    __slots__ = (
        "calm",
        "edge",
        "enough",
        "free",
        "in_row",
        "led_to",
        "lock",
        "open_until",
        "openings",
        "over",
        "owner",
        "ramp",
        "settings",
        "slow",
        "state",
        "sure",
        "term",
        "tickets",
        "warm",
        "window",
    )

    window: Any  # either kind: what is done without the lock looks at the parts of both
    in_row: int
    enough: int
    sure: int
    warm: int
    edge: float
    slow: float
    over: bool
    term: object
    free: Permit
    calm: Permit

    def __init__(self, owner: CircuitBreaker, settings: BreakerSettings) -> None:
        self.owner: CircuitBreaker = owner
        self.settings: BreakerSettings = settings
        self.lock: LockType = allocate_lock()
        self.tickets: Tickets = Tickets()
        self.openings: int = 0
        self.open_until: float = 0.0
        self.led_to: tuple[Counts, int] = ((0, 0, 0, 0), 1)
        self.ramp: Ramp = Ramp(1.0, 0.0)
        self._begin_locked(settings.held or CLOSED, self.owner.clock.monotonic())

    def admit(self, now: float, call: Any = None) -> Permit:
        """A permit, or the breaker's refusal. Not reached while the circuit is closed and a permit is free."""
        fresh = self.owner.clock.monotonic()  # read before the lock: an old reading would refuse what is due
        if fresh > now:
            now = fresh
        if self.state == OPEN and now < self.open_until:  # by far the commonest; it changes nothing, so it takes no lock
            raise self.owner.refusal("open", self._left(now), now)
        spread = self.owner.spread() if self.settings.count_in_flight else 1.0
        with self.lock:
            permit = self.free
            refusal = None if permit is not None else self._refusal_locked(now, spread)
            if refusal is None and permit is None:
                shared = self.state == RAMPING and not self.settings.count_in_flight
                permit = self.term if shared else self.free or self.tickets.give(self.term, now)
        self.owner.ears.flush()
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
        with self.lock:
            vote = self.tickets.take_back(permit, self.term) if type(permit) is Ticket else permit is self.term
            if vote and spread is not None:
                self._count_locked(permit, failed, SLOW if slow else 0, end)
                if answer and self.state != METRICS_ONLY:
                    self._trip_locked(("answer",), end, min(answer, self.settings.max_open_for))
                elif failed or slow or self.window.at <= self.sure:
                    self._judge_locked(end, spread)
                self._settle_down_locked(permit)
        self.owner.ears.flush()

    def would_admit(self, now: float) -> bool:
        """Whether a call would get in now. Asking changes nothing."""
        with self.lock:
            if self.free is not None:
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
        self.owner.ears.flush()

    def tune(self, settings: BreakerSettings) -> None:
        """Other settings: in force at the next outcome. Another window starts its counts anew; the state stays."""
        now = self.owner.clock.monotonic()
        with self.lock:
            before, self.settings = self.settings, settings
            other = not settings.same_window(before)
            if other or settings != before:
                if other and self.state in (CLOSED, RAMPING, METRICS_ONLY):
                    self.warm, self.edge = _EVERY_TIME, -_EVERY_TIME  # first, so that nobody adds to a window of another kind
                    self.window, self.in_row, self.over = self._window_locked(now), 0, False  # calls under way still have a vote
                self._arm_locked()
                self.sure = max(self.sure, self.window.at + 1)  # the next outcome is evaluated, a clean one too
                self.warm = max(self.warm, self.sure)
        if settings.held != before.held and (settings.held or self.state in HELD):
            self.move(settings.held or CLOSED, origin="document")

    def reading(self) -> tuple[str, Counts, int]:
        """The state, the counts in the window (while open: those that led to it), and what is enough for a rate."""
        now = self.owner.clock.monotonic()
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
        early = self.settings.count_in_flight and self.state in (CLOSED, RAMPING, METRICS_ONLY)
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
            self.calm = _NOTHING

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
            self.owner.ears.post(ThresholdExceeded(policy=self.owner.label, at=now, causes=causes, **figures))
        if self.over != bool(causes):
            self.over = bool(causes)
            self._arm_locked()
        if type(self.window) is TimeWindow:  # until the bucket ends a clean outcome can only lower what holds
            settled = not self.over and (not counts[3] or counts[0] >= self.enough)
            self.edge = self.window.edge if settled else -_EVERY_TIME

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
        if permit is self.free and self.slow == _EVERY_TIME and self.window.clean():
            self.calm = self.free

    # -- under the lock: another state -------------------------------------------------------------------------------

    def _trip_locked(self, causes: tuple[str, ...], now: float, wait: float) -> None:
        self.openings += 1
        self._change_locked(OPEN, now, causes, wait=wait)

    def _change_locked(
        self, state: str, now: float, causes: tuple[str, ...], *, wait: float = 0.0, origin: Any = "local", keep: bool = False
    ) -> None:
        before = self.state
        self.led_to = counts, enough = self.window.counts(now), self.enough
        if state == OPEN:
            self.open_until = now + wait
        elif state == CLOSED:
            self.openings = 0
        if before != state and self.owner.ears.heard:
            self.owner.ears.post(
                CircuitChanged(
                    policy=self.owner.label,
                    at=now,
                    before=before,
                    after=state,
                    cause=causes[0],
                    causes=causes,
                    **self.settings.figures(counts, enough),
                    open_for=wait if state == OPEN else None,
                    opening=self.openings,
                    origin=origin,
                )
            )
        self._begin_locked(state, now, keep=keep)

    def _begin_locked(self, state: str, now: float, *, keep: bool = False) -> None:
        """A new term: no probe out, and nothing counted, unless the window is kept; what was handed out before is void."""
        self.free = None  # first, so that an outcome that comes meanwhile waits for the lock
        self.calm = _NOTHING
        self.state: str = state
        self.term = object()
        self.tickets.out.clear()
        if not keep:
            self.window = self._window_locked(now)
            self.in_row = 0
            self.over = False
        self._arm_locked()

    def _window_locked(self, now: float) -> Window:
        own = self.settings
        if self.state == HALF_OPEN:
            return CountWindow(own.half_open_calls)
        return TimeWindow(own.window, now) if isinstance(own.window, float) else CountWindow(own.window)

    def _arm_locked(self) -> None:
        """What follows from state and settings: what is free, what is slow, what is enough, what needs no evaluation."""
        own, state, window = self.settings, self.state, self.window
        self.calm = _NOTHING
        self.edge = -_EVERY_TIME
        self.slow = _EVERY_TIME if own.slow_call_duration is None else own.slow_call_duration
        self.enough = min(own.half_open_calls, own.min_calls) if state == RAMPING else own.min_calls
        if type(window) is CountWindow:
            self.enough = min(self.enough, window.size)
        each_time = type(window) is TimeWindow or self.over or state == HALF_OPEN
        self.sure = _EVERY_TIME if each_time else self.enough
        self.warm = _EVERY_TIME if self.slow != _EVERY_TIME else self.sure
        if state == DISABLED:
            self.free = self.calm = self.term
        else:
            self.free = None if own.count_in_flight or state not in (CLOSED, METRICS_ONLY) else self.term


class LockedCircuit(Circuit):
    """The same with a lock for every outcome, for interpreters without a GIL and runs under a line tracer."""

    __slots__ = ()

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """As `Circuit.settle`."""
        self.weigh(permit, error, now)
