"""The settings that all gates share, ``mode`` and ``when``: seen to when the frames are nested.

Who does not use them pays nothing.

Rule 1: a gate that is off is not nested at all.
Rule 2: a gate that observes decides, counts and tells what it would have refused; it lets every call through, and nobody waits.
Rule 3: a call that a gate is not meant for passes by it, uncounted. A block has no call to look at: the gate is meant for it.
"""

from __future__ import annotations

from .._core._call import Wait
from .._core._mishaps import Mishaps
from ..errors import RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..pipeline import Policy
    from ..typing import Gate, Permit

PASSED: Permit = object()  # of a call that the gate has not let in, and has no part in


def observed(policy: Policy) -> bool:
    """Whether this gate observes, and leaves it to the frames to see to that."""
    return policy.shares and not policy.keeps_mode and policy.settings.mode == "observe"  # type: ignore[attr-defined]  # as gates that share have


def gate_of(policy: Policy, *, block: bool = False) -> Any:
    """The machine of a gate, in whatever its mode and its ``when`` put around it."""
    gate = policy.machine
    if not policy.shares:
        return gate
    if observed(policy):
        gate = Observed(gate)
    when = policy.settings.when  # type: ignore[attr-defined]  # as gates that share have
    return gate if when is None or block else Meant(gate, when, Mishaps(policy))


class Observed:
    """A gate that refuses nothing."""

    __slots__ = ("asks", "gate")

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.asks = getattr(gate, "asks", False)

    @property
    def free(self) -> Permit:
        """The gate's own."""
        return self.gate.free

    @property
    def calm(self) -> Permit:
        """The gate's own."""
        return self.gate.calm

    def admit(self, now: float, call: Any = None) -> Permit:
        """Its own permit, if there is one; else the call passes."""
        try:
            permit = self.gate.admit(now, call)
        except RejectedError:
            return PASSED
        if isinstance(permit, Wait):
            permit.abandon()
            return PASSED
        return permit

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Give back what is its own."""
        if permit is not PASSED:
            self.gate.settle(permit, error, now)


class Meant:
    """A gate for those calls of which *when* is true."""

    __slots__ = ("_mishaps", "_when", "free", "gate")
    asks = True

    def __init__(self, gate: Gate, when: Callable[[Any], object], mishaps: Mishaps) -> None:
        self.gate = gate
        self.free: Permit = None  # it has to see the call
        self._when = when
        self._mishaps = mishaps

    @property
    def calm(self) -> Permit:
        """The gate's own."""
        return self.gate.calm

    def admit(self, now: float, call: Any = None) -> Permit:
        """As the gate does, for a call it is meant for."""
        try:
            meant = bool(self._when(call))
        except Exception as failure:
            self._mishaps.tell("when", failure, "the call was governed")
            meant = True
        if not meant:
            return PASSED
        permit = self.gate.free
        return self.gate.admit(now, call) if permit is None else permit

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Give back what is the gate's."""
        if permit is not PASSED:
            self.gate.settle(permit, error, now)
