"""Answers that say no: how a status reaches the policies.

A client returns an answer whatever its status, while policies learn from errors. So between the innermost frame and the
edge an answer that a dependency should not give travels as an `AnswerError`, and at the edge becomes an answer again:
the caller sees the last one as it is.
"""

from __future__ import annotations

from .._core._mishaps import Answered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ASKS_TO_COME_BACK = frozenset({408, 425, 429})


def failing(status: int) -> bool:
    """Whether an answer of this *status* is a failure of the dependency, or its wish to be left alone for a while."""
    return status >= 500 or status in _ASKS_TO_COME_BACK


class AnswerError(Answered):
    """A failing answer, on its way through the policies.

    Attributes:
        response: the client's response, not closed yet.
        request: the client's request.
    """

    response: Any
    request: Any

    def __init__(self, response: Any, request: Any) -> None:
        Exception.__init__(self)  # not the client's own, which would have a message made for each one
        self.response = response
        self.request = request

    @property
    def answered(self) -> int:  # type: ignore[override]  # as long as nobody asks, nobody looks
        """The status."""
        status: int = getattr(self.response, "status_code", None) or self.response.status
        return status

    def __str__(self) -> str:
        return f"answered {self.answered} to {self.request.method} {self.request.url}"


def answer_error_of(theirs: type[Exception]) -> type[AnswerError]:
    """The `AnswerError` of a client: also *theirs*, its error about statuses, so that policies can be told of that one."""
    return type("AnswerError", (AnswerError, theirs), {"__module__": __name__})
