"""What is special to coroutines: the loop goes on, and who is cancelled waits no more."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, Any

import pytest

from svcgov._shells._workers import POOL
from svcgov.errors import RegistryError
from svcgov.registry import AsyncRegistry, Registry

from .offices import Office, ids, instance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAIN = {"refresh", "looked_up", "watched", "listen", "forked", "moment"}  # for who is not a coroutine


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Office]:
    """A file, asked by coroutines."""
    made = Office("sqlite", "async", tmp_path)
    yield made
    made.close()


def verbs(kind: type) -> dict[str, list[str]]:
    """What *kind* can be asked, and with what."""
    return {
        name: list(inspect.signature(value).parameters)
        for name, value in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }


def test_both_worlds_have_the_same_verbs() -> None:
    """With the same arguments."""
    assert verbs(AsyncRegistry) == {name: how for name, how in verbs(Registry).items() if name not in PLAIN}


def test_the_loop_goes_on_while_the_engine_is_asked(files: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked on another thread; who is cancelled waits no more, and it is done all the same."""
    client = files.client()
    client.register(instance())
    backend: Any = client.plain.backend
    real, inside, go, over = backend.renew, threading.Event(), threading.Event(), threading.Event()

    def slow(*given: Any) -> bool:
        inside.set()
        go.wait(5)
        try:
            return bool(real(*given))
        finally:
            over.set()

    monkeypatch.setattr(backend, "renew", slow)

    async def cancelled() -> str:
        asking = asyncio.ensure_future(client.plain.aio.renew())
        while not inside.is_set():
            await asyncio.sleep(0)
        asking.cancel()
        try:
            await asking
        except asyncio.CancelledError:
            go.set()
            while not over.is_set():
                await asyncio.sleep(0)
            await client.plain.aio.renew()  # what the first one had to say has come, and nobody wanted it
            return "cancelled"
        return "renewed"

    assert client._run is not None
    assert client._run(cancelled()) == "cancelled"


def test_an_error_is_raised_where_somebody_waits(files: Office) -> None:
    """As in the other world."""
    client = files.client()
    with pytest.raises(ValueError, match="no such"):
        client.instances("no such")


def test_what_is_known_is_known_at_once(files: Office) -> None:
    """Nobody is asked, so nobody waits."""
    client = files.client()
    client.register(instance())
    client.instances("orders")
    assert ids(client.plain.aio.known("orders")) == ["a"]


def test_an_engine_inside_the_process_needs_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked at once."""
    monkeypatch.setattr(POOL, "start", lambda job: False)
    office = Office("memory", "async", tmp_path)
    assert office.client().config("orders").revision == 0
    office.close()


def test_without_a_free_worker_it_is_refused_at_once(files: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no line to wait in."""
    monkeypatch.setattr(POOL, "start", lambda job: False)
    client = files.client()
    with pytest.raises(RegistryError, match="no worker thread is free"):
        client.config("orders")
