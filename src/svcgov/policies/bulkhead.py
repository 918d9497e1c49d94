"""The bulkhead: at most *limit* calls at a time; one more is refused at once, or waits if it may.

Rule 1: a permit that is out comes back, however the call ends.
Rule 2: a refused call holds nothing and changes nothing.
Rule 3: a smaller limit takes no permit away: nobody gets in until enough have come back.

Beside other calls of a busy process this isolates a slow dependency: it can hold *limit* callers, and no more.
Where nobody waits the machine is a counter without a lock, which is here; the waiting room is in `_room`.
"""

from __future__ import annotations

from _thread import allocate_lock

from .._core._mishaps import Mishaps
from .._core._schema import Settings, choice, custom, duration, integer, number
from .._core._threads import LOCKED
from .._shells._modes import observed
from ..errors import BulkheadFullError, ConfigError
from ..facts import CallRefused
from ..pipeline import Gated, GateSettings, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar, Literal, TypedDict, Unpack

    from .._core._call import Call
    from ..typing import Clock, Duration, Permit
    from ._room import Room

    class Options(TypedDict, total=False):
        """The keyword arguments of `bulkhead`."""

        max_wait: Duration
        max_waiting: int | None
        order: Literal["fifo", "lifo"]
        cost: int | Callable[[Any], int]
        mode: Literal["enforce", "observe", "off"]
        when: Callable[[Call], object] | None
        name: str
        clock: Clock


def _cost(value: Any, path: str) -> int | Callable[[Any], int]:
    if callable(value) or (isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000):
        return value  # type: ignore[no-any-return]  # one of the two
    raise ConfigError(path, value, "an integer from 1 to the limit, or a function of the call")


class BulkheadSettings(GateSettings):
    """The settings, checked."""

    limit: int = integer(low=1, high=100_000)
    max_wait: float = duration(default=0.0, zero=True)
    max_waiting: int | None = integer(default=None, low=0, high=1_000_000, optional=True)
    order: str = choice("fifo", "lifo", default="fifo")
    cost: Any = custom(_cost, default=1)

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

    __slots__ = ("calm", "free", "limit", "owner", "seat", "used")

    def __init__(self, owner: Bulkhead, limit: int) -> None:
        self.owner: Bulkhead = owner
        self.limit: int = limit
        self.used: int = 0
        self.seat: Permit = object()  # what is handed out; a seat from before a reset gives nothing back
        self.free: Permit = None
        self.calm: Permit = object()  # never handed out: every permit comes back

    def admit(self, now: float, call: Any = None) -> Permit:
        """Take a seat, or raise `BulkheadFullError`."""
        if self.used >= self.limit:
            raise self.owner.full(now)
        self.used += 1
        return self.seat

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Give the seat back."""
        if permit is self.seat:
            self.used -= 1


class LockedSeats(Seats):
    """The same with a lock, for interpreters without a GIL and runs under a line tracer.

    While it is held nothing is called: a call can start the collector, whose finalisers may come by here.
    """

    __slots__ = ("_lock",)

    used: int

    def __init__(self, owner: Bulkhead, limit: int) -> None:
        super().__init__(owner, limit)
        self._lock = allocate_lock()

    def admit(self, now: float, call: Any = None) -> Permit:
        """As `Seats.admit`."""
        with self._lock:
            if self.used < self.limit:
                self.used += 1
                return self.seat
        raise self.owner.full(now)

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """As `Seats.settle`."""
        with self._lock:
            if permit is self.seat:
                self.used -= 1


class Bulkhead(Gated):
    """Limits how many calls are under way at the same time. Made by `svcgov.bulkhead`."""

    kind = "bulkhead"
    shape: ClassVar[Literal["gate", "loop", "limit"]] = "gate"
    shares = True
    settings_class: ClassVar[type[Settings]] = BulkheadSettings
    settings: BulkheadSettings
    machine: Seats | Room

    def _build(self) -> None:
        self.refused: int = 0
        self._mishaps = Mishaps(self)
        settings = self.settings
        if settings.max_wait or settings.cost != 1:
            from ._room import Room

            self.machine = Room(self)
        else:
            self.machine = (LockedSeats if LOCKED() else Seats)(self, settings.limit)

    def _checked(self, given: Mapping[str, Any], path: str) -> BulkheadSettings:
        settings: BulkheadSettings = super()._checked(given, path)  # type: ignore[assignment]  # of its settings_class
        if isinstance(self.machine, Seats):
            if settings.max_wait:
                raise ConfigError(f"{path}.max_wait", given["max_wait"], "0, as it was made with: there is no room to wait in")
            if settings.cost != 1:
                raise ConfigError(f"{path}.cost", given["cost"], "1, as it was made with")
        return settings

    def _tune(self, before: Settings) -> None:
        if isinstance(self.machine, Seats):
            self.machine.limit = self.settings.limit
        else:
            self.machine.tune()

    def cost_of(self, call: Any) -> int:
        """What *call* costs: a function that raises, or says what cannot be, is told of, and the call costs one place."""
        cost: Any = self.settings.cost
        if not callable(cost):
            return cost  # type: ignore[no-any-return]  # an integer, as checked
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
        """``limit``, ``in_use``, ``waiting`` and ``refused``."""
        machine = self.machine
        waiting = 0 if isinstance(machine, Seats) else len(machine.waiters)
        return {"limit": machine.limit, "in_use": machine.used, "waiting": waiting, "refused": self.refused}


def bulkhead(limit: int, **options: Unpack[Options]) -> Bulkhead:
    """Let at most *limit* calls be under way at a time; refuse one more at once, or let it wait.

    Args:
        limit: 1 to 100 000.
        max_wait: how long a call may wait for a place, or until its deadline; 0 refuses at once.
        max_waiting: how many may wait at a time; None is ten times the limit.
        order: who comes in first: ``fifo``, or ``lifo``, where under load the newest are served and the oldest give up.
        cost: how many places a call takes, or a function of the call that says so.
        mode: ``observe`` decides, counts and tells what it would refuse, and lets all through; ``off`` is not there.
        when: a function of the call: only those are governed of which it is true.
        name: share the permits with every bulkhead of this name.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        BulkheadFullError: in a governed call, when all permits are out and it may not wait, or has waited too long.
    """
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(Bulkhead, {"limit": limit, **given}, name, clock)
