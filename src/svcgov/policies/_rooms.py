"""The bulkhead of one key, and what all keys are together."""

from __future__ import annotations

from ._keyed import OfKey

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class BulkheadOfKey(OfKey):
    """The bulkhead of one key, as a gate of its own: ``limit.of("acme")``."""

    def snapshot(self) -> dict[str, int]:
        """``limit``, ``in_use`` and ``waiting`` of this key."""
        room = self.machine.keyed.by_key.get(self.machine.key)
        return {"limit": self.settings.limit, **figures(room)}


def figures(machine: Any) -> dict[str, int]:
    """Who is inside of *machine*, if there is one, and who waits."""
    return {"in_use": getattr(machine, "used", 0), "waiting": len(getattr(machine, "waiters", ()))}


def figures_of_all(rooms: list[Any]) -> dict[str, int]:
    """The sums of all *rooms*."""
    all_of_them = [figures(room) for room in rooms]
    return {name: sum(one[name] for one in all_of_them) for name in ("in_use", "waiting")}
