"""A refusal as an answer over HTTP: status, ``Retry-After``, ``RateLimit-*``, and a problem document (RFC 9457).

======  ===================  ==============================================
status  title                of
======  ===================  ==============================================
429     Too Many Requests    a limit
503     Service Unavailable  a bulkhead, a breaker, a budget
504     Gateway Timeout      a deadline that has passed, a time-out
======  ===================  ==============================================

Rule 1: a refusal by the policies of the way in is an answer. One that escapes from a call that the function made itself
        is the author's, unless every one is asked for.
Rule 2: the document tells the reason in one word of ours, and no name: what a policy protects is nobody's business.
"""

from __future__ import annotations

from .._core._frozen import Frozen
from ..errors import CallTimeoutError, RateLimitedError, RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_TITLES = {429: "Too Many Requests", 503: "Service Unavailable", 504: "Gateway Timeout"}
_OURS = __name__.partition(".")[0]
_HEADS = f"{_OURS}._shells."


class Answer(Frozen):
    """What a caller over HTTP gets. Names of headers are in lower case."""

    status: int
    title: str
    headers: Mapping[str, str]
    body: str


def answer_to(error: BaseException, *, every: bool) -> Answer | None:
    """The answer that *error* is, or None where it is to be raised; *every* takes those of the author's own calls too."""
    if isinstance(error, RejectedError):
        if every or on_the_way_in(error):
            return _answer(error.status, error.reason, error.retry_after, _limit(error))
    elif every and isinstance(error, CallTimeoutError):
        return _answer(error.status, error.reason, None)
    return None


def _limit(error: RejectedError) -> dict[str, str]:
    """What a limit that was reached says of itself, in the headers that clients know for it."""
    if not isinstance(error, RateLimitedError) or error.limit is None or error.reset is None:
        return {}
    figures = {"limit": error.limit, "remaining": error.remaining, "reset": -int(-error.reset // 1)}
    return {f"ratelimit-{name}": str(figure) for name, figure in figures.items()}


def on_the_way_in(error: BaseException) -> bool:
    """Whether *error* was raised by the policies themselves: from their head on, no frame of anybody else is in its traceback."""
    inside = False
    trace = error.__traceback__
    while trace is not None:
        room = str(trace.tb_frame.f_globals.get("__name__"))
        if room.startswith(_HEADS):
            inside = True
        elif inside and room.partition(".")[0] != _OURS:
            return False
        trace = trace.tb_next
    return inside


def _answer(status: int, reason: str, retry_after: float | None, more: Mapping[str, str] = {}) -> Answer:  # read only
    from json import dumps

    title = _TITLES.get(status, "Refused")
    headers = {"content-type": "application/problem+json", "cache-control": "no-store"}
    if retry_after is not None and 0 <= retry_after < float("inf"):
        headers["retry-after"] = str(-int(-retry_after // 1))  # rounded up
    return Answer(
        status=status,
        title=title,
        headers={**headers, **more},
        body=dumps({"title": title, "status": status, "reason": reason}),
    )
