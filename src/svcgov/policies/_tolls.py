"""Several limits at once, or one by another algorithm than GCRA: a machine with a lock, and a meter for each limit.

Rule 1: all limits must admit; when one refuses, nothing is taken from any.
Rule 2: no user code runs under the lock. What a collection of garbage calls in between may come by here again: the lock
        lets its own thread in.
Rule 3: a call that is about to be refused reads the clock again first.
"""

from __future__ import annotations

from _thread import RLock

from ._windows import meter

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..typing import Permit
    from ._keys import OfKey
    from ._windows import Meter
    from .rate_limit import RateLimit, RateLimitSettings


class Tolls:
    """The machine. Its permits are tolls: nothing is handed out, nothing comes back."""

    __slots__ = ("_at", "_birth", "_lock", "_settings", "calm", "free", "meters", "owner")

    def __init__(self, owner: RateLimit | OfKey, settings: RateLimitSettings) -> None:
        self.owner: RateLimit | OfKey = owner
        self.free: Permit = None
        self.calm: Permit = None
        self._lock = RLock()
        self._birth = self._at = owner.clock.monotonic()
        self._settings = settings
        self.meters: list[Meter] = self._made(settings)

    def _made(self, settings: RateLimitSettings) -> list[Meter]:
        return [meter(settings.algorithm, rate, settings.burst, self._birth) for rate in settings.limits]

    def admit(self, now: float, call: Any = None) -> Permit:
        """Pass, or raise `RateLimitedError`."""
        cost = self._settings.cost
        if self._passed(now, cost) > 0:
            now = self.owner.clock.monotonic()
            early = self._passed(now, cost)
            if early > 0:
                raise self.owner.limited(now, early)
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
            if (before.limits, before.burst, before.algorithm) == (settings.limits, settings.burst, settings.algorithm):
                return
            now = self._at = max(self._at, now)
            shares = [one.share(now) for one in self.meters] if before.algorithm == settings.algorithm else [0.0]
            self.meters = self._made(settings)
            if len(shares) != len(self.meters):
                shares = [max(shares)] * len(self.meters)
            for one, share in zip(self.meters, shares, strict=True):
                one.keep(share, now)

    def keep(self, share: float) -> None:
        """Count this share of each limit as used."""
        with self._lock:
            for one in self.meters:
                one.keep(share, self._at)

    def unused(self) -> bool:
        """Whether nothing of any limit is used."""
        now = max(self._at, self.owner.clock.monotonic())
        with self._lock:
            return max([one.fresh(now) for one in self.meters]) <= 0

    def standing(self) -> dict[str, float]:
        """The limit with the least left, at this moment."""
        now = self.owner.clock.monotonic()
        with self._lock:
            now = self._at = max(self._at, now)
            _, _, tightest = min((one.left(now), place, one) for place, one in enumerate(self.meters))
            return {
                "limit": tightest.rate.n,
                "window": tightest.rate.seconds,
                "remaining": tightest.left(now),
                "reset": tightest.fresh(now),
            }
