"""What every engine does: the one protocol that the client knows, and one suite of tests holds each of them to.

Rule 1: nothing here raises but `RegistryError`, also for what the engine's library raises; nothing retries.
Rule 2: a call takes at most `PATIENCE` seconds.
Rule 3: revisions of a service go up with each change, also by a lease that has run out, and are higher in an engine that has
        come back empty than any before.
"""

from __future__ import annotations

from ..._core._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol

    from ..._core._model import Config

    class Backend(Protocol):
        """One engine. What is a record is its text: no engine reads it."""

        blocks: bool  # whether a call may wait for somebody else
        url: str  # for messages

        def register(self, service: str, key: str, record: str, ttl: float, over: str | None = None) -> str | None:
            """Put the record of an instance under a lease of *ttl* seconds; an equal one does not move the revision.

            *over* is the record that it must have, ``""`` for none, None for any: else nothing is done, and what is there is
            returned.
            """
            ...

        def renew(self, service: str, key: str, ttl: float) -> bool:
            """Let the lease begin anew; False where there is none any more."""
            ...

        def deregister(self, service: str, key: str) -> None:
            """Take an instance away."""
            ...

        def put(self, service: str, key: str, record: str | None, expected: int | None) -> int:
            """Write the record of an endpoint, or take it away (None). Returns its revision.

            *expected* is the revision that it must have, 0 for none yet, None for any: else `ConflictError`.
            """
            ...

        def listed(self, service: str, known: int | None) -> Listing | None:
            """All records of a service, or None where its revision is *known*."""
            ...

        def services(self) -> list[str]:
            """The names of the services that have been written of."""
            ...

        def read(self, service: str, layer: str, known: int | None) -> Config | None:
            """The newest document, or None where its revision is *known*."""
            ...

        def write(self, service: str, layer: str, text: str | None, meta: Mapping[str, Any], expected: int | None) -> int:
            """Publish a document, or that there is none any more (None). Returns its revision; *expected* as in `put`."""
            ...

        def history(self, service: str, layer: str) -> list[Config]:
            """The documents that have been published, the newest first, at most `KEPT`."""
            ...

        def forked(self) -> None:
            """This process has just been forked: what was open belongs to its parent."""
            ...

        def close(self) -> None:
            """Let go of what is open; the next call opens it again."""
            ...


PATIENCE = 0.05  # seconds
KEPT = 50  # documents of a layer
_LEAP = 1_000_000  # a second, where revisions begin anew
REMEMBERED = 600.0  # seconds that somebody who has left is known to have left by himself


class Listing(Frozen):
    """The records of a service.

    Attributes:
        revision: of all of them together.
        instances, endpoints: by id, as text.
        revisions: of the endpoints, by id.
        left: the ids of those who have left by themselves lately, and of endpoints that were taken away.
    """

    revision: int
    instances: Mapping[str, str]
    endpoints: Mapping[str, str]
    revisions: Mapping[str, int]
    left: frozenset[str]


def next_revision(current: int, wall: float) -> int:
    """The revision of a service after *current*; an engine that begins anew begins above all that were before."""
    return current + 1 if current else int(wall * 1e6)


def began_anew(before: int, after: int) -> bool:
    """Whether the revision of a service has leapt from *before* to *after*, as no number of changes lets it."""
    return after - before > _LEAP


def next_document(current: int, wall: float) -> int:
    """The same of a document: by the second, as a person reads it."""
    return max(current + 1, int(wall))
