"""Whether a service is alive, and whether it is ready for more calls.

Alive is a process that can answer this. Ready is one whose required dependencies would be asked if a call came now: a circuit
whose wait is over would let a probe through, so its service is ready. Else an instance that is taken out of traffic would never
send the probe that closes the circuit again. One that is draining is not: it serves what it has, and wants no more.

Rule: looking changes nothing, and asks nobody over the network.
"""

from __future__ import annotations

from .._core._frozen import Frozen
from .._core._names import NAMES
from .._core._report import report_once
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["Health", "listed", "ready"]


class Health(Frozen):
    """What was found. True where all is well.

    Attributes:
        reasons: what is not, in a word or two each.
    """

    reasons: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return not self.reasons

    def __str__(self) -> str:
        return "; ".join(self.reasons) or "ok"


def listed(required: Any, path: str) -> tuple[Any, ...]:
    """The *required* dependencies.

    Raises:
        ConfigError: for something else than a list of circuit breakers or of their names; *path* is where it stands.
    """
    if not isinstance(required, (list, tuple, set, frozenset)):
        raise ConfigError(path, required, "a list of circuit breakers, or of their names")
    for one in required:
        if not isinstance(one, str) and not hasattr(one, "would_admit"):
            raise ConfigError(path, one, "a circuit breaker, or the name of one")
    return tuple(required)


def ready(required: Iterable[Any], *, scope: str, draining: bool = False) -> Health:
    """Whether the *required* dependencies would be asked: circuit breakers, or their names in *scope*; not while *draining*.

    Raises:
        ConfigError: for something else than those.
    """
    named = listed(tuple(required), "ready.requires")
    reasons = [reason for one in named if (reason := _missing(one, scope))]
    return Health(reasons=("draining", *reasons) if draining else tuple(reasons))


def _missing(one: Any, scope: str) -> str:
    breaker = NAMES.find(scope, "circuit_breaker", one) if isinstance(one, str) else one
    if breaker is None:
        report_once(("health", scope, one), f"no circuit breaker is called {one}: it is taken for ready")
        return ""
    return "" if breaker.would_admit() else f"{breaker.label}: {breaker.current_state}"
