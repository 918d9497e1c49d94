"""The client's own time-outs, clipped to the deadline.

httpx asks for the time-out of each stage (a free connection, connect, write, read) when the stage begins. So the
mapping it asks answers with what is left at *that* moment: four stages of 1 s each do not make 4 s. urllib3, and requests
on top of it, are told a total before the attempt, and count down by themselves.

Rule 1: never looser than the client's own.
Rule 2: a client of tasks gets a *grace* beyond the deadline. Tasks are cancelled at their deadlines, and a cancellation
        that strikes while the client tidies up after a time-out of its own would leave a connection behind in its pool.
Rule 3: when the head of the answer has arrived the attempt is over; the body keeps to the deadline of the caller.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

STAGES = ("connect", "read", "write", "pool")
LEAST = 0.001  # seconds; 0 would mean "do not block" to a socket
GRACE = 0.002  # seconds


class Clipped(dict[str, "float | None"]):
    """Time-outs by stage, in seconds; None is no time-out."""

    __slots__ = ("_clock", "_deadline", "_end", "_grace", "_own", "began", "by_us")

    def __init__(
        self,
        own: Mapping[str, float | None],
        deadline: float,
        *,
        clock: Callable[[], float],
        began: float,
        grace: float = 0.0,
    ) -> None:
        super().__init__(own)
        self._end: float | None = deadline + grace
        left = max(self._end - began, LEAST)
        get = own.get
        for stage in STAGES:  # for whoever copies it instead of asking
            limit = get(stage)
            if limit is None or left < limit:
                self[stage] = left
        self._own = own
        self._clock = clock
        self._deadline: float | None = deadline
        self._grace = grace
        self.began = began
        self.by_us = False  # whether the last answer was the deadline's, not the client's own

    def get(self, stage: str, default: Any = None) -> Any:
        """What the stage may take from now on."""
        own = self._own.get(stage, default)
        end = self._end
        if end is None or stage not in STAGES:
            return own
        left = end - self._clock()
        if own is not None and own <= left:
            self.by_us = False
            return own
        self.by_us = True
        return left if left > LEAST else LEAST

    def __getitem__(self, stage: str) -> Any:
        return self.get(stage) if stage in self else super().__getitem__(stage)

    def expired(self) -> bool:
        """Whether a time-out that has just happened was the deadline's."""
        return self.by_us or (self._deadline is not None and self._clock() >= self._deadline)

    @property
    def seconds(self) -> float:
        """How long the attempt was allowed to take."""
        return max(0.0, (self._deadline or self.began) - self.began)

    def answered(self, deadline: float | None) -> None:
        """The head has arrived: from now on the caller's *deadline* holds."""
        self._deadline = deadline
        self._end = None if deadline is None else deadline + self._grace


class Allowed:
    """What an attempt is allowed, for clients that are told before it."""

    __slots__ = ("_clock", "_deadline", "began")

    def __init__(self, deadline: float, *, clock: Callable[[], float], began: float) -> None:
        self._deadline = deadline
        self._clock = clock
        self.began: float = began

    def within(self, timeout: Any) -> Any:
        """A copy of the client's own ``urllib3.Timeout``, cut down to what is left in all."""
        left = max(self._deadline - self._clock(), LEAST)
        own = timeout.total  # a number, None, or the mark of a default that is none
        timeout.total = min(own, left) if isinstance(own, (int, float)) else left
        return timeout

    def expired(self) -> bool:
        """Whether a time-out that has just happened was the deadline's."""
        return self._clock() >= self._deadline - LEAST

    @property
    def seconds(self) -> float:
        """How long the attempt was allowed to take."""
        return max(0.0, self._deadline - self.began)
