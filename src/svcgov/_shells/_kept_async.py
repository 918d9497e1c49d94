"""The frame of a gate whose permit stays out until the answer has been read, for coroutine functions. `_kept_sync` is its mirror.

Only at the edge of a client: what the client is asked with comes first among the arguments, and keeps the permit (`Keeps`).
"""

from __future__ import annotations

from .._core._call import Call, Wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..typing import Gate
    from ._kept_sync import Inner, Keeps


def kept(gate: Gate, fn: Callable[..., Any], wait: Callable[[Wait], Any], inner: Inner, *, again: bool) -> Inner:
    """A gate that may want to see the call, and let it wait. *again* says that a failing answer may be followed by another."""
    admit, settle = gate.admit, gate.settle
    asks = getattr(gate, "asks", False)

    async def call(now: float, args: Any, kw: Any) -> Any:
        keeps: Keeps = args[0]
        keeps.let_go()
        permit = gate.free
        if permit is None:
            permit = admit(now, Call(fn, args, kw) if asks else None)
            if isinstance(permit, Wait):
                permit, now = await wait(permit)
        try:
            result = await inner(now, args, kw)
        except BaseException as error:
            if again or not keeps.keep(settle, permit, error, now):
                settle(permit, error, now)
            raise
        if permit is not gate.calm:
            keeps.keep(settle, permit, None, now)
        return result

    return call
