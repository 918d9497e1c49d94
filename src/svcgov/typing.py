"""The shapes a policy can have, for annotations and for policies of your own.

============  =============================================  ==========================================
shape         verbs                                          who
============  =============================================  ==========================================
`Gate`        ``free``, ``admit``, ``calm``, ``settle``      circuit breaker, bulkhead, rate limit
`Loop`        ``tally``, ``plan`` (then ``next_delay``)      retry
`Limit`       ``seconds``, ``late``                          timeout
============  =============================================  ==========================================
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Awaitable, Callable

    from .errors import CallTimeoutError
    from .facts import Fact

__all__ = ["Attempts", "Clock", "Duration", "Gate", "Limit", "Listener", "Loop", "Permit", "Tally", "Timer"]

Permit: TypeAlias = object
"""What a gate hands out: compared by identity, never computed with. None where there is nothing to give back."""

Duration: TypeAlias = "float | str | SupportsTotalSeconds"
"""Seconds, text such as ``"250ms"``, ``"2s"``, ``"1m"``, ``"PT2S"``, or a timedelta."""


class SupportsTotalSeconds(Protocol):
    """A timedelta, and whatever is like one."""

    def total_seconds(self) -> float:
        """The length in seconds."""
        ...


class Timer(Protocol):
    """Something that will happen on a loop, unless it is cancelled."""

    def cancel(self) -> None:
        """Let it not happen."""
        ...


class Clock(Protocol):
    """Where time comes from."""

    def monotonic(self) -> float:
        """Seconds since some moment; never steps."""
        ...

    def wall(self) -> float:
        """Seconds since the epoch; may step."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Block this thread."""
        ...

    def asleep(self, seconds: float) -> Awaitable[None]:
        """Let other tasks run meanwhile."""
        ...

    def timer(self, loop: AbstractEventLoop, at: float, fire: Callable[[], object]) -> Timer:
        """Call *fire* on *loop* at the moment *at* of ``monotonic``."""
        ...


class Gate(Protocol):
    """Lets a call begin, or refuses; and is told how it ended.

    ``free`` is a permit that may be taken without asking, or None. ``calm`` is the permit whose clean return need not be
    told. No method blocks, sleeps, logs, or calls user code under a lock.
    """

    @property
    def free(self) -> Permit:
        """A permit to take without asking, or None when it has to be asked."""
        ...

    @property
    def calm(self) -> Permit:
        """The permit whose clean return needs no word."""
        ...

    def admit(self, now: float, call: Any = None) -> Permit:
        """Return a permit or raise a `RejectedError`."""
        ...

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Take the permit back. *error* is None after a clean return; *now* is the moment of admission."""
        ...


class Tally(Protocol):
    """Counts the calls that a retry's budget is a share of, and the first attempts that were cancelled.

    While it is ``watched``, calls go by ``enter`` and ``leave`` of the loop.
    """

    calls: int
    cancelled: int
    watched: bool

    def around(self, fn: object) -> None:
        """The loop is built around *fn*, or around whatever it will be given (None)."""
        ...


class Attempts(Protocol):
    """The plan of one call that has failed once."""

    attempt: int
    last: BaseException

    def next_delay(self, error: BaseException) -> float | None:
        """Seconds to wait before the next attempt, or None: then raise ``last``."""
        ...

    def overslept(self) -> bool:
        """Whether the wait has left no time for the attempt: then raise ``last``."""
        ...

    def recovered(self) -> None:
        """A further attempt was good."""
        ...

    def close(self) -> None:
        """The call is over, in whatever way."""
        ...


class Loop(Protocol):
    """Makes further attempts."""

    @property
    def tally(self) -> Tally:
        """Where every call is counted, once."""
        ...

    @property
    def clock(self) -> Clock:
        """What the shells sleep by."""
        ...

    @property
    def judges(self) -> bool:
        """Whether results are looked at too."""
        ...

    def judge(self, result: object) -> None:
        """Raise an error that is a marker when *result* is not acceptable."""
        ...

    def result_of(self, error: Exception) -> Any:
        """What to return when the attempts have ended with *error*: the result it marks, or *error* is raised."""
        ...

    def enter(self) -> Any:
        """A call begins, where that has to be known."""
        ...

    def leave(self, stay: Any, good: bool) -> None:
        """The call is over that has entered."""
        ...

    def plan(self) -> Attempts:
        """A plan, made after the first failure."""
        ...

    def blocks(self, seconds: float, error: BaseException) -> None:
        """A plain function is about to sleep so long on a thread that runs an event loop, because of *error*."""
        ...


class Limit(Protocol):
    """How long the frames inside may take."""

    @property
    def name(self) -> str:
        """Whom to name in an error."""
        ...

    @property
    def seconds(self) -> float | None:
        """The limit, or None for no limit."""
        ...

    @property
    def clock(self) -> Clock:
        """What it is measured by."""
        ...

    def late(self, took: float, error: Exception | None = None) -> None:
        """A call came to its end after *took* seconds, which was too long; its result, or its *error*, stands."""
        ...

    def expired(self, reason: str, seconds: float) -> CallTimeoutError:
        """The error of a call that was cancelled or left after *seconds*, its own or those of a tighter deadline; told."""
        ...

    def failed(self, error: Exception) -> None:
        """A call that was left behind on its thread has raised *error*, for which nobody waits any more."""
        ...

    def burdened(self, abandoned: int, most: int) -> None:
        """So many of the worker threads run calls that were left behind that soon there may be none for others."""
        ...


class Listener(Protocol):
    """What `svcgov.listen` takes."""

    def __call__(self, fact: Fact, /) -> object:
        """Hear a fact. Must be quick; what it raises is reported once and changes nothing."""
        ...
