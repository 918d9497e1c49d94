"""A gate with a key that is made up: so many at a desk of each key at a time, for tests of what all such gates share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from svcgov._core._mishaps import Mishaps
from svcgov._core._schema import custom, integer
from svcgov.errors import BulkheadFullError
from svcgov.pipeline import Gated
from svcgov.policies._keyed import FREELY, NEVER, Keyed, OfKey
from svcgov.policies._room import Room
from svcgov.policies.bulkhead import BulkheadSettings

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


class DeskSettings(BulkheadSettings):
    """Those of a bulkhead, and the key."""

    key: Any = custom(lambda value, path: value, default=None)
    max_keys: int = integer(default=3, low=1, high=1_000_000)


class Desk:
    """What the room of one key knows of its policy."""

    def __init__(self, policy: Desks, key: Any) -> None:
        self.policy = policy
        self.key = key

    @property
    def settings(self) -> Any:
        return self.policy.settings

    @property
    def clock(self) -> Any:
        return self.policy.clock

    def cost_of(self, call: Any) -> int:
        return 1

    def full(self, now: float, reason: str = "full") -> BulkheadFullError:
        return BulkheadFullError(f"{self.policy.label}[{self.key}]", reason)


class ForkedRoom(Room):
    """A room that says that it has been told of a fork, or of a snapshot."""

    __slots__ = ("told",)

    def forked(self) -> None:
        self.told = "forked"

    def restored(self) -> None:
        self.told = "restored"


class Desks(Gated):
    """So many at a time for each key."""

    kind = "desks"
    shape = "gate"
    shares = True
    settings_class = DeskSettings
    settings: DeskSettings

    def _build(self) -> None:
        self._mishaps = Mishaps(self)
        self.machine = Keyed(self)

    def _tune(self, before: Any) -> None:
        for gate in self.machine.gates():
            gate.tune()
        self.machine.fit(self.clock.monotonic())

    def gate_for(self, key: Any) -> Room:
        return ForkedRoom(Desk(self, key))  # type: ignore[arg-type]  # as much of a bulkhead as a room looks at

    def spare(self, gate: Room, now: float) -> int:
        return NEVER if gate.used or gate.waiters else FREELY


class DeskOf(OfKey):
    """The desk of one key."""


def first(call: Any) -> Any:
    """The key is the first argument."""
    return call.args[0] if call.args else None


def desks(clock: ManualClock, **settings: Any) -> Desks:
    return Desks({"limit": 1, "key": first, **settings}, clock=clock)
