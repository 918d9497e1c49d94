"""Governed sessions of aiohttp, and that they stay the sessions they are."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from engines.http_service import Answer
from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import CircuitOpenError, ConfigError, RateLimitedError
from svcgov.outbound.govern import govern

from .worlds import TRACE, again, invoked

if TYPE_CHECKING:
    from engines.http_service import Service

    from .aio import Sessions


def policies(attempts: int = 3) -> Pipeline:
    """Made anew at each call, as a module that is run twice does."""
    return Pipeline(timeout(5.0), retry(attempts=attempts, backoff=0), circuit_breaker())


# -- in place ----------------------------------------------------------------------------------------------------------


def test_the_same_session_comes_back_and_stays_of_its_class(sessions: Sessions) -> None:
    """Whoever holds it holds a governed one; what it is called does not change."""
    session = sessions.plain()
    before = repr(type(session))
    assert govern(session, target="payments", pipeline=Pipeline()) is session
    assert isinstance(session, aiohttp.ClientSession)
    assert repr(type(session)) == before


def test_an_equal_repeat_does_nothing_and_a_different_one_is_refused(sessions: Sessions, service: Service) -> None:
    """Policies are not put around each other; nobody could say which of both hold."""
    url = service.script("/charge", 503)
    session = sessions.plain()
    govern(session, target="payments", pipeline=policies())
    govern(session, target="payments", pipeline=policies())
    with pytest.raises(ConfigError, match="governed by already"):
        govern(session, target="payments", pipeline=policies(attempts=4))
    sessions.get(session, url)
    assert service.asked("/charge") == 3


def test_sessions_of_one_class_have_policies_of_their_own(sessions: Sessions, service: Service) -> None:
    """The class of ours above theirs is shared, the policies are not."""
    here, there = service.script("/here", 503, 200), service.script("/there", 503, 200)
    assert sessions.get(sessions.governed(again()), here).status == 200
    assert sessions.get(sessions.governed(), there).status == 503


def test_a_development_mode_has_nothing_to_warn_of() -> None:
    """There aiohttp watches who sets what on a session."""
    code = (
        "import aiohttp, asyncio, svcgov\n"
        "async def main():\n"
        "    async with aiohttp.ClientSession() as session:\n"
        "        svcgov.govern(session, target='payments', policy=svcgov.timeout(1.0))\n"
        "asyncio.run(main())"
    )
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_session_of_somebodys_own_class_is_governed(sessions: Sessions, service: Service) -> None:
    """Its own ``_request`` sees a call once, whatever that takes."""
    with pytest.warns(DeprecationWarning, match="Inheritance"):

        class Kit(aiohttp.ClientSession):
            asked = 0

            async def _request(self, *args: Any, **options: Any) -> Any:
                Kit.asked += 1
                return await super()._request(*args, **options)

    session = sessions.plain(Kit)
    govern(session, target="payments", pipeline=Pipeline(again()))
    assert sessions.get(session, service.script("/charge", 503, 200)).status == 200
    assert (Kit.asked, service.asked("/charge")) == (1, 2)


# -- what the caller sees ----------------------------------------------------------------------------------------------


def test_an_answer_can_be_awaited_without_a_block(sessions: Sessions, service: Service) -> None:
    """Both ways of asking are as ever."""
    url = service.script("/charge", 503, Answer(body=b"in full"))
    session = sessions.governed(again())

    async def asked() -> Any:
        response = await session.get(url)
        return response.status, await response.text()

    assert sessions.run(asked) == (200, "in full")


@pytest.mark.parametrize("where", ["session", "request"])
def test_raise_for_status_raises_of_the_last_answer(sessions: Sessions, service: Service, where: str) -> None:
    """When the policies are done with it."""
    url = service.script("/charge", 500, 500, 503)
    session = sessions.governed(again(), raise_for_status=where == "session")
    with pytest.raises(aiohttp.ClientResponseError) as caught:
        sessions.get(session, url, **({"raise_for_status": True} if where == "request" else {}))
    assert caught.value.status == 503
    assert service.asked("/charge") == 3


def test_redirects_have_their_history_and_each_hop_attempts_of_its_own(sessions: Sessions, service: Service) -> None:
    """A 503 on the second hop is repeated there, without asking the first one again; each counts once."""
    url = service.script("/old", Answer(302, {"Location": "/new"}))
    service.script("/new", 503, Answer(body=b"there"))
    gate = rate_limit("3/minute")
    session = sessions.governed(again(), gate)
    answer = sessions.get(session, url)
    assert (answer.status, answer.body, [one.status for one in answer.history]) == (200, b"there", [302])
    assert (service.asked("/old"), service.asked("/new")) == (1, 2)
    with pytest.raises(RateLimitedError):
        sessions.get(session, url)


def test_cookies_are_kept(sessions: Sessions, service: Service) -> None:
    """Set by one answer, also by one that redirects, sent with the next request."""
    url = service.script("/login", Answer(302, {"Set-Cookie": "session=abc", "Location": "/in"}))
    service.script("/in", 503, 200)
    sessions.get(sessions.governed(again()), url.replace("127.0.0.1", "localhost"))  # an address has none
    assert [one.headers.get("cookie") for one in service.seen["/in"]] == ["session=abc"] * 2


def test_middlewares_of_the_session_and_of_a_request_see_a_request_once(sessions: Sessions, service: Service) -> None:
    """Ours is the innermost one, and those of a request do not take its place."""
    seen: list[tuple[str, int]] = []

    def noting(name: str) -> Any:
        async def note(request: Any, handler: Any) -> Any:
            response = await handler(request)
            seen.append((name, response.status))
            return response

        return note

    url = service.script("/charge", 503, 200, 503, 200)
    session = sessions.governed(again(), middlewares=(noting("session"),))
    sessions.get(session, url)
    sessions.get(session, url, middlewares=(noting("request"),))
    assert seen == [("session", 200), ("request", 200)]
    assert service.asked("/charge") == 4


def test_an_authentication_in_two_steps_is_governed_in_both(sessions: Sessions, service: Service) -> None:
    """Digest: the challenge is an answer, and the second request has attempts of its own."""
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
    url = service.script("/charge", Answer(401, {"WWW-Authenticate": challenge}), 503, 200)
    digest = aiohttp.DigestAuthMiddleware(login="user", password="secret")  # noqa: S106  # nobody's
    assert sessions.get(sessions.governed(timeout(5.0), again(), middlewares=(digest,)), url).status == 200
    first, second, third = (one.headers.get("authorization", "") for one in service.seen["/charge"])
    assert (first, second[:7]) == ("", "Digest ")
    assert third == second


def test_tracing_tells_of_a_call_once_and_of_each_connection(sessions: Sessions, service: Service) -> None:
    """What ``TraceConfig`` has to say is said."""
    told: list[str] = []
    config = aiohttp.TraceConfig()

    def telling(name: str) -> Any:
        async def tell(*_: Any) -> None:
            told.append(name)

        return tell

    for name in ("request_start", "request_end", "connection_create_end", "connection_reuseconn", "request_exception"):
        getattr(config, f"on_{name}").append(telling(name))
    session = sessions.governed(again(), trace_configs=[config])
    sessions.get(session, service.script("/charge", 503, 200))
    assert told[0] == "request_start"
    assert told[-1] == "request_end"
    assert sum(name.startswith("connection") for name in told) == 2


def test_a_websocket_is_governed_until_it_is_one(sessions: Sessions) -> None:
    """A handshake that fails is repeated; what is said afterwards is nobody else's business, and holds no permit."""
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers["traceparent"])
        if len(asked) == 1:
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(f"{message.data}, too")
        return socket

    gate = bulkhead(1)
    session = sessions.governed(timeout(5.0), gate, again())

    async def talk() -> tuple[str, int]:
        app = web.Application()
        app.router.add_get("/", answer)
        async with TestServer(app) as server, session.ws_connect(server.make_url("/")) as socket:
            await socket.send_str("hello")
            return await socket.receive_str(), gate.snapshot()["in_use"]

    with invoked():
        assert sessions.run(talk) == ("hello, too", 0)
    assert len(asked) == 2
    assert all(TRACE.trace_id in one for one in asked)


def test_a_refusal_is_an_error_of_both_sides_that_knows_the_request(sessions: Sessions, service: Service) -> None:
    """Existing ``except`` clauses go on working."""
    url = service.script("/charge", 503)
    session = sessions.governed(circuit_breaker(consecutive_failures=1))
    sessions.get(session, url)
    with pytest.raises(aiohttp.ClientConnectionError) as caught:
        sessions.get(session, url)
    assert isinstance(caught.value, CircuitOpenError)
    refused: Any = caught.value
    assert (str(refused.url), refused.method) == (url, "GET")
    assert service.asked("/charge") == 1


def test_calls_are_recorded_under_the_name_of_the_target(sessions: Sessions, service: Service) -> None:
    """A failing answer is a failure."""
    pipeline = Pipeline()
    session = govern(sessions.plain(), target="payments", pipeline=pipeline)
    url = service.script("/charge", 200, 503)
    sessions.get(session, url)
    sessions.get(session, url)
    record = pipeline.snapshot()["aiohttp.payments"]
    assert (record["succeeded"], record["failed"]) == (1, 1)


def test_control_traffic_is_never_governed(sessions: Sessions, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A breaker that opened there would take the function down."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", service.url.removeprefix("http://"))
    session = sessions.governed(again(), circuit_breaker(consecutive_failures=1))
    url = service.script("/next", 503)
    assert [sessions.get(session, url).status for _ in range(3)] == [503] * 3
    assert service.asked("/next") == 3


def test_an_url_that_is_none_is_the_error_it_was(sessions: Sessions) -> None:
    """It does not get as far as the policies."""
    breaker = circuit_breaker(consecutive_failures=1)
    session = sessions.governed(again(), breaker)
    for url, kind in (("http://", aiohttp.InvalidURL), ("gopher://a/", aiohttp.NonHttpUrlClientError)):
        with pytest.raises(kind):
            sessions.get(session, url)
    assert breaker.current_state == "closed"


def test_a_session_that_is_closed_says_so(sessions: Sessions, service: Service) -> None:
    """As ever."""
    session = sessions.governed(again())
    sessions.run(session.close)
    with pytest.raises(RuntimeError, match="closed"):
        sessions.get(session, service.script("/charge", 200))
