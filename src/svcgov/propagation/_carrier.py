"""The whole of what travels, in and out of headers.

Rule 1: names of headers come in lower case, and go out so.
Rule 2: what cannot be read is left out; nothing here raises, since it comes from anywhere.
Rule 3: the trace and the deadline go to everybody; colour and baggage go to services of ours only.
"""

from __future__ import annotations

from .._core._context import DEADLINE, INVOCATION
from .._core._frozen import Frozen
from . import baggage, colour, deadline, trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core._context import Trace


class Carried(Frozen):
    """What came along with a call.

    Attributes:
        trace: where the caller stands in its trace, or None.
        baggage: decoded, without our own key.
        colour: the colour of the traffic, if it may be that one.
        left: seconds that the caller still waits, or None.
    """

    trace: Trace | None
    baggage: Mapping[str, str]
    colour: str | None
    left: float | None


def incoming(headers: Mapping[str, str], *, colours: frozenset[str]) -> Carried:
    """Read *headers*; a colour is taken only if it is one of *colours* (see `colour.accepted`)."""
    carried = baggage.read(headers)
    named = carried.pop(colour.KEY, None)
    return Carried(
        trace=trace.read(headers),
        baggage=carried,
        colour=colour.accepted(headers.get(colour.HEADER, named), colours),
        left=deadline.read(headers),
    )


def outgoing(now: float, *, ours: bool) -> dict[str, str]:
    """The headers for one attempt at *now*; *ours* says whether it goes to a service of ours."""
    headers: dict[str, str] = {}
    here = INVOCATION.get()
    if here.trace is not None:
        trace.write(trace.child(here.trace), headers)
    if ours:
        carried = dict(here.baggage)
        if here.colour is not None:
            headers[colour.HEADER] = carried[colour.KEY] = here.colour
        baggage.write(carried, headers)
    until = DEADLINE.get()
    if until is not None:
        deadline.write(until - now, headers)
    return headers
