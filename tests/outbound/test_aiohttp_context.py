"""Governed sessions of aiohttp: what the deadline does to them, and what their requests carry."""

from __future__ import annotations

import asyncio
import pickle
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from engines.http_service import Answer
from svcgov import Pipeline, circuit_breaker, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import CallTimeoutError, CircuitOpenError, DeadlineExceededError
from svcgov.outbound.aiohttp import _own_timeout, _within
from svcgov.outbound.govern import govern

from .worlds import TRACE, again, invoked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.http_service import Service

    from .aio import Sessions

STALLS = Answer(stall=5.0)


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """With a deadline that somebody outside has set."""
    token = DEADLINE.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        DEADLINE.reset(token)


# -- the deadline -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["policy", "invocation"])
def test_a_time_out_that_the_deadline_caused_is_ours_and_the_clients(sessions: Sessions, service: Service, by: str) -> None:
    """Whether it is enforced by a policy or by nobody else; a breaker counts it."""
    breaker = circuit_breaker(consecutive_failures=50)
    url = service.script("/charge", STALLS)
    session = sessions.governed(breaker, *([timeout(0.1)] if by == "policy" else []))
    with deadline(0.1 if by == "invocation" else 60.0), pytest.raises(CallTimeoutError) as caught:
        sessions.get(session, url)
    assert isinstance(caught.value, aiohttp.ServerTimeoutError)
    assert caught.value.seconds == pytest.approx(0.1, abs=0.02)
    assert breaker.snapshot()["failed"] == 1


OWN = [aiohttp.ClientTimeout(total=0.18), aiohttp.ClientTimeout(total=9.0, sock_read=0.1), 0.18]


@pytest.mark.parametrize("own", OWN, ids=["total", "sock_read", "a number"])
def test_a_time_out_of_the_clients_own_stays_as_it_is(sessions: Sessions, service: Service, own: Any) -> None:
    """It is tighter than the deadline; policies hear of it, also where aiohttp would cancel the task."""
    breaker = circuit_breaker(consecutive_failures=50)
    session = sessions.governed(timeout(5.0), breaker)
    with pytest.raises(TimeoutError) as caught:
        sessions.get(session, service.script("/charge", STALLS), timeout=own)
    assert not isinstance(caught.value, CallTimeoutError)
    assert breaker.snapshot()["failed"] == 1


def test_waiting_for_a_connection_is_a_part_of_the_total(sessions: Sessions, service: Service) -> None:
    """There aiohttp cancels the task: it is a time-out to the policies, and leaves no trace of a cancellation."""
    url = service.script("/charge", Answer(body=b"x" * 10, pause=5.0))
    session = sessions.plain(lambda: aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)))
    breaker = circuit_breaker(consecutive_failures=50)
    govern(session, target="payments", pipeline=Pipeline(timeout(5.0), breaker))

    async def both() -> int:
        async with session.get(url):
            with pytest.raises(TimeoutError) as caught:
                await session.get(url, timeout=aiohttp.ClientTimeout(total=0.1))
        assert not isinstance(caught.value, CallTimeoutError)
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert sessions.run(both) == 0
    assert breaker.snapshot()["failed"] == 1


def test_the_total_of_a_session_is_for_all_attempts(sessions: Sessions, service: Service) -> None:
    """As it is for a redirect: when it is used up there is no other try."""
    session = sessions.governed(again(), timeout=aiohttp.ClientTimeout(total=0.15))
    with pytest.raises(TimeoutError):
        sessions.get(session, service.script("/charge", 503, STALLS))
    assert service.asked("/charge") == 2


def test_a_wait_that_does_not_fit_the_total_is_not_waited(sessions: Sessions, service: Service) -> None:
    """The answer that there is, is the last one; the other side is told how long it may take."""
    url = service.script("/charge", Answer(429, {"Retry-After": "7"}))
    session = sessions.governed(again(), timeout=aiohttp.ClientTimeout(total=5.0))
    assert sessions.get(session, url).status == 429
    (seen,) = service.seen["/charge"]
    assert 4000 < int(seen.headers["x-request-deadline-ms"]) < 5000
    assert DEADLINE.get() is None


def test_no_request_is_sent_after_the_deadline(sessions: Sessions, service: Service) -> None:
    """It is refused, as a time-out of the client."""
    session = sessions.governed(circuit_breaker())
    with deadline(-1.0), pytest.raises(DeadlineExceededError) as caught:
        sessions.get(session, service.script("/charge", 200))
    assert isinstance(caught.value, aiohttp.ServerTimeoutError)
    assert service.asked("/charge") == 0


def test_a_body_keeps_to_the_callers_deadline_and_not_to_its_attempts(sessions: Sessions, service: Service) -> None:
    """The attempt is over with the head; the caller is not there for ever."""
    url = service.script("/big", Answer(body=b"x" * 10, pause=0.15))
    session = sessions.governed(timeout(5.0), again(), timeout(0.1))
    assert sessions.get(session, url).body == b"x" * 10
    with deadline(0.08), pytest.raises(TimeoutError) as caught:
        sessions.get(session, url)
    assert not isinstance(caught.value, CallTimeoutError)
    assert service.asked("/big") == 2


CALLERS = [(None, 5.0), (9.0, 5.0), (5.0, 5.0), (1.0, 1.004), (-1.0, 0.004)]


@pytest.mark.parametrize(("left", "expected"), CALLERS)
def test_the_tighter_one_of_the_sessions_total_and_what_the_caller_has_left_holds(left: float | None, expected: float) -> None:
    """Not rounded up to a whole second, as aiohttp does with long ones; all else is the session's own."""
    own = aiohttp.ClientTimeout(total=5.0, connect=1.0, sock_connect=2.0, sock_read=3.0)
    both = _within(own, own.total, left)
    assert both.total == pytest.approx(expected)
    assert (both.connect, both.sock_connect, both.sock_read) == (1.0, 2.0, 3.0)
    assert both is own or both.ceil_threshold == float("inf")


def test_a_session_without_a_total_gets_what_the_caller_has_left() -> None:
    """And without a caller's deadline, none."""
    own = aiohttp.ClientTimeout(sock_read=3.0)
    assert _within(own, None, 2.0).total == pytest.approx(2.004)
    assert _within(own, None, None) is own


def test_the_forms_of_a_time_out_are_those_of_aiohttp() -> None:
    """An object, a number, None for none, and a mark for the session's own."""
    session, own = aiohttp.ClientTimeout(total=1.0), aiohttp.ClientTimeout(total=2.0)
    assert _own_timeout(aiohttp, own, session) is own
    assert _own_timeout(aiohttp, 3, session).total == 3
    assert _own_timeout(aiohttp, None, session).total is None
    assert _own_timeout(aiohttp, object(), session) is session


# -- what goes along ---------------------------------------------------------------------------------------------------


def test_each_attempt_carries_the_trace_the_colour_and_what_is_left(sessions: Sessions, service: Service) -> None:
    """A span of its own for each, and not more milliseconds."""
    with invoked(baggage={"tenant": "acme"}):
        sessions.get(sessions.governed(timeout(5.0), again()), service.script("/charge", 503, 200))
    first, second = (one.headers for one in service.seen["/charge"])
    assert [one["traceparent"][:36] for one in (first, second)] == [f"00-{TRACE.trace_id}-"] * 2
    assert first["traceparent"] != second["traceparent"]
    assert [one["x-svcgov-colour"] for one in (first, second)] == ["blue", "blue"]
    assert "tenant=acme" in first["baggage"]
    assert 0 < int(second["x-request-deadline-ms"]) <= int(first["x-request-deadline-ms"]) <= 5000


def test_a_host_that_is_not_ours_is_not_told_the_colour(sessions: Sessions, service: Service) -> None:
    """The trace goes along."""
    with invoked(baggage={"tenant": "acme"}):
        sessions.get(sessions.governed(target=None), service.script("/charge", 200))
    (seen,) = service.seen["/charge"]
    assert TRACE.trace_id in seen.headers["traceparent"]
    assert not {"x-svcgov-colour", "baggage"} & set(seen.headers)


def test_a_header_that_the_caller_has_set_stands(sessions: Sessions, service: Service) -> None:
    """However it is written, and on whatever it is set; neither mapping is changed."""
    given = {"Traceparent": "mine"}
    session = sessions.governed(headers={"X-Svcgov-Colour": "green"})
    before = dict(session.headers)
    with invoked():
        sessions.get(session, service.script("/charge", 200), headers=given)
    (seen,) = service.seen["/charge"]
    assert (seen.headers["traceparent"], seen.headers["x-svcgov-colour"]) == ("mine", "green")
    assert given == {"Traceparent": "mine"}
    assert dict(session.headers) == before


# -- errors of both sides ----------------------------------------------------------------------------------------------


def test_refusals_and_time_outs_pickle(sessions: Sessions, service: Service) -> None:
    """Process pools and queues carry them: both sides come back."""
    refusing = sessions.governed(circuit_breaker(consecutive_failures=1))
    sessions.get(refusing, service.script("/fails", 503))
    late = sessions.governed(timeout(0.05))
    cases: list[tuple[Any, str, type[Exception], type[Any]]] = [
        (refusing, "/fails", CircuitOpenError, aiohttp.ClientConnectionError),
        (late, "/stalls", CallTimeoutError, aiohttp.ServerTimeoutError),
    ]
    service.script("/stalls", STALLS)
    for session, path, ours, theirs in cases:
        with pytest.raises(ours) as caught:
            sessions.get(session, service.url + path)
        caught.value.add_note("a note")
        kind: type[Any] = type(caught.value)
        back: Any = pickle.loads(pickle.dumps(caught.value))
        assert type(back) is kind
        assert isinstance(back, theirs)
        assert repr(back) == repr(caught.value)
        assert (back.__notes__, str(back.url)) == (["a note"], service.url + path)
