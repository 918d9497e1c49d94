"""The end of the story: the figures side by side, and what one push has changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from figures import Tally, total
from story import CAPACITY, V1, V2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from desk import Push

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
    yield both("  answered by orders itself: payment will follow", lambda one: one.itself)
    yield both("  failed", lambda one: one.failed)
    for (colour, who), count in sorted(governed.served.items(), key=lambda item: item[0][1]):
        yield f"  of {colour}, served by {who}", str(count), _NONE
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
    return _table([("", "with svcgov", "without"), *rows(total(governed), total(plain))])


def changed(governed: dict[str, Tally], push: Push | None) -> str:
    """What was so before something was pushed, and after it."""
    burst, burst_again = governed["burst"], governed["burst 2"]
    table = [("", "before", "after")]
    for who in (V1, V2):
        known = [said for whose, said in total(governed).settings if whose == who]
        first, last = (known[0], known[-1]) if known else ({}, {})
        for title, name in (
            ("calls to payments", "rate_limit"),
            ("failures in a row to open its circuit", "consecutive_failures"),
        ):
            table.append((f"{who}: {title}", str(first.get(name) or _NONE), str(last.get(name) or _NONE)))
        causes = [_opened(governed[part], who) for part in ("down", "down 2")]
        table.append(("  opened in the outage by", causes[0], causes[1]))
    table += [
        (f"lines charged in a burst of {40 * burst.asked}", str(burst.sent["200"]), str(burst_again.sent["200"])),
        ("  refused: the rate limit was used up", str(burst.refused["limited"]), str(burst_again.refused["limited"])),
        ("  refused: the bulkhead was full", str(burst.refused["full"]), str(burst_again.refused["full"])),
    ]
    followed = {} if push is None else push.followed
    table += [(f"{who} goes by it", _NONE, f"after {seconds:.1f} s") for who, seconds in sorted(followed.items())]
    return _table(table)


def _opened(tally: Tally, who: str) -> str:
    """What opened the circuit of *who* first."""
    causes = [cause for whose, state, cause in tally.circuit if (whose, state) == (who, "open")]
    return causes[0].replace("_", " ") if causes else _NONE


def _table(table: list[Row]) -> str:
    """*table* in columns."""
    widths = [max(len(row[column]) for row in table) for column in range(3)]
    return "\n".join(f"{title:<{widths[0]}}  {left:>{widths[1]}}  {right:>{widths[2]}}" for title, left, right in table)


def as_json(told: dict[str, dict[str, Tally]], differences: list[str], seconds: float) -> str:
    """The figures for programmes."""
    fronts = {
        front: {"parts": {name: tally.as_dict() for name, tally in tallies.items()}, "total": total(tallies).as_dict()}
        for front, tallies in told.items()
    }
    return json.dumps({"fronts": fronts, "differences": differences, "seconds": round(seconds, 3)}, indent=2)
