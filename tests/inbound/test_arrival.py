"""What came along with a call is looked at when somebody asks, and only then."""

from __future__ import annotations

import asyncio
import pickle
import threading
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor
from svcgov._core._chores import CHORES
from svcgov._core._context import ATTEMPT, REPEATABLE, Identity, Invocation
from svcgov.inbound import _arrival
from svcgov.inbound._arrival import Came, arriving, came_by

from .events import TRACE_ID, Context, traced
from .making import Made, lines

if TYPE_CHECKING:
    from collections.abc import Callable

ORDERS = Identity(service="orders", version="7", colours=frozenset({"blue"}))


class Looks:
    """How a call is looked at, with what is seen and how often."""

    def __init__(self, **headers: str) -> None:
        self.times = 0
        self.headers = headers

    def __call__(self, event: Any, context: Any) -> Came:
        self.times += 1
        return Came("test", "http", self.headers, request_id="id-1", method="GET", path="/a", client="192.0.2.7", form="v2")


def arrived(look: Callable[[Any, Any], Came], event: Any = None) -> Invocation:
    """An invocation of the service *orders*."""
    return arriving(look, event, None, ORDERS, 3.0)


def test_it_is_looked_at_once_and_only_when_it_is_asked_for() -> None:
    """Most functions never ask."""
    look = Looks()
    invocation = arrived(look, "event")
    assert look.times == 0
    assert (invocation.trigger, invocation.path, invocation.raw, invocation.deadline) == ("http", "/a", "event", 3.0)
    assert (invocation.service, invocation.version, invocation.platform) == ("orders", "7", "test")
    assert came_by(invocation).form == "v2"
    assert look.times == 1


def test_who_answers_may_be_the_first_to_ask() -> None:
    """How it came is known then."""
    look = Looks()
    assert came_by(arrived(look)).form == "v2"
    assert look.times == 1


def test_an_invocation_that_did_not_arrive_came_nowhere() -> None:
    """One that was made by hand, say."""
    assert came_by(Invocation()).form == ""


def test_what_there_is_not_is_an_attribute_error() -> None:
    """And no reason to look."""
    look = Looks()
    with pytest.raises(AttributeError, match="'Arriving' object has no attribute 'colours'"):
        arrived(look).colours  # type: ignore[attr-defined]
    assert look.times == 0


def test_it_is_a_frozen_record_like_any_other() -> None:
    """Equal by its values, replaced, pickled, shown without what may be secret."""
    invocation = arrived(Looks(traceparent=f"00-{TRACE_ID}-00f067aa0ba902b7-01"), {"password": "hunter2"})
    other = pickle.loads(pickle.dumps(invocation))
    assert type(other) is Invocation
    assert invocation == other
    assert invocation.replace(colour="blue").colour == "blue"
    assert invocation != invocation.replace(colour="blue")
    assert invocation != "orders"
    assert isinstance(hash(arrived(Looks()).replace(headers=(), baggage=(), forwarded=())), int)
    assert "hunter2" not in repr(invocation)
    with pytest.raises(AttributeError, match="frozen"):
        invocation.colour = "blue"  # type: ignore[misc]  # that is what is tested


def test_all_threads_see_the_same() -> None:
    """Whoever asks first looks, once."""
    look = Looks()
    invocation = arrived(look)
    seen: list[Any] = []
    gate = threading.Barrier(8)

    def ask() -> None:
        gate.wait(5)
        seen.append(invocation.trace)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in seen}) == 1
    assert look.times == 1


def test_a_silent_handler_does_not_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks: neither the function nor the log."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    looked: list[int] = []
    monkeypatch.setattr(_arrival, "_look", lambda invocation: looked.append(1))
    handler = Governor(service="orders").handler(lambda event, context: svcgov.remaining() or 9.0)
    assert 0 < handler(traced(), Context(left=3.0)) <= 3.0
    assert looked == []


def test_a_handler_with_a_log_looks_before_the_function_can_change_the_event(capsys: pytest.CaptureFixture[str]) -> None:
    """The line tells of the call as it came."""

    def handler(event: Any, context: Any) -> None:
        event.clear()

    Governor(service="orders").handler(handler)(traced(), Context())
    assert lines(capsys)[0]["trace_id"] == TRACE_ID


def test_a_call_begins_anew_wherever_it_is_made() -> None:
    """Inside an attempt of somebody's, its attempt is the first, and nobody has said that it may be repeated."""
    handler = Governor(service="orders").handler(lambda event, context: (svcgov.current_attempt(), REPEATABLE.get()))
    attempt, repeatable = ATTEMPT.set(2), REPEATABLE.set(True)
    try:
        assert handler({}, Context()) == (1, None)
    finally:
        ATTEMPT.reset(attempt)
        REPEATABLE.reset(repeatable)


def test_silent_applications_write_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Over either interface."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    governor = Governor(service="orders")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(message: Any) -> None:
        sent.append(message["status"])

    sent: list[int] = []
    asyncio.run(governor.asgi(app)({"type": "http", "headers": []}, None, send))
    body = governor.wsgi(lambda environ, start_response: [b"done"])({}, lambda *_: None)
    assert (sent, list(body), capsys.readouterr().out) == ([204], [b"done"], "")


def test_who_comes_second_finds_what_the_first_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """While it waited for its turn, another thread has looked."""
    look = Looks()
    invocation = arrived(look)

    class Turn:
        def __enter__(self) -> None:
            if not look.times:
                _arrival._look(invocation)  # type: ignore[arg-type]  # one that is arriving

        def __exit__(self, *error: object) -> None: ...

    monkeypatch.setattr(_arrival, "_lock", Turn())
    assert invocation.path == "/a"
    assert look.times == 1


def test_in_a_forked_child_nobody_is_looking() -> None:
    """The lock is a new one."""
    before = _arrival._lock
    _arrival._unlocked()
    assert _arrival._lock is not before


def test_what_can_wait_is_done_when_the_answer_is_ready() -> None:
    """Over every way in, whatever became of the call; and only when it is due."""
    done: list[str] = []
    chore = CHORES.add("beat", lambda: done.append("beat"), every=3600)
    governor = Governor(service="orders")

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})

    async def send(message: Any) -> None:
        pass

    def broken(event: Any, context: Any) -> None:
        raise LookupError

    def calls() -> None:
        governor.handler(lambda event, context: None)({}, Context())
        with pytest.raises(LookupError):
            governor.handler(broken)({}, None)
        asyncio.run(governor.asgi(app)({"type": "http", "headers": []}, None, send))
        list(governor.wsgi(lambda environ, start_response: [b"done"])({}, lambda *_: None))

    calls()
    assert done == []
    (one,) = CHORES._chores
    one.every, one.due, CHORES.due = 0.0, 0.0, 0.0
    calls()
    assert done == ["beat"] * 4
    chore()


def test_what_can_wait_is_done_also_where_nothing_is_written(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the log off, and nobody who listens."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    done: list[str] = []
    CHORES.add("beat", lambda: done.append("beat"), every=0)
    Made(kind).handler({}, Context())
    assert done == ["beat"]
