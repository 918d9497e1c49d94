"""The loop of coroutine handlers: a process has its own, and a late call is cancelled where the platform does not end it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_child, in_threads
from svcgov import Governor
from svcgov.errors import CallTimeoutError
from svcgov.inbound import _loop
from svcgov.testing import ManualClock

from .events import Context, http
from .making import Made, lines

if TYPE_CHECKING:
    from collections.abc import Callable

FORKED = """
import asyncio, json, os
import svcgov
os.environ["SVCGOV_LOG"] = "off"

@svcgov.handler
async def handler(event, context):
    await asyncio.sleep(0)
    return id(asyncio.get_running_loop()), os.getpid()

def in_fork():
    "What the handler sees in a forked child, and what the child says when it ends."
    come, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(go, 1), os.dup2(go, 2)
        print(json.dumps(handler({}, None)))
        raise SystemExit
    os.close(go)
    with os.fdopen(come) as text:
        said = text.read()
    os.waitpid(child, 0)
    return said
"""


@pytest.fixture
def managed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function on Managed Instances."""
    monkeypatch.setenv("AWS_LAMBDA_MAX_CONCURRENCY", "4")


def made(body: Callable[[ManualClock], Any], *, clock: ManualClock | None = None, **options: Any) -> Any:
    """A coroutine handler that does *body*."""
    clock = clock or ManualClock()

    async def handler(event: Any, context: Any) -> Any:
        """Handle it."""
        return await body(clock)

    return Governor(clock=clock).handler(**options)(handler)


async def _late(clock: ManualClock) -> None:
    clock.advance(3.0)
    await asyncio.Event().wait()


# -- a process has its own --------------------------------------------------------------------------------------------


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    """And lets go of its parent's without a word."""
    code = """
mine = handler({}, None)
said = in_fork().splitlines()
theirs = json.loads(said[0])
print(json.dumps([mine[0] != theirs[0], mine[1] != theirs[1], said[1:]]))
"""
    assert in_child(FORKED + code) == [True, True, []]


def test_the_loop_of_the_parent_is_awoken_after_a_child_has_ended() -> None:
    """A child that closed it would take what it waits for away from it: they share it."""
    code = """
import threading
before = handler({}, None)
in_fork()

@svcgov.handler
async def other(event, context):
    loop, done = asyncio.get_running_loop(), asyncio.Event()
    threading.Timer(0.05, loop.call_soon_threadsafe, (done.set,)).start()
    async with asyncio.timeout(5):
        await done.wait()
    return id(loop)

print(json.dumps(other({}, None) == before[0]))
"""
    assert in_child(FORKED + code) is True


def test_in_a_child_the_loops_of_the_parent_count_as_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """So nobody closes them, or complains that they are open; the next call begins another one."""
    monkeypatch.setattr(_loop, "_runners", [])
    monkeypatch.setattr(_loop, "_mine", type(_loop._mine)())
    one = Made("async")
    one.steps += [asyncio.get_running_loop] * 2
    before = one.handler({}, None)
    (runner,) = _loop._runners
    _loop._left_to_the_parent()
    assert before.is_closed()
    assert _loop._runners == []
    after = one.handler({}, None)
    assert after is not before
    del before.is_closed  # here it is still ours
    runner.close()
    _loop._ended()
    assert after.is_closed()


def test_loops_of_all_threads_are_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing complains of them."""
    monkeypatch.setattr(_loop, "_runners", [])
    one = Made("async")
    one.steps += [asyncio.get_running_loop] * 3
    loops: list[Any] = []
    assert in_threads(3, lambda number: loops.append(one.handler({}, None))) == []
    _loop._ended()
    assert [loop.is_closed() for loop in loops] == [True] * 3


def test_two_handlers_of_a_thread_share_its_loop() -> None:
    """So they can share an async client too."""
    one, other = Made("async"), Made("async")
    one.steps.append(asyncio.get_running_loop)
    other.steps.append(asyncio.get_running_loop)
    assert one.handler({}, None) is other.handler({}, None)


# -- a late call ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("managed")
def test_on_managed_instances_a_late_call_is_cancelled() -> None:
    """The platform has told the caller so, and would let it go on for ever."""
    with pytest.raises(CallTimeoutError) as caught:
        made(_late)({}, Context(left=3.0))
    assert (caught.value.reason, caught.value.seconds) == ("deadline", 3.0)
    assert caught.value.policy.endswith("handler")
    assert isinstance(caught.value.__cause__, asyncio.CancelledError)


@pytest.mark.usefixtures("managed")
def test_over_http_a_late_call_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody may wait longer than the function had; nobody has to ask for it by ``errors``."""
    answer = made(_late)(http(x_request_deadline_ms="1000"), Context(left=5.0))
    assert answer["statusCode"] == 504
    assert json.loads(answer["body"]) == {"title": "Gateway Timeout", "status": 504, "reason": "deadline"}
    (line,) = lines(capsys)
    assert (line["outcome"], line["status"], line["error"], line["late"]) == ("raised", 504, "CallTimeoutError", True)


@pytest.mark.usefixtures("managed")
def test_a_call_in_time_is_none_of_it() -> None:
    """Its result, its error, and its time without an end."""

    async def quick(clock: ManualClock) -> str:
        clock.advance(2.9)
        await asyncio.sleep(0)
        return "answer"

    async def wrong(clock: ManualClock) -> None:
        raise LookupError("mine")

    clock = ManualClock()
    assert made(quick, clock=clock)({}, Context(left=3.0)) == "answer"
    clock.advance(60.0)
    assert made(quick)({}, None) == "answer"
    with pytest.raises(LookupError, match="mine"):
        made(wrong)({}, Context(left=3.0))


@pytest.mark.usefixtures("managed")
def test_a_call_that_ends_in_spite_of_it_keeps_its_result() -> None:
    """What it did has been done."""

    async def stubborn(clock: ManualClock) -> str:
        try:
            await _late(clock)
        except asyncio.CancelledError:
            return "done"
        raise AssertionError

    handler = made(stubborn)
    assert handler({}, Context(left=3.0)) == "done"
    assert handler({}, Context(left=3.0)) == "done"


@pytest.mark.usefixtures("managed")
def test_who_cancels_himself_is_not_late() -> None:
    """Only our own cancellation is a time-out."""

    async def cancelled(clock: ManualClock) -> None:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        made(cancelled)(http(), Context(left=3.0))


@pytest.mark.usefixtures("managed")
def test_a_time_out_of_a_call_inside_is_still_the_authors() -> None:
    """It is not that of the whole call, whatever its reason."""

    async def inside(clock: ManualClock) -> None:
        raise CallTimeoutError("payments", "deadline", 1.0)

    with pytest.raises(CallTimeoutError):
        made(inside)(http(), Context(left=3.0))


def test_elsewhere_the_platform_ends_a_late_call() -> None:
    """It is not cancelled by us, and its answer goes out if it comes to that."""

    async def late(clock: ManualClock) -> str:
        clock.advance(3.5)
        await asyncio.sleep(0)
        return "answer"

    assert made(late)({}, Context(left=3.0)) == "answer"
