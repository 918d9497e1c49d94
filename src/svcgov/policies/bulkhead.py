"""The bulkhead: at most *limit* calls at a time; one more is refused at once, or waits if it may.

Rule 1: a permit that is out comes back, however the call ends.
Rule 2: a refused call holds nothing and changes nothing.
Rule 3: a smaller limit takes no permit away: nobody gets in until enough have come back.

Beside other calls of a busy process this isolates a slow dependency: it can hold *limit* callers, and no more.
Where nobody waits the machine is a counter without a lock, which is here; the waiting room is in `_room`. With a key each key
has a room of its own, see `_keyed`.
"""

from __future__ import annotations

from _thread import RLock

from .._core._call import Wait
from .._core._mishaps import Mishaps
from .._core._schema import Settings, choice, custom, duration, integer, number
from .._core._threads import LOCKED
from .._shells._modes import observed
from ..errors import BulkheadFullError, ConfigError
from ..facts import CallRefused
from ..pipeline import Gated, GateSettings, named
from ._changes import one_change

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence
    from typing import Any, ClassVar, Literal, TypedDict, Unpack

    from .._core._call import Call
    from ..typing import Clock, Duration, Permit
    from ._room import Room
    from ._rooms import BulkheadOfKey

    class Options(TypedDict, total=False):
        """The keyword arguments of `bulkhead`."""

        max_wait: Duration
        max_waiting: int | None
        order: Literal["fifo", "lifo"]
        cost: int | Callable[[Any], int]
        key: Callable[[Any], Any] | str | None
        max_keys: int
        mode: Literal["enforce", "observe", "off"]
        when: Callable[[Call], object] | Mapping[str, Any] | None
        final: bool | Sequence[str]
        name: str
        clock: Clock


def _cost(value: Any, path: str) -> int | Callable[[Any], int]:
    if callable(value) or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000):
        return value  # type: ignore[no-any-return]  # one of the two
    raise ConfigError(path, value, "an integer from 1 to the limit, or a function of the call")


def _key(value: Any, path: str) -> Any:
    from ._key_readers import read_key

    return read_key(value, path)


class BulkheadSettings(GateSettings):
    """The settings, checked."""

    limit: int = integer(low=1, high=100_000)
    max_wait: float = duration(default=0.0, zero=True)
    max_waiting: int | None = integer(default=None, low=0, high=1_000_000, optional=True)
    order: str = choice("fifo", "lifo", default="fifo")
    cost: Any = custom(_cost, default=1)
    key: Any = custom(_key, default=None)
    max_keys: int = integer(default=1000, low=1, high=1_000_000)

    @property
    def roomy(self) -> bool:
        """Whether a counter is not enough: calls may wait, or cost more than one place."""
        return bool(self.max_wait) or self.cost != 1

    @property
    def most_waiting(self) -> int:
        """How many may wait at a time."""
        return 10 * self.limit if self.max_waiting is None else self.max_waiting

    def check(self, path: str) -> None:
        """What one call costs must fit in."""
        if number(self.cost) and self.cost > self.limit:
            raise ConfigError(f"{path}.cost", self.cost, f"an integer from 1 to {self.limit}, or a function of the call")


class Seats:
    """The machine: a counter. Each load and its store stand on one line with no call in it, so a GIL keeps it whole."""

    __slots__ = ("calm", "free", "limit", "moved", "owner", "seat", "used")

    def __init__(self, owner: Bulkhead, limit: int) -> None:
        self.owner: Bulkhead = owner
        self.limit: int = limit
        self.used: int = 0
        self.seat: Permit = object()  # what is handed out; a seat from before a reset gives nothing back
        self.free: Permit = None
        self.calm: Permit = object()  # never handed out: every permit comes back
        self.moved: Room | None = None  # where all seats are now, while functions hold this machine

    def admit(self, now: float, call: Any = None) -> Permit:
        """Take a seat, or raise `BulkheadFullError`."""
        if self.used >= self.limit:
            if self.moved is not None:
                return self.elsewhere(self.moved, now)
            raise self.owner.full(now)
        self.used += 1
        return self.seat

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Give the seat back."""
        if permit is self.seat:
            self.used -= 1
        elif self.moved is not None:
            self.moved.settle(permit, error, now)

    def elsewhere(self, room: Room, now: float) -> Permit:
        """A place in *room*, for a call whose frames cannot wait: they were there before it."""
        permit = room.admit(now)
        if isinstance(permit, Wait):
            permit.abandon()
            raise self.owner.full(now)
        return permit

    def move(self, room: Room) -> None:
        """Hand all seats to *room*."""
        room.take_over(self)

    def restored(self) -> None:
        """Nobody is inside any more: the process has been forked, or goes on from a snapshot."""
        self.seat, self.used = object(), 0

    forked = restored


class LockedSeats(Seats):
    """The same with a lock, for interpreters without a GIL and runs under a line tracer.

    It lets its own thread in: a tracer, between two lines, may start the collector, whose finalisers come by here.
    """

    __slots__ = ("_lock",)

    used: int

    def __init__(self, owner: Bulkhead, limit: int) -> None:
        super().__init__(owner, limit)
        self._lock = RLock()

    def admit(self, now: float, call: Any = None) -> Permit:
        """As `Seats.admit`."""
        with self._lock:
            if self.used < self.limit:
                self.used += 1
                return self.seat
        return super().admit(now, call)

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """As `Seats.settle`."""
        with self._lock:
            if permit is self.seat:
                self.used -= 1
                return
        if self.moved is not None:
            self.moved.settle(permit, error, now)

    def move(self, room: Room) -> None:
        """As `Seats.move`."""
        with self._lock:
            super().move(room)

    def forked(self) -> None:
        """As `Seats.forked`; nobody holds the lock."""
        self._lock = RLock()
        self.restored()


class Bulkhead(Gated):
    """Limits how many calls are under way at the same time. Made by `svcgov.bulkhead`."""

    kind = "bulkhead"
    holds = True
    shape: ClassVar[Literal["gate", "loop", "limit"]] = "gate"
    shares = True
    settings_class: ClassVar[type[Settings]] = BulkheadSettings
    settings: BulkheadSettings
    machine: Any  # Seats, a Room or Keyed

    def _build(self) -> None:
        self.refused: int = 0
        self._mishaps = Mishaps(self)
        settings = self.settings
        if settings.key is not None:
            from ._keyed import Keyed

            self.machine = Keyed(self)
        elif settings.roomy:
            self.machine = self.gate_for(None)
        else:
            self.machine = (LockedSeats if LOCKED() else Seats)(self, settings.limit)

    def _checked(self, given: Mapping[str, Any], path: str) -> BulkheadSettings:
        settings: BulkheadSettings = super()._checked(given, path)  # type: ignore[assignment]  # of its settings_class
        if (settings.key is None) is not (self.settings.key is None):
            with_or_without = "none" if self.settings.key is None else "a key"
            raise ConfigError(f"{path}.key", given.get("key"), f"{with_or_without}, as it was made with")
        return settings

    def _tune(self, before: Settings) -> None:
        with one_change():
            self._changed()

    def _changed(self) -> None:
        machine, settings = self.machine, self.settings
        if settings.key is not None:
            for room in machine.gates():
                room.tune()
            machine.fit(self.clock.monotonic())
        elif not isinstance(machine, Seats):
            machine.tune()
        elif settings.roomy:
            room = self.gate_for(None)
            machine.move(room)
            self.machine = room
        else:
            machine.limit = settings.limit

    def gate_for(self, key: Hashable) -> Room:
        """The gate of one key, and that of all calls where there are no keys."""
        from ._room import Room

        return Room(self)

    def spare(self, gate: Room, now: float) -> int:
        """Whether the gate of a key can be forgotten: freely, when nobody is inside and nobody waits."""
        from ._keyed import FREELY, NEVER

        return NEVER if gate.used or gate.waiters else FREELY

    def of(self, key: Hashable) -> BulkheadOfKey:
        """The bulkhead of one key, as a gate of its own.

        Raises:
            TypeError: where the bulkhead has no ``key``.
        """
        from ._keyed import MachineOfKey, machine_with_keys
        from ._rooms import BulkheadOfKey

        return BulkheadOfKey(self, MachineOfKey(machine_with_keys(self).owner, key))

    def cost_of(self, call: Any) -> int:
        """What *call* costs: a function that raises, or says what cannot be, is told of. Its call costs 1, as a block does."""
        cost: Any = self.settings.cost
        if not callable(cost):
            return cost  # type: ignore[no-any-return]  # an integer, as checked
        if call is None:
            return 1
        try:
            said = cost(call)
            if isinstance(said, bool) or not isinstance(said, int) or not 1 <= said <= self.settings.limit:
                raise ValueError(f"expected an integer from 1 to {self.settings.limit}, got {said!r}")
        except Exception as failure:
            self._mishaps.tell("cost", failure, "the call costs one place")
            return 1
        return said

    def full(self, now: float, reason: str = "full") -> BulkheadFullError:
        """The refusal, counted and told."""
        self.refused += 1
        if self.ears.heard:
            self.ears.tell(CallRefused(policy=self.label, at=now, kind=self.kind, reason=reason, observed=observed(self)))
        return BulkheadFullError(self.label, reason)

    def snapshot(self) -> dict[str, int]:
        """``limit``, ``in_use``, ``waiting`` and ``refused``.

        With keys ``in_use`` and ``waiting`` are those of all, and ``keys`` is how many keys are remembered.
        """
        from ._rooms import figures, figures_of_all

        machine: Any = self.machine
        limit = {"limit": self.settings.limit}
        if self.settings.key is not None:
            return {**limit, **figures_of_all(machine.gates()), "refused": self.refused, **machine.figures()}
        return {**limit, **figures(machine), "refused": self.refused}


def bulkhead(limit: int, **options: Unpack[Options]) -> Bulkhead:
    """Let at most *limit* calls be under way at a time; refuse one more at once, or let it wait.

    Args:
        limit: 1 to 100 000.
        max_wait: how long a call may wait for a place, or until its deadline; 0 refuses at once.
        max_waiting: how many may wait at a time; None is ten times the limit.
        order: who comes in first: ``fifo``, or ``lifo``, where under load the newest are served and the oldest give up.
        cost: how many places a call takes, or a function of the call that says so.
        key: a function of the `Call` that says under which key it goes, or where in it that stands (``"header:x-tenant"``,
            ``"claim:sub"``, ``"arg:tenant"``, ``"path"``, ``"ip"``, ``"colour"``): each key has the limit to itself.
        max_keys: how many keys are remembered; one under which calls are inside or wait is not forgotten.
        mode: ``observe`` decides, counts and tells what it would refuse, and lets all through; ``off`` is not there.
        when: a function of the call: only those are governed of which it is true.
        final: whether no document changes it, or which of its settings none does.
        name: share the permits with every bulkhead of this name.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        BulkheadFullError: in a governed call, when all permits are out and it may not wait, or has waited too long.
    """
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(Bulkhead, {"limit": limit, **given}, name, clock)
