"""Where in a call its key stands: a function of the call, or a few words that say so.

Rule: what is not there is None, whatever the event looks like. A key is never taken from where a caller may write what he
      likes, unless the author says so (``header:``): the address is the one that the platform has seen.
"""

from __future__ import annotations

from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._call import Call


def read_key(value: Any, path: str) -> Callable[[Call], Any] | None:
    """A function of the call, or where in it the key stands."""
    if value is None or callable(value):
        return value  # type: ignore[no-any-return]  # one of the two
    if isinstance(value, str):
        kind, _, name = value.partition(":")
        if kind in NAMED and name:
            return NAMED[kind](name)
        if value in PLAIN:
            return PLAIN[value]
    expected = 'a function of the call, "header:x-tenant", "claim:sub", "arg:tenant", "path", "ip" or "colour"'
    raise ConfigError(path, value, expected)


class Header:
    """The value of a header of the invocation."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name.lower()

    def __call__(self, call: Call) -> Any:
        """Its value, or None."""
        return call.invocation.headers.get(self.name)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.name == self.name

    def __hash__(self) -> int:
        return hash((type(self), self.name))


class Argument(Header):
    """The value of an argument of the call, by its name."""

    __slots__ = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, call: Call) -> Any:
        """Its value, or None."""
        if self.name in call.kwargs:
            return call.kwargs[self.name]
        code = getattr(call.fn, "__code__", None)
        names = code.co_varnames[: code.co_argcount] if code is not None else ()
        place = names.index(self.name) if self.name in names else len(call.args)
        return call.args[place] if place < len(call.args) else None


class Claim(Argument):
    """A claim of the token that API Gateway has checked, of a REST API (``claims``) or of an HTTP API (``jwt.claims``)."""

    __slots__ = ()

    def __call__(self, call: Call) -> Any:
        """Its value as text, or None."""
        authorizer = _within(call.invocation.raw, "requestContext", "authorizer")
        found = _within(authorizer, "jwt", "claims", self.name)
        if found is None:
            found = _within(authorizer, "claims", self.name)
        return found if found is None or isinstance(found, str) else str(found)


def _colour(call: Call) -> Any:
    return call.invocation.colour


def _path(call: Call) -> Any:
    return call.invocation.path or None


def _ip(call: Call) -> Any:
    return call.invocation.client or None


def _within(value: Any, *names: str) -> Any:
    """What stands in *value* under these names, one inside the other; None where there is no such thing."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name)
    return value


NAMED: dict[str, Callable[[str], Callable[[Call], Any]]] = {"header": Header, "arg": Argument, "claim": Claim}
PLAIN: dict[str, Callable[[Call], Any]] = {"colour": _colour, "path": _path, "ip": _ip}
