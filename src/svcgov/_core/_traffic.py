"""Which calls are meant: a table of what has to be so of the invocation that is under way.

::

    {"method": ["POST", "PUT"], "path": {"prefix": "/orders"}, "header:x-tier": "gold", "colour": {"empty": True}}

======================================  ==========================================================================
``path method trigger colour client``   of the invocation; what it has not is empty
``header:NAME``                         a header of it, in any spelling
``cookie:NAME``                         a cookie of it
======================================  ==========================================================================

A text has to be equal, of a list one, and of a mapping all: ``exact``, ``prefix``, ``suffix``, ``regex`` (anywhere in the value),
``empty`` (true or false).

Rule 1: all that the table names has to be so; an empty table is refused, since it would say nothing.
Rule 2: what comes from outside is looked at up to a bound: a regular expression sees so many characters, and no more.
"""

from __future__ import annotations

from ..errors import ConfigError
from ._schema import within

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, TypeAlias

    from ._call import Call
    from ._context import Invocation

    Read: TypeAlias = Callable[[Invocation], str]
    Holds: TypeAlias = Callable[[str], object]

_FIELDS = ("path", "method", "trigger", "colour", "client")
_TESTS = ("exact", "prefix", "suffix", "regex", "empty")
_LONGEST = 1024  # characters that a regular expression is shown


class Traffic:
    """The calls that *table* describes, as a predicate of the call.

    Raises:
        ConfigError: for a table that cannot be; *path* is where it stands.
    """

    __slots__ = ("_tests", "table")

    def __init__(self, table: Mapping[str, Any], path: str) -> None:
        if not table:
            raise ConfigError(path, table, "at least one thing that has to be so")
        self.table = dict(table)
        self._tests: list[tuple[Read, Holds]] = []
        for name, wanted in table.items():
            read = _reader(name, path)
            self._tests += [(read, holds) for holds in _tests(wanted, within(path, name))]

    def __call__(self, call: Call) -> bool:
        """Whether *call* is meant."""
        return self.holds(call.invocation)

    def holds(self, invocation: Invocation) -> bool:
        """Whether *invocation* is one of them."""
        return all(holds(read(invocation)) for read, holds in self._tests)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Traffic) and other.table == self.table

    def __hash__(self) -> int:
        return hash(Traffic)

    def __repr__(self) -> str:
        return repr(self.table)


def _reader(name: Any, path: str) -> Read:
    if isinstance(name, str):
        kind, _, key = name.partition(":")
        if name in _FIELDS:
            return lambda invocation: getattr(invocation, name) or ""
        if kind == "header" and key:
            key = key.lower()
            return lambda invocation: invocation.headers.get(key, "")
        if kind == "cookie" and key:
            return lambda invocation: _cookie(invocation.headers.get("cookie", ""), key)
    raise ConfigError(within(path, name), name, f"one of {', '.join(_FIELDS)}, header:NAME, cookie:NAME")


def _cookie(header: str, wanted: str) -> str:
    for pair in header.split(";"):
        name, _, value = pair.strip().partition("=")
        if name == wanted:
            return value.strip('"')
    return ""


def _tests(wanted: Any, path: str) -> list[Holds]:
    if isinstance(wanted, str):
        return [wanted.__eq__]
    if isinstance(wanted, (list, tuple)) and wanted and all(isinstance(one, str) for one in wanted):
        return [frozenset(wanted).__contains__]
    if hasattr(wanted, "items") and wanted:
        return [_test(kind, value, within(path, kind)) for kind, value in wanted.items()]
    raise ConfigError(path, wanted, f"a text, a list of them, or a mapping of {', '.join(_TESTS)}")


def _test(kind: Any, value: Any, path: str) -> Holds:
    if kind == "empty":
        if not isinstance(value, bool):
            raise ConfigError(path, value, "true or false")
        return (lambda text: not text) if value else bool
    if kind not in _TESTS:
        raise ConfigError(path, value, f"one of {', '.join(_TESTS)}")
    if not isinstance(value, str):
        raise ConfigError(path, value, "a text")
    if kind == "regex":
        return _found(value, path)
    if kind == "exact":
        return value.__eq__
    return (lambda text: text.startswith(value)) if kind == "prefix" else (lambda text: text.endswith(value))


def _found(pattern: str, path: str) -> Holds:
    import re

    try:
        search = re.compile(pattern).search
    except re.error as wrong:
        raise ConfigError(path, pattern, f"a regular expression ({wrong})") from None
    return lambda text: search(text[:_LONGEST])
