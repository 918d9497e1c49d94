"""The reference of settings that documents may say: made of the very settings that read them, for the page `settings`.

`_tables` writes it into its place. What a setting expects is what its error says; where that speaks of what only code has, the
words for documents are below.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from svcgov._core._backoff import BackoffSettings
from svcgov._core._frozen import REQUIRED
from svcgov._core._matching import WORDS
from svcgov._process import ProcessSettings
from svcgov.config._callers import STRICTER
from svcgov.config._slots import SLOTS, policy_of, settings_of, shorthand_of
from svcgov.config.document import CODE_ONLY
from svcgov.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov._core._schema import Field

_BACKOFF = "a table of [backoff](#backoff)"
_KINDS = f"{', '.join(f'`{word}`' for word in WORDS)}, a status such as `429`, a registered name, or a list of these"
_RATE = '`"100/second"`, `"5/2 minutes"`: calls in a window of 1 ms to 30 days'
OWN = {  # what a document may say where code may say more
    "backoff": f"a duration >= 0 s, a list of them, or {_BACKOFF}",
    "budget": "the name of a budget, or false for none",
    "idempotent": "true or false",
    "ignore": _KINDS,
    "key": '`"header:NAME"`, `"claim:NAME"`, `"arg:NAME"`, `"path"`, `"ip"`, `"colour"`, or a registered name',
    "limit": f"{_RATE}; in a list all of them must admit",
    "on": _KINDS,
    "on_result": "a registered name",
    "open_for": f"a duration >= 1 ms and <= 1 h, or {_BACKOFF}, whose `jitter` is `none`",
    "overrides": f"a table: limits by keys, or patterns of them (`vip-*`); each {_RATE}",
    "when": "a registered name, or a table of `path`, `method`, `trigger`, `colour`, `client`, `header:NAME`, `cookie:NAME`",
    "window": 'an integer from 1 to 100 000 (calls), or a duration from 100 ms to 1 h in text: `"30s"`',
    "force": "`open`",
}
DEFAULTS = {  # where the code says None, or a name of its own
    "retry.on": "has to be given, or `on_result`",
    "retry.backoff": "as its table says",
    "retry.budget": "one for each dependency",
    "retry.idempotent": "by the method and `Idempotency-Key`",
    "bulkhead.max_waiting": "10 times the limit",
    "rate_limit.burst": "one window's worth",
    "circuit_breaker.on": "every `Exception`",
}
WAYS = {-1: "lower", 1: "higher", 0: ""}
_UNITS = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (0.001, "ms"))


def settings(table: Callable[[str, Any], str]) -> str:
    """Each slot with its settings, and the tables that stand for themselves; *table* makes one."""
    parts = []
    for slot in SLOTS:
        if slot.startswith("attempt_"):
            continue  # it takes what the other one takes
        names = [slot, *(other for other in SLOTS if other == f"attempt_{slot}")]
        short = shorthand_of(slot)
        shown = f"`{slot} = ...` alone is its `{short}`." if short else "It is always a table."
        rows = [
            (
                f"`{name}`",
                expected(slot, name, field),
                default_of(f"{slot}.{name}", field),
                said_by(slot, name),
                WAYS[STRICTER[slot].get(name, 0)],
            )
            for name, field in settings_of(slot)._fields.items()
        ]
        head = "setting | what it may be | default | a document may say it | `callers` may ask for"
        parts.append(f"## {', '.join(names)}\n\n{shown}\n\n{table(head, rows)}")
    for title, fields in (("backoff", BackoffSettings._fields), ("process", ProcessSettings._fields)):
        plain = [
            (f"`{name}`", expected(title, name, field), default_of(f"{title}.{name}", field)) for name, field in fields.items()
        ]
        parts.append(f"## {title}\n\n{table('setting | what it may be | default', plain)}")
    only = ", ".join(f"`{name}`" for name in CODE_ONLY)
    parts.append(
        f"## What only code can say\n\n{only}: of every policy that takes them. A document that says one of them is refused.\n"
    )
    return "\n".join(parts)


def expected(slot: str, name: str, field: Field) -> str:
    """What a value has to be, as its reader says it of one that cannot be."""
    if field.form is None and name in OWN and (slot, name) != ("timeout", "seconds"):
        return OWN[name]
    try:
        field.read(object(), name)
    except ConfigError as error:
        text = (
            error.expected.removesuffix(', such as 2.5 or "500ms"').removesuffix(", or a function of the call").replace("_", " ")
        )
        text = re.sub(r"one of ([\w, -]+)", lambda found: re.sub(r"([\w-]+)", r"`\1`", found[1]), text)
        return re.sub(r"([\d.]+) s\b", lambda found: span(float(found[1])), text)
    raise AssertionError(f"{slot}.{name} takes anything")


def span(seconds: float) -> str:
    """A duration in the largest unit that it is a whole number of."""
    for unit, word in _UNITS:
        if seconds >= unit and abs(seconds / unit - round(seconds / unit)) < 1e-9:
            return f"{round(seconds / unit)} {word}"
    return f"{seconds * 1000:g} ms" if seconds else "0 s"


def default_of(place: str, field: Field) -> str:
    """What holds where nobody says anything."""
    value = field.default
    if place in DEFAULTS:
        return DEFAULTS[place]
    if value is REQUIRED:
        return "has to be given"
    if value is None or value == {}:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if field.form == ("duration",) or place == "circuit_breaker.open_for":
        return span(value)
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    return f"`{value}`" if isinstance(value, str) else f"{value:g}"


def said_by(slot: str, name: str) -> str:
    """Whether a document may say it."""
    return "of what the code has not" if name in policy_of(slot).fixed else "yes"
