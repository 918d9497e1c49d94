"""The frame that leaves a permit with the answer: what it asks the gate, and who gets the permit back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from svcgov._core._call import Call, Wait
from svcgov._shells import _kept_async, _kept_sync

if TYPE_CHECKING:
    from collections.abc import Callable

FREE, CALM, TAKEN = object(), object(), object()


class Gate:
    """Writes down what it is asked, and what it is told."""

    def __init__(self, *, free: object = None, asks: bool = False, wait: bool = False) -> None:
        self.free = free
        self.calm = CALM
        self.asks = asks
        self.wait = wait
        self.asked: list[Any] = []
        self.settled: list[Any] = []

    def admit(self, now: float, call: Any = None) -> Any:
        self.asked.append(call)
        return Waiting() if self.wait else TAKEN

    def settle(self, permit: Any, error: Any, now: float) -> None:
        self.settled.append((permit, error, now))


class Waiting(Wait):
    """Ends with a permit, at once."""

    def __init__(self) -> None:
        """Nothing to wait for."""


class Keeping:
    """What the client is asked with."""

    def __init__(self) -> None:
        self.kept: list[Any] = []
        self.attempts = 0

    def let_go(self) -> None:
        self.attempts += 1

    def keep(self, settle: Any, permit: Any, error: Any, now: float) -> bool:
        if isinstance(error, OSError):
            return False
        self.kept.append((permit, error, now))
        return True


def called(kind: str, gate: Any, fn: Callable[[], Any], keeping: Keeping, *, again: bool = False) -> Any:
    """What comes back from a call in this kind of frame."""

    async def ainner(now: float, args: Any, kw: Any) -> Any:
        return fn()

    async def awaited(permit: Any) -> Any:
        return TAKEN, 2.0

    if kind == "sync":
        frame: Any = _kept_sync.kept(gate, fn, lambda wait: (TAKEN, 2.0), lambda now, args, kw: fn(), again=again)
        return frame(1.0, (keeping,), {})
    aframe: Any = _kept_async.kept(gate, fn, awaited, ainner, again=again)
    return asyncio.run(aframe(1.0, (keeping,), {}))


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both worlds."""
    return str(request.param)


@pytest.mark.parametrize(
    ("gate", "kept"),
    [
        (Gate(), [(TAKEN, None, 1.0)]),
        (Gate(free=FREE), [(FREE, None, 1.0)]),
        (Gate(free=CALM), []),
        (Gate(wait=True), [(TAKEN, None, 2.0)]),
    ],
    ids=["taken", "free", "calm", "waited for"],
)
def test_a_permit_is_left_with_the_answer_unless_it_need_not_come_back(kind: str, gate: Gate, kept: Any) -> None:
    """With the moment when it was handed out; what an earlier attempt has left is let go before."""
    keeping = Keeping()
    assert called(kind, gate, lambda: "answer", keeping) == "answer"
    assert (keeping.kept, keeping.attempts, gate.settled) == (kept, 1, [])


def test_only_a_gate_that_wants_to_see_the_call_is_shown_it(kind: str) -> None:
    """Nothing is made for nobody."""
    curious, other = Gate(asks=True), Gate()
    for gate in (curious, other):
        called(kind, gate, lambda: "answer", Keeping())
    assert isinstance(curious.asked[0], Call)
    assert other.asked == [None]


@pytest.mark.parametrize(
    ("error", "again", "left"),
    [(ValueError("answered 503"), False, True), (ValueError("answered 503"), True, False), (OSError("broken"), False, False)],
    ids=["the last answer", "an answer that may not be the last", "no answer"],
)
def test_an_error_gives_the_permit_back_unless_it_is_an_answer_that_is_read(
    kind: str, error: Exception, again: bool, left: bool
) -> None:
    """The error is handed on as it is."""
    gate, keeping = Gate(), Keeping()

    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        called(kind, gate, fail, keeping, again=again)
    assert caught.value is error
    told = [(TAKEN, error, 1.0)]
    assert (keeping.kept, gate.settled) == ((told, []) if left else ([], told))
