"""A document, read: every value in it checked, by the very settings that the policies have in code.

::

    api_version = "svcgov/v1"
    service = "orders"
    unset = ["policies.search.retry"]          # of what the layers below say

    [policies.payments]                        # the pipeline, the policies and the target of this name
    order = ["timeout", "retry"]               # of slots that the code has not; else the canonical order
    timeout = "5s"                             # a shorthand: { seconds = "5s" }
    retry = { attempts = 3, on = ["connection", "5xx"] }

    [inbound]                                  # the ways in whose policies have no name
    rate_limit = "200/second"

    [process]
    max_workers = 8

    [callers]                                  # what those are asked for who call this service
    retry = { attempts = 2 }

    [overlay.version.v2.policies.payments.retry]
    attempts = 5

    [rollouts.patience]                        # for a while, for some processes of all, or both
    until = "2026-03-01T12:00:00Z"
    percent = 10
    [rollouts.patience.policies.payments]
    timeout = "8s"

Rule 1: everything in it is checked, also what is meant for others: a mistake is found where it is made.
Rule 2: all mistakes are told at once, each with its path as it is written, and with what it was probably meant to be.
Rule 3: reading changes nothing: whether it goes together with the code is found out when it is applied.
"""

from __future__ import annotations

from math import inf

from .._core._clock import moment
from .._core._names import check_name
from .._core._schema import unknown
from .._process import ProcessSettings
from ..errors import ConfigError
from ._callers import cannot_be_asked
from ._parts import BASE, OVERLAYS, ROLLOUT, Document, Part
from ._paths import joined, split
from ._slots import SLOTS, expanded, resolved, settings_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._paths import Path

API_VERSION = "svcgov/v1"
MOST_ERRORS = 50
CODE_ONLY = ("name", "final", "clock", "random", "listeners")  # keyword arguments that are no settings
_DEEPEST = 32
_TABLES = ("policies", "inbound", "callers", "process")
_BODY = (*_TABLES, "unset")
_TOP = ("api_version", "service", *_BODY, "overlay", "rollouts")
_SOME = tuple(key for key in _BODY if key != "callers")  # who calls cannot know which of us will answer
_ROLLOUT = ("until", "percent", *_SOME)
_UNTIL = "a time with its zone, such as 2026-03-01T12:00:00Z"
_CONTENT = "a text, a number, true, false, a list or a table"


def document_of(given: Any) -> tuple[Document, list[ConfigError]]:
    """Read *given*, a mapping. What is wrong is told, and left out."""
    reader = _Reader()
    return reader.document(given), reader.errors[:MOST_ERRORS]


def plain(value: Any, path: str, depth: int = 0) -> Any:
    """A copy of *value*, if it is what a file could hold.

    Raises:
        ConfigError: for anything else, and for what is nested too deeply.
    """
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    if hasattr(value, "isoformat"):
        return value.isoformat()  # TOML has dates
    if depth > _DEEPEST:
        raise ConfigError(path, "...", f"at most {_DEEPEST} tables and lists in one another")
    if isinstance(value, (list, tuple)):
        return [plain(one, f"{path}[{place}]", depth + 1) for place, one in enumerate(value)]
    if hasattr(value, "items"):
        for key in value:
            if not isinstance(key, str):
                raise ConfigError(path or "document", key, "keys that are texts")
        return {key: plain(one, f"{path}.{joined((key,))}" if path else joined((key,)), depth + 1) for key, one in value.items()}
    raise ConfigError(path, value, _CONTENT)


class _Reader:
    """Reads one document, and notes what is wrong."""

    def __init__(self) -> None:
        self.errors: list[ConfigError] = []

    def wrong(self, path: Path, value: object, expected: str) -> None:
        self.errors.append(ConfigError(joined(path) or "document", value, expected))

    def table(self, value: Any, path: Path) -> dict[str, Any]:
        """*value*, or an empty table where it is none."""
        if isinstance(value, dict):
            return value
        self.wrong(path, value, "a table")
        return {}

    def document(self, given: Any) -> Document:
        try:
            top = self.table(plain(given, ""), ()) if hasattr(given, "items") else self.table(given, ())
        except ConfigError as error:
            self.errors.append(error)
            top = {}
        for key in top:
            if key not in _TOP:
                self.errors.append(unknown(key, top[key], dict.fromkeys(_TOP), ""))
        version = top.get("api_version", API_VERSION)
        if version != API_VERSION:
            self.wrong(("api_version",), version, API_VERSION)
        service = top.get("service")
        if service is not None:
            self.named(service, ("service",))
        parts = [self.part(BASE, "", {key: top[key] for key in _BODY if key in top}, ())]
        overlays = self.table(top.get("overlay", {}), ("overlay",))
        for kind, names in overlays.items():
            if kind not in OVERLAYS:
                self.errors.append(unknown(kind, names, dict.fromkeys(OVERLAYS), "overlay"))
                continue
            for name, body in self.table(names, ("overlay", kind)).items():
                parts.append(self.part(kind, name, self.table(body, ("overlay", kind, name)), ("overlay", kind, name)))
        for name, body in self.table(top.get("rollouts", {}), ("rollouts",)).items():
            if self.named(name, ("rollouts", name)):
                parts.append(self.rollout(name, self.table(body, ("rollouts", name)), ("rollouts", name)))
        return Document(service=service, parts=tuple(parts))

    def named(self, name: object, path: Path) -> bool:
        try:
            check_name(name, joined(path))
        except ConfigError as error:
            self.errors.append(error)
            return False
        return True

    def part(self, kind: str, name: str, body: dict[str, Any], prefix: Path) -> Part:
        self.unset: list[Path] = []
        self.short: set[Path] = set()
        values: dict[str, Any] = {}
        known = _BODY if kind in (BASE, "stage") else _SOME
        for key, value in body.items():
            path = (*prefix, key)
            if key not in known:
                self.errors.append(unknown(key, value, dict.fromkeys(known), joined(prefix)))
            elif key == "policies":
                values[key] = {
                    policy: self.policy(slots, (key, policy), prefix)
                    for policy, slots in self.table(value, path).items()
                    if self.named(policy, (*path, policy)) and not self.gone(slots, (key, policy))
                }
            elif key == "process":
                values[key] = self.settings(ProcessSettings._fields, self.table(value, path), (key,), prefix)
            elif key == "unset":
                self.take_back(value, path)
            elif not self.gone(value, (key,)):
                slots = self.policy(value, (key,), prefix)
                values[key] = self.callers(slots, prefix) if key == "callers" else slots
        return Part(kind=kind, name=name, values=values, unset=tuple(self.unset), prefix=prefix, short=frozenset(self.short))

    def rollout(self, name: str, body: dict[str, Any], path: Path) -> Part:
        """A part for a while, or for some."""
        for key, value in body.items():
            if key not in _ROLLOUT:
                self.errors.append(unknown(key, value, dict.fromkeys(_ROLLOUT), joined(path)))
        if "until" not in body and "percent" not in body:
            self.wrong(path, list(body), "until, percent, or both: else it is for everybody for ever")
        until, percent = moment(body["until"]) if "until" in body else inf, body.get("percent", 100)
        if until is None:
            self.wrong((*path, "until"), body["until"], _UNTIL)
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or not 0 <= percent <= 100:
            self.wrong((*path, "percent"), percent, "a number from 0 to 100")
            percent = 0
        part = self.part(ROLLOUT, name, {key: body[key] for key in _SOME if key in body}, path)
        return part.replace(until=until or 0.0, percent=float(percent))

    def gone(self, value: Any, path: Path) -> bool:
        """Whether *value* is null, which takes back what the layers below say."""
        if value is None:
            self.unset.append(path)
        return value is None

    def take_back(self, value: Any, path: Path) -> None:
        for place, text in enumerate(value if isinstance(value, list) else [value]):
            keys = split(text) if isinstance(text, str) else None
            if keys is None or keys[0] not in _TABLES:
                where = f"{joined(path)}[{place}]" if isinstance(value, list) else joined(path)
                self.errors.append(ConfigError(where, text, 'places, such as ["policies.payments.retry"]'))
            else:
                self.unset.append(keys)

    def policy(self, slots: Any, path: Path, prefix: Path) -> dict[str, Any]:
        """The slots of one pipeline."""
        values: dict[str, Any] = {}
        for slot, given in self.table(slots, (*prefix, *path)).items():
            here = (*path, slot)
            written = (*prefix, *here)
            if slot != "order" and slot not in SLOTS:
                known = dict.fromkeys(("order", *SLOTS))
                self.errors.append(unknown(slot, given, known, joined((*prefix, *path))))
            elif self.gone(given, here):
                continue
            elif slot == "order":
                self.order(given, written)
                values[slot] = given
            else:
                values[slot] = self.slot(slot, given, here, prefix)
        return values

    def callers(self, values: dict[str, Any], prefix: Path) -> dict[str, Any]:
        """What callers are asked for, as far as they can be."""
        wrong = [(("callers", *path), value, expected) for path, value, expected in cannot_be_asked(values)]
        for path, value, expected in wrong:
            self.wrong((*prefix, *path), value, expected)
        return {} if wrong else values

    def order(self, given: Any, path: Path) -> None:
        right = isinstance(given, list) and all(one in SLOTS for one in given) and len(set(given)) == len(given)
        if not right:
            self.wrong(path, given, f"a list of some of {', '.join(SLOTS)}, each once")

    def slot(self, slot: str, given: Any, path: Path, prefix: Path) -> dict[str, Any]:
        if not isinstance(given, dict):
            self.short.add(path)
        try:
            table = given if isinstance(given, dict) else dict(expanded(slot, given, joined((*prefix, *path))))
        except ConfigError as error:
            self.errors.append(error)
            return {}
        return self.settings(settings_of(slot)._fields, table, path, prefix)

    def settings(self, fields: Mapping[str, Any], table: dict[str, Any], path: Path, prefix: Path) -> dict[str, Any]:
        """The settings of one table, each read alone."""
        values = {}
        for name, value in table.items():
            if name in CODE_ONLY:
                self.wrong(self.at(name, path, prefix), value, "nothing: only code can say it")
            elif name not in fields:
                self.errors.append(unknown(name, value, fields, joined((*prefix, *path))))
            elif not self.gone(value, (*path, name)):
                try:
                    fields[name].read(resolved(name, value, path), "")
                except ConfigError:
                    self.read_again(fields[name], name, value, self.at(name, path, prefix))
                else:
                    values[name] = value
        return values

    def at(self, name: str, path: Path, prefix: Path) -> Path:
        """Where the setting *name* of the table at *path* is written."""
        return (*prefix, *path) if path in self.short else (*prefix, *path, name)

    def read_again(self, field: Any, name: str, value: Any, path: Path) -> None:
        """What cannot be, with its place: most can, and need none."""
        try:
            field.read(resolved(name, value, path), joined(path))
        except ConfigError as error:
            self.errors.append(error)
