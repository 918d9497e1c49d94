"""The waiting room of a bulkhead: one queue for threads and for tasks of all loops.

Rule 1: a place that comes free is handed to the next in the queue under the same lock: nobody gets past those who wait.
Rule 2: nobody is woken under the lock. Who cannot be woken any more, since its loop is closed, gives its place to the next.
Rule 3: whoever stops waiting, by time or by cancellation, either has a place by then and owns it, or is out of the queue.
Rule 4: what a collection of garbage calls while the lock is held may come by here again: the lock lets its own thread in,
        and the queue is looked at once more after it has been released.
Rule 5: places that were taken before a fork, or before the process was frozen into a snapshot, are of another term: they
        give nothing back.
"""

from __future__ import annotations

from _thread import RLock
from collections import OrderedDict

from .._core._call import Wait
from .._core._context import DEADLINE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ..errors import BulkheadFullError
    from ..typing import Clock, Permit
    from .bulkhead import Bulkhead, Seats


class Place:
    """A permit for one call, which knows what it costs."""

    __slots__ = ("cost", "term")

    def __init__(self, term: object, cost: int) -> None:
        self.term: object = term  # None once it has been given back: a second time nothing happens
        self.cost: int = cost


class Room:
    """The machine of a bulkhead that lets calls wait, or whose calls cost more than one place."""

    __slots__ = (
        "_lock", "calm", "free", "limit", "max_wait", "max_waiting", "newest_first", "owner", "seat", "term", "used", "waiters",
    )  # fmt: skip

    asks = True

    def __init__(self, owner: Bulkhead) -> None:
        self.owner: Bulkhead = owner
        self.free: Permit = None
        self.calm: Permit = object()  # never handed out: every permit comes back
        self.seat: Permit = object()  # of the machine before this one, see `take_over`
        self.term: object = object()
        self.used: int = 0
        self.waiters: OrderedDict[Waiter, None] = OrderedDict()
        self._lock = RLock()
        self.tune()

    def tune(self) -> None:
        """Take the owner's settings: a larger limit lets waiting calls in, a smaller one takes nothing away."""
        settings = self.owner.settings
        with self._lock:
            self.max_wait: float = settings.max_wait
            self.max_waiting: int = settings.most_waiting
            self.newest_first: bool = settings.order == "lifo"
            self.limit: int = settings.limit
        self.serve()

    def take_over(self, seats: Seats) -> None:
        """From now on those who have a seat there have it here."""
        with self._lock:
            self.seat = seats.seat
            seats.moved = self  # before nobody gets in any more, and nobody gives back
            seats.limit = -1
            seats.seat = object()
            self.used += seats.used
        self.serve()

    def admit(self, now: float, call: Any = None) -> Permit:
        """Take a place, or answer with a `Waiter`, or raise `BulkheadFullError`."""
        cost = self.owner.cost_of(call)
        place = self.taken(cost)
        if place is not None:
            return place
        until, deadline = now + self.max_wait, DEADLINE.get()
        if deadline is not None and deadline < until:
            until = deadline
        if until <= now:
            raise self.owner.full(now)
        return Waiter(self, cost, until)

    def taken(self, cost: int) -> Place | None:
        """A place, if there is one and nobody waits for it."""
        place = Place(self.term, cost)
        with self._lock:
            if self.waiters or self.used + cost > self.limit:
                return None
            self.used += cost
        return place

    def settle(self, permit: Permit, error: BaseException | None, now: float) -> None:
        """Take the place back, and hand it on."""
        with self._lock:
            if isinstance(permit, Place):
                if permit.term is not self.term:
                    return
                permit.term = None
                self.used -= permit.cost
            elif permit is self.seat:
                self.used -= 1
            else:
                return
        self.serve()

    def serve(self) -> None:
        """Hand free places to those who wait, and wake them."""
        while self.waiters:
            with self._lock:
                waiter = self._next_locked()
            if waiter is None:
                return
            try:
                waiter.wake()
            except RuntimeError:  # its loop is closed: nobody will ever come for this place
                waiter.abandon()

    def _next_locked(self) -> Waiter | None:
        """Grant a place to the next one that waits, if it fits."""
        place = Place(self.term, 0)  # made first: from here on nothing is made, so nothing is collected in between
        if not self.waiters:
            return None
        waiter, _ = self.waiters.popitem(last=self.newest_first)
        if self.used + waiter.cost > self.limit:
            self.waiters[waiter] = None
            self.waiters.move_to_end(waiter, last=self.newest_first)
            return None
        self.used += waiter.cost
        place.cost = waiter.cost
        waiter.permit = place
        return waiter

    def joined(self, waiter: Waiter) -> str:
        """Let *waiter* have a place or a place in the queue; say which, or that there is neither."""
        place = self.taken(waiter.cost)
        if place is not None:
            waiter.permit = place
            return "in"
        with self._lock:
            if len(self.waiters) >= self.max_waiting:
                return "queue_full"
            self.waiters[waiter] = None
        self.serve()  # a place may have come free between the two looks
        return "waiting"

    def left(self, waiter: Waiter) -> bool:
        """Take *waiter* out of the queue; say whether it has a place by now."""
        with self._lock:
            if waiter.permit is not None:
                return True
            self.waiters.pop(waiter, None)
        self.serve()  # it may have been one that cost much and stood before others that cost less
        return False

    def forked(self) -> None:
        """In a process that has just been forked: nobody holds the lock, nobody is inside, nobody waits."""
        self._lock = RLock()
        self.waiters = OrderedDict()
        self.restored()

    def restored(self) -> None:
        """The process goes on from a snapshot: nobody is inside."""
        with self._lock:
            self.seat, self.term, self.used = object(), object(), 0
        self.serve()


class Waiter(Wait):
    """A call that waits for its place."""

    __slots__ = ("clock", "cost", "permit", "room", "until", "wake")

    def __init__(self, room: Room, cost: int, until: float) -> None:
        self.room: Room = room
        self.cost: int = cost
        self.until: float = until
        self.clock: Clock = room.owner.clock
        self.permit: Permit = None

    def join(self, wake: Callable[[], None]) -> bool:
        """As `Wait.join`."""
        self.wake: Callable[[], None] = wake
        found = self.room.joined(self)
        if found == "queue_full":
            raise self.refused(found)
        return found == "in"

    def over(self) -> bool:
        """As `Wait.over`."""
        return self.room.left(self)

    def abandon(self) -> None:
        """As `Wait.abandon`."""
        if self.room.left(self):
            self.room.settle(self.permit, None, 0.0)

    def refused(self, reason: str) -> BulkheadFullError:
        """As `Wait.refused`."""
        return self.room.owner.full(self.clock.monotonic(), reason)
