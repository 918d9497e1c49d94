"""The limits of keys that have one limit each, by GCRA: of a key nothing is kept but how full its bucket is.

Rule 1: what is the same for many keys, the numbers of their limit, is kept once.
Rule 2: each step is made whole under one lock, that of all keys: from its first load to its last store nothing is called,
        so that not even what a collection of garbage calls comes in between.
Rule 3: a bucket that was taken out says so to whoever still holds it, and nothing is poured into it any more.
Rule 4: a call that is about to be refused reads the clock again first; then the decision stands.
"""

from __future__ import annotations

from ._windows import aimed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core._durations import Rate
    from ..typing import Permit
    from ._keys import Keys

GONE: Permit = object()  # the answer of a bucket that was taken out: ask again, somebody else decides now


class Aim:
    """The numbers of one limit, as in `Gcra`, for all keys that have it. A limit of nothing has the *size* of the one before."""

    __slots__ = ("grace", "keys", "rate", "size", "slack", "step")

    def __init__(self, keys: Keys, rate: Rate, burst: int | None, cost: int, size: float = 0.0) -> None:
        self.keys: Keys = keys
        self.rate: Rate = rate
        step, slack, grace, its = aimed(rate, burst, cost)
        self.step: float = step
        self.slack: float = slack
        self.grace: float = grace
        self.size: float = its or size


class Level:
    """The machine of one key: how full its bucket was, in seconds, at the moment of its last call."""

    __slots__ = ("aim", "at", "spent")

    def __init__(self, aim: Aim) -> None:
        self.aim: Aim = aim
        self.spent: float = 0.0
        self.at: float = aim.keys.owner.clock.monotonic()

    def admit(self, now: float, call: Any = None) -> Permit:
        """Pass, or raise `RateLimitedError`, or be `GONE`."""
        keys = self.aim.keys
        if not keys.owner.tells:
            with keys._lock:
                if not self._early_locked(now):
                    return None
        return self._reconsidered(keys)

    def _early_locked(self, now: float) -> float:
        """Pour a step and return 0, or say how many seconds more it would have to drain. Nothing is called meanwhile."""
        aim, spent = self.aim, self.spent - (now - self.at)
        if spent > aim.slack:
            return spent - aim.slack
        if now > self.at:
            self.spent, self.at = (spent if spent > 0.0 else 0.0) + aim.step, now
        else:
            self.spent += aim.step
        return 0.0

    def _reconsidered(self, keys: Keys) -> Permit:
        """The same decision with a fresh reading of the clock; it is kept, where somebody asks for that."""
        policy = keys.owner
        now = policy.clock.monotonic()
        with keys._lock:
            early = self._early_locked(now)
            aim, ahead = self.aim, self._ahead(now)
        if aim is keys.gone:
            return GONE
        if policy.tells:
            from ._reservations import DECIDED

            DECIDED.set({**DECIDED.get(), policy: _standing(aim, ahead)})
        if early:
            standing = aim.rate.n, aim.rate.seconds, aim.size - ahead + aim.grace, ahead
            raise policy.limited(now, early + aim.grace / 2, standing, limits=(aim.rate,))
        return None

    def _ahead(self, now: float) -> float:
        spent = self.spent - (now - self.at)
        return spent if spent > 0.0 else 0.0

    def retarget_locked(self, aim: Aim, now: float) -> None:
        """Another limit: the share that was spent stays spent."""
        before = self.aim
        if now > self.at:
            spent = self.spent - (now - self.at)
            self.spent, self.at = spent if spent > 0.0 else 0.0, now
        if before.size:
            self.spent *= aim.size / before.size
        self.aim = aim

    def share(self) -> float:
        """The part of the limit that is used."""
        aim = self.aim
        return self._ahead(aim.keys.owner.clock.monotonic()) / aim.size if aim.size else 0.0

    def keep(self, share: float) -> None:
        """Count this share of the limit as used."""
        self.spent = share * self.aim.size

    def standing(self) -> dict[str, float]:
        """How the limit stands at this moment."""
        keys = self.aim.keys
        with keys._lock:
            return _standing(self.aim, self._ahead(keys.owner.clock.monotonic()))


def _standing(aim: Aim, ahead: float) -> dict[str, float]:
    rate = aim.rate
    remaining = max(0, int((aim.size - ahead + aim.grace) * rate.n / rate.seconds))
    return {"limit": rate.n, "window": rate.seconds, "remaining": remaining, "reset": ahead}
