"""What is not written: the values of names that say that they are secrets.

One list of names holds for headers, for keys of queries, and for the fields of a log line. A name is on it if it is one of
them, or ends with one after a dash, a dot, an underscore or before a capital: ``x-amz-security-token``, ``db_password``,
``clientSecret``. ``SVCGOV_REDACT`` adds to it.

Rule 1: what is left out is shown as ``[redacted]``: that there was something is worth knowing.
Rule 2: a field is looked through to a depth of six, and to ten thousand values; what lies beyond, or cannot be read, is not
        written either.
Rule 3: nothing here raises, and what the author holds is not changed: containers are copied.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .._core._environment import words
from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping
    from logging import LogRecord
    from typing import Any

    Event = MutableMapping[str, Any]

__all__ = ["NAMES", "Redact", "extra", "redact"]

VARIABLE = "SVCGOV_REDACT"
NAMES = (
    "access_key", "access_key_id", "api_key", "apikey", "auth", "authorization", "awsaccess_key_id", "bearer", "cookie",
    "credential", "credentials", "jwt", "passphrase", "passwd", "password", "private_key", "pwd", "secret", "secret_key",
    "session_id", "sessionid", "sig", "signature", "token",
)  # fmt: skip
SHOWN = "[redacted]"
DEEP = "[too deep]"
LONG = "[too long]"
UNREAD = "[unreadable]"
DEPTH = 6
MOST = 10_000
_REMEMBERED = 1000
_SHORT = 100  # characters of a name that is remembered

_CAPITALS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BREAKS = re.compile(r"[^a-z0-9]+")
_QUERY = re.compile(r"""([?&;#])([^=?&;#\s"'<>]{1,100})=([^&;#\s"'<>]+)""")
_USER = re.compile(r"""://[^/?#@\s"']+@""")
_SCHEME = re.compile(r"""\b([Bb]earer|BEARER|Basic)\s+[^\s"',;]{4,}""")
_OWN = {  # of a record; what else it has is the author's
    "args", "asctime", "created", "exc_info", "exc_text", "filename", "funcName", "levelname", "levelno", "lineno",
    "message", "module", "msecs", "msg", "name", "pathname", "process", "processName", "relativeCreated", "stack_info",
    "taskName", "thread", "threadName",
}  # fmt: skip


def extra() -> list[str]:
    """The names that ``SVCGOV_REDACT`` adds.

    Raises:
        ConfigError: for what cannot be one.
    """
    given = words(VARIABLE)
    for name in given:
        _checked(name, VARIABLE)
    return given


def _checked(name: object, path: str) -> str:
    if not isinstance(name, str) or not _plain(name):
        raise ConfigError(path, name, "names of headers, keys or fields: letters, digits and - _ .")
    return _plain(name)


def _plain(name: str) -> str:
    """*name* in words: ``X-Api-Key``, ``x.api.key`` and ``xApiKey`` are all ``x_api_key``."""
    return _BREAKS.sub("_", _CAPITALS.sub("_", name).lower()).strip("_")


class Redact:
    """Leaves out what is secret by its name.

    A processor of structlog, before the one that renders: ``processors=[..., svcgov.logs.redact, renderer]``. A filter of
    ``logging``: ``handler.addFilter(svcgov.logs.redact)``. It looks at the fields of a line, in what is nested in them, and at
    URLs, queries and ``Bearer`` in its texts. An error's traceback is not looked at.

    Args:
        names: further names, for this one.

    Raises:
        ConfigError: for what cannot be a name.
    """

    def __init__(self, *names: str) -> None:
        listed = [*NAMES, *map(_plain, extra()), *(_checked(name, "Redact.names") for name in names)]
        self._names = frozenset(listed)
        self._ends = tuple(f"_{name}" for name in listed)
        self._known: dict[str, bool] = {}

    def secret(self, name: str) -> bool:
        """Whether the value of *name* is not to be written."""
        known = self._known.get(name)
        if known is None:
            plain = _plain(name)
            known = plain in self._names or plain.endswith(self._ends)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            if len(name) <= _SHORT:
                self._known[name] = known
        return known

    # -- for whoever writes -----------------------------------------------------------------------------------------

    def headers(self, given: Mapping[str, str]) -> dict[str, str]:
        """Headers as they may be written."""
        return {name: SHOWN if self.secret(name) else self.text(value) for name, value in given.items()}

    def text(self, given: str) -> str:
        """A text as it may be written: a URL without who asks and without secret values in its query, and no token."""
        if "://" in given:
            given = _USER.sub(f"://{SHOWN}@", given)
        if "=" in given:
            given = _QUERY.sub(self._query, given)
        return _SCHEME.sub(rf"\1 {SHOWN}", given) if " " in given else given

    def _query(self, found: re.Match[str]) -> str:
        before, name, _ = found.groups()
        if "%" in name:
            from urllib.parse import unquote

            name = unquote(name)
        return f"{before}{found[2]}={SHOWN}" if self.secret(name) else found[0]

    # -- for the author's own lines ----------------------------------------------------------------------------------

    def __call__(self, logger: object, method: str, event: Event, /) -> Event:
        """As structlog calls a processor."""
        left = [MOST]
        for name in list(event):
            event[name] = self._value(name, event[name], DEPTH, left)
        return event

    def filter(self, record: LogRecord) -> bool:
        """As ``logging`` calls a filter; every record passes."""
        known, left = record.__dict__, [MOST]
        for name in [name for name in known if name not in _OWN]:
            known[name] = self._value(name, known[name], DEPTH, left)
        if not record.args:
            record.msg = self._value("", record.msg, DEPTH, left)
        elif isinstance(record.args, tuple):
            record.args = tuple(self._value("", one, DEPTH, left) for one in record.args)
        else:
            record.args = self._value("", record.args, DEPTH + 1, left)
        self._message(record)
        return True

    def _message(self, record: LogRecord) -> None:
        """What is secret in the message only once it is put together, such as an object that is a URL."""
        try:
            said = record.getMessage()
        except Exception:  # it will raise again where it is asked for
            return
        shown = self.text(said)
        if shown != said:
            record.msg, record.args = shown, ()

    def _value(self, name: Any, given: Any, depth: int, left: list[int]) -> Any:
        if isinstance(name, bytes):
            name = name.decode("latin-1")
        if isinstance(name, str) and self.secret(name) and given is not None and not isinstance(given, bool):
            return SHOWN
        if isinstance(given, str):
            return self.text(given)
        mapping = isinstance(given, Mapping)
        if not mapping and type(given) not in (list, tuple, set, frozenset):
            return given
        if not depth:
            return DEEP
        try:
            left[0] -= len(given)
            if left[0] < 0:
                return LONG
            if mapping:
                return {key: self._value(key, value, depth - 1, left) for key, value in given.items()}
            return self._row(given, depth, left)
        except Exception:  # a container of somebody's own, or one that another thread changes meanwhile
            return UNREAD

    def _row(self, given: Iterable[Any], depth: int, left: list[int]) -> Any:
        """A row of values; or a name and its value, as where headers are pairs."""
        kind = type(given)
        values = [self._value("", value, depth - 1, left) for value in given]
        if kind in (list, tuple) and len(values) == 2 and isinstance(values[0], (str, bytes)):
            values[1] = self._value(values[0], values[1], depth - 1, left)
        return kind(values)  # type: ignore[call-arg]  # as all four are made


redact: Redact = Redact()
