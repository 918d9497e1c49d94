"""A gate that writes down what it is asked and told, for tests of the frames around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from svcgov._core._schema import Settings
from svcgov.errors import RejectedError
from svcgov.pipeline import Gated

if TYPE_CHECKING:
    from svcgov.typing import Clock


class NoSettings(Settings):
    """There is nothing to set."""


class Watched(Gated):
    """A gate of the name *label*, whose machine it is itself. All gates of a test share one *log*."""

    kind = "watched"
    shape = "gate"
    settings_class = NoSettings

    def __init__(self, label: str, log: list[tuple[Any, ...]], clock: Clock) -> None:
        super().__init__({}, name=label, clock=clock)
        self.log = log
        self.asked: list[float] = []  # when
        self.permit: object = object()
        self.free: object = None
        self.calm: object = object()
        self.refusing = False

    def _build(self) -> None:
        self.machine = self

    def admit(self, now: float, call: Any = None) -> object:
        """Write it down; refuse if it is to."""
        self.asked.append(now)
        if self.refusing:
            self.log.append((self.label, "refused"))
            raise RejectedError(self.label, "refusing")
        self.log.append((self.label, "admitted"))
        return self.permit

    def settle(self, permit: object, error: BaseException | None, now: float) -> None:
        """Write it down."""
        assert permit is (self.permit if self.free is None else self.free)
        self.log.append((self.label, "settled", error, now))
