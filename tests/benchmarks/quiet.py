"""Section `quiet`: one call every 20 ms, as a function with little to do sees them.

Caches are cold then, and whatever runs between the calls (a timer thread, say) shows.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from . import governed, peers
from .floors import passed_through
from .harness import PLAIN, UNIT, Case, Rounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Figures

APART = 0.02


def nothing() -> None:
    """The target."""


def once(call: Callable[[], Any]) -> float:
    """Nanoseconds of one call after a silence."""
    time.sleep(APART)
    start = time.perf_counter_ns()
    call()
    return float(time.perf_counter_ns() - start)


def quiet(*, quick: bool) -> Figures:
    """One call of each in every round."""
    cases = [
        Case(PLAIN, nothing),
        Case(UNIT, passed_through(nothing)),
        Case("five", governed.five()(nothing)),
        Case("stack", peers.by_hand(nothing).call),
    ]
    for case in cases:
        for _ in range(200):
            case.call()
    rounds = Rounds(cases)
    for _ in range(10 if quick else 100):
        for case in cases:
            rounds.times[case.name].append(once(case.call))
    added = {name: rounds.in_nanoseconds(name) for name in ("five", "stack")}
    figures: dict[str, Any] = {name: type(whole)(*(part / 1000 for part in whole)) for name, whole in added.items()}
    return {**figures, "five / stack": rounds.ratio("five", "stack")}
