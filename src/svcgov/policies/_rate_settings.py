"""The settings of a rate limit, and which of them go together."""

from __future__ import annotations

from .._core._durations import Rate, as_rate
from .._core._schema import choice, custom, duration, integer, number, within
from ..errors import ConfigError
from ..pipeline import GateSettings
from ._windows import ALGORITHMS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import Any

    from .._core._mishaps import Mishaps

MOST = 10**9  # calls of a limit that one call may be worth


def _limit(value: Any, path: str) -> Rate | tuple[Rate, ...]:
    """A rate, or several that must all admit."""
    if isinstance(value, (list, tuple)):
        if not 1 <= len(value) <= 10:
            raise ConfigError(path, value, "1 to 10 limits")
        rates = tuple(_rate(one, f"{path}[{place}]") for place, one in enumerate(value))
        return rates if len(rates) > 1 else rates[0]
    return _rate(value, path)


def _rate(value: Any, path: str) -> Rate:
    rate = as_rate(value)
    if rate is None:
        raise ConfigError(
            path, value, 'calls in a window of 1 ms to 30 days, such as "100/second", "5/2 minutes" or Rate(10, 0.1)'
        )
    return rate


def cost_of(cost: Any, call: Any, mishaps: Mishaps) -> int:
    """What *call* costs: a function that raises, or says what cannot be, is told of. Its call costs 1, as a block does."""
    if not callable(cost):
        return cost  # type: ignore[no-any-return]  # an integer, as checked
    if call is None:
        return 1
    try:
        said = cost(call)
        if not _whole(said):
            raise ValueError(f"expected an integer from 0 to {MOST}, got {said!r}")
    except Exception as failure:
        mishaps.tell("cost", failure, "the call costs 1")
        return 1
    return said  # type: ignore[no-any-return]  # a whole number


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST


def _cost(value: Any, path: str) -> int | Callable[[Any], int]:
    if callable(value) or _whole(value):
        return value  # type: ignore[no-any-return]  # one of the two
    raise ConfigError(path, value, f"an integer from 0 to {MOST:_}, or a function of the call")


def _cold_factor(value: Any, path: str) -> float:
    if not number(value) or not 1 < value <= 1000:
        raise ConfigError(path, value, "a number above 1, up to 1000")
    return float(value)


def _key(value: Any, path: str) -> Any:
    from ._key_readers import read_key

    return read_key(value, path)


def _overrides(value: Any, path: str) -> dict[str, Rate | tuple[Rate, ...]]:
    if not hasattr(value, "items") or not all(isinstance(pattern, str) for pattern in value):
        raise ConfigError(path, value, "limits by keys, or by patterns of keys")
    return {pattern: _limit(limit, within(path, pattern)) for pattern, limit in value.items()}


class RateLimitSettings(GateSettings):
    """The settings, checked."""

    limit: Rate | tuple[Rate, ...] = custom(_limit)
    burst: int | None = integer(default=None, low=1, high=MOST, optional=True)
    algorithm: str = choice(*ALGORITHMS, default="gcra")
    cost: Any = custom(_cost, default=1)
    max_wait: float = duration(default=0.0, zero=True)
    max_waiting: int = integer(default=1000, low=0, high=1_000_000)
    warm_up: float | None = duration(default=None, optional=True)
    cold_factor: float = custom(_cold_factor, default=3.0)
    key: Any = custom(_key, default=None)
    on_missing_key: str = choice("shared", "bypass", "deny", default="shared")
    overrides: Any = custom(_overrides, default={})
    max_keys: int = integer(default=10_000, low=1, high=1_000_000)

    @property
    def limits(self) -> tuple[Rate, ...]:
        """All of them, also when it is one."""
        return self.limit if isinstance(self.limit, tuple) else (self.limit,)

    @property
    def single(self) -> bool:
        """Whether it is one limit by GCRA."""
        return self.algorithm == "gcra" and len(self.limits) == 1

    @property
    def asks(self) -> bool:
        """Whether a call has to be looked at, or may have to wait."""
        return bool(self.max_wait) or callable(self.cost)

    @property
    def measure(self) -> tuple[object, ...]:
        """By what the limit is counted."""
        return self.limits, self.burst, self.algorithm, self.warm_up, self.cold_factor

    def for_key(self, key: Hashable) -> RateLimitSettings:
        """The settings of one key: an override for it, or for the first pattern that it matches."""
        if not self.overrides or not isinstance(key, str):
            return self
        limit = self.overrides.get(key)
        if limit is None:
            from fnmatch import fnmatchcase

            limit = next((limit for pattern, limit in self.overrides.items() if fnmatchcase(key, pattern)), None)
        return self if limit is None else self.replace(limit=limit, burst=None)

    def check(self, path: str) -> None:
        """A burst is that of one bucket, and at most a thousand windows' worth; only a bucket is waited for or warms up."""
        if self.max_wait and self.algorithm != "gcra":
            raise ConfigError(f"{path}.max_wait", self.max_wait, "0, but with gcra, which knows who may come when")
        if self.warm_up is not None:
            several = not all(isinstance(limit, Rate) for limit in self.overrides.values())
            if not self.single or several or self.max_wait:
                raise ConfigError(f"{path}.warm_up", self.warm_up, "none, but with one limit by gcra and a max_wait of 0")
        if self.burst is None:
            return
        if not self.single:
            raise ConfigError(f"{path}.burst", self.burst, "none, but with one limit by gcra")
        most = max(1, self.limits[0].n) * 1000
        if self.burst > most:
            raise ConfigError(f"{path}.burst", self.burst, f"an integer from 1 to {most}")
