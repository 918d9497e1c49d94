"""The settings of a circuit breaker: what may be given, what goes together, and which thresholds hold for given counts."""

from __future__ import annotations

from .._core._backoff import Backoff, BackoffSettings
from .._core._durations import HOUR, Seconds, as_seconds
from .._core._matching import Matcher
from .._core._schema import custom, duration, flag, integer, number, ratio
from ..errors import ConfigError
from ..pipeline import GateSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._circuit_window import Counts

MOST_CALLS = 100_000
SHORTEST, LONGEST = 0.001, HOUR  # to stay open
_HELD = {"enforce": None, "observe": "metrics-only", "off": "disabled"}
_PYBREAKER_NAMES = {
    "fail_max": "consecutive_failures",
    "reset_timeout": "open_for",
    "success_threshold": "half_open_calls",
    "exclude": "ignore",
}
_ASKED = ("on", "ignore", "on_result", "key", "when")
_NO_ERROR = Exception()


def _matcher(value: Any, path: str) -> Matcher | None:
    return None if value == () else Matcher(value, path)


def _window(value: Any, path: str) -> int | Seconds:
    if isinstance(value, int) and not isinstance(value, bool):
        if not 1 <= value <= MOST_CALLS:
            raise ConfigError(path, value, "an integer >= 1" if value < 1 else f"an integer from 1 to {MOST_CALLS:_}")
        return value
    length = None if isinstance(value, float) and not isinstance(value, Seconds) else as_seconds(value)
    if length is None or not 0.1 <= length <= HOUR:
        raise ConfigError(path, value, 'calls, such as 100, or a duration from 100 ms to 1 h, such as "30s" or seconds(30)')
    return Seconds(length)


def _open_for(value: Any, path: str) -> float | Backoff:
    if isinstance(value, dict):
        value = Backoff(**BackoffSettings.of({"jitter": "none", **value}, path).as_dict())
    if isinstance(value, Backoff):
        own = value.settings
        if own.jitter != "none":
            raise ConfigError(f"{path}.jitter", own.jitter, "none: the time open is spread by open_jitter")
        if own.initial < SHORTEST or own.max > LONGEST:
            raise ConfigError(path, value, f"delays from {SHORTEST:g} s to {LONGEST:g} s")
        return value
    seconds = as_seconds(value)
    if seconds is None or not SHORTEST <= seconds <= LONGEST:
        raise ConfigError(path, value, f'a duration >= {SHORTEST:g} s and <= {LONGEST:g} s, such as 2.5 or "500ms"')
    return seconds


def _steps(value: Any, path: str) -> tuple[float, ...]:
    steps = tuple(value) if isinstance(value, (list, tuple)) else ()
    rising = all(number(step) and 0 < step < 1 for step in steps) and list(steps) == sorted(set(steps))
    if not steps or not rising:
        raise ConfigError(path, value, "rising shares between 0 and 1, such as [0.1, 0.25, 0.5]")
    return tuple(float(step) for step in steps)


def _predicate(value: Any, path: str) -> Callable[[Any], object] | None:
    if value is not None and (not callable(value) or isinstance(value, type)):
        raise ConfigError(path, value, "a function of the result that is true for a bad one")
    return value


def _key(value: Any, path: str) -> Any:
    from ._key_readers import read_key

    return read_key(value, path)


def _force(value: Any, path: str) -> str | None:
    if value not in (None, "open"):
        raise ConfigError(path, value, "open, or None")
    return value  # type: ignore[no-any-return]  # one of the two


class BreakerSettings(GateSettings):
    """The settings, checked."""

    failure_rate: float | None = ratio(default=0.5, optional=True)
    slow_call_rate: float | None = ratio(default=1.0, optional=True)
    slow_call_duration: float | None = duration(default=None, optional=True)
    bad_rate: float | None = ratio(default=None, optional=True)
    window: int | Seconds = custom(_window, default=100)
    min_calls: int = integer(default=10, low=1, high=MOST_CALLS)
    failures: int | None = integer(default=None, low=1, high=MOST_CALLS, optional=True)
    consecutive_failures: int | None = integer(default=None, low=1, high=MOST_CALLS, optional=True)
    open_for: float | Backoff = custom(_open_for, default=30.0)
    open_jitter: float = ratio(default=0.1, zero=True)
    open_from_answer: bool = flag(default=False)
    max_open_for: float = duration(default=300.0, low=SHORTEST)
    half_open_calls: int = integer(default=5, low=1, high=1000)
    half_open_max_wait: float | None = duration(default=60.0, optional=True)
    ramp: float | None = duration(default=None, optional=True)
    ramp_steps: tuple[float, ...] = custom(_steps, default=(0.1, 0.25, 0.5))
    count_in_flight: bool = flag(default=False)
    on: Matcher | None = custom(_matcher, default=None)  # None: every Exception
    ignore: Matcher | None = custom(_matcher, default=None)
    on_result: Callable[[Any], object] | None = custom(_predicate, default=None)
    key: Any = custom(_key, default=None)
    max_keys: int = integer(default=1_000, low=1, high=1_000_000)
    force: str | None = custom(_force, default=None)

    @classmethod
    def of(cls, given: Mapping[str, Any], path: str) -> BreakerSettings:
        """As `Settings.of`; takes pybreaker's names too, and lets ``consecutive_failures`` alone turn the rate off."""
        if given.get("throw_new_error_on_trip"):
            raise ConfigError(
                f"{path}.throw_new_error_on_trip", True, "false: the call that opens the circuit raises its own error"
            )
        renamed = {_PYBREAKER_NAMES.get(name, name): value for name, value in given.items() if name != "throw_new_error_on_trip"}
        if renamed.get("consecutive_failures") is not None:
            renamed.setdefault("failure_rate", None)
        settings = super().of(renamed, path)
        longest = settings.open_for.settings.max if isinstance(settings.open_for, Backoff) else settings.open_for
        if "max_open_for" not in renamed and longest > settings.max_open_for:
            return settings.replace(max_open_for=longest)  # who says how long says that it may be as long
        if settings.shortest_open > settings.max_open_for:
            raise ConfigError(f"{path}.max_open_for", renamed["max_open_for"], f"at least open_for, {settings.shortest_open:g} s")
        return settings

    def check(self, path: str) -> None:
        """Something has to open it, and slow calls are those of a duration that is given."""
        if not self.has_rates and self.failures is None and self.consecutive_failures is None:
            raise ConfigError(f"{path}.failure_rate", None, "a share above 0 to 1, since nothing else is given that opens it")
        if self.count_in_flight and self.slow_call_duration is None:
            raise ConfigError(
                f"{path}.count_in_flight", True, "slow_call_duration beside it: the time after which a call is slow"
            )

    # -- what follows from them --------------------------------------------------------------------------------------

    @property
    def held(self) -> str | None:
        """The state that only another setting, or a hand, changes; None where the calls decide."""
        return "forced-open" if self.force else _HELD[self.mode]

    @property
    def shortest_open(self) -> float:
        """How long the first opening lasts, before jitter."""
        return self.open_for.settings.initial if isinstance(self.open_for, Backoff) else self.open_for

    @property
    def has_rates(self) -> bool:
        """Whether any share of the calls is watched; else failures are counted, and nothing more."""
        slow = self.slow_call_duration is not None and self.slow_call_rate is not None
        return slow or self.failure_rate is not None or self.bad_rate is not None

    @property
    def one_is_enough(self) -> bool:
        """Whether one failed probe opens the circuit again: where failures are counted and no rate has them in it."""
        counted = self.failures is not None or self.consecutive_failures is not None
        return counted and self.failure_rate is None and self.bad_rate is None

    def same_window(self, other: BreakerSettings) -> bool:
        """Whether the window is that of *other*: 30 calls are not 30 seconds."""
        return self.window == other.window and type(self.window) is type(other.window)

    def same_numbers(self, other: BreakerSettings) -> bool:
        """Whether all is as in *other*, functions and what they would say left aside: those are asked at each outcome."""
        return all(getattr(self, name) == getattr(other, name) for name in self._fields if name not in _ASKED)

    def thousandths(self) -> tuple[int, ...]:
        """The steps of the ramp, in whole thousandths."""
        return tuple(min(max(1, round(1000 * step)), 999) for step in self.ramp_steps)

    def wait(self, opening: int) -> float:
        """How long this opening lasts, before jitter; *opening* counts those in a row, from 1."""
        wait = self.open_for
        if isinstance(wait, Backoff):
            wait = wait(opening, 0.0, _NO_ERROR, float)
        return min(wait, self.max_open_for)

    def breached(self, counts: Counts, in_row: int, enough: int) -> tuple[str, ...]:
        """The thresholds that hold, by their names, in the order in which they are told; rates need *enough* calls."""
        found = []
        if self.failures is not None and counts[1] >= self.failures:
            found.append("failures")
        if self.consecutive_failures is not None and in_row >= self.consecutive_failures:
            found.append("consecutive_failures")
        return (*found, *self.breached_rates(counts)) if counts[0] >= enough else tuple(found)

    def breached_rates(self, counts: Counts) -> tuple[str, ...]:
        """The rates among them."""
        calls, failed, slow, bad = counts
        found = []
        if self.failure_rate is not None and failed >= self.failure_rate * calls:
            found.append("failure_rate")
        if self.slow_call_duration is not None and self.slow_call_rate is not None and slow >= self.slow_call_rate * calls:
            found.append("slow_call_rate")
        if self.bad_rate is not None and bad >= self.bad_rate * calls:
            found.append("bad_rate")
        return tuple(found)

    def figures(self, counts: Counts, enough: int) -> dict[str, Any]:
        """``calls failed slow failure_rate slow_call_rate``; a rate is None below *enough* calls."""
        calls, failed, slow, _ = counts
        known = calls >= enough
        return {
            "calls": calls,
            "failed": failed,
            "slow": slow,
            "failure_rate": failed / calls if known else None,
            "slow_call_rate": slow / calls if known and self.slow_call_duration is not None else None,
        }
