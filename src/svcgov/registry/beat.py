"""The beat: what one process asks of its registry, again and again, in one go.

Rule 1: a beat renews the leases of this process, then asks for every service it knows of, then for whatever else is to be
        done with it. It ends with the first trip that fails, and never raises.
Rule 2: it is due a third of a lease after the last one, or up to a fifth of that earlier, by chance; the first one anywhere in
        such an interval, and so is the one after a failure: many processes that have begun at once, or have lost the
        registry at once, do not come at once. While a lease lasts, there is another try before its end.
Rule 3: it is due by either clock: a process that was frozen finds it due when it goes on.
Rule 4: it is one of the chores of the process: done on the way out of a call, or by the keeper. What is registered is taken
        away at the end.
"""

from __future__ import annotations

from .._core._chance import system_random
from .._core._chores import BUDGET, CHORES, NEVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core._chores import Chores
    from .client import Registry

HURRY = 32  # however soon a lease ends, there is up to this part of an interval between two tries
LOOKS = 4  # in an interval: how often the wall clock is looked at


class Beat:
    """The beat of one registry."""

    def __init__(self, registry: Registry, chores: Chores | None = None, random: Callable[[], float] = system_random) -> None:
        self.interval: float = registry.ttl / 3
        self.also: tuple[Callable[[], object], ...] = ()  # what else is to be done with every beat
        self._registry = registry
        self._chores = chores or CHORES
        self._random = random
        self._stops: tuple[Callable[[], None], ...] = ()
        self._left = 0.0  # seconds from the last look
        self._renewed = 0.0  # when all leases were, or began
        self._looked = (0.0, 0.0)  # when that was, by either clock

    def begin(self) -> None:
        """Beat from now on; a second time nothing happens."""
        if self._stops:
            return
        self._look()
        self._renewed = self._registry.moment()
        self._left = self._random() * self.interval
        ended = self._chores.add("registry", self._registry.close, every=NEVER, at_end=True)
        self._stops = (ended, self._next())

    def stop(self) -> None:
        """Beat no more."""
        stops, self._stops = self._stops, ()
        for stop in stops:
            stop()

    def turn(self) -> None:
        """Look whether a beat is due, and do it."""
        if not self._stops:
            return
        self._left -= self._look()
        if self._left <= 0:
            done = self.once()
            chance = self._random()
            self._left = self.interval * (1 - chance / 5) if done else self._patience() * chance
        self._stops[1]()
        self._stops = (self._stops[0], self._next())

    def once(self) -> bool:
        """One beat. Whether the registry has answered all of it, and within the time that there is for it."""
        registry, began = self._registry, self._registry.moment()
        if not registry.renew():
            return False
        self._renewed = registry.moment()
        for service in registry.watched():
            if registry.moment() - began > BUDGET or not registry.refresh(service):
                return False
        for do in self.also:
            do()
        return True

    def _patience(self) -> float:
        """The seconds in which there is another try after a failure."""
        rest = self._renewed + self._registry.ttl - self._registry.moment()
        return min(self.interval, max(rest, self.interval / HURRY)) if rest > 0 else self.interval

    def _look(self) -> float:
        """The seconds from the last look: by the clock that says more, since either may stand still in a freeze."""
        clock, before = self._registry.clock, self._looked
        self._looked = clock.monotonic(), clock.wall()
        return max(self._looked[0] - before[0], self._looked[1] - before[1])

    def _next(self) -> Callable[[], None]:
        soon = self.interval / LOOKS * (1 - self._random() / 2)
        return self._chores.add("registry beat", self.turn, every=min(self._left, soon))
