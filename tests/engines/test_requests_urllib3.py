"""Governed clients of requests and urllib3 against a real server on the loopback: they stay the clients they are."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3

from outbound.plain import CLIENTS, Wire, once
from outbound.worlds import TRACE, invoked
from svcgov import Pipeline, bulkhead, circuit_breaker, retry, timeout
from svcgov.outbound.govern import govern

from .http_service import Answer, Service
from .misbehaving import FAULTS, Misbehaving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from outbound.plain import Client
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


@pytest.fixture(params=CLIENTS, ids=[one.name for one in CLIENTS])
def plain(request: pytest.FixtureRequest) -> Client:
    """How each of them is asked."""
    made: Client = request.param
    return made


@pytest.fixture
def client(plain: Client) -> Iterator[Any]:
    """A client with real connections, not governed yet."""
    if plain.name == "requests":
        with requests.Session() as session:
            session.trust_env = False
            yield session
    else:
        with urllib3.PoolManager() as manager:
            yield manager


def quick(attempts: int = 3, **options: Any) -> Any:
    """A retry that hardly waits."""
    return retry(attempts=attempts, backoff=0.001, budget=None, **options)


def governed(client: Any, *policies: Policy) -> Any:
    """*client*, for payments."""
    return govern(client, target="payments", pipeline=Pipeline(*policies))


def test_a_post_with_a_key_is_repeated_with_the_same_key_and_body(plain: Client, client: Any, service: Service) -> None:
    """The server can tell that it is the same charge."""
    url = service.script("/charge", 503, 503, 200)
    response = plain.ask(governed(client, quick()), "POST", url, body=b"charge", headers={"Idempotency-Key": "k"})
    assert plain.status(response) == 200
    assert [(one.headers["idempotency-key"], one.body) for one in service.seen["/charge"]] == [("k", b"charge")] * 3


def test_a_streamed_upload_is_sent_once(plain: Client, client: Any, service: Service) -> None:
    """Whatever the retry was told; it arrives whole, in chunks."""
    url = service.script("/upload", 503, 200)
    response = plain.ask(governed(client, timeout(5.0), quick(idempotent=True)), "PUT", url, body=once(b"a", b"b"))
    assert plain.status(response) == 503
    assert [one.body for one in service.seen["/upload"]] == [b"ab"]


def test_a_streamed_answer_is_streamed(plain: Client, client: Any, service: Service) -> None:
    """It is not read before the caller reads it, and may take longer than its attempt."""
    url = service.script("/big", Answer(body=b"x" * 300_000, pause=0.15))
    response = plain.ask(governed(client, timeout(5.0), quick(), timeout(0.05)), url=url, stream=True)
    parts = list(response.iter_content(8192) if plain.name == "requests" else response.stream(8192))
    assert b"".join(parts) == b"x" * 300_000
    assert len(parts) > 1
    assert service.asked("/big") == 1


def test_a_stalling_server_is_cut_off_and_asked_again(plain: Client, client: Any, service: Service) -> None:
    """Two attempts hang, the third is good: the caller does not notice."""
    url = service.script("/charge", Answer(stall=5.0), Answer(stall=5.0), 200)
    breaker = circuit_breaker(consecutive_failures=10)
    assert plain.status(plain.ask(governed(client, timeout(5.0), quick(), breaker, timeout(0.08)), url=url)) == 200
    assert service.asked("/charge") == 3
    assert breaker.snapshot()["failed"] == 2


def test_the_server_sees_trace_baggage_colour_and_a_deadline(plain: Client, client: Any, service: Service) -> None:
    """One trace, a span for each attempt."""
    url = service.script("/charge", 503, 200)
    with invoked(baggage={"tenant": "acme"}):
        plain.ask(governed(client, timeout(5.0), quick()), url=url)
    seen = [one.headers for one in service.seen["/charge"]]
    assert {one["traceparent"].split("-")[1] for one in seen} == {TRACE.trace_id}
    assert len({one["traceparent"] for one in seen}) == 2
    assert all("tenant=acme" in one["baggage"] and one["x-svcgov-colour"] == "blue" for one in seen)
    assert all(0 < int(one["x-request-deadline-ms"]) <= 5000 for one in seen)


def test_connections_are_used_again(plain: Client, client: Any) -> None:
    """Calls through a governed client share one connection, as without us; also attempts, whose answers have been read."""
    server = Misbehaving(FAULTS["fails"])
    governed(client, timeout(5.0), quick(), circuit_breaker(consecutive_failures=50), timeout(2.0))
    for _ in range(3):
        assert plain.contents(plain.ask(client, url=server.url)) == b"down"
    assert (server.accepted, len(server.heads)) == (1, 9)
    (client.close if plain.name == "requests" else client.clear)()
    server.close()


def test_cookies_of_a_session_are_kept(service: Service) -> None:
    """Set by one answer, also by one that redirects, sent with the next request."""
    url = service.script("/login", Answer(302, {"Set-Cookie": "session=abc", "Location": "/in"}))
    service.script("/in", 503, Answer(headers={"Set-Cookie": "seen=yes"}), 200)
    with requests.Session() as session:
        governed(session, quick())
        session.get(url)
        session.get(service.url + "/in")
        assert dict(session.cookies) == {"session": "abc", "seen": "yes"}
    cookies = [one.headers.get("cookie") for one in service.seen["/in"]]
    assert cookies == ["session=abc", "session=abc", "session=abc; seen=yes"]


def test_a_form_with_files_is_sent_again_whole(service: Service) -> None:
    """requests has put it together beforehand."""
    url = service.script("/form", 503, 200)
    with requests.Session() as session:
        governed(session, quick())
        assert session.put(url, files={"f": ("f.txt", b"contents")}, data={"a": "b"}).status_code == 200
    first, second = (one.body for one in service.seen["/form"])
    assert first == second
    assert b"contents" in first


def test_digest_authentication_works(service: Service) -> None:
    """The challenge is an answer, and the second request is built from it."""
    challenge = 'Digest realm="r", nonce="n", qop="auth", algorithm=MD5'
    url = service.script("/charge", Answer(401, {"WWW-Authenticate": challenge}), 503, 200)
    with requests.Session() as session:
        session.auth = requests.auth.HTTPDigestAuth("user", "secret")
        governed(session, timeout(5.0), quick())
        assert session.get(url).status_code == 200
    first, second, third = (one.headers.get("authorization", "") for one in service.seen["/charge"])
    assert (first, second[:7]) == ("", "Digest ")
    assert third == second


def test_eight_threads_share_a_governed_client(plain: Client, client: Any, service: Service) -> None:
    """Every call gets its answer, every permit comes back, and the server saw no more than was asked."""
    url = service.script(
        "/charge", Answer(200, {"Connection": "close"})
    )  # a connection that is just closing is never taken again
    gate = bulkhead(8)
    governed(client, timeout(5.0), gate, quick(), circuit_breaker(), timeout(2.0))
    answers: list[int] = []

    def work() -> None:
        answers.extend(plain.status(plain.ask(client, url=url, headers={"Connection": "close"})) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 80
    assert service.asked("/charge") == 80
    assert gate.snapshot()["in_use"] == 0


def test_a_session_on_a_governed_manager_is_the_plain_one_of_its_own() -> None:
    """An adapter takes pools from its manager, and sets them up by their attributes: those are never in our clothes."""
    wire = Wire(503)
    session = CLIENTS[0].plain(wire)
    adapter: Any = session.get_adapter("http://a")
    govern(adapter.poolmanager, target="payments", pipeline=Pipeline(quick()))
    assert session.get("http://payments.test/").status_code == 503
    assert len(wire.seen) == 1
