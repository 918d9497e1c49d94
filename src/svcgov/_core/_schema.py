"""Settings: read, checked and named at the door.

A policy's settings are a `Settings` class; each annotated name is set to a `Field` made by one of the functions below.

Rule 1: a value is checked when it is given, never when it is used.
Rule 2: an error names the place, the value and what was expected; an unknown name is an error with a hint.
Rule 3: a bool is no number, and neither are NaN and infinity.
"""

from __future__ import annotations

from ..errors import ConfigError
from ._durations import DAY, as_seconds
from ._frozen import REQUIRED, Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Self

_SYNONYMS = {
    "color": "colour",
    "max_attempts": "attempts",
    "max_retries": "attempts",
    "retries": "attempts",
    "tries": "attempts",
    "exceptions": "on",
    "retry_on": "on",
    "failure_threshold": "failure_rate",
    "minimum_calls": "min_calls",
    "min_throughput": "min_calls",
    "recovery_timeout": "open_for",
    "max_concurrent": "limit",
    "timeout": "seconds",
    "delay": "backoff",
    "wait": "backoff",
}


class Field:
    """One setting: how a given value is read, what stands when none is given, and its *form*, for editors of documents.

    A form is a word and what belongs to it, such as ``("integer", 1, 100)``; None where a reader of its own is all there is.
    """

    __slots__ = ("default", "form", "read")

    def __init__(self, read: Callable[[Any, str], Any], default: Any, form: tuple[Any, ...] | None) -> None:
        self.read = read
        self.default = default
        self.form = form


class Settings(Frozen):
    """Checked settings. Made by `of`, which is the door."""

    @classmethod
    def of(cls, given: Mapping[str, Any], path: str) -> Self:
        """Read *given*; *path* is the place it stands in, as the author would write it.

        Raises:
            ConfigError: for an unknown name, a missing one, or a value that cannot be.
        """
        fields = cls._fields
        for name, value in given.items():
            if name not in fields:
                raise unknown(name, value, fields, path)
        values = {}
        for name, field in fields.items():
            if name in given:
                values[name] = field.read(given[name], f"{path}.{name}")
            elif field.default is REQUIRED:
                raise ConfigError(f"{path}.{name}", None, "a value (it has no default that would be safe)")
            else:
                values[name] = field.default
        settings = cls(**values)
        settings.check(path)
        return settings

    def check(self, path: str) -> None:
        """Raise a `ConfigError` when values that are right one by one do not go together. Most always do."""


def unknown(name: str, value: object, known: Mapping[str, Any], path: str) -> ConfigError:
    """What to raise for a *name* that is none of those *known* at *path*."""
    return ConfigError(within(path, name), value, f"one of {', '.join(known)}{_hint(name, known)}")


def within(path: str, name: str) -> str:
    """The place of *name* at *path*: in quotes where it would be read as another one."""
    said = str(name)
    said = in_quotes(said) if not said or "." in said or '"' in said else said
    return f"{path}.{said}" if path else said


def in_quotes(name: str) -> str:
    """*name* as a key of TOML in quotes."""
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _hint(name: object, known: Mapping[str, Any]) -> str:
    if not isinstance(name, str):
        return ""
    near = _SYNONYMS.get(name)
    if near not in known:
        from difflib import get_close_matches

        near = next(iter(get_close_matches(name, known, n=1)), None)
    return f" (did you mean {near}?)" if near else ""


def number(value: object) -> bool:
    """Whether *value* is a finite number. A bool is none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value - value == 0


def integer(*, default: int | None = REQUIRED, low: int, high: int, optional: bool = False) -> Any:
    """A count, from *low* to *high*."""

    def read(value: Any, path: str) -> int | None:
        if value is None and optional:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ConfigError(path, value, f"an integer >= {low}" if value_below(value, low) else _span("an integer", low, high))
        return value

    return Field(read, default, ("integer", low, high))


def value_below(value: object, low: float) -> bool:
    """Whether *value* is a number that is merely too small: then the upper end need not be told."""
    return number(value) and value < low  # type: ignore[operator]  # number() says that it can be compared


def real(*, default: float | None = REQUIRED, low: float, high: float) -> Any:
    """A number from *low* to *high*."""

    def read(value: Any, path: str) -> float:
        if not number(value) or not low <= value <= high:
            raise ConfigError(path, value, _span("a number", low, high))
        return float(value)

    return Field(read, default, ("number", low, high))


def ratio(*, default: float | None = REQUIRED, optional: bool = False, zero: bool = False) -> Any:
    """A share from 0 (only with *zero*) to 1."""

    def read(value: Any, path: str) -> float | None:
        if value is None and optional:
            return None
        if not number(value) or not 0 <= value <= 1 or (value == 0 and not zero):
            hint = f" (did you mean {value / 100:g}?)" if number(value) and 1 < value <= 100 else ""
            raise ConfigError(path, value, f"a share {'from 0' if zero else 'above 0'} to 1{hint}")
        return float(value)

    return Field(read, default, ("ratio", zero))


def duration(
    *, default: float | None = REQUIRED, low: float = 0.0, high: float = 7 * DAY, optional: bool = False, zero: bool = False
) -> Any:
    """Seconds: a number, a timedelta, or text such as ``"250ms"``, ``"2s"``, ``"1m"``, ``"PT2S"``."""

    def read(value: Any, path: str) -> float | None:
        if value is None and optional:
            return None
        seconds = as_seconds(value)
        if seconds is None or not low <= seconds <= high or (seconds == 0 and not zero):
            least = ">= 0 s" if zero else f">= {low:g} s" if low else "> 0 s"
            raise ConfigError(path, value, f'a duration {least} and <= {high:g} s, such as 2.5 or "500ms"')
        return seconds

    return Field(read, default, ("duration",))


def flag(*, default: bool) -> Any:
    """True or False, and nothing that merely looks like it."""

    def read(value: Any, path: str) -> bool:
        if not isinstance(value, bool):
            raise ConfigError(path, value, "true or false")
        return value

    return Field(read, default, ("boolean",))


def choice(*allowed: str, default: str) -> Any:
    """One of a few words."""

    def read(value: Any, path: str) -> str:
        if not isinstance(value, str) or value not in allowed:
            raise ConfigError(path, value, f"one of {', '.join(allowed)}")
        return value

    return Field(read, default, ("choice", *allowed))


def custom(read: Callable[[Any, str], Any], *, default: Any = REQUIRED) -> Any:
    """A setting with a reader of its own: ``read(value, path)`` returns the value or raises a `ConfigError`."""
    return Field(read, default, None)


def _span(what: str, low: float, high: float) -> str:
    return f"{what} from {low:_} to {high:_}"
