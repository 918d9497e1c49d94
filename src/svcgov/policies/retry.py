"""Retry: further attempts after a failure that another try may mend.

Rule 1: no attempt is made that cannot fit the deadline, and none that the budget does not pay for.
Rule 2: what is raised at the end is the last real error, with a note; never an error of our own in its place.
Rule 3: a refusal of ours ends it, unless the author wants otherwise: who was refused a moment ago need not knock again.
Rule 4: what a server asks for (``Retry-After``) is waited exactly, never less, and gives no extra attempts.
Rule 5: an HTTP request is repeated only when that is safe: by its method, its ``Idempotency-Key``, or ``idempotent=True``.
Rule 6: the plan of a call is made after its first failure; a call that is well at once pays for one addition.
"""

from __future__ import annotations

from .._core._backoff import Backoff, backoff
from .._core._budget import Budget, Stay, Tally, shared_budget
from .._core._callable import Written
from .._core._chance import system_random
from .._core._environment import disabled
from .._core._matching import Matcher
from .._core._mishaps import Mishaps, noted, said
from .._core._names import check_name
from .._core._overrides import OVERRIDES, changed, meant
from .._core._report import outside
from .._core._schema import Settings, choice, custom, duration, flag, integer
from ..errors import ConfigError, ConfigWarning
from ..facts import BudgetEmptied, RetryEnded, RetryScheduled
from ..pipeline import Policy, named
from ._plan import Plan, Unacceptable, exhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, ClassVar, Literal, TypeAlias, TypedDict, Unpack

    from .._shells._attempts import AsyncAttempts, Attempts
    from ..typing import Clock, Duration

    One: TypeAlias = type[BaseException] | str | int | Callable[[Any], bool | Duration | None]
    Match: TypeAlias = One | Sequence[One]

    class Options(TypedDict, total=False):
        """The keyword arguments of `retry`."""

        on: Match
        ignore: Match
        on_result: Callable[[Any], object] | None
        attempts: int
        backoff: Backoff | Duration | Sequence[Duration] | Callable[[int, BaseException], Duration | None]
        min_attempt_time: Duration
        budget: Budget | str | None
        retry_after: bool
        retry_refused: bool
        retry_retried: bool
        idempotent: bool | None
        on_exhausted: Literal["last", "raise"]
        final: bool | Sequence[str]
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


def _judgement(value: Any, path: str) -> Written | None:
    if value is not None and not callable(value):
        raise ConfigError(path, value, "a function of the result: true for another attempt")
    return None if value is None else Written(value)


class RetrySettings(Settings):
    """The settings, checked."""

    on: Matcher | None = custom(_matcher, default=None)  # missing is found out when it is built into a pipeline
    ignore: Matcher | None = custom(_matcher, default=None)
    on_result: Written | None = custom(_judgement, default=None)
    attempts: int = integer(default=3, low=1, high=100)
    backoff: Any = backoff(default=Backoff())
    min_attempt_time: float = duration(default=0.0, zero=True)
    budget: Budget | str | None = custom(_budget, default="default")
    retry_after: bool = flag(default=True)
    retry_refused: bool = flag(default=False)
    retry_retried: bool = flag(default=True)
    idempotent: bool | None = custom(_tristate, default=None)
    on_exhausted: str = choice("last", "raise", default="last")


class Attempting:
    """The machine: what the shells use."""

    __slots__ = ("clock", "owner", "tally")

    def __init__(self, owner: Retry) -> None:
        self.owner: Retry = owner
        self.clock: Clock = owner.clock
        self.tally: Tally = Tally()

    @property
    def judges(self) -> bool:
        """Whether results are looked at too: said when the frames are nested."""
        return self.owner.settings.on_result is not None

    def judge(self, result: Any) -> None:
        """Raise a marker when *result* is not to be accepted."""
        owner = self.owner
        try:
            bad = owner.settings.on_result.given(result)  # type: ignore[union-attr]  # it judges
            bad = bool(bad)
        except Exception as failure:
            owner.mishaps.tell("on_result", failure, "the result was accepted")
            return
        if bad:
            raise Unacceptable(result, self)

    def result_of(self, error: BaseException) -> Any:
        """The last result, if *error* says that no attempt had an acceptable one; any other *error* is raised."""
        if not isinstance(error, Unacceptable) or error.machine is not self:
            raise error
        if self.owner.settings.on_exhausted == "last":
            return error.result
        raise exhausted(error)

    def enter(self) -> Stay | None:
        """A call begins, where that has to be known (``tally.watched``)."""
        budget = self.owner.budget
        if budget is None:
            self.tally.calls += 1
            return None
        return budget.enter(self.tally)

    def leave(self, stay: Stay | None, good: bool) -> None:
        """The call is over."""
        if stay is not None:
            stay.unmark()
            stay.end(good)

    def plan(self) -> Plan:
        """A plan, made after the first failure."""
        return Plan(self.owner)

    def blocks(self, seconds: float, error: BaseException) -> None:
        """A plain function is about to stop an event loop for so long."""
        self.owner.blocks(seconds, error)


class Retry(Policy):
    """Makes further attempts. Made by `svcgov.retry`."""

    kind = "retry"
    shape: ClassVar[Literal["gate", "loop", "limit"]] = "loop"
    settings_class: ClassVar[type[Settings]] = RetrySettings
    fixed: ClassVar[tuple[str, ...]] = ("on_result",)
    per_call: ClassVar[tuple[str, ...]] = (
        "on", "ignore", "attempts", "backoff", "min_attempt_time",
        "retry_after", "retry_refused", "retry_retried", "idempotent", "on_exhausted",
    )  # fmt: skip
    settings: RetrySettings
    machine: Attempting
    on: Matcher

    def __init__(self, given: dict[str, Any], *, random: Callable[[], float] | None = None, **named: Any) -> None:
        self.random: Callable[[], float] = random or system_random
        super().__init__(given, **named)

    def _build(self) -> None:
        self.retries: int = 0
        self.recovered = 0
        self.failed: int = 0
        self.gave_up: int = 0
        self.cancelled = 0
        self._emptied = False
        self._blocked = False
        self._at_edge = False
        self.mishaps: Mishaps = Mishaps(self)
        self.machine = Attempting(self)
        self.budget: Budget | None = None
        self._tune(self.settings)

    def _tune(self, before: Settings) -> None:
        given = self.settings.budget
        if isinstance(given, Budget):
            self._spend_from(given)
        elif given is None:
            self._spend_from(None)
        elif given != "default":
            self._spend_from(shared_budget(given))
        elif self.budget is None:
            self._spend_from(Budget({}, name=self._name, clock=self.clock))
        if self.settings.on is not None:
            self.on = self.settings.on
        elif self.settings.on_result is not None:
            self.on = Matcher((), self._path)  # no error is meant
        elif self._at_edge:
            self.on = Matcher("transient", f"{self._path}.on")

    def attach(self, *, edge: bool, service: str | None) -> None:
        """Built into a pipeline: what was left open is settled by where it stands."""
        if self.settings.on is None and (edge or self.settings.on_result is None):
            if not edge:
                raise ConfigError(
                    f"{self._path}.on", None, "what to retry on: exception types, a function, or words such as transient"
                )
            self._at_edge = True
            self.on = Matcher("transient", f"{self._path}.on")
        if service is not None and self.settings.budget == "default":
            self._spend_from(shared_budget(service))

    def renew(self) -> None:
        """As any policy; the budget is still the one that it was attached to."""
        budget = self.budget
        super().renew()
        self._spend_from(budget)

    @property
    def whole(self) -> Retry:
        """Where the counts are: here, also for a retry that is `varied`."""
        return self

    def varied(self, changes: Mapping[str, Any]) -> Any:
        """This retry with other settings, for some calls."""
        return Varied(self, self.settings.replace(**changes))

    def __iter__(self) -> Attempts:
        """Make attempts at a block: ``for attempt in retry(...): with attempt: ...``."""
        from .._shells._attempts import Attempts

        off = self._switched_off()
        now = self._overridden()
        return Attempts(now or self, off=off or now is None)

    def __aiter__(self) -> AsyncAttempts:
        """The same with ``async for``; the block may await."""
        from .._shells._attempts import AsyncAttempts

        off = self._switched_off()
        now = self._overridden()
        return AsyncAttempts(now or self, off=off or now is None)

    def _overridden(self) -> Any:
        """This retry as `svcgov.override` wants it here; None where it wants none."""
        given = OVERRIDES.get()
        changes = meant(given, frozenset((self, self._name)))
        return next((one for one in changed((self,), changes, self.clock) if one.kind == self.kind), None)

    def _switched_off(self) -> bool:
        """Whether ``SVCGOV_DISABLED`` names it, now that it is to be used around a block."""
        self.attach(edge=False, service=None)
        self.machine.tally.around(None)
        return self.kind in disabled()

    def _spend_from(self, budget: Budget | None) -> None:
        before, self.budget = self.budget, budget
        if before is not None and before is not budget:
            before.leave(self.machine.tally)
        if budget is not None:
            budget.join(self.machine.tally)

    def scheduled(self, attempt: int, delay: float, error: BaseException, now: float) -> None:
        """Another attempt will be made."""
        self.retries += 1
        self._emptied = False
        if self.ears.heard:
            self.ears.tell(RetryScheduled(policy=self.label, at=now, attempt=attempt, delay=delay, error=said(error)))

    def ended(self, attempts: int, cause: Any, error: BaseException) -> None:
        """No further attempt: note it on the error that is raised, and tell."""
        if attempts > 1:
            self.gave_up += 1
        else:
            self.failed += 1
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

    def blocks(self, seconds: float, error: BaseException) -> None:
        """Warn, once, of an event loop that stands still; where warnings are errors, the user's own is not masked."""
        if self._blocked:
            return
        self._blocked = True
        from warnings import warn

        message = (
            f"{self.label}: a plain function sleeps {seconds:.3g} s between two attempts on a thread that runs an event "
            "loop, and all tasks of that loop wait with it: make it a coroutine function, or call it in another thread"
        )
        try:
            warn(message, ConfigWarning, stacklevel=outside())
        except ConfigWarning:
            noted(error, f"svcgov: {message}")

    def snapshot(self) -> dict[str, int]:
        """``calls`` begun and further attempts (``retries``), and the calls by their ends.

        ``good`` at once (those under way among them), ``recovered`` by a further attempt, ``failed`` without one,
        ``gave_up`` after one or more, ``cancelled``.
        """
        tally = self.machine.tally
        recovered, failed, gave_up, cancelled = self.recovered, self.failed, self.gave_up, self.cancelled + tally.cancelled
        calls = tally.calls + tally.nested
        return {
            "calls": calls,
            "retries": self.retries,
            "good": max(0, calls - recovered - failed - gave_up - cancelled),
            "recovered": recovered,
            "failed": failed,
            "gave_up": gave_up,
            "cancelled": cancelled,
        }


class Varied:
    """A retry with other settings, for some calls: all else is that of the whole."""

    def __init__(self, whole: Retry, settings: RetrySettings) -> None:
        self.whole = whole
        self.settings = settings
        self.on: Matcher = settings.on or whole.on
        self.machine: Attempting = Attempting(self)  # type: ignore[arg-type]  # stands where a retry does
        self.machine.clock, self.machine.tally = whole.machine.clock, whole.machine.tally

    def __getattr__(self, name: str) -> Any:
        return getattr(self.whole, name)


def _entered(self: Retry, *_: object) -> None:
    raise TypeError(f"a block cannot be made twice, as {self!r} would: for attempt in retry(...): with attempt: ...")


for _verb in ("__enter__", "__exit__", "__aenter__", "__aexit__"):  # not in the class: type checkers find it by themselves
    setattr(Retry, _verb, _entered)


def retry(*unnamed: Any, **options: Unpack[Options]) -> Retry:
    """Make up to *attempts* attempts, with growing delays between them.

    Args:
        on: what to retry on: exception types, a function of the error (its answer may be seconds to wait), or words
            (``transient connection timeout 5xx 429``). Required without *on_result*, but for governed clients, where it is
            ``transient``.
        ignore: what never to retry on; wins over *on*.
        on_result: a function of the result: true for another attempt. The last result is returned, however bad it is.
        attempts: 1 to 100, the first one included.
        backoff: a `Backoff`, seconds, a list of seconds, or a function of attempt and error.
        min_attempt_time: seconds that an attempt must have left before the deadline to be made.
        budget: a budget, the name of one, or None for none; by default one per dependency.
        retry_after: wait exactly as long as a server's ``Retry-After`` asks.
        retry_refused: retry also what a policy of ours refused, after the wait that the refusal names.
        retry_retried: retry also when our caller's call is itself a further attempt (its header ``x-retry-attempt``).
        idempotent: whether an HTTP request may be repeated; None is by its method and ``Idempotency-Key``.
        on_exhausted: ``raise`` raises a `RetriesExhaustedError` in place of the last result, if that is not acceptable.
        final: whether no document changes it, or which of its settings none does.
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
