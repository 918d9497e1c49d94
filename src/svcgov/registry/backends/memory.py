"""``memory://name``: a registry inside the process, shared by name.

Rule: a lease ends by the monotonic clock of whoever looks: all are in one process, and are frozen together.
"""

from __future__ import annotations

from _thread import RLock

from ..._core._fork import after_fork
from ..._core._model import Config
from ...errors import ConflictError
from ._backend import KEPT, REMEMBERED, Listing, next_document, next_revision

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ...typing import Clock


class Held:
    """What is held of one service."""

    def __init__(self) -> None:
        self.revision: int = 0
        self.instances: dict[str, tuple[float, str]] = {}  # when the lease ends, and the record
        self.endpoints: dict[str, tuple[int, str]] = {}
        self.left: dict[str, float] = {}  # when
        self.documents: dict[str, list[Config]] = {}  # the newest last


class Store:
    """What all who have connected to one name share."""

    def __init__(self) -> None:
        self.lock: Any = RLock()
        self.services: dict[str, Held] = {}


_stores: dict[str, Store] = {}


@after_fork
def _unlocked() -> None:
    for store in _stores.values():
        store.lock = RLock()


class MemoryBackend:
    """The client's side of a `Store`."""

    blocks = False

    def __init__(self, name: str, clock: Clock) -> None:
        self.url: str = f"memory://{name}"
        self._clock = clock
        self._store = _stores.setdefault(name, Store())

    def register(self, service: str, key: str, record: str, ttl: float, over: str | None = None) -> str | None:
        """As `Backend.register`."""
        with self._store.lock:
            held = self._looked_at(service)
            _, before = held.instances.get(key, (0.0, ""))
            if over not in (None, before):
                return before
            held.instances[key] = self._clock.monotonic() + ttl, record
            held.left.pop(key, None)
            if before != record:
                self._moved(held)
            return None

    def renew(self, service: str, key: str, ttl: float) -> bool:
        """As `Backend.renew`."""
        with self._store.lock:
            held = self._looked_at(service)
            if key not in held.instances:
                return False
            held.instances[key] = self._clock.monotonic() + ttl, held.instances[key][1]
            return True

    def deregister(self, service: str, key: str) -> None:
        """As `Backend.deregister`."""
        with self._store.lock:
            held = self._looked_at(service)
            if held.instances.pop(key, None) is not None:
                held.left[key] = self._clock.monotonic()
                self._moved(held)

    def put(self, service: str, key: str, record: str | None, expected: int | None) -> int:
        """As `Backend.put`."""
        with self._store.lock:
            held = self._looked_at(service)
            current = held.endpoints.get(key, (0, ""))[0]
            if expected is not None and expected != current:
                raise ConflictError(self.url, f"endpoint {service}/{key} has another revision", current)
            revision = self._moved(held)
            if record is None:
                held.endpoints.pop(key, None)
                held.left[key] = self._clock.monotonic()
            else:
                held.endpoints[key] = revision, record
                held.left.pop(key, None)
            return revision

    def listed(self, service: str, known: int | None) -> Listing | None:
        """As `Backend.listed`."""
        with self._store.lock:
            held = self._looked_at(service)
            if held.revision == known:
                return None
            return Listing(
                revision=held.revision,
                instances={key: record for key, (_, record) in held.instances.items()},
                endpoints={key: record for key, (_, record) in held.endpoints.items()},
                revisions={key: revision for key, (revision, _) in held.endpoints.items()},
                left=frozenset(held.left),
            )

    def services(self) -> list[str]:
        """As `Backend.services`."""
        with self._store.lock:
            return sorted(name for name, held in self._store.services.items() if held.revision)

    def read(self, service: str, layer: str, known: int | None) -> Config | None:
        """As `Backend.read`."""
        with self._store.lock:
            documents = self._held(service).documents.get(layer)
            newest = documents[-1] if documents else Config(service=service, layer=layer)
            return None if newest.revision == known else newest

    def write(self, service: str, layer: str, text: str | None, meta: Mapping[str, Any], expected: int | None) -> int:
        """As `Backend.write`."""
        with self._store.lock:
            documents = self._held(service).documents.setdefault(layer, [])
            current = documents[-1].revision if documents else 0
            if expected is not None and expected != current:
                raise ConflictError(self.url, f"document {service}/{layer} has another revision", current)
            at = self._clock.wall()
            revision = next_document(current, at)
            documents.append(Config(service=service, layer=layer, revision=revision, text=text, meta=dict(meta), at=at))
            del documents[:-KEPT]
            return revision

    def history(self, service: str, layer: str) -> list[Config]:
        """As `Backend.history`."""
        with self._store.lock:
            return self._held(service).documents.get(layer, [])[::-1]

    def forked(self) -> None:
        """As `Backend.forked`; the child has a copy of its own."""

    def close(self) -> None:
        """As `Backend.close`; the store is there for whoever asks for its name."""

    def _held(self, service: str) -> Held:
        return self._store.services.setdefault(service, Held())

    def _looked_at(self, service: str) -> Held:
        """What is held of *service*, without those whose lease has run out."""
        held, now = self._held(service), self._clock.monotonic()
        dead = [key for key, (ends, _) in held.instances.items() if ends <= now]
        for key in dead:
            del held.instances[key]
        if dead:
            self._moved(held)
        for key in [key for key, at in held.left.items() if at + REMEMBERED <= now]:
            del held.left[key]
        return held

    def _moved(self, held: Held) -> int:
        held.revision = next_revision(held.revision, self._clock.wall())
        return held.revision
