"""The switches of a test: time by hand, governance off, no waiting. Each is a ``with``, for the whole process.

Rule 1: what is in use already (a module's decorated functions) obeys as what is made inside does.
Rule 2: on the way out all is as it was: counts, states, settings, names.
Rule 3: they may stand in one another; two tests at a time in one process may not.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager

from .._core import _chance, _environment, _live, _overrides
from .._core._budget import Budget
from .._core._clock import SystemClock
from .._core._names import NAMES
from .._core._schema import integer
from ..errors import ConfigError
from ..pipeline import Governed, Policy
from .manual_clock import ManualClock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Callable, Iterator
    from typing import Any

    from .._core._budget import BudgetSettings
    from ..typing import Clock, Timer

_TIME = ("monotonic", "wall", "sleep", "asleep", "timer")
_attempts = integer(low=1, high=100)


@contextmanager
def by_hand(clock: ManualClock | None = None, *, random: Callable[[], float] | None = None) -> Iterator[ManualClock]:
    """Let all policies go by a clock that the test moves, as if they were new; `svcgov_clock` does this in pytest.

    Policies that were given a clock of their own keep it. Budgets have no end, but for those that are made inside with
    settings of their own. Names that are first used inside are forgotten afterwards.

    Args:
        clock: the clock; by default a new `ManualClock`, which is what ``with`` gives.
        random: chance for those that were given none of their own; by default always 1.0: jitter at its most, so the
            waits of a backoff are its own numbers.

    Raises:
        ConfigError: for a clock or a chance that cannot be.
    """
    clock = ManualClock() if clock is None else clock
    if not all(callable(getattr(clock, name, None)) for name in _TIME):
        raise ConfigError("by_hand.clock", clock, "a clock, such as svcgov.testing.ManualClock()")
    if random is not None and not callable(random):
        raise ConfigError("by_hand.random", random, "a function that returns a number from 0 to 1")
    with ExitStack() as undo:
        known = _live.living()
        undo.callback(_nest_as_before, [(one, one.route) for one in known if isinstance(one, Governed)])
        undo.callback(_be_as_before, [(one, one.__dict__) for one in known if isinstance(one, (Budget, Policy))])
        undo.callback(NAMES.remembered())
        undo.callback(setattr, _chance, "draw", _chance.draw)
        undo.callback(_tell_time, {name: vars(SystemClock)[name] for name in _TIME})
        _tell_time({name: staticmethod(getattr(clock, name)) for name in _TIME})
        _chance.draw = random or (lambda: 1.0)
        _live.midwives.append(_unlimited)
        undo.callback(_live.midwives.remove, _unlimited)
        for one in known:
            if isinstance(one, (Budget, Policy)):
                one.__dict__ = dict(one.__dict__)
        _renew(known)
        for one in known:
            if isinstance(one, Budget):
                _lift(one)
        yield clock


@contextmanager
def disabled(*kinds: str) -> Iterator[None]:
    """Let every call pass through all policies, or through those of these *kinds*, as ``SVCGOV_DISABLED`` does.

    Raises:
        ConfigError: for a kind that there is not.
    """
    for kind in kinds:
        if kind not in _environment.KINDS:
            raise ConfigError("disabled", kind, f"one of {', '.join(_environment.KINDS)}")
    before = _environment.off
    _environment.off = before | frozenset(kinds or _environment.KINDS)
    try:
        nest_anew()
        yield
    finally:
        _environment.off = before
        nest_anew()


@contextmanager
def no_waiting(attempts: int = 1) -> Iterator[None]:
    """Let no call wait: retries make at most so many *attempts*, without a pause, and nobody waits for a permit.

    Raises:
        ConfigError: for attempts that are no integer from 1 to 100.
    """
    most: int = _attempts.read(attempts, "no_waiting.attempts")
    before: dict[Policy, tuple[Any, Any]] = {}

    def hurry(thing: object) -> None:
        if not isinstance(thing, Policy):
            return
        changes: dict[str, Any] = {}
        if thing.shape == "loop":
            before.setdefault(thing, (thing.settings, thing.machine.clock))
            thing.machine.clock = Sleepless(thing.clock)
            changes["attempts"] = min(most, thing.settings.attempts)  # type: ignore[attr-defined]  # as loops have
        elif getattr(thing.settings, "max_wait", None):
            before.setdefault(thing, (thing.settings, None))
            changes["max_wait"] = 0.0
        if changes:
            thing._adopt(thing.settings.replace(**changes))

    _live.midwives.append(hurry)
    try:
        for one in _live.living():
            hurry(one)
        nest_anew()
        yield
    finally:
        _live.midwives.remove(hurry)
        for policy, (settings, clock) in before.items():
            policy._adopt(settings)
            if clock is not None:
                policy.machine.clock = clock
        nest_anew()


class Endless:
    """What a budget is kept in while it has no end."""

    watches = False

    def __init__(self, settings: BudgetSettings) -> None:
        self.settings = settings

    def look(self, now: float, fresh: int) -> None:
        """Nothing is counted."""

    def charge(self) -> None:
        """Nothing is taken."""

    def take(self) -> bool:
        """There is always one more."""
        return True

    def give_back(self) -> None:
        """Nothing was taken."""

    def left(self) -> float:
        """Without an end."""
        return float("inf")

    def snapshot(self) -> dict[str, float]:
        """Nothing is counted."""
        return {}


class Sleepless:
    """A clock by which nobody sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        """As the clock behind it."""
        return self._clock.monotonic()

    def wall(self) -> float:
        """As the clock behind it."""
        return self._clock.wall()

    def sleep(self, seconds: float, /) -> None:
        """Go on at once."""

    async def asleep(self, seconds: float) -> None:
        """Let others have their turn, and go on."""
        await asyncio.sleep(0)

    def timer(self, loop: AbstractEventLoop, at: float, fire: Callable[[], object]) -> Timer:
        """As the clock behind it."""
        return self._clock.timer(loop, at, fire)


def _tell_time(ways: dict[str, Any]) -> None:
    """Let the clock of the process go by other *ways*: all who were not given another clock use that one."""
    for name, way in ways.items():
        setattr(SystemClock, name, way)


def _unlimited(thing: object) -> None:
    """A budget that says nothing of its own has no end."""
    if isinstance(thing, Budget) and not thing.declared:
        _lift(thing)


def _lift(budget: Budget) -> None:
    """Let *budget* have no end, while it is kept so."""
    budget._pot = Endless(budget.settings)  # type: ignore[assignment]  # stands where a pot does


def _renew(things: list[object]) -> None:
    """Let all of *things* begin anew, budgets before the retries that count on them, functions last."""
    for one in things:
        if isinstance(one, Budget):
            Budget.__init__(one, one.declared, name=one.label, clock=one.clock)
    for one in things:
        if isinstance(one, Policy):
            one.renew()
            for midwife in _live.midwives:
                midwife(one)
    nest_anew(things)


def nest_anew(things: list[object] | None = None) -> None:
    """Make the frames of all governed functions anew."""
    for one in _live.living() if things is None else things:
        if isinstance(one, Governed):
            one.route = one.nested()


def _be_as_before(states: list[tuple[Any, dict[str, Any]]]) -> None:
    """Put the *states* back; what was made meanwhile begins anew."""
    known = set()
    for one, state in states:
        one.__dict__ = state
        known.add(id(one))
    _renew([one for one in _live.living() if id(one) not in known and isinstance(one, (Budget, Policy))])


def _nest_as_before(routes: list[tuple[Governed, Any]]) -> None:
    """Put the *routes* back; functions that were governed meanwhile get their frames anew."""
    known = set()
    for one, route in routes:
        one.route = one.nested() if _overrides.in_use else route
        known.add(id(one))
    nest_anew([one for one in _live.living() if id(one) not in known])
