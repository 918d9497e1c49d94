"""Many calls at the same time, each with a colour, a tenant and a deadline of its own: none sees or hands on another's."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import httpx2
import pytest

import svcgov
from svcgov import Governor, bulkhead, retry, timeout

pytestmark = pytest.mark.extras

HOW_MANY = 200
COLOURS = ["blue", "green", "red"]
PATIENCE = 15.0


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four hundred lines are not read."""
    monkeypatch.setenv("SVCGOV_LOG", "off")


def headers_of(number: int) -> dict[str, str]:
    """What the request of this number carries."""
    return {
        "traceparent": f"00-{number + 1:032x}-{number + 1:016x}-01",
        "baggage": f"tenant=t{number}",
        "x-svcgov-colour": COLOURS[number % 3],
        "x-request-deadline-ms": str(100_000 + 10_000 * number),
        "x-request-id": f"id-{number}",
        "x-shop": f"shop-{number}",
    }


def check(number: int, told: dict[str, str]) -> None:
    """A service of ours was told what the request of this number carries."""
    assert told["traceparent"].split("-")[1] == f"{number + 1:032x}"
    assert told["baggage"] == f"svcgov.colour={COLOURS[number % 3]},tenant=t{number}"
    assert (told["x-svcgov-colour"], told["x-request-id"], told["x-shop"]) == (
        COLOURS[number % 3],
        f"id-{number}",
        f"shop-{number}",
    )
    allowed = 100_000 + 10_000 * number
    assert allowed - 10_000 < int(told["x-request-deadline-ms"]) <= allowed - 5


def answer(request: httpx2.Request) -> httpx2.Response:
    """A service that says what it was told."""
    return httpx2.Response(200, json=dict(request.headers))


async def later(request: httpx2.Request) -> httpx2.Response:
    """The same, after others had their turn."""
    await asyncio.sleep(0)
    return answer(request)


def policies() -> list[Any]:
    """Some that keep something in the context."""
    return [timeout(10_000.0), retry(on=ConnectionError), bulkhead(3 * HOW_MANY)]


def governor() -> Governor:
    """One that takes these colours, and hands on the shop."""
    return Governor(service="edge", colours=COLOURS, forward=["x-shop"])


def test_requests_on_tasks_do_not_cross_over() -> None:
    """By ASGI: two hundred, all of them under way before the first one goes out."""
    edge = governor()
    told: dict[int, list[dict[str, str]]] = {}

    async def main() -> None:
        together = asyncio.Barrier(HOW_MANY)
        transport = httpx2.MockTransport(later)
        async with httpx2.AsyncClient(base_url="http://next", transport=transport) as client:
            edge.govern(client, target="next", policy=policies())

            async def ask() -> dict[str, str]:
                return dict((await client.get("/")).json())

            async def app(scope: Any, receive: Any, send: Any) -> None:
                await together.wait()
                children = [svcgov.spawn(ask), svcgov.spawn(ask)]
                told[scope["number"]] = [await ask(), *(await asyncio.gather(*children))]

            async def serve(number: int) -> None:
                headers = [(name.encode(), value.encode()) for name, value in headers_of(number).items()]
                await governed({"type": "http", "path": "/", "headers": headers, "number": number}, None, None)

            governed = edge.asgi(app, policy=bulkhead(HOW_MANY))
            await asyncio.wait_for(asyncio.gather(*map(serve, range(HOW_MANY))), PATIENCE)

    asyncio.run(main())
    assert sorted(told) == list(range(HOW_MANY))
    for number, each in told.items():
        assert len(each) == 3
        for one in each:
            check(number, one)
    assert svcgov.current().platform == "none"


def test_requests_on_threads_do_not_cross_over() -> None:
    """By WSGI: a thread for each, and the body too is made in the request's own context."""
    edge = governor()
    client = edge.govern(
        httpx2.Client(base_url="http://next", transport=httpx2.MockTransport(answer)), target="next", policy=policies()
    )
    together = threading.Barrier(HOW_MANY, timeout=PATIENCE)
    told: dict[int, list[dict[str, str]]] = {}

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        together.wait()
        told[environ["number"]] = seen = [client.get("/").json()]
        start_response("200 OK", [])

        def body() -> Any:
            seen.append(client.get("/").json())
            yield b"a piece"

        return body()

    def serve(number: int) -> None:
        environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers_of(number).items()}
        pieces = governed({"REQUEST_METHOD": "GET", "PATH_INFO": "/", **environ, "number": number}, lambda *given: None)
        assert list(pieces) == [b"a piece"]

    governed = edge.wsgi(app, policy=bulkhead(HOW_MANY))
    threads = [threading.Thread(target=serve, args=(number,)) for number in range(HOW_MANY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    client.close()
    assert sorted(told) == list(range(HOW_MANY))
    for number, each in told.items():
        assert len(each) == 2
        for one in each:
            check(number, one)


def test_one_thread_shows_no_call_what_belonged_to_the_last() -> None:
    """A warm process: after a call that carried everything, one that carries nothing."""
    edge = governor()
    client = edge.govern(httpx2.Client(base_url="http://next", transport=httpx2.MockTransport(answer)), target="next")
    handler = edge.handler(lambda event, context: client.get("/").json())

    def call(headers: dict[str, str]) -> dict[str, str]:
        told: dict[str, str] = handler({"version": "2.0", "requestContext": {"http": {}}, "headers": headers}, None)
        return told

    check(7, call(headers_of(7)))
    told = call({})
    client.close()
    assert not set(told) & {"baggage", "x-svcgov-colour", "x-request-deadline-ms", "x-request-id", "x-shop"}
    assert told["traceparent"].split("-")[1] != f"{8:032x}"


def test_a_header_that_the_caller_sets_wins() -> None:
    """Over what is handed on, and over what we write."""
    edge = governor()
    client = edge.govern(httpx2.Client(base_url="http://next", transport=httpx2.MockTransport(answer)), target="next")
    mine = {"X-Shop": "mine", "X-Request-Id": "my-id", "X-Svcgov-Colour": "mauve"}
    handler = edge.handler(lambda event, context: client.get("/", headers=mine).json())
    event = {"version": "2.0", "requestContext": {"http": {}}, "headers": headers_of(1)}
    told = handler(event, None)
    client.close()
    assert (told["x-shop"], told["x-request-id"], told["x-svcgov-colour"]) == ("mine", "my-id", "mauve")


def test_others_are_told_nothing_of_it() -> None:
    """A client without a target calls hosts that are not ours."""
    edge = governor()
    client = edge.govern(httpx2.Client(base_url="http://others", transport=httpx2.MockTransport(answer)))
    handler = edge.handler(lambda event, context: client.get("/").json())
    told = handler({"version": "2.0", "requestContext": {"http": {}}, "headers": headers_of(1)}, None)
    client.close()
    assert {"traceparent", "x-request-deadline-ms"} <= set(told)
    assert not set(told) & {"baggage", "x-svcgov-colour", "x-request-id", "x-shop"}
