"""The time-out: how long a call may take.

Rule 1: the tightest deadline wins, and is restored exactly on the way out.
Rule 2: a coroutine is really cancelled; its own expiry is told from the caller's cancellation exactly.
Rule 3: a plain function cannot be interrupted. It sees the deadline (`svcgov.remaining`), and governed clients clip
        their own time-outs to it; ``enforce="thread"`` leaves it behind on a worker thread.
Rule 4: a result that came late is returned, not thrown away: what it did has been done. An error that came late is raised.
Rule 5: seconds that are a function of the call are asked for at every call, in a frame of its own; a number costs none.
"""

from __future__ import annotations

from warnings import warn

from .._core._callable import Written, kind_of
from .._core._durations import DAY, as_seconds
from .._core._mishaps import Mishaps, noted, said
from .._core._report import outside
from .._core._schema import Settings, choice, custom, duration
from ..errors import CallTimeoutError, ConfigError, DeadlineExceededError, TimeoutWarning
from ..facts import LeftCallFailed, TimedOut, TimeoutNotEnforced, WorkersAbandoned
from ..pipeline import Gated, named

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, ClassVar, Literal, TypedDict, Unpack

    from .._core._call import Call
    from ..typing import Clock, Duration

    class Options(TypedDict, total=False):
        """The keyword arguments of `timeout`."""

        enforce: Literal["deadline", "thread"]
        final: bool | Sequence[str]
        name: str
        clock: Clock


_ENDLESS = float("inf")
_LONGEST = 7 * DAY
_duration = duration(optional=True, high=_LONGEST)


def _seconds(value: Any, path: str) -> float | Written | None:
    if value == _ENDLESS:
        return None
    if not callable(value):
        return _duration.read(value, path)  # type: ignore[no-any-return]  # seconds
    if isinstance(value, type) or kind_of(value) != "sync":
        raise ConfigError(path, value, "a plain function of the call, or a duration")
    return Written(value)


class TimeoutSettings(Settings):
    """The settings, checked."""

    seconds: float | Written | None = custom(_seconds)
    enforce: str = choice("deadline", "thread", default="deadline")


class TimeLimit:
    """The machine: what the shells read, and whom they tell."""

    __slots__ = ("clock", "name", "on_thread", "owner", "seconds")

    def __init__(self, owner: Timeout, seconds: float | None) -> None:
        self.owner: Timeout = owner
        self.clock: Clock = owner.clock
        self.name: str = owner.label
        self.seconds: float | None = seconds
        self.on_thread: bool = owner.settings.enforce == "thread"

    def late(self, took: float, error: Exception | None = None) -> None:
        """A call came to its end after *took* seconds, which was too long; its result, or its *error*, stands."""
        self.owner.overrun(self.seconds or 0.0, took, error)

    def expired(self, reason: str, seconds: float) -> CallTimeoutError:
        """A call was cancelled or left, after *seconds*."""
        return self.owner.expired(reason, seconds)

    def failed(self, error: Exception) -> None:
        """A call that was left behind has raised *error*."""
        owner = self.owner
        if owner.ears.heard:
            owner.ears.tell(LeftCallFailed(policy=self.name, at=self.clock.monotonic(), error=said(error)))

    def burdened(self, abandoned: int, most: int) -> None:
        """A call was left behind, as many others that still run."""
        owner = self.owner
        if owner.ears.heard:
            owner.ears.tell(WorkersAbandoned(policy=self.name, at=self.clock.monotonic(), abandoned=abandoned, most=most))


class Measure:
    """The machine where the seconds are a function of the call: it makes a `TimeLimit` for each."""

    __slots__ = ("measure", "name", "on_thread", "owner")

    def __init__(self, owner: Timeout, measure: Callable[[Call], Any]) -> None:
        self.owner: Timeout = owner
        self.name: str = owner.label
        self.measure: Callable[[Call], Any] = measure
        self.on_thread: bool = owner.settings.enforce == "thread"

    @property
    def seconds(self) -> float | None:
        """There are none without a call."""
        raise TypeError(f"{self.name}: its seconds are a function of the call, and a block is no call")

    def limit_of(self, call: Call) -> TimeLimit:
        """How long *call* may take. Where nobody can say, it has no limit of its own; a deadline around it holds."""
        owner = self.owner
        try:
            seconds = owner.measured(self.measure(call))
        except Exception as failure:
            owner.mishaps.tell("seconds", failure, "the call had no time-out of its own")
            seconds = None
        if seconds is not None and seconds <= 0:
            raise DeadlineExceededError(self.name, "expired")
        return TimeLimit(owner, seconds)


class Timeout(Gated):
    """Limits how long a call may take. Made by `svcgov.timeout`."""

    kind = "timeout"
    shape: ClassVar[Literal["gate", "loop", "limit"]] = "limit"
    settings_class: ClassVar[type[Settings]] = TimeoutSettings
    fixed: ClassVar[tuple[str, ...]] = ("enforce",)
    settings: TimeoutSettings
    machine: Any  # a TimeLimit, or a Measure

    def _build(self) -> None:
        self.timed_out: int = 0
        self.late: int = 0
        self._warned = False
        self.mishaps: Mishaps = Mishaps(self)
        self.machine = self._machine()

    def _machine(self) -> TimeLimit | Measure:
        seconds = self.settings.seconds
        return Measure(self, seconds.given) if isinstance(seconds, Written) else TimeLimit(self, seconds)

    def _tune(self, before: Settings) -> None:
        machine, seconds = self.machine, self.settings.seconds
        if isinstance(machine, Measure) and isinstance(seconds, Written):
            machine.measure = seconds.given
        elif isinstance(machine, TimeLimit) and not isinstance(seconds, Written):
            machine.seconds = seconds
        else:
            self.machine = self._machine()

    def measured(self, answer: Any) -> float | None:
        """The seconds that a function has answered, which may be none left (0 or below), or no limit (None)."""
        if answer is None or answer == _ENDLESS:
            return None
        seconds = as_seconds(answer)
        if seconds is None:
            raise ConfigError(f"{self._path}.seconds", answer, "a duration, or None for no limit")
        return seconds if seconds <= _LONGEST else None

    def expired(self, reason: str, seconds: float) -> CallTimeoutError:
        """The error of a call that was cancelled or left after *seconds*, counted and told."""
        self.timed_out += 1
        self._tell(seconds, late=False)
        return CallTimeoutError(self.label, reason, seconds)

    def overrun(self, seconds: float, took: float, error: Exception | None) -> None:
        """A call ended late and its result or error stands: counted, told, and (the first time) warned of."""
        self.late += 1
        self._tell(seconds, late=True)
        if self._warned:
            return
        self._warned = True
        if self.ears.heard:
            self.ears.tell(TimeoutNotEnforced(policy=self.label, at=self.clock.monotonic(), seconds=seconds, took=took))
        try:
            warn(
                f"{self.label}: a call took {took:.3g} s of the {seconds:.3g} s it was given and could not be interrupted; "
                f"its {'result was kept' if error is None else 'error was raised'}. "
                'For a plain function that may hang, enforce="thread" leaves it behind.',
                TimeoutWarning,
                stacklevel=outside(),
            )
        except TimeoutWarning as warning:  # where warnings are errors: not in the place of the user's own
            if error is None:
                raise
            noted(error, f"svcgov: {warning}")

    def _tell(self, seconds: float, *, late: bool) -> None:
        if self.ears.heard:
            self.ears.tell(TimedOut(policy=self.label, at=self.clock.monotonic(), seconds=seconds, late=late))

    def snapshot(self) -> dict[str, int]:
        """``timed_out`` (cancelled or left) and ``late`` (came to its end after all)."""
        return {"timed_out": self.timed_out, "late": self.late}


def timeout(seconds: Duration | Callable[[Call], Duration | None] | None, **options: Unpack[Options]) -> Timeout:
    """Give a call *seconds* to be done. Outside a retry that is the total, inside it is per attempt.

    Args:
        seconds: seconds, a timedelta, or text such as ``"500ms"``; None for no limit. Or a function of the call that
            says them; 0 or less is no time left.
        enforce: ``deadline`` (the default), or ``thread`` for plain functions that may hang: the call is made on a
            worker thread and left behind when it is late. It then sees no thread-locals of its caller.
        final: whether no document changes it, or which of its settings none does.
        name: share it with every time-out of this name.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
        CallTimeoutError: in a governed call that was not done in time.
        DeadlineExceededError: in a governed call, when no time was left to begin it.
    """
    given: dict[str, Any] = dict(options)
    name, clock = given.pop("name", None), given.pop("clock", None)
    return named(Timeout, {"seconds": seconds, **given}, name, clock)
