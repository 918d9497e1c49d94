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
from .._core._durations import DAY, as_seconds
from .._core._matching import Matcher, headers_of, status_of
from .._core._mishaps import Mishaps, noted, said
from .._core._names import check_name
from .._core._schema import Settings, custom, duration, flag, integer
from ..errors import ConfigError, RejectedError
from ..facts import BudgetEmptied, RetryEnded, RetryScheduled
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


_ASKS_US_TO_WAIT = (413, 429, 503)  # on other answers a Retry-After means nothing
_LONGEST = 7 * DAY  # no duration of ours is longer: a wait beyond it is no wait, but the end


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

    __slots__ = ("_backed_off", "_owner", "_real", "_repeatable", "_settings", "_started", "attempt", "last")

    last: BaseException

    def __init__(self, owner: Retry) -> None:
        self._owner = owner
        self._settings = owner.settings
        self._backed_off = 0.0  # the last delay of the backoff
        self._started = 0  # the attempt before the backoff's first one
        self._real = False
        self._repeatable = REPEATABLE.get() if owner.settings.idempotent is None else owner.settings.idempotent
        self.attempt = 1

    def next_delay(self, error: BaseException) -> float | None:
        """Seconds until the next attempt, or None: then ``last`` is to be raised."""
        if isinstance(error, RejectedError) and self._real:
            noted(self.last, f"svcgov: attempt {self.attempt} was refused: {error}")
            return self._end("refused")
        self.last = error
        if isinstance(error, RejectedError):
            return self._end("refused")
        self._real = True
        asked = self._asked(error)
        if asked is False:
            return self._end("not_retryable")
        if self._repeatable is False:
            return self._end("not_repeatable")
        if self.attempt >= self._settings.attempts:
            return self._end("attempts")
        delay = self._wait(error) if asked is True else asked
        if delay is None or not 0 <= delay <= _LONGEST:
            return self._end("stopped")
        now = self._owner.clock.monotonic()
        if not self._fits(now + delay):
            return self._end("deadline")
        if self._owner.budget is not None and not self._owner.budget.try_withdraw():
            return self._end("budget")
        self._owner.scheduled(self.attempt, delay, error, now)
        self.attempt += 1
        return delay

    def overslept(self) -> bool:
        """Whether no time is left after the wait, as when the process was stopped meanwhile: then ``last`` is to be raised."""
        if self._fits(self._owner.clock.monotonic()):
            return False
        self.attempt -= 1
        self._owner.retries -= 1
        self._end("deadline")
        return True

    def recovered(self) -> None:
        """A further attempt was good."""
        self._owner.recovered += 1

    def _fits(self, start: float) -> bool:
        """Whether an attempt that starts at this moment has time left."""
        deadline = DEADLINE.get()
        return deadline is None or start + self._settings.min_attempt_time < deadline

    def _asked(self, error: BaseException) -> bool | float:
        """Whether to try again, or the seconds to wait before that: what a function in ``on`` may say."""
        owner, settings = self._owner, self._settings
        asked = "ignore"
        try:
            if settings.ignore is not None and settings.ignore.matches(error):
                return False
            asked, on = "on", owner.on
            if on.speaks_http and self._repeatable is None and status_of(error) is not None and not isinstance(error, on.types):
                return False  # nobody knows whether this request may be made twice
            verdict = on.matches(error)
            if isinstance(verdict, (int, float)) and not isinstance(verdict, bool):
                return float(verdict)
            seconds = as_seconds(verdict)
            return bool(verdict) if seconds is None else seconds
        except Exception as failure:
            owner.mishaps.tell(asked, failure, "the error was not retried")
            return False

    def _wait(self, error: BaseException) -> float | None:
        """What the server asks for, else what the backoff says; after the server's wait the backoff begins anew."""
        settings, owner = self._settings, self._owner
        if settings.retry_after and status_of(error) in _ASKS_US_TO_WAIT:
            from .._core._http_date import retry_after

            served = retry_after(headers_of(error), owner.clock.wall)
            if served is not None:
                self._started, self._backed_off = self.attempt, 0.0
                return served
        try:
            delay: float | None = settings.backoff(self.attempt - self._started, self._backed_off, error, owner.random)
        except Exception as failure:
            owner.mishaps.tell("backoff", failure, "the error was not retried")
            return None
        self._backed_off = delay or 0.0
        return delay

    def _end(self, cause: Any) -> float | None:
        """No further attempt, for this cause: None, as `next_delay` says it."""
        self._owner.ended(self.attempt, cause, self.last)
        return None


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
        self.mishaps = Mishaps(self)
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
            self.ears.tell(RetryScheduled(policy=self.label, at=now, attempt=attempt, delay=delay, error=said(error)))

    def ended(self, attempts: int, cause: Any, error: BaseException) -> None:
        """No further attempt: note it on the error that is raised, and tell."""
        self.gave_up += 1
        if attempts > 1 or cause == "budget":
            note = f"svcgov: {self.label} gave up after {attempts} attempt{'s' if attempts > 1 else ''} ({cause})"
            noted(error, note)
        if not self.ears.heard:
            return
        now = self.clock.monotonic()
        if cause == "budget" and not self._emptied and self.budget is not None:
            self._emptied = True
            self.ears.tell(BudgetEmptied(policy=self.label, at=now, ratio=self.budget.settings.ratio))
        self.ears.tell(RetryEnded(policy=self.label, at=now, attempts=attempts, cause=cause, error=said(error)))

    def snapshot(self) -> dict[str, int]:
        """``calls`` begun, further attempts (``retries``), calls that ``recovered`` by one, calls that ``gave_up``."""
        return {
            "calls": self.machine.tally.calls,
            "retries": self.retries,
            "recovered": self.recovered,
            "gave_up": self.gave_up,
        }


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
