"""Sections `sync` and `async`: what one successful call of a no-op costs, policy by policy and altogether."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from . import floors, frames, governed, peers, recorded
from .harness import PLAIN, UNIT, Case, run, run_async

if TYPE_CHECKING:
    from .harness import Rounds
    from .table import Figures

BY_HAND = {
    "timeout": (recorded.bounded, floors.bounded),
    "bulkhead": (recorded.bulkheaded, floors.bulkheaded),
    "retry": (recorded.retried, floors.retried),
    "rate limit": (recorded.rate_limited, floors.rate_limited),
    "breaker": (recorded.broken_circuit, floors.broken_circuit),
}
SUSPENDED = "plain, waiting"


def nothing() -> None:
    """The target: what is measured is the way there and back."""


async def nothing_async() -> None:
    """The target, as a coroutine function that never suspends."""


async def one_turn() -> None:
    """A target that gives the loop one turn."""
    await asyncio.sleep(0)


def sync(*, quick: bool) -> Figures:
    """Functions."""
    rounds = run(sync_cases(), rounds=5 if quick else 60)
    figures: dict[str, Any] = {"unit": rounds.in_nanoseconds(UNIT)}
    for name in BY_HAND:
        figures[name] = rounds.ratio(name, f"{name}, by hand")
        figures[f"{name}, bare"] = rounds.ratio(name, f"{name}, bare")
    for name in ("five", "fused", "stack", "bare stack", "interlock", "pybreaker", "tenacity"):
        figures[name] = rounds.in_units(name)
    for other in ("stack", "bare stack", "fused"):
        figures[f"five / {other}"] = rounds.ratio("five", other)
    return figures


def sync_cases() -> list[Case]:
    """Every case of the section."""
    stack, bare = peers.by_hand(nothing), peers.by_hand(nothing, span=False)
    return [
        Case(PLAIN, nothing),
        Case(UNIT, floors.passed_through(nothing)),
        *(Case(f"{name}, by hand", make(nothing)) for name, (make, _) in BY_HAND.items()),
        *(Case(f"{name}, bare", make(nothing)) for name, (_, make) in BY_HAND.items()),
        *(Case(name, make(nothing)) for name, make in governed.alone().items()),
        Case("five", governed.five()(nothing)),
        Case("fused", floors.fused(nothing)),
        Case("stack", stack.call, rest=stack.rest, calls=peers.TURN),
        Case("bare stack", bare.call, rest=bare.rest, calls=peers.TURN),
        Case("interlock", peers.interlock(nothing)),
        Case("pybreaker", peers.pybreaker(nothing)),
        Case("tenacity", peers.tenacity(nothing)),
    ]


def asynchronous(*, quick: bool) -> Figures:
    """Coroutine functions, in a loop of their own."""

    async def measure() -> Rounds:
        return await run_async(async_cases(), rounds=5 if quick else 60)

    rounds = asyncio.run(measure())
    figures: dict[str, Any] = {"unit": rounds.in_nanoseconds(UNIT)}
    for name in ("four", "five", "fused", "hyx", "hyx with timeout", "asyncio.timeout"):
        figures[name] = rounds.in_units(name)
    figures["four / hyx"] = rounds.ratio("four", "hyx")
    figures["timeout"] = rounds.ratio("timeout", "asyncio.timeout")
    figures["timeout, waiting"] = rounds.ratio("timeout, waiting", "asyncio.timeout, waiting")
    return figures


def async_cases() -> list[Case]:
    """Every case of the section; to be made inside a running loop."""
    timeout = governed.alone()["timeout"]
    return [
        Case(PLAIN, nothing_async),
        Case(UNIT, floors.passed_through_async(nothing_async)),
        Case("four", governed.four()(nothing_async)),
        Case("five", governed.five()(nothing_async)),
        Case("fused", floors.fused_async(nothing_async)),
        Case("hyx", peers.hyx(nothing_async, timeout=False)),
        Case("hyx with timeout", peers.hyx(nothing_async, timeout=True)),
        Case("asyncio.timeout", floors.bounded_async(nothing_async)),
        Case("timeout", timeout(nothing_async)),
        Case(SUSPENDED, one_turn, floor=SUSPENDED),
        Case("asyncio.timeout, waiting", floors.bounded_async(one_turn), floor=SUSPENDED),
        Case("timeout, waiting", timeout(one_turn), floor=SUSPENDED),
    ]


def profile_sync() -> None:
    """Where a call through all five goes."""
    frames.show("five policies", governed.five()(nothing))
    for name, make in governed.alone().items():
        frames.show(name, make(nothing))


def profile_async() -> None:
    """The same for coroutine functions."""
    frames.show_async("four policies", governed.four()(nothing_async))
    frames.show_async("five policies", governed.five()(nothing_async))
    frames.show_async("timeout", governed.alone()["timeout"](nothing_async))
