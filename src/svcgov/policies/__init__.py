"""The policies. Each file reads alike: the rules, the settings, the machine, the policy, the factory.

The classes are for annotations and ``isinstance``; policies are made by the functions of the same names in `svcgov`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .budget import Budget as Budget
    from .bulkhead import Bulkhead as Bulkhead
    from .circuit_breaker import CircuitBreaker as CircuitBreaker
    from .rate_limit import RateLimit as RateLimit
    from .retry import Retry as Retry
    from .timeout import Timeout as Timeout

__all__ = ["Budget", "Bulkhead", "CircuitBreaker", "RateLimit", "Retry", "Timeout"]

_HOMES = {
    "Budget": "budget",
    "Bulkhead": "bulkhead",
    "CircuitBreaker": "circuit_breaker",
    "RateLimit": "rate_limit",
    "Retry": "retry",
    "Timeout": "timeout",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
