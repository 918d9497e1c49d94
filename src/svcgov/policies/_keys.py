"""One rate limit for each key: a tenant, a user, a caller. The memory for them is bounded.

Rule 1: a key whose limit is all unused can be forgotten without loss, and only such a key is.
Rule 2: where none can be forgotten, new keys share one limit: who cycles through keys buys no fresh burst by that.
Rule 3: the function that says the key runs outside of every lock. One that raises is told of; its call has no key.
"""

from __future__ import annotations

from _thread import RLock
from collections import OrderedDict

from .._core._mishaps import Mishaps
from ..errors import ConfigError
from ..pipeline import Gated
from ._tolls import Tolls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from typing import Any, ClassVar, Literal

    from .._core._call import Call
    from .._core._durations import Rate
    from .._core._listeners import Listeners
    from .._core._schema import Settings
    from ..errors import RateLimitedError
    from ..typing import Clock, Permit
    from .rate_limit import RateLimit, RateLimitSettings

LOOKS = 16  # keys that are looked at for one that can be forgotten


class OfKey:
    """What the machine of one key knows of its policy."""

    __slots__ = ("clock", "limits", "policy")

    def __init__(self, policy: RateLimit, limits: tuple[Rate, ...]) -> None:
        self.policy: RateLimit = policy
        self.clock: Clock = policy.clock
        self.limits: tuple[Rate, ...] = limits

    def limited(self, now: float, early: float) -> RateLimitedError:
        """The refusal, counted and told."""
        return self.policy.limited(now, early, self.limits)


class Keys:
    """The machine of a rate limit with a key."""

    __slots__ = ("_lock", "_mishaps", "by_key", "calm", "free", "overflow", "owner", "shared")

    asks = True

    def __init__(self, owner: RateLimit) -> None:
        self.owner: RateLimit = owner
        self.free: Permit = None
        self.calm: Permit = None
        self.by_key: OrderedDict[Hashable, Tolls] = OrderedDict()
        self._lock = RLock()
        self._mishaps = Mishaps(owner)
        self.shared: Tolls = self._made(owner.settings)
        self.overflow: Tolls = self._made(owner.settings)

    def _made(self, settings: RateLimitSettings) -> Tolls:
        return Tolls(OfKey(self.owner, settings.limits), settings)

    def admit(self, now: float, call: Call | None = None) -> Permit:
        """Pass, or raise `RateLimitedError`."""
        key = None if call is None else self._key_of(call)
        if key is not None:
            return self.admit_key(key, now)
        missing = self.owner.settings.on_missing_key
        if missing == "deny":
            raise self.owner.denied(now)
        return None if missing == "bypass" else self.shared.admit(now)

    def _key_of(self, call: Call) -> Hashable:
        try:
            key = self.owner.settings.key(call)
            hash(key)
        except Exception as failure:
            self._mishaps.tell("key", failure, "the call went under no key")
            return None
        return key  # type: ignore[no-any-return]  # hash() says that it can be one

    def admit_key(self, key: Hashable, now: float) -> Permit:
        """The same for a key that is known."""
        while True:
            machine = self.of(key)
            machine.admit(now)
            if machine is self.overflow or self.by_key.get(key) is machine:
                return None  # else it was forgotten in this moment, and what was taken from it with it

    def of(self, key: Hashable) -> Tolls:
        """The machine of *key*, or the one that keys share for which there is no room."""
        machine = self.by_key.get(key)
        if machine is not None:
            return machine
        made = self._made(self.owner.settings.for_key(key))
        with self._lock:
            machine = self.by_key.get(key)
            if machine is not None:
                return machine
            if not self._room_locked():
                return self.overflow
            self.by_key[key] = made
        return made

    def _room_locked(self) -> bool:
        """Whether one more key fits in; the keys that are looked at take turns."""
        most = self.owner.settings.max_keys
        for _ in range(LOOKS):
            if len(self.by_key) < most:
                return True
            key, machine = next(iter(self.by_key.items()))
            if machine.unused():
                del self.by_key[key]
            else:
                self.by_key.move_to_end(key)
        return len(self.by_key) < most

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """A toll is not given back."""

    def retarget(self, settings: RateLimitSettings) -> None:
        """Other limits: each key keeps the share that it has spent."""
        with self._lock:
            machines = [(self.shared, settings), (self.overflow, settings)]
            machines += [(machine, settings.for_key(key)) for key, machine in self.by_key.items()]
        for machine, its in machines:
            machine.owner.limits = its.limits  # type: ignore[union-attr]  # an OfKey, as made above
            machine.retarget(its)


class KeyMachine:
    """The machine of a gate for one key, which is looked up at each call: it may have been forgotten meanwhile."""

    __slots__ = ("_key", "_keys", "calm", "free")

    def __init__(self, keys: Keys, key: Hashable) -> None:
        self._keys = keys
        self._key = key
        self.free: Permit = None
        self.calm: Permit = None

    def admit(self, now: float, call: Any = None) -> Permit:
        """As `Keys.admit`, whatever the call."""
        return self._keys.admit_key(self._key, now)

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """A toll is not given back."""

    def standing(self) -> dict[str, float]:
        """The limit of this key at this moment."""
        return self._keys.of(self._key).standing()


class RateLimitOfKey(Gated):
    """The limit of one key, as a gate of its own: ``limit.of("acme")``."""

    kind = "rate_limit"
    shape: ClassVar[Literal["gate", "loop", "limit"]] = "gate"
    machine: KeyMachine

    def __init__(self, whole: RateLimit, keys: Keys, key: Hashable) -> None:
        self.label: str = whole.label
        self._name = whole.name
        self.clock: Clock = whole.clock
        self.ears: Listeners = whole.ears
        self.declared: dict[str, Any] = whole.declared
        self.settings: RateLimitSettings = whole.settings
        self.machine = KeyMachine(keys, key)

    def changed(self, changes: Mapping[str, Any], path: str) -> Settings:
        """It has no settings of its own."""
        raise ConfigError(path, dict(changes), "nothing: reconfigure the rate limit that has the keys")

    def snapshot(self) -> dict[str, float]:
        """``limit``, ``window``, ``remaining`` and ``reset`` of this key."""
        return self.machine.standing()


def read_key(value: Any, path: str) -> Callable[[Call], Any] | None:
    """A function of the call, or where in it the key stands."""
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]  # one of the two
    if isinstance(value, str):
        kind, _, name = value.partition(":")
        if kind in ("header", "arg") and name:
            return Header(name) if kind == "header" else Argument(name)
        if value == "colour":
            return _colour
    raise ConfigError(path, value, 'a function of the call, "header:x-tenant", "arg:tenant" or "colour"')


def _colour(call: Call) -> Any:
    return call.invocation.colour


class Header:
    """The value of a header of the invocation."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name.lower()

    def __call__(self, call: Call) -> Any:
        """Its value, or None."""
        return call.invocation.headers.get(self.name)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.name == self.name

    def __hash__(self) -> int:
        return hash((type(self), self.name))


class Argument(Header):
    """The value of an argument of the call, by its name."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, call: Call) -> Any:
        """Its value, or None."""
        if self.name in call.kwargs:
            return call.kwargs[self.name]
        code = getattr(call.fn, "__code__", None)
        names = code.co_varnames[: code.co_argcount] if code is not None else ()
        place = names.index(self.name) if self.name in names else len(call.args)
        return call.args[place] if place < len(call.args) else None
