"""Governed sessions of aiohttp against a real application on the loopback: plain and governed give equal answers."""

from __future__ import annotations

import asyncio
import io
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from svcgov import Pipeline, bulkhead, circuit_breaker, retry, timeout
from svcgov.outbound.govern import govern

from .handshakes import unknown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    Feature = Callable[[aiohttp.ClientSession, str], Any]

FEATURES: dict[str, Feature] = {}


def feature(fn: Feature) -> Feature:
    """One thing that a session can do; what it returns is compared."""
    FEATURES[fn.__name__] = fn
    return fn


async def echo(request: web.Request) -> web.StreamResponse:
    """Say what was asked, but for what differs by nature."""
    ours = {"traceparent", "x-request-deadline-ms", "host"}
    headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in ours}
    body = (await request.read()).decode("latin-1")
    if "boundary" in headers.get("content-type", ""):
        boundary = headers["content-type"].partition("boundary=")[2]
        headers["content-type"], body = "multipart", body.replace(boundary, "-")
    return web.json_response({"method": request.method, "path": request.path_qs, "headers": headers, "body": body})


async def streamed(request: web.Request) -> web.StreamResponse:
    """In parts."""
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(3):
        await response.write(b"%d\n" % number)
    return response


async def moved(request: web.Request) -> web.StreamResponse:
    """To where the query says, in the way that the path says."""
    return web.Response(status=int(request.match_info["status"]), headers={"Location": request.query.get("to", "/moved/302")})


async def cookie(request: web.Request) -> web.StreamResponse:
    """Set one, and say which ones came."""
    response = web.json_response(dict(request.cookies))
    response.set_cookie("seen", "yes")
    return response


async def talks(request: web.Request) -> web.StreamResponse:
    """A websocket that echoes."""
    socket = web.WebSocketResponse(protocols=("chat",))
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(str(message.data).upper())
    return socket


def application() -> web.Application:
    """All of it."""
    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/streamed", streamed)
    app.router.add_route("*", "/moved/{status}", moved)
    app.router.add_get("/cookie", cookie)
    app.router.add_get("/talks", talks)
    return app


@feature
async def gets_with_parameters(session: Any, url: str) -> Any:
    async with session.get(url + "/echo", params={"a": "1", "b": "ø"}) as response:
        return await response.json()


@feature
async def posts_json(session: Any, url: str) -> Any:
    async with session.post(url + "/echo", json={"order": 7}) as response:
        return await response.json()


@feature
async def posts_a_form(session: Any, url: str) -> Any:
    async with session.post(url + "/echo", data={"a": "1", "b": "2"}) as response:
        return await response.json()


@feature
async def posts_files(session: Any, url: str) -> Any:
    form = aiohttp.FormData({"a": "1"})
    form.add_field("f", io.BytesIO(b"contents"), filename="f.txt", content_type="text/plain")
    async with session.post(url + "/echo", data=form) as response:
        return await response.json()


@feature
async def uploads_a_stream(session: Any, url: str) -> Any:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"a", b"b"):
            yield part

    async with session.put(url + "/echo", data=parts()) as response:
        return await response.json()


@feature
async def compresses(session: Any, url: str) -> Any:
    async with session.put(url + "/echo", data=b"x" * 1000, compress="deflate") as response:
        return await response.json()


@feature
async def expects_a_100(session: Any, url: str) -> Any:
    async with session.put(url + "/echo", data=b"x", expect100=True) as response:
        return await response.json()


@feature
async def reads_lines_as_they_come(session: Any, url: str) -> Any:
    async with session.get(url + "/streamed") as response:
        return [line async for line in response.content]


@feature
async def reads_parts(session: Any, url: str) -> Any:
    async with session.get(url + "/streamed") as response:
        return b"".join([part async for part in response.content.iter_chunked(2)])


@feature
async def follows_redirects(session: Any, url: str) -> Any:
    seen = []
    for status in (301, 302, 303, 307, 308):
        async with session.post(url + f"/moved/{status}", params={"to": "/echo"}, data=b"x") as response:
            seen.append((await response.json(), [one.status for one in response.history], response.url.path))
    return seen


@feature
async def does_not_follow_them_if_told_so(session: Any, url: str) -> Any:
    async with session.get(url + "/moved/302", params={"to": "/echo"}, allow_redirects=False) as response:
        return response.status, response.headers["location"], response.url.path


@feature
async def gives_up_in_circles(session: Any, url: str) -> Any:
    try:
        await session.get(url + "/moved/302", max_redirects=3)
    except aiohttp.TooManyRedirects as error:
        return [one.status for one in error.history]
    return None


@feature
async def keeps_cookies(session: Any, url: str) -> Any:
    seen = []
    for _ in range(2):
        async with session.get(url.replace("127.0.0.1", "localhost") + "/cookie") as response:
            seen.append(await response.json())
    return seen


@feature
async def authenticates(session: Any, url: str) -> Any:
    async with session.get(url.replace("//", "//user:secret@") + "/echo") as response:
        return await response.json()


@feature
async def raises_for_statuses(session: Any, url: str) -> Any:
    try:
        await session.get(url + "/none", raise_for_status=True)
    except aiohttp.ClientResponseError as error:
        return error.status, error.message, error.request_info.method
    return None


@feature
async def goes_by_way_of_a_proxy(session: Any, url: str) -> Any:
    async with session.get("http://shop.test/echo", proxy=url) as response:
        return await response.json()


@feature
async def has_its_own_headers(session: Any, url: str) -> Any:
    async with session.get(url + "/echo", headers={"X-Team": "shop"}, skip_auto_headers=["User-Agent"]) as response:
        return await response.json()


@feature
async def asks_for_the_head_and_the_options(session: Any, url: str) -> Any:
    seen = []
    for method in ("HEAD", "OPTIONS", "PATCH", "DELETE"):
        async with session.request(method, url + "/echo") as response:
            seen.append((response.status, response.method, len(await response.read()) > 0))
    return seen


@feature
async def talks_by_a_websocket(session: Any, url: str) -> Any:
    async with session.ws_connect(url + "/talks", protocols=("chat",)) as socket:
        await socket.send_str("hello")
        return await socket.receive_str(), socket.protocol


@feature
async def says_that_there_is_no_websocket(session: Any, url: str) -> Any:
    try:
        await session.ws_connect(url + "/echo")
    except aiohttp.WSServerHandshakeError as error:
        return error.status, error.message
    return None


@feature
async def asks_for_many_at_once(session: Any, url: str) -> Any:
    async def one(number: int) -> Any:
        async with session.get(url + "/echo", params={"n": number}) as response:
            return (await response.json())["path"]

    return await asyncio.gather(*map(one, range(10)))


@feature
async def refuses_what_is_no_address(session: Any, url: str) -> Any:
    kinds = []
    for wrong in ("http://", "gopher://a", "/relative"):
        try:
            await session.get(wrong)
        except Exception as error:
            kinds.append(type(error))
    return kinds


@asynccontextmanager
async def asked(govern_it: bool, **options: Any) -> AsyncIterator[tuple[Any, Any]]:
    """A session, governed or not, and its bulkhead."""
    gate = bulkhead(20)
    async with aiohttp.ClientSession(**options) as session:
        if govern_it:
            policies = timeout(10.0), gate, retry(attempts=2, backoff=0), circuit_breaker(), timeout(5.0)
            govern(session, target="payments", pipeline=Pipeline(*policies))
        yield session, gate


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_of_the_client_is_the_same_plain_and_governed(name: str) -> None:
    """What comes back, and what the server was asked; no permit is left out."""

    async def both() -> list[Any]:
        seen = []
        for govern_it in (False, True):
            async with TestServer(application()) as server, asked(govern_it) as (session, gate):
                seen.append(await FEATURES[name](session, f"http://127.0.0.1:{server.port}"))
                assert gate.snapshot()["in_use"] == 0
        return seen

    plain, governed = asyncio.run(both())
    assert governed == plain
    assert plain


@pytest.mark.parametrize("govern_it", [False, True])
def test_connections_are_used_again_also_by_tls(govern_it: bool) -> None:
    """As many as without us: one."""
    made: list[str] = []
    config = aiohttp.TraceConfig()

    async def create(*_: Any) -> None:
        made.append("connection")

    config.on_connection_create_end.append(create)

    async def several() -> None:
        trusting = ssl.create_default_context()
        trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
        server = TestServer(application(), scheme="https")
        await server.start_server(ssl=unknown())
        async with server, asked(govern_it, trace_configs=[config]) as (session, _):
            for _ in range(4):
                async with session.get(server.make_url("/echo"), ssl=trusting) as response:
                    assert (await response.json())["method"] == "GET"

    asyncio.run(several())
    assert made == ["connection"]
