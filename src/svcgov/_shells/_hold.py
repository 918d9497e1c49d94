"""Gates and time-outs as context managers: ``with bulkhead:``, ``async with timeout(2):``.

What was entered is kept on a stack of the context, so one policy serves many threads and tasks, nested too.

Rule: what was entered is left in the opposite order, whatever is raised on the way.
"""

from __future__ import annotations

from contextvars import ContextVar

from .._core._call import Wait
from .._core._context import DEADLINE, put_back
from .._core._matching import Ignored
from .._core._mishaps import noted
from ..errors import DeadlineExceededError
from ._modes import gate_of
from ._route import ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Token
    from typing import Any, TypeVar

    from .._core._call import Call
    from ..pipeline import Policy
    from ..typing import Gate, Limit, Permit

    T = TypeVar("T")

_HELD: ContextVar[tuple[Held, ...]] = ContextVar("svcgov.held", default=())


class Held:
    """What a ``with`` gives: the permits of this block."""

    __slots__ = ("_ignored", "_judges", "_left", "owner")

    def __init__(self, owner: object) -> None:
        self.owner: object = owner
        self._ignored = False
        self._judges: dict[Any, Exception | None] | None = None  # gates that look at results; the marker of the last verdict
        self._left: list[Callable[[BaseException | None], None]] = []

    def ignore(self) -> None:
        """Let the gates learn nothing from this block."""
        self._ignored = True

    def result(self, result: T) -> T:
        """Show a result to the gates that look at them: a bad one is a failure. It comes back as it is; the last one counts."""
        judges = self._judges or {}
        for policy in judges:
            judges[policy] = None
            try:
                policy.judge(result)
            except Exception as marker:
                judges[policy] = marker.with_traceback(None)  # which holds this frame: they would wait for the collector
        return result

    def take(self, gate: Gate, now: float, call: Call | None = None, judge: Any = None) -> float:
        """Ask *gate* for a permit, to be given back at the end; the reading of the clock after it."""
        permit: Permit = gate.free
        if permit is None:
            permit = gate.admit(now, call)
            if isinstance(permit, Wait):
                from ._waiting_sync import wait

                permit, now = wait(permit)
        self._keep(gate, permit, now, judge)
        return now

    async def take_in_turn(self, gate: Gate, now: float, call: Call | None = None, judge: Any = None) -> float:
        """As `take`, letting other tasks run meanwhile."""
        permit: Permit = gate.free
        if permit is None:
            permit = gate.admit(now, call)
            if isinstance(permit, Wait):
                from ._waiting_async import wait

                permit, now = await wait(permit)
        self._keep(gate, permit, now, judge)
        return now

    def _keep(self, gate: Gate, permit: Permit, now: float, judge: Any) -> None:
        if judge is not None:
            self._judges = {**(self._judges or {}), judge: None}

        def leave(error: BaseException | None) -> None:
            if error is None and self._judges is not None:
                error = self._judges.get(judge)
            if permit is not gate.calm or error is not None:
                gate.settle(permit, error, self._since(now))

        self._left.append(leave)

    def _since(self, now: float) -> float:
        """What a gate is told of when it began: *now*, when it was let in."""
        return now

    def tighten(self, limit: Limit, now: float) -> None:
        """Set the deadline of *limit*, if it is tighter than what stands."""
        outer, seconds = DEADLINE.get(), limit.seconds
        if outer is not None and outer <= now:
            raise DeadlineExceededError(limit.name, "expired")
        if seconds is None or (outer is not None and outer <= now + seconds):
            return
        token: Token[float | None] = DEADLINE.set(now + seconds)

        def leave(error: BaseException | None) -> None:
            put_back(DEADLINE, token)
            ended(limit, seconds, limit.clock.monotonic() - now, error)

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
            try:
                raise expired
            finally:
                del expired, verdict  # an error's traceback holds this frame: together they would wait for the collector


def enter(owner: object, policies: Sequence[Policy], now: float, *, cancel: bool = False, call: Call | None = None) -> Held:
    """Enter all *policies*, or none: what was taken is given back when a later one refuses.

    With *cancel*, time-outs cancel the running task; without, they set the deadline and no more. *call* is what they are
    entered for, where it is more than a block.
    """
    held = Held(owner)
    try:
        for policy in policies:
            if policy.shape == "gate":
                now = held.take(gate_of(policy, block=call is None), now, call, judge=_judge(policy))
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
                now = await held.take_in_turn(gate_of(policy, block=True), now, judge=_judge(policy))
            else:
                held.tighten(policy.machine, now)
                held.cancel_late(policy.machine, now)
    except BaseException as error:
        held.leave(error)
        raise
    _HELD.set((*_HELD.get(), held))
    return held


def _judge(policy: Policy) -> Policy | None:
    """The policy itself, if it looks at results."""
    return policy if getattr(policy, "judges", False) else None


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
