"""Watching a service: its list, whenever it is another one.

Rule: the revision is the truth: whoever has missed a change sees the next list, which has it.
"""

from __future__ import annotations

from .._core._names import check_name
from .._core._schema import duration

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..typing import Duration
    from ._view import Found
    from .client import Registry

_every = duration(low=0.01)
_timeout = duration(optional=True)


class Watched:
    """What a watch has seen."""

    def __init__(self, registry: Registry, service: str, since: int | None, every: Duration, timeout: Duration | None) -> None:
        check_name(service, "watch.service")
        self.every: float = _every.read(every, "watch.every")
        self._registry = registry
        self._service = service
        self._quiet: float | None = _timeout.read(timeout, "watch.timeout")
        self._since = registry.moment()
        self._seen: tuple[int | None, frozenset[str], bool] = (since, frozenset(), False)

    def changed(self) -> Found | None:
        """The list, if it is another one; asks."""
        self._registry.refresh(self._service)
        found = self._registry.known(self._service)
        seen = found.revision, found.suspects, found.stale
        if seen == self._seen or found.checked is None:
            return None
        self._seen = seen
        self._since = self._registry.moment()
        return found

    def over(self) -> bool:
        """Whether nothing has changed for too long."""
        return self._quiet is not None and self._registry.moment() - self._since >= self._quiet


def watch(registry: Registry, service: str, since: int | None, every: Duration, timeout: Duration | None) -> Iterator[Found]:
    """As `Registry.watch`."""
    watched = Watched(registry, service, since, every, timeout)

    def changes() -> Iterator[Found]:
        while not watched.over():
            found = watched.changed()
            if found is not None:
                yield found
            registry.clock.sleep(watched.every)

    return changes()
