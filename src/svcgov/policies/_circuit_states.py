"""The states of a circuit, and its terms.

Rule 1: every change of state happens in this file, under the lock.
Rule 2: each stay in a state is a term. What was handed out in an earlier one is void.
Rule 3: state, term and window change in one step: no thread, and no fork, comes in between.
"""

from __future__ import annotations

from _thread import RLock

from ..facts import CircuitChanged
from ._circuit_ramp import Ramp
from ._circuit_tickets import Tickets
from ._circuit_window import CountWindow, TimeWindow

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ..typing import Permit
    from ._circuit_settings import BreakerSettings
    from ._circuit_window import Counts, Window

CLOSED, OPEN, HALF_OPEN, RAMPING = "closed", "open", "half-open", "ramping"
FORCED_OPEN, DISABLED, METRICS_ONLY = "forced-open", "disabled", "metrics-only"
HELD = (FORCED_OPEN, DISABLED, METRICS_ONLY)
COUNTING = (CLOSED, RAMPING, METRICS_ONLY)  # the window is that of the settings
NOTHING: Any = object()  # a permit that nobody has
EVERY_TIME = 1 << 62  # outcomes, or seconds, after which no evaluation is needed: never
_NO_RAMP = Ramp(1.0, 0.0)  # stands where none has begun


class Terms:
    """What a circuit is in.

    ``window`` holds the outcomes of this term; from ``sure`` outcomes on a clean one needs no evaluation, from ``warm`` on
    or until ``edge`` no lock either. ``led_to`` are the counts that led to the last change, and what was enough for a rate
    then. ``returns`` are outcomes that finalisers have left, who may take no lock.
    """

    __slots__ = (
        "calm",
        "edge",
        "enough",
        "free",
        "in_row",
        "led_to",
        "lock",
        "open_until",
        "openings",
        "over",
        "owner",
        "ramp",
        "returns",
        "settings",
        "slow",
        "state",
        "sure",
        "term",
        "tickets",
        "warm",
        "window",
    )

    window: Any  # either kind: what is done without the lock looks at the parts of both
    state: str
    in_row: int
    enough: int
    sure: int
    warm: int
    edge: float
    slow: float
    over: bool
    term: object
    free: Permit
    calm: Permit

    def __init__(self, owner: Any, settings: BreakerSettings, state: str | None = None) -> None:
        self.owner: Any = owner  # a `CircuitBreaker`, or what stands for it beside one key
        self.settings: BreakerSettings = settings
        self.lock: RLock = RLock()  # lets its own thread in: a collection of garbage may call from inside
        self.returns: list[tuple[Any, ...]] = []
        self.tickets: Tickets = Tickets()
        self.openings: int = 0
        self.open_until: float = 0.0
        self.led_to: tuple[Counts, int] = ((0, 0, 0, 0), 1)
        self.ramp: Ramp = _NO_RAMP
        self._begin_locked(state or settings.held or CLOSED, owner.clock.monotonic())

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds the lock, nothing is under way. What was counted stays."""
        self.lock = RLock()
        self._void_locked()

    def restored(self) -> None:
        """The process goes on from a snapshot: nothing is under way, and nothing counted. An open circuit stays so long."""
        now = self.owner.clock.monotonic()
        with self.lock:
            self.window, self.in_row, self.over = self._window_for(self.state, now), 0, False
            self._void_locked()

    def _inside(self) -> bool:
        """Whether this very thread holds the lock: a collection of garbage has called in the middle of it."""
        return self.lock._is_owned()  # type: ignore[attr-defined, no-any-return]  # as `threading.Condition` asks

    # -- under the lock ----------------------------------------------------------------------------------------------

    def _trip_locked(self, causes: tuple[str, ...], now: float, wait: float) -> None:
        self.openings += 1
        self._change_locked(OPEN, now, causes, wait=wait)

    def _change_locked(
        self, state: str, now: float, causes: tuple[str, ...], *, wait: float = 0.0, origin: Any = "local", keep: bool = False
    ) -> None:
        before = self.state
        self.led_to = counts, enough = self.window.counts(now), self.enough
        if state == OPEN:
            self.open_until = now + wait
        elif state == CLOSED:
            self.openings = 0
        if before != state and self.owner.ears.heard:
            self.owner.ears.post(
                CircuitChanged(
                    policy=self.owner.label,
                    at=now,
                    before=before,
                    after=state,
                    cause=causes[0],
                    causes=causes,
                    **self.settings.figures(counts, enough),
                    open_for=wait if state == OPEN else None,
                    opening=self.openings,
                    origin=origin,
                    key=self.owner.key,
                )
            )
        self._begin_locked(state, now, keep=keep)

    def _begin_locked(self, state: str, now: float, *, keep: bool = False) -> None:
        """A new term: no probe out, and nothing counted, unless the window is kept; what was handed out before is void."""
        self.free = None  # first, so that an outcome that comes meanwhile waits for the lock
        self.calm = NOTHING
        if keep:
            self.state, self.term = state, object()
        else:
            self.state, self.term, self.window = state, object(), self._window_for(state, now)
            self.in_row = 0
            self.over = False
        self.tickets.out.clear()
        self._arm_locked()

    def _void_locked(self) -> None:
        """The same state in a new term."""
        self.free = None
        self.term = object()
        self.returns = []
        self.tickets = Tickets()
        self._arm_locked()
        self._look_again_locked()

    def _window_for(self, state: str, now: float) -> Window:
        own = self.settings
        if state == HALF_OPEN:
            return CountWindow(own.half_open_calls)
        return TimeWindow(own.window, now) if isinstance(own.window, float) else CountWindow(own.window)

    def _arm_locked(self) -> None:
        """What follows from state and settings: what is free, what is slow, what is enough, what needs no evaluation."""
        own, state, window = self.settings, self.state, self.window
        self.calm = NOTHING
        self.edge = -EVERY_TIME
        self.slow = EVERY_TIME if own.slow_call_duration is None else own.slow_call_duration
        self.enough = min(own.half_open_calls, own.min_calls) if state == RAMPING else own.min_calls
        if type(window) is CountWindow:
            self.enough = min(self.enough, window.size)
        each_time = type(window) is TimeWindow or self.over or state == HALF_OPEN
        self.sure = EVERY_TIME if each_time else self.enough
        self.warm = EVERY_TIME if self.slow != EVERY_TIME else self.sure
        self.free = self._door()
        if state == DISABLED:
            self.calm = self.free

    def _look_again_locked(self) -> None:
        """The next outcome is evaluated, a clean one too."""
        self.sure = max(self.sure, self.window.at + 1)
        self.warm = max(self.warm, self.sure)

    def _door(self) -> Permit:
        """The permit that is free for the taking, if there is one."""
        if self.state == DISABLED:
            return self.term
        return None if self.settings.count_in_flight or self.state not in (CLOSED, METRICS_ONLY) else self.term
