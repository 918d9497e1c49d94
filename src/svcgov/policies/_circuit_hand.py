"""Reading a circuit breaker, and moving it by hand.

Rule: what a hand has set, a hand (or a setting) changes: ``forced-open``, ``disabled`` and ``metrics-only`` end by no call.
"""

from __future__ import annotations

from .._core._durations import as_seconds
from .._core._schema import number
from ..errors import ConfigError
from ._circuit_states import CLOSED, DISABLED, FORCED_OPEN, HALF_OPEN, METRICS_ONLY, OPEN, RAMPING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    from ..typing import Clock, Duration


class ByHand:
    """The part of a circuit breaker that people use beside calling through it."""

    clock: Clock
    machine: Any  # a `Circuit`, or what stands for several
    settings: Any  # `BreakerSettings`
    refused: int

    @property
    def current_state(self) -> Literal["closed", "open", "half-open", "forced-open", "disabled", "metrics-only"]:
        """``closed`` (also on the ramp), ``open`` (also when the wait is over, until a call comes), ``half-open``, or held.

        Held by a hand or a setting are ``forced-open``, ``disabled`` and ``metrics-only``.
        """
        state = self.machine.state
        return CLOSED if state == RAMPING else state  # type: ignore[return-value]  # one of the six

    def would_admit(self) -> bool:
        """Whether a call would get in now. Asking changes nothing: readiness uses this."""
        return self.machine.would_admit(self.clock.monotonic())  # type: ignore[no-any-return]  # a truth

    def snapshot(self) -> dict[str, Any]:
        """``state calls failed slow failure_rate slow_call_rate refused``; rates are None below the minimum of calls.

        While it is open the counts are those of the window that opened it.
        """
        state, counts, enough = self.machine.reading()
        shown = CLOSED if state == RAMPING else state
        return {"state": shown, **self.settings.figures(counts, enough), "refused": self.refused}

    def open(self, *, for_: Duration | None = None, until: float | None = None) -> bool:
        """Open it by hand: for the usual time, *for_* so long, or *until* the policies' clock reads so much.

        While it is open already, only a later end changes anything. Answers as pybreaker does: whether calls are refused.

        Raises:
            ConfigError: for a duration that is none, a moment that has passed, or both.
        """
        wait = None if for_ is None else as_seconds(for_)
        if for_ is not None and (wait is None or wait <= 0):
            raise ConfigError("open.for_", for_, 'a duration > 0 s, such as 2.5 or "500ms"')
        if until is not None and (for_ is not None or not number(until) or until <= self.clock.monotonic()):
            raise ConfigError("open.until", until, "a moment of the policies' clock that is to come, and no for_ beside it")
        self.machine.move(OPEN, wait=wait, until=until)
        return True

    def half_open(self) -> None:
        """Let probes through now."""
        self.machine.move(HALF_OPEN)

    def close(self) -> None:
        """Close it by hand, with an empty window."""
        self.machine.move(CLOSED)

    def reset(self) -> None:
        """Close it, and count refusals from 0 again: as if it were new."""
        self.machine.move(CLOSED)
        self.refused = 0

    def force_open(self) -> None:
        """Refuse everything until a hand says otherwise."""
        self.machine.move(FORCED_OPEN)

    def disable(self) -> None:
        """Let everything through, and record nothing, until a hand says otherwise."""
        self.machine.move(DISABLED)

    def observe(self) -> None:
        """Let everything through, and tell when it would have opened, until a hand says otherwise."""
        self.machine.move(METRICS_ONLY)
