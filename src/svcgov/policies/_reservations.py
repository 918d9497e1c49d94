"""Waiting for a rate limit: a call that comes too early is given the next slot, and begins when its time has come.

Rule 1: slots given one after the other lie as far apart as the limit says. Nobody gets past those who wait.
Rule 2: a slot that is given up before its time leaves a gap, and the next call that costs no more takes the earliest one.
        (Were the whole queue drawn nearer instead, a slot would be given twice.) When it is the last, it is as if it had
        never been given.
Rule 3: nobody is woken: whoever waits knows until when. A slot whose time has come is spent, whatever becomes of its call.
Rule 4: a slot is given up without the lock: who gives it up may have been thrown away by the collector, in a thread that
        holds it. Whoever decides next sees to it.
Rule 5: the slots that were given before the limit changed stand, and those given later come after them.
"""

from __future__ import annotations

from collections import deque
from contextvars import ContextVar
from types import MappingProxyType

from .._core._call import Wait
from .._core._context import DEADLINE
from .._shells._modes import observed
from ._tolls import Tolls, refused_with
from ._windows import NEVER, Bucket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..errors import RateLimitedError
    from ..typing import Clock, Permit
    from ._keys import OfKey
    from ._rate_settings import RateLimitSettings
    from .rate_limit import RateLimit

GRACE = 1e-6  # seconds: floats are rounded
DECIDED: ContextVar[Mapping[RateLimit, dict[str, float]]] = ContextVar("svcgov.decided", default=MappingProxyType({}))


class Slot:
    """A moment at which calls worth *cost* may begin, and who has it: nobody, when it is a gap or in the past."""

    __slots__ = ("at", "before", "cost", "holder")

    def __init__(self, at: float, cost: int, holder: Waiter, before: list[tuple[float, float]]) -> None:
        self.at: float = at
        self.cost: int = cost
        self.holder: Waiter | None = holder
        self.before: list[tuple[float, float]] | None = before  # how the meters stood; None when those are no more


class Reservations(Tolls):
    """The machine of a rate limit that lets calls wait, or that asks each call what it costs."""

    asks = True

    __slots__ = ("_returns", "_slots", "_waiting")

    def __init__(self, owner: RateLimit | OfKey, settings: RateLimitSettings) -> None:
        super().__init__(owner, settings)
        self._slots: deque[Slot] | tuple[()] = ()  # in the order of their times, gaps too; most keys never have any
        self._returns: deque[tuple[Waiter, float]] | tuple[()] = ()
        self._waiting: int = 0

    def admit(self, now: float, call: Any = None) -> Permit:
        """Pass, or answer with a `Waiter`, or raise `RateLimitedError`."""
        policy = self.owner.policy
        cost = policy.cost_of(call)
        if not policy.tells and self._passed(now, cost) <= 0:
            return None
        now = self.owner.clock.monotonic()
        waiter = Waiter(self, cost)
        with self._lock:
            early, reason = self._decided_locked(waiter, now, DEADLINE.get())
            standing = self._standing_locked(now)
        if policy.tells:
            DECIDED.set({**DECIDED.get(), policy: standing})
        if early > 0:
            raise self.owner.limited(now, early, refused_with(standing), reason)
        return None if waiter.slot is None or observed(policy) else waiter

    def _decided_locked(self, waiter: Waiter, now: float, deadline: float | None) -> tuple[float, str]:
        """Let it pass (0) or give it a slot (0, and the slot is set), or say how much too early it is, and the reason."""
        now, cost, most = self._tidied_locked(now), waiter.cost, self._settings.max_wait
        if not most:
            return self._passed(now, cost), "limited"
        due = max([one.due(now, cost) for one in self.meters])
        if due <= 0 or due == NEVER:
            return self._passed(now, cost) if due <= 0 else due, "limited"
        gap = self._gap_locked(cost)
        at = now + due if gap is None else gap.at
        full = self._full_locked(now, at - now)
        if at - now > most + GRACE:
            return max(at - now - most, full), "wait_timeout"
        if deadline is not None and at >= deadline:
            return at - now, "wait_timeout"
        if full:
            return full, "queue_full"
        self._waiting += 1
        waiter.until = min(at, now + most)
        if gap is None:
            waiter.slot = self._given_locked(waiter, at)
        else:
            waiter.slot, gap.holder = gap, waiter
        return 0.0, ""

    def _given_locked(self, waiter: Waiter, at: float) -> Slot:
        """A new slot, after all others."""
        buckets: Any = self.meters  # nobody waits for anything else
        slot = Slot(at, waiter.cost, waiter, [one.state for one in buckets])
        for one in buckets:
            one.take(at - max(0, waiter.cost - one.size) * one.step, waiter.cost)  # what is more than a burst is paid before
        if not isinstance(self._slots, deque):
            self._slots, self._returns = deque(), deque()
        self._slots.append(slot)
        return slot

    def _gap_locked(self, cost: int) -> Slot | None:
        """The earliest gap that is large enough."""
        if len(self._slots) == self._waiting:
            return None
        return next((slot for slot in self._slots if slot.holder is None and slot.cost >= cost), None)

    def _full_locked(self, now: float, wait: float) -> float:
        """Seconds until one more may wait; *wait*, where nobody may."""
        most = self._settings.max_waiting
        if self._waiting < most:
            return 0.0
        return [slot.at for slot in self._slots if slot.holder is not None][self._waiting - most] - now if most else wait

    def _tidied_locked(self, now: float) -> float:
        """Make gaps of the slots that were given up, and forget those whose time has come; the time that is reckoned with."""
        now = self._at = max(self._at, now)
        slots, returns = self._slots, self._returns
        while returns:
            waiter, when = returns.popleft()
            slot = waiter.slot
            if slot is not None and slot.holder is waiter and slot.at > when:
                slot.holder = None
                self._waiting -= 1
                self._draw_in_locked(when)
        while slots and slots[0].at <= now:
            slot = slots.popleft()
            if slot.holder is not None:
                slot.holder = None
                self._waiting -= 1
        return now

    def _draw_in_locked(self, when: float) -> None:
        """Take back the last slots, as far as they are gaps that were to come at that moment."""
        slots, buckets = self._slots, self.meters
        while slots and slots[-1].holder is None and slots[-1].at > when and slots[-1].before is not None:
            for one, state in zip(buckets, slots.pop().before or (), strict=True):
                one.state = state  # type: ignore[attr-defined]  # nobody waits for anything but a bucket

    def give_up(self, waiter: Waiter) -> None:
        """The call of *waiter* will not come."""
        self._returns.append((waiter, self.owner.clock.monotonic()))  # type: ignore[union-attr]  # who has a slot made it a deque

    @property
    def waiting(self) -> int:
        """How many wait for their slot."""
        with self._lock:
            self._tidied_locked(self.owner.clock.monotonic())
            return self._waiting

    def retarget(self, settings: RateLimitSettings) -> None:
        """As `Tolls.retarget`; who waits keeps his slot."""
        with self._lock:
            meters = self.meters
            self._tidied_locked(self.owner.clock.monotonic())
            super().retarget(settings)
            if self.meters is meters or not self._slots:
                return
            self._slots = deque([slot for slot in self._slots if slot.holder is not None])
            for slot in self._slots:
                slot.before = None
                for one in self.meters:
                    if isinstance(one, Bucket):
                        one.fill_until(slot.at)

    def _standing_locked(self, now: float) -> dict[str, float]:
        self._tidied_locked(now)
        return super()._standing_locked(now)

    def forked(self) -> None:
        """As `Tolls.forked`; those who wait do so in the parent, and their slots are gaps here."""
        super().forked()
        for slot in self._slots:
            slot.holder = None
        self._waiting = 0


class Waiter(Wait):
    """A call that waits for its slot."""

    __slots__ = ("clock", "cost", "machine", "permit", "slot", "until")

    def __init__(self, machine: Reservations, cost: int) -> None:
        self.machine: Reservations = machine
        self.cost: int = cost
        self.clock: Clock = machine.owner.clock
        self.permit: Permit = None  # a toll
        self.slot: Slot | None = None
        self.until: float = 0.0

    def join(self, wake: Callable[[], None]) -> bool:
        """As `Wait.join`: time alone ends it."""
        return False

    def over(self) -> bool:
        """As `Wait.over`: its time has come."""
        return True

    def abandon(self) -> None:
        """As `Wait.abandon`."""
        self.machine.give_up(self)

    def refused(self, reason: str) -> RateLimitedError:
        """As `Wait.refused`."""
        now = self.clock.monotonic()
        return self.machine.owner.limited(now, max(0.0, self.until - now), refused_with(self.machine.standing()), reason)
