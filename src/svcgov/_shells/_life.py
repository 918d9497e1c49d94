"""The life of a governed generator, from its first step to its end: what it holds, and how long it has taken.

A step is what happens in the generator between one item and the next. What it has entered at the first one is left
at its end, in the opposite order, as a block's is (`_hold`).

Rule 1: its time is what its steps take; how long its consumer is away is the consumer's own. For a time-out its whole
        life counts, and is looked at when a step begins.
Rule 2: the deadline is set around each step, and nobody sees it between them.
Rule 3: what the consumer ends (`close`, an error thrown in, or dropping it) teaches the gates nothing. The collector may
        close it on a thread that holds any lock: then they are told `GeneratorExit`, for which no gate takes one.
Rule 4: while somebody makes spans, it has one, which is the current one in its steps, and between them not.
Rule 5: the consumer's word comes first: what it throws in is handed on, however late it is.
"""

from __future__ import annotations

from bisect import bisect_right

from .._core._context import DEADLINE
from .._core._overrides import OVERRIDES
from .._core._record import BOUNDS
from .._core._spans import SPANS
from ..errors import DeadlineExceededError
from ._hold import Held
from ._modes import gate_of
from ._route import ended

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextvars import Token
    from typing import Any

    from .._core._call import Call
    from .._core._overrides import Given
    from .._core._record import Record
    from .._core._spans import Span
    from ..pipeline import Policy
    from ..typing import Clock, Limit

    Stage = tuple[Any, bool]  # the machine, and whether it is a time-out


class Stages:
    """What a generator enters, outermost first: one nesting, never changed after it was made."""

    __slots__ = ("_other", "_usual", "clock", "fn", "name", "spans")

    def __init__(
        self,
        fn: Callable[..., Any],
        *,
        name: str,
        clock: Clock,
        usual: tuple[Stage, ...],
        other: Callable[[tuple[Given, ...]], Any] | None,
        spans: bool = False,
    ) -> None:
        self.fn: Callable[..., Any] = fn
        self.name: str = name
        self.clock: Clock = clock
        self._usual = usual
        self._other = other
        self.spans: bool = spans

    def chosen(self) -> tuple[Stage, ...]:
        """Those of a generator that begins now: the usual ones, or others where `svcgov.override` has something to say."""
        given = OVERRIDES.get() if self._other is not None else ()
        return self._other(given) if given and self._other is not None else self._usual


def stages_of(policies: Sequence[Policy]) -> Any:
    """*policies*, which are gates and time-outs, as stages."""
    return tuple((policy.machine, True) if policy.shape == "limit" else (gate_of(policy), False) for policy in policies)


def check(policies: Sequence[Policy], function: str) -> None:
    """Refuse what cannot stand around a generator function.

    Raises:
        TypeError: which says why, and what to do instead.
    """
    for policy in policies:
        if policy.shape == "loop":
            raise TypeError(
                f"{function} is a generator function: its items have been handed out when it fails, so {policy!r} cannot "
                "run it again. Retry inside it, around each step."
            )
        if policy.shape == "limit" and policy.machine.on_thread:
            raise TypeError(
                f"{function} is a generator function: its steps are made by whoever asks for the next item, so {policy!r} "
                'cannot leave them behind on a thread. Without enforce="thread" its time is looked at at each step.'
            )


class Life(Held):
    """One generator that has begun."""

    __slots__ = (
        "_monotonic",
        "_over",
        "_token",
        "clock",
        "cut",
        "deadline",
        "inside",
        "limit",
        "record",
        "since",
        "span",
        "thrown",
        "until",
    )

    def __init__(self, stages: Stages, record: Record) -> None:
        super().__init__(stages)
        self.clock: Clock = stages.clock
        self.record: Record = record
        self.limit: Limit | None = None  # the tightest of its time-outs,
        self.until: float = 0.0  # and when that ends
        self.deadline: float = 0.0  # of the running step, if it has a time-out: that, or a tighter one of the consumer's
        self.cut: Limit | None = None  # the time-out that has ended it
        self.thrown: BaseException | None = None  # what the consumer has thrown in at the running step
        self.inside: float = 0.0  # seconds in its steps so far
        self._monotonic = stages.clock.monotonic
        self._token: Token[float | None] | None = None
        self._over = False
        self.since: float = self._monotonic()  # the running step began then
        tracer = (SPANS.tracer or SPANS.look()) if stages.spans else None
        self.span: Span | None = None if tracer is None else tracer.governed(stages.name, edge=False)

    def arm(self) -> None:
        """A step begins. One of a plain generator cannot be interrupted."""

    def first(self, body: Any) -> Callable[[Any], Any]:
        """How the first step is made."""
        return body.send  # type: ignore[no-any-return]  # a method of a generator

    def tighten(self, limit: Limit, now: float, call: Call | None = None) -> None:
        """From *now* on *limit* goes for all its life."""
        measured = getattr(limit, "limit_of", None)
        if measured is not None:
            limit = measured(call)
        outer, seconds = DEADLINE.get(), limit.seconds
        if outer is not None and outer <= now:
            raise DeadlineExceededError(limit.name, "expired")
        if seconds is None:
            return
        until = now + seconds
        if self.limit is None or until < self.until:
            self.limit, self.until = limit, until
        self._set_deadline()

        def leave(error: BaseException | None) -> None:
            if self.cut is limit:
                raise limit.expired("total", seconds if self.deadline == until else self.deadline - now) from error
            if not self._ignored:
                ended(limit, seconds, self._monotonic() - now, error)

        self._left.append(leave)

    def resume(self) -> bool:
        """The next step begins, unless its time is over: then say so."""
        self.since = now = self._monotonic()
        if self.span is not None:
            self.span.resume()
        if self.limit is None:
            return False
        self._set_deadline()
        if now >= self.deadline:
            return self.thrown is None
        if not isinstance(self.thrown, GeneratorExit):
            self.arm()
        return False

    def pause(self) -> None:
        """The step has brought an item."""
        if isinstance(self.thrown, GeneratorExit):
            self.end(self.thrown)  # it goes on all the same, and is governed no more
            return
        self.thrown = None
        self._step_over(None)
        if self.span is not None:
            self.span.pause()

    def cut_short(self) -> GeneratorExit:
        """It was closed since its time is over: what to raise, for the gates inside the time-out."""
        self.cut = self.limit
        return GeneratorExit("svcgov: its time was over when the step began")

    def end(self, error: BaseException | None) -> None:
        """It has returned, or raised *error*: leave everything, and count it."""
        self._step_over(error)
        thrown, self.thrown, self.limit = self.thrown, None, None
        if self._over:
            return
        self._over = True
        if isinstance(thrown, GeneratorExit):
            error = thrown  # whatever has become of that
        elif error is thrown and isinstance(error, Exception):
            self.ignore()
        try:
            self.leave(error)
        except BaseException as instead:
            self.record.end(instead)
            if self.span is not None:
                self._span_over(self.span, instead)
            raise
        if self.span is not None:
            self._span_over(self.span, error)
        if error is None:
            took = self.inside
            i = bisect_right(BOUNDS, took)
            self.record.counts[i] += 1
            self.record.total[0] += took
        else:
            self.record.end(GeneratorExit() if self._ignored else error)

    def _span_over(self, span: Span, error: BaseException | None) -> None:
        self.span = None
        span.end(error)

    def _since(self, now: float) -> float:
        """So that its gates, which look at their clock now, see the time of its steps."""
        return self.clock.monotonic() - self.inside

    def _set_deadline(self) -> None:
        self.deadline = self.until
        outer = DEADLINE.get()
        if outer is not None and outer <= self.until:
            self.deadline = outer
            return
        token = DEADLINE.set(self.until)
        if self._token is None:
            self._token = token  # the first one of a step: what was there before

    def _step_over(self, error: BaseException | None) -> None:
        self.inside += max(0.0, self._monotonic() - self.since)
        token, self._token = self._token, None
        if token is not None:
            try:  # noqa: SIM105  # contextlib would be loaded for this alone
                DEADLINE.reset(token)
            except ValueError:  # an abandoned step, ended in a context that is not its own: there is nothing to put back there
                pass
