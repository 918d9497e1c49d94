"""Governed sessions of aiohttp: what is repeated, what is sent again, what is left open."""

from __future__ import annotations

import asyncio
import gc
import io
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from engines.http_service import Answer
from engines.misbehaving import FAULTS, OK, Misbehaving
from svcgov import bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov._core._matching import Matcher
from svcgov.errors import RateLimitedError

from .worlds import Clock, again

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from engines.http_service import Service
    from engines.misbehaving import Line

    from .aio import Sessions


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_invites_another_try_gets_one(sessions: Sessions, service: Service, status: int) -> None:
    """The caller sees the good answer only."""
    assert sessions.get(sessions.governed(again()), service.script("/charge", status, 200)).status == 200
    assert service.asked("/charge") == 2


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 409, 501, 505])
def test_any_other_status_is_final(sessions: Sessions, service: Service, status: int) -> None:
    """Another try would get the same."""
    url = service.script("/charge", Answer(status, body=b""))
    assert sessions.get(sessions.governed(again()), url).status == status
    assert service.asked("/charge") == 1


def test_the_last_answer_is_returned_as_it_is(sessions: Sessions, service: Service) -> None:
    """A session returns an answer whatever its status: nothing is raised in its place."""
    url = service.script("/charge", 503, Answer(503, {"n": "2"}, b"the last"))
    answer = sessions.get(sessions.governed(again()), url)
    assert (answer.status, answer.headers["n"], answer.body) == (503, "2", b"the last")
    assert service.asked("/charge") == 3


@pytest.mark.parametrize(("method", "sent"), [("GET", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1)])
def test_only_an_idempotent_method_is_repeated(sessions: Sessions, service: Service, method: str, sent: int) -> None:
    """Nobody wants to be charged twice."""
    sessions.ask(sessions.governed(again()), method, service.script("/charge", 503, 200))
    assert service.asked("/charge") == sent


def test_an_idempotency_key_makes_it_repeatable(sessions: Sessions, service: Service) -> None:
    """The other side knows that it is the same request."""
    url = service.script("/charge", 503, 200)
    answer = sessions.ask(sessions.governed(again()), "POST", url, json={"order": 7}, headers={"Idempotency-Key": "k"})
    assert answer.status == 200
    seen = [(one.headers["idempotency-key"], one.body) for one in service.seen["/charge"]]
    assert seen == [("k", b'{"order": 7}')] * 2


def test_a_predicate_sees_the_answer_and_the_error_that_it_would_be(sessions: Sessions, service: Service) -> None:
    """Its status and headers, in the client's words."""
    seen: list[Any] = []

    def ask(error: Any) -> bool:
        seen.append((error.status, error.headers["n"], error.message, error.request_info.method, error.response.status))
        return True

    url = service.script("/charge", Answer(503, {"n": "1"}), 200)
    sessions.get(sessions.governed(again(on=ask)), url)
    assert seen == [(503, "1", "Service Unavailable", "GET", 503)]


def test_a_retry_may_be_told_of_the_clients_status_error(sessions: Sessions, service: Service) -> None:
    """``on=ClientResponseError`` means the statuses that are failures."""
    session = sessions.governed(again(on=aiohttp.ClientResponseError))
    assert sessions.get(session, service.script("/charge", 503, 200)).status == 200


def test_the_servers_wait_is_waited_exactly(sessions: Sessions, service: Service) -> None:
    """Instead of the backoff."""
    clock = Clock()
    url = service.script("/charge", Answer(429, {"Retry-After": "7"}), 200)
    sessions.get(sessions.governed(retry(backoff=0.1, clock=clock)), url)
    assert clock.slept == [7.0]


# -- bodies -----------------------------------------------------------------------------------------------------------


async def later(*parts: bytes) -> AsyncIterator[bytes]:
    """A body that can be read once."""
    for part in parts:
        yield part


def test_a_body_that_can_be_read_once_is_sent_once(sessions: Sessions, service: Service) -> None:
    """Whatever the author says: the bytes are gone. The answer can still be read."""
    url = service.script("/upload", Answer(503, body=b"down"), 200)
    answer = sessions.ask(sessions.governed(again(idempotent=True)), "PUT", url, data=later(b"a", b"b"))
    assert (answer.status, answer.body) == (503, b"down")
    assert [one.body for one in service.seen["/upload"]] == [b"ab"]


class Pipe(io.BytesIO):
    """A file that cannot go back."""

    def seekable(self) -> bool:
        return False


def test_a_file_is_sent_again_from_where_it_stood_if_it_can_go_back(sessions: Sessions, service: Service) -> None:
    """aiohttp goes back by itself; the second one of a pipe would be empty."""
    for kind, sent in ((io.BytesIO, 2), (Pipe, 1)):
        url = service.script(f"/{kind.__name__}", 503, 200)
        file = kind(b"already read, to be sent")
        file.seek(14)
        sessions.ask(sessions.governed(again(idempotent=True)), "PUT", url, data=file)
        assert [one.body for one in service.seen[f"/{kind.__name__}"]] == [b"to be sent"] * sent


@pytest.mark.parametrize(("kind", "sent"), [(io.BytesIO, 2), (Pipe, 1)])
def test_a_form_with_files_is_sent_again_whole_if_they_can_go_back(
    sessions: Sessions, service: Service, kind: Any, sent: int
) -> None:
    """Or not at all."""
    form = aiohttp.FormData({"a": "b"})
    form.add_field("f", kind(b"contents"), filename="f.txt")
    sessions.ask(sessions.governed(again()), "PUT", service.script("/form", 503, 200), data=form)
    bodies = [one.body for one in service.seen["/form"]]
    assert len(bodies) == sent
    assert set(bodies) == {bodies[0]}
    assert b"contents" in bodies[0]


def test_each_attempt_waits_for_a_100_of_its_own(sessions: Sessions) -> None:
    """The body of the second one is not sent on the word that the first one was given."""
    bodies: list[bytes] = []

    def hesitating(line: Line) -> None:
        while number := line.heard():
            line.say(b"HTTP/1.1 100 Continue\r\n\r\n")
            bodies.append(line.connection.recv(65536))
            line.say(OK if number == 2 else b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n")

    server = Misbehaving(hesitating)
    session = sessions.governed(again())
    assert sessions.ask(session, "PUT", server.url, data=b"charge", expect100=True).status == 200
    assert bodies == [b"charge"] * 2
    sessions.run(session.close)
    server.still_open()
    server.close()


# -- what is left open -------------------------------------------------------------------------------------------------


def test_attempts_share_a_connection(sessions: Sessions) -> None:
    """An earlier answer is let go of before the next attempt."""
    server = Misbehaving(FAULTS["fails"])
    session = sessions.governed(timeout(5.0), again(), circuit_breaker(consecutive_failures=50), timeout(2.0))

    async def read_in_between() -> None:
        async with session.get(server.url) as response:
            assert await response.read() == b"down"

    for _ in range(3):
        sessions.run(read_in_between)
    assert len(server.heads) == 9
    assert server.accepted <= 3
    sessions.run(session.close)
    assert server.still_open() == 0
    server.close()


@pytest.mark.parametrize("ending", ["read", "released", "closed", "dropped", "cancelled"])
def test_a_permit_is_back_however_an_answer_ends(sessions: Sessions, service: Service, ending: str) -> None:
    """Also while its body is still to come: the call has ended with its head."""
    url = service.script("/big", Answer(body=b"x" * 300_000, stall=5.0 if ending == "cancelled" else 0.0))
    gate = bulkhead(1)
    session = sessions.governed(timeout(5.0), gate, again())

    async def ask() -> int:
        async with asyncio.timeout(0.05 if ending == "cancelled" else None):
            response = await session.get(url)
        if ending == "read":
            await response.read()
        elif ending in ("released", "closed"):
            getattr(response, ending[:-1])()
        else:
            response.close()
            del response
        return gate.snapshot()["in_use"]

    if ending == "cancelled":
        with pytest.raises(TimeoutError):
            sessions.run(ask)
    else:
        assert sessions.run(ask) == 0
    gc.collect()
    assert gate.snapshot()["in_use"] == 0


def test_an_answer_whose_retry_is_refused_can_be_read(sessions: Sessions, service: Service) -> None:
    """It is the last one there is."""
    url = service.script("/charge", Answer(503, body=b"down"))
    answer = sessions.get(sessions.governed(again(), rate_limit("1/minute")), url)
    assert (answer.status, answer.body) == (503, b"down")


def test_a_refusal_ends_a_retry(sessions: Sessions, service: Service) -> None:
    """Nobody knocks again at a door that was closed a moment ago."""
    url = service.script("/charge", 200)
    session = sessions.governed(again(on="connection"), rate_limit("1/minute"))
    sessions.get(session, url)
    with pytest.raises(RateLimitedError) as caught:
        sessions.get(session, url)
    assert isinstance(caught.value, aiohttp.ClientConnectionError)
    assert service.asked("/charge") == 1


def test_tasks_share_a_governed_session(sessions: Sessions, service: Service) -> None:
    """Every call gets its answer, every permit comes back, and the server saw no more than was asked."""
    url = service.script("/charge", Answer(headers={"Connection": "close"}))  # what is just closing is never taken again
    gate = bulkhead(8, max_wait=5.0)
    session = sessions.governed(timeout(5.0), gate, again(), circuit_breaker(), timeout(4.0))

    async def one() -> int:
        async with session.get(url) as response:
            return int(response.status)

    async def many() -> list[int]:
        return await asyncio.gather(*(one() for _ in range(40)))

    assert sessions.run(many) == [200] * 40
    assert service.asked("/charge") == 40
    assert gate.snapshot()["in_use"] == 0


# -- connections that were dead already --------------------------------------------------------------------------------


def dies_when_it_is_used_again(line: Line) -> None:
    """The first request of a connection is answered, the second one is not; but nothing shows before."""
    line.heard()
    line.say(OK)
    line.heard()


@pytest.mark.parametrize("within", [None, 60.0], ids=["no deadline", "a deadline"])
@pytest.mark.parametrize(("method", "heads"), [("GET", 3), ("POST", 2)])
def test_a_request_that_met_a_dead_connection_is_repeated_once_if_it_may_be(
    sessions: Sessions, method: str, heads: int, within: float | None
) -> None:
    """No policy hears of it; one that may not be repeated is the caller's to judge."""
    server = Misbehaving(dies_when_it_is_used_again)
    breaker = circuit_breaker(consecutive_failures=50)
    session = sessions.governed(breaker)
    token = DEADLINE.set(None if within is None else time.monotonic() + within)
    assert sessions.get(session, server.url).status == 200
    if method == "GET":
        assert sessions.get(session, server.url).status == 200
    else:
        with pytest.raises(aiohttp.ServerDisconnectedError):
            sessions.ask(session, method, server.url)
    DEADLINE.reset(token)
    assert len(server.heads) == heads
    assert breaker.snapshot()["failed"] == (method == "POST")
    sessions.run(session.close)
    assert server.still_open() == 0
    server.close()


# -- what is no HTTP ---------------------------------------------------------------------------------------------------


def test_an_answer_that_is_no_http_is_a_connection_that_broke(sessions: Sessions) -> None:
    """aiohttp makes an error about a status of it, which it stays; a retry may have another try."""
    server = Misbehaving(FAULTS["talks_nonsense"])
    with pytest.raises(aiohttp.ClientResponseError) as caught:
        sessions.get(sessions.governed(again()), server.url)
    assert isinstance(caught.value, aiohttp.ClientConnectionError)
    assert len(server.heads) == 3
    server.still_open()
    server.close()


def test_a_proxy_that_does_not_connect_is_the_error_it_was(sessions: Sessions) -> None:
    """Nobody has been reached."""
    server = Misbehaving(FAULTS["fails"])
    session = sessions.governed(again())
    with pytest.raises(aiohttp.ClientHttpProxyError) as caught:
        sessions.get(session, "https://payments.test/", proxy=server.url)
    assert Matcher("connection", "on").matches(caught.value)
    assert len(server.heads) == 3
    sessions.run(session.close)
    server.still_open()
    server.close()


# -- the words of policies ---------------------------------------------------------------------------------------------

WORDS: dict[str, list[Exception]] = {
    "connection": [
        aiohttp.ClientConnectionError(),
        aiohttp.ClientOSError(104, "reset"),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
        aiohttp.ServerFingerprintMismatch(b"a", b"b", "a", 1),
    ],
    "timeout": [aiohttp.ServerTimeoutError(), aiohttp.ConnectionTimeoutError(), aiohttp.SocketTimeoutError(), TimeoutError()],
    "neither": [aiohttp.InvalidURL("a"), aiohttp.TooManyRedirects(None, ()), aiohttp.ClientResponseError(None, (), status=400)],  # type: ignore[arg-type]  # none is needed
}


@pytest.mark.parametrize(("word", "error"), [(word, error) for word, errors in WORDS.items() for error in errors], ids=repr)
def test_the_words_of_policies_know_the_clients_errors(word: str, error: Exception) -> None:
    """Connection errors and time-outs are told apart."""
    said = [one for one in ("connection", "timeout") if Matcher(one, "on").matches(error)]
    assert said == ([] if word == "neither" else [word])
    assert bool(Matcher("transient", "on").matches(error)) is (word != "neither")
