"""Retry: further attempts after a failure that another try may mend.

Rule 1: no attempt is made that cannot fit the deadline, and none that the budget does not pay for.
Rule 2: what is raised at the end is the last real error, with a note; never an error of our own in its place.
Rule 3: a refusal of ours ends it: who was refused a moment ago need not knock six times more.
Rule 4: what a server asks for (``Retry-After``) is waited exactly, never less, and gives no extra attempts.
Rule 5: an HTTP request is repeated only when that is safe: by its method, its ``Idempotency-Key``, or ``idempotent=True``.
Rule 6: the plan of a call is made after its first failure; a call that is well at once pays for one addition.
"""

from __future__ import annotations

from .._core._backoff import Backoff, backoff
from .._core._budget import Budget, Tally, shared_budget
from .._core._chance import system_random
from .._core._context import DEADLINE, REPEATABLE
from .._core._matching import Matcher, headers_of, status_of
from .._core._names import check_name
from .._core._report import report_once
from .._core._schema import Settings, custom, duration, flag, integer
from ..errors import ConfigError, RejectedError
from ..facts import BudgetEmptied, PredicateFailed, RetryEnded, RetryScheduled
from ..pipeline import Policy, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias, TypedDict, Unpack

    from ..typing import Clock, Duration

    Match: TypeAlias = (
        "type[BaseException] | str | int | Callable[[Any], bool | Duration | None]"
        "| Sequence[type[BaseException] | str | int | Callable[[Any], bool | Duration | None]]"
    )

    class Options(TypedDict, total=False):
        """The keyword arguments of `retry`."""

        on: Match
        ignore: Match
        attempts: int
        backoff: Backoff | Duration | Sequence[Duration] | Callable[[int, BaseException], Duration | None]
        min_attempt_time: Duration
        budget: Budget | str | None
        retry_after: bool
        idempotent: bool | None
        name: str
        clock: Clock
        random: Callable[[], float]


def _matcher(value: Any, path: str) -> Matcher:
    return Matcher(value, path)


def _budget(value: Any, path: str) -> Budget | str | None:
    if value is None or value is False or isinstance(value, Budget):
        return value or None
    if not isinstance(value, str):
        raise ConfigError(path, value, "a budget, the name of one, or None for none")
    check_name(value, path)
    return value


def _tristate(value: Any, path: str) -> bool | None:
    if value is not None and not isinstance(value, bool):
        raise ConfigError(path, value, "true, false, or None (by method and Idempotency-Key)")
    return value


class RetrySettings(Settings):
    """The settings, checked."""

    on: Matcher | None = custom(_matcher, default=None)  # missing is found out when it is built into a pipeline
    ignore: Matcher | None = custom(_matcher, default=None)
    attempts: int = integer(default=3, low=1, high=100)
    backoff: Any = backoff(default=Backoff())
    min_attempt_time: float = duration(default=0.0, zero=True)
    budget: Budget | str | None = custom(_budget, default="default")
    retry_after: bool = flag(default=True)
    idempotent: bool | None = custom(_tristate, default=None)


class Plan:
    """The further attempts of one call. The settings are those of its first failure."""

    __slots__ = ("_delay", "_owner", "_real", "_repeatable", "_settings", "attempt", "last")

    last: BaseException

    def __init__(self, owner: Retry) -> None:
        self._owner = owner
        self._settings = owner.settings
        self._delay = 0.0
        self._real = False
        self._repeatable = REPEATABLE.get() if owner.settings.idempotent is None else owner.settings.idempotent
        self.attempt = 1

    def next_delay(self, error: BaseException) -> float | None:
        """Seconds until the next attempt, or None: then ``last`` is to be raised."""
        if isinstance(error, RejectedError) and self._real:
            self.last.add_note(f"svcgov: attempt {self.attempt} was refused: {error}")
            return self._end("refused")
        self.last = error
        if isinstance(error, RejectedError):
            return self._end("refused")
        self._real = True
        verdict = self._verdict(error)
        if verdict is False or verdict is None:
            return self._end("not_retryable")
        if self._repeatable is False:
            return self._end("not_repeatable")
        if self.attempt >= self._settings.attempts:
            return self._end("attempts")
        delay = self._wait(verdict, error)
        if delay is None:
            return self._end("stopped")
        deadline = DEADLINE.get()
        now = self._owner.clock.monotonic()
        if deadline is not None and now + delay + self._settings.min_attempt_time >= deadline:
            return self._end("deadline")
        if self._owner.budget is not None and not self._owner.budget.try_withdraw():
            return self._end("budget")
        self._owner.scheduled(self.attempt, delay, error, now)
        self._delay = delay
        self.attempt += 1
        return delay

    def recovered(self) -> None:
        """A further attempt was good."""
        self._owner.recovered += 1

    def _verdict(self, error: BaseException) -> Any:
        """Whether to try again: False or None for no, a number of seconds, or another truth for yes."""
        owner, settings = self._owner, self._settings
        on = owner.on
        try:
            if settings.ignore is not None and settings.ignore.matches(error):
                return False
            if on.speaks_http and self._repeatable is None and status_of(error) is not None and not isinstance(error, on.types):
                return False  # nobody knows whether this request may be made twice
            return on.matches(error)
        except Exception as failure:
            owner.predicate_failed("on", failure)
            return False

    def _wait(self, verdict: Any, error: BaseException) -> float | None:
        settings, owner = self._settings, self._owner
        if not isinstance(verdict, bool):
            from .._core._durations import as_seconds

            asked = as_seconds(verdict)
            if asked is not None:
                return asked if asked >= 0 else None
        if settings.retry_after:
            from .._core._http_date import retry_after

            served = retry_after(headers_of(error), owner.clock.wall)
            if served is not None:
                return served
        try:
            delay: float | None = settings.backoff(self.attempt, self._delay, error, owner.random)
        except Exception as failure:
            owner.predicate_failed("backoff", failure)
            return None
        return delay

    def _end(self, cause: Any) -> None:
        self._owner.ended(self.attempt, cause, self.last)


class Attempting:
    """The machine: what the shells use."""

    __slots__ = ("clock", "owner", "tally")

    def __init__(self, owner: Retry) -> None:
        self.owner = owner
        self.clock = owner.clock
        self.tally = Tally()

    def plan(self) -> Plan:
        """A plan, made after the first failure."""
        return Plan(self.owner)


class Retry(Policy):
    """Makes further attempts. Made by `svcgov.retry`."""

    kind = "retry"
    shape = "loop"
    settings_class = RetrySettings
    settings: RetrySettings
    machine: Attempting
    on: Matcher

    def __init__(self, given: dict[str, Any], *, random: Callable[[], float] | None = None, **named: Any) -> None:
        self.random = random or system_random
        super().__init__(given, **named)

    def _build(self) -> None:
        self.retries = 0
        self.recovered = 0
        self.gave_up = 0
        self._emptied = False
        self.machine = Attempting(self)
        self.budget: Budget | None = None
        self._tune(self.settings)

    def _tune(self, before: Settings) -> None:
        given = self.settings.budget
        if isinstance(given, Budget):
            self._spend_from(given)
        elif given is None:
            self.budget = None
        elif given != "default":
            self._spend_from(shared_budget(given))
        elif self.budget is None:
            self._spend_from(Budget({}, name=self._name, clock=self.clock))
        if self.settings.on is not None:
            self.on = self.settings.on

    def attach(self, *, edge: bool, service: str | None) -> None:
        """Built into a pipeline: what was left open is settled by where it stands."""
        if self.settings.on is None:
            if not edge:
                raise ConfigError(
                    f"{self._path}.on", None, "what to retry on: exception types, a function, or words such as transient"
                )
            self.on = Matcher("transient", f"{self._path}.on")
        if service is not None and self.settings.budget == "default":
            self._spend_from(shared_budget(service))

    def _spend_from(self, budget: Budget) -> None:
        self.budget = budget
        budget.join(self.machine.tally)

    def scheduled(self, attempt: int, delay: float, error: BaseException, now: float) -> None:
        """Another attempt will be made."""
        self.retries += 1
        self._emptied = False
        if self.ears.heard:
            self.ears.tell(RetryScheduled(policy=self.label, at=now, attempt=attempt, delay=delay, error=_said(error)))

    def ended(self, attempts: int, cause: Any, error: BaseException) -> None:
        """No further attempt: note it on the error that is raised, and tell."""
        self.gave_up += 1
        if attempts > 1 or cause == "budget":
            note = f"svcgov: {self.label} gave up after {attempts} attempt{'s' if attempts > 1 else ''} ({cause})"
            if note not in getattr(error, "__notes__", ()):
                error.add_note(note)
        if not self.ears.heard:
            return
        now = self.clock.monotonic()
        if cause == "budget" and not self._emptied and self.budget is not None:
            self._emptied = True
            self.ears.tell(BudgetEmptied(policy=self.label, at=now, ratio=self.budget.settings.ratio))
        self.ears.tell(RetryEnded(policy=self.label, at=now, attempts=attempts, cause=cause, error=_said(error)))

    def predicate_failed(self, setting: str, failure: Exception) -> None:
        """A function of the user's raised: the outcome stands, the function is reported."""
        report_once((self.label, setting), f"{self._path}.{setting} raised {failure!r}: taken as no")
        if self.ears.heard:
            fact = PredicateFailed(policy=self.label, at=self.clock.monotonic(), setting=setting, error=_said(failure))
            self.ears.tell(fact)

    def snapshot(self) -> dict[str, int]:
        """``calls`` begun, further attempts (``retries``), calls that ``recovered`` by one, calls that ``gave_up``."""
        return {
            "calls": self.machine.tally.calls,
            "retries": self.retries,
            "recovered": self.recovered,
            "gave_up": self.gave_up,
        }


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]


def retry(*unnamed: Any, **options: Unpack[Options]) -> Retry:
    """Make up to *attempts* attempts, with growing delays between them.

    Args:
        on: what to retry on: exception types, a function of the error (its answer may be seconds to wait), or words
            (``transient connection timeout 5xx 429``). Required, but for governed clients, where it is ``transient``.
        ignore: what never to retry on; wins over *on*.
        attempts: 1 to 100, the first one included.
        backoff: a `Backoff`, seconds, a list of seconds, or a function of attempt and error.
        min_attempt_time: seconds that an attempt must have left before the deadline to be made.
        budget: a budget, the name of one, or None for none; by default one per dependency.
        retry_after: wait exactly as long as a server's ``Retry-After`` asks.
        idempotent: whether an HTTP request may be repeated; None is by its method and ``Idempotency-Key``.
        name: share it with every retry of this name.
        clock, random: where time and chance come from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        TypeError: for a positional argument.
    """
    if unnamed:
        first = unnamed[0]
        hint = getattr(first, "__name__", repr(first))
        raise TypeError(f"retry takes keyword arguments only: did you mean on={hint}?")
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(Retry, given, name, clock, random=given.pop("random", None))
