"""Permits of one call each, where one call has to be told from another: probes, and calls counted while under way.

Rule 1: a ticket is taken back once; afterwards, or in another term than its own, it has no vote.
Rule 2: a probe that was out too long is lost: its place goes to another call, and its outcome has no vote any more.
Rule 3: nothing here takes a lock: the circuit holds its own.
"""

from __future__ import annotations

from ._circuit_window import SLOW

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._circuit_window import Window

MOST_AT_ONCE = 16  # slow calls that one admission counts


class Ticket:
    """A permit of one call. ``cell`` is where it was counted as slow while it was under way, in the window it was then."""

    __slots__ = ("cell", "done", "since", "term", "window")

    def __init__(self, term: object, since: float) -> None:
        self.term: object = term
        self.since: float = since
        self.done: bool = False
        self.cell: int | None = None
        self.window: Window | None = None


class Tickets:
    """Those of a term that are out, oldest first; but for those that were counted as slow."""

    __slots__ = ("out",)

    def __init__(self) -> None:
        self.out: dict[Ticket, None] = {}

    def give(self, term: object, now: float) -> Ticket:
        """A new one."""
        ticket = Ticket(term, now)
        self.out[ticket] = None
        return ticket

    def take_back(self, ticket: Ticket, term: object) -> bool:
        """Whether its outcome has a vote in this term."""
        vote = ticket.term is term and not ticket.done
        ticket.done = True
        self.out.pop(ticket, None)
        return vote

    def lost(self, now: float, longest: float | None) -> list[Ticket]:
        """The probes that were out too long."""
        return [] if longest is None else [probe for probe in self.out if now - probe.since >= longest]

    def strike(self, now: float, longest: float | None) -> None:
        """Give those up for lost."""
        for probe in self.lost(now, longest):
            probe.done = True
            del self.out[probe]

    def overdue(self, now: float, slow: float) -> list[Ticket]:
        """The calls that are slow already, as many as one admission counts."""
        found: list[Ticket] = []
        for ticket in self.out:
            if now - ticket.since <= slow or len(found) == MOST_AT_ONCE:
                break
            found.append(ticket)
        return found

    def count_slow(self, window: Window, now: float, slow: float) -> bool:
        """Count those that are slow already, one cell each, whatever becomes of them. Whether there were any."""
        overdue = self.overdue(now, slow)
        for ticket in overdue:
            del self.out[ticket]
            ticket.window, ticket.cell = window, window.add(SLOW, now)
        return bool(overdue)
