"""What a registry holds: instances, endpoints, and raw documents.

An *instance* is a process that says by itself that it is there, under a lease. An *endpoint* is something callable that the
platform keeps alive, such as a function: nobody has to renew it. Each is stored as a JSON object of at most `LONGEST` characters.

Rule 1: a record that is read is checked; what cannot be is `MalformedError`, with the place in the record.
Rule 2: fields that we do not know are kept, and written again.
"""

from __future__ import annotations

import re

from ._context import well_coloured
from ._frozen import Frozen
from ._names import check_name
from ._schema import number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar, Self

LONGEST = 8192  # characters of a record
HEAVIEST = 100
STATES = ("up", "draining")
_ADDRESS = re.compile(
    r"(?i:https?)://(?:\[(?P<six>[0-9a-fA-F:.]+)\]|[\w.~-]+)(?::(?P<port>[0-9]{1,5}))?(?:[/?][!-~]*)?", re.ASCII
)


class MalformedError(ValueError):
    """A record that cannot be read. *path* is the place in it, *expected* what could have stood there."""

    def __init__(self, path: str, value: object, expected: str) -> None:
        super().__init__(f"{path}: expected {expected}")
        self.path = path
        self.value = value
        self.expected = expected


def _name(value: Any, path: str) -> None:
    check_name(value, path)


def _text(value: Any, path: str) -> None:
    if not isinstance(value, str):
        raise MalformedError(path, value, "text")


def _url(value: Any, path: str) -> None:
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found["port"] or 1) < 65536 or not _bracketed(found["six"]):
        raise MalformedError(path, value, "an address, such as http://10.0.0.7:8080")


def _bracketed(host: str | None) -> bool:
    """Whether what stands in brackets, if anything does, is an address of IPv6."""
    from ipaddress import IPv6Address

    try:
        return host is None or bool(IPv6Address(host))
    except ValueError:
        return False


def _colour(value: Any, path: str) -> None:
    if value is not None and not well_coloured(value):
        raise MalformedError(path, value, "a colour: 1 to 64 letters, digits or . _ -")


def _labels(value: Any, path: str) -> None:
    if not isinstance(value, dict) or not all(isinstance(one, str) for pair in value.items() for one in pair):
        raise MalformedError(path, value, "names and texts")


def _weight(value: Any, path: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= HEAVIEST:
        raise MalformedError(path, value, f"an integer from 0 to {HEAVIEST}")


def _state(value: Any, path: str) -> None:
    if value not in STATES:
        raise MalformedError(path, value, f"one of {', '.join(STATES)}")


def _moment(value: Any, path: str) -> None:
    if not number(value):
        raise MalformedError(path, value, "seconds since the epoch")


class Callee(Frozen):
    """What instances and endpoints have.

    Attributes:
        service: whose it is.
        id: which one it is, among those of the service.
        version: its version, or the empty string.
        colour: the colour of the traffic that it is for; None: traffic without one, and of colours that nobody else is for.
        labels: whatever else is said of it.
        weight: its share of the calls, 0 for none.
        more: fields of the record that this version does not know.
    """

    service: str
    id: str = ""
    version: str = ""
    colour: str | None = None
    labels: Mapping[str, str] = {}  # frozen records have no shared mutable state: nobody writes into it
    weight: int = 1
    more: Mapping[str, Any] = {}  # as above

    CHECKS: ClassVar[dict[str, Callable[[Any, str], None]]] = {
        "service": _name,
        "id": _name,
        "version": _text,
        "colour": _colour,
        "labels": _labels,
        "weight": _weight,
    }
    NEEDED: ClassVar[tuple[str, ...]] = ("service", "id")

    @property
    def place(self) -> str:
        """Where it is called: ``scheme://host:port``, and a path where there is one."""
        raise NotImplementedError

    def wire(self) -> str:
        """The record as it is stored: what is as by default is left out."""
        from json import dumps

        fields = {n: v for n, v in self.as_dict().items() if n != "more" and (n in self.NEEDED or v != self._fields[n])}
        return dumps({**self.more, **fields}, separators=(",", ":"), sort_keys=True)

    def check(self) -> None:
        """Look at every field.

        Raises:
            MalformedError: for one that cannot be, or a record that is too long.
        """
        for name, check in self.CHECKS.items():
            _checked(check, getattr(self, name), name)
        if len(self.wire()) > LONGEST:
            raise MalformedError("record", None, f"at most {LONGEST} characters")

    @classmethod
    def read(cls, text: str) -> Self:
        """The record that *text* is.

        Raises:
            MalformedError: for what is none.
        """
        from json import loads

        if len(text) > LONGEST:
            raise MalformedError("record", None, f"at most {LONGEST} characters")
        try:
            given = loads(text)
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise MalformedError("record", text, "a JSON object")
        known, more = {}, {}
        for name, value in given.items():
            check = cls.CHECKS.get(name)
            if check is None:
                more[name] = value
            else:
                _checked(check, value, name)
                known[name] = value
        for name in cls.NEEDED:
            if name not in known:
                raise MalformedError(name, None, "a value")
        return cls(**known, more=more)


class Instance(Callee):
    """A process that serves, under a lease.

    Attributes:
        address: where it is called.
        zone: where it runs.
        status: ``up``, or ``draining``: it serves what it has, and wants no more.
        started: when it began, in seconds since the epoch.
        applied: the revision of the document that it goes by; those of its group and of the fleet, if any, with these words.
        refused: why it does not go by a later one, or the empty string.
    """

    address: str
    zone: str = ""
    status: str = "up"
    started: float = 0.0
    applied: str = ""
    refused: str = ""

    CHECKS: ClassVar[dict[str, Callable[[Any, str], None]]] = {
        **Callee.CHECKS,
        "address": _url,
        "zone": _text,
        "status": _state,
        "started": _moment,
        "applied": _text,
        "refused": _text,
    }
    NEEDED: ClassVar[tuple[str, ...]] = (*Callee.NEEDED, "address")

    @property
    def place(self) -> str:
        """As above."""
        return self.address


class Endpoint(Callee):
    """Something callable that the platform keeps alive. Its *url* is where it is called."""

    url: str

    CHECKS: ClassVar[dict[str, Callable[[Any, str], None]]] = {**Callee.CHECKS, "url": _url}
    NEEDED: ClassVar[tuple[str, ...]] = (*Callee.NEEDED, "url")

    @property
    def place(self) -> str:
        """As above."""
        return self.url


class Config(Frozen):
    """A raw document of a service, one of its layers, as it was published.

    Attributes:
        revision: goes up with each publication; 0 where there has been none.
        text: the very text, or None where it was deleted, or was never there.
        meta: what its author has said about it.
        at: when it was published, in seconds since the epoch.
        stale: whether the registry could not be asked just now, and this is what was known before.
    """

    service: str
    layer: str
    revision: int = 0
    text: str | None = None
    meta: Mapping[str, Any] = {}  # as above
    at: float = 0.0
    stale: bool = False

    @property
    def document(self) -> Any:
        """What the text says, which must be JSON; None where there is none.

        Raises:
            ValueError: for a text that is none.
        """
        from json import loads

        return None if self.text is None else loads(self.text)


def _checked(check: Callable[[Any, str], None], value: Any, name: str) -> None:
    try:
        check(value, name)
    except MalformedError:
        raise
    except ValueError as error:  # a name that cannot be
        raise MalformedError(name, value, getattr(error, "expected", "a name")) from error
