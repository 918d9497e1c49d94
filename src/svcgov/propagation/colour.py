"""The colour of the traffic: set once at the edge, carried along, never overwritten downstream.

It travels in a header of its own and in the baggage, so that services which hand on baggage only do not lose it. Where others
have a header for it already, such as the mesh that a service joins, it is read from that one too, and written to both.

Rule: from outside, a colour is taken only if it is on the list of those that may be, or signed; else anybody could choose
to be served by a canary.
"""

from __future__ import annotations

from .._core._context import well_coloured
from .._core._report import report_once
from ..errors import ConfigError
from ._plain import is_token

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HEADER = "x-svcgov-colour"
KEY = "svcgov.colour"
ANY = "*"  # on the list: every well-formed colour is taken
_MOST = 8

names: tuple[str, ...] = (HEADER,)  # the headers of this process, ours first


def also_named(given: Sequence[str], path: str) -> None:
    """Read and write a colour in the headers *given* too, from now on.

    Raises:
        ConfigError: for what cannot be the name of a header.
    """
    global names  # noqa: PLW0603  # one for the process, in which it means the same everywhere
    more = [name.lower() for name in given]
    for name in more:
        if not is_token(name) or len(more) > _MOST:
            raise ConfigError(path, name, f"names of headers, {_MOST} at most")
    names = tuple(dict.fromkeys((HEADER, *more)))


def named(headers: Mapping[str, str], baggage: str | None) -> str | None:
    """The colour that somebody names, in a header or in the *baggage*."""
    return next((headers[name] for name in names if name in headers), baggage)


def accepted(given: str | None, colours: frozenset[str], verified: Callable[[str], str | None] | None = None) -> str | None:
    """The colour that was *given*, if it may be that one."""
    if given is None:
        return None
    given = given.strip()
    if ";" in given:
        if verified is None:
            report_once("colour.no_key", "a signed colour was not taken: SVCGOV_COLOUR_KEY is not set")
            return None
        return verified(given)
    return given if (given in colours or ANY in colours) and well_coloured(given) else None
