"""The story: what payments goes through, what the shop is asked and told meanwhile, and what has to be seen in the end.

Both shops get the same orders in the same pace, each from a payments of its own that has the same faults before the same orders.
Each third order is blue.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from figures import Tally, total

if TYPE_CHECKING:
    from desk import Push

CAPACITY = 12  # charges at a time that payments can bear
WORK = 0.1  # seconds that a charge takes it
BLUE = "blue"
NO_COLOUR = "no colour"
V1, V2 = "orders v1", "orders v2"
ORDERS = {V1: {"SVCGOV_VERSION": "v1"}, V2: {"SVCGOV_VERSION": "v2", "SVCGOV_COLOUR": BLUE}}  # what is said of each instance
PLAIN_ORDERS: dict[str, dict[str, str]] = {"orders": {}}
LOOK = ("registry", "get", "orders")  # what is typed before that: who is there
PUSH = (
    "--fleet",
    *("--set", "policies.payments.rate_limit.limit=200/second"),
    *("--set", "policies.payments.circuit_breaker.consecutive_failures=3"),
    *("--set", "policies.orders.circuit_breaker.consecutive_failures=10"),
    *("--why", "payments can take more, and is to be given up sooner"),
)
BEFORE = {"rate_limit": "15 in 1 s", "consecutive_failures": None}
AFTER = {"rate_limit": "200 in 1 s", "consecutive_failures": 3}


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part of the story.

    Attributes:
        told: what happens, in words.
        watch: what to look at meanwhile.
        orders: how many the shop is asked for, one after another, *pace* seconds apart or as fast as it answers.
        faults: how payments behaves from which order on.
        lines: how many lines each order has.
        push: what is pushed in the beginning; the part goes on until all processes follow.
    """

    name: str
    told: str
    watch: str
    orders: int
    faults: dict[int, dict[str, Any]]
    lines: int = 1
    pace: float = 0.12
    push: tuple[str, ...] = ()


def colour_of(number: int) -> str | None:
    """The colour of an order."""
    return BLUE if number % 3 == 2 else None


PARTS = (
    Part(
        name="healthy",
        told="payments is well.",
        watch="Both shops do the same. Blue orders are served by orders v2, all others by v1.",
        orders=12,
        faults={0: {"fault": "healthy"}},
    ),
    Part(
        name="slow",
        told="payments takes 3 s for two charges out of five.",
        watch="svcgov cuts each attempt short at 0.5 s and makes another one, until the budget for that is used up.",
        orders=18,
        faults={0: {"fault": "slow"}},
    ),
    Part(
        name="down",
        told="payments answers 503, then nobody listens on its port any more.",
        watch="The circuits open: calls are refused before they leave, and orders has an answer of its own.",
        orders=36,
        faults={0: {"fault": "unavailable", "retry_after": 5}, 8: {"fault": "gone"}},
    ),
    Part(
        name="back",
        told="payments is back.",
        watch="Two probes of each version find out, and the circuits close.",
        orders=27,
        faults={0: {"fault": "healthy"}},
    ),
    Part(
        name="burst",
        told=f"six orders of forty lines each, all charged at once; payments can bear {CAPACITY} charges at a time.",
        watch="The bulkhead lets 8 out at a time, the rate limit 15 a second; the other lines are answered without them.",
        orders=6,
        faults={0: {"fault": "healthy"}},
        lines=40,
        pace=0.0,
    ),
    Part(
        name="push",
        told="somebody types `svcgov push`: more calls a second, and circuits that open after three failures in a row.",
        watch="All processes go by it with their next pull, and none is started anew.",
        orders=32,
        faults={0: {"fault": "healthy"}},
        push=PUSH,
    ),
    Part(
        name="burst 2",
        told="the same six orders of forty lines.",
        watch="Only the bulkhead refuses.",
        orders=6,
        faults={0: {"fault": "healthy"}},
        lines=40,
        pace=0.0,
    ),
    Part(
        name="down 2",
        told="payments answers 503, as before.",
        watch="The third failure in a row opens a circuit.",
        orders=12,
        faults={0: {"fault": "unavailable"}},
    ),
)


def differences(governed: dict[str, Tally], plain: dict[str, Tally], push: Push | None) -> list[str]:
    """What did not go as told; nothing if all did."""
    slow, down, back, burst, again = (governed[name] for name in ("slow", "down", "back", "burst", "burst 2"))
    pushed = total({name: governed[name] for name in ("burst 2", "down 2")})
    whole = total(governed)
    told = {
        "healthy: both shops answer every order": all(
            tallies["healthy"].answered == tallies["healthy"].asked for tallies in (governed, plain)
        ),
        "blue orders are served by orders v2, and all others by v1": whole.served.keys() == {(BLUE, V2), (NO_COLOUR, V1)},
        "slow: attempts are cut short and made again": slow.sent["ReadTimeout"] > 0 and slow.retried > 0,
        "slow: the retry budget ends before the trouble does": slow.ended["budget"] > 0,
        "down: the circuits open": all("open" in down.states(who) for who in (V1, V2)),
        "down: orders are refused and answered by orders itself": down.refused["open"] > 0 and down.itself > 0,
        "down: a refusal is ten times quicker than a charge": 0 < down.refusal_median < WORK / 10,
        "back: probes find payments well, and the circuits close": all(
            back.states(who)[-2:] == ["half-open", "closed"] for who in (V1, V2)
        ),
        "back: orders are answered again": back.answered > 0 and back.failed == 0,
        "burst: the bulkhead is full, the rate limit is used up": burst.refused["full"] > 0 and burst.refused["limited"] > 0,
        "burst: payments gets no more than it can bear": burst.at_once <= CAPACITY < plain["burst"].at_once,
        "push: front and both versions of orders go by it": push is not None and push.followed.keys() == {"front", V1, V2},
        "push: it is what orders goes by, which went by something else": all(
            [said for whose, said in whole.settings if whose == who] == [BEFORE, AFTER] for who in (V1, V2)
        ),
        "burst 2: the rate limit has room": again.refused["full"] > 0 and again.refused["limited"] == 0,
        "down 2: failures in a row open the circuits": {V1, V2}
        == {who for who, state, cause in pushed.circuit if (state, cause) == ("open", "consecutive_failures")},
        "every governed request carries its order's trace": all(one.traced == one.got for one in governed.values()),
        "the longest wait is shorter with svcgov": whole.longest < total(plain).longest,
    }
    wrong = [f"this was not seen: {what}" for what, seen in told.items() if not seen]
    for name, tallies in (("with svcgov", governed), ("without", plain)):
        wrong += [f"{name}, {part}: {what}" for part, tally in tallies.items() for what in tally.unaccounted()]
    return wrong
