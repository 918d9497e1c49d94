"""Governed clients of httpx2 and httpx against a real server on the loopback, which counts what it was asked."""

from __future__ import annotations

import asyncio
import pickle
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from outbound.worlds import NAMES, TRACE, WORLDS, Clock, World, invoked, opened
from svcgov import Pipeline, bulkhead, circuit_breaker, retry, timeout
from svcgov.errors import CallTimeoutError, CircuitOpenError
from svcgov.outbound.govern import govern

from .http_service import Answer, Service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from svcgov.pipeline import Policy


@pytest.fixture(scope="module")
def running() -> Iterator[Service]:
    """A server on a free port, stopped with the module."""
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


@pytest.fixture(params=WORLDS, ids=NAMES)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """httpx2 and httpx, sync and async."""
    yield from opened(*request.param)


@pytest.fixture
def closed_port() -> Iterator[str]:
    """The URL of a port where nobody listens: it is bound, so nobody else can get it."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}/"


def quick(attempts: int = 3, **options: Any) -> Any:
    """A retry that hardly waits."""
    return retry(attempts=attempts, backoff=0.001, budget=None, **options)


def client_of(world: World, *policies: Policy, target: str | None = "payments", **options: Any) -> Any:
    """A governed client with a real transport."""
    return govern(world.client(**options), target=target, pipeline=Pipeline(*policies))


# -- repeating --------------------------------------------------------------------------------------------------------


def test_a_failing_answer_is_followed_by_another_attempt(world: World, service: Service) -> None:
    """503, then 200: the server saw two requests, the caller one answer."""
    url = service.script("/charge", 503, 200)
    assert world.call(client_of(world, quick()).get, url).text == "ok"
    assert service.asked("/charge") == 2


def test_a_post_is_sent_once(world: World, service: Service) -> None:
    """Its 503 is the caller's to judge."""
    url = service.script("/charge", Answer(503, body=b"down"), 200)
    response = world.call(client_of(world, quick()).post, url, content=b"x")
    assert (response.status_code, response.text) == (503, "down")
    assert service.asked("/charge") == 1


def test_a_post_with_a_key_is_repeated_with_the_same_key_and_body(world: World, service: Service) -> None:
    """The server can tell that it is the same charge."""
    url = service.script("/charge", 503, 503, 200)
    client = client_of(world, quick())
    assert world.call(client.post, url, json={"a": 1}, headers={"Idempotency-Key": "k"}).status_code == 200
    seen = service.seen["/charge"]
    assert [(one.headers["idempotency-key"], one.body) for one in seen] == [("k", seen[0].body)] * 3


def test_a_streamed_upload_is_sent_once(world: World, service: Service) -> None:
    """Whatever the retry was told."""
    url = service.script("/upload", 503, 200)
    response = world.call(client_of(world, quick(idempotent=True)).put, url, content=world.body([b"a", b"b"]))
    assert response.status_code == 503
    assert [one.body for one in service.seen["/upload"]] == [b"ab"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "7"},
        {"Retry-After": "Tue, 03 Jun 2025 10:00:07 GMT", "Date": "Tue, 03 Jun 2025 10:00:00 GMT"},
    ],
    ids=["seconds", "date"],
)
def test_the_servers_retry_after_is_waited_exactly(world: World, service: Service, headers: dict[str, str]) -> None:
    """In both of its forms, and instead of the backoff."""
    clock = Clock()
    url = service.script("/charge", Answer(429, headers), 200)
    assert world.call(client_of(world, retry(backoff=0.1, clock=clock)).get, url).status_code == 200
    assert clock.slept == [7.0]


def test_a_retry_after_that_does_not_fit_the_deadline_ends_the_retry(world: World, service: Service) -> None:
    """The server's answer at once, rather than a time-out later."""
    clock = Clock()
    url = service.script("/charge", Answer(503, {"Retry-After": "60"}), 200)
    client = client_of(world, timeout(5.0, clock=clock), retry(clock=clock))
    assert world.call(client.get, url).status_code == 503
    assert clock.slept == []


def test_a_refused_connection_is_counted_and_repeated(world: World, closed_port: str) -> None:
    """It is the client's own error in the end."""
    breaker = circuit_breaker(consecutive_failures=10)
    with pytest.raises(world.package.ConnectError):
        world.call(client_of(world, quick(), breaker).get, closed_port)
    assert breaker.snapshot()["failed"] == 3


# -- the breaker ------------------------------------------------------------------------------------------------------


def test_a_breaker_opens_and_its_refusal_is_an_error_of_both_sides(world: World, service: Service) -> None:
    """Nothing reaches the server any more; the refusal goes through a pickle whole."""
    url = service.script("/charge", 503)
    client = client_of(world, circuit_breaker(consecutive_failures=2))
    for _ in range(2):
        assert world.call(client.get, url).status_code == 503
    with pytest.raises(world.package.TransportError) as caught:
        world.call(client.get, url)
    assert caught.value.request.url == url
    assert isinstance(caught.value, CircuitOpenError)
    back = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(back, CircuitOpenError)
    assert isinstance(back, world.package.TransportError)
    assert back.retry_after == caught.value.retry_after
    assert service.asked("/charge") == 2


# -- the deadline -----------------------------------------------------------------------------------------------------


def test_the_deadline_clips_the_read_of_a_stalling_server(world: World, service: Service) -> None:
    """The client's own 5 s would have been far too long."""
    url = service.script("/charge", Answer(stall=5.0))
    client = client_of(world, timeout(0.1), timeout=5.0)
    began = time.monotonic()
    with pytest.raises(CallTimeoutError) as caught:
        world.call(client.get, url)
    assert time.monotonic() - began < 1.0
    assert isinstance(caught.value, world.package.TimeoutException)


def test_time_outs_of_attempts_are_counted_and_repeated(world: World, service: Service) -> None:
    """Two attempts hang, the third is good: the caller does not notice."""
    url = service.script("/charge", Answer(stall=5.0), Answer(stall=5.0), 200)
    breaker = circuit_breaker(consecutive_failures=10)
    client = client_of(world, timeout(5.0), quick(), breaker, timeout(0.08))
    assert world.call(client.get, url).status_code == 200
    assert service.asked("/charge") == 3
    assert breaker.snapshot()["failed"] == 2


def test_the_clients_own_time_out_stays_its_own(world: World, service: Service) -> None:
    """Where it is tighter than the deadline."""
    url = service.script("/charge", Answer(stall=5.0))
    with pytest.raises(world.package.ReadTimeout) as caught:
        world.call(client_of(world, timeout(5.0), timeout=0.05).get, url)
    assert not isinstance(caught.value, CallTimeoutError)


def test_a_body_may_take_longer_than_its_attempt(world: World, service: Service) -> None:
    """The call ends with the head of the answer."""
    url = service.script("/big", Answer(body=b"slowly", pause=0.15))
    client = client_of(world, timeout(5.0), quick(), timeout(0.05))
    assert b"".join(world.streamed(client, url)) == b"slowly"
    assert service.asked("/big") == 1


# -- headers ----------------------------------------------------------------------------------------------------------


def test_the_server_sees_trace_baggage_colour_and_a_shrinking_deadline(world: World, service: Service) -> None:
    """One trace, a span for each attempt, and the milliseconds that are left now."""
    clock = Clock()
    url = service.script("/charge", 503, 503, 200)
    client = client_of(world, timeout(10.0, clock=clock), retry(backoff=1.0, clock=clock, budget=None))
    with invoked(baggage={"tenant": "acme"}):
        world.call(client.get, url)
    seen = [one.headers for one in service.seen["/charge"]]
    assert {one["traceparent"].split("-")[1] for one in seen} == {TRACE.trace_id}
    assert len({one["traceparent"] for one in seen}) == 3
    assert all("tenant=acme" in one["baggage"] and one["x-svcgov-colour"] == "blue" for one in seen)
    left = [int(one["x-request-deadline-ms"]) for one in seen]
    assert left == [pytest.approx(ms, abs=10) for ms in (9995, 8995, 7995)]


def test_a_host_that_is_not_ours_is_not_told_the_colour(world: World, service: Service) -> None:
    """The trace goes along."""
    url = service.script("/charge", 200)
    with invoked():
        world.call(client_of(world, target=None).get, url)
    headers = service.seen["/charge"][0].headers
    assert TRACE.trace_id in headers["traceparent"]
    assert "x-svcgov-colour" not in headers
    assert "colour" not in headers.get("baggage", "")


# -- the client stays what it is ---------------------------------------------------------------------------------------


def test_a_streamed_answer_is_streamed(world: World, service: Service) -> None:
    """It is not read before the caller reads it."""
    url = service.script("/big", Answer(body=b"x" * 300_000))
    parts = world.streamed(client_of(world, quick()), url)
    assert b"".join(parts) == b"x" * 300_000
    assert len(parts) > 1


def test_a_base_url_and_default_headers_hold(world: World, service: Service) -> None:
    """What the client was made with."""
    service.script("/v1/charge", 200)
    client = client_of(world, quick(), base_url=f"{service.url}/v1", headers={"X-Team": "shop"})
    assert world.call(client.get, "charge").status_code == 200
    assert service.seen["/v1/charge"][0].headers["x-team"] == "shop"


def test_redirects_are_followed_and_each_hop_is_governed(world: World, service: Service) -> None:
    """A 503 on the second hop is repeated there, without asking the first one again."""
    url = service.script("/old", Answer(302, {"Location": "/new"}))
    service.script("/new", 503, 200)
    response = world.call(client_of(world, quick(), follow_redirects=True).get, url)
    assert (response.status_code, len(response.history)) == (200, 1)
    assert (service.asked("/old"), service.asked("/new")) == (1, 2)


def test_cookies_are_kept(world: World, service: Service) -> None:
    """Set by one answer, sent with the next request."""
    url = service.script("/login", Answer(headers={"Set-Cookie": "session=abc"}), 503, 200)
    client = client_of(world, quick())
    world.call(client.get, url)
    world.call(client.get, url)
    assert [one.headers.get("cookie") for one in service.seen["/login"]] == [None, "session=abc", "session=abc"]


def test_an_authentication_in_two_steps_works(world: World, service: Service) -> None:
    """Digest: the challenge is an answer, not a failure, and the second request is built from it."""
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
    url = service.script("/charge", Answer(401, {"WWW-Authenticate": challenge}), 503, 200)
    client = client_of(world, quick(), auth=world.package.DigestAuth("user", "secret"))
    assert world.call(client.get, url).status_code == 200
    first, second, third = (one.headers.get("authorization", "") for one in service.seen["/charge"])
    assert first == ""
    assert second.startswith("Digest ")
    assert third == second


def test_hooks_see_each_request_of_the_client_once(world: World, service: Service) -> None:
    """They belong to the client's request: attempts are inside."""
    seen: list[str] = []

    def on_request(request: Any) -> None:
        seen.append(request.method)

    def on_response(response: Any) -> None:
        seen.append(str(response.status_code))

    async def on_request_async(request: Any) -> None:
        on_request(request)

    async def on_response_async(response: Any) -> None:
        on_response(response)

    hooks: dict[str, list[Any]] = {"request": [on_request], "response": [on_response]}
    if world.kind == "async":
        hooks = {"request": [on_request_async], "response": [on_response_async]}
    url = service.script("/charge", 503, 200)
    world.call(client_of(world, quick(), event_hooks=hooks).get, url)
    assert seen == ["GET", "200"]


def test_the_users_error_in_a_hook_is_raised_as_it_is(world: World, service: Service) -> None:
    """It is not ours, and it is no failure of the service."""
    mine = LookupError("mine")

    def raising(response: Any) -> None:
        raise mine

    async def raising_async(response: Any) -> None:
        raise mine

    hooks: dict[str, list[Any]] = {"response": [raising if world.kind == "sync" else raising_async]}
    breaker = circuit_breaker(consecutive_failures=1)
    client = client_of(world, quick(), breaker, event_hooks=hooks)
    url = service.script("/charge", 200)
    with pytest.raises(LookupError) as caught:
        world.call(client.get, url)
    assert caught.value is mine
    assert breaker.current_state == "closed"


def test_raise_for_status_works_on_the_last_answer(world: World, service: Service) -> None:
    """The answer knows the caller's request."""
    url = service.script("/charge", 503)
    response = world.call(client_of(world, quick()).get, url)
    with pytest.raises(world.package.HTTPStatusError, match="503"):
        response.raise_for_status()


def test_connections_are_used_again(world: World, service: Service) -> None:
    """Clean calls through a governed client share one connection, as without us."""
    url = service.script("/charge", 200)
    client = client_of(world, timeout(5.0), quick(), circuit_breaker(), timeout(1.0))
    for _ in range(5):
        world.call(client.get, url)
    assert len(client._transport._pool.connections) == 1


def test_no_connection_is_left_behind_by_what_was_retried(world: World, service: Service) -> None:
    """Failing answers, clipped time-outs: the pool has no connection in use in the end."""
    url = service.script("/charge", 503, Answer(stall=5.0), 503, 200)
    client = client_of(world, timeout(5.0), quick(4), timeout(0.08))
    assert world.call(client.get, url).status_code == 200
    assert all(connection.is_idle() for connection in client._transport._pool.connections)


# -- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", [one for one, kind in WORLDS if kind == "sync"], ids=["httpx2", "httpx"])
def test_eight_threads_share_a_governed_client(package: Any, service: Service) -> None:
    """Every call gets its answer, every permit comes back, and the server saw no more than was asked."""
    url = service.script("/charge", 200)
    gate = bulkhead(8)
    answers: list[int] = []
    with package.Client() as client:
        govern(client, target="payments", pipeline=Pipeline(timeout(5.0), gate, quick(), circuit_breaker(), timeout(2.0)))

        def work() -> None:
            answers.extend(client.get(url).status_code for _ in range(10))

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 80
    assert service.asked("/charge") == 80
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("package", [one for one, kind in WORLDS if kind == "async"], ids=["httpx2", "httpx"])
def test_fifty_tasks_share_a_governed_client(package: Any, service: Service) -> None:
    """As above; half of the first answers are failures, and each is followed by one more attempt."""
    url = service.script("/charge", *[503] * 25, 200)
    gate = bulkhead(50)

    async def scenario() -> list[int]:
        async with package.AsyncClient() as client:
            govern(client, target="payments", pipeline=Pipeline(timeout(5.0), gate, quick(10), timeout(2.0)))
            answers = await asyncio.gather(*(client.get(url) for _ in range(50)))
            return [answer.status_code for answer in answers]

    assert asyncio.run(scenario()) == [200] * 50
    assert service.asked("/charge") == 75
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("package", [one for one, kind in WORLDS if kind == "async"], ids=["httpx2", "httpx"])
def test_attempts_that_are_cut_off_leave_no_connection_in_the_pool(package: Any) -> None:
    """Also on a busy loop, where the deadline's cancellation and the client's time-out are due at the same moment."""

    async def scenario(url: str) -> tuple[set[type], int]:
        async def busy() -> None:
            while True:
                time.sleep(0.004)  # noqa: ASYNC251  # what a busy loop is
                await asyncio.sleep(0.001)

        hog = asyncio.create_task(busy())
        async with package.AsyncClient(timeout=5.0, limits=package.Limits(max_connections=100)) as client:
            govern(client, target="payments", pipeline=Pipeline(timeout(0.1)))
            ends = await asyncio.gather(*(client.get(url) for _ in range(60)), return_exceptions=True)
            left = [one for one in client._transport._pool.connections if not one.is_closed()]
        hog.cancel()
        return {type(end).__mro__[1] for end in ends}, len(left)

    with socket.create_server(("127.0.0.1", 0), backlog=100) as deaf:
        kinds, left = asyncio.run(scenario(f"http://127.0.0.1:{deaf.getsockname()[1]}/"))
    assert kinds == {CallTimeoutError}
    assert left == 0
