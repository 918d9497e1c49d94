"""A registry inside the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from svcgov.registry.backends import memory
from svcgov.registry.backends._backend import REMEMBERED
from svcgov.registry.backends.memory import MemoryBackend

from .offices import Office, instance

if TYPE_CHECKING:
    from pathlib import Path


def test_who_has_left_is_remembered_for_a_while(tmp_path: Path) -> None:
    """Not for ever."""
    office = Office("memory", "sync", tmp_path)
    client = office.client()
    client.register(instance())
    client.deregister()
    backend = client.plain.backend
    assert isinstance(backend, MemoryBackend)
    assert set(backend._store.services["orders"].left) == {"a"}
    office.clock.advance(REMEMBERED)
    client.instances("orders")
    assert backend._store.services["orders"].left == {}


def test_a_forked_process_finds_its_stores_unlocked(tmp_path: Path) -> None:
    """Whoever held them does not exist there."""
    office = Office("memory", "sync", tmp_path)
    backend = office.client().plain.backend
    assert isinstance(backend, MemoryBackend)
    before = backend._store.lock
    memory._unlocked()
    assert backend._store.lock is not before
