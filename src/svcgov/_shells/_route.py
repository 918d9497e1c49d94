"""What the head of a governed function reads at every call, in one reference that a reconfiguration swaps."""

from __future__ import annotations

from ..errors import CallTimeoutError, RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeGuard

    from ..typing import Gate, Limit, Permit


class Unlimited:
    """No time-out: stands where a limit would."""

    __slots__ = ()
    seconds: float | None = None

    def late(self, took: float, error: Exception | None = None) -> None:
        """Never called: there is no limit to be late for."""


class Through:
    """The gate that lets everything through without being asked: stands where a gate would."""

    __slots__ = ()
    free: Permit = ()
    calm: Permit = free

    def admit(self, now: float, call: object = None) -> Permit:
        """Never called: `free` is always there."""
        return self.free

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Called for errors only: there is nothing to learn from."""


UNLIMITED = Unlimited()
THROUGH = Through()


def overdue(limit: Limit, seconds: float, now: float, error: BaseException) -> None:
    """A call that began at *now* has ended with *error*: if that is its own and came late, say so."""
    if _own(error):
        took = limit.clock.monotonic() - now
        if took > seconds:
            limit.late(took, error)


def ended(limit: Limit, seconds: float, took: float, error: BaseException | None) -> None:
    """The same, where it has taken so long, and may also have ended well."""
    if took > seconds and (error is None or _own(error)):
        limit.late(took, error)


def _own(error: BaseException) -> TypeGuard[Exception]:
    """Not of one that was cancelled, has not begun, or was ended by a time-out that has told of itself."""
    return isinstance(error, Exception) and not isinstance(error, (RejectedError, CallTimeoutError))


class Route:
    """One nesting of the shells. Never changed after it was made."""

    __slots__ = ("admit", "clock", "gate", "inner", "limit", "name", "settle")

    def __init__(
        self, *, name: str, clock: Callable[[], float], limit: Any, gate: Gate, inner: Callable[[float, Any, Any], Any]
    ) -> None:
        self.name: str = name
        self.clock: Callable[[], float] = clock
        self.limit: Any = limit
        self.gate: Gate = gate
        self.admit: Callable[[float], Permit] = gate.admit
        self.settle: Callable[[Permit, BaseException | None, float], None] = gate.settle
        self.inner: Callable[[float, Any, Any], Any] = inner
