"""The bulkhead: at most *limit* calls at a time; one more is refused at once.

Rule 1: a permit that is out comes back, however the call ends.
Rule 2: a refused call holds nothing and changes nothing.
Rule 3: a smaller limit takes no permit away: nobody gets in until enough have come back.

Beside other calls of a busy process this isolates a slow dependency: it can hold *limit* callers, and no more.
"""

from __future__ import annotations

from _thread import allocate_lock

from .._core._schema import Settings, integer
from .._core._threads import LOCKED
from ..errors import BulkheadFullError
from ..facts import CallRefused
from ..pipeline import Gated, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict, Unpack

    from ..typing import Clock, Permit

    class Options(TypedDict, total=False):
        """The keyword arguments of `bulkhead`."""

        name: str
        clock: Clock


class BulkheadSettings(Settings):
    """The settings, checked."""

    limit: int = integer(low=1, high=100_000)


class Seats:
    """The machine: a counter. Each load and its store stand on one line with no call in it, so a GIL keeps it whole."""

    __slots__ = ("calm", "free", "limit", "owner", "seat", "used")

    def __init__(self, owner: Bulkhead, limit: int) -> None:
        self.owner = owner
        self.limit = limit
        self.used = 0
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
    shape = "gate"
    settings_class = BulkheadSettings
    settings: BulkheadSettings
    machine: Seats

    def _build(self) -> None:
        self.refused = 0
        self.machine = (LockedSeats if LOCKED() else Seats)(self, self.settings.limit)

    def _tune(self, before: Settings) -> None:
        self.machine.limit = self.settings.limit

    def full(self, now: float) -> BulkheadFullError:
        """The refusal, counted and told."""
        self.refused += 1
        if self.ears.heard:
            self.ears.tell(CallRefused(policy=self.label, at=now, kind=self.kind, reason="full"))
        return BulkheadFullError(self.label, "full")

    def snapshot(self) -> dict[str, int]:
        """``limit``, ``in_use`` and ``refused``."""
        return {"limit": self.machine.limit, "in_use": self.machine.used, "refused": self.refused}


def bulkhead(limit: int, **options: Unpack[Options]) -> Bulkhead:
    """Let at most *limit* calls be under way at a time; refuse one more at once.

    Args:
        limit: 1 to 100 000.
        name: share the permits with every bulkhead of this name.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        BulkheadFullError: in a governed call, when all permits are out.
    """
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(Bulkhead, {"limit": limit, **given}, name, clock)
