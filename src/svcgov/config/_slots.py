"""The places of a pipeline in a document, and how the settings in them are read: by the policies' own settings.

Rule 1: what may stand in a slot is what its policy takes in code; nothing is listed a second time here.
Rule 2: a value that is no table is the one setting that has to be given: ``bulkhead = 10`` is ``bulkhead = { limit = 10 }``.
Rule 3: where the code may give a function, a document may give the name of one that the code has registered.
"""

from __future__ import annotations

from importlib import import_module

from .._core._frozen import REQUIRED
from .._core._matching import WORDS
from .._core._predicates import ASKED, Registered, nameable, near_miss
from .._documented import CANONICAL
from ..errors import ConfigError
from ._paths import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from .._core._schema import Settings
    from .._policy import Policy
    from ._paths import Path

SLOTS = CANONICAL
KEYS = ("path", "ip", "colour")  # words for a key that are no names

_known: dict[str, type[Policy]] = {}


def policy_of(slot: str) -> type[Policy]:
    """The class of the policies in a slot, loaded when a document has one."""
    kind = slot.removeprefix("attempt_")
    found = _known.get(kind)
    if found is None:
        name = "".join(word.capitalize() for word in kind.split("_"))
        found = _known[kind] = getattr(import_module(f"..policies.{kind}", __package__), name)
    return found


def settings_of(slot: str) -> type[Settings]:
    """The settings that may stand in a slot."""
    return policy_of(slot).settings_class


def shorthand_of(slot: str) -> str | None:
    """The setting that a value means which is no table, or None where there is none."""
    return next((name for name, field in settings_of(slot)._fields.items() if field.default is REQUIRED), None)


def expanded(slot: str, value: Any, path: str) -> Mapping[str, Any]:
    """The settings that *value* means.

    Raises:
        ConfigError: for what is no table, in a slot without a shorthand.
    """
    if hasattr(value, "items"):
        return value  # type: ignore[no-any-return]  # it has items
    short = shorthand_of(slot)
    if short is None:
        raise ConfigError(path, value, f'a table of settings, such as {slot} = {{ on = ["connection"] }}')
    return {short: value}


def resolved(setting: str, value: Any, path: Path) -> Any:
    """The *value* of a setting, with the functions that its names stand for.

    Raises:
        ConfigError: for a name that is hardly meant as one.
    """
    if setting in ("on", "ignore"):
        if isinstance(value, list):
            return [_one(one, path, f"[{place}]") for place, one in enumerate(value)]
        return _one(value, path)
    named = setting in ASKED and nameable(value) and not (setting == "key" and value in KEYS)
    return Registered(value) if named else value


def _one(value: Any, path: Path, inside: str = "") -> Any:
    if value in WORDS or not nameable(value):
        return value
    near = near_miss(value, WORDS)
    if near:
        words = ", ".join(WORDS)
        written = f"{joined(path)}{inside}"
        raise ConfigError(written, value, f"a status such as 429, one of {words}, or a registered name (did you mean {near}?)")
    return Registered(value)
