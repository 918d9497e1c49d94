"""The places in a document, as its author writes them: ``policies.payments.retry``, ``overlay.version."v1.2"``."""

from __future__ import annotations

import re

from .._core._schema import in_quotes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Path: TypeAlias = tuple[str, ...]

_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:")
_KEY = re.compile(r"""(?:"((?:[^"\\]|\\["\\])*)"|([^."]+))(\.|\Z)""")
_ESCAPED = re.compile(r"""\\(["\\])""")


def joined(path: Path) -> str:
    """*path* as text: a key with anything but letters, digits, ``_``, ``-`` and ``:`` in it stands in quotes."""
    return ".".join(key if key and _BARE.issuperset(key) else in_quotes(key) for key in path)


def split(text: str) -> Path | None:
    """The keys of a place, or None for what is none. `joined` is its inverse."""
    keys, at = [], 0
    while True:
        found = _KEY.match(text, at)
        if found is None:
            return None
        quoted, bare, dot = found.groups()
        keys.append(bare if quoted is None else _ESCAPED.sub(r"\1", quoted))
        if not dot:
            return tuple(keys)
        at = found.end()
