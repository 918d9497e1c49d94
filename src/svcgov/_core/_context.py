"""What goes along with a call: the context variables, and the record of the invocation.

The edges fill them, propagation writes them into headers, the pipeline's head tightens the deadline.
Rule: whoever sets one resets it, also when the call fails; a warm process never shows the last call's values.
"""

from __future__ import annotations

from contextvars import ContextVar

from ._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
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
        cold_start: whether this is the first call of this process, and somebody has waited for its start.
        headers: what came along, names in lower case.
        trace: where the call stands in its trace, or None.
        baggage: W3C baggage, decoded.
        forwarded: headers that are handed on as they came, to services of ours.
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
    forwarded: Mapping[str, str] = {}  # as above
    raw: Any = None

    def __repr__(self) -> str:
        # The event may hold secrets: a record that ends up in a log line does not show it.
        return f"Invocation({self.platform} {self.service} {self.trigger} request_id={self.request_id!r})"


class Identity:
    """Who is running: one for each governor. The rest says what is taken from outside, and what of it is handed on.

    Attributes:
        colours: the colours that are taken.
        verified: gives the colour in a signed text, or None; None itself where nothing is signed.
        forward: picks the headers that are handed on; swapped as one.

    The first call is cold if somebody has waited for the process to start, which the platform may have done ahead of time:
    then it was `warm` all along, or is so once the time `cold_until` has passed.
    """

    __slots__ = ("_cold", "_until", "colours", "forward", "service", "verified", "version")

    def __init__(
        self,
        *,
        service: str,
        version: str,
        colours: frozenset[str],
        verified: Callable[[str], str | None] | None = None,
        forward: Callable[[Mapping[str, str]], dict[str, str]] | None = None,
    ) -> None:
        self.service: str = service
        self.version: str = version
        self.colours: frozenset[str] = colours
        self.verified: Callable[[str], str | None] | None = verified
        self.forward: Callable[[Mapping[str, str]], dict[str, str]] | None = forward
        self._cold = True
        self._until = float("inf")

    def first_call(self, now: float = 0.0) -> bool:
        """Whether this call, at the moment *now*, is the first one, and cold; each call asks once."""
        cold, self._cold = self._cold, False
        return cold and now <= self._until

    def warm(self) -> None:
        """No call is cold: the process is there before anybody waits for it."""
        self._cold = False

    def cold_until(self, moment: float) -> None:
        """A first call that comes after *moment* is not cold: nobody waits for it as long as that."""
        self._until = moment

    def restored(self) -> None:
        """The process goes on from a snapshot, and somebody waits for it: the next call is the first one."""
        self._cold = True
        self._until = float("inf")


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


def put_back(variable: ContextVar[Any], token: Token[Any]) -> None:
    """Set *variable* as it was before, unless this is another context, as where the collector ends a coroutine."""
    try:  # noqa: SIM105  # not worth an import of contextlib
        variable.reset(token)
    except ValueError:  # nothing of ours is in this one
        pass
