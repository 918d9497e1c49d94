"""Every error that svcgov raises.

The tree::

    SvcgovError
    |-- RejectedError                  declined before the call began: a refusal, not a failure
    |   |-- CircuitOpenError       503
    |   |-- BulkheadFullError      503
    |   |-- RateLimitedError       429
    |   |-- BudgetExhaustedError   503
    |   `-- DeadlineExceededError  504 (also a TimeoutError)
    |-- CallTimeoutError           504 (also a TimeoutError): the call began, and was too slow
    |-- RetriesExhaustedError          no attempt had a result that is acceptable, and the author wants that raised
    |-- BatchFailedError               the records of an event that could not be done, where they cannot be told one by one
    |-- RegistryError                  the registry could not be asked, or did not answer in time
    |   `-- ConflictError              somebody else has written meanwhile
    `-- ConfigError                    a setting that cannot be (also a ValueError)

    Warning
    |-- ConfigWarning                  settings that work, but probably not as meant
    `-- TimeoutWarning                 a plain function ran past its time-out and could not be stopped

Rule 1: the message is put together when it is read, never when the error is raised: a refusal is on the hot path.
Rule 2: every error pickles, notes included, since process pools and queues carry them.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ClassVar

__all__ = [
    "BatchFailedError",
    "BudgetExhaustedError",
    "BulkheadFullError",
    "CallTimeoutError",
    "CircuitOpenError",
    "ConfigError",
    "ConfigWarning",
    "ConflictError",
    "DeadlineExceededError",
    "RateLimitedError",
    "RegistryError",
    "RejectedError",
    "RetriesExhaustedError",
    "SvcgovError",
    "TimeoutWarning",
]


class SvcgovError(Exception):
    """The root: ``except SvcgovError`` catches all that svcgov raises by itself."""

    _fields: ClassVar[tuple[str, ...]] = ()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self._fields), self.__dict__

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._fields)})"


class RejectedError(SvcgovError):
    """Declined before the call began.

    Gates around it learn nothing from it, and a retry ends with it.

    Attributes:
        policy: the name of the policy that declined, or its kind when it has no name.
        reason: one word of the policy's own vocabulary, such as ``open`` or ``full``.
        retry_after: seconds after which another try can succeed, or None when nobody knows.
        status: the HTTP status that says the same.
    """

    status: ClassVar[int] = 503
    _fields = ("policy", "reason", "retry_after")

    def __init__(self, policy: str, reason: str, retry_after: float | None = None) -> None:
        self.policy = policy
        self.reason = reason
        self.retry_after = retry_after

    def __str__(self) -> str:
        wait = "" if self.retry_after is None else f", retry after {self.retry_after:.3g} s"
        return f"{self.policy}: {self.reason}{wait}"


class CircuitOpenError(RejectedError):
    """The circuit breaker does not let calls through (``open``, ``half_open``)."""


class BulkheadFullError(RejectedError):
    """All permits of the bulkhead are out (``full``), or no worker thread is free (``no_worker``)."""


class RateLimitedError(RejectedError):
    """The limit is used up (``limited``), or can never admit this (``denied``).

    Attributes:
        limit: calls in a window, of the limit with the least left; like the next three None where no limit was asked.
        window: its seconds.
        remaining: calls that could have come at the moment of the refusal.
        reset: seconds from then until nothing of the limit is used.
    """

    status = 429
    standing: tuple[int, float, float, float] | None = None  # calls, their window, how much of it is left, and `reset`

    @property
    def limit(self) -> int | None:
        """As above."""
        return None if self.standing is None else self.standing[0]

    @property
    def window(self) -> float | None:
        """As above."""
        return None if self.standing is None else self.standing[1]

    @property
    def remaining(self) -> int | None:
        """As above."""
        if self.standing is None:
            return None
        calls, seconds, left, _ = self.standing
        return max(0, int(left * calls / seconds))

    @property
    def reset(self) -> float | None:
        """As above."""
        return None if self.standing is None else self.standing[3]


class BudgetExhaustedError(RejectedError):
    """A retry budget that was asked directly has nothing left (``budget``)."""


class DeadlineExceededError(RejectedError, TimeoutError):
    """No time was left to begin the call (``expired``)."""

    status = 504


class CallTimeoutError(SvcgovError, TimeoutError):
    """The call began and was not done in time: a failure like any other, retryable and counted.

    Attributes:
        policy: the name of the time-out, or ``timeout``; that of the function that was cancelled at its deadline.
        reason: ``attempt``, ``total``, or ``deadline``.
        seconds: how long the call was allowed to take.
    """

    status: ClassVar[int] = 504
    _fields = ("policy", "reason", "seconds")

    def __init__(self, policy: str, reason: str, seconds: float) -> None:
        self.policy = policy
        self.reason = reason
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{self.policy}: not done within {self.seconds:.3g} s ({self.reason})"


class RetriesExhaustedError(SvcgovError):
    """No attempt had an acceptable result (``retry(on_result=..., on_exhausted="raise")``).

    Attributes:
        result: the last one.
    """

    _fields = ("result",)

    def __init__(self, result: object) -> None:
        self.result = result

    def __str__(self) -> str:
        return f"no attempt had an acceptable result; the last one is of type {type(self.result).__name__}"


class BatchFailedError(SvcgovError):
    """A batch of records as a whole: not one was done, or the platform takes no report of single ones.

    Its cause is the first error.

    Attributes:
        failed: how many records were not done.
        records: how many there were.
    """

    _fields = ("failed", "records")

    def __init__(self, failed: int, records: int) -> None:
        self.failed = failed
        self.records = records

    def __str__(self) -> str:
        return f"{self.failed} of {self.records} records were not done"


class RegistryError(SvcgovError):
    """The registry could not be asked, or did not answer in time. What only reads or renews never raises it.

    Attributes:
        url: which one.
        problem: what went wrong.
    """

    _fields: ClassVar[tuple[str, ...]] = ("url", "problem")

    def __init__(self, url: str, problem: str) -> None:
        self.url = url
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.url}: {self.problem}"


class ConflictError(RegistryError):
    """Somebody else has written meanwhile: read again, and decide anew.

    Attributes:
        current: the revision that is there; 0 where there is none.
    """

    _fields = ("url", "problem", "current")

    def __init__(self, url: str, problem: str, current: int) -> None:
        super().__init__(url, problem)
        self.current = current


class ConfigError(SvcgovError, ValueError):
    """A setting that cannot be: says where it stands, what it is, and what was expected.

    Attributes:
        path: the place, as the author wrote it, such as ``retry.attempts``.
        value: what stood there.
        expected: what could have stood there.
    """

    _fields = ("path", "value", "expected")

    def __init__(self, path: str, value: object, expected: str) -> None:
        self.path = path
        self.value = value
        self.expected = expected

    def __reduce__(self) -> tuple[Any, ...]:
        value = self.value if isinstance(self.value, (str, int, float, type(None))) else _Shown(_short(self.value))
        return type(self), (self.path, value, self.expected), {**self.__dict__, "value": value}

    def __str__(self) -> str:
        return f"{self.path}: expected {self.expected}, got {_short(self.value)}"


class ConfigWarning(UserWarning):
    """Settings that work, but probably not as they were meant."""


class TimeoutWarning(RuntimeWarning):
    """A plain function ran past its time-out: it cannot be interrupted, unless ``enforce="thread"`` is asked for."""


class _Shown(str):
    """What a value looked like: it goes in the value's place where the value itself, such as a function, does not pickle."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


def _short(value: object) -> str:
    """The value as the author would recognise it, cut so that a whole document does not end up in a log line."""
    try:
        text = repr(value)
    except Exception:
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 120 else text[:117] + "..."
