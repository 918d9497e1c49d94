"""A place in a bulkhead is taken until an answer has been read, on real clients: every way in which that may end."""

from __future__ import annotations

import gc
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from outbound.worlds import Clock, again
from svcgov import bulkhead

from .misbehaving import FAULTS, Misbehaving
from .streamers import STREAMERS, OfAiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .misbehaving import Fault, Line

pytestmark = pytest.mark.extras

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
FAILED = b"HTTP/1.1 503 Down\r\nContent-Length: 12\r\n\r\n"


class Opened:
    """A client whose calls have a bulkhead around them, and what it has opened at a server that waits with half of the body."""

    def __init__(self, name: str, fault: Fault | None = None, head: bytes = HEAD) -> None:
        self.clock = Clock()
        self.gate = bulkhead(2, clock=self.clock)
        self.go = threading.Event()
        self.server = Misbehaving(fault or self._half)
        self.streamer = STREAMERS[name](self.gate, again(clock=self.clock))
        self.waits = 99
        self._head = head

    def _half(self, line: Line) -> None:
        while asked := line.heard():
            line.say(self._head, b"half a")
            if asked <= self.waits:
                self.go.wait(5.0)
            line.say(b" body!")

    @property
    def in_use(self) -> int:
        """Places that are taken."""
        return self.gate.snapshot()["in_use"]

    def close(self) -> None:
        """Close the client and the server."""
        self.go.set()
        self.streamer.close()
        assert self.server.still_open() == 0
        self.server.close()


@pytest.fixture(params=STREAMERS)
def name(request: pytest.FixtureRequest) -> str:
    """The clients, one by one."""
    return str(request.param)


@pytest.fixture
def opened(name: str) -> Iterator[Opened]:
    """A client and its server."""
    made = Opened(name)
    try:
        yield made
    finally:
        made.close()


def test_an_answer_that_is_read_at_once_is_over_when_it_is_returned(opened: Opened) -> None:
    """It was read before the client returned it."""
    opened.go.set()
    opened.streamer.get(opened.server.url)
    assert opened.in_use == 0


def test_a_streamed_answer_that_is_read_to_its_end_is_over_then(opened: Opened) -> None:
    """Not with its head: the connection is busy, and so is the other side."""
    answer = opened.streamer.open(opened.server.url)
    assert opened.in_use == 1
    opened.go.set()
    assert opened.streamer.read(answer) == b"half a body!"
    assert opened.in_use == 0


@pytest.mark.parametrize("read", [False, True], ids=["unread", "read in part"])
def test_a_streamed_answer_that_is_closed_is_over_then(opened: Opened, *, read: bool) -> None:
    """However much of it was read; and once."""
    answer = opened.streamer.open(opened.server.url)
    assert opened.in_use == 1
    if read:
        assert b"half a body!".startswith(opened.streamer.part(answer))
    opened.streamer.end(answer)
    opened.streamer.end(answer)
    assert opened.in_use == 0


def test_an_answer_that_nobody_holds_any_more_is_over(opened: Opened) -> None:
    """The collector finds it; but aiohttp holds an answer itself, as long as its connection is open."""
    answer = opened.streamer.open(opened.server.url)
    assert opened.in_use == 1
    del answer
    gc.collect()
    assert opened.in_use == isinstance(opened.streamer, OfAiohttp)


def test_an_answer_that_is_open_for_too_long_is_over_when_the_next_request_comes(opened: Opened) -> None:
    """There is no timer; those that were opened later keep their places. What ends afterwards changes nothing."""
    first = opened.streamer.open(opened.server.url)
    opened.clock.advance(40.0)
    second = opened.streamer.open(opened.server.url)
    opened.clock.advance(20.0)
    assert opened.in_use == 2
    opened.waits = 2
    opened.streamer.get(opened.server.url)
    assert opened.in_use == 1
    opened.go.set()
    for answer in (first, second):
        assert opened.streamer.read(answer) == b"half a body!"
    assert opened.in_use == 0


@pytest.mark.parametrize("fault", ["resets_in_the_body", "closes_in_the_body", "stalls_in_the_body", "breaks_a_chunk_off"])
def test_a_body_that_breaks_is_over_then(name: str, fault: str) -> None:
    """It was the caller's to read: no policy hears of the error."""
    opened = Opened(name, FAULTS[fault])
    answer = opened.streamer.open(opened.server.url)
    assert opened.in_use == 1
    with suppress(Exception):  # botocore does not notice all of them
        opened.streamer.read(answer)
    assert opened.in_use == 0
    del answer
    opened.close()
    assert len(opened.server.heads) == 1


def test_a_failing_answer_that_is_the_last_is_read_like_any_other(name: str) -> None:
    """Those before it are closed."""
    opened = Opened(name, head=FAILED)
    if name == "boto3":  # it reads what has failed, and raises it
        opened.go.set()
    answer = _whatever(opened.streamer.open, opened.server.url)
    assert opened.in_use == (name != "boto3")
    opened.go.set()
    if name != "boto3":
        opened.streamer.read(answer)
    assert opened.in_use == 0
    assert len(opened.server.heads) == 3
    del answer  # it holds its connection
    opened.close()


def _whatever(fn: Callable[..., Any], *args: Any) -> Any:
    with suppress(Exception):
        return fn(*args)
    return None
