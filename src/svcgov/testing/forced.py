"""States by force: a circuit is open, a bulkhead full, a limit or a budget used up, without anything having broken.

==============  ==========================================================================  ============================
state           of                                                                          a call is refused
==============  ==========================================================================  ============================
``open``, ...   a circuit breaker: any that its ``current_state`` can have                  as in that state
``full``        a bulkhead: all places are taken                                            ``full``, or ``wait_timeout``
``limited``     a rate limit: it is used up, for every key                                  ``limited``
``empty``       a budget: nothing is left                                                   a retry ends: ``budget``
==============  ==========================================================================  ============================

Rule 1: who is in a state by force acts in it as it would by itself: its own refusals, told and counted, until its time is over.
Rule 2: nobody is told of the force itself, neither on the way in nor on the way out.
Rule 3: on the way out all is as it was, to the last count; calls under way count where they began.
"""

from __future__ import annotations

from contextlib import contextmanager

from .._core import _live
from .._core._budget import Budget
from ..errors import ConfigError
from ..pipeline import Policy
from ..policies._keyed import Keyed
from ..policies._keys import Keys
from ..policies._tolls import Tolls
from .switches import Endless, nest_anew

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Literal, TypeAlias

    from ..policies._buckets import Level
    from ..policies._circuit import Circuit
    from ..policies._rate_settings import RateLimitSettings

    State: TypeAlias = Literal[
        "closed", "open", "half-open", "forced-open", "disabled", "metrics-only", "full", "limited", "empty"
    ]

_CIRCUIT = ("closed", "open", "half-open", "forced-open", "disabled", "metrics-only")
_KINDS = {**dict.fromkeys(_CIRCUIT, "circuit_breaker"), "full": "bulkhead", "limited": "rate_limit", "empty": "budget"}


@contextmanager
def forced(policy: Policy | Budget | str, state: State) -> Iterator[None]:
    """Let *policy* be in *state*, whatever it has counted; afterwards it is as it was.

    Inside it begins anew in that state and goes on from there: an open circuit lets probes through when its time is over,
    a used-up limit is there again after its window.

    Args:
        policy: a circuit breaker, bulkhead, rate limit or budget, or the name of those of the kind that *state* belongs to.
        state: of a circuit breaker ``open``, ``half-open``, ``closed``, ``forced-open``, ``disabled`` or ``metrics-only``;
            of a bulkhead ``full``, of a rate limit ``limited``, of a budget ``empty``.

    Raises:
        ConfigError: for a state that *policy* cannot have, or a name that nobody has.
    """
    chosen = _chosen(policy, state)
    before = [(one, dict(vars(one))) for one in chosen]
    try:
        for one in chosen:
            if isinstance(one, Budget):
                one._pot = Empty(one.settings)  # type: ignore[assignment]  # stands where a pot does
            else:
                one.renew()
                _force(one, _FORCES[one.kind], state)
        nest_anew()
        yield
    finally:
        for one, kept in before:
            _put_back(one, kept)
        nest_anew()


class Empty(Endless):
    """What a budget is kept in while it is empty."""

    def take(self) -> bool:
        """There is none."""
        return False

    def left(self) -> float:
        """Nothing."""
        return 0.0


class UsedUp(Keys):
    """The machine of a rate limit with a key, of which each has used up its limit when it comes for the first time."""

    __slots__ = ()

    def _made(self, settings: RateLimitSettings) -> Level | Tolls:
        made = super()._made(settings)
        made.keep(1.0)
        return made


def _chosen(policy: Any, state: str) -> list[Any]:
    """Those that are to be in *state*."""
    if state not in _KINDS:
        raise ConfigError("forced.state", state, f"one of {', '.join(_KINDS)}")
    kind = _KINDS[state]
    of_kind = [one for one in _live.living() if isinstance(one, (Budget, Policy)) and one.kind == kind]
    chosen = [one for one in of_kind if one is policy or (one.label == policy and policy != kind)]
    if not chosen:
        raise ConfigError("forced.policy", policy, f"a {kind} in use, or its name, to be {state}")
    return chosen


def _force(one: Any, into: Callable[[Any, str], Any], state: str) -> None:
    """Let the machine of *one*, which is new, be in *state*: with keys, that of each key as it is made."""
    if isinstance(one.machine, Keyed):
        make = one.gate_for
        one.gate_for = lambda key: into(make(key), state)
        one.renew()
    elif isinstance(one.machine, Keys):
        one.machine = UsedUp(one)
    else:
        one.machine = into(one.machine, state)


def _circuit(gate: Circuit, state: str) -> Circuit:
    own, owner = gate.settings, gate.owner
    forced = type(gate)(owner, own, state)
    if state in ("open", "half-open"):
        forced.openings = 1  # as when it has tripped
        forced.open_until = owner.clock.monotonic() + own.wait(1) * owner.spread()
    return forced


def _full(gate: Any, state: str) -> Any:
    gate.used = gate.limit
    return gate


def _limited(gate: Any, state: str) -> Any:
    if isinstance(gate, Tolls):
        gate.keep(1.0)
    else:
        gate.spent = gate.size
    return gate


_FORCES = {"circuit_breaker": _circuit, "bulkhead": _full, "rate_limit": _limited}


def _put_back(one: Any, kept: dict[str, Any]) -> None:
    """Put back what it had counted. Settings that were put in force meanwhile stay."""
    if isinstance(one, Budget):
        if isinstance(one._pot, Empty):
            one._pot = kept["_pot"]
            one._pot.settings = one.settings
        return
    vars(one).pop("gate_for", None)
    now, before = one.settings, kept["settings"]
    vars(one).update({name: value for name, value in kept.items() if name not in ("declared", "settings")})
    if now is not before:
        one._tune(before)
