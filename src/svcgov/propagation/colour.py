"""The colour of the traffic: set once at the edge, carried along, never overwritten downstream.

It travels in a header of its own and in the baggage, so that services which hand on baggage only do not lose it.

Rule: from outside, a colour is taken only if it is on the list of those that may be; else anybody could choose to be
served by a canary.
"""

from __future__ import annotations

from .._core._context import well_coloured

HEADER = "x-svcgov-colour"
KEY = "svcgov.colour"
ANY = "*"  # on the list: every well-formed colour is taken


def accepted(named: str | None, colours: frozenset[str]) -> str | None:
    """The colour that was *named*, if it may be that one."""
    if named is None:
        return None
    named = named.strip()
    return named if (named in colours or ANY in colours) and well_coloured(named) else None
