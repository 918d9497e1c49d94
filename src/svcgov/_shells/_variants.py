"""Other frames for the calls that `svcgov.override` is meant for: made at the first such call, and kept.

Rule 1: equal changes share their frames; so many are kept, and then it begins anew.
Rule 2: other frames are other policies around the same function: what has a state keeps it, whoever looks at it.
"""

from __future__ import annotations

from .._core._overrides import changed, meant

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core._overrides import Change, Given
    from ..pipeline import Policy
    from ..typing import Clock
    from ._sync import Inner

MOST = 16  # of one governed function


class Variants:
    """The frames of one governed function, by what is changed in them."""

    __slots__ = ("_clock", "_fold", "_kept", "_known_as", "_policies")

    def __init__(
        self,
        policies: tuple[Policy, ...],
        known_as: frozenset[object],
        clock: Clock,
        fold: Callable[[tuple[Policy, ...]], Inner],
    ) -> None:
        self._policies = policies
        self._known_as = known_as
        self._clock = clock
        self._fold = fold
        self._kept: dict[frozenset[tuple[str, Change]], Inner] = {}

    def __call__(self, given: tuple[Given, ...]) -> Inner:
        """The frames for a call under *given*."""
        changes = meant(given, self._known_as)
        key = frozenset(changes.items())
        inner = self._kept.get(key)
        if inner is None:
            inner = self._fold(changed(self._policies, changes, self._clock))
            if len(self._kept) >= MOST:
                self._kept.clear()
            self._kept[key] = inner
        return inner
