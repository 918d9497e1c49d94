"""The rate limit: so many calls in a time, by the generic cell rate algorithm (GCRA, ITU-T I.371).

Calls that came exactly at the rate would be ``T = window / n`` apart. What is kept is how far ahead of that pace the calls
are that have come: each adds ``T``, and time takes it off again. A call is admitted iff they are at most
``(burst - 1) * T`` ahead. This is the continuous-state form of the algorithm; its other form keeps the theoretical
arrival time of the next call, a reading of the clock to which ``T`` is added, and floats lose ``T`` in it bit by bit.

Rule 1: in any span of *s* seconds at most ``burst + s / T`` calls are admitted. A full bucket and one window after it
        is twice the limit: who needs less takes a smaller *burst*.
Rule 2: a refused call takes nothing.
Rule 3: a call that is about to be refused reads the clock again first: its own reading may be old by now.
Rule 4: a changed limit keeps the share that is spent.
"""

from __future__ import annotations

from _thread import allocate_lock

from .._core._durations import Rate, as_rate
from .._core._schema import Settings, custom, integer
from .._core._threads import LOCKED
from ..errors import ConfigError, RateLimitedError
from ..facts import CallRefused
from ..pipeline import Gated, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict, Unpack

    from ..typing import Clock, Permit

    class Options(TypedDict, total=False):
        """The keyword arguments of `rate_limit`."""

        burst: int | None
        name: str
        clock: Clock


NEVER = float("inf")


def _limit(value: Any, path: str) -> Rate:
    rate = as_rate(value)
    if rate is None:
        raise ConfigError(
            path, value, 'calls in a window of 1 ms to 30 days, such as "100/second", "5/2 minutes" or Rate(10, 0.1)'
        )
    return rate


class RateLimitSettings(Settings):
    """The settings, checked."""

    limit: Rate = custom(_limit)
    burst: int | None = integer(default=None, low=1, high=10**9, optional=True)

    def check(self, path: str) -> None:
        """A burst is at most a thousand windows' worth."""
        if self.burst is not None and self.burst > max(1, self.limit.n) * 1000:
            raise ConfigError(f"{path}.burst", self.burst, f"an integer from 1 to {max(1, self.limit.n) * 1000}")


class Gcra:
    """The machine: a bucket that drains steadily, and into which each call pours one step.

    What is in it is told in seconds, at the moment of the last call: small numbers, so nothing is lost by rounding
    however long the clock has been running.
    """

    __slots__ = ("at", "calm", "free", "grace", "lock", "owner", "slack", "spent", "step")

    def __init__(self, owner: RateLimit, rate: Rate, burst: int | None) -> None:
        self.owner = owner
        self.free: Permit = None
        self.calm: Permit = None  # a toll: nothing is handed out, nothing comes back
        self.lock = allocate_lock()
        self.spent = 0.0
        self.at = owner.clock.monotonic()
        self.step, self.slack, self.grace = aimed(rate, burst)

    def admit(self, now: float, call: Any = None) -> Permit:
        """Pass, or raise `RateLimitedError`. No call stands between the first load and the last store."""
        spent = self.spent - (now - self.at)
        if spent > self.slack:
            return self.reconsider()
        if now > self.at:
            self.spent, self.at = (spent if spent > 0 else 0.0) + self.step, now
        else:
            self.spent += self.step
        return None

    def reconsider(self) -> Permit:
        """The same decision with a fresh reading of the clock; then it stands. Nothing is called while it is made."""
        now = self.owner.clock.monotonic()
        with self.lock:
            spent = self.spent - (now - self.at)
            if spent <= self.slack:
                if now > self.at:
                    self.spent, self.at = (spent if spent > 0 else 0.0) + self.step, now
                else:
                    self.spent += self.step
                return None
            early = spent - self.slack
        raise self.owner.limited(now, early + self.grace / 2)

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """A toll is not given back."""

    def retarget(self, rate: Rate, burst: int | None) -> None:
        """Another limit: the share that was spent stays spent.

        Nothing is called meanwhile, so a call finds all of the old limit or all of the new one.
        """
        step, slack, grace = aimed(rate, burst)
        now = self.owner.clock.monotonic()
        with self.lock:
            if now > self.at:
                spent = self.spent - (now - self.at)
                self.spent, self.at = spent if spent > 0 else 0.0, now
            if step < NEVER and self.step < NEVER:
                self.spent *= (slack - grace + step) / (self.slack - self.grace + self.step)
            self.step = step
            self.slack = slack
            self.grace = grace

    def ahead(self) -> float:
        """How far ahead of their time, in seconds, the calls are that have come."""
        spent = self.spent - (self.owner.clock.monotonic() - self.at)
        return spent if spent > 0 else 0.0


def aimed(rate: Rate, burst: int | None) -> tuple[float, float, float]:
    """The step between two calls, how far ahead of its time a call may come, and the grace in that for rounding.

    Without the grace the last call of a burst could be refused. ``0/second`` refuses all: nothing is ever due.
    """
    if not rate.n:
        return NEVER, -NEVER, 0.0
    step = rate.seconds / rate.n
    grace = min(step / 1000, 0.00001)
    return step, ((burst or rate.n) - 1) * step + grace, grace


class LockedGcra(Gcra):
    """The same with a lock, for interpreters without a GIL and runs under a line tracer."""

    __slots__ = ()

    def admit(self, now: float, call: Any = None) -> Permit:
        """As `Gcra.admit`."""
        with self.lock:
            spent = self.spent - (now - self.at)
            if spent <= self.slack:
                if now > self.at:
                    self.spent, self.at = (spent if spent > 0 else 0.0) + self.step, now
                else:
                    self.spent += self.step
                return None
        return self.reconsider()


class RateLimit(Gated):
    """Limits how many calls begin in a time. Made by `svcgov.rate_limit`."""

    kind = "rate_limit"
    shape = "gate"
    settings_class = RateLimitSettings
    settings: RateLimitSettings
    machine: Gcra

    def _build(self) -> None:
        self.refused = 0
        self.machine = (LockedGcra if LOCKED() else Gcra)(self, self.settings.limit, self.settings.burst)

    def _tune(self, before: Settings) -> None:
        if self.settings != before:
            self.machine.retarget(self.settings.limit, self.settings.burst)

    def limited(self, now: float, early: float) -> RateLimitedError:
        """The refusal, counted and told; *early* is how many seconds too early the call came."""
        self.refused += 1
        never = early == NEVER
        reason = "denied" if never else "limited"
        # Rounded up to a millisecond: who comes back after it is admitted.
        retry_after = None if never else -(-early * 1000 // 1) / 1000
        if self.ears.heard:
            self.ears.tell(CallRefused(policy=self.label, at=now, kind=self.kind, reason=reason, retry_after=retry_after))
        return RateLimitedError(self.label, reason, retry_after)

    def snapshot(self) -> dict[str, float]:
        """``limit`` and ``window`` (seconds), ``remaining`` calls at this moment, and ``refused``."""
        machine, limit = self.machine, self.settings.limit
        ahead = machine.ahead()
        remaining = max(0, int((machine.slack - ahead) / machine.step) + 1) if limit.n and ahead <= machine.slack else 0
        return {"limit": limit.n, "window": limit.seconds, "remaining": remaining, "refused": self.refused}


def rate_limit(limit: str | Rate, **options: Unpack[Options]) -> RateLimit:
    """Let at most *limit* calls begin; refuse more at once.

    Args:
        limit: such as ``"100/second"``, ``"5 per 2 minutes"``, ``"10/100ms"``, or ``Rate(10, 0.1)``.
        burst: how many calls may come at once after a pause; None is one window's worth, 1 is evenly spaced.
        name: share the limit with every rate limit of this name.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        RateLimitedError: in a governed call, when the limit is used up; it says when to come back.
    """
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(RateLimit, {"limit": limit, **given}, name, clock)
