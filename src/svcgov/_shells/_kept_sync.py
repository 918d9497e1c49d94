"""The frame of a gate whose permit stays out until the answer has been read, for plain functions. `_kept_async` is its mirror.

Only at the edge of a client: what the client is asked with comes first among the arguments, and keeps the permit (`Keeps`).
"""

from __future__ import annotations

from .._core._call import Call, Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol

    from ..typing import Gate, Permit

    Inner = Callable[[float, Any, Any], Any]

    class Keeps(Protocol):
        """What a client is asked with: keeps permits until the answer to it has been read."""

        def let_go(self) -> None:
            """An attempt begins: the permits of an earlier one are given back."""
            ...

        def keep(
            self,
            settle: Callable[[Permit, BaseException | None, float], None],
            permit: Permit,
            error: BaseException | None,
            now: float,
            /,
        ) -> bool:
            """Whether the permit stays out: there is an answer, a good one or (*error*) a failing one, to be read."""
            ...


def kept(gate: Gate, fn: Callable[..., Any], wait: Callable[[Wait], Any], inner: Inner, *, again: bool) -> Inner:
    """A gate that may want to see the call, and let it wait. *again* says that a failing answer may be followed by another."""
    admit, settle = gate.admit, gate.settle
    asks = getattr(gate, "asks", False)

    def call(now: float, args: Any, kw: Any) -> Any:
        keeps: Keeps = args[0]
        keeps.let_go()
        permit = gate.free
        if permit is None:
            permit = admit(now, Call(fn, args, kw) if asks else None)
            if isinstance(permit, Wait):
                permit, now = wait(permit)
        try:
            result = inner(now, args, kw)
        except BaseException as error:
            if again or not keeps.keep(settle, permit, error, now):
                settle(permit, error, now)
            raise
        if permit is not gate.calm:
            keeps.keep(settle, permit, None, now)
        return result

    return call
