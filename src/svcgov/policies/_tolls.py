"""Several limits at once, or one by another algorithm than GCRA: a machine with a lock, and a meter for each limit.

Rule 1: all limits must admit; when one refuses, nothing is taken from any.
Rule 2: no user code runs under the lock. What a collection of garbage calls in between may come by here again: the lock
        lets its own thread in.
Rule 3: a call that is about to be refused reads the clock again first.
"""

from __future__ import annotations

from _thread import RLock

from .._core._call import Wait
from ._windows import Closed, meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

    from ..typing import Permit
    from ._keys import OfKey
    from ._rate_settings import RateLimitSettings
    from ._windows import Meter
    from .rate_limit import RateLimit


class Tolls:
    """The machine. Its permits are tolls: nothing is handed out, nothing comes back."""

    asks: ClassVar[bool] = False

    __slots__ = ("_at", "_birth", "_lock", "_settings", "calm", "free", "instead", "meters", "owner")

    def __init__(self, owner: RateLimit | OfKey, settings: RateLimitSettings) -> None:
        self.owner: RateLimit | OfKey = owner
        self.free: Permit = None
        self.calm: Permit = None
        self._lock = RLock()
        self._birth = self._at = owner.clock.monotonic()
        self._settings = settings
        self.meters: list[Meter] = self._made(settings)
        self.instead: Tolls | None = None  # the machine that was put in its place while functions hold this one

    def _made(self, settings: RateLimitSettings) -> list[Meter]:
        if settings.warm_up is not None and settings.limits[0].n:
            from ._warming import Warming

            return [Warming(settings.limits[0], settings.burst, self._birth, settings.warm_up, settings.cold_factor)]
        return [meter(settings.algorithm, rate, settings.burst, self._birth) for rate in settings.limits]

    def admit(self, now: float, call: Any = None) -> Permit:
        """Pass, or raise `RateLimitedError`."""
        cost: int = self._settings.cost
        if self._passed(now, cost) > 0:
            if self.instead is not None:
                return at_once(self.instead, now)
            now = self.owner.clock.monotonic()
            with self._lock:
                early = self._passed(now, cost)
                standing = refused_with(self._standing_locked(now))
            if early > 0:
                raise self.owner.limited(now, early, standing)
        return None

    def _passed(self, now: float, cost: int) -> float:
        """Take *cost* from all limits and return 0, or say how many seconds too early it is."""
        with self._lock:
            now = self._at = max(self._at, now)
            early = max([one.early(now, cost) for one in self.meters])
            if early <= 0:
                for one in self.meters:
                    one.take(now, cost)
            return early

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """A toll is not given back."""

    def retarget(self, settings: RateLimitSettings) -> None:
        """Other limits: the share that was spent stays spent. Another algorithm counts anew."""
        now = self.owner.clock.monotonic()
        with self._lock:
            before, self._settings = self._settings, settings
            if before.measure == settings.measure:
                return
            now = self._at = max(self._at, now)
            shares = [one.share(now) for one in self.meters] if before.algorithm == settings.algorithm else [0.0]
            old, self.meters = self.meters, self._made(settings)
            if len(shares) != len(self.meters):
                shares = [max(shares)] * len(self.meters)
            for one, share in zip(self.meters, shares, strict=True):
                one.keep(share, now)
            if before.warm_up is not None and settings.warm_up is not None:
                self.meters[0].began = old[0].began  # how far it has warmed up

    def keep(self, share: float) -> None:
        """Count this share of each limit as used."""
        with self._lock:
            for one in self.meters:
                one.keep(share, self._at)

    def divert(self, tolls: Tolls) -> None:
        """Hand all that is counted to *tolls*: from now on nothing passes here without asking it."""
        with self._lock:
            tolls._birth, tolls._at, tolls.meters = self._birth, self._at, self.meters
            self.instead = tolls
            self.meters = [Closed(self._settings.limits[0], None, self._birth)]

    def unused(self) -> bool:
        """Whether nothing of any limit is used."""
        now = max(self._at, self.owner.clock.monotonic())
        with self._lock:
            return max([one.fresh(now) for one in self.meters]) <= 0

    def standing(self) -> dict[str, float]:
        """The limit with the least left, at this moment."""
        with self._lock:
            return self._standing_locked(self.owner.clock.monotonic())

    def _standing_locked(self, now: float) -> dict[str, float]:
        now = self._at = max(self._at, now)
        _, _, tightest = min((one.left(now), place, one) for place, one in enumerate(self.meters))
        rate, remaining = tightest.rate, tightest.left(now)
        return {"limit": rate.n, "window": rate.seconds, "remaining": remaining, "reset": tightest.fresh(now)}

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds its lock. What is spent is spent."""
        self._lock = RLock()


def refused_with(standing: dict[str, float]) -> tuple[int, float, float, float]:
    """How the limit stands, as a refusal carries it: half a call more, for rounding."""
    calls, seconds = int(standing["limit"]), standing["window"]
    return calls, seconds, (standing["remaining"] + 0.5) * seconds / max(1, calls), standing["reset"]


def at_once(machine: Tolls, now: float) -> Permit:
    """What *machine* says to a call whose frames cannot wait: they were there before it."""
    permit = machine.admit(now)
    if isinstance(permit, Wait):
        permit.abandon()
        raise permit.refused("limited")
    return permit
