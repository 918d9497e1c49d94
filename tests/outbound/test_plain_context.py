"""Governed sessions of requests and managers of urllib3: what the deadline does to them, and what their requests carry."""

from __future__ import annotations

import pickle
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import requests
import urllib3

from svcgov import circuit_breaker, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov._core._matching import Matcher
from svcgov.errors import CallTimeoutError, CircuitOpenError, DeadlineExceededError

from .plain import Wire
from .worlds import TRACE, URL, again, invoked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .plain import Client, Seen
    from .worlds import Clock


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """With a deadline that somebody outside has set."""
    token = DEADLINE.set(at)
    try:
        yield
    finally:
        DEADLINE.reset(token)


def stalling(clock: Clock) -> Wire:
    """A wire that never answers: each read takes as long as it may."""

    def stall(seen: Seen) -> Exception:
        clock.advance(seen.read)
        return urllib3.exceptions.ReadTimeoutError(None, "/", "Read timed out.")  # type: ignore[arg-type]  # no pool is needed

    return Wire(stall)


def about(seconds: float) -> Any:
    """What a time-out of so many seconds may be: urllib3 counts down by the real clock."""
    return pytest.approx(seconds, abs=0.02)


# -- the deadline -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [None, 7.0, urllib3.Timeout(read=7.0), urllib3.Timeout(total=9.0)], ids=repr)
def test_a_time_out_that_the_deadline_caused_is_ours_and_the_clients(plain: Client, clock: Clock, own: Any) -> None:
    """Whatever form the client's own, looser one has."""
    wire = stalling(clock)
    with pytest.raises(CallTimeoutError) as caught:
        plain.ask(plain.governed(wire, timeout(1.0, clock=clock)), timeout=own)
    assert isinstance(caught.value, plain.late)
    assert caught.value.seconds == pytest.approx(1.0)
    assert caught.value.__cause__ is not None
    assert (wire.seen[0].connect, wire.seen[0].read) == (about(1.0), about(1.0))


def test_a_time_out_of_the_clients_own_stays_as_it_is(plain: Client, clock: Clock) -> None:
    """The client's 0.25 s are tighter than the deadline."""
    wire = stalling(clock)
    with pytest.raises(plain.broken if plain.name == "urllib3" else plain.late) as caught:
        plain.ask(plain.governed(wire, again(1, clock=clock), timeout(1.0, clock=clock)), timeout=0.25)
    assert not isinstance(caught.value, CallTimeoutError)
    assert Matcher("timeout", "on").matches(caught.value)
    assert not Matcher("connection", "on").matches(caught.value)
    assert wire.seen[0].read == 0.25


def test_connect_and_read_have_time_outs_of_their_own(clock: Clock) -> None:
    """As requests takes them, in a pair."""
    from .plain import OfRequests

    wire, plain = Wire(200), OfRequests()
    plain.ask(plain.governed(wire, timeout(1.0, clock=clock)), timeout=(0.5, 3.0))
    assert (wire.seen[0].connect, wire.seen[0].read) == (0.5, about(1.0))


@pytest.mark.parametrize("own", [(1, 2, 3), "soon", -1])
def test_a_time_out_that_is_none_is_the_error_it_was(own: Any) -> None:
    """Of requests, for the author."""
    from .plain import OfRequests

    plain = OfRequests()
    with pytest.raises(ValueError, match=r"values to unpack|[Tt]imeout"):
        plain.ask(plain.governed(Wire(200), timeout(1.0)), timeout=own)


def test_time_outs_are_untouched_without_a_deadline(plain: Client) -> None:
    """Nothing is clipped to nothing."""
    wire = Wire(200)
    plain.ask(plain.governed(wire, again()), timeout=7.0)
    assert (wire.seen[0].connect, wire.seen[0].read) == (7.0, 7.0)


def test_the_callers_own_timeout_object_is_not_changed(plain: Client, clock: Clock) -> None:
    """It may be shared by all calls of a program."""
    own = urllib3.Timeout(connect=3.0, read=4.0)
    for stream in (False, True):
        plain.ask(plain.governed(Wire(200), timeout(1.0, clock=clock)), timeout=own, stream=stream)
    assert repr(own) == repr(urllib3.Timeout(connect=3.0, read=4.0))


def test_a_clipped_time_out_is_counted_and_retried_while_time_is_left(plain: Client, clock: Clock) -> None:
    """0.4 s for each attempt and 1 s for all: two in full, a third with the rest."""
    breaker = circuit_breaker(clock=clock)
    wire = stalling(clock)
    policies = timeout(1.0, clock=clock), again(5, clock=clock), breaker, timeout(0.4, clock=clock)
    with pytest.raises(CallTimeoutError):
        plain.ask(plain.governed(wire, *policies))
    assert [one.read for one in wire.seen] == [about(seconds) for seconds in (0.4, 0.4, 0.2)]
    assert breaker.snapshot()["failed"] == 3


def test_a_read_that_times_out_within_a_body_is_ours_too(plain: Client, clock: Clock) -> None:
    """Where the client reads the body, the attempt is not over before its end."""
    from .plain import Body

    class Slow(Body):
        def read(self, *size: Any) -> bytes:
            clock.advance(1.0)
            raise TimeoutError("timed out")

    wire = Wire(200)
    wire.outcomes = [(200, {"Content-Length": "9"}, Slow(wire, b"half"))]
    with pytest.raises(CallTimeoutError) as caught:
        plain.ask(plain.governed(wire, again(1, clock=clock), timeout(1.0, clock=clock)))
    assert isinstance(caught.value, (plain.late, requests.ConnectionError))


def test_a_connection_that_breaks_after_the_deadline_was_no_time_out(plain: Client, clock: Clock) -> None:
    """The error says what happened."""

    def broken(seen: Seen) -> Exception:
        clock.advance(2.0)
        return ConnectionResetError("reset")

    with pytest.raises(plain.broken) as caught:
        plain.ask(plain.governed(Wire(broken), timeout(1.0, clock=clock)))
    assert not isinstance(caught.value, CallTimeoutError)


def test_no_request_is_sent_after_the_deadline(plain: Client, clock: Clock) -> None:
    """It is refused, as a time-out of the client."""
    wire = Wire(200)
    client = plain.governed(wire, circuit_breaker(clock=clock))
    with deadline(clock.monotonic() - 1.0), pytest.raises(DeadlineExceededError) as caught:
        plain.ask(client)
    assert isinstance(caught.value, plain.late)
    assert wire.seen == []


def test_a_further_attempt_without_time_is_not_sent(plain: Client, clock: Clock) -> None:
    """With half a millisecond left, the answer that there is, is the last one."""

    def slow(seen: Seen) -> int:
        clock.advance(0.9995)
        return 503

    wire = Wire(slow)
    with deadline(clock.monotonic() + 1.0):
        response = plain.ask(plain.governed(wire, retry(backoff=0, budget=None, min_attempt_time=0, clock=clock)))
    assert (plain.status(response), len(wire.seen)) == (503, 1)


@pytest.mark.parametrize(("outer", "own", "expected"), [(None, 7.0, 7.0), (3.0, 7.0, 3.0), (3.0, None, 3.0), (9.0, 7.0, 7.0)])
def test_after_the_head_a_streamed_body_keeps_to_the_callers_time(
    plain: Client, clock: Clock, outer: float | None, own: float | None, expected: float
) -> None:
    """The attempt is over, so its own limit does not cut the body off."""
    here, there = socket.socketpair()
    wire = Wire(200)
    answer = wire.answer

    def connected(pool: Any, method: str, url: str, **asked: Any) -> Any:
        response = answer(pool, method, url, **asked)
        response.connection.sock = here
        return response

    wire.answer = connected  # type: ignore[method-assign]  # the answer comes by a socket
    here.settimeout(0.5)
    client = plain.governed(wire, timeout(1.0, clock=clock))
    token = DEADLINE.set(None if outer is None else clock.monotonic() + outer)
    try:
        plain.ask(client, stream=True, timeout=own)
    finally:
        DEADLINE.reset(token)
    assert here.gettimeout() == about(expected)
    here.close()
    there.close()


# -- what goes along ---------------------------------------------------------------------------------------------------


def test_each_attempt_carries_the_trace_the_colour_and_what_is_left(plain: Client, clock: Clock) -> None:
    """A span of its own for each, and fewer milliseconds."""

    def slow(seen: Seen) -> int:
        clock.advance(1.0)
        return 503

    wire = Wire(slow, 200)
    with invoked(baggage={"tenant": "acme"}):
        plain.ask(plain.governed(wire, timeout(5.0, clock=clock), again(clock=clock)))
    first, second = (one.headers for one in wire.seen)
    assert [one["traceparent"][:36] for one in (first, second)] == [f"00-{TRACE.trace_id}-"] * 2
    assert first["traceparent"] != second["traceparent"]
    assert [one["x-svcgov-colour"] for one in (first, second)] == ["blue", "blue"]
    assert "tenant=acme" in first["baggage"]
    assert int(first["x-request-deadline-ms"]) - int(second["x-request-deadline-ms"]) == 1000


def test_a_host_that_is_not_ours_is_not_told_the_colour(plain: Client) -> None:
    """The trace goes along."""
    wire = Wire(200)
    with invoked(baggage={"tenant": "acme"}):
        plain.ask(plain.governed(wire, target=None))
    assert TRACE.trace_id in wire.seen[0].headers["traceparent"]
    assert not {"x-svcgov-colour", "baggage"} & set(wire.seen[0].headers)


def test_a_header_that_the_caller_has_set_stands(plain: Client) -> None:
    """However it is written."""
    wire = Wire(200)
    given = {"Traceparent": "mine", "X-Svcgov-Colour": "green"}
    with invoked():
        plain.ask(plain.governed(wire), headers=given)
    assert (wire.seen[0].headers["traceparent"], wire.seen[0].headers["x-svcgov-colour"]) == ("mine", "green")
    assert given == {"Traceparent": "mine", "X-Svcgov-Colour": "green"}


def test_the_headers_of_the_client_are_not_changed(plain: Client) -> None:
    """They belong to all of its requests."""
    client = plain.governed(Wire(503, 200), timeout(5.0), again())
    before = dict(client.headers)
    with invoked():
        plain.ask(client)
    assert dict(client.headers) == before


# -- errors of both sides ----------------------------------------------------------------------------------------------


def test_refusals_and_time_outs_pickle(plain: Client, clock: Clock) -> None:
    """Process pools and queues carry them: both sides come back."""
    refusing = plain.governed(Wire(503), circuit_breaker(consecutive_failures=1, clock=clock))
    plain.ask(refusing)
    late = plain.governed(stalling(clock), timeout(1.0, clock=clock))
    for client, ours, theirs in ((refusing, CircuitOpenError, plain.refused), (late, CallTimeoutError, plain.late)):
        with pytest.raises(ours) as caught:
            plain.ask(client)
        caught.value.add_note("a note")
        back = pickle.loads(pickle.dumps(caught.value))
        assert type(back) is type(caught.value)
        assert isinstance(back, theirs)
        assert repr(back) == repr(caught.value)
        assert back.__notes__ == ["a note"]


def test_a_refusal_shows_where_it_was_made(plain: Client) -> None:
    """Also where another object takes the place of the first: the traceback goes on to the policy."""
    client = plain.governed(Wire(503), circuit_breaker(consecutive_failures=1))
    plain.ask(client)
    with pytest.raises(CircuitOpenError) as caught:
        plain.ask(client)
    assert any("policies" in str(entry.path) for entry in caught.traceback)


WORDS = {
    "connection": [
        requests.ConnectionError(),
        requests.exceptions.SSLError(),
        requests.exceptions.ChunkedEncodingError(),
        urllib3.exceptions.ProtocolError("aborted"),
        urllib3.exceptions.SSLError("no"),
        urllib3.exceptions.NewConnectionError(None, "refused"),  # type: ignore[arg-type]  # no connection is needed
        urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ProtocolError("aborted")),  # type: ignore[arg-type]  # as above
        requests.ConnectionError(urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.SSLError("no"))),  # type: ignore[arg-type]  # as above
    ],
    "timeout": [
        requests.ReadTimeout(),
        requests.ConnectTimeout(),
        urllib3.exceptions.ReadTimeoutError(None, "/", "late"),  # type: ignore[arg-type]  # as above
        urllib3.exceptions.ConnectTimeoutError("late"),
        urllib3.exceptions.EmptyPoolError(None, "empty"),  # type: ignore[arg-type]  # as above
        urllib3.exceptions.MaxRetryError(None, "/", urllib3.exceptions.ConnectTimeoutError("late")),  # type: ignore[arg-type]  # as above
        requests.ConnectionError(urllib3.exceptions.ReadTimeoutError(None, "/", "late")),  # type: ignore[arg-type]  # as above
    ],
    "neither": [requests.exceptions.InvalidURL(), requests.TooManyRedirects(), urllib3.exceptions.LocationParseError("http:")],
}


@pytest.mark.parametrize(("word", "error"), [(word, error) for word, errors in WORDS.items() for error in errors], ids=repr)
def test_the_words_of_policies_know_the_clients_errors(word: str, error: Exception) -> None:
    """Connection errors and time-outs are told apart, also where one error tells of another."""
    said = [one for one in ("connection", "timeout") if Matcher(one, "on").matches(error)]
    assert said == ([] if word == "neither" else [word])
    assert bool(Matcher("transient", "on").matches(error)) is (word != "neither")


def test_a_refusal_in_the_clothes_of_a_client_is_no_connection_error(plain: Client) -> None:
    """Nothing was tried."""
    client = plain.governed(Wire(503), circuit_breaker(consecutive_failures=1))
    plain.ask(client)
    with pytest.raises(CircuitOpenError) as caught:
        plain.ask(client, url=URL)
    assert not Matcher(("connection", "transient"), "on").matches(caught.value)
