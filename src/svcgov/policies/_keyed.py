"""A gate for each key: a tenant, a host, a user. What the machines of gates with a key have in common.

Rule 1: the gate of a key is made for its first call, and forgotten when its place is needed and its policy can spare it.
Rule 2: where none can be spared, the calls of a new key pass ungoverned, and are counted.
Rule 3: the function that says the key runs outside of every lock. One that raises is told of; its call has no key, and goes
        by the gate that all such calls share.
Rule 4: a permit knows the gate it is of, and is given back there, whatever was forgotten meanwhile.
Rule 5: a gate is taken out before its policy is asked whether it may go. So a call that is just coming in shows in the
        answer, or finds its gate gone: then it gives back what it has, and asks anew.
Rule 6: what a collection of garbage calls while the lock is held may come by here again: the lock lets its own thread in,
        and finds it busy: nothing is made, moved or forgotten then.
"""

from __future__ import annotations

from _thread import RLock
from collections import OrderedDict
from itertools import islice

from .._core._call import Wait
from .._core._matching import Ignored
from .._core._mishaps import Mishaps
from .._shells._modes import PASSED
from ..errors import ConfigError
from ..pipeline import Gated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from typing import Any, ClassVar, Literal

    from .._core._call import Call
    from .._core._listeners import Listeners
    from .._core._schema import Settings
    from ..errors import RejectedError
    from ..typing import Clock, Gate, Permit

NEVER, AT_NEED, FREELY = 0, 1, 2  # whether a policy can spare a gate
LOOKS = 16  # keys that are looked at in one go, those first that were used longest ago


class Taken:
    """A permit of the gate of one key."""

    __slots__ = ("gate", "permit")

    def __init__(self, gate: Gate, permit: Permit) -> None:
        self.gate: Gate = gate
        self.permit: Permit = permit


class Keyed:
    """The machine of a gate with a key.

    *owner* is the policy. Its settings have ``key`` and ``max_keys``; ``gate_for(key)`` makes the gate of a key, and that
    of the calls without one (None); ``spare(gate, now)`` says `NEVER`, `AT_NEED` or `FREELY`.
    """

    __slots__ = (
        "_busy",
        "_lock",
        "_mishaps",
        "_stuck",
        "by_key",
        "calm",
        "epoch",
        "free",
        "joining",
        "overflow",
        "owner",
        "shared",
    )

    asks = True

    def __init__(self, owner: Any) -> None:
        self.owner: Any = owner
        self.free: Permit = None
        self.calm: Permit = PASSED
        self.by_key: OrderedDict[Hashable, Any] = OrderedDict()
        self.joining: dict[WaitOfKey, Any] = {}  # calls that are about to stand in the queue of a gate
        self.epoch: object = None  # another one says that gates are made otherwise now, by the same settings
        self.overflow: int = 0
        self._busy = False
        self._stuck = False
        self._lock = RLock()
        self._mishaps = Mishaps(owner)
        self.shared: Any = owner.gate_for(None)

    # -- what the shells use -----------------------------------------------------------------------------------------

    def admit(self, now: float, call: Any = None) -> Permit:
        """A permit of the gate of its key, that gate's refusal, or its `Wait`."""
        key = None if call is None else self._key_of(call)
        return self._taken(self.shared, now, call) if key is None else self.admit_key(key, now, call)

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Give a permit back to its gate. Nothing is locked here: a finaliser may come by."""
        if not isinstance(permit, Taken):
            return
        gate, its = permit.gate, permit.permit
        if error is not None or its is not gate.calm:
            gate.settle(its, error, now)

    def _key_of(self, call: Call) -> Hashable:
        try:
            key = self.owner.settings.key(call)
            hash(key)
        except Exception as failure:
            self._mishaps.tell("key", failure, "the call went under no key")
            return None
        return key  # type: ignore[no-any-return]  # hash() says that it can be one

    def admit_key(self, key: Hashable, now: float, call: Any = None) -> Permit:
        """The same for a key that is known."""
        while True:
            gate = self.of(key, now)
            if gate is None:
                return PASSED
            taken = self._taken(gate, now, call)
            if self.by_key.get(key) is gate:
                return taken
            if isinstance(taken, Wait):
                taken.abandon()
            else:
                self.settle(taken, Ignored(), now)

    def _taken(self, gate: Gate, now: float, call: Any) -> Permit:
        permit = gate.free
        if permit is None:
            permit = gate.admit(now, call)
        return WaitOfKey(self, gate, permit) if isinstance(permit, Wait) else Taken(gate, permit)

    # -- the gates ---------------------------------------------------------------------------------------------------

    def of(self, key: Hashable, now: float) -> Any:
        """The gate of *key*, made if there is none, and the last to be forgotten; None where there is no room for it."""
        with self._lock:
            if self._busy:
                gate = self.by_key.get(key)
                self.overflow += gate is None
                return gate
            self._busy = True
            try:
                gate = self.by_key.get(key)
                if gate is not None:
                    self.by_key.move_to_end(key)
            finally:
                self._busy = False
        return self._made(key, now) if gate is None else gate

    def _made(self, key: Hashable, now: float) -> Any:
        while True:
            settings, epoch = self.owner.settings, self.epoch
            made = self.owner.gate_for(key)
            with self._lock:
                if self.owner.settings is not settings or self.epoch is not epoch:
                    continue  # it was made by others than those that are in force now
                if self._room_locked(now):
                    return self.by_key.setdefault(key, made)
                gate = self.by_key.get(key)
                self.overflow += gate is None
                return gate

    def _room_locked(self, now: float) -> bool:
        """Whether one more key fits in."""
        most = self.owner.settings.max_keys
        return len(self.by_key) < most or (self._forgot_locked(now) and len(self.by_key) < most)

    def _forgot_locked(self, now: float) -> bool:
        """Forget one key. What cannot be spared goes to the end; once nothing could be, not all are looked at again."""
        self._busy = True
        try:
            for _ in range(1 if self._stuck else -(-len(self.by_key) // LOOKS)):
                found = self._found_locked(now)
                if found is not None:
                    key, gate = found
                    del self.by_key[key]
                    self._stuck = gate in list(self.joining.values()) or self.owner.spare(gate, now) == NEVER
                    if not self._stuck:
                        self.forgotten(gate)
                        return True
                    self.by_key[key] = gate
            self._stuck = True
            return False
        finally:
            self._busy = False

    def _found_locked(self, now: float) -> tuple[Hashable, Any] | None:
        """The key of the next few that can be spared best, and of these the one that was used longest ago."""
        found: dict[int, tuple[Hashable, Any]] = {}
        for key, gate in list(islice(self.by_key.items(), LOOKS)):
            kind = self.owner.spare(gate, now)
            if kind == NEVER:
                self.by_key.move_to_end(key)
                continue
            found.setdefault(kind, (key, gate))
            if kind == FREELY:
                break
        return found[max(found)] if found else None

    def forgotten(self, gate: Any) -> None:
        """A gate was taken out; calls that it has let in may still be under way."""

    def fit(self, now: float) -> None:
        """Forget what is too much for a smaller ``max_keys``, as far as it can be spared."""
        self._stuck = False
        while len(self.by_key) > self.owner.settings.max_keys:
            with self._lock:
                if not self._forgot_locked(now):
                    return

    def gates(self) -> list[Any]:
        """All gates that there are, that of the calls without a key first."""
        with self._lock:
            return [self.shared, *self.by_key.values()]

    def figures(self) -> dict[str, int]:
        """``keys`` and ``keys_overflow``, for a snapshot."""
        return {"keys": len(self.by_key), "keys_overflow": self.overflow}

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds the lock, and every gate is told."""
        self._lock = RLock()
        self._busy = False
        for gate in self.gates():
            gate.forked()

    def restored(self) -> None:
        """The process goes on from a snapshot: every gate is told."""
        for gate in self.gates():
            gate.restored()


class WaitOfKey(Wait):
    """A `Wait` of the gate of one key, which is not forgotten while a call is about to stand in its queue."""

    __slots__ = ("_gate", "_keyed", "_wait")

    def __init__(self, keyed: Keyed, gate: Gate, wait: Wait) -> None:
        self._keyed = keyed
        self._gate = gate
        self._wait = wait
        keyed.joining[self] = gate

    @property
    def clock(self) -> Clock:  # type: ignore[override]  # read only
        """The gate's own."""
        return self._wait.clock

    @property
    def until(self) -> float:  # type: ignore[override]  # read only
        """The gate's own."""
        return self._wait.until

    @property
    def permit(self) -> Permit:  # type: ignore[override]  # read only
        """What was waited for."""
        return Taken(self._gate, self._wait.permit)

    def join(self, wake: Callable[[], None]) -> bool:
        """As `Wait.join`."""
        try:
            return self._wait.join(wake)
        finally:
            self._keyed.joining.pop(self, None)

    def over(self) -> bool:
        """As `Wait.over`."""
        return self._wait.over()

    def abandon(self) -> None:
        """As `Wait.abandon`."""
        self._keyed.joining.pop(self, None)
        self._wait.abandon()

    def refused(self, reason: str) -> RejectedError:
        """As `Wait.refused`."""
        return self._wait.refused(reason)


class MachineOfKey:
    """The machine of the gate of one key, which is looked up at each call: it may have been forgotten meanwhile."""

    __slots__ = ("calm", "free", "key", "owner")

    asks = True

    def __init__(self, owner: Any, key: Hashable) -> None:
        self.owner: Any = owner
        self.key: Hashable = key
        self.free: Permit = None
        self.calm: Permit = PASSED

    @property
    def keyed(self) -> Any:
        """Those of now: a test may have put others in their place."""
        return self.owner.machine

    def admit(self, now: float, call: Any = None) -> Permit:
        """As `Keyed.admit_key`, whatever the call."""
        return self.keyed.admit_key(self.key, now, call)

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """As `Keyed.settle`."""
        self.keyed.settle(permit, error, now)


class OfKey(Gated):
    """The gate of one key, as a policy of its own: ``breaker.of("acme")``."""

    shape: ClassVar[Literal["gate", "loop", "limit"]] = "gate"
    shares = True
    machine: Any

    def __init__(self, whole: Any, machine: MachineOfKey) -> None:
        self.whole: Any = whole
        self.kind: str = whole.kind  # type: ignore[misc]  # that of its policy
        self.keeps_mode: bool = whole.keeps_mode  # type: ignore[misc]  # likewise
        self.label: str = whole.label
        self._name = whole.name
        self.ears: Listeners = whole.ears
        self.declared: dict[str, Any] = whole.declared
        self.machine = machine

    @property
    def clock(self) -> Clock:  # type: ignore[override]  # read only
        """That of its policy."""
        return self.whole.clock  # type: ignore[no-any-return]  # a clock

    @property
    def settings(self) -> Any:  # type: ignore[override]  # read only
        """Those of its policy."""
        return self.whole.settings

    def changed(self, changes: Mapping[str, Any], path: str) -> Settings:
        """It has no settings of its own."""
        raise ConfigError(path, dict(changes), f"nothing: reconfigure the {self.kind.replace('_', ' ')} that has the keys")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label} {self.machine.key!r}>"


def machine_with_keys(policy: Any) -> Keyed:
    """The machine of *policy*.

    Raises:
        TypeError: where it has no ``key``.
    """
    if not isinstance(policy.machine, Keyed):
        raise TypeError(f"{policy!r} has no keys: make it with key=")
    return policy.machine
