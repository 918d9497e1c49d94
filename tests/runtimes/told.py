"""The example's figures, as they are when all goes as its story tells."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any

from desk import Push
from figures import Tally
from story import AFTER, BEFORE, BLUE, NO_COLOUR, V1, V2, colour_of

Told = dict[str, Tally]


def tally(*, answered: int = 0, itself: int = 0, failed: int = 0, wait: float = 0.1, **more: Any) -> Tally:
    """So many orders of one line that ended so, each request traced, but for what is said in *more*."""
    one = Tally()
    ends = [("200", False)] * answered + [("202", False)] * itself + [("failed", True)] * failed
    for number, (end, fails) in enumerate(ends):
        colour, by = (BLUE, V2) if colour_of(number) else (NO_COLOUR, V1)
        value = {} if fails else {"statusCode": int(end)}
        one.outcome(f"order-{end}-{number}", colour=colour, by={by}, failed=fails, value=value, seconds=wait)
    for name, value in more.items():
        setattr(one, name, value)
    refused = one.refused.total()
    one.calls = answered + failed + refused
    one.sent["200"] += one.calls + one.retried - refused - one.sent.total()
    one.got = one.traced = one.sent.total()
    return one


def both(*states: str, cause: str = "failure_rate") -> list[tuple[str, str, str]]:
    """What the circuits of both versions went through."""
    return [(who, state, cause) for who in (V1, V2) for state in states]


def as_told() -> tuple[Told, Told, Push]:
    """Both shops, as the story has it."""
    governed = {
        "healthy": tally(answered=3, settings=[(V1, BEFORE), (V2, BEFORE)]),
        "slow": tally(answered=2, failed=1, retried=2, sent=Counter(ReadTimeout=3), ended=Counter(budget=1), wait=0.6),
        "down": tally(itself=4, failed=1, refused=Counter(open=4), refusals=[1e-4, 2e-4], circuit=both("open")),
        "back": tally(answered=3, itself=1, refused=Counter(open=1), circuit=both("half-open", "closed")),
        "burst": tally(itself=2, refused=Counter(full=40, limited=20), at_once=8),
        "push": tally(answered=3, settings=[(V1, AFTER), (V2, AFTER)]),
        "burst 2": tally(itself=2, refused=Counter(full=40), at_once=8),
        "down 2": tally(failed=6, circuit=both("open", cause="consecutive_failures")),
    }
    plain = {part: tally(answered=2, failed=1, wait=2.0) for part in governed}
    plain["healthy"] = tally(answered=3)
    plain["burst"].at_once = 30
    push = Push(revision="7", at=datetime.now(UTC), followed={"front": 0.1, V1: 0.2, V2: 2.5})
    return governed, plain, push
