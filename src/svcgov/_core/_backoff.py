"""How long to wait before the next attempt.

Jitter follows "Exponential Backoff And Jitter" (Marc Brooker, AWS Architecture Blog, 2015), with ``c`` the capped power::

    full          uniform from 0 to c
    equal         c/2, and uniform from 0 to c/2 on top
    decorrelated  uniform from initial to three times the previous delay, capped
    none          c
"""

from __future__ import annotations

from ..errors import ConfigError
from ._durations import as_seconds
from ._frozen import REQUIRED
from ._schema import Settings, choice, duration, real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Delays = Callable[[int, float, BaseException, Callable[[], float]], float | None]


class BackoffSettings(Settings):
    """The settings of `Backoff`."""

    initial: float = duration(default=0.1, low=0.0001)
    factor: float = real(default=2.0, low=1, high=10)
    max: float = duration(default=5.0, low=0.0001)
    jitter: str = choice("full", "equal", "decorrelated", "none", default="full")

    def check(self, path: str) -> None:
        """The cap may not lie below the first delay."""
        if self.max < self.initial:
            raise ConfigError(f"{path}.max", self.max, f"at least initial, which is {self.initial:g} s")


class Backoff:
    """Delays that grow: *initial* seconds, then *factor* times as long each time, at most *max*, spread by *jitter*.

    Args:
        initial: the first delay (before jitter): seconds, a timedelta, or text such as ``"100ms"``.
        factor: 1 to 10.
        max: no delay is longer than this, jitter included.
        jitter: ``full``, ``equal``, ``decorrelated`` or ``none``.
    """

    __slots__ = ("settings",)

    def __init__(self, initial: Any = 0.1, factor: float = 2.0, max: Any = 5.0, jitter: str = "full") -> None:  # noqa: A002  # the field's name
        given = {"initial": initial, "factor": factor, "max": max, "jitter": jitter}
        self.settings: BackoffSettings = BackoffSettings.of(given, "Backoff")

    def __call__(self, attempt: int, previous: float, error: BaseException, random: Callable[[], float]) -> float:
        """The delay after failed attempt number *attempt* (1 is the first); *previous* is the delay before it."""
        own = self.settings
        if own.jitter == "decorrelated":
            return min(own.max, own.initial + random() * (3 * max(previous, own.initial) - own.initial))
        try:
            ceiling = min(own.max, own.initial * own.factor ** (attempt - 1))
        except OverflowError:  # of the power, at attempt 5 000
            ceiling = own.max
        if own.jitter == "full":
            return ceiling * random()
        return ceiling / 2 * (1 + random()) if own.jitter == "equal" else ceiling

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Backoff) and self.settings == other.settings

    def __hash__(self) -> int:
        return hash(self.settings)

    def __repr__(self) -> str:
        own = self.settings
        return f"Backoff({own.initial:g}, {own.factor:g}, {own.max:g}, {own.jitter!r})"


def backoff(*, default: Any = REQUIRED) -> Any:
    """A setting that takes a `Backoff`, a table of its settings, seconds, a list of seconds, or a function."""
    from ._schema import custom

    return custom(read_backoff, default=default)


def read_backoff(value: Any, path: str) -> Delays:
    """Make the one shape of them all: ``(attempt, previous, error, random) -> seconds or None for no more``."""
    if isinstance(value, Backoff):
        return value
    if isinstance(value, dict):
        return Backoff(**BackoffSettings.of(value, path).as_dict())
    if isinstance(value, (list, tuple)):
        if not value:
            raise ConfigError(path, value, "at least one delay")
        return _Listed([_delay(one, f"{path}[{index}]") for index, one in enumerate(value)])
    if callable(value):
        return _Asked(value)
    return _Listed([_delay(value, path)])


def _delay(value: Any, path: str) -> float:
    delay = as_seconds(value)
    if delay is None or not 0 <= delay <= 7 * 86400:
        raise ConfigError(path, value, "a Backoff, a duration >= 0 s, a list of them, or a function of attempt and error")
    return delay


class _Listed:
    """Given delays, one after the other; the last one goes on."""

    __slots__ = ("_delays",)

    def __init__(self, delays: list[float]) -> None:
        self._delays = tuple(delays)

    def __call__(self, attempt: int, previous: float, error: BaseException, random: Callable[[], float]) -> float:
        return self._delays[min(attempt, len(self._delays)) - 1]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Listed) and self._delays == other._delays

    def __hash__(self) -> int:
        return hash(self._delays)

    def __repr__(self) -> str:
        return repr(list(self._delays))


class _Asked:
    """The user's own function of the attempt and its error; None or a negative number means that it is enough."""

    __slots__ = ("_ask",)

    def __init__(self, ask: Callable[[int, BaseException], Any]) -> None:
        self._ask = ask

    def __call__(self, attempt: int, previous: float, error: BaseException, random: Callable[[], float]) -> float | None:
        delay = as_seconds(self._ask(attempt, error))
        return None if delay is None or delay < 0 else delay
