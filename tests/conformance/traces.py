"""A circuit breaker driven by letters: a trace of outcomes, and the state after each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from _worlds import Takes
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError

if TYPE_CHECKING:
    from _worlds import World
    from svcgov.testing import ManualClock

WAIT = 5.0  # for so long it is open, and so long does a ``>`` take
STATES = {"closed": "c", "open": "o", "half-open": "h", "forced-open": "f", "disabled": "d", "metrics-only": "m"}


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker by *clock* that ignores a `KeyError`, without jitter."""
    return circuit_breaker(**{"open_for": WAIT, "open_jitter": 0.0, "ignore": KeyError, "clock": clock, **settings})


def step(letter: str) -> Any:
    """What the function does."""
    return {"S": "good", "F": OSError("failed"), "X": KeyError("ignored"), "W": Takes(2.0, "late")}[letter]


def trace(world: World, gate: Any, calls: str) -> str:
    """The state after each of *calls*, as a letter; a capital says that the call was refused.

    ``S`` succeeds, ``F`` fails, ``X`` is ignored, ``W`` takes two seconds; ``>`` lets time pass.
    """
    states = ""
    for letter in calls:
        if letter == ">":
            world.clock.advance(WAIT)
            states += STATES[gate.current_state]
            continue
        try:
            world.governed(gate, step(letter))()
        except (OSError, KeyError):
            states += STATES[gate.current_state]
        except CircuitOpenError:
            states += STATES[gate.current_state].upper()
        else:
            states += STATES[gate.current_state]
    return states
