"""Governed clients on made-up wires: what is repeated, what is sent again, and that no answer is left open."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import circuit_breaker, rate_limit, retry

from .worlds import URL, Clock, again

if TYPE_CHECKING:
    from .worlds import World


# -- what is repeated -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_invites_another_try_gets_one(world: World, status: int) -> None:
    """The caller sees the good answer only."""
    wire = world.wire(status, 200)
    assert world.call(world.governed(wire, again()).get, URL).status_code == 200
    assert len(wire.requests) == 2


@pytest.mark.parametrize("status", [200, 204, 302, 400, 404, 409, 501, 505])
def test_any_other_status_is_final(world: World, status: int) -> None:
    """Another try would get the same."""
    wire = world.wire(status)
    assert world.call(world.governed(wire, again()).get, URL).status_code == status
    assert len(wire.requests) == 1


def test_the_last_answer_is_returned_as_it_is(world: World) -> None:
    """A client returns an answer whatever its status: nothing is raised in its place."""
    wire = world.wire((503, {"n": "1"}), (503, {"n": "2"}), (503, {"n": "3"}))
    response = world.call(world.governed(wire, again()).get, URL)
    assert (response.status_code, response.headers["n"], response.content) == (503, "3", b"body")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"])
def test_an_idempotent_method_is_repeated(world: World, method: str) -> None:
    """Twice is the same as once."""
    wire = world.wire(503, 200)
    assert world.call(world.governed(wire, again()).request, method, URL).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_another_method_is_not(world: World, method: str) -> None:
    """Nobody wants to be charged twice."""
    wire = world.wire(503, 200)
    assert world.call(world.governed(wire, again()).request, method, URL).status_code == 503
    assert len(wire.requests) == 1


def test_a_connection_error_of_a_post_is_not_repeated(world: World) -> None:
    """It may have broken after the charge."""
    wire = world.wire(world.package.ReadError("reset"), 200)
    with pytest.raises(world.package.ReadError):
        world.call(world.governed(wire, again()).post, URL)
    assert len(wire.requests) == 1


def test_an_idempotency_key_makes_it_repeatable(world: World) -> None:
    """The other side knows it is the same request: the key is, too."""
    wire = world.wire(503, 200)
    client = world.governed(wire, again())
    assert world.call(client.post, URL, json={"a": 1}, headers={"Idempotency-Key": "k"}).status_code == 200
    assert [request.headers["idempotency-key"] for request in wire.requests] == ["k", "k"]
    assert wire.bodies[0] == wire.bodies[1] != b""


def test_the_setting_makes_it_repeatable(world: World) -> None:
    """``idempotent=True`` is the author's word."""
    wire = world.wire(503, 200)
    assert world.call(world.governed(wire, again(idempotent=True)).post, URL, content=b"x").status_code == 200
    assert wire.bodies == [b"x", b"x"]


def test_connection_errors_are_the_clients_own(world: World) -> None:
    """The same object that the transport raised, with a note."""
    refused = world.package.ConnectError("refused")
    wire = world.wire(refused)
    with pytest.raises(world.package.ConnectError) as caught:
        world.call(world.governed(wire, again()).get, URL)
    assert caught.value is refused
    assert len(wire.requests) == 3
    assert "gave up after 3 attempts" in caught.value.__notes__[0]


def test_an_error_that_is_none_of_ours_passes_as_it_is(world: World) -> None:
    """A transport's bug stays a transport's bug."""
    wrong = ValueError("a bug")
    with pytest.raises(ValueError, match="a bug") as caught:
        world.call(world.governed(world.wire(wrong), again(), circuit_breaker()).get, URL)
    assert caught.value is wrong


def test_a_retry_may_be_told_of_the_clients_status_error(world: World) -> None:
    """``on=HTTPStatusError`` means what it says, for the statuses that are failures."""
    wire = world.wire(503, 200)
    client = world.governed(wire, again(on=world.package.HTTPStatusError))
    assert world.call(client.get, URL).status_code == 200


def test_a_predicate_sees_the_answer(world: World) -> None:
    """Status, headers and URL of it, as the client's own error would show them."""
    seen = []

    def ask(error: Any) -> bool:
        seen.append((error.response.status_code, error.response.headers["n"], str(error.response.url), str(error)))
        return True

    wire = world.wire((503, {"n": "1"}), 200)
    world.call(world.governed(wire, again(on=ask)).get, URL)
    assert seen == [(503, "1", URL, f"answered 503 to GET {URL}")]


# -- bodies -----------------------------------------------------------------------------------------------------------


def test_a_body_that_can_be_read_once_is_sent_once(world: World) -> None:
    """Even a PUT: the second one would be empty."""
    wire = world.wire(503, 200)
    response = world.call(world.governed(wire, again()).put, URL, content=world.body([b"a", b"b"]))
    assert response.status_code == 503
    assert wire.bodies == [b"ab"]


def test_a_body_that_can_be_read_once_is_sent_once_whatever_the_author_says(world: World) -> None:
    """``idempotent=True`` is about the other side; the bytes are gone. The answer can still be read."""
    wire = world.wire(503, 200)
    client = world.governed(wire, again(idempotent=True), circuit_breaker())
    response = world.call(client.put, URL, content=world.body([b"a", b"b"]))
    assert (response.status_code, response.content) == (503, b"body")
    assert wire.bodies == [b"ab"]
    assert wire.open == 0


def test_the_error_of_such_a_request_is_the_first_one(world: World) -> None:
    """Not one about a body: that was not what went wrong."""
    reset = world.package.ReadError("reset")
    wire = world.wire(reset, 200)
    with pytest.raises(world.package.ReadError) as caught:
        world.call(world.governed(wire, again(idempotent=True)).put, URL, content=world.body([b"a"]))
    assert caught.value is reset
    assert "body_sent" in caught.value.__notes__[0]


def test_files_of_a_form_are_rewound(world: World) -> None:
    """The library seeks to the beginning, so the whole is sent again."""
    wire = world.wire(503, 200)
    world.call(world.governed(wire, again()).put, URL, files={"f": io.BytesIO(b"contents")}, data={"a": "b"})
    assert wire.bodies[0] == wire.bodies[1]
    assert b"contents" in wire.bodies[1]


class Pipe(io.BytesIO):
    """A file that cannot seek."""

    def seekable(self) -> bool:
        return False


class Broken(io.BytesIO):
    """A file that does not even say so."""

    def seekable(self) -> bool:
        raise OSError("who knows")


@pytest.mark.parametrize("file", [Pipe, Broken])
def test_a_form_with_a_file_that_cannot_be_rewound_is_sent_once(world: World, file: type[io.BytesIO]) -> None:
    """The second form would lack it."""
    wire = world.wire(503, 200)
    response = world.call(world.governed(wire, again()).put, URL, files={"f": file(b"contents")})
    assert (response.status_code, len(wire.requests)) == (503, 1)


# -- answers are closed ------------------------------------------------------------------------------------------------


def test_an_earlier_answer_is_closed_before_the_next_attempt(world: World) -> None:
    """Its connection is free by then; and none is left in the end."""
    wire = world.wire(503, 503, 200)
    world.call(world.governed(wire, again()).get, URL)
    assert wire.open_when_asked == [0, 0, 0]
    assert wire.open == 0


def test_an_answer_whose_retry_is_refused_is_the_last_one_and_can_be_read(world: World) -> None:
    """The limit let one through; what that one was told is the caller's to know."""
    wire = world.wire(503)
    response = world.call(world.governed(wire, again(), rate_limit("1/minute")).get, URL)
    assert (response.status_code, response.content) == (503, b"body")
    assert wire.open == 0


def test_an_answer_is_closed_when_the_call_ends_in_an_error(world: World) -> None:
    """The second attempt got no answer: nobody will read the first."""
    wire = world.wire(503, world.package.ConnectError("refused"))
    with pytest.raises(world.package.ConnectError):
        world.call(world.governed(wire, again(2)).get, URL)
    assert wire.open == 0


def test_an_answer_is_closed_when_a_retry_is_interrupted(sync_world: World) -> None:
    """Ctrl-C in the wait between two attempts."""

    class Interrupting(Clock):
        def sleep(self, seconds: float, /) -> None:
            raise KeyboardInterrupt

    wire = sync_world.wire(503)
    client = sync_world.governed(wire, retry(backoff=1.0, clock=Interrupting(), budget=None))
    with pytest.raises(KeyboardInterrupt):
        sync_world.call(client.get, URL)
    assert wire.open == 0


def test_an_answer_is_closed_when_a_retry_is_cancelled(async_world: World) -> None:
    """The task is cancelled in the wait between two attempts."""
    wire = async_world.wire(503)
    client = async_world.governed(wire, retry(backoff=30.0, budget=None))

    async def scenario() -> None:
        task = asyncio.create_task(client.get(URL))
        while not wire.requests:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async_world.call(scenario)
    assert wire.open == 0


def test_an_answer_that_does_not_even_close_changes_nothing(world: World) -> None:
    """What goes wrong in tidying up is not the caller's affair."""

    def stubborn(request: Any) -> Any:
        response = wire.response(503)

        def fail() -> None:
            raise RuntimeError("will not close")

        async def afail() -> None:
            fail()

        response.stream.close, response.stream.aclose = fail, afail
        return response

    wire = world.wire(stubborn, 200)
    assert world.call(world.governed(wire, again()).get, URL).status_code == 200
