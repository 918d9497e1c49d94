"""Section `refusals`: what it costs to say no, and to say "once more".

Every case is taken net of what raising and catching costs by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import frames, governed, peers
from .floors import Refused
from .harness import PLAIN, Case, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Figures

TWICE = "fails, then succeeds"


def raising() -> None:
    """The floor of a refusal."""
    raise Refused


def nothing() -> None:
    """What the refusing policies guard."""


def caught(call: Callable[[], Any]) -> Callable[[], None]:
    """The call with its error caught, as a caller would."""

    def guarded() -> None:
        try:
            call()
        except Exception:
            return

    return guarded


def flaky() -> Callable[[], None]:
    """A function of which every other call fails."""
    failed = False

    def call() -> None:
        nonlocal failed
        failed = not failed
        if failed:
            raise ConnectionError

    return call


def both(call: Callable[[], Any]) -> Callable[[], None]:
    """The floor of a retry: one attempt that fails and one that does not."""

    def twice() -> None:
        try:
            call()
        except ConnectionError:
            call()

    return twice


def refusals(*, quick: bool) -> Figures:
    """Refusals and one repeated attempt."""
    with governed.refusing(nothing) as refusing:
        cases = [
            Case(PLAIN, caught(raising)),
            *(Case(name, caught(call)) for name, call in refusing.items()),
            Case("pybreaker", caught(peers.pybreaker_open(nothing))),
            Case(TWICE, both(flaky()), floor=TWICE),
            Case("retry", governed.flaky_retry(flaky()), floor=TWICE),
            Case("tenacity", peers.tenacity(flaky()), floor=TWICE),
        ]
        rounds = run(cases, rounds=5 if quick else 60)
    figures: dict[str, Any] = {name: rounds.ratio(name, "pybreaker") for name in refusing}
    figures["retry"] = rounds.ratio("retry", "tenacity")
    for name in ("pybreaker", "tenacity"):
        figures[name] = rounds.in_nanoseconds(name)
    return figures


def profile() -> None:
    """Where the refusals and the second attempt go."""
    with governed.refusing(nothing) as refusing:
        for name, call in refusing.items():
            frames.show(name, caught(call))
    frames.show("one failure, then success", governed.flaky_retry(flaky()))
