"""What is counted in each part of the story, for one front.

Rule 1: waits are the customer's, from the event to the answer; refusals' times are those of the whole
        ``payments.post(...)``; both are taken in the process where they happen.
Rule 2: nothing gets lost: each order is answered, answered without all of its charges, or failed, and one instance of orders had
        it; each attempt left on the wire or was refused; each request that left reached payments or met a closed port
        (`Tally.unaccounted`).
Rule 3: of what instances of orders do it is known which one did it: *who* is ``orders v1``, ``orders v2``, or ``orders``.
"""

from __future__ import annotations

import statistics
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

_UNREACHED = ("ConnectError", "ConnectTimeout")


@dataclass(kw_only=True)
class Tally:
    """The counts of one part, or of all of them added up."""

    asked: int = 0
    answered: int = 0  # 200: every line charged
    itself: int = 0  # 202: an answer of orders' own
    failed: int = 0
    in_vain: int = 0  # lines that payments charged in orders that failed
    waits: list[float] = field(default_factory=list)
    calls: int = 0
    retried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[float] = field(default_factory=list)
    ended: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    served: Counter[tuple[str, str]] = field(default_factory=Counter)  # orders, by their colour and who had them
    circuit: list[tuple[str, str, str]] = field(default_factory=list)  # whose it is, what it was then, and why
    settings: list[tuple[str, dict[str, Any]]] = field(default_factory=list)  # whose, and which from then on
    got: int = 0
    traced: int = 0
    at_once: int = 0
    unpaid: list[str] = field(default_factory=list)  # the orders that failed

    def outcome(self, order: str, *, colour: str, by: set[str], failed: bool, value: Any, seconds: float) -> None:
        """One order: who had it, and what the function returned or raised."""
        self.asked += 1
        self.served.update((colour, who) for who in by)
        self.waits.append(seconds)
        status = 500 if failed else value["statusCode"]
        if status == 200:
            self.answered += 1
        elif status == 202:
            self.itself += 1
        else:
            self.failed += 1
            self.unpaid.append(order)

    def seen(self, line: dict[str, Any]) -> None:
        """One line of a tape."""
        if line["kind"] == "call":
            self.calls += 1
            if line["how"] == "refused":
                self.refusals.append(line["seconds"])
        elif line["kind"] == "sent":
            self.sent[line["how"]] += 1
        elif line["kind"] == "settings":
            self.settings.append((line["who"], line["settings"]))
        elif line["event"] == "svcgov.call_refused":
            self.refused[line["fields"]["reason"]] += 1
        elif line["event"] == "svcgov.retry_scheduled":
            self.retried += 1
        elif line["event"] == "svcgov.retry_ended":
            self.ended[line["fields"]["cause"]] += 1
        elif line["event"] == "svcgov.circuit_changed":
            self.circuit.append((line["who"], line["fields"]["after"], line["fields"]["cause"]))

    def reached(self, counts: dict[str, int], charged: set[str]) -> None:
        """What payments has counted, and the lines, ``order/sku``, that it has charged, so far."""
        self.got, self.traced, self.at_once = counts["got"], counts["traced"], counts["at_once"]
        self.in_vain = sum(line.partition("/")[0] in self.unpaid for line in charged)

    def unaccounted(self) -> list[str]:
        """Where the counts do not add up."""
        sums = {
            "orders asked": (self.asked, self.answered + self.itself + self.failed),
            "orders that orders had": (self.asked, self.served.total()),
            "attempts made": (self.calls + self.retried, self.sent.total() + self.refused.total()),
            "requests sent": (self.sent.total(), self.got + sum(self.sent[how] for how in _UNREACHED)),
        }
        return [
            f"{what}: {all_of_them}, but {found} are accounted for"
            for what, (all_of_them, found) in sums.items()
            if all_of_them != found
        ]

    def states(self, who: str) -> list[str]:
        """What the circuit of *who* went through."""
        return [state for whose, state, _ in self.circuit if whose == who]

    @property
    def refusal_median(self) -> float:
        """Seconds that a refused call took its caller; 0.0 if none was refused."""
        return statistics.median(self.refusals) if self.refusals else 0.0

    @property
    def longest(self) -> float:
        """The longest wait of a customer, in seconds."""
        return max(self.waits, default=0.0)

    def as_dict(self) -> dict[str, Any]:
        """Plain values; seconds."""
        plain = ("asked", "answered", "itself", "failed", "in_vain", "calls", "retried", "got", "traced", "at_once")
        return {name: getattr(self, name) for name in plain} | {
            "refused": dict(self.refused),
            "retries_ended": dict(self.ended),
            "sent": dict(self.sent),
            "served": {f"{colour}, by {who}": count for (colour, who), count in sorted(self.served.items())},
            "circuit": self.circuit,
            "settings": self.settings,
            "longest_wait": round(self.longest, 6),
            "median_wait": round(statistics.median(self.waits), 6) if self.waits else 0.0,
            "median_refusal": round(self.refusal_median, 6),
        }


def total(tallies: dict[str, Tally]) -> Tally:
    """All parts added up; of what was at once, the most."""
    whole = Tally()
    for tally in tallies.values():
        for name, value in vars(tally).items():
            if name == "at_once":
                whole.at_once = max(whole.at_once, value)
            else:
                setattr(whole, name, getattr(whole, name) + value)
    return whole
