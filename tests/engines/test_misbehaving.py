"""Every fault of a misbehaving server against every client: what it is, how often it is tried, what is left behind.

The attempts are counted by the server. Two clients read the answer inside an attempt (requests and urllib3, where it is
not streamed), two hand it on when its head has arrived (httpx2): to those a body that breaks is a success, and the caller's.
"""

from __future__ import annotations

import gc
import socket
import threading
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import requests
import urllib3

from outbound.worlds import Clock
from svcgov import bulkhead, circuit_breaker, retry, timeout
from svcgov._core._matching import Matcher
from svcgov.errors import CallTimeoutError

from .askers import ASKERS
from .misbehaving import FAULTS, Misbehaving

if TYPE_CHECKING:
    from collections.abc import Iterator


class Expected(NamedTuple):
    """How it ends: a status, a word for the error, or None for an error that policies have no word for."""

    end: int | str | None
    requests: int  # that the server reads
    failures: int  # that the breaker counts


BROKEN = Expected("connection", 2, 2)
LATE = Expected("timeout", 2, 2)
FINE = Expected(200, 1, 0)
BROKEN_BODY = {"httpx2": Expected("connection", 1, 0), "requests": BROKEN}
CIRCLES = {"httpx2": Expected(None, 21, 0), "requests": Expected(None, 31, 0), "urllib3": Expected(None, 4, 0)}

EXPECTED: dict[str, Expected | dict[str, Expected]] = {
    "resets_at_once": Expected("connection", 0, 2),
    "closes_at_once": Expected("connection", 0, 2),
    "resets_before_the_head": BROKEN,
    "closes_before_the_head": BROKEN,
    "resets_in_the_head": BROKEN,
    "closes_in_the_status_line": BROKEN,
    "stalls_before_the_head": LATE,
    "stalls_in_the_head": LATE,
    "resets_in_the_body": BROKEN_BODY,
    "closes_in_the_body": BROKEN_BODY,
    "stalls_in_the_body": {"httpx2": Expected("timeout", 1, 0), "requests": LATE},
    "talks_nonsense": BROKEN,
    "has_a_status_that_is_none": BROKEN,
    "has_a_head_without_end": BROKEN,
    "breaks_a_chunk_off": BROKEN_BODY,
    "has_a_chunk_of_no_size": BROKEN_BODY,
    "ends_without_the_last_chunk": BROKEN_BODY,
    "says_it_is_compressed": {"httpx2": Expected(None, 1, 0), "requests": Expected(None, 1, 1)},
    "compresses_and_breaks_off": BROKEN_BODY,
    "fails_and_breaks_off": BROKEN,
    "refuses_the_first": Expected(200, 2, 1),
    "closes_when_it_has_answered": FINE,
    "speaks_of_old": FINE,
    "hesitates": FINE,
    "fails": Expected(503, 2, 2),
    "wants_a_minute": Expected(429, 1, 1),
    "wants_a_minute_by_date": Expected(503, 1, 1),
    "sends_in_circles": CIRCLES,
}


def expected_of(fault: str, client: str) -> Expected:
    """The cell of the table: tasks are as plain functions, urllib3 is as requests, where nothing else is said."""
    row = EXPECTED[fault]
    if isinstance(row, Expected):
        return row
    client = client.partition("-")[0]
    return row.get(client) or row["requests"]


@pytest.fixture
def threads() -> Iterator[None]:
    """No thread is left when the test has ended."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_every_fault_is_in_the_table() -> None:
    """And nothing else."""
    assert set(EXPECTED) == set(FAULTS)
    assert len(FAULTS) >= 25


def end_of(asker: Any, url: str) -> Any:
    """A status, a word for the error, or None; more than one word would be a muddle."""
    try:
        status, _ = asker.get(url)
    except Exception as error:
        words = [word for word in ("connection", "timeout") if Matcher(word, "on").matches(error)]
        assert len(words) < 2
        return words[0] if words else None
    return status


@pytest.mark.parametrize("client", ASKERS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_apart_tried_as_often_as_it_may_be_and_leaves_nothing_behind(
    threads: None, fault: str, client: str
) -> None:
    """Class, attempts, the breaker's verdict; permits and connections are back in the end."""
    gate, breaker = bulkhead(1), circuit_breaker(consecutive_failures=50)
    limit = timeout(0.08 if fault.startswith("stalls") else 5.0)
    server = Misbehaving(FAULTS[fault])
    asker = ASKERS[client](timeout(10.0), gate, retry(attempts=2, backoff=0, budget=None), breaker, limit)
    try:
        end = end_of(asker, server.url)
        assert Expected(end, len(server.heads), breaker.snapshot()["failed"]) == expected_of(fault, client)
        assert gate.snapshot()["in_use"] == 0
    finally:
        asker.close()
        held = server.still_open()
        server.close()
        gc.collect()
    assert held == 0


@pytest.mark.parametrize("client", ASKERS)
def test_a_port_where_nobody_listens_is_a_connection_error(threads: None, client: str) -> None:
    """Tried twice; nothing of it takes time."""
    breaker = circuit_breaker(consecutive_failures=50)
    asker = ASKERS[client](retry(attempts=2, backoff=0, budget=None), breaker)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        assert end_of(asker, f"http://127.0.0.1:{bound.getsockname()[1]}/") == "connection"
    asker.close()
    assert breaker.snapshot()["failed"] == 2


@pytest.mark.parametrize("client", ASKERS)
def test_a_connection_that_was_closed_while_idle_is_no_failure(threads: None, client: str) -> None:
    """The client sees it before it sends, and connects anew; the breaker is told of nothing."""
    breaker = circuit_breaker(consecutive_failures=50)
    server = Misbehaving(FAULTS["closes_when_it_has_answered"])
    asker = ASKERS[client](timeout(5.0), breaker)
    for times in (1, 2):
        assert asker.get(server.url) == (200, b"ok")
        assert server.still_open() == 0
        assert (server.accepted, len(server.heads)) == (times, times)
    asker.close()
    server.close()
    assert breaker.snapshot()["failed"] == 0


@pytest.mark.parametrize("fault", ["wants_a_minute", "wants_a_minute_by_date"])
@pytest.mark.parametrize("client", ASKERS)
def test_the_wait_that_a_server_asks_for_is_waited(threads: None, client: str, fault: str) -> None:
    """In both of its forms, where there is time for it."""
    clock = Clock()
    server = Misbehaving(FAULTS[fault])
    asker = ASKERS[client](retry(attempts=3, backoff=0.1, budget=None, clock=clock))
    assert end_of(asker, server.url) in (429, 503)
    asker.close()
    server.still_open()
    server.close()
    assert clock.slept == [60.0, 60.0]
    assert len(server.heads) == 3


@pytest.mark.parametrize("client", ["requests", "urllib3"])
def test_a_time_out_is_ours_and_the_clients_also_within_a_body(threads: None, client: str) -> None:
    """It says how long the attempt was allowed to take."""
    server = Misbehaving(FAULTS["stalls_in_the_body"])
    asker = ASKERS[client](timeout(0.08))
    with pytest.raises(CallTimeoutError) as caught:
        asker.get(server.url)
    assert caught.value.seconds == pytest.approx(0.08, abs=0.01)
    assert isinstance(caught.value, {"requests": requests.RequestException, "urllib3": urllib3.exceptions.TimeoutError}[client])
    del caught
    asker.close()
    assert server.still_open() == 0
    server.close()
