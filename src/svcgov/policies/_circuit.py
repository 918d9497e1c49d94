"""The circuit.

Rule 1: every change of state happens in this file, under the lock.
Rule 2: nothing here sleeps, awaits, logs, or calls the user.
Rule 3: each stay in a state is a term. A permit remembers its term; an outcome of an earlier term has no vote.
Rule 4: all states follow from the clock at the next call; no timer, no thread.

::

    closed     --a threshold holds, with its minimum of calls-->              open
    open       --a call comes when open_for is over-->                        half-open
    half-open  --min(half_open_calls, min_calls) outcomes are in, bad-->      open
    half-open  --the same, good-->                                            closed
    any        --by hand-->                                                   any

The window is a ring of bytes, one for each outcome, 1 for a failure. While it is full and clean, one more clean outcome
changes nothing: then the permit is `calm` and is not even returned. Past the first ``min_calls`` outcomes of a term a
clean one can only lower the rate, so it is written without the lock and never evaluated; but for the first one after a
change of the settings, which may hold the old window against a new threshold.
"""

from __future__ import annotations

from _thread import allocate_lock

from ..facts import CircuitChanged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..typing import Permit
    from .circuit_breaker import BreakerSettings, CircuitBreaker

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
_NEVER = object()


class Probe:
    """A permit of the half-open state."""

    __slots__ = ("since",)

    def __init__(self, since: float) -> None:
        self.since = since


class Circuit:
    """The machine.

    ``ring`` holds the last ``size`` outcomes of this term and ``at`` counts them all; from ``warm`` outcomes on a clean
    one needs no evaluation, from ``calm_at`` on the ring may be clean.
    """

    __slots__ = (
        "at",
        "calm",
        "calm_at",
        "free",
        "in_row",
        "led_to",
        "lock",
        "open_until",
        "openings",
        "owner",
        "probes",
        "ring",
        "settings",
        "size",
        "state",
        "warm",
    )

    ring: bytearray
    size: int
    at: int
    in_row: int
    warm: int
    calm_at: int
    free: Permit
    calm: Permit

    def __init__(self, owner: CircuitBreaker, settings: BreakerSettings) -> None:
        self.owner = owner
        self.settings = settings
        self.lock = allocate_lock()
        self.probes: dict[Probe, None] = {}
        self.openings = 0
        self.open_until = 0.0
        self.state = CLOSED
        self.led_to = (0, 0)
        self._begin_locked(CLOSED)

    def admit(self, now: float, call: Any = None) -> Permit:
        """A permit, or the breaker's refusal. Not reached while the circuit is closed: then a permit is free."""
        fresh = self.owner.clock.monotonic()  # read before the lock: an old reading would refuse what is due
        if fresh > now:
            now = fresh
        if self.state == OPEN and now < self.open_until:  # by far the commonest; it changes nothing, so it takes no lock
            raise self.owner.refusal("open", self._left(now), now)
        with self.lock:
            if self.free is not None:
                return self.free
            if self.state == OPEN and now >= self.open_until:
                self._change_locked(HALF_OPEN, now, "waited")
            refusal = self._refusal_locked(now)
            if refusal is None:
                permit = Probe(now)
                self.probes[permit] = None
        self.owner.ears.flush()
        if refusal is not None:
            raise self.owner.refusal(*refusal, now)
        return permit

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """How a call ended. Past the warm-up, a clean end is written without the lock."""
        if error is None and permit is self.free and self.at >= self.warm:
            self.ring[self.at % self.size] = 0  # no call from the load of `at` to its store: no other thread comes between
            self.at += 1
            self.in_row = 0
            if self.at >= self.calm_at:
                with self.lock:
                    self._settle_down_locked(permit)
            return
        self.weigh(permit, error, now)

    def weigh(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Count how a call ended, and judge: under the lock. Whatever runs code of others comes before it."""
        failed = False if error is None else self.owner.verdict(error)
        if failed is None:
            with self.lock:
                self.probes.pop(permit, None)  # type: ignore[call-overload]  # a probe gives its place back; others hold none
            return
        now = max(now, self.owner.clock.monotonic())
        wait = self.owner.open_for()
        with self.lock:
            if permit is self.free:
                self._count_locked(failed)
                self._judge_closed_locked(now, wait)
                self._settle_down_locked(permit)
            elif self.probes.pop(permit, self) is None:  # type: ignore[call-overload]  # a probe, or not there any more
                self._count_locked(failed)
                self._judge_half_open_locked(now, wait)
        self.owner.ears.flush()

    def would_admit(self, now: float) -> bool:
        """Whether a call would get in now. Asking changes nothing."""
        with self.lock:
            if self.state == OPEN:
                return now >= self.open_until
            return self.free is not None or self._room_locked(now)

    def move(self, state: str, now: float, wait: float | None = None) -> None:
        """Another state by hand; *wait* is how long to be open, where that is not the usual time."""
        usual = self.owner.open_for()
        with self.lock:
            if state == CLOSED:
                self.openings = 0
            if state != self.state or state != OPEN:
                self._change_locked(state, now, "hand", usual if wait is None else wait)
            elif wait is not None:
                self.open_until = max(self.open_until, now + wait)
        self.owner.ears.flush()

    def tune(self, settings: BreakerSettings) -> None:
        """Other settings: in force at the next outcome. Another window starts its counts anew; the state stays."""
        with self.lock:
            before, self.settings = self.settings, settings
            if settings.window != before.window and self.state == CLOSED:
                permit = self.free
                self._begin_locked(CLOSED)
                self.free = permit  # calls that are under way have a vote still
            elif settings != before:
                self._mark_warm_locked()
                self.warm = max(self.warm, self.at + 1)  # the next outcome is evaluated, a clean one too

    def counts(self) -> tuple[int, int]:
        """The outcomes in the window, and how many of them failed; while open, those that led to it."""
        with self.lock:
            return self.led_to if self.state == OPEN else self._counts_locked()

    def _left(self, now: float) -> float:
        """Seconds until a probe may go."""
        wait = self.open_until - now
        while now + wait < self.open_until:  # the sum rounds down: who waits exactly this long comes in time
            wait += abs(wait) * 2.0**-52
        return wait

    def rate(self, calls: int, failed: int) -> float | None:
        """The share that failed, or None below the minimum of calls."""
        return failed / calls if calls >= self._enough() else None

    def _enough(self) -> int:
        """The outcomes that a rate needs: a window that holds fewer than the minimum is enough when it is full."""
        return min(self.settings.min_calls, self.settings.window)

    # -- under the lock ----------------------------------------------------------------------------------------------

    def _refusal_locked(self, now: float) -> tuple[str, float | None] | None:
        if self.state == OPEN:
            return "open", self._left(now)
        if not self._room_locked(now):
            return "half_open", None
        for probe in self._lost_locked(now):
            del self.probes[probe]
        return None

    def _room_locked(self, now: float) -> bool:
        """Whether a probe may go. One that was out too long is lost: its place is free."""
        return len(self.probes) - len(self._lost_locked(now)) + self.at < self.size

    def _lost_locked(self, now: float) -> list[Probe]:
        """The probes that were out too long. Once their place is given to another call their outcome has no vote."""
        longest = self.settings.half_open_max_wait
        return [] if longest is None else [probe for probe in self.probes if now - probe.since >= longest]

    def _count_locked(self, failed: bool) -> None:
        self.ring[self.at % self.size] = failed
        self.at += 1
        if failed:
            self.in_row += 1
            self.calm = _NEVER
            self.calm_at = self.at + self.size
        else:
            self.in_row = 0

    def _judge_closed_locked(self, now: float, wait: float) -> None:
        own = self.settings
        calls, failed = self._counts_locked()
        if own.consecutive_failures is not None and self.in_row >= own.consecutive_failures:
            self._trip_locked(now, "consecutive_failures", wait)
        elif own.failure_rate is not None and calls >= self._enough() and failed >= own.failure_rate * calls:
            self._trip_locked(now, "failure_rate", wait)

    def _judge_half_open_locked(self, now: float, wait: float) -> None:
        own = self.settings
        if own.failure_rate is None:
            if self.in_row:
                self._trip_locked(now, "consecutive_failures", wait)
            elif self.at >= self.size:
                self._close_locked(now)
            return
        if self.at < min(self.size, own.min_calls):
            return
        calls, failed = self._counts_locked()
        if failed >= own.failure_rate * calls:
            self._trip_locked(now, "failure_rate", wait)
        else:
            self._close_locked(now)

    def _trip_locked(self, now: float, cause: str, wait: float) -> None:
        self.openings += 1
        self._change_locked(OPEN, now, cause, wait)

    def _close_locked(self, now: float) -> None:
        self.openings = 0
        self._change_locked(CLOSED, now, "probes")

    def _change_locked(self, state: str, now: float, cause: str, wait: float = 0.0) -> None:
        before = self.state
        calls, failed = self.led_to = self._counts_locked()
        if state == OPEN:
            self.open_until = now + wait
        if before != state and self.owner.ears.heard:
            self.owner.ears.post(
                CircuitChanged(
                    policy=self.owner.label,
                    at=now,
                    before=before,
                    after=state,
                    cause=cause,
                    calls=calls,
                    failed=failed,
                    failure_rate=self.rate(calls, failed),
                    open_for=wait if state == OPEN else None,
                    opening=self.openings,
                )
            )
        self._begin_locked(state)

    def _begin_locked(self, state: str) -> None:
        """A new term: nothing counted, no probe out; what was handed out before is void."""
        self.free = None  # first, so that an outcome that comes meanwhile waits for the lock
        self.calm = _NEVER
        self.state = state
        self.size = self.calm_at = self.settings.half_open_calls if state == HALF_OPEN else self.settings.window
        self.ring = bytearray(self.size)
        self.at = self.in_row = 0
        self.probes.clear()
        self._mark_warm_locked()
        if state == CLOSED:
            self.free = object()

    def _mark_warm_locked(self) -> None:
        """From so many outcomes on, a clean one can only lower the rate."""
        self.warm = min(self.settings.min_calls, self.size)

    def _counts_locked(self) -> tuple[int, int]:
        return min(self.at, self.size), self.ring.count(1)

    def _settle_down_locked(self, permit: Permit) -> None:
        """If the ring was clean for one whole turn, as far as is known: look, and be calm until the next failure."""
        if permit is not self.free or self.at < self.calm_at:
            return
        if self.ring.count(1):
            self.calm_at = self.at + self.size
        else:
            self.calm = self.free


class LockedCircuit(Circuit):
    """The same with a lock for every outcome, for interpreters without a GIL and runs under a line tracer."""

    __slots__ = ()

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """As `Circuit.settle`."""
        self.weigh(permit, error, now)
