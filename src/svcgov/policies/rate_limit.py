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

One limit by GCRA has a machine without a lock, which is here. Several, and other algorithms, are in `_tolls`; who may wait
does so in `_reservations`.
"""

from __future__ import annotations

from _thread import RLock

from .._core._mishaps import Mishaps
from .._core._threads import LOCKED
from .._shells._modes import observed
from ..errors import ConfigError, RateLimitedError
from ..facts import CallRefused
from ..pipeline import Gated, named
from ._changes import one_change
from ._rate_settings import RateLimitSettings, cost_of
from ._windows import NEVER, aimed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from typing import Any, ClassVar, Literal, TypedDict, Unpack

    from .._core._call import Call
    from .._core._durations import Rate
    from .._core._schema import Settings
    from ..typing import Clock, Duration, Permit
    from ._keys import Keys, RateLimitOfKey
    from ._tolls import Tolls

    class Options(TypedDict, total=False):
        """The keyword arguments of `rate_limit`."""

        burst: int | None
        algorithm: Literal["gcra", "fixed-window", "moving-window", "sliding-window"]
        cost: int | Callable[[Any], int]
        max_wait: Duration
        max_waiting: int
        warm_up: Duration | None
        cold_factor: float
        key: Callable[[Any], Any] | str | None
        on_missing_key: Literal["shared", "bypass", "deny"]
        overrides: Mapping[str, str | Rate | Sequence[str | Rate]]
        max_keys: int
        mode: Literal["enforce", "observe", "off"]
        when: Callable[[Call], object] | Mapping[str, Any] | None
        final: bool | Sequence[str]
        name: str
        clock: Clock


class Gcra:
    """The machine: a bucket that drains steadily, and into which each call pours one step.

    What is in it is told in seconds, at the moment of the last call: small numbers, so nothing is lost by rounding
    however long the clock has been running.
    """

    __slots__ = ("at", "calm", "free", "grace", "instead", "lock", "owner", "rate", "size", "slack", "spent", "step")

    asks: ClassVar[bool] = False
    step: float
    slack: float
    grace: float
    size: float

    def __init__(self, owner: RateLimit, rate: Rate, burst: int | None, cost: int = 1) -> None:
        self.owner: RateLimit = owner
        self.free: Permit = None
        self.calm: Permit = None  # a toll: nothing is handed out, nothing comes back
        self.lock: RLock = RLock()  # whatever the collector calls meanwhile may come by here again
        self.spent: float = 0.0
        self.at: float = owner.clock.monotonic()
        self.instead: Tolls | None = None  # the machine that was put in its place while functions hold this one
        self.rate: Rate = rate
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
        with self.lock:
            instead, spent = self.instead, self.spent - (now - self.at)
            if spent <= self.slack:
                if now > self.at:
                    self.spent, self.at = (spent if spent > 0 else 0.0) + self.step, now
                else:
                    self.spent += self.step
                return None
            early, ahead = spent - self.slack, spent if spent > 0 else 0.0
        if instead is not None:
            from ._tolls import at_once

            return at_once(instead, now)
        rate = self.rate
        standing = rate.n, rate.seconds, self.size - ahead + self.grace, ahead
        raise self.owner.limited(now, early + self.grace / 2, standing)

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """A toll is not given back."""

    def retarget(self, rate: Rate, burst: int | None, cost: int) -> None:
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
            self.rate = rate
            self.step = step
            self.slack = slack
            self.grace = grace

    def divert(self, tolls: Tolls, *, keep: bool) -> None:
        """From now on *tolls* decides, and may *keep* the share that is spent: nothing passes here without asking it."""
        with self.lock:
            self.slack = -NEVER
            if keep and self.size:
                tolls.keep(self.ahead() / self.size)
            self.instead = tolls

    def ahead(self) -> float:
        """How far ahead of their time, in seconds, the calls are that have come."""
        spent = self.spent - (self.owner.clock.monotonic() - self.at)
        return spent if spent > 0 else 0.0

    def standing(self) -> dict[str, float]:
        """How the limit stands at this moment."""
        rate, ahead = self.rate, self.ahead()
        remaining = max(0, int((self.size - ahead + self.grace) * rate.n / rate.seconds))
        return {"limit": rate.n, "window": rate.seconds, "remaining": remaining, "reset": ahead}

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds its lock. What is spent is spent."""
        self.lock = RLock()


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
    tells: bool = False  # whether each decision is kept in the context that it was made in

    def _build(self) -> None:
        self.refused: int = 0
        self._mishaps = Mishaps(self)
        self.machine = self._made()

    def _made(self) -> Gcra | Tolls | Keys:
        """The machine for the settings."""
        settings = self.settings
        if settings.key is not None:
            from ._keys import Keys

            return Keys(self)
        if self._bare(settings):
            return (LockedGcra if LOCKED() else Gcra)(self, settings.limits[0], settings.burst, settings.cost)
        return self._tolls(settings)

    def _bare(self, settings: RateLimitSettings) -> bool:
        """Whether it is one limit by GCRA and nothing else."""
        return settings.single and settings.warm_up is None and not self._asks(settings)

    def _asks(self, settings: RateLimitSettings) -> bool:
        return settings.asks or self.tells

    def _tolls(self, settings: RateLimitSettings) -> Tolls:
        if self._asks(settings):
            from ._reservations import Reservations

            return Reservations(self, settings)
        from ._tolls import Tolls

        return Tolls(self, settings)

    def _checked(self, given: Mapping[str, Any], path: str) -> RateLimitSettings:
        settings: RateLimitSettings = super()._checked(given, path)  # type: ignore[assignment]  # of its settings_class
        if (settings.key is None) is not (self.settings.key is None):
            with_or_without = "none" if self.settings.key is None else "a key"
            raise ConfigError(f"{path}.key", given.get("key"), f"{with_or_without}, as it was made with")
        return settings

    def _tune(self, before: Settings) -> None:
        with one_change():
            self._changed(before)

    def _changed(self, before: Settings) -> None:
        settings, machine = self.settings, self.machine
        if settings == before and (machine.asks or not self.tells):
            return
        if isinstance(machine, Gcra):
            if self._bare(settings):
                machine.retarget(settings.limits[0], settings.burst, settings.cost)
                return
            tolls = self._tolls(settings)
            machine.divert(tolls, keep=settings.algorithm == "gcra")
            self.machine = tolls
            return
        if self._asks(settings) and not machine.asks:
            machine = self._tolls(settings)
            self.machine.divert(machine)  # type: ignore[union-attr,call-arg]  # a Tolls: keys always ask
            self.machine = machine
        machine.retarget(settings)

    @property
    def policy(self) -> RateLimit:
        """Whom a machine belongs to: this one, or the one whose key it is for."""
        return self

    def cost_of(self, call: Any) -> int:
        """What *call* costs."""
        return cost_of(self.settings.cost, call, self._mishaps)

    def of(self, key: Hashable) -> RateLimitOfKey:
        """The limit of one key, as a gate of its own.

        Raises:
            TypeError: where the limit has no ``key``.
        """
        from ._keys import Keys, RateLimitOfKey

        if not isinstance(self.machine, Keys):
            raise TypeError(f"{self!r} has no keys: make it with key=")
        return RateLimitOfKey(self, key)

    def tell_decisions(self) -> None:
        """From now on keep each decision for `decided`. A call then takes a lock; who does not ask for this pays nothing."""
        self.tells = True
        self._adopt(self.settings)

    def decided(self) -> dict[str, float] | None:
        """How the limit stood just after it decided on the last call of this context, as in `snapshot`; None if it did not.

        From these come the headers ``RateLimit-*`` of an answer; a refusal (`RateLimitedError`) has them itself. They are
        those of the decision, whatever others have done since. `tell_decisions` has to be called first.
        """
        from ._reservations import DECIDED

        return DECIDED.get().get(self)

    def denied(self, now: float) -> RateLimitedError:
        """The refusal of a call without a key, where it must have one."""
        return self._refusal(now, "denied", None)

    def limited(
        self,
        now: float,
        early: float,
        standing: tuple[int, float, float, float],
        reason: str = "limited",
        limits: tuple[Rate, ...] | None = None,
    ) -> RateLimitedError:
        """The refusal, counted and told; *early* is how many seconds too early the call came.

        *standing* is that of `RateLimitedError`: what it says is reckoned when somebody asks.
        """
        retry_after = None
        if early < NEVER:
            # Rounded up to a millisecond: who comes back after it is admitted.
            retry_after = -(-early * 1000 // 1) / 1000
        else:
            reason = "cost_exceeds_burst" if all(rate.n for rate in limits or self.settings.limits) else "denied"
        error = self._refusal(now, reason, retry_after)
        error.standing = standing
        return error

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
        if self.settings.key is not None:
            return {**machine.shared.standing(), "keys": len(machine.by_key), "refused": self.refused}
        waiting = {"waiting": machine.waiting} if self.settings.max_wait else {}
        return {**machine.standing(), **waiting, "refused": self.refused}


def rate_limit(limit: str | Rate | Sequence[str | Rate], **options: Unpack[Options]) -> RateLimit:
    """Let at most *limit* calls begin; refuse more at once, or let them wait for their turn.

    Args:
        limit: such as ``"100/second"``, ``"5 per 2 minutes"``, ``"10/100ms"``, or ``Rate(10, 0.1)``; in a list, all of
            them must admit.
        burst: how many calls may come at once after a pause; None is one window's worth, 1 is evenly spaced.
        algorithm: ``gcra``; ``fixed-window``, ``moving-window`` and ``sliding-window`` count as their names say.
        cost: how many calls of the limit one call is worth, or a function of the `Call` that says so; 0 passes, but through a
            limit of nothing.
        max_wait: how long a call that comes too early may wait for its turn, or until its deadline; 0 refuses at once.
        max_waiting: how many may wait at a time, for each key.
        warm_up: seconds in which the limit rises evenly to the full rate: at first, and after idling for so long.
        cold_factor: what the full rate is divided by when it begins to rise.
        key: a function of the `Call` (with ``fn``, ``args``, ``kwargs`` and ``invocation``) that says under which key it
            goes, or where in it that stands (``"header:x-tenant"``, ``"claim:sub"``, ``"arg:tenant"``, ``"path"``, ``"ip"``,
            ``"colour"``): each key has the limit to itself.
        on_missing_key: calls without a key share one limit (``shared``), pass (``bypass``) or are refused (``deny``).
        overrides: other limits by keys, or by patterns such as ``"vip-*"``.
        max_keys: how many keys are remembered; the keys beyond share one limit.
        mode: ``observe`` decides, counts and tells what it would refuse, and lets all through; ``off`` is not there.
        when: a function of the call: only those are governed of which it is true.
        final: whether no document changes it, or which of its settings none does.
        name: share the limit with every rate limit of this name.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        RateLimitedError: in a governed call, when the limit is used up; it says when to come back.
    """
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(RateLimit, {"limit": limit, **given}, name, clock)
