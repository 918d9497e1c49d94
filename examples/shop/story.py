"""The story: what payments goes through, what the shop is asked meanwhile, and what has to be seen in the end.

Both fronts get the same orders in the same number and pace, each from a payments of its own that has the same faults
before the same orders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from figures import Tally, total

CAPACITY = 12  # charges at a time that payments can bear
WORK = 0.1  # seconds that a charge takes it


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the story.

    Attributes:
        told: what happens to payments, in words.
        watch: what to look at meanwhile.
        orders: how many the shop is asked for, one after another, *pace* seconds apart or as fast as it answers.
        faults: how payments behaves from which order on.
        lines: how many lines each order has.
    """

    name: str
    told: str
    watch: str
    orders: int
    faults: dict[int, dict[str, Any]]
    lines: int = 1
    pace: float = 0.12


PARTS = (
    Part(
        name="healthy",
        told="payments is well.",
        watch="Both fronts do the same.",
        orders=12,
        faults={0: {"fault": "healthy"}},
    ),
    Part(
        name="slow",
        told="payments takes 3 s for two charges out of five.",
        watch="svcgov cuts each attempt short at 0.5 s and makes another one, until the budget for that is used up.",
        orders=16,
        faults={0: {"fault": "slow"}},
    ),
    Part(
        name="down",
        told="payments answers 503, then nobody listens on its port any more.",
        watch="The circuit opens: calls are refused in microseconds, and the handler has an answer of its own.",
        orders=30,
        faults={0: {"fault": "unavailable", "retry_after": 5}, 8: {"fault": "gone"}},
    ),
    Part(
        name="back",
        told="payments is back.",
        watch="Two probes find out, and the circuit closes.",
        orders=20,
        faults={0: {"fault": "healthy"}},
    ),
    Part(
        name="burst",
        told=f"five orders of forty lines each, all charged at once; payments can bear {CAPACITY} charges at a time.",
        watch="The bulkhead lets 8 out at a time, the rate limit 15 a second; the other lines are answered without them.",
        orders=5,
        faults={0: {"fault": "healthy"}},
        lines=40,
        pace=0.0,
    ),
)


def differences(governed: dict[str, Tally], plain: dict[str, Tally]) -> list[str]:
    """What did not go as told; nothing if all did."""
    slow, down, back, burst = (governed[name] for name in ("slow", "down", "back", "burst"))
    told = {
        "healthy: both fronts answer every order": all(
            tallies["healthy"].answered == tallies["healthy"].asked for tallies in (governed, plain)
        ),
        "slow: attempts are cut short and made again": slow.sent["ReadTimeout"] > 0 and slow.retried > 0,
        "slow: the retry budget ends before the trouble does": slow.ended["budget"] > 0,
        "down: the circuit opens": "open" in down.circuit,
        "down: orders are refused and answered by the handler itself": down.refused["open"] > 0 and down.itself > 0,
        "down: a refusal is a hundred times quicker than a charge": 0 < down.refusal_median < WORK / 100,
        "back: a probe finds payments well, and the circuit closes": back.circuit[-2:] == ["half-open", "closed"],
        "back: orders are answered again": back.answered > 0 and back.failed == 0,
        "burst: the bulkhead is full, the rate limit is used up": burst.refused["full"] > 0 and burst.refused["limited"] > 0,
        "burst: payments gets no more than it can bear": burst.at_once <= CAPACITY < plain["burst"].at_once,
        "every governed request carries its order's trace": all(one.traced == one.got for one in governed.values()),
        "the longest wait is shorter with svcgov": total(governed).longest < total(plain).longest,
    }
    wrong = [f"this was not seen: {what}" for what, seen in told.items() if not seen]
    for name, tallies in (("with svcgov", governed), ("without", plain)):
        wrong += [f"{name}, {part}: {what}" for part, tally in tallies.items() for what in tally.unaccounted()]
    return wrong
