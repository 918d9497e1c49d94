"""One trace through three services: what the logs of the front, of orders and of payments say of the same orders.

Rule: a line that is not there is no mistake, since a log may leave lines out; one that does not fit is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from stage import objects_in
from story import BLUE, V2

if TYPE_CHECKING:
    from stage import Stage

Lines = dict[str, list[dict[str, Any]]]  # by the trace


class Traces:
    """The lines about calls in the logs of *stage*, once it is quiet."""

    def __init__(self, stage: Stage) -> None:
        logs = stage.logs()
        self.front = _calls(stage, "front")
        self.orders = {who: _calls(stage, who) for who in logs if who != "front"}
        self.charges: Lines = {}
        for charge in stage.charges():
            if charge["traceparent"] is not None:
                self.charges.setdefault(charge["traceparent"].split("-")[1], []).append(charge)

    def whole(self) -> list[str]:
        """The traces that all three services have logged."""
        return [trace for trace in self.front if trace in self.charges and any(trace in lines for lines in self.orders.values())]

    def wrong(self) -> list[str]:
        """What does not fit."""
        found = [] if self.whole() else ["no trace leads through the front, orders and payments"]
        for who, lines in self.orders.items():
            for trace, calls in lines.items():
                before, after = self.front.get(trace, calls), self.charges.get(trace, [])
                colours = [one.get("colour") for one in (*before, *calls)] + [one["x-svcgov-colour"] for one in after]
                if len(before) != 1 or len(calls) != 1 or set(colours) != {BLUE if who == V2 else None}:
                    found.append(f"trace {trace}: {len(before)} calls of the front, {len(calls)} of {who}, colours {colours}")
        return found

    def one(self) -> str:
        """The last order in blue that was charged at once, as each service has logged it."""
        for trace in reversed(self.whole()):
            calls, charges = self.orders[V2].get(trace, []), self.charges[trace]
            if calls and len(charges) == 1 and charges[0]["status"] == 200:
                lines = {"front": self.front[trace][0], V2: calls[0], "payments": charges[0]}
                return "\n".join(f"{who:<9} {json.dumps(line)}" for who, line in lines.items())
        return ""


def _calls(stage: Stage, who: str) -> Lines:
    found: Lines = {}
    for line in objects_in(stage.logs()[who], having="trace_id"):
        if line["event"] == "svcgov.call":
            found.setdefault(line["trace_id"], []).append(line)
    return found
