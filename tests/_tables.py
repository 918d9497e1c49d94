"""The tables of the documentation that are made from the code: each stands on its page between two comments.

``<!-- made: metrics -->`` begins the table of that name, ``<!-- /made -->`` ends it. To write them anew:
``python tests/_tables.py --write``.
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _settings
from svcgov import facts
from svcgov.telemetry import _span_words, access_log, correlation, fact_log
from svcgov.telemetry.metrics import METRICS, families
from svcgov.telemetry.prometheus import name_of
from svcgov.telemetry.recorder import COUNTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "<!-- made:" in page.read_text())
TELEMETRY = Path(access_log.__file__).parent
MADE = re.compile(r"(<!-- made: (\w+) -->\n)(.*?)(<!-- /made -->)", re.DOTALL)
_ATTRIBUTE = re.compile(r"(?:client|error|faas|http|messaging|network|rpc|server|svcgov|url|user_agent)(?:\.[a-z_]+)+")

# Of each attribute of a span: which spans have it, and what it says.
ATTRIBUTES = {
    "error.type": ("all", "the class of what was raised, or the status of an answer that is an error"),
    "faas.coldstart": ("SERVER, CONSUMER", "whether the call had to wait for the start of the process"),
    "faas.invocation_id": ("SERVER, CONSUMER", "the platform's id of the call"),
    "faas.trigger": ("SERVER, CONSUMER", "`http`, `pubsub`, `datasource` or `other`"),
    "http.request.method": ("SERVER, CLIENT", "the method; `_OTHER` for one that nobody knows"),
    "http.request.resend_count": ("CLIENT", "which attempt after the first one it is; not there on the first"),
    "http.response.status_code": ("SERVER, CLIENT", "the status that was answered"),
    "http.route": ("SERVER", "the route, where the application's framework says one"),
    "messaging.batch.message_count": ("CONSUMER", "how many records the call brings"),
    "messaging.operation.name": ("CONSUMER", "`process`"),
    "messaging.operation.type": ("CONSUMER", "`process`"),
    "messaging.system": ("CONSUMER", "what has brought it, such as `aws_sqs`"),
    "rpc.method": ("CLIENT", "the operation of an AWS service"),
    "rpc.service": ("CLIENT", "the AWS service"),
    "rpc.system": ("CLIENT", "`aws-api`"),
    "server.address": ("CLIENT", "the host that is asked"),
    "server.port": ("CLIENT", "its port"),
    "svcgov.colour": ("all", "the colour of the traffic, if it has one"),
    "svcgov.policy": ("events", "the name of the policy, or its kind"),
    "svcgov.outcome": (
        "INTERNAL",
        "`ok`, `refused`, `timed_out`, `failed` (by the last answer), `raised`, or `left` by whoever had called",
    ),
    "svcgov.target": ("CLIENT", "the target of the governed client, if it has one"),
    "url.path": ("SERVER", "the path, without its query"),
}


def written(text: str) -> str:
    """A page with its tables made anew."""
    return MADE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[4]}", text)


def table(head: str, rows: Iterable[Iterable[str]]) -> str:
    """A table as Markdown has it; the columns of *head* are between bars."""
    lines = ["".join(f"| {cell} " if cell else "| " for cell in row) + "|" for row in rows]
    return "\n".join([f"| {head} |", "|---" * (head.count("|") + 1) + "|", *lines, ""])


def code(names: Iterable[str]) -> str:
    """Names as code."""
    return " ".join(f"`{name}`" for name in names)


# -- what there is ----------------------------------------------------------------------------------------------------


def metrics() -> str:
    """Every metric by both of its names."""
    return table(
        "metric | in Prometheus | kind | unit | labels | what it says",
        (
            (f"`{one.name}`", f"`{name_of(one)}`", one.kind, one.unit and f"`{one.unit}`", code(one.labels), one.text)
            for one in METRICS
        ),
    )


def log_keys() -> str:
    """The keys of a line of the access log, from the table in the module's docstring."""
    return table("key | what it says", ((code(names), text) for names, text in drawn(access_log)))


def own_keys() -> str:
    """What is added to lines of the author's own."""
    return table("key | what it says", ((code(names), text) for names, text in drawn(correlation)))


def told() -> str:
    """Every fact, with what becomes of it."""
    return table(
        "fact | when | in the log | level | with | on spans, as `svcgov.*` | counted as",
        (
            (
                f"`{kind.__name__}`",
                said(kind),
                f"`{event_of(kind)}`",
                *logged(kind),
                code(("policy", *_span_words.SAID.get(kind, ()))),
                code(counters(kind)),
            )
            for kind in kinds()
        ),
    )


def attributes() -> str:
    """Every attribute of a span."""
    return table("attribute | of | what it says", ((f"`{name}`", *ATTRIBUTES[name]) for name in sorted(ATTRIBUTES)))


def alerts() -> str:
    """Every alert, and the section that goes on from it."""
    rules = (DOCS / "observability" / "prometheus-rules.yaml").read_text().partition("- name: svcgov.alerts")[2]
    found = re.findall(r"- alert: (\w+)\n.*?severity: (\w+)\n.*?summary: \"(.*?)\"\n +guide: (.+?)\n", rules, re.DOTALL)
    return table(
        "alert | severity | says | go on at",
        (
            (f"`{name}`", severity, re.sub(r"\{\{ \$(?:labels\.)?(\w+).*?\}\}", r"*\1*", says), f"[{guide}](#{_anchor(guide)})")
            for name, severity, says, guide in found
        ),
    )


def _anchor(heading: str) -> str:
    """As a heading is linked to."""
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


def settings() -> str:
    """Every setting that a document may say, by its slot: from `_settings`."""
    return _settings.settings(table).rstrip("\n") + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "alerts": alerts,
    "metrics": metrics,
    "log_keys": log_keys,
    "own_keys": own_keys,
    "facts": told,
    "attributes": attributes,
    "settings": settings,
}


# -- where it is read -------------------------------------------------------------------------------------------------


def kinds() -> list[type[facts.Fact]]:
    """All kinds of facts, by their names."""
    return [getattr(facts, name) for name in sorted(facts.__all__) if name != "Fact"]


def event_of(kind: type[facts.Fact]) -> str:
    """The name of a fact in a log."""
    event: str = kind.__new__(kind).event
    return event


def said(kind: type[facts.Fact]) -> str:
    """The first sentence of what is written about it."""
    first = " ".join((kind.__doc__ or "").split()).partition(". ")[0].rstrip(".")
    return re.sub(r"\*(\w+)\*", r"`\1`", first.replace("``", "`"))


def logged(kind: type[facts.Fact]) -> tuple[str, str]:
    """The level of its line, and what it has beside the ids."""
    level, apart, more = fact_log.TOLD[next(one for one in kind.__mro__ if one in fact_log.TOLD)]
    return level, code(("policy", *apart, *more))


def counters(kind: type[facts.Fact]) -> list[str]:
    """The names of the metrics that grow with a fact, as Prometheus has them: one is told to a recorder."""
    from telemetry.counting import Counting

    recorder = Counting().recorder
    recorder.stop()  # hears of nothing else
    fields: dict[str, Any] = {name: "x" for name, default in kind._fields.items() if repr(default) == "required"}
    if kind in COUNTED:
        recorder.heard(kind(**fields))
    return [name_of(one) for one, samples in families(recorder) for labels, _ in samples if labels.get("policy") == "x"]


def drawn(module: Any) -> list[tuple[list[str], str]]:
    """The rows of the first table that is drawn in a module's docstring: the names in its first column, and its last one."""
    lines = iter((module.__doc__ or "").splitlines())
    border = next(line for line in lines if line.startswith("==="))
    width = border.index(" ")
    rows: list[tuple[list[str], str]] = []
    for line in lines:
        if line.startswith("==="):
            return rows
        names, text = line[:width].strip().strip("`").split(), line[width:].strip().replace("``", "`")
        if names:
            rows.append((names, text))
        else:
            rows[-1] = rows[-1][0], f"{rows[-1][1]} {text}"
    raise AssertionError(f"the table of {module.__name__} has no end")


def found_attributes() -> set[str]:
    """The names of attributes that the code of spans has in it; those of events are made of the fields of facts."""
    names: set[str] = set()
    for path in (TELEMETRY / "traces.py", *TELEMETRY.glob("_span_*.py")):
        names |= {text for text in _texts(ast.parse(path.read_text())) if _ATTRIBUTE.fullmatch(text)}
    return names


def _texts(tree: ast.Module) -> Iterator[str]:
    """The texts of a module that are no names of loggers, keys of a context, or places of reports."""
    passed = {"create_key", "report_once", "getLogger", "get_tracer"}
    skipped = {
        id(text)
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", getattr(call.func, "id", "")) in passed
        for text in ast.walk(call)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            yield node.value


if __name__ == "__main__" and "--write" in sys.argv:
    for one in PAGES:
        one.write_text(written(one.read_text()))
