"""A retry budget: further attempts are a share of the calls, plus a few. How the share is kept is in `_pots`.

Rule 1: on the clean path a retry adds one to its own `Tally` and touches nothing else, unless more has to be known: with
        a kind that watches calls, and where several retries or functions share it, since one may be inside another.
        (A function that calls itself counts each time.)
Rule 2: one logical call is one deposit: made by the outermost retry on the budget, which says so in the context (`Stay`).
Rule 3: every further attempt, by whichever retry, takes one out before it is waited for.
Rule 4: a forked process has none of its parent's calls under way; what lies in the window is kept. One that goes on from
        a snapshot has an empty window too; tokens are what they were.
Rule 5: giving back takes no lock, since the collector may do it while this very thread holds it: it is written down, and
        taken in by whoever looks next.
"""

from __future__ import annotations

from _thread import allocate_lock
from _weakref import ref
from collections import deque
from contextvars import ContextVar

from ..errors import BudgetExhaustedError, ConfigError
from ._clock import SYSTEM
from ._context import put_back
from ._live import born
from ._names import NAMES, SCOPE
from ._pots import POTS, InFlight, Tokens
from ._schema import Settings, choice, custom, duration, integer, number, real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextvars import Token
    from typing import Any, Self

    from ..typing import Clock
    from ._pots import Pot

_OF_KIND = {
    "ratio": ("window", "in-flight"),
    "min_retries": ("window",),
    "min_per_second": ("window",),
    "ttl": ("window",),
    "min_concurrency": ("in-flight",),
    "tokens": ("tokens",),
    "token_ratio": ("tokens",),
}
_SHAPE = ("kind", "ttl", "tokens", "token_ratio")  # with another one of these, counting begins anew


def _thousandths(value: Any, path: str) -> float:
    """A number above 0, cut to three decimals."""
    if not number(value) or not 0.001 <= value <= 1000:
        raise ConfigError(path, value, "a number from 0.001 to 1000")
    return int(round(value * 1000, 6)) / 1000


class BudgetSettings(Settings):
    """The settings, checked."""

    kind: str = choice("window", "in-flight", "tokens", default="window")
    ratio: float = real(default=0.2, low=0, high=10)
    min_retries: int = integer(default=3, low=0, high=1_000_000)
    ttl: float = duration(default=10.0, low=1, high=60)
    min_concurrency: int = integer(default=3, low=0, high=1_000_000)
    tokens: float = custom(_thousandths, default=10.0)
    token_ratio: float = custom(_thousandths, default=0.1)

    @classmethod
    def of(cls, given: Mapping[str, Any], path: str) -> Self:
        """As any settings, but that each belongs to its kind, and ``min_per_second`` is another way to say ``min_retries``."""
        values = {name: value for name, value in given.items() if name != "min_per_second"}
        settings = super().of(values, path)
        for name, value in given.items():
            if settings.kind not in _OF_KIND.get(name, (settings.kind,)):
                raise ConfigError(f"{path}.{name}", value, f"no such setting in a budget of kind {settings.kind}")
        if "min_per_second" not in given:
            return settings
        each, at = given["min_per_second"], f"{path}.min_per_second"
        if "min_retries" in given or not number(each) or not 0 <= each <= 1000:
            raise ConfigError(at, each, "a number from 0 to 1000, in place of min_retries")
        return settings.replace(min_retries=int(each * settings.ttl + 1e-9))


class Tally:
    """What one retry has seen: ``calls`` that are deposits, ``nested`` ones that are not, first attempts that were cancelled.

    It is ``watched`` where one of its calls may be part of another call on the same budget; then calls go by `Budget.enter`.
    """

    __slots__ = ("__weakref__", "_around", "_shared", "calls", "cancelled", "nested", "watched")

    def __init__(self) -> None:
        self.calls: int = 0
        self.nested: int = 0
        self.cancelled: int = 0
        self.watched: bool = False
        self._shared = False
        self._around: int | None = None

    def around(self, fn: object) -> None:
        """The retry is built around *fn*, or around whatever it will be given (None): one may be called by another."""
        if fn is None or self._around not in (None, id(fn)):
            self._shared = self.watched = True
        self._around = id(fn)

    def watch(self, watched: bool) -> None:
        """Whether its budget says so."""
        self.watched = watched or self._shared


class Stay:
    """One logical call in the care of a budget: until it is over, calls inside it are no deposits of their own."""

    __slots__ = ("budget", "over", "pot", "token")

    budget: Budget
    pot: Pot
    over: bool  # a task that was begun in the call may outlive it, with its context
    token: Token[tuple[Stay, ...]]

    def mark(self) -> None:
        """Say in the context that it is here."""
        stays = STAYS.get()
        self.token = STAYS.set((*[stay for stay in stays if not stay.over], self) if stays else (self,))

    def unmark(self) -> None:
        """Put back what the context said before."""
        put_back(STAYS, self.token)

    def end(self, good: bool) -> None:
        """The call is over."""
        self.over = True
        pot = self.pot
        if pot.watches:
            self.budget._returns.append(lambda: pot.end(good=good))


STAYS: ContextVar[tuple[Stay, ...]] = ContextVar("svcgov.stays", default=())


class Budget:
    """What the retries of one dependency may cost. Made by `svcgov.budget`; one name, one budget."""

    kind = "budget"

    def __init__(self, given: Mapping[str, Any], *, name: str | None = None, clock: Clock = SYSTEM) -> None:
        self.label: str = name or self.kind
        self.clock = clock
        self.declared: dict[str, Any] = dict(given)
        self.settings: BudgetSettings = BudgetSettings.of(given, self.label)
        self._own = Tally()
        self._tallies: list[tuple[ref[Tally], list[int]]] = []
        self._returns: deque[Callable[[], None]] = deque()  # what has been given back since the last look
        self._lock = allocate_lock()
        self._pot: Pot = POTS[self.settings.kind](self.settings, clock.monotonic())
        self.join(self._own)
        born(self)

    def join(self, tally: Tally) -> None:
        """Let the calls that *tally* counts be deposits here."""
        with self._lock:
            if all(known() is not tally for known, _ in self._tallies):
                self._tallies.append((ref(tally), [tally.calls]))
            self._watch_locked()

    def leave(self, tally: Tally) -> None:
        """Let what *tally* counts from now on be no deposits here."""
        now = self.clock.monotonic()
        with self._lock:
            self._look_locked(now)
            self._tallies = [one for one in self._tallies if one[0]() is not tally]
            tally.watch(False)

    def deposit(self) -> None:
        """Count one call, where no retry does. In tokens: one that was good."""
        self._own.calls += 1

    def try_withdraw(self) -> bool:
        """Take one further attempt out of the budget after a failure, if there is one."""
        self.charge()
        return self.take() is not None

    def withdraw(self) -> None:
        """Take one further attempt out of the budget after a failure, or raise `BudgetExhaustedError`."""
        if not self.try_withdraw():
            raise BudgetExhaustedError(self.label, "budget")

    def give_back(self) -> None:
        """A further attempt that was taken out is over: of kind ``in-flight`` that makes room, of the others it stays spent."""
        self.put(self._pot)

    def snapshot(self) -> dict[str, float]:
        """The attempts that are ``left``, and what they are left of.

        That is, by kind: ``deposited`` calls and ``withdrawn`` attempts within the window, calls ``in_flight`` and
        attempts ``held``, or ``tokens``.
        """
        now = self.clock.monotonic()
        with self._lock:
            pot = self._look_locked(now)
            return {**pot.snapshot(), "left": max(0.0, pot.left())}

    def redefine(self, declared: Mapping[str, Any]) -> None:
        """Other settings: what was counted stays, unless the kind, the window's length or the tokens change."""
        settings = BudgetSettings.of(declared, self.label)
        now = self.clock.monotonic()
        with self._lock:
            before, self.settings, self.declared = self.settings, settings, dict(declared)
            if all(getattr(settings, name) == getattr(before, name) for name in _SHAPE):
                self._pot.settings = settings
            else:
                self._fresh_locked()  # what was counted until now is no deposit of the new one
                self._pot = POTS[settings.kind](settings, now)
                self._watch_locked()

    # What retries use.

    def enter(self, tally: Tally) -> Stay | None:
        """A call begins that *tally* counts: its stay, which is in the context now, or None when it is part of one that was."""
        stays = STAYS.get()
        if stays:
            for other in stays:
                if other.budget is self and not other.over:
                    tally.nested += 1
                    return None
        tally.calls += 1
        stay = Stay()
        stay.budget = self
        stay.pot = pot = self._pot
        stay.over = False
        if pot.watches:
            with self._lock:
                self._take_in_locked()
                pot.begin()
        stay.token = STAYS.set((*[other for other in stays if not other.over], stay) if stays else (stay,))
        return stay

    def charge(self) -> None:
        """An attempt has failed in a way that another may mend."""
        now = self.clock.monotonic()
        with self._lock:
            self._look_locked(now).charge()

    def take(self) -> Pot | None:
        """Take one further attempt out: where from, which is to be `put` back when it is over, or None when there is none."""
        now = self.clock.monotonic()
        with self._lock:
            pot = self._look_locked(now)
            return pot if pot.take() else None

    def put(self, pot: Pot) -> None:
        """The attempt that was taken out of *pot* is over."""
        self._returns.append(pot.give_back)

    def forked(self) -> None:
        """This process is the copy of another one, whose other threads are not here, nor what they have under way."""
        self._lock = allocate_lock()
        self._returns.clear()
        if isinstance(self._pot, InFlight):
            self._pot = InFlight(self.settings, 0.0)

    def restored(self) -> None:
        """The process goes on from a snapshot of it: nothing is under way, and the window is empty."""
        now = self.clock.monotonic()
        with self._lock:
            self._look_locked(now)  # what was counted until now is no deposit of the new one
            if not isinstance(self._pot, Tokens):
                self._pot = POTS[self.settings.kind](self.settings, now)

    def _look_locked(self, now: float) -> Pot:
        self._take_in_locked()
        self._pot.look(now, self._fresh_locked())
        return self._pot

    def _take_in_locked(self) -> None:
        while self._returns:
            self._returns.popleft()()

    def _watch_locked(self) -> None:
        """Say to the retries whether their calls have to be told one from another."""
        tallies = [tally for known, _ in self._tallies if (tally := known()) is not None and tally is not self._own]
        watched = self._pot.watches or len(tallies) > 1
        for tally in tallies:
            tally.watch(watched)

    def _fresh_locked(self) -> int:
        """The calls counted since the last look; tallies that are gone are let go.

        Where calls are watched, what a retry counts has been told already, one by one.
        """
        fresh, gone, watches = 0, False, self._pot.watches
        for known, seen in self._tallies:
            tally = known()
            if tally is None:
                gone = True
                continue
            calls = tally.calls
            if tally is self._own or not watches:
                fresh += calls - seen[0]
            seen[0] = calls
        if gone:
            self._tallies = [one for one in self._tallies if one[0]() is not None]
        return fresh


def shared_budget(name: str) -> Budget:
    """The budget of this name, with the settings it was given, or the defaults until it is given any."""
    return NAMES.claim(SCOPE.get(), "budget", name, {}, lambda: Budget({}, name=name))  # type: ignore[no-any-return]  # what make() makes
