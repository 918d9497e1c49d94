"""The whole of what travels, in and out of headers.

Rule 1: names of headers come in lower case, and go out so.
Rule 2: what cannot be read is left out; nothing here raises, since it comes from anywhere.
Rule 3: the trace and the deadline go to everybody; all else goes to services of ours only.
"""

from __future__ import annotations

from .._core._context import DEADLINE, INVOCATION
from .._core._frozen import Frozen
from .._core._spans import provider
from . import baggage, colour, deadline, trace
from .forwarded import ID_ONLY, REQUEST_ID, fit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._core._context import Identity, Trace


class Carried(Frozen):
    """What came along with a call.

    Attributes:
        trace: where the caller stands in its trace, or None.
        baggage: decoded, without our own key.
        colour: the colour of the traffic, if it may be that one.
        left: seconds that the caller still waits, or None.
        forwarded: headers that are handed on as they came.
    """

    trace: Trace | None
    baggage: Mapping[str, str]
    colour: str | None
    left: float | None
    forwarded: Mapping[str, str]


def incoming(headers: Mapping[str, str], known: Identity) -> Carried:
    """Read *headers*, names in lower case; what is taken of them is up to whom we are *known* as."""
    carried = baggage.read(headers)
    named = carried.pop(colour.KEY, None)
    return Carried(
        trace=trace.read(headers),
        baggage=carried,
        colour=colour.accepted(colour.named(headers, named), known.colours, known.verified),
        left=deadline.read(headers),
        forwarded=(known.forward or ID_ONLY)(headers),
    )


def outgoing(now: float, *, ours: bool, until: float | None = None) -> dict[str, str]:
    """The headers for one attempt at *now*; *ours* says whether it goes to a service of ours.

    What it is told to keep is the deadline here, unless it is another one: *until*.
    """
    headers: dict[str, str] = {}
    here, otel = INVOCATION.get(), provider()
    if ours:
        headers.update(here.forwarded)
        if REQUEST_ID not in headers and here.request_id and (request_id := fit(here.request_id)):
            headers[REQUEST_ID] = request_id
        carried = dict(here.baggage)
        if otel is not None:
            carried.update(trace.bags())
            carried.pop(colour.KEY, None)  # nobody has looked whether it may be that one
        if here.colour is not None:
            carried = {colour.KEY: here.colour, **carried}  # first: there may not be room for all
            headers.update(dict.fromkeys(colour.names, here.colour))
        if carried:
            baggage.write(carried, headers)
    span = None if otel is None else trace.current(otel)
    if span is not None:
        trace.write_of(span, headers)
    elif here.trace is not None:
        trace.write(trace.child(here.trace), headers)
    if until is None:
        until = DEADLINE.get()
    if until is not None:
        deadline.write(until - now, headers)
    return headers
