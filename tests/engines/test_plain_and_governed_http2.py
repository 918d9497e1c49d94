"""HTTP/2, which httpx2 and httpx have, plain and governed: equal answers, and the server was asked the same."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from outbound.worlds import NAMES, WORLDS, World, again, opened
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout
from svcgov.outbound.govern import govern

from .secure import Authority, Http2

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Feature = Callable[[World, Any, str, Http2], Any]

pytestmark = pytest.mark.extras

OURS = {"traceparent", "x-request-deadline-ms"}


def told(response: Any) -> Any:
    """What an answer says of itself."""
    return response.http_version, response.status_code, response.text


def many(world: World, client: Any, url: str, server: Http2) -> Any:
    """Several at once, over one connection where there is a loop."""

    async def at_once() -> list[Any]:
        return await asyncio.gather(*(client.get(f"{url}/{number}") for number in range(8)))

    if world.kind == "sync":
        answers = [client.get(f"{url}/{number}") for number in range(8)]
    else:
        world.call(client.get, url)
        answers = world.call(at_once)
    return [told(answer) for answer in answers], len(server.connections)


def left(world: World, client: Any, url: str, server: Http2) -> Any:
    """An answer that nobody reads to its end; the connection goes on."""

    def leave() -> int:
        with client.stream("GET", url) as response:
            return int(response.status_code)

    async def aleave() -> int:
        async with client.stream("GET", url) as response:
            return int(response.status_code)

    status = world.call(leave if world.kind == "sync" else aleave)
    return status, told(world.call(client.get, url)), len(server.connections)


def moved(world: World, client: Any, url: str, server: Http2) -> Any:
    """Redirects that are followed."""
    server.statuses[:] = [302, 307]
    answer = world.call(client.get, url, follow_redirects=True)
    return told(answer), [one.http_version for one in answer.history]


def refused(world: World, client: Any, url: str, server: Http2) -> Any:
    """An answer that is no good, and is not asked for again: it might be done twice."""
    server.statuses[:] = [500]
    return told(world.call(client.post, url, content=b"x"))


def upload(world: World, client: Any, url: str, server: Http2) -> Any:
    """A body in parts."""
    return told(world.call(client.put, url, content=world.body([b"one", b"two"])))


FEATURES: dict[str, Feature] = {
    "get": lambda world, client, url, server: told(world.call(client.get, url)),
    "json, sent": lambda world, client, url, server: told(world.call(client.post, url, json={"a": "é"})),
    "form": lambda world, client, url, server: told(world.call(client.post, url, data={"a": "1"})),
    "streamed request": lambda world, client, url, server: told(
        world.call(client.put, url, content=world.body([b"one", b"two"]))
    ),
    "streamed answer": lambda world, client, url, server: b"".join(world.streamed(client, url)),
    "headers": lambda world, client, url, server: told(world.call(client.get, url, headers={"X-Mine": "a"})),
    "basic authentication": lambda world, client, url, server: told(world.call(client.get, url, auth=("user", "secret"))),
    "other methods": lambda world, client, url, server: told(world.call(client.request, "DELETE", url)),
    "a time-out": lambda world, client, url, server: told(world.call(client.get, url, timeout=15.0)),
    "many at once": many,
    "an answer that is left": left,
    "redirects": moved,
    "an error": refused,
}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """It signs for the server."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[Http2]:
    """The server."""
    made = Http2(authority.server(protocols=("h2", "http/1.1")))
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(params=WORLDS, ids=NAMES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """httpx2 and httpx, sync and async."""
    yield from opened(*request.param)


def client_of(world: World, authority: Authority) -> Any:
    """A client that prefers HTTP/2, closed when the test ends."""
    return world.client(http2=True, verify=authority.client(), trust_env=False)


def asked(server: Http2) -> list[Any]:
    """What the server was asked, but for what is ours; those that came at once in one order."""
    found = [{**one, "headers": {name: said for name, said in one["headers"].items() if name not in OURS}} for one in server.seen]
    return sorted(found, key=lambda one: str(one["path"]))


@pytest.mark.parametrize("feature", FEATURES)
def test_a_feature_of_http2_is_the_same_plain_and_governed(
    world: World, authority: Authority, server: Http2, feature: str
) -> None:
    """What comes back, over how many connections, and what the server was asked; no permit is left out."""
    gate = bulkhead(10)
    pipeline = Pipeline(timeout(20.0), gate, again(), circuit_breaker(), timeout(15.0))
    results = []
    for governed in (False, True):
        client = client_of(world, authority)
        if governed:
            govern(client, target="payments", pipeline=pipeline)
        server.seen.clear()
        server.connections.clear()
        answer = FEATURES[feature](world, client, f"{server.url}/orders", server)
        results.append((answer, asked(server)))
    assert results[0] == results[1]
    assert {one["http_version"] for one in results[1][1]} == {"2"}
    assert gate.snapshot()["in_use"] == 0


def test_another_attempt_goes_over_the_same_connection(world: World, authority: Authority, server: Http2) -> None:
    """An answer that is no good is closed first; the one that follows is the caller's."""
    server.connections.clear()
    server.statuses[:] = [503, 503]
    client = govern(client_of(world, authority), target="payments", pipeline=Pipeline(again()))
    answer = world.call(client.get, server.url)
    assert (answer.status_code, answer.http_version, len(server.connections)) == (200, "HTTP/2", 1)
    assert server.statuses == []
