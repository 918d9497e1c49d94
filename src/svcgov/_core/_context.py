"""What goes along with a call: the context variables, and the record of the invocation.

The edges fill them, propagation writes them into headers, the pipeline's head tightens the deadline.
Rule: whoever sets one resets it, also when the call fails; a warm process never shows the last call's values.
"""

from __future__ import annotations

from contextvars import ContextVar

from ._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Trace(Frozen):
    """Where this call stands in a distributed trace (W3C Trace Context): lower-case hexadecimal, never all zeros."""

    trace_id: str
    span_id: str
    sampled: bool = False
    state: str = ""


class Invocation(Frozen):
    """One call of a function, the same record on every platform.

    Attributes:
        platform: ``lambda``, ``asgi`` and so on; ``none`` outside of any call.
        service, version: who is running.
        colour: the traffic's colour, or None.
        request_id: the platform's id of this call.
        trigger: what caused it, such as ``http`` or ``direct``.
        method, path: of an HTTP request, the path without its query; or the empty string.
        client: the address that the request came from, as the platform saw it, or the empty string.
        deadline: a reading of the monotonic clock, or None.
        cold_start: whether this is the first call of this process.
        headers: what came along, names in lower case.
        trace: where the call stands in its trace, or None.
        baggage: W3C baggage, decoded.
        raw: the event as the platform gave it.
    """

    platform: str = "none"
    service: str = ""
    version: str = ""
    colour: str | None = None
    request_id: str = ""
    trigger: str = "none"
    method: str = ""
    path: str = ""
    client: str = ""
    deadline: float | None = None
    cold_start: bool = False
    headers: Mapping[str, str] = {}  # frozen records have no shared mutable state: nobody writes into it
    trace: Trace | None = None
    baggage: Mapping[str, str] = {}  # as above
    raw: Any = None

    def __repr__(self) -> str:
        # The event may hold secrets: a record that ends up in a log line does not show it.
        return f"Invocation({self.platform} {self.service} {self.trigger} request_id={self.request_id!r})"


class Identity:
    """Who is running: one for each governor. ``colours`` are those that are taken from outside."""

    __slots__ = ("_cold", "colours", "service", "version")

    def __init__(self, *, service: str, version: str, colours: frozenset[str]) -> None:
        self.service: str = service
        self.version: str = version
        self.colours: frozenset[str] = colours
        self._cold = True

    def first_call(self) -> bool:
        """Whether no call has come before this one; each call asks once."""
        cold, self._cold = self._cold, False
        return cold


_COLOURFUL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


def well_coloured(name: object) -> bool:
    """Whether *name* can be a colour: 1 to 64 letters, digits and ``. _ -``."""
    return isinstance(name, str) and 1 <= len(name) <= 64 and _COLOURFUL.issuperset(name)


NOWHERE = Invocation()

INVOCATION: ContextVar[Invocation] = ContextVar("svcgov.invocation", default=NOWHERE)
DEADLINE: ContextVar[float | None] = ContextVar("svcgov.deadline", default=None)
ATTEMPT: ContextVar[int] = ContextVar("svcgov.attempt", default=1)

# Whether the call under way may be made twice: set by an edge that knows (method, key, body), None where nobody does.
REPEATABLE: ContextVar[bool | None] = ContextVar("svcgov.repeatable", default=None)
