"""Nesting the frames of a pipeline, once, when it is built or reconfigured.

Adjacent gates share a frame; the outermost time-out and the outermost gate live in the head itself. So

    timeout > bulkhead > retry > rate limit > circuit breaker > the function

is three frames for a plain function: the head (deadline, bulkhead), the loop, and a leaf with two gates.
"""

from __future__ import annotations

from ._route import THROUGH, UNLIMITED, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

    from ..pipeline import Policy
    from ..typing import Clock
    from ._sync import Inner


def shell_of(kind: str) -> ModuleType:
    """The frames for this kind of function."""
    if kind == "async":
        from . import _async

        return _async
    from . import _sync

    return _sync


def nest(policies: Sequence[Policy], fn: Callable[..., Any], *, kind: str, name: str, clock: Clock) -> Route:
    """Fold *policies* (first = outermost) around *fn*."""
    shell = shell_of(kind)
    rest = list(policies)
    limit: Any = UNLIMITED
    gate: Any = THROUGH
    inner: Inner | None = None
    if rest and rest[0].shape == "limit":
        outermost = rest.pop(0)
        if _own_frame(outermost, kind):
            inner = _enforced(outermost, kind, _fold(shell, kind, rest, fn), "total")
        # On a worker thread the deadline is set in the worker's own copy of the context.
        limit = UNLIMITED if kind != "async" and _own_frame(outermost, kind) else outermost.machine
    if inner is None:
        if rest and rest[0].shape == "gate":
            gate = rest.pop(0).machine
        inner = _fold(shell, kind, rest, fn)
    return Route(name=name, clock=clock.monotonic, limit=limit, gate=gate, inner=inner)


def _fold(shell: ModuleType, kind: str, policies: Sequence[Policy], fn: Callable[..., Any]) -> Inner:
    """The frames inside the head, from the leaf outwards."""
    rest = list(policies)
    innermost = _adjacent_gates(rest)
    inner: Inner
    if len(innermost) == 2:
        inner = shell.leaf2(*innermost, fn)
    elif innermost:
        inner = shell.leaf1(*innermost, fn)
    else:
        inner = shell.leaf0(fn)
    while rest:
        if gates := _adjacent_gates(rest):
            inner = shell.ring2(*gates, inner) if len(gates) == 2 else shell.ring1(*gates, inner)
            continue
        policy = rest.pop()
        if policy.shape == "loop":
            inner = shell.loop(policy.machine, inner)
        else:
            inside_loop = any(outer.shape == "loop" for outer in rest)
            if _own_frame(policy, kind):
                inner = _enforced(policy, kind, inner, "attempt" if inside_loop else "total")
            if kind == "async" or not _own_frame(policy, kind):
                inner = shell.within(policy.machine, inner)
    return inner


def _adjacent_gates(rest: list[Policy]) -> list[Any]:
    """Take the last one or two policies off *rest* when they are gates."""
    taken: list[Any] = []
    while rest and len(taken) < 2 and rest[-1].shape == "gate":
        taken.insert(0, rest.pop().machine)
    return taken


def _own_frame(policy: Policy, kind: str) -> bool:
    """Whether this time-out needs a frame that enforces it, beside the deadline."""
    return kind == "async" or bool(policy.machine.on_thread)


def _enforced(policy: Policy, kind: str, inner: Inner, reason: str) -> Inner:
    if kind == "async":
        from ._lanes import cancelling

        return cancelling(policy.machine, inner, reason)
    from ._workers import hop

    return hop(policy.machine, inner, reason)
