"""The frame around each attempt of a governed client that counts it, while somebody wants that (`_core._meters`).

It also ends the span of an attempt, which has begun further in, where that was sure to be sent (`_core._spans`).

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
    from collections.abc import Awaitable, Callable
    from typing import Any

    from ._edge import Edge, Exchange


def counted(edge: Edge, send: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """*send*, and a word about how it went."""

    def attempt(exchange: Exchange) -> Any:
        if not METERS.each and exchange.tracer is None:
            return send(exchange)
        began = edge.clock()
        try:
            response = send(exchange)
        except BaseException as error:
            _tell(edge, exchange, began, error)
            raise
        _tell(edge, exchange, began, response)
        return response

    return attempt


def acounted(edge: Edge, send: Callable[[Any], Awaitable[Any]]) -> Callable[[Any], Awaitable[Any]]:
    """As `counted`, for clients of tasks."""

    async def attempt(exchange: Exchange) -> Any:
        if not METERS.each and exchange.tracer is None:
            return await send(exchange)
        began = edge.clock()
        try:
            response = await send(exchange)
        except BaseException as error:
            _tell(edge, exchange, began, error)
            raise
        _tell(edge, exchange, began, response)
        return response

    return attempt


def _tell(edge: Edge, exchange: Exchange, began: float, ended: Any) -> None:
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
