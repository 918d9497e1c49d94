"""Gates and time-outs as context managers: ``with bulkhead:``, ``async with timeout(2):``.

What was entered is kept on a stack of the context, so one policy serves many threads and tasks, nested too.

Rule: what was entered is left in the opposite order, whatever is raised on the way.
"""

from __future__ import annotations

from contextvars import ContextVar

from .._core._call import Wait
from .._core._context import DEADLINE
from .._core._matching import Ignored
from .._core._mishaps import noted
from ..errors import DeadlineExceededError
from ._modes import gate_of
from ._route import overdue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Token

    from ..pipeline import Policy
    from ..typing import Gate, Limit, Permit

_HELD: ContextVar[tuple[Held, ...]] = ContextVar("svcgov.held", default=())


class Held:
    """What a ``with`` gives: the permits of this block."""

    __slots__ = ("_ignored", "_left", "owner")

    def __init__(self, owner: object) -> None:
        self.owner: object = owner
        self._ignored = False
        self._left: list[Callable[[BaseException | None], None]] = []

    def ignore(self) -> None:
        """Let the gates learn nothing from this block."""
        self._ignored = True

    def take(self, gate: Gate, now: float) -> float:
        """Ask *gate* for a permit, to be given back at the end; the reading of the clock after it."""
        permit: Permit = gate.free
        if permit is None:
            permit = gate.admit(now)
            if isinstance(permit, Wait):
                from ._waiting_sync import wait

                permit, now = wait(permit)
        self._keep(gate, permit, now)
        return now

    async def take_in_turn(self, gate: Gate, now: float) -> float:
        """As `take`, letting other tasks run meanwhile."""
        permit: Permit = gate.free
        if permit is None:
            permit = gate.admit(now)
            if isinstance(permit, Wait):
                from ._waiting_async import wait

                permit, now = await wait(permit)
        self._keep(gate, permit, now)
        return now

    def _keep(self, gate: Gate, permit: Permit, now: float) -> None:
        def leave(error: BaseException | None) -> None:
            if permit is not gate.calm or error is not None:
                gate.settle(permit, error, now)

        self._left.append(leave)

    def tighten(self, limit: Limit, now: float) -> None:
        """Set the deadline of *limit*, if it is tighter than what stands."""
        outer, seconds = DEADLINE.get(), limit.seconds
        if outer is not None and outer <= now:
            raise DeadlineExceededError(limit.name, "expired")
        if seconds is None or (outer is not None and outer <= now + seconds):
            return
        token: Token[float | None] = DEADLINE.set(now + seconds)

        def leave(error: BaseException | None) -> None:
            DEADLINE.reset(token)
            if error is not None:
                overdue(limit, seconds, now, error)
                return
            took = limit.clock.monotonic() - now
            if took > seconds:
                limit.late(took)

        self._left.append(leave)

    def cancel_late(self, limit: Limit, now: float) -> None:
        """Cancel the task of this block when *limit*, or a tighter deadline around it, has passed."""
        from ._lanes import Expiry

        deadline = DEADLINE.get()
        if limit.seconds is None or deadline is None:
            return
        allowed = limit.seconds if deadline == now + limit.seconds else deadline - now
        expiry = Expiry(limit.clock, deadline)

        def leave(error: BaseException | None) -> None:
            if expiry.ended_by_us(error):
                raise limit.expired("total", allowed) from error

        self._left.append(leave)

    def leave(self, error: BaseException | None) -> None:
        """Give everything back, last taken first; an expired time-out puts its own error in place of the cancellation."""
        verdict = Ignored() if self._ignored and (error is None or isinstance(error, Exception)) else error
        expired: BaseException | None = None
        while self._left:
            try:
                self._left.pop()(verdict)
            except BaseException as instead:
                verdict = expired = instead
        if expired is not None:
            raise expired


def enter(owner: object, policies: Sequence[Policy], now: float, *, cancel: bool = False) -> Held:
    """Enter all *policies*, or none: what was taken is given back when a later one refuses.

    With *cancel*, time-outs cancel the running task; without, they set the deadline and no more.
    """
    held = Held(owner)
    try:
        for policy in policies:
            if policy.shape == "gate":
                now = held.take(gate_of(policy, block=True), now)
            else:
                held.tighten(policy.machine, now)
                if cancel:
                    held.cancel_late(policy.machine, now)
    except BaseException as error:
        held.leave(error)
        raise
    _HELD.set((*_HELD.get(), held))
    return held


async def enter_in_turn(owner: object, policies: Sequence[Policy], now: float) -> Held:
    """As `enter` with *cancel*, where a gate may let the task wait."""
    held = Held(owner)
    try:
        for policy in policies:
            if policy.shape == "gate":
                now = await held.take_in_turn(gate_of(policy, block=True), now)
            else:
                held.tighten(policy.machine, now)
                held.cancel_late(policy.machine, now)
    except BaseException as error:
        held.leave(error)
        raise
    _HELD.set((*_HELD.get(), held))
    return held


def leave(owner: object, error: BaseException | None) -> None:
    """Leave the innermost block of *owner*. In another context it is not there: that is an error, but masks none."""
    stack = _HELD.get()
    for index in range(len(stack) - 1, -1, -1):
        if stack[index].owner is owner:
            _HELD.set(stack[:index] + stack[index + 1 :])
            stack[index].leave(error)
            return
    wrong = f"{owner!r} is left in a context in which it was not entered"
    if error is None:
        raise RuntimeError(wrong)
    noted(error, f"svcgov: {wrong}")
