"""Who counts what the governed clients do. Nobody, unless an output is on: then it costs them one look.

Rule: whoever counts changes nothing: what it raises is reported once.
"""

from __future__ import annotations

from ._frozen import Frozen
from ._listeners import change
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Tell = Callable[["Attempt"], object]


class Attempt(Frozen):
    """One request that a governed client has made.

    Attributes:
        peer: who was asked: the target, or the host.
        operation: what was asked: the method, or the operation of a service.
        method: the method of an HTTP request, else the empty string.
        status: the status of the answer, or None.
        error: what was raised instead.
        took: seconds.
        senders: the functions of the client that have sent it.
    """

    peer: str
    operation: str
    method: str
    status: int | None
    error: BaseException | None
    took: float
    senders: tuple[Any, ...] = ()


class Meters:
    """All who count. The default one is `METERS`."""

    __slots__ = ("each",)

    def __init__(self) -> None:
        self.each: tuple[Tell, ...] = ()

    def add(self, tell: Tell) -> Callable[[], None]:
        """Let *tell* count the attempts. Call what comes back to stop."""
        change(self, "each", lambda those: (*those, tell))

        def stop() -> None:
            change(self, "each", lambda those: tuple(other for other in those if other is not tell))

        return stop

    def tell(self, attempt: Attempt) -> None:
        """An attempt has ended."""
        for tell in self.each:
            try:
                tell(attempt)
            except Exception as error:
                report_once(("meter", id(tell)), f"an attempt could not be counted: {error!r}")


METERS = Meters()
