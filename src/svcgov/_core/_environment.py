"""The environment variables, read once each, checked like any other setting.

Rule: a wrong value is a `ConfigError` when it is first needed, never a silent default.
"""

from __future__ import annotations

import os
from warnings import warn

from ..errors import ConfigError, ConfigWarning

# Who is running, first come, first served: what we are told, and what AWS Lambda, or Knative and Cloud Run, say.
SERVICE = ("SVCGOV_SERVICE", "AWS_LAMBDA_FUNCTION_NAME", "K_SERVICE")
VERSION = ("SVCGOV_VERSION", "AWS_LAMBDA_FUNCTION_VERSION", "K_REVISION")
KINDS = ("retry", "circuit_breaker", "bulkhead", "rate_limit", "timeout")

_ALL = frozenset(KINDS)
_warned: set[str] = set()
off: frozenset[str] = frozenset()  # kinds that pass calls through while a test goes on


def disabled() -> frozenset[str]:
    """The kinds of policy that ``SVCGOV_DISABLED`` lets pass through: all for ``1``, or those it lists."""
    given = text("SVCGOV_DISABLED")
    value = given.lower()
    if value in ("", "0", "false"):
        return off
    kinds = _ALL if value in ("1", "true") else frozenset(word.strip() for word in value.split(","))
    if kinds - _ALL:
        raise ConfigError("SVCGOV_DISABLED", given, f"1, 0, or a list of {', '.join(KINDS)}")
    if value not in _warned:
        _warned.add(value)
        said = f"SVCGOV_DISABLED={value}: {', '.join(sorted(kinds))} pass every call through"
        warn(said, ConfigWarning)  # noqa: B028  # no line of the program has said it
    return kinds | off


def documented() -> bool:
    """Whether the environment means a document, or says settings itself."""
    return bool(file_of_document() or text("SVCGOV_SET") or text("SVCGOV_APPCONFIG"))


def file_of_document() -> str:
    """The file of the document: that of ``SVCGOV_CONFIG``, or ``svcgov.toml`` where the code is, or here; or nothing."""
    named = text("SVCGOV_CONFIG")
    usual = (f"{folder}/svcgov.toml" for folder in (text("LAMBDA_TASK_ROOT"), ".") if folder)
    return named or next((path for path in usual if os.path.isfile(path)), "")  # noqa: PTH113  # pathlib costs a cold start more


def text(name: str) -> str:
    """The value of the variable *name*, or the empty string."""
    return os.environ.get(name, "").strip()


def first(*names: str) -> str:
    """The value of the first of the variables *names* that has one, or the empty string."""
    return next((value for value in map(text, names) if value), "")


def words(name: str) -> list[str]:
    """The values of the variable *name*, between commas."""
    return [one.strip() for one in os.environ.get(name, "").split(",") if one.strip()]


def word(name: str, allowed: tuple[str, ...], default: str) -> str:
    """The value of the variable *name*, which must be one of a few words."""
    given = text(name)
    value = given.lower()
    if not value:
        return default
    if value not in allowed:
        raise ConfigError(name, given, f"one of {', '.join(allowed)}")
    return value


def share(name: str) -> float:
    """The value of the variable *name*, a share from 0 to 1; 1 where it has none."""
    given = text(name)
    try:
        value = float(given or "1")
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise ConfigError(name, given, "a number from 0 to 1")
    return value
