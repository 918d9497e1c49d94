"""What is left of a call when it is over: nothing that waits for the collector."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, bulkhead
from svcgov.outbound._edge import Exchange
from svcgov.outbound.govern import govern

from .aws import bad, good
from .plain import Wire
from .worlds import URL, again

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.http_service import Service

    from .aio import Sessions
    from .aws import Clients
    from .plain import Client
    from .worlds import World


@pytest.fixture(autouse=True)
def _nobody_collects() -> Iterator[None]:
    """So what is in a cycle is still there."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def left() -> list[Any]:
    """The calls that somebody still holds."""
    return [one for one in gc.get_objects() if isinstance(one, Exchange)]


def test_of_httpx(world: World) -> None:
    """Of an answer, and of a second attempt."""
    client = world.governed(world.wire(200, 503, 200), again(), bulkhead(5))
    for _ in range(2):
        world.call(client.get, URL)
    assert left() == []


def test_of_plain_clients(plain: Client) -> None:
    """Likewise."""
    client = plain.governed(Wire(200, 503, 200), again(), bulkhead(5), target=None)
    for _ in range(2):
        plain.ask(client, url=URL)
    assert left() == []


def test_of_aiohttp(sessions: Sessions, service: Service) -> None:
    """Likewise."""
    session = govern(sessions.plain(), target=None, pipeline=Pipeline(again(), bulkhead(5)))
    url = service.script("/charge", 200, 503, 200)
    for _ in range(2):
        sessions.get(session, url)
    assert left() == []


def test_of_clients_of_aws(clients: Clients, service: Service) -> None:
    """Likewise."""
    service.script("/", good(), bad("InternalError", 500), good())
    client = govern(clients.plain(retries={"total_max_attempts": 1}), target="orders", pipeline=Pipeline(again(), bulkhead(5)))
    for _ in range(2):
        client.list_queues()
    assert left() == []
