"""Nesting the frames of a pipeline, once, when it is built or reconfigured.

Adjacent gates share a frame; the outermost time-out and the outermost gate live in the head itself. So

    timeout > bulkhead > retry > rate limit > circuit breaker > the function

is three frames for a plain function: the head (deadline, bulkhead), the loop, and a leaf with two gates.
"""

from __future__ import annotations

from ._modes import gate_of
from ._route import THROUGH, UNLIMITED, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

    from .._core._call import Wait
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


def nest(
    policies: tuple[Policy, ...],
    fn: Callable[..., Any],
    *,
    kind: str,
    name: str,
    clock: Clock,
    known_as: frozenset[object] | None = None,
    instead: Callable[..., Any] | None = None,
) -> Route:
    """Fold *policies* (first = outermost) around *fn*; *known_as* says that it may be overridden, and as what.

    *instead* is what is called in its place, for tests.
    """
    shell = shell_of(kind)
    if known_as is not None:
        from ._variants import Variants

        def fold(others: tuple[Policy, ...]) -> Inner:
            return _fold(shell, kind, others, fn, instead)

        chosen = shell.chosen(fold(policies), Variants(policies, known_as, clock, fold))
        return Route(name=name, clock=clock.monotonic, limit=UNLIMITED, gate=THROUGH, inner=chosen)
    rest = list(policies)
    limit: Any = UNLIMITED
    gate: Any = THROUGH
    inner: Inner | None = None
    if rest and rest[0].shape == "limit":
        outermost = rest.pop(0)
        if _own_frame(outermost, kind):
            inner = _enforced(outermost, kind, _fold(shell, kind, rest, fn, instead), "total")
        # On a worker thread the deadline is set in the worker's own copy of the context.
        limit = UNLIMITED if kind != "async" and _own_frame(outermost, kind) else outermost.machine
    if inner is None:
        if rest and _shares_a_frame(rest[0]):
            gate = gate_of(rest.pop(0))
        inner = _fold(shell, kind, rest, fn, instead)
    return Route(name=name, clock=clock.monotonic, limit=limit, gate=gate, inner=inner)


def _fold(
    shell: ModuleType, kind: str, policies: Sequence[Policy], fn: Callable[..., Any], instead: Callable[..., Any] | None
) -> Inner:
    """The frames inside the head, from the leaf outwards."""
    rest = list(policies)
    innermost = _adjacent_gates(rest)
    inner: Inner
    called = instead or fn
    if len(innermost) == 2:
        inner = shell.leaf2(*innermost, called)
    elif innermost:
        inner = shell.leaf1(*innermost, called)
    else:
        inner = shell.leaf0(called)
    while rest:
        if gates := _adjacent_gates(rest):
            inner = shell.ring2(*gates, inner) if len(gates) == 2 else shell.ring1(*gates, inner)
            continue
        policy = rest.pop()
        if policy.shape == "gate":
            inner = _apart(shell, kind, policy, None if fn is shell.direct else fn, inner)
        elif policy.shape == "loop":
            retry = policy.machine
            retry.tally.around(None if fn is shell.direct else fn)
            inner = (
                shell.judged(retry, shell.loop(retry, shell.judging(retry, inner))) if retry.judges else shell.loop(retry, inner)
            )
        else:
            inside_loop = any(outer.shape == "loop" for outer in rest)
            if _own_frame(policy, kind):
                inner = _enforced(policy, kind, inner, "attempt" if inside_loop else "total")
            if kind == "async" or not _own_frame(policy, kind):
                inner = shell.within(policy.machine, inner)
    return inner


def _adjacent_gates(rest: list[Policy]) -> list[Any]:
    """Take the last one or two policies off *rest* when they are gates that share a frame."""
    taken: list[Any] = []
    while rest and len(taken) < 2 and _shares_a_frame(rest[-1]):
        taken.insert(0, gate_of(rest.pop()))
    return taken


def _shares_a_frame(policy: Policy) -> bool:
    """Whether this is a gate that neither wants to see the call, nor lets it wait, nor looks at results."""
    return policy.shape == "gate" and not getattr(gate_of(policy), "asks", False) and not _judges(policy)


def _judges(policy: Policy) -> bool:
    """Whether this gate looks at results."""
    return bool(getattr(policy, "judges", False))


def _apart(shell: ModuleType, kind: str, policy: Policy, fn: Callable[..., Any] | None, inner: Inner) -> Inner:
    """The frames of a gate that shares none."""
    gate, judges = gate_of(policy), _judges(policy)
    if judges:
        inner = shell.judging(policy, inner)
    inner = shell.asked(gate, fn, _wait_of(kind), inner) if getattr(gate, "asks", False) else shell.ring1(gate, inner)
    return shell.judged(policy, inner) if judges else inner


def _wait_of(kind: str) -> Callable[[Wait], Any]:
    """How this kind of function waits for a gate."""
    if kind == "async":
        from ._waiting_async import wait as waiting

        return waiting
    from ._waiting_sync import wait

    return wait


def _own_frame(policy: Policy, kind: str) -> bool:
    """Whether this time-out needs a frame that enforces it, beside the deadline."""
    return kind == "async" or bool(policy.machine.on_thread)


def _enforced(policy: Policy, kind: str, inner: Inner, reason: str) -> Inner:
    if kind == "async":
        from ._lanes import cancelling

        return cancelling(policy.machine, inner, reason)
    from ._workers import hop

    return hop(policy.machine, inner, reason)
