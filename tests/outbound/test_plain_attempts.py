"""Governed sessions of requests and managers of urllib3: what is repeated, what is sent again, what is left open."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import circuit_breaker, rate_limit, retry
from svcgov.errors import CircuitOpenError, RateLimitedError

from .plain import Body, Wire, once
from .worlds import URL, Clock, again

if TYPE_CHECKING:
    from .plain import Client


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_invites_another_try_gets_one(plain: Client, status: int) -> None:
    """The caller sees the good answer only."""
    wire = Wire(status, 200)
    assert plain.status(plain.ask(plain.governed(wire, again()))) == 200
    assert len(wire.seen) == 2


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 409, 501, 505])
def test_any_other_status_is_final(plain: Client, status: int) -> None:
    """Another try would get the same."""
    wire = Wire(status)
    assert plain.status(plain.ask(plain.governed(wire, again()))) == status
    assert len(wire.seen) == 1


def test_the_last_answer_is_returned_as_it_is(plain: Client) -> None:
    """A client returns an answer whatever its status: nothing is raised in its place."""
    wire = Wire((503, {"n": "1"}), (503, {"n": "2"}), (503, {"n": "3"}, b"the last"))
    response = plain.ask(plain.governed(wire, again()))
    assert (plain.status(response), response.headers["n"], plain.contents(response)) == (503, "3", b"the last")


@pytest.mark.parametrize(("method", "sent"), [("GET", 2), ("HEAD", 2), ("PUT", 2), ("DELETE", 2), ("POST", 1), ("PATCH", 1)])
def test_only_an_idempotent_method_is_repeated(plain: Client, method: str, sent: int) -> None:
    """Nobody wants to be charged twice."""
    wire = Wire(503, 200)
    plain.ask(plain.governed(wire, again()), method)
    assert len(wire.seen) == sent


@pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key"])
def test_an_idempotency_key_makes_it_repeatable(plain: Client, name: str) -> None:
    """However it is written; the other side knows that it is the same request."""
    wire = Wire(503, 200)
    assert plain.status(plain.ask(plain.governed(wire, again()), "POST", body=b"x", headers={name: "k"})) == 200
    assert [(one.headers["idempotency-key"], one.body) for one in wire.seen] == [("k", b"x")] * 2


def test_a_reset_of_a_post_is_not_repeated(plain: Client) -> None:
    """It may have come after the charge."""
    wire = Wire(ConnectionResetError("reset"), 200)
    with pytest.raises(plain.broken):
        plain.ask(plain.governed(wire, again()), "POST")
    assert len(wire.seen) == 1


def test_the_clients_own_error_is_raised_in_the_end(plain: Client) -> None:
    """As its class says, with a note of ours."""
    wire = Wire(ConnectionResetError("reset"))
    with pytest.raises(plain.broken) as caught:
        plain.ask(plain.governed(wire, again()))
    assert type(caught.value).__module__.startswith(plain.name)
    assert "gave up after 3 attempts" in caught.value.__notes__[0]
    assert len(wire.seen) == 3


def test_an_error_that_is_none_of_the_clients_passes_as_it_is(plain: Client) -> None:
    """A bug below stays a bug below."""
    wrong = LookupError("a bug")
    with pytest.raises(LookupError) as caught:
        plain.ask(plain.governed(Wire(wrong), again(), circuit_breaker()))
    assert caught.value is wrong


def test_a_predicate_sees_the_answer(plain: Client) -> None:
    """Its headers, and what was asked."""
    seen = []

    def ask(error: Any) -> bool:
        seen.append((plain.status(error.response), error.response.headers["n"], str(error)))
        return True

    wire = Wire((503, {"n": "1"}), 200)
    plain.ask(plain.governed(wire, again(on=ask)))
    ((status, header, said),) = seen
    assert (status, header) == (503, "1")
    assert said.startswith("answered 503 to GET http://payments.test")
    assert said.endswith("/charge")


def test_the_servers_wait_is_waited_exactly(plain: Client) -> None:
    """Instead of the backoff."""
    clock = Clock()
    wire = Wire((429, {"Retry-After": "7"}), 200)
    plain.ask(plain.governed(wire, retry(backoff=0.1, clock=clock)))
    assert clock.slept == [7.0]


# -- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("idempotent", [None, True])
def test_a_body_that_can_be_read_once_is_sent_once(plain: Client, idempotent: bool | None) -> None:
    """Whatever the author says: the bytes are gone. The answer can still be read."""
    wire = Wire((503, {}, b"down"), 200)
    response = plain.ask(plain.governed(wire, again(idempotent=idempotent)), "PUT", body=once(b"a", b"b"))
    assert (plain.status(response), plain.contents(response)) == (503, b"down")
    assert [one.body for one in wire.seen] == [b"ab"]


def test_the_error_of_such_a_request_is_the_first_one(plain: Client) -> None:
    """Not one about a body: that was not what went wrong."""
    wire = Wire(ConnectionResetError("reset"), 200)
    with pytest.raises(plain.broken) as caught:
        plain.ask(plain.governed(wire, again(idempotent=True)), "PUT", body=once(b"a"))
    assert "body_sent" in caught.value.__notes__[0]
    assert len(wire.seen) == 1


def test_a_file_is_sent_again_from_where_it_stood(plain: Client) -> None:
    """Both clients know how to go back, and so do we."""
    file = io.BytesIO(b"already read, to be sent")
    file.seek(14)
    wire = Wire(503, 503, 200)
    plain.ask(plain.governed(wire, again()), "PUT", body=file)
    assert [one.body for one in wire.seen] == [b"to be sent"] * 3


class Pipe(io.BytesIO):
    """A file that cannot go back."""

    def seekable(self) -> bool:
        return False


def test_a_file_that_cannot_go_back_is_sent_once(plain: Client) -> None:
    """The second one would be empty."""
    wire = Wire(503, 200)
    plain.ask(plain.governed(wire, again(idempotent=True)), "PUT", body=Pipe(b"contents"))
    assert len(wire.seen) == 1


# -- what is left open -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stream", [False, True])
def test_an_earlier_answer_is_closed_before_the_next_attempt(plain: Client, stream: bool) -> None:
    """Its connection is back in the pool by then."""
    wire = Wire(503, 503, 200)
    client = plain.governed(wire, again())
    response = plain.ask(client, stream=stream)
    assert wire.open_when_asked == [0, 0, 0]
    assert plain.contents(response) == b"body"
    assert wire.open == 0


def test_an_answer_is_closed_when_the_call_ends_in_an_error(plain: Client) -> None:
    """The second attempt got no answer: nobody will read the first."""
    wire = Wire(503, ConnectionResetError("reset"))
    with pytest.raises(plain.broken):
        plain.ask(plain.governed(wire, again(2)), stream=True)
    assert wire.open == 0


def test_a_streamed_answer_whose_retry_is_refused_can_be_read(plain: Client) -> None:
    """It is the last one there is."""
    wire = Wire((503, {}, b"down"))
    response = plain.ask(plain.governed(wire, again(), rate_limit("1/minute")), stream=True)
    assert (plain.status(response), plain.contents(response)) == (503, b"down")


def test_an_answer_that_does_not_even_close_changes_nothing(plain: Client) -> None:
    """What goes wrong in tidying up is not the caller's affair."""

    class Stubborn(Body):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise RuntimeError("will not close")

    wire = Wire(200)
    wire.outcomes = [(503, {}, Stubborn(wire, b"body")), 200]
    assert plain.status(plain.ask(plain.governed(wire, again()), stream=True)) == 200


def test_a_body_that_breaks_is_repeated_where_the_client_reads_it(plain: Client) -> None:
    """The caller who does not stream has no use for half an answer."""
    wire = Wire(200)
    wire.outcomes = [(200, {"Content-Length": "9"}, Body(wire, b"half", ConnectionResetError("reset"))), (200, {}, b"the whole")]
    breaker = circuit_breaker(consecutive_failures=5)
    response = plain.ask(plain.governed(wire, again(), breaker))
    assert plain.contents(response) == b"the whole"
    assert breaker.snapshot()["failed"] == 1


def test_a_streamed_body_that_breaks_is_the_callers(plain: Client) -> None:
    """The call has ended with the head of the answer."""
    wire = Wire(200)
    wire.outcomes = [(200, {"Content-Length": "9"}, Body(wire, b"half", ConnectionResetError("reset"))), 200]
    breaker = circuit_breaker(consecutive_failures=1)
    response = plain.ask(plain.governed(wire, again(), breaker), stream=True)
    with pytest.raises((plain.broken, plain.refused, OSError)):
        plain.contents(response)
    assert len(wire.seen) == 1
    assert breaker.current_state == "closed"


# -- gates ------------------------------------------------------------------------------------------------------------


def test_failing_answers_open_the_breaker(plain: Client) -> None:
    """And the refusal is an error of both sides."""
    wire = Wire(503)
    client = plain.governed(wire, circuit_breaker(consecutive_failures=2))
    assert [plain.status(plain.ask(client)) for _ in range(2)] == [503, 503]
    with pytest.raises(CircuitOpenError) as caught:
        plain.ask(client)
    assert isinstance(caught.value, plain.refused)
    about: Any = caught.value
    assert "payments.test" in str(getattr(about, "request", about).url)
    assert len(wire.seen) == 2


def test_a_refusal_ends_a_retry(plain: Client) -> None:
    """Nobody knocks again at a door that was closed a moment ago."""
    wire = Wire(200)
    client = plain.governed(wire, again(on="connection"), rate_limit("1/minute"))
    plain.ask(client)
    with pytest.raises(RateLimitedError) as caught:
        plain.ask(client)
    assert isinstance(caught.value, plain.refused)
    assert caught.value.__cause__ is None
    assert len(wire.seen) == 1


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9001/2018-06-01/runtime/invocation/next", "http://169.254.169.254/latest/", "http://localhost:2772/a"],
)
def test_control_traffic_is_never_governed(plain: Client, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A breaker that opened there would take the function down."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    wire = Wire(503)
    client = plain.governed(wire, again(), circuit_breaker(consecutive_failures=1))
    assert [plain.status(plain.ask(client, url=url)) for _ in range(3)] == [503] * 3
    assert len(wire.seen) == 3


def test_each_hop_of_a_redirect_is_a_request_of_its_own(plain: Client) -> None:
    """A 503 on the second hop is repeated there, without asking the first one again; each counts once."""
    wire = Wire((302, {"Location": "/new"}), 503, (200, {}, b"there"))
    gate = rate_limit("3/minute")
    response = plain.ask(plain.governed(wire, again(), gate))
    assert (plain.status(response), plain.contents(response)) == (200, b"there")
    assert [one.url for one in wire.seen] == ["/charge", "/new", "/new"]
    with pytest.raises(RateLimitedError):
        plain.ask(plain.governed(wire, gate), url=URL)
