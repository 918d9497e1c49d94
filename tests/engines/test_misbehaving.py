"""Every fault of a misbehaving server against every client: what it is, how often it is tried, what is left behind.

The attempts are counted by the server. Some clients read the answer inside an attempt (requests, urllib3 and boto3, where it is
not streamed), others hand it on when its head has arrived (httpx2, aiohttp): to those a body that breaks is a success, and the
caller's.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import aiohttp
import botocore.exceptions
import pytest
import requests
import urllib3

from outbound.worlds import Clock
from svcgov import circuit_breaker, retry, timeout
from svcgov.errors import CallTimeoutError

from .askers import ASKERS
from .faults import ALL, FILE, Expected, Left, end_of, measured, table
from .misbehaving import FAULTS, Misbehaving

if TYPE_CHECKING:
    from collections.abc import Iterator


BROKEN = Expected("connection", 2, 2)
LATE = Expected("timeout", 2, 2)
FINE = Expected(200, 1, 0)
BROKEN_BODY = {"httpx2": Expected("connection", 1, 0), "requests": BROKEN}
CIRCLES = {
    "httpx2": Expected(None, 21, 0),
    "requests": Expected(None, 31, 0),
    "urllib3": Expected(None, 4, 0),
    "aiohttp": Expected(None, 10, 0),
    "boto3": Expected(302, 1, 0),  # it follows none
}

EXPECTED: dict[str, Expected | dict[str, Expected]] = {
    "resets_at_once": BROKEN,
    "closes_at_once": BROKEN,
    "resets_before_the_head": BROKEN,
    "closes_before_the_head": BROKEN,
    "resets_in_the_head": BROKEN,
    "closes_in_the_status_line": BROKEN,
    "stalls_before_the_head": LATE,
    "stalls_in_the_head": LATE,
    "resets_in_the_body": BROKEN_BODY,
    "closes_in_the_body": {**BROKEN_BODY, "boto3": FINE},  # botocore does not notice
    "stalls_in_the_body": {"httpx2": Expected("timeout", 1, 0), "requests": LATE},
    "talks_nonsense": BROKEN,
    "has_a_status_that_is_none": BROKEN,
    "has_a_head_without_end": BROKEN,
    "breaks_a_chunk_off": BROKEN_BODY,
    "has_a_chunk_of_no_size": {**BROKEN_BODY, "aiohttp": BROKEN},  # it came with the head
    "ends_without_the_last_chunk": BROKEN_BODY,
    "says_it_is_compressed": {
        "httpx2": Expected(None, 1, 0),
        "requests": Expected(None, 1, 1),
        "aiohttp": Expected("connection", 1, 0),
        "boto3": FINE,  # it asks for nothing compressed, and does not look
    },
    "compresses_and_breaks_off": {**BROKEN_BODY, "boto3": Expected(None, 1, 1)},
    "fails_and_breaks_off": BROKEN,
    "refuses_the_first": Expected(200, 2, 1),
    "closes_when_it_has_answered": FINE,
    "speaks_of_old": FINE,
    "hesitates": FINE,
    "fails": Expected(503, 2, 2),
    "wants_a_minute": Expected(429, 1, 1),
    "wants_a_minute_by_date": Expected(503, 1, 1),
    "sends_in_circles": CIRCLES,
    "closes_in_the_handshake": BROKEN,
    "resets_in_the_handshake": BROKEN,
    "stalls_in_the_handshake": LATE,
    "shakes_hands_in_nonsense": BROKEN,
    "speaks_plainly_where_tls_is_meant": BROKEN,
    "sends_an_alert": BROKEN,
    "has_a_certificate_that_nobody_knows": BROKEN,
    "has_no_address": Expected("connection", 0, 2),
    "refuses": Expected("connection", 0, 2),
}


def expected_of(fault: str, client: str) -> Expected:
    """The cell of the table: who reads a body within the attempt is as requests, who does not as httpx2, if nothing is said."""
    row = EXPECTED[fault]
    if isinstance(row, Expected):
        return row
    client = client.partition("-")[0]
    return row.get(client) or row["httpx2" if client == "aiohttp" else "requests"]


@pytest.fixture
def threads() -> Iterator[None]:
    """No thread is left when the test has ended."""
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def test_every_fault_is_in_the_table() -> None:
    """And nothing else."""
    assert set(EXPECTED) == set(ALL)
    assert len(ALL) >= 30


@pytest.mark.parametrize("client", ASKERS)
@pytest.mark.parametrize("fault", ALL)
def test_a_fault_is_told_apart_tried_as_often_as_it_may_be_and_leaves_nothing_behind(
    threads: None, fault: str, client: str
) -> None:
    """Class, attempts, the breaker's verdict; permits and connections are back in the end."""
    became, left = measured(fault, client)
    assert became == expected_of(fault, client)
    assert left == Left(connections=0, permits=0)


def test_the_table_in_the_docs_is_what_was_measured() -> None:
    """Every cell of it; a change that is meant is written by ``cd tests && python -m engines.faults --write``."""
    assert table() == FILE.read_text()


@pytest.mark.parametrize("client", ASKERS)
def test_a_connection_that_was_closed_while_idle_is_no_failure(threads: None, client: str) -> None:
    """The client sees it before it sends, and connects anew; the breaker is told of nothing."""
    breaker = circuit_breaker(consecutive_failures=50)
    server = Misbehaving(FAULTS["closes_when_it_has_answered"])
    asker = ASKERS[client](timeout(5.0), breaker)
    for times in (1, 2):
        assert asker.get(server.url) == (200, b"{}")
        assert server.still_open() == 0
        time.sleep(0.05)  # until the other side has been told, on a busy machine too
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


THEIRS: dict[str, type[Exception]] = {
    "requests": requests.RequestException,
    "urllib3": urllib3.exceptions.TimeoutError,
    "boto3": botocore.exceptions.ReadTimeoutError,
}


@pytest.mark.parametrize("client", THEIRS)
def test_a_time_out_is_ours_and_the_clients_also_within_a_body(threads: None, client: str) -> None:
    """It says how long the attempt was allowed to take."""
    server = Misbehaving(FAULTS["stalls_in_the_body"])
    asker = ASKERS[client](timeout(0.08))
    with pytest.raises(CallTimeoutError) as caught:
        asker.get(server.url)
    assert caught.value.seconds == pytest.approx(0.08, abs=0.01)
    assert isinstance(caught.value, THEIRS[client])
    del caught
    asker.close()
    assert server.still_open() == 0
    server.close()


def test_a_time_out_of_the_sessions_own_is_told_to_the_policies(threads: None) -> None:
    """aiohttp would cancel the task for it, from which a breaker learns nothing."""
    server = Misbehaving(FAULTS["stalls_before_the_head"])
    breaker = circuit_breaker(consecutive_failures=50)
    asker = ASKERS["aiohttp"](breaker)
    asker.client._timeout = aiohttp.ClientTimeout(total=0.18)
    assert end_of(asker, server.url) == "timeout"
    asker.close()
    assert server.still_open() == 0
    server.close()
    assert breaker.snapshot()["failed"] == 1
