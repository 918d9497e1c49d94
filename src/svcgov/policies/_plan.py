"""The plan of a retry: the further attempts of one call, made after its first failure.

Rule 1: whether there is another attempt is asked in this order: was it a refusal, is it meant (``ignore``, ``on``), may it
        be repeated, are attempts left, does it fit the deadline, does the budget pay for it.
Rule 2: an attempt that the budget has paid for is given back when it is over, whatever its end; most budgets keep it.
Rule 3: a group of errors is what all of its errors are: each has to be meant, and the longest wait is waited.
"""

from __future__ import annotations

from .._core._context import DEADLINE, INVOCATION, REPEATABLE
from .._core._durations import DAY
from .._core._matching import headers_of, leaves, status_of, wait_of
from .._core._mishaps import noted
from ..errors import RejectedError, RetriesExhaustedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core._budget import Budget
    from .._core._pots import Pot
    from .retry import Retry

_ASKS_US_TO_WAIT = (413, 429, 503)  # on other answers a Retry-After means nothing
_LONGEST = 7 * DAY  # no duration of ours is longer: a wait beyond it is no wait, but the end


class Unacceptable(Exception):  # a marker between the frames of one retry; nobody else meets it
    """An attempt returned what ``on_result`` does not accept. A backoff function may look at ``result``."""

    def __init__(self, result: Any, machine: object) -> None:
        self.result = result
        self.response = result  # so that the answer's status and headers are found on it
        self.machine = machine

    def __str__(self) -> str:
        return f"a result of type {type(self.result).__name__}"  # which may hold secrets


def exhausted(bad: Unacceptable) -> RetriesExhaustedError:
    """The error that is raised in place of an unacceptable result."""
    error = RetriesExhaustedError(bad.result)
    for note in getattr(bad, "__notes__", ()):
        error.add_note(note)
    return error


class Plan:
    """The further attempts of one call. The settings are those of its first failure."""

    __slots__ = (
        "_backed_off", "_held", "_over", "_owner", "_real", "_repeatable", "_settings", "_started", "attempt", "last",
    )  # fmt: skip

    last: BaseException
    _repeatable: bool | None

    def __init__(self, owner: Retry) -> None:
        self._owner = owner
        self._settings = owner.settings
        self._backed_off = 0.0  # the last delay of the backoff
        self._started = 0  # the attempt before the backoff's first one
        self._real = False
        self._over = False
        self._held: tuple[Budget, Pot] | None = None
        self.attempt: int = 1

    def next_delay(self, error: BaseException) -> float | None:
        """Seconds until the next attempt, or None: then ``last`` is to be raised."""
        self._give_back()
        owner, settings = self._owner, self._settings
        self._repeatable = REPEATABLE.get() if settings.idempotent is None else settings.idempotent  # an edge knows by failure
        refused = isinstance(error, RejectedError)
        if refused and self._real:
            noted(self.last, f"svcgov: attempt {self.attempt} was refused: {error}")
        else:
            self.last = error
            self._real = not refused
        if not settings.retry_refused and any(isinstance(leaf, RejectedError) for leaf in leaves(error)):
            return self._end("refused")
        asked = self._asked(error, refused=refused)
        if asked is False:
            return self._end("refused" if refused else "not_retryable")
        if not settings.retry_retried and _is_retry():
            return self._end("retried")
        if self._repeatable is False and not refused:
            return self._end("not_repeatable")
        budget = owner.budget
        if budget is not None and not refused:
            budget.charge()
        if self.attempt >= settings.attempts:
            return self._end("attempts")
        delay = self._wait(error) if asked is True else asked
        if delay is None or not 0 <= delay <= _LONGEST:
            return self._end("stopped")
        now = owner.clock.monotonic()
        if not self._fits(now + delay):
            return self._end("deadline")
        if budget is not None:
            pot = budget.take()
            if pot is None:
                return self._end("budget")
            self._held = budget, pot
        owner.scheduled(self.attempt, delay, error, now)
        self.attempt += 1
        return delay

    def overslept(self) -> bool:
        """Whether no time is left after the wait, as when the process was stopped meanwhile: then ``last`` is to be raised."""
        if self._fits(self._owner.clock.monotonic()):
            return False
        self.attempt -= 1
        self._owner.whole.retries -= 1
        self._end("deadline")
        return True

    def recovered(self) -> None:
        """A further attempt was good."""
        self._over = True
        self._owner.whole.recovered += 1

    def close(self) -> None:
        """The call is over; it was cancelled, unless its end has been told."""
        self._give_back()
        if not self._over:
            self._owner.whole.cancelled += 1

    def _give_back(self) -> None:
        if self._held is not None:
            budget, pot = self._held
            self._held = None
            budget.put(pot)

    def _fits(self, start: float) -> bool:
        """Whether an attempt that starts at this moment has time left."""
        deadline = DEADLINE.get()
        return deadline is None or start + self._settings.min_attempt_time < deadline

    def _asked(self, error: BaseException, *, refused: bool) -> bool | float:
        """Whether to try again, or the seconds to wait before that: what a function in ``on`` may say."""
        owner, settings = self._owner, self._settings
        if isinstance(error, Unacceptable) and error.machine is owner.machine:
            return True
        asked = "ignore"
        try:
            if settings.ignore is not None and any(settings.ignore.matches(leaf) for leaf in leaves(error)):
                return False
            if refused:
                return True
            asked, on = "on", owner.on
            if on.speaks_http and self._repeatable is None and any(_answered(leaf, on.types) for leaf in leaves(error)):
                return False  # nobody knows whether this request may be made twice
            verdict = on.matches(error)
            wait = wait_of(verdict)
            return bool(verdict) if wait is None else wait
        except Exception as failure:
            owner.mishaps.tell(asked, failure, "the error was not retried")
            return False

    def _wait(self, error: BaseException) -> float | None:
        """What is asked of us, else what the backoff says; after a wait that was asked for the backoff begins anew."""
        settings, owner = self._settings, self._owner
        served = [wait for leaf in leaves(error) if (wait := self._served(leaf)) is not None]
        if served:
            self._started, self._backed_off = self.attempt, 0.0
            return max(served)
        try:
            delay: float | None = settings.backoff(self.attempt - self._started, self._backed_off, error, owner.random)
        except Exception as failure:
            owner.mishaps.tell("backoff", failure, "the error was not retried")
            return None
        self._backed_off = delay or 0.0
        return delay

    def _served(self, error: BaseException) -> float | None:
        """The seconds that a policy or a server asks us to wait, or None."""
        if isinstance(error, RejectedError):
            return error.retry_after
        if not self._settings.retry_after or status_of(error) not in _ASKS_US_TO_WAIT:
            return None
        from .._core._http_date import retry_after

        return retry_after(headers_of(error), self._owner.clock.wall)

    def _end(self, cause: Any) -> float | None:
        """No further attempt, for this cause: None, as `next_delay` says it."""
        self._over = True
        self._owner.ended(self.attempt, cause, self.last)
        return None


def _answered(error: BaseException, types: tuple[type[BaseException], ...]) -> bool:
    """Whether *error* tells of an answer, and is not of the *types* that are meant in any case."""
    return status_of(error) is not None and not isinstance(error, types)


def _is_retry() -> bool:
    """Whether what we are called for is itself a further attempt of our caller."""
    number = INVOCATION.get().headers.get("x-retry-attempt", "")
    return number.isascii() and number.isdigit() and len(number) < 10 and int(number) > 1
