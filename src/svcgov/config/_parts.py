"""What a document is, once it has been read: its parts, and whom each of them is for."""

from __future__ import annotations

from math import inf

from .._core._frozen import Frozen
from ._paths import joined

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._paths import Path

BASE, ROLLOUT, CALLERS = "base", "rollout", "callers"
OVERLAYS = ("stage", "version", "colour")  # lowest first


class Part(Frozen):
    """What a document says to everybody (*kind* ``base``), to those of a stage, version or colour, or to some for a while.

    Attributes:
        values: the tables by their keys, shorthands expanded.
        unset: what of the layers below does not count.
        prefix: where it stands in the document.
        short: slots that are written as one value.
        until: when a rollout ends, in seconds since the epoch.
        percent: how many of a hundred processes a rollout is for.
    """

    kind: str
    name: str
    values: dict[str, Any]
    unset: tuple[Path, ...]
    prefix: Path
    short: frozenset[Path]
    until: float = inf
    percent: float = 100.0

    def written(self, path: Path) -> str:
        """*path* of its values, as the author wrote it."""
        known = next((path[: len(slot)] for slot in self.short if path[: len(slot)] == slot), path)
        return joined((*self.prefix, *known))


class Document(Frozen):
    """One document: its parts, the one for everybody first."""

    service: str | None
    parts: tuple[Part, ...]
