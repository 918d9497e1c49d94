"""The forms that a document may have: TOML, JSON, and YAML where its package is there.

Rule: what cannot be read, or is too long to be meant, is a `ConfigError`: never a crash, and never a part of it.
"""

from __future__ import annotations

from ..errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

MOST_BYTES = 256 * 1024


def parsed(data: bytes, form: str, place: str) -> Any:
    """What *data* says, which is in the *form* ``toml``, ``json`` or ``yaml``; *place* is where it was found.

    Raises:
        ConfigError: for what cannot be read, and more than 256 KiB.
    """
    if len(data) > MOST_BYTES:
        raise ConfigError(place, f"{len(data)} bytes", f"at most {MOST_BYTES} bytes")
    read = _READERS.get(form)
    if read is None:
        raise ConfigError(place, form, f"a document in one of {', '.join(_READERS)}")
    try:
        return read(data.decode().removeprefix("\ufeff"), place)
    except ConfigError:
        raise
    except (ValueError, RecursionError) as wrong:
        raise ConfigError(place, _shown(wrong), f"a document in {form.upper()}") from None


def form_of(name: str) -> str:
    """The form of a file, by the end of its name; TOML where that says nothing."""
    end = name.rpartition(".")[2].lower()
    return {"json": "json", "yaml": "yaml", "yml": "yaml"}.get(end, "toml")


def _toml(text: str, place: str) -> Any:
    import tomllib

    return tomllib.loads(text)


def _json(text: str, place: str) -> Any:
    import json

    return json.loads(text, parse_constant=_no_constant, object_pairs_hook=_once)


def _yaml(text: str, place: str) -> Any:
    try:
        import yaml  # type: ignore[import-untyped, unused-ignore]  # where its stubs are not there
    except ImportError:
        raise ConfigError(place, "yaml", "TOML or JSON, or the package for YAML: pip install svcgov[yaml]") from None
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):  # by which a few lines can mean millions
            raise ValueError("an alias (*name): what it stands for has to be written out")
        return yaml.safe_load(text)
    except yaml.YAMLError as wrong:
        raise ValueError(str(wrong)) from None


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]  # None: it is new
        raise ValueError(f"{twice} stands twice in one table")
    return table


def _shown(wrong: Exception) -> str:
    return "tables and lists nested too deeply" if isinstance(wrong, RecursionError) else " ".join(str(wrong).split())


_READERS: dict[str, Callable[[str, str], Any]] = {"toml": _toml, "json": _json, "yaml": _yaml}
