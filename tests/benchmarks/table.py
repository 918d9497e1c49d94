"""The table: one row per figure, with the budget it has to meet and the moonshot beyond it.

A row whose figure is only there to be compared with has no budget and is neither met nor missed.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from .harness import Spread, spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Figures = Mapping[str, Spread | float]

OLD = sys.version_info < (3, 12)
UNITS = {
    "u": "{:.1f} u",
    "x": "{:.2f} x",
    "%": "{:.1f} %",
    "ns": "{:.0f} ns",
    "us": "{:.1f} us",
    "ms": "{:.1f} ms",
    "B": "{:.0f} B",
    "KiB": "{:.2f} KiB",
    "count": "{:.0f}",
}


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One figure: `most` or `least` is the budget, `moonshot` the same in the same direction."""

    key: str
    what: str
    unit: str
    most: float | None = None
    least: float | None = None
    moonshot: float | None = None

    @property
    def bounded(self) -> bool:
        """Whether there is a budget to meet."""
        return self.most is not None or self.least is not None

    @property
    def budget(self) -> str:
        """The budget as text."""
        bound = self.most if self.most is not None else self.least
        return "for comparison" if bound is None else self._bound(bound)

    @property
    def dream(self) -> str:
        """The moonshot as text, empty where there is none."""
        return "" if self.moonshot is None else self._bound(self.moonshot)

    def value(self, figure: float) -> str:
        """A figure with its unit; a ratio far below one as a fraction."""
        if self.unit == "fraction":
            return f"1/{1 / figure:.1f}" if 0 < figure < 1 else f"{figure:.2f} x"
        return UNITS[self.unit].format(figure)

    def verdict(self, figure: float) -> str:
        """`met`, `MISSED`, `moonshot`, or nothing where there is no budget."""
        if not self.bounded:
            return ""
        if not self._holds(figure, self.most if self.most is not None else self.least):
            return "MISSED"
        return "moonshot" if self.moonshot is not None and self._holds(figure, self.moonshot) else "met"

    def _holds(self, figure: float, bound: float | None) -> bool:
        return bound is not None and (figure <= bound if self.most is not None else figure >= bound)

    def _bound(self, bound: float) -> str:
        text = f"1/{1 / bound:.0f}" if self.unit == "fraction" else UNITS[self.unit].format(bound)
        return ("<= " if self.most is not None else ">= ") + text.replace(".0 ", " ").replace(".00 ", " ")


SECTIONS: dict[str, tuple[Row, ...]] = {
    "sync": (
        Row("unit", "u: a bare functools.wraps pass-through", "ns"),
        Row("timeout", "timeout alone, against a context variable and a record by hand", "x", most=2.5, moonshot=1.5),
        Row("timeout, bare", "the same, against one without a record", "x"),
        Row("bulkhead", "bulkhead alone, against a counter and a record by hand", "x", most=3.0, moonshot=1.5),
        Row("bulkhead, bare", "the same, against one without a record", "x"),
        Row("retry", "retry alone, against try and except and a record by hand", "x", most=2.5, moonshot=1.5),
        Row("retry, bare", "the same, against one without a record", "x"),
        Row("rate limit", "rate limit alone, against GCRA and a record by hand", "x", most=2.5, moonshot=1.5),
        Row("rate limit, bare", "the same, against one without a record", "x"),
        Row("breaker", "circuit breaker alone, against a ring and a record by hand", "x", most=2.5, moonshot=1.5),
        Row("breaker, bare", "the same, against one without a record", "x"),
        Row("five", "five policies and the record", "u", most=15.0, moonshot=11.0),
        Row("five / stack", "the same, against the by-hand stack", "fraction", most=1 / 20),
        Row("five / bare stack", "the same, against the by-hand stack without its span", "fraction"),
        Row("five / fused", "the same, against one hand-written closure that does it all", "x"),
        Row("fused", "that closure", "u"),
        Row("stack", "by hand: tenacity, pybreaker, semaphore, limits, no-op span", "u"),
        Row("bare stack", "by hand, without the span", "u"),
        Row("interlock", "interlock-cb's breaker alone", "u"),
        Row("pybreaker", "pybreaker alone", "u"),
        Row("tenacity", "tenacity alone", "u"),
    ),
    "async": (
        Row("unit", "u: a bare pass-through coroutine function", "ns"),
        Row("four", "no timer: bulkhead, retry, rate limit, breaker, the record", "u", most=14.0, moonshot=9.0),
        Row("four / hyx", "the same, against hyx without its time-out", "fraction", most=1 / 2),
        Row("five", "five policies and the record, time-out that cancels", "u", most=20.0 if OLD else 17.0),
        Row("timeout", "timeout alone, against asyncio.timeout", "fraction", most=1 / 3, moonshot=1 / 5),
        Row("timeout, waiting", "the same where the function suspends once", "fraction", most=1 / 3, moonshot=1 / 5),
        Row("fused", "one hand-written closure, no timer", "u"),
        Row("hyx", "hyx: retry, breaker, bulkhead, limiter", "u"),
        Row("hyx with timeout", "hyx with its time-out", "u"),
        Row("asyncio.timeout", "asyncio.timeout alone", "u"),
    ),
    "refusals": (
        Row("open", "refusal by an open breaker, against pybreaker's", "fraction", most=1 / 3, moonshot=1 / 10),
        Row("full", "refusal by a full bulkhead, against the same", "fraction", most=1 / 3, moonshot=1 / 10),
        Row("limited", "refusal by a spent limit, against the same", "fraction", most=1 / 3, moonshot=1 / 10),
        Row("pybreaker", "refusal by pybreaker, raise and catch taken away", "ns"),
        Row("retry", "one failure, then success, against tenacity", "fraction", most=1 / 20, moonshot=1 / 100),
        Row("tenacity", "one failure, then success, by tenacity", "ns"),
    ),
    "threads": (
        Row("waiting", "32 threads, a target of 1 ms: of the plain rate", "%", least=90.0, moonshot=98.0),
        Row("waiting, pybreaker", "the same through pybreaker", "%"),
        Row("busy", "32 threads, no-op: of what plain keeps of one thread's", "%", least=80.0, moonshot=95.0),
    ),
    "quiet": (
        Row("five / stack", "calls 20 ms apart, against the by-hand stack", "fraction", most=1 / 10),
        Row("five", "added to a call after 20 ms of silence", "us"),
        Row("stack", "added by the by-hand stack", "us"),
    ),
    "memory": (
        Row("pipeline", "a pipeline of five policies around one function", "KiB", most=8.0),
        Row("key", "a key of a keyed rate limit, beside the key itself", "B", most=200.0),
        Row("growth", "growth over 100 000 calls", "B", most=1024.0),
        Row("threads", "threads started", "count", most=0.0),
    ),
    "http": (
        Row("sync", "GET on loopback through httpx2: of the plain rate", "%", least=95.0, moonshot=98.0),
        Row("async", "the same, AsyncClient, 20 at a time", "%", least=95.0, moonshot=98.0),
        Row("requests", "the same through requests", "%", least=95.0, moonshot=98.0),
        Row("urllib3", "the same through urllib3", "%", least=95.0, moonshot=98.0),
        Row("aiohttp", "the same through aiohttp, 20 at a time", "%", least=95.0, moonshot=98.0),
        Row("plain", "plain GET", "us"),
        Row("added", "added to it", "us"),
    ),
    "inbound": (
        Row("unit", "u: a bare functools.wraps pass-through", "ns"),
        Row("direct", "a Lambda handler called directly, log off, over the bare function", "u", most=15.0),
        Row("request", "the same for a request of an HTTP API", "u"),
        Row("logged", "the same with its line in the log", "u"),
        Row("left", "asking the platform's context for the time left", "ns"),
        Row("asgi", "a minimal application under uvicorn: of the plain rate", "%", least=90.0),
        Row("asgi, added", "added to a request", "us"),
    ),
    "log": (
        Row("line / powertools", "the line of a call, against powertools' logger with the same fields", "fraction", most=1 / 2),
        Row("line / bare", "the same, against its line with a message only", "fraction"),
        Row("line", "the line of a call", "ns"),
        Row("powertools", "the same fields by powertools' logger", "ns"),
        Row("storm", "added to a refusal by the log that counts it", "ns"),
    ),
    "metrics": (
        Row("read", "a snapshot of 200 series of calls, while others count", "ms", most=1.0),
        Row("values", "the same as plain values", "ms"),
        Row("page / client's", "the page that Prometheus reads of them, against prometheus_client's", "fraction", most=1 / 4),
        Row("page", "that page", "ms"),
        Row("count / client's", "counting a call, against a histogram of prometheus_client's alone", "x"),
        Row("count", "counting a call: labels, histogram, rates", "ns"),
    ),
    "spans": (
        Row("call / span", "the span of a governed call, against the same by hand", "x", most=1.3),
        Row("chain / spans", "a call that comes in and goes out: three spans, against the same", "x", most=1.3),
        Row("governed, traced", "added to a governed call", "ns"),
        Row("span", "a span by hand", "ns"),
    ),
    "documents": (
        Row("change", "a document of 100 policies in 25 pipelines, every value another one", "ms", most=5.0),
        Row("repeat", "the same document once more, nothing changes", "ms"),
        Row("change many", "a document of 400 policies in 100 pipelines, likewise", "ms"),
        Row("look", "a look with nothing new: file, environment, three layers of SQLite", "ms", most=1.0),
    ),
    "coldstart": (
        Row("import", "import svcgov, against a bare interpreter", "x", most=1.3, moonshot=1.2),
        Row("import, modules", "new modules", "count", most=25.0),
        Row("import, forbidden", "of them slow ones (asyncio, inspect, the five, ...)", "count", most=0.0),
        Row("decorated", "and a sync handler with retry, breaker, bulkhead", "x", most=3.8, moonshot=3.4),
        Row("decorated, modules", "new modules", "count"),
        Row("decorated, redis", "redis modules among them", "count", most=0.0),
        Row("decorated, documents", "modules of the code of documents among them", "count", most=0.0),
        Row("documents / import", "import svcgov and the code of documents, against svcgov alone", "x"),
        Row("documents, modules", "new modules", "count"),
        Row("five", "the five dependencies imported eagerly", "x"),
        Row("five, modules", "new modules", "count"),
        Row("everything / eager", "everything, httpx2 too, against the five and httpx2", "fraction", most=1 / 2),
        Row("everything", "the same, against a bare interpreter", "x"),
        Row("everything, modules", "new modules", "count"),
        Row("httpx2", "httpx2 by itself", "x"),
        Row("eager", "the five and httpx2", "x"),
        Row("eager, modules", "new modules", "count"),
    ),
}

HEADINGS = ("what", "measured", "quartiles", "budget", "moonshot", "result")


def cells(section: str, figures: Figures) -> list[tuple[str, ...]]:
    """One section as rows of text; a row without a figure says so."""
    rows: list[tuple[str, ...]] = []
    for row in SECTIONS[section]:
        figure = figures.get(row.key)
        if figure is None:
            rows.append((row.what, "not measured", "", row.budget, row.dream, "MISSED" if row.bounded else ""))
            continue
        whole = figure if isinstance(figure, Spread) else spread([figure])
        quartiles = "" if whole.low == whole.high else f"{row.value(whole.low)} to {row.value(whole.high)}"
        rows.append((row.what, row.value(whole.middle), quartiles, row.budget, row.dream, row.verdict(whole.middle)))
    return rows


def as_text(section: str, rows: Iterable[Sequence[str]]) -> str:
    """Columns for a terminal."""
    widths = (66, 13, 24, 15, 11, 8)

    def line(row: Sequence[str]) -> str:
        return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()

    body = "\n".join(line(row) for row in [HEADINGS, *rows])
    return f"== {section}\n{body}"


def as_markdown(section: str, rows: Iterable[Sequence[str]]) -> str:
    """The same for the documentation."""
    lines = [f"## {section}", "", "| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)
