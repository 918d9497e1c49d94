"""The end of the story: the figures side by side, and one order as both sides have logged it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from figures import Tally, total
from story import CAPACITY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_REASONS = {
    "open": "the circuit was open",
    "half_open": "only probes were let through",
    "full": "the bulkhead was full",
    "limited": "the rate limit was used up",
}
_NONE = "-"

Row = tuple[str, str, str]


def span(seconds: float) -> str:
    """A time that people can read."""
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def rows(governed: Tally, plain: Tally) -> Iterator[Row]:
    """What was counted, *governed* and *plain* beside each other."""

    def both(title: str, value: Callable[[Tally], int]) -> Row:
        return title, str(value(governed)), str(value(plain))

    yield both("orders asked", lambda one: one.asked)
    yield both("  answered, every line charged", lambda one: one.answered)
    yield both("  answered by the handler itself: payment will follow", lambda one: one.itself)
    yield both("  failed", lambda one: one.failed)
    yield both("lines charged in vain, since their order failed", lambda one: one.in_vain)
    yield "further attempts made", str(governed.retried), _NONE
    yield "  not made, since the budget was used up", str(governed.ended["budget"]), _NONE
    yield "calls refused", str(governed.refused.total()), _NONE
    for reason, count in sorted(governed.refused.items(), key=lambda item: -item[1]):
        yield f"  {_REASONS.get(reason, reason)}", str(count), _NONE
    yield "  median time of a refusal", span(governed.refusal_median) if governed.refusals else _NONE, _NONE
    yield "longest wait of a customer", span(governed.longest), span(plain.longest)
    yield both("requests that reached payments", lambda one: one.got)
    yield both(f"  most at a time, of the {CAPACITY} that it can bear", lambda one: one.at_once)


def beside(governed: dict[str, Tally], plain: dict[str, Tally]) -> str:
    """The rows as text."""
    table = [("", "with svcgov", "without"), *rows(total(governed), total(plain))]
    width = max(len(title) for title, _, _ in table)
    return "\n".join(f"{title:<{width}}  {left:>11}  {right:>9}" for title, left, right in table)


def one_order(calls: Iterable[dict[str, Any]], charges: Iterable[dict[str, Any]]) -> str:
    """The last order that was answered in one piece, as the front and as payments have logged it."""
    by_trace: dict[str, list[dict[str, Any]]] = {}
    for charge in charges:
        if charge["traceparent"] is not None and charge["status"] == 200:
            by_trace.setdefault(charge["traceparent"].split("-")[1], []).append(charge)
    for call in reversed(list(calls)):
        found = by_trace.get(call["trace_id"], [])
        if call.get("status") == 200 and len(found) == 1:
            return f"front     {json.dumps(call)}\npayments  {json.dumps(found[0])}"
    return ""


def as_json(told: dict[str, dict[str, Tally]], differences: list[str], seconds: float) -> str:
    """The figures for programmes."""
    fronts = {
        front: {"parts": {name: tally.as_dict() for name, tally in tallies.items()}, "total": total(tallies).as_dict()}
        for front, tallies in told.items()
    }
    return json.dumps({"fronts": fronts, "differences": differences, "seconds": round(seconds, 3)}, indent=2)
