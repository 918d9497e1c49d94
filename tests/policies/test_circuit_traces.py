"""What the great breakers of other languages agree on, as traces: outcomes, and the state after each of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from _worlds import Takes
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError

if TYPE_CHECKING:
    from collections.abc import Callable

    from _worlds import World

SHORT = {"closed": "c", "open": "o", "half-open": "h"}


class Case(NamedTuple):
    """Each letter of *trace* is a call: ``S`` succeeds, ``F`` fails, ``X`` is ignored, ``W`` is slow; ``>`` waits 5 seconds.

    *states* has a letter for each of them; a capital says that the call was refused. *probing* begins half-open.
    """

    given: dict[str, Any]
    trace: str
    states: str
    probing: bool = False
    figures: dict[str, Any] | None = None


RATE = {"min_calls": 5, "window": 10}
ROW = {"consecutive_failures": 3}
FOUR = {"half_open_calls": 4, "window": 10}
CASES = {
    "opens on the fifth outcome, at sixty per cent": Case(
        RATE, "FFFSS", "cccco", figures={"calls": 5, "failed": 3, "failure_rate": 0.6}
    ),
    "below the minimum there is no rate": Case(RATE, "FFFF", "cccc", figures={"calls": 4, "failed": 4, "failure_rate": None}),
    "one of five is a fifth": Case(RATE, "FSSSS", "ccccc", figures={"calls": 5, "failed": 1, "failure_rate": 0.2}),
    "exactly the threshold is enough": Case({"min_calls": 4, "window": 4}, "FSFS", "ccco"),
    "a minimum above the window is the window": Case({"min_calls": 100, "window": 5}, "FFFFF", "cccco"),
    "a minimum is not cut to seconds": Case({"min_calls": 6, "window": "5s"}, "FFFFF", "ccccc"),
    "an outcome is gone after the window": Case({"min_calls": 2, "window": "5s", "failure_rate": 0.6}, "F>FSS", "ccccc"),
    "three in a row": Case(ROW, "FSFFF", "cccco"),
    "never three in a row": Case(ROW, "SFF" * 20, "c" * 60),
    "two of three": Case({"min_calls": 3, "window": 3, "failure_rate": 0.66}, "FSF", "cco"),
    "never three of four": Case({"min_calls": 4, "window": 4, "failure_rate": 0.75}, "SF" * 20, "c" * 40),
    "an ignored error counts as nothing": Case(RATE, "XFXFXXFXFXF", "cccccccccco"),
    "slow successes alone": Case(
        {"slow_call_rate": 0.6, **RATE}, "WWWSS", "cccco", figures={"failure_rate": 0.0, "slow_call_rate": 0.6}
    ),
    "refused while it is open, a probe when the wait is over": Case(
        {"half_open_calls": 2, **RATE}, "FFFFFS>SS", "cccco" + "Oo" + "hc", figures={"calls": 0, "refused": 1}
    ),
    "a bad probe means another full wait": Case({"half_open_calls": 1, **RATE}, "FFFFFS>FS>S", "cccco" + "Oo" + "oOo" + "c"),
    "decided when the probes are in": Case(FOUR, "FSSS", "hhhc", probing=True),
    "decided when the minimum is in": Case({"half_open_calls": 4, "min_calls": 2, "window": 10}, "SS", "hc", probing=True),
    "bad probes at the threshold": Case(FOUR, "SFSF", "hhho", probing=True),
    "slow probes": Case({"slow_call_rate": 0.75, **FOUR}, "WWWS", "hhho", probing=True, figures={"slow_call_rate": 0.75}),
    "an ignored probe gives its place back": Case(FOUR, "XXXXXXSSSS", "hhhhhhhhhc", probing=True),
    "successes in a row close it": Case({"half_open_calls": 3, **ROW}, "SSS", "hhc", probing=True),
    "one failure among them opens it": Case({"half_open_calls": 3, **ROW}, "SF", "ho", probing=True),
    "silence changes nothing": Case(FOUR, "S" + ">" * 50, "h" * 51, probing=True),
    "what comes after closing is counted anew": Case(FOUR, "SSSSS", "hhhcc", probing=True, figures={"calls": 1}),
}


def step(letter: str) -> Any:
    """What the function does."""
    return {"S": "good", "F": OSError(), "X": KeyError("x"), "W": Takes(2.0, "late")}[letter]


def seen(call: Callable[[], Any], gate: Any) -> str:
    """The state after a call, as a letter."""
    try:
        call()
    except (OSError, KeyError):
        pass
    except CircuitOpenError:
        return SHORT[gate.current_state].upper()
    return SHORT[gate.current_state]


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_states_of_a_trace(case: Case, world: World) -> None:
    """Call by call, in either world."""
    given = {"open_for": 5, "open_jitter": 0.0, "slow_call_duration": 1.5, "ignore": KeyError, "clock": world.clock}
    gate = circuit_breaker(**{**given, **case.given})
    if case.probing:
        gate.half_open()
    states = ""
    for letter in case.trace:
        if letter == ">":
            world.clock.advance(5)
            states += SHORT[gate.current_state]
        else:
            states += seen(world.governed(gate, step(letter)), gate)
    assert states == case.states
    assert gate.snapshot() == {**gate.snapshot(), **(case.figures or {})}


def test_coming_back_to_half_open_gives_all_places_anew(world: World) -> None:
    """Four of them, though two were taken in the stay before."""
    gate = circuit_breaker(half_open_calls=4, clock=world.clock)
    for taken in (2, 4):
        gate.half_open()
        for _ in range(taken):
            gate.machine.admit(world.clock.monotonic())
    assert not gate.would_admit()


def test_a_late_outcome_makes_the_wait_no_longer(world: World) -> None:
    """It came in before the circuit opened, and is told after: no second opening, no change of the counts shown."""
    gate = circuit_breaker(min_calls=1, window=1, open_for=5, open_jitter=0.0, clock=world.clock)
    late = gate.machine.free
    world.governed(gate, OSError()).fails(OSError)
    before = gate.snapshot()
    world.clock.advance(4)
    gate.machine.settle(late, OSError(), 0.0)
    assert gate.snapshot() == before
    world.clock.advance(1)
    assert gate.would_admit()
