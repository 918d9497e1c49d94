"""What an error says about a dependency: a failure, an answer, or nothing.

Rule 1: only an `Exception` is a verdict; a refusal of ours is none, unless it is asked for by its class.
Rule 2: a bad result is a failure too. It is told to the circuit as an error, which never leaves the frames around it.
Rule 3: *ignore* wins over *on*. A function of the user's that raises is reported, and the outcome ignored.
"""

from __future__ import annotations

from .._core._http_date import retry_after
from .._core._matching import Ignored, headers_of, status_of
from ..errors import RejectedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .._core._mishaps import Mishaps
    from ._circuit_settings import BreakerSettings


class JudgedResult(Exception):  # a marker for the frames of one gate
    """A result that is bad, or (without *bad*) one of which nobody can tell. *judge* is whose marker it is."""

    def __init__(self, result: object, judge: object, *, bad: bool) -> None:
        self.result = result
        self.judge = judge
        self.bad = bad


_ASKS_US_TO_WAIT = (429, 503)  # on other answers a Retry-After means nothing


def verdict_of(error: BaseException, settings: BreakerSettings, excluded: Sequence[Any], mishaps: Mishaps) -> bool | None:
    """Whether *error* is a failure; None when it teaches nothing."""
    if not isinstance(error, Exception) or isinstance(error, Ignored):
        return None
    if isinstance(error, JudgedResult):
        return True if error.bad else None
    on, ignore = settings.on, settings.ignore
    asked = "ignore"
    try:
        if (ignore is not None and ignore.matches(error)) or (excluded and _is_one_of(error, excluded)):
            return None
        asked = "on"
        if isinstance(error, RejectedError):
            return True if on is not None and isinstance(error, on.types) else None
        return on is None or bool(on.matches(error))
    except Exception as failure:
        mishaps.tell(asked, failure, "the outcome was ignored")
        return None


def _is_one_of(error: Exception, excluded: Sequence[Any]) -> bool:
    """By pybreaker's ``add_excluded_exception``: classes, and functions of the error."""
    return any(isinstance(error, one) if isinstance(one, type) else bool(one(error)) for one in excluded)


def answer_of(error: BaseException, wall: Callable[[], float]) -> float | None:
    """The seconds for which the answer that *error* carries asks not to be called again."""
    return retry_after(headers_of(error), wall) if status_of(error) in _ASKS_US_TO_WAIT else None
