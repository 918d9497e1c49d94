"""Errors that come late, what was really allowed, and what becomes of calls that were left behind."""

from __future__ import annotations

import threading
import warnings
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import AsyncWorld, Facts, Takes, World, deadline
from svcgov import Pipeline, bulkhead, retry, timeout
from svcgov._core._chores import CHORES
from svcgov._core._clock import SYSTEM
from svcgov._shells._workers import POOL
from svcgov.errors import BulkheadFullError, CallTimeoutError, ConfigError, TimeoutWarning
from svcgov.facts import LeftCallFailed, TimedOut, TimeoutNotEnforced
from svcgov.policies.timeout import TimeLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SOON = 0.03


@pytest.fixture
def plain() -> World:
    """Plain functions, which cannot be interrupted."""
    return World()


def blocking(world: World, seconds: float, error: BaseException) -> Callable[[], Any]:
    """A step that cannot be interrupted in either world, and raises after *seconds*."""

    def step() -> Any:
        world.clock.freeze(seconds)
        raise error

    return step


def test_an_error_that_comes_late_is_told(world: World, facts: Facts) -> None:
    """It is raised itself, also out of a coroutine that did not let itself be cancelled; with one warning."""
    gate = timeout(2, name="payments", clock=world.clock)
    gate.listen(facts)
    error = OSError("broken")
    call = world.governed(gate, blocking(world, 5, error))
    with pytest.warns(TimeoutWarning, match=r"payments: a call took 5 s of the 2 s it was given .* its error was raised") as said:
        assert call.fails(OSError) == [error]
    assert len(said) == 1
    assert call.fails(OSError) == [error]
    assert [(fact.seconds, fact.late) for fact in facts.of(TimedOut)] == [(2.0, True)] * 2
    assert [fact.took for fact in facts.of(TimeoutNotEnforced)] == [5.0]
    assert gate.snapshot() == {"timed_out": 0, "late": 2}


def test_an_attempts_error_that_comes_late_is_told(world: World) -> None:
    """Inside a retry, and in a block."""
    gate = timeout(2, clock=world.clock)
    policies = Pipeline(retry(on=OSError, attempts=2, backoff=0, budget=None, clock=world.clock), gate)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TimeoutWarning)
        world.governed(policies, blocking(world, 5, OSError())).fails(OSError)
        assert gate.snapshot()["late"] == 2
        world.block(gate, blocking(world, 5, OSError())).fails(OSError)
    assert gate.snapshot()["late"] == 3


@pytest.mark.parametrize(
    "error", [BulkheadFullError("gate", "full"), CallTimeoutError("inner", "attempt", 1.0), KeyboardInterrupt()], ids=repr
)
def test_what_is_no_verdict_of_the_call_is_not_late(error: BaseException, plain: World) -> None:
    """A refusal has not begun, a time-out of ours has told of itself, an interruption says nothing."""
    gate = timeout(2, clock=plain.clock)
    call = plain.governed(gate, blocking(plain, 5, error))
    assert call.fails(type(error)) == [error]
    assert plain.block(gate, blocking(plain, 5, error)).fails(type(error)) == [error]
    assert gate.snapshot()["late"] == 0


def test_an_error_in_time_is_not_late(world: World) -> None:
    """On the very second is in time."""
    gate = timeout(2, clock=world.clock)
    world.governed(gate, blocking(world, 2, OSError())).fails(OSError)
    assert gate.snapshot()["late"] == 0


def test_a_warning_that_is_an_error_does_not_mask_the_users() -> None:
    """It is a note on it."""
    world = World()
    call = world.governed(timeout(2, clock=world.clock), blocking(world, 5, OSError("broken")))
    with warnings.catch_warnings():
        warnings.simplefilter("error", TimeoutWarning)
        (error,) = call.fails(OSError)
    (note,) = error.__notes__
    assert note.startswith("svcgov: timeout: a call took 5 s of the 2 s")


def test_a_warning_that_is_an_error_is_raised_where_nothing_else_is(plain: World) -> None:
    """Who asks for it in place of a late result gets it."""
    call = plain.governed(timeout(2, clock=plain.clock), Takes(5, "late"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", TimeoutWarning)
        with pytest.raises(TimeoutWarning, match="its result was kept"):
            call()
    assert call() == "late"


def test_a_late_error_of_a_worker_is_told_to_nobody_where_nobody_listens(facts: Facts) -> None:
    """Nothing is made of it."""
    gate = timeout(2, name="payments")
    gate.listen(facts)()  # nobody any more
    TimeLimit(gate, 1.0).failed(OSError("broken"))
    assert facts == []


@pytest.mark.parametrize("world", [AsyncWorld], indirect=True, ids=["async"])
def test_the_seconds_are_those_that_were_allowed(world: World, facts: Facts) -> None:
    """A tighter deadline around the call or the block was the cause, and left it less than its own."""
    gate = timeout(10, clock=world.clock)
    gate.listen(facts)
    for make in (world.governed, world.block):
        call = make(gate, Takes(60))
        with deadline(world.clock.monotonic() + 1.5):
            (error,) = call.fails(CallTimeoutError)
        assert (error.seconds, error.reason) == (1.5, "total")  # type: ignore[attr-defined]  # as time-outs have
        (error,) = call.fails(CallTimeoutError)
        assert error.seconds == 10.0  # type: ignore[attr-defined]  # as above
    assert [fact.seconds for fact in facts.of(TimedOut)] == [1.5, 10.0] * 2


@pytest.mark.parametrize("world", [AsyncWorld], indirect=True, ids=["async"])
def test_a_total_that_cuts_an_attempt_short_is_named(world: World) -> None:
    """The last attempt had what was left."""
    total, attempt = timeout(5, name="total", clock=world.clock), timeout(3, name="attempt", clock=world.clock)
    policies = Pipeline(total, retry(on=TimeoutError, attempts=2, backoff=0, budget=None, clock=world.clock), attempt)
    heard = Facts()
    attempt.listen(heard)
    world.governed(policies, Takes(60)).fails(CallTimeoutError)
    assert [fact.seconds for fact in heard.of(TimedOut)] in ([3.0], [3.0, 2.0])


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What a call waits for; set at the end, so that no worker stays."""
    event = threading.Event()
    yield event
    event.set()


def left_behind(gate: Any, hung: threading.Event, error: BaseException) -> CallTimeoutError:
    """Make a call that is left behind, and then raises *error*."""
    ended = threading.Event()

    def hangs() -> None:
        hung.wait(timeout=10)
        raise error

    with pytest.raises(CallTimeoutError) as left:
        gate(hangs)()
    gate.listen(lambda fact: ended.set())
    hung.set()
    if isinstance(error, Exception):
        assert ended.wait(timeout=10)
    return left.value


def test_a_late_error_of_a_worker_is_told(hung: threading.Event, facts: Facts) -> None:
    """Nobody waits for it any more, but somebody may want to know."""
    gate = timeout(SOON, enforce="thread", name="payments")
    gate.listen(facts)
    before = SYSTEM.monotonic()
    left_behind(gate, hung, OSError("broken"))
    assert all(before < fact.at <= SYSTEM.monotonic() for fact in facts)
    assert [(fact.policy, fact.error) for fact in facts.of(LeftCallFailed)] == [("payments", "OSError: broken")]


def test_a_worker_allows_what_a_tighter_deadline_leaves(hung: threading.Event) -> None:
    """The error names that."""
    gate = timeout(10, enforce="thread")
    with deadline(SYSTEM.monotonic() + SOON):
        error = left_behind(gate, hung, OSError())
    assert 0 < error.seconds <= SOON


def test_workers_are_bounded_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not named stays as it is."""
    monkeypatch.setattr(POOL, "most", POOL.most)
    monkeypatch.setattr(POOL, "idle", POOL.idle)
    svcgov.configure(idle="5s")
    assert (POOL.most, POOL.idle) == (64, 5.0)
    svcgov.configure(max_workers=128)
    assert (POOL.most, POOL.idle) == (128, 5.0)


def test_the_keeper_is_as_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does what can wait, or each call does when its answer is ready."""
    monkeypatch.setattr(CHORES, "mode", "auto")
    svcgov.configure(keeper="on")
    assert CHORES.mode == "on"
    svcgov.configure(idle=30)
    assert CHORES.mode == "on"


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"max_workers": 0}, "configure.max_workers: expected an integer >= 1, got 0"),
        ({"max_workers": 8, "idle": 0}, "configure.idle: expected a duration > 0 s"),
        ({"workers": 8}, r"configure.workers: expected one of max_workers, idle, keeper \(did you mean max_workers\?\)"),
    ],
)
def test_a_wrong_configuration_changes_nothing(settings: Any, error: str) -> None:
    """It says where and what."""
    with pytest.raises(ConfigError, match=error):
        svcgov.configure(**settings)
    assert (POOL.most, POOL.idle) == (64, 30.0)


def test_a_gate_beside_it_learns_of_a_late_error(plain: World) -> None:
    """The permit comes back, whatever the hour."""
    gate = bulkhead(1, clock=plain.clock)
    call = plain.governed(Pipeline(timeout(2, clock=plain.clock), gate), blocking(plain, 5, OSError()))
    with pytest.warns(TimeoutWarning):
        call.fails(OSError)
    assert gate.snapshot()["in_use"] == 0
