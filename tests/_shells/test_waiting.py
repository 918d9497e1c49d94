"""The two ways to wait are one text, and each keeps its promises to whoever is granted, stopped or too late."""

from __future__ import annotations

import ast
import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from svcgov._core._call import Call, Wait
from svcgov._core._clock import SYSTEM
from svcgov._shells import _waiting_async, _waiting_sync
from svcgov.errors import BulkheadFullError
from test_mirror import Plain

if TYPE_CHECKING:
    from collections.abc import Callable


class Answer(Wait):
    """A gate's answer that writes down what it is asked."""

    __slots__ = ("asked", "clock", "granted", "permit", "until", "wake")

    def __init__(self, seconds: float, *, at_once: bool = False, in_the_end: bool = False) -> None:
        self.clock = SYSTEM
        self.until = SYSTEM.monotonic() + seconds
        self.permit = "permit"
        self.granted = (at_once, in_the_end)
        self.asked: list[str] = []

    def join(self, wake: Callable[[], None]) -> bool:
        self.asked.append("join")
        self.wake = wake
        return self.granted[0]

    def over(self) -> bool:
        self.asked.append("over")
        return self.granted[1]

    def abandon(self) -> None:
        self.asked.append("abandon")

    def refused(self, reason: str) -> BulkheadFullError:
        return BulkheadFullError("room", reason)


@pytest.fixture(params=["sync", "async"])
def wait(request: pytest.FixtureRequest) -> Callable[[Answer], Any]:
    """Wait, in either world."""
    if request.param == "sync":
        return _waiting_sync.wait
    return lambda answer: asyncio.run(_waiting_async.wait(answer))


def test_the_two_waits_are_mirrors() -> None:
    """Async and await taken out, they are the same."""
    plain, other = (ast.parse(Path(str(module.__file__)).read_text()) for module in (_waiting_sync, _waiting_async))
    ours, theirs = (
        next(node for node in tree.body if getattr(node, "name", "") == "wait") for tree in (plain, Plain().visit(other))
    )
    assert ast.dump(ours) == ast.dump(theirs)


def test_who_is_granted_at_once_does_not_wait(wait: Callable[[Answer], Any]) -> None:
    """Though a minute would be allowed."""
    answer = Answer(60, at_once=True)
    assert wait(answer)[0] == "permit"
    assert answer.asked == ["join"]


@pytest.mark.parametrize("late", [False, True])
def test_who_is_woken_goes_on(wait: Callable[[Answer], Any], late: bool) -> None:
    """By another thread, before the wait has begun or in the middle of it."""
    answer = Answer(60)
    join = answer.join

    class Woken(Answer):
        __slots__ = ()

        def join(self, wake: Callable[[], None]) -> bool:
            threading.Timer(0.02, wake).start() if late else wake()
            return join(wake)

    answer.__class__ = Woken
    _, now = wait(answer)
    assert now < answer.until
    assert answer.asked == ["join"]


def test_who_has_waited_too_long_is_refused(wait: Callable[[Answer], Any]) -> None:
    """With the reason, and after it has left its place."""
    answer = Answer(0.01)
    with pytest.raises(BulkheadFullError, match="wait_timeout"):
        wait(answer)
    assert answer.asked == ["join", "over", "abandon"]


def test_who_was_granted_in_the_last_moment_goes_on(wait: Callable[[Answer], Any]) -> None:
    """The time is over, but the place is there."""
    answer = Answer(0.01, in_the_end=True)
    assert wait(answer)[0] == "permit"
    assert answer.asked == ["join", "over"]


def test_a_cancelled_task_gives_up_its_place() -> None:
    """And is cancelled."""
    answer = Answer(60)

    async def main() -> None:
        task = asyncio.create_task(_waiting_async.wait(answer))
        await asyncio.sleep(0)
        task.cancel()
        await task

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
    assert answer.asked == ["join", "abandon"]


def test_a_thread_that_runs_a_loop_is_not_blocked() -> None:
    """It is refused before it joins."""
    answer = Answer(60)

    async def main() -> None:
        _waiting_sync.wait(answer)

    with pytest.raises(BulkheadFullError, match="would_block_loop"):
        asyncio.run(main())
    assert answer.asked == ["abandon"]


def test_a_closed_loop_cannot_be_woken() -> None:
    """Whoever wakes is told, so that the place can go on."""
    answer = Answer(0.01, in_the_end=True)
    asyncio.run(_waiting_async.wait(answer))
    with pytest.raises(RuntimeError):
        answer.wake()


def test_a_call_shows_what_is_called() -> None:
    """Through a pipeline the function comes first; arguments do not end up in a log."""
    for call in (Call(ast.parse, ("secret",), {"mode": "eval"}), Call(None, (ast.parse, "secret"), {"mode": "eval"})):
        assert (call.fn, call.args, call.kwargs) == (ast.parse, ("secret",), {"mode": "eval"})
        assert repr(call) == "Call(parse)"
        assert call.invocation.platform == "none"


@pytest.mark.parametrize("verb", ["join", "over", "abandon", "refused"])
def test_a_bare_wait_answers_nothing(verb: str) -> None:
    """Each gate says for itself what its wait is."""
    with pytest.raises(NotImplementedError):
        getattr(Wait(), verb)(*("x",) * (verb in ("join", "refused")))
