"""The four worlds of httpx, two plain clients on a made-up wire, and a real server for those that have none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engines.http_service import Service

from . import aio, aws
from .plain import CLIENTS
from .worlds import NAMES, WORLDS, Clock, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plain import Client
    from .worlds import World


@pytest.fixture(params=WORLDS, ids=NAMES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """httpx2 and httpx, sync and async."""
    yield from opened(*request.param)


@pytest.fixture(params=[one for one in WORLDS if one[1] == "sync"], ids=["httpx2", "httpx"])
def sync_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """For what only plain functions show."""
    yield from opened(*request.param)


@pytest.fixture(params=[one for one in WORLDS if one[1] == "async"], ids=["httpx2", "httpx"])
def async_world(request: pytest.FixtureRequest) -> Iterator[World]:
    """For what only tasks show."""
    yield from opened(*request.param)


@pytest.fixture(params=CLIENTS, ids=[one.name for one in CLIENTS])
def plain(request: pytest.FixtureRequest) -> Client:
    """requests and urllib3."""
    made: Client = request.param
    return made


@pytest.fixture
def clock() -> Clock:
    """Time that moves only by sleeping."""
    return Clock()


@pytest.fixture(scope="session")
def running() -> Iterator[Service]:
    """A server on a free port."""
    service = Service()
    try:
        yield service
    finally:
        service.close()


@pytest.fixture
def service(running: Service) -> Service:
    """The server, which remembers nothing."""
    running.scripts.clear()
    running.seen.clear()
    return running


@pytest.fixture
def sessions() -> Iterator[aio.Sessions]:
    """Sessions of aiohttp."""
    yield from aio.opened()


@pytest.fixture
def clients(service: Service) -> Iterator[aws.Clients]:
    """Clients of AWS, which is our server."""
    yield from aws.opened(service)
