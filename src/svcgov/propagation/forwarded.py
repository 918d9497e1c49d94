"""Headers of a call that are handed on as they came: those that somebody has named, and the id of the request.

Rule 1: a name is written in full, or by its beginning (``x-b3-*``); upper and lower case are the same.
Rule 2: never handed on is what belongs to one connection (RFC 9110, 7.6.1) or to one body, and what we write ourselves;
        what proves who somebody is only if it is named in full.
Rule 3: bounded, since it comes from outside: 64 headers and 8 192 bytes, those named in full first.
"""

from __future__ import annotations

from ..errors import ConfigError
from . import colour, deadline
from ._plain import is_plain, is_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

REQUEST_ID = "x-request-id"
LONGEST_ID = 128  # characters of an id that are taken from outside
_HEADERS, _BYTES = 64, 8192
_OF_CONNECTIONS = frozenset((
    "connection", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te",
    "trailer", "transfer-encoding", "upgrade",
))  # fmt: skip
_OF_OURS = deadline.NAMES | {"traceparent", "tracestate", "baggage", colour.HEADER}
_OF_BODIES = "content-"
_SECRET = frozenset(("authorization", "cookie", "x-amz-security-token", "x-api-key"))


class Forward:
    """Which headers are handed on."""

    __slots__ = ("_begin", "_full", "given")

    def __init__(self, given: Sequence[object], path: str) -> None:
        self.given: tuple[str, ...] = tuple(_checked(given, path))
        self._full = (REQUEST_ID, *(name for name in self.given if not name.endswith("*")))
        self._begin = tuple(name[:-1] for name in self.given if name.endswith("*"))

    def __call__(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Those of *headers*, whose names are in lower case."""
        left = _BYTES
        found: dict[str, str] = {}
        for name in self._wanted(headers):
            value = fit(headers[name], LONGEST_ID if name == REQUEST_ID else _BYTES)
            size = len(name) + len(value)
            if value and size <= left and name not in found:
                found[name] = value
                left -= size
                if len(found) == _HEADERS:
                    break
        return found

    def _wanted(self, headers: Mapping[str, str]) -> list[str]:
        names = [name for name in self._full if name in headers]
        if self._begin:
            names += [name for name in headers if name.startswith(self._begin) and is_token(name) and name not in _SECRET]
        if names and "connection" in headers:  # it may name others that are meant for the next neighbour only
            near = {one.strip().lower() for one in headers["connection"].split(",")}
            names = [name for name in names if name not in near]
        return [name for name in names if not _never(name)]

    def __repr__(self) -> str:
        return f"Forward({', '.join(self.given)})"


def fit(value: str, longest: int = LONGEST_ID) -> str:
    """*value* if it can stand in a header as it is, else the empty string."""
    value = value.strip()
    return value if len(value) <= longest and is_plain(value) else ""


def _checked(given: Sequence[object], path: str) -> list[str]:
    expected = 'names of headers, such as "x-tenant" or "x-b3-*"'
    if isinstance(given, str):
        raise ConfigError(path, given, f"a list of {expected}")
    names = []
    for one in given:
        name = one.lower() if isinstance(one, str) else ""
        full = name.removesuffix("*")
        if not is_token(full) or "*" in full:
            raise ConfigError(path, one, expected)
        if _never(name):
            raise ConfigError(path, one, "a header that can be handed on (none of the connection, the body, or our own)")
        names.append(name)
    if len(names) > _HEADERS:
        raise ConfigError(path, f"{len(names)} names", f"{_HEADERS} at most")
    return names


def _never(name: str) -> bool:
    return name in _OF_CONNECTIONS or name in _OF_OURS or name in colour.names or name.startswith(_OF_BODIES)


ID_ONLY = Forward((), "forward")
