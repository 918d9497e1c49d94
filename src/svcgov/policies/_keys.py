"""One rate limit for each key: a tenant, a user, a caller. The memory for them is bounded.

Rule 1: a key whose limit is all unused can be forgotten without loss, and only such a key is.
Rule 2: where none can be forgotten, new keys share one limit: who cycles through keys buys no fresh burst by that.
Rule 3: the function that says the key runs outside of every lock. One that raises is told of; its call has no key.
Rule 4: a key that has one limit by GCRA, and nothing more to ask, has a level in place of a machine: see `_buckets`.
Rule 5: a machine is taken out before it is asked whether all of it is unused. So a call that is just coming in shows in the
        answer, or finds its machine gone and asks anew. A level, which has no lock of its own, is looked at in one step.
Rule 6: what a collection of garbage calls while keys are looked at, or given other limits, makes and forgets none.
"""

from __future__ import annotations

from _thread import RLock

from .._core._call import Wait
from .._core._mishaps import Mishaps
from ._buckets import GONE, Aim, Level
from ._keyed import MachineOfKey
from ._keyed import OfKey as GateOfKey
from ._windows import NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable
    from typing import Any

    from .._core._durations import Rate
    from ..errors import RateLimitedError
    from ..typing import Clock, Permit
    from ._rate_settings import RateLimitSettings
    from ._tolls import Tolls
    from .rate_limit import RateLimit

LOOKS = 16  # keys that are looked at for one that can be forgotten


class OfKey:
    """What the machine of one key knows of its policy."""

    __slots__ = ("clock", "limits", "policy")

    def __init__(self, policy: RateLimit, limits: tuple[Rate, ...]) -> None:
        self.policy: RateLimit = policy
        self.clock: Clock = policy.clock
        self.limits: tuple[Rate, ...] = limits

    def limited(
        self,
        now: float,
        early: float,
        standing: tuple[int, float, float, float],
        reason: str = "limited",
    ) -> RateLimitedError:
        """The refusal, counted and told."""
        return self.policy.limited(now, early, standing, reason, self.limits)


class Keys:
    """The machine of a rate limit with a key."""

    __slots__ = (
        "_aims",
        "_busy",
        "_lock",
        "_mishaps",
        "_owners",
        "_turn",
        "by_key",
        "calm",
        "free",
        "gone",
        "overflow",
        "owner",
        "shared",
    )

    asks = True

    def __init__(self, owner: RateLimit) -> None:
        self.owner: RateLimit = owner
        self.free: Permit = None
        self.calm: Permit = None
        self.by_key: dict[Hashable, Level | Tolls] = {}
        self._turn: list[Hashable] = []  # those to be looked at next, the last of them first
        self._aims: dict[tuple[object, ...], Aim] = {}  # and the owners: of the limits that keys have, few
        self._owners: dict[tuple[Rate, ...], OfKey] = {}
        self._busy = False
        self._lock = RLock()
        self._mishaps = Mishaps(owner)
        self.gone: Aim = Aim(self, owner.settings.limits[0], None, 1)  # of levels that were taken out: they let nothing pass
        self.gone.slack = -NEVER
        self.shared: Level | Tolls = self._made(owner.settings)
        self.overflow: Level | Tolls = self._made(owner.settings)

    def _made(self, settings: RateLimitSettings) -> Level | Tolls:
        """A new one, of which nothing is used."""
        aim = self._aim(settings)
        return self._machine(settings) if aim is None else Level(aim)

    def _aim(self, settings: RateLimitSettings, size: float = 0.0) -> Aim | None:
        """That of one limit by GCRA; None where a call asks more than whether it may pass."""
        if not settings.single or settings.warm_up is not None or settings.asks:
            return None
        which = settings.limits[0], settings.burst, settings.cost
        return self._aims.get((*which, size)) or self._aims.setdefault((*which, size), Aim(self, *which, size))

    def _machine(self, settings: RateLimitSettings) -> Tolls:
        from ._reservations import Reservations

        return Reservations(self._owner(settings.limits), settings)

    def _owner(self, limits: tuple[Rate, ...]) -> OfKey:
        return self._owners.get(limits) or self._owners.setdefault(limits, OfKey(self.owner, limits))

    def admit(self, now: float, call: Any = None) -> Permit:
        """Pass, or answer with a `Wait`, or raise `RateLimitedError`."""
        if call is not None:
            try:
                key = self.owner.settings.key(call)
                hash(key)
            except Exception as failure:
                self._mishaps.tell("key", failure, "the call went under no key")
            else:
                if key is not None:
                    return self.admit_key(key, now, call)
        missing = self.owner.settings.on_missing_key
        if missing == "deny":
            raise self.owner.denied(now)
        if missing == "bypass":
            return None
        while True:
            permit = self.shared.admit(now, call)
            if permit is not GONE:
                return permit

    def admit_key(self, key: Hashable, now: float, call: Any = None) -> Permit:
        """The same for a key that is known."""
        while True:
            machine = self.by_key.get(key)
            if machine is None:
                machine = self.of(key)
            permit = machine.admit(now, call)
            if isinstance(machine, Level):
                if permit is not GONE:
                    return permit
            elif machine is self.overflow or self._has(key, machine):
                return permit
            # It was forgotten in this moment, and what was taken from it with it.
            elif isinstance(permit, Wait):
                permit.abandon()

    def _has(self, key: Hashable, machine: Tolls) -> bool:
        """Whether it is there still, and not only taken out by somebody who looks at it."""
        if self.by_key.get(key) is machine:
            return True
        with self._lock:
            return self.by_key.get(key) is machine

    def of(self, key: Hashable) -> Level | Tolls:
        """The machine of *key*, or the one that keys share for which there is no room."""
        while True:
            machine = self.by_key.get(key)
            if machine is not None:
                return machine
            settings = self.owner.settings
            made = self._made(settings.for_key(key))
            with self._lock:
                if self.owner.settings is not settings:
                    continue  # it was made by others than those that are in force now
                machine = self.by_key.get(key)
                if machine is not None:
                    return machine
                if self._busy or not self._room_locked():
                    return self.overflow
                return self.by_key.setdefault(key, made)

    def _room_locked(self) -> bool:
        """Whether one more key fits in; the keys that are looked at take turns."""
        most, by_key = self.owner.settings.max_keys, self.by_key
        if len(by_key) < most:
            return True
        now = self.owner.clock.monotonic()
        self._busy = True
        try:
            for _ in range(LOOKS):
                if not self._turn:
                    self._turn = list(by_key)
                    self._turn.reverse()
                self._forget_locked(self._turn.pop(), now)
                if len(by_key) < most:
                    return True
            return False
        finally:
            self._busy = False

    def _forget_locked(self, key: Hashable, now: float) -> None:
        """Forget *key*, if nothing of its limit is used."""
        machine = self.by_key.get(key)
        if isinstance(machine, Level):
            if machine.spent <= now - machine.at:  # nothing is called from here on
                machine.aim = self.gone
                del self.by_key[key]
        elif machine is not None:  # a key can be lost: one whose hash has changed
            unused = False
            del self.by_key[key]
            try:
                unused = machine.unused()
            finally:
                if not unused:
                    self.by_key[key] = machine

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """A toll is not given back."""

    def standing(self, key: Hashable) -> dict[str, float]:
        """The limit of *key* at this moment."""
        with self._lock:
            return self.of(key).standing()

    def retarget(self, settings: RateLimitSettings) -> None:
        """Other limits: each key keeps the share that it has spent. One key at a time, so that no call is kept waiting."""
        with self._lock:
            self._aims, self._owners = {}, {}
            aim = self._aim(settings)
            self.shared = self._changed_locked(self.shared, settings, aim)
            self.overflow = self._changed_locked(self.overflow, settings, aim)
            known = list(self.by_key)
        for key in known:
            its = settings.for_key(key)
            with self._lock:
                machine = self.by_key.get(key)
                if machine is not None:
                    its_aim = aim if its is settings else self._aim(its)
                    self.by_key[key] = self._changed_locked(machine, its, its_aim)

    def _changed_locked(self, machine: Level | Tolls, settings: RateLimitSettings, aim: Aim | None) -> Level | Tolls:
        """The machine with these settings, or another in its place: a level becomes one, but not the other way round."""
        self._busy = True
        try:
            if not isinstance(machine, Level):
                machine.owner = self._owner(settings.limits)
                machine.retarget(settings)
                return machine
            if aim is not None:
                if not aim.size:
                    aim = self._aim(settings, machine.aim.size) or aim
                machine.retarget_locked(aim, self.owner.clock.monotonic())
                return machine
            instead = self._machine(settings)
            spent: float | None = None
            while settings.algorithm == "gcra" and machine.spent != spent:  # until nobody has come by meanwhile
                spent = machine.spent
                instead.keep(machine.share())
            machine.aim = self.gone
            return instead
        finally:
            self._busy = False

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds the locks. What is spent is spent."""
        self._lock = RLock()
        self._busy = False
        for machine in (self.shared, self.overflow, *self.by_key.values()):
            if not isinstance(machine, Level):
                machine.forked()


class KeyMachine(MachineOfKey):
    """The machine of a limit for one key. Its permits are tolls."""

    __slots__ = ()

    calm: Permit

    def __init__(self, whole: RateLimit, key: Hashable) -> None:
        super().__init__(whole, key)
        self.calm = None

    def standing(self) -> dict[str, float]:
        """The limit of this key at this moment."""
        return self.keyed.standing(self.key)  # type: ignore[no-any-return]  # by `Keys`


class RateLimitOfKey(GateOfKey):
    """The limit of one key, as a gate of its own: ``limit.of("acme")``."""

    machine: KeyMachine

    def __init__(self, whole: RateLimit, key: Hashable) -> None:
        super().__init__(whole, KeyMachine(whole, key))

    def snapshot(self) -> dict[str, float]:
        """``limit``, ``window``, ``remaining`` and ``reset`` of this key."""
        return self.machine.standing()
