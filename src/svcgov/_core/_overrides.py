"""Changes for some calls: what `svcgov.override` has said in this context, and whether anybody in the process uses it.

Rule: who does not use it pays nothing. The frames that look here are nested when it is entered for the first time.
"""

from __future__ import annotations

from contextvars import ContextVar

from ._live import living

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, Protocol, TypeAlias, TypeVar

    from ..typing import Clock

    P = TypeVar("P")

    class Change(Protocol):
        """What is to be different in one place of a pipeline. Equal changes make equal frames."""

        def inside(self, outer: Change | None) -> Change:
            """This change, where *outer* stands in the same place around it."""
            ...

        def made(self, policies: tuple[Any, ...], clock: Clock) -> tuple[Any, ...]:
            """The policies, changed."""
            ...

    Changes: TypeAlias = Mapping[str, Change]


class Given:
    """One ``override``: the changes by their places, and whom they are meant for (None for all)."""

    __slots__ = ("changes", "target")

    def __init__(self, target: object, changes: Changes) -> None:
        self.target = target
        self.changes: Changes = changes


OVERRIDES: ContextVar[tuple[Given, ...]] = ContextVar("svcgov.overrides", default=())

in_use = False
_nested = False


def use() -> None:
    """From now on all frames look here. To do it twice at a time does no harm."""
    global in_use, _nested  # noqa: PLW0603  # of the process
    if _nested:
        return
    in_use = True  # first: who is made meanwhile sees it
    for one in living():
        if hasattr(one, "route"):
            one.route = one.nested()  # type: ignore[attr-defined]  # what has a route is a governed function
    _nested = True


def meant(given: tuple[Given, ...], known_as: frozenset[object]) -> dict[str, Change]:
    """The changes that *given*, outermost first, mean for what is *known_as* these: the innermost in each place."""
    changes: dict[str, Change] = {}
    for one in given:
        if one.target is None or one.target in known_as:
            for place, change in one.changes.items():
                changes[place] = change.inside(changes.get(place))
    return changes


def changed(policies: tuple[P, ...], changes: Changes, clock: Clock) -> tuple[P, ...]:
    """The policies with all *changes* made."""
    for change in changes.values():
        policies = change.made(policies, clock)
    return policies
