"""How an attempt of a governed client is counted, while somebody wants that (`_core._meters`).

Its span ends here, too: that has begun where the attempt was sure to be sent (`_core._spans`).

Rule 1: an attempt ends with the head of its answer, or where a client reads it at once, with the whole.
Rule 2: an attempt that was not sent, for want of time or of a body, is none.
"""

from __future__ import annotations

from .._core._matching import status_of
from .._core._meters import METERS, Attempt
from ..errors import RejectedError, SvcgovError
from ._answers import AnswerError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._edge import Edge, Exchange


def counts(exchange: Exchange) -> bool:
    """Whether somebody wants to know of an attempt."""
    return bool(METERS.each) or exchange.tracer is not None


def tell(edge: Edge, exchange: Exchange, began: float, ended: Any) -> None:
    """An attempt has *ended* with an answer, or with an error."""
    error = ended if isinstance(ended, BaseException) and not isinstance(ended, AnswerError) else None
    span, exchange.span = exchange.span, None
    if span is not None:
        span.end(error, status=_status(ended))
    if isinstance(ended, RejectedError) or not METERS.each:
        return
    operation, method = edge.asked(exchange)
    METERS.tell(
        Attempt(
            peer=edge.peer(exchange),
            operation=operation,
            method=method,
            status=_status(ended),
            error=error,
            took=edge.clock() - began,
            senders=edge.senders(exchange),
        )
    )


def _status(ended: Any) -> int | None:
    """The status of an answer of any client, or of its error that carries one; a time-out of ours is no answer."""
    return None if isinstance(ended, SvcgovError) else status_of(ended)
