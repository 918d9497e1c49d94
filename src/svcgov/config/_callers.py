"""What a service asks of those who call it: the table ``callers`` of its own document, which its callers pull.

::

    [callers]
    timeout = "2s"
    retry = { attempts = 2 }
    circuit_breaker = { failure_rate = 0.3 }

It is for what the caller knows by the name of the service: a pipeline, a policy, the target of a client.

Rule 1: it stands just above what is built in: whatever the caller's code, or a document of its own, says of a setting holds.
Rule 2: it may only tighten. Of a setting that nobody else says, it holds if it is stricter than what is built in; a policy that
        the caller has not is added, but no retry, which would be more calls.
Rule 3: what cannot be reconciled with the caller's code is left out, and told once. It spoils nothing of the caller's own.
"""

from __future__ import annotations

from .._core._frozen import REQUIRED
from ._parts import CALLERS, Part
from ._paths import joined
from ._slots import settings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, TypeAlias

    Asked: TypeAlias = Mapping[str, Mapping[str, Any]]  # by slots, and in them by settings

_LESS, _MORE = -1, 1
STRICTER: Mapping[str, Mapping[str, int]] = {  # what may be asked for, and which way is the stricter one
    "timeout": {"seconds": _LESS},
    "bulkhead": {"limit": _LESS},
    "retry": {"attempts": _LESS},
    "rate_limit": {"limit": _LESS, "burst": _LESS},
    "circuit_breaker": {
        "failure_rate": _LESS,
        "slow_call_rate": _LESS,
        "slow_call_duration": _LESS,
        "min_calls": _LESS,
        "failures": _LESS,
        "open_for": _MORE,
        "half_open_calls": _LESS,
    },
    "attempt_timeout": {"seconds": _LESS},
}


def cannot_be_asked(said: Asked) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """What in a table ``callers`` nobody can ask for: the place in it, the value, and what was expected."""
    for slot, table in said.items():
        known = STRICTER.get(slot)
        if known is None:
            yield (slot,), table, f"one of {', '.join(STRICTER)}"
            continue
        for name, value in table.items():
            if name not in known:
                yield (slot, name), value, f"nothing: callers may be asked for {', '.join(known)}"
            elif isinstance(value, dict):
                yield (slot, name), value, "one value: what is stricter cannot be told of a table"


def wish(service: str, said: Asked) -> Part:
    """What *service* asks of whoever calls it, as far as it is stricter than what is built in."""
    slots = {
        slot: {name: value for name, value in table.items() if _is_stricter(slot, name, value)} for slot, table in said.items()
    }
    values = {"policies": {service: slots}}
    return Part(kind=CALLERS, name=service, values=values, unset=(), prefix=(), short=frozenset())


def _is_stricter(slot: str, name: str, value: Any) -> bool:
    """Whether *value* is stricter than what is built in; anything is, where that is nothing."""
    field = settings_of(slot)._fields[name]
    if field.default is REQUIRED or field.default is None:
        return True
    return bool((field.read(value, joined((slot, name))) - field.default) * STRICTER[slot][name] > 0)
