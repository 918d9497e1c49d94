"""Documents of several layers, made one: what holds, and where each value comes from.

Precedence, lowest first::

    built-in < callers < code < [ fleet < group < service ] < file < SVCGOV_SET < code marked final
                        base of each, then the stage of each, then the version, then the colour, then rollouts

What a service asks of its ``callers`` is the lowest: the table of that name in its own document, which they pull (`_callers`).
The file has its base, its overlays and its rollouts for itself: whoever puts a file beside a process means that process.

Rule 1: tables merge; scalars and lists replace; ``unset`` (and null) takes back what the layers below say.
Rule 2: within one part, what is taken back is taken back first.
Rule 3: of what is replaced nothing stays: a value in the place of a table, a table in the place of a value.
"""

from __future__ import annotations

from .._core._frozen import Frozen
from .._core._names import INBOUND
from ._parts import BASE, CALLERS, OVERLAYS, ROLLOUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from ._parts import Document, Part
    from ._paths import Path

    Source: TypeAlias = tuple[str, Part]  # the layer, and the part of its document

REMOTE = ("fleet", "group", "service")  # lowest first
LAYERS = (*REMOTE, "file", "environment")


class Origin(Frozen):
    """Where a value comes from: the layer, and the place in its document as it is written there."""

    layer: str
    written: str


class Effective(Frozen):
    """What holds.

    Attributes:
        values: the tables, merged.
        origins: the layer and the part that each value and each table comes from, by its path.
    """

    values: dict[str, Any]
    origins: dict[Path, Source]

    def slots(self, name: str) -> dict[str, Any]:
        """The tables of slots that are meant for *name*."""
        table = self.values if name == INBOUND else self.values.get("policies", {})
        return table.get(place_of(name)[-1], {})  # type: ignore[no-any-return]  # as `document` reads it

    def asked(self, path: Path) -> bool:
        """Whether what is at *path* is nothing but a wish of those who are called."""
        return self.origins[path][0] == CALLERS

    def origin(self, path: Path) -> Origin | None:
        """Where *path* comes from, or what it would stand in."""
        while path:
            if path in self.origins:
                return self._of(path)
            path = path[:-1]
        return None

    def _of(self, path: Path) -> Origin:
        layer, part = self.origins[path]
        return Origin(layer=layer, written=part.written(path))

    def leaves(self) -> list[tuple[Path, Any, Origin]]:
        """Each value, with its path and its origin."""
        return [(path, value, self._of(path)) for path, value in leaves(self.values, ())]


def place_of(name: str) -> Path:
    """Where a document speaks of *name*."""
    return ("inbound",) if name == INBOUND else ("policies", name)


NOTHING = Effective(values={}, origins={})


def merged(
    documents: Mapping[str, Document],
    labels: Mapping[str, str],
    holds: Callable[[Part], bool] = lambda rollout: False,
    asked: Iterable[Part] = (),
) -> Effective:
    """What *documents*, by their layers, mean for an instance of these *labels* (``stage``, ``version``, ``colour``).

    *holds* says whether a rollout does, here and now; *asked* is what those ask of it whom it calls.
    """
    values: dict[str, Any] = {}
    origins: dict[Path, Source] = {}
    for wish in asked:
        _lay(wish.values, values, origins, (), (CALLERS, wish))
    for layer, part in _in_order(documents, labels):
        if part.kind == ROLLOUT and not holds(part):
            continue
        for path in part.unset:
            _take_back(values, origins, path)
        _lay(part.values, values, origins, (), (layer, part))
    return Effective(values=values, origins=origins)


def _in_order(documents: Mapping[str, Document], labels: Mapping[str, str]) -> list[tuple[str, Part]]:
    found = []
    for layers in (REMOTE, ("file",), ("environment",)):
        for kind in (BASE, *OVERLAYS, ROLLOUT):
            wanted = labels.get(kind, "")
            for layer in layers if wanted or kind not in OVERLAYS else ():
                parts = documents[layer].parts if layer in documents else ()
                found += [(layer, part) for part in parts if part.kind == kind and (part.name == wanted or kind == ROLLOUT)]
    return found


def _take_back(values: dict[str, Any], origins: dict[Path, Source], path: Path) -> None:
    table: Any = values
    for key in path[:-1]:
        table = table.get(key)
        if not isinstance(table, dict):
            return
    if path[-1] in table:
        _forget(origins, path, table.pop(path[-1]))


def _forget(origins: dict[Path, Source], path: Path, value: Any) -> None:
    """*value*, which stood at *path*, comes from nowhere any more, nor does what is in it."""
    del origins[path]
    if isinstance(value, dict):
        for key, one in value.items():
            _forget(origins, (*path, key), one)


def _lay(over: Mapping[str, Any], under: dict[str, Any], origins: dict[Path, Source], path: Path, source: Source) -> None:
    for key, value in over.items():
        here = (*path, key)
        if isinstance(value, dict):
            if not isinstance(under.get(key), dict):
                under[key] = {}
            _lay(value, under[key], origins, here, source)
        else:
            if key in under:
                _forget(origins, here, under[key])
            under[key] = value
        origins[here] = source


def leaves(table: Mapping[str, Any], path: Path) -> list[tuple[Path, Any]]:
    """Each value of a *table* that stands at *path*, with its path."""
    found: list[tuple[Path, Any]] = []
    for key, value in table.items():
        here = (*path, key)
        found += leaves(value, here) if isinstance(value, dict) and value else [(here, value)]
    return found
