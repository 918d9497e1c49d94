"""Where a request goes: the seam at which service discovery comes in.

Before a request is sent, the edge of its client asks a `Finder` for its `Place`. What a place says is all that the edge goes by:
whose policies a client without a target uses, what the other side may be told, and whom to tell how it went. There is one
finder by now, `as_written`: a request goes where its URL says.
"""

from __future__ import annotations

from functools import lru_cache

from .._core._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Finder(Protocol):
        """Finds the place for a request."""

        def __call__(self, target: str | None, scheme: str, host: str, port: int | None, /) -> Place:
            """The place of a request for a *target*, or for nobody's service (None), whose URL has these parts."""
            ...


PORTS = {"http": 80, "https": 443}


class Place(Frozen):
    """Where a request goes.

    Attributes:
        authority: ``scheme://host:port``, in lower case.
        ours: whether it is a service of ours: then the colour, the baggage and what else is forwarded go along.
        told: is told the error that the request ended with, or None; None itself where nobody wants to know.
    """

    authority: str
    ours: bool
    told: Callable[[BaseException | None], object] | None = None


@lru_cache(maxsize=1000)
def as_written(target: str | None, scheme: str, host: str, port: int | None, /) -> Place:
    """The place that the URL names; a service of ours is what has a name as a target."""
    return Place(authority=f"{scheme}://{host.lower()}:{port or PORTS.get(scheme, 0)}", ours=target is not None)
