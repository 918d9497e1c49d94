"""Nesting the frames of a pipeline, once, when it is built or reconfigured.

Adjacent gates share a frame; the outermost time-out and the outermost gate live in the head itself. So

    timeout > bulkhead > retry > rate limit > circuit breaker > the function

is three frames for a plain function: the head (deadline, bulkhead), the loop, and a leaf with two gates. While somebody overrides
settings, or makes spans, the head has neither: all frames are inside of the one that sees to that.
"""

from __future__ import annotations

from .._core._spans import SPANS
from ._modes import gate_of
from ._route import THROUGH, UNLIMITED, Route

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import ModuleType
    from typing import Any

    from .._core._call import Wait
    from ..pipeline import Policy
    from ..typing import Clock, Limit
    from ._sync import Inner


def shell_of(kind: str) -> ModuleType:
    """The frames for this kind of function (``inline`` is a plain one that stays on its thread)."""
    if kind == "async":
        from . import _async

        return _async
    if kind == "generator":
        from . import _generators_sync

        return _generators_sync
    if kind == "async generator":
        from . import _generators_async

        return _generators_async
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
    edge: bool = False,
) -> Route:
    """Fold *policies* (first = outermost) around *fn*; *known_as* says that it may be overridden, and as what.

    *instead* is what is called in its place, for tests. At an *edge* permits stay out until an answer has been read.
    """
    if "generator" in kind:
        return _staged(policies, instead or fn, kind=kind, name=name, clock=clock, known_as=known_as)  # type: ignore[no-any-return]  # its own head reads it
    shell = shell_of(kind)
    limit: Any = UNLIMITED
    gate: Any = THROUGH
    inner: Inner | None = None
    spans = bool(policies) and SPANS.nested
    if known_as is not None or spans:

        def fold(others: tuple[Policy, ...]) -> Inner:
            return _fold(shell, kind, others, fn, instead, edge=edge)

        inner = fold(policies)
        if known_as is not None:
            from ._variants import Variants

            inner = shell.chosen(inner, Variants(policies, known_as, clock, fold))
        if spans:
            inner = _spanned(kind, name, inner, edge=edge)
        return Route(name=name, clock=clock.monotonic, limit=limit, gate=gate, inner=inner)
    rest = list(policies)
    if rest and rest[0].shape == "limit" and not _measures(rest[0]):
        outermost = rest.pop(0)
        if _own_frame(outermost, kind):
            inner = _enforced(outermost, kind, _fold(shell, kind, rest, fn, instead, edge=edge), "total")
        # On a worker thread the deadline is set in the worker's own copy of the context.
        limit = UNLIMITED if kind != "async" and _own_frame(outermost, kind) else outermost.machine
    if inner is None:
        if rest and _shares_a_frame(rest[0], edge):
            gate = gate_of(rest.pop(0))
        inner = _fold(shell, kind, rest, fn, instead, edge=edge)
    return Route(name=name, clock=clock.monotonic, limit=limit, gate=gate, inner=inner)


def _staged(
    policies: tuple[Policy, ...],
    fn: Callable[..., Any],
    *,
    kind: str,
    name: str,
    clock: Clock,
    known_as: frozenset[object] | None,
) -> Any:
    """What a generator enters: it has one frame, whatever is around it."""
    from ._life import Stages, stages_of

    usual = stages_of(policies)
    if any(getattr(machine, "asks", False) for machine, _ in usual):
        _wait_of("async" if kind == "async generator" else "sync")  # loaded now, not at the first step
    other = None
    if known_as is not None:
        from ._variants import Variants

        other = Variants(policies, known_as, clock, stages_of)
    return Stages(fn, name=name, clock=clock, usual=usual, other=other, spans=bool(policies) and SPANS.nested)


def _fold(
    shell: ModuleType,
    kind: str,
    policies: Sequence[Policy],
    fn: Callable[..., Any],
    instead: Callable[..., Any] | None,
    *,
    edge: bool,
) -> Inner:
    """The frames inside the head, from the leaf outwards."""
    rest = list(policies)
    innermost = _adjacent_gates(rest, edge)
    inner: Inner
    called = instead or fn
    if len(innermost) == 2:
        inner = shell.leaf2(*innermost, called)
    elif innermost:
        inner = shell.leaf1(*innermost, called)
    else:
        inner = shell.leaf0(called)
    while rest:
        if gates := _adjacent_gates(rest, edge):
            inner = shell.ring2(*gates, inner) if len(gates) == 2 else shell.ring1(*gates, inner)
            continue
        policy = rest.pop()
        if policy.shape == "gate":
            if edge and policy.holds:
                inner = _kept(kind, policy, fn, inner, again=any(outer.shape == "loop" for outer in rest))
                continue
            inner = _apart(shell, kind, policy, None if fn is shell.direct else fn, inner)
        elif policy.shape == "loop":
            retry = policy.machine
            retry.tally.around(None if fn is shell.direct else fn)
            inner = (
                shell.judged(retry, shell.loop(retry, shell.judging(retry, inner))) if retry.judges else shell.loop(retry, inner)
            )
        else:
            inside_loop = any(outer.shape == "loop" for outer in rest)
            reason = "attempt" if inside_loop else "total"
            if _measures(policy):
                keeper = _keeper(shell, kind, policy, reason)
                inner = shell.measured(policy.machine, None if fn is shell.direct else fn, keeper, inner)
                continue
            if _own_frame(policy, kind):
                inner = _enforced(policy, kind, inner, reason)
            if kind == "async" or not _own_frame(policy, kind):
                inner = shell.within(policy.machine, inner)
    return inner


def _spanned(kind: str, name: str, inner: Inner, *, edge: bool) -> Inner:
    """The frame that makes a span of each call."""
    if kind == "async":
        from ._span_async import spanned
    else:
        from ._span_sync import spanned
    return spanned(name, inner, edge=edge)


def _adjacent_gates(rest: list[Policy], edge: bool) -> list[Any]:
    """Take the last one or two policies off *rest* when they are gates that share a frame."""
    taken: list[Any] = []
    while rest and len(taken) < 2 and _shares_a_frame(rest[-1], edge):
        taken.insert(0, gate_of(rest.pop()))
    return taken


def _shares_a_frame(policy: Policy, edge: bool) -> bool:
    """Whether this is a gate that neither wants to see the call, nor lets it wait, nor looks at results."""
    if edge and policy.holds:
        return False
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


def _kept(kind: str, policy: Policy, fn: Callable[..., Any], inner: Inner, *, again: bool) -> Inner:
    """The frames of a gate whose permit stays out until the answer has been read."""
    if kind == "async":
        from ._kept_async import kept
    else:
        from ._kept_sync import kept
    return kept(gate_of(policy), fn, _wait_of(kind), inner, again=again)


def _wait_of(kind: str) -> Callable[[Wait], Any]:
    """How this kind of function waits for a gate."""
    if kind == "async":
        from ._waiting_async import wait as waiting

        return waiting
    from ._waiting_sync import wait

    return wait


def _own_frame(policy: Policy, kind: str) -> bool:
    """Whether this time-out needs a frame that enforces it, beside the deadline."""
    return kind == "async" or (kind == "sync" and bool(policy.machine.on_thread))


def _measures(policy: Policy) -> bool:
    """Whether the seconds of this time-out are a function of the call."""
    return hasattr(policy.machine, "limit_of")


def _keeper(shell: ModuleType, kind: str, policy: Policy, reason: str) -> Callable[[Limit, Inner], Inner]:
    """What makes the frames that keep the limit of one call."""
    if kind == "async":
        from ._lanes import cancelling_once

        return lambda limit, inner: shell.within(limit, cancelling_once(limit, inner, reason))
    if _own_frame(policy, kind):
        from ._workers import hop

        return lambda limit, inner: hop(limit, inner, reason)
    return shell.within  # type: ignore[no-any-return]  # a maker of frames


def _enforced(policy: Policy, kind: str, inner: Inner, reason: str) -> Inner:
    if kind == "async":
        from ._lanes import cancelling

        return cancelling(policy.machine, inner, reason)
    from ._workers import hop

    return hop(policy.machine, inner, reason)
