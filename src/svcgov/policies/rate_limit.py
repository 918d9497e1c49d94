"""The rate limit: so many calls in a time, by the generic cell rate algorithm (GCRA, ITU-T I.371) unless another is asked for.

Calls that came exactly at the rate would be ``T = window / n`` apart. What is kept is how far ahead of that pace the calls
are that have come: each adds ``T``, and time takes it off again. A call is admitted iff they are at most
``(burst - 1) * T`` ahead. This is the continuous-state form of the algorithm; its other form keeps the theoretical
arrival time of the next call, a reading of the clock to which ``T`` is added, and floats lose ``T`` in it bit by bit.

Rule 1: in any span of *s* seconds at most ``burst + s / T`` calls are admitted. A full bucket and one window after it
        is twice the limit: who needs less takes a smaller *burst*.
Rule 2: a refused call takes nothing.
Rule 3: a call that is about to be refused reads the clock again first: its own reading may be old by now.
Rule 4: a changed limit keeps the share that is spent.

One limit by GCRA has a machine without a lock, which is here; all else is in `_tolls`.
"""

from __future__ import annotations

from _thread import allocate_lock

from .._core._durations import Rate, as_rate
from .._core._schema import Settings, choice, custom, integer
from .._core._threads import LOCKED
from .._shells._modes import observed
from ..errors import ConfigError, RateLimitedError
from ..facts import CallRefused
from ..pipeline import Gated, GateSettings, named
from ._windows import ALGORITHMS, NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from typing import Any, ClassVar, Literal, TypedDict, Unpack

    from .._core._call import Call
    from ..typing import Clock, Permit
    from ._keys import Keys, RateLimitOfKey
    from ._tolls import Tolls

    class Options(TypedDict, total=False):
        """The keyword arguments of `rate_limit`."""

        burst: int | None
        algorithm: Literal["gcra", "fixed-window", "moving-window", "sliding-window"]
        cost: int
        key: Callable[[Any], Any] | str | None
        on_missing_key: Literal["shared", "bypass", "deny"]
        overrides: Mapping[str, str | Rate | Sequence[str | Rate]]
        max_keys: int
        mode: Literal["enforce", "observe", "off"]
        when: Callable[[Call], object] | None
        name: str
        clock: Clock


def _limit(value: Any, path: str) -> Rate | tuple[Rate, ...]:
    """A rate, or several that must all admit."""
    if isinstance(value, (list, tuple)):
        if not 1 <= len(value) <= 10:
            raise ConfigError(path, value, "1 to 10 limits")
        rates = tuple(_rate(one, f"{path}[{place}]") for place, one in enumerate(value))
        return rates if len(rates) > 1 else rates[0]
    return _rate(value, path)


def _rate(value: Any, path: str) -> Rate:
    rate = as_rate(value)
    if rate is None:
        raise ConfigError(
            path, value, 'calls in a window of 1 ms to 30 days, such as "100/second", "5/2 minutes" or Rate(10, 0.1)'
        )
    return rate


def _key(value: Any, path: str) -> Any:
    from ._keys import read_key

    return read_key(value, path)


def _overrides(value: Any, path: str) -> dict[str, Rate | tuple[Rate, ...]]:
    if not hasattr(value, "items") or not all(isinstance(pattern, str) for pattern in value):
        raise ConfigError(path, value, "limits by keys, or by patterns of keys")
    return {pattern: _limit(limit, f"{path}.{pattern}") for pattern, limit in value.items()}


class RateLimitSettings(GateSettings):
    """The settings, checked."""

    limit: Rate | tuple[Rate, ...] = custom(_limit)
    burst: int | None = integer(default=None, low=1, high=10**9, optional=True)
    algorithm: str = choice(*ALGORITHMS, default="gcra")
    cost: int = integer(default=1, low=0, high=10**9)
    key: Any = custom(_key, default=None)
    on_missing_key: str = choice("shared", "bypass", "deny", default="shared")
    overrides: Any = custom(_overrides, default={})
    max_keys: int = integer(default=10_000, low=1, high=1_000_000)

    @property
    def limits(self) -> tuple[Rate, ...]:
        """All of them, also when it is one."""
        return self.limit if isinstance(self.limit, tuple) else (self.limit,)

    @property
    def plain(self) -> bool:
        """Whether it is one limit by GCRA."""
        return self.algorithm == "gcra" and len(self.limits) == 1

    def for_key(self, key: Hashable) -> RateLimitSettings:
        """The settings of one key: an override for it, or for the first pattern that it matches."""
        if not self.overrides or not isinstance(key, str):
            return self
        limit = self.overrides.get(key)
        if limit is None:
            from fnmatch import fnmatchcase

            limit = next((limit for pattern, limit in self.overrides.items() if fnmatchcase(key, pattern)), None)
        return self if limit is None else self.replace(limit=limit, burst=None)

    def check(self, path: str) -> None:
        """A burst is that of one bucket, and at most a thousand windows' worth."""
        if self.burst is None:
            return
        if not self.plain:
            raise ConfigError(f"{path}.burst", self.burst, "none, but with one limit by gcra")
        most = max(1, self.limits[0].n) * 1000
        if self.burst > most:
            raise ConfigError(f"{path}.burst", self.burst, f"an integer from 1 to {most}")


class Gcra:
    """The machine: a bucket that drains steadily, and into which each call pours one step.

    What is in it is told in seconds, at the moment of the last call: small numbers, so nothing is lost by rounding
    however long the clock has been running.
    """

    __slots__ = ("at", "calm", "free", "grace", "instead", "lock", "owner", "size", "slack", "spent", "step")

    step: float
    slack: float
    grace: float
    size: float

    def __init__(self, owner: RateLimit, rate: Rate, burst: int | None, cost: int = 1) -> None:
        self.owner: RateLimit = owner
        self.free: Permit = None
        self.calm: Permit = None  # a toll: nothing is handed out, nothing comes back
        self.lock: LockType = allocate_lock()
        self.spent: float = 0.0
        self.at: float = owner.clock.monotonic()
        self.instead: Tolls | None = None  # the machine that was put in its place while functions hold this one
        self.step, self.slack, self.grace, self.size = aimed(rate, burst, cost)

    def admit(self, now: float, call: Any = None) -> Permit:
        """Pass, or raise `RateLimitedError`. No call stands between the first load and the last store."""
        gone = now - self.at
        spent = self.spent - gone
        if spent > self.slack:
            return self.reconsider()
        if gone > 0.0:  # a float: compared with an integer it would take three times as long
            self.spent, self.at = (spent if spent > 0.0 else 0.0) + self.step, now
        else:
            self.spent += self.step
        return None

    def reconsider(self) -> Permit:
        """The same decision with a fresh reading of the clock; then it stands. Nothing is called while it is made."""
        now = self.owner.clock.monotonic()
        if self.instead is not None:
            return self.instead.admit(now)
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

    def retarget(self, rate: Rate, burst: int | None, cost: int = 1) -> None:
        """Another limit: the share that was spent stays spent.

        Nothing is called meanwhile, so a call finds all of the old limit or all of the new one.
        """
        step, slack, grace, size = aimed(rate, burst, cost)
        now = self.owner.clock.monotonic()
        with self.lock:
            if now > self.at:
                spent = self.spent - (now - self.at)
                self.spent, self.at = spent if spent > 0 else 0.0, now
            if size and self.size:
                self.spent *= size / self.size
            if size:
                self.size = size
            self.step = step
            self.slack = slack
            self.grace = grace

    def divert(self, tolls: Tolls) -> None:
        """From now on *tolls* decides: nothing passes here any more without asking it."""
        self.instead = tolls
        self.slack = -NEVER

    def ahead(self) -> float:
        """How far ahead of their time, in seconds, the calls are that have come."""
        spent = self.spent - (self.owner.clock.monotonic() - self.at)
        return spent if spent > 0 else 0.0


def aimed(rate: Rate, burst: int | None, cost: int) -> tuple[float, float, float, float]:
    """The step that a call pours, how far ahead of its time it may come, the grace in that for rounding, the bucket's size.

    Without the grace the last call of a burst could be refused. ``0/second`` refuses all: nothing is ever due.
    """
    if not rate.n:
        return NEVER, -NEVER, 0.0, 0.0
    pace = rate.seconds / rate.n
    grace = min(pace / 1000, 0.00001)
    room = (burst or rate.n) - cost
    return cost * pace, room * pace + grace if room >= 0 else -NEVER, grace, (burst or rate.n) * pace


class LockedGcra(Gcra):
    """The same with a lock, for interpreters without a GIL and runs under a line tracer."""

    __slots__ = ()

    spent: float
    at: float

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
    shape: ClassVar[Literal["gate", "loop", "limit"]] = "gate"
    shares = True
    settings_class: ClassVar[type[Settings]] = RateLimitSettings
    settings: RateLimitSettings
    machine: Gcra | Tolls | Keys

    def _build(self) -> None:
        self.refused: int = 0
        settings = self.settings
        if settings.key is not None:
            from ._keys import Keys

            self.machine = Keys(self)
        elif settings.plain:
            self.machine = (LockedGcra if LOCKED() else Gcra)(self, settings.limits[0], settings.burst, settings.cost)
        else:
            self.machine = self._tolls()

    def _checked(self, given: Mapping[str, Any], path: str) -> RateLimitSettings:
        settings: RateLimitSettings = super()._checked(given, path)  # type: ignore[assignment]  # of its settings_class
        if (settings.key is None) is not (self.settings.key is None):
            with_or_without = "none" if self.settings.key is None else "a key"
            raise ConfigError(f"{path}.key", given.get("key"), f"{with_or_without}, as it was made with")
        return settings

    def _tolls(self) -> Tolls:
        from ._tolls import Tolls

        return Tolls(self, self.settings)

    def _tune(self, before: Settings) -> None:
        settings, machine = self.settings, self.machine
        if settings == before:
            return
        if isinstance(machine, Gcra):
            if machine.instead is None and settings.plain:
                machine.retarget(settings.limits[0], settings.burst, settings.cost)
                return
            if machine.instead is None:
                tolls = self._tolls()
                if settings.algorithm == "gcra" and machine.size:
                    tolls.keep(machine.ahead() / machine.size)
                machine.divert(tolls)
                return
            machine = machine.instead
        machine.retarget(settings)

    def of(self, key: Hashable) -> RateLimitOfKey:
        """The limit of one key, as a gate of its own.

        Raises:
            TypeError: where the limit has no ``key``.
        """
        from ._keys import Keys, RateLimitOfKey

        if not isinstance(self.machine, Keys):
            raise TypeError(f"{self!r} has no keys: make it with key=")
        return RateLimitOfKey(self, self.machine, key)

    def denied(self, now: float) -> RateLimitedError:
        """The refusal of a call without a key, where it must have one."""
        return self._refusal(now, "denied", None)

    def limited(self, now: float, early: float, limits: tuple[Rate, ...] | None = None) -> RateLimitedError:
        """The refusal, counted and told; *early* is how many seconds too early the call came."""
        reason, retry_after = "limited", None
        if early < NEVER:
            # Rounded up to a millisecond: who comes back after it is admitted.
            retry_after = -(-early * 1000 // 1) / 1000
        else:
            reason = "cost_exceeds_burst" if all(rate.n for rate in limits or self.settings.limits) else "denied"
        return self._refusal(now, reason, retry_after)

    def _refusal(self, now: float, reason: str, retry_after: float | None) -> RateLimitedError:
        self.refused += 1
        if self.ears.heard:
            self.ears.tell(
                CallRefused(
                    policy=self.label, at=now, kind=self.kind, reason=reason, retry_after=retry_after, observed=observed(self)
                )
            )
        return RateLimitedError(self.label, reason, retry_after)

    def snapshot(self) -> dict[str, float]:
        """``limit`` and ``window`` (seconds) of the limit with the least left, ``remaining`` and ``reset``, and ``refused``.

        The first four are what the headers ``RateLimit-*`` say: ``remaining`` calls may come at this moment, and after
        ``reset`` seconds without any call nothing of the limit is used. With keys they are those of the calls without a
        key, and ``keys`` is how many keys are remembered; `of` has those of one key.
        """
        machine: Any = self.machine
        if isinstance(machine, Gcra):
            if machine.instead is None:
                (rate,) = self.settings.limits
                ahead, pace = machine.ahead(), rate.seconds / max(1, rate.n)
                remaining = max(0, int((machine.size - ahead + machine.grace) / pace)) if rate.n else 0
                return {
                    "limit": rate.n,
                    "window": rate.seconds,
                    "remaining": remaining,
                    "reset": ahead,
                    "refused": self.refused,
                }
            machine = machine.instead
        if self.settings.key is not None:
            return {**machine.shared.standing(), "keys": len(machine.by_key), "refused": self.refused}
        return {**machine.standing(), "refused": self.refused}


def rate_limit(limit: str | Rate | Sequence[str | Rate], **options: Unpack[Options]) -> RateLimit:
    """Let at most *limit* calls begin; refuse more at once.

    Args:
        limit: such as ``"100/second"``, ``"5 per 2 minutes"``, ``"10/100ms"``, or ``Rate(10, 0.1)``; in a list, all of
            them must admit.
        burst: how many calls may come at once after a pause; None is one window's worth, 1 is evenly spaced.
        algorithm: ``gcra``; ``fixed-window``, ``moving-window`` and ``sliding-window`` count as their names say.
        cost: how many calls of the limit one call is worth; 0 passes, but through a limit of nothing.
        key: a function of the `Call` (with ``fn``, ``args``, ``kwargs`` and ``invocation``) that says under which key it
            goes, or ``"header:x-tenant"``, ``"arg:tenant"``, ``"colour"``: each key has the limit to itself.
        on_missing_key: calls without a key share one limit (``shared``), pass (``bypass``) or are refused (``deny``).
        overrides: other limits by keys, or by patterns such as ``"vip-*"``.
        max_keys: how many keys are remembered; the keys beyond share one limit.
        mode: ``observe`` decides, counts and tells what it would refuse, and lets all through; ``off`` is not there.
        when: a function of the call: only those are governed of which it is true.
        name: share the limit with every rate limit of this name.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        RateLimitedError: in a governed call, when the limit is used up; it says when to come back.
    """
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(RateLimit, {"limit": limit, **given}, name, clock)
