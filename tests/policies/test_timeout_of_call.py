"""Seconds that are a function of the call: asked for at each, and kept like any other."""

from __future__ import annotations

import math
import threading
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from _hanging import until
from _worlds import AsyncWorld, Facts, Takes, World, deadline, did
from svcgov import Pipeline, bulkhead, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov._shells._workers import POOL
from svcgov.errors import CallTimeoutError, ConfigError, DeadlineExceededError, TimeoutWarning
from svcgov.facts import PredicateFailed, TimedOut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from svcgov._core._call import Call
    from svcgov.policies import Timeout
    from svcgov.testing import ManualClock


def first(call: Call) -> Any:
    """The first argument says how long it may take."""
    return did(call.args[0], call)


def governed(world: World, *around: Any) -> Any:
    """A function whose time-out is what its first argument says."""
    return world.governed(Pipeline(*around, timeout(first, clock=world.clock)), "answer")


def test_each_call_has_the_seconds_that_are_said_for_it(world: World) -> None:
    """In any of the ways durations are written; outside there is no deadline."""
    call = governed(world)
    for answer in (2, 0.5, "250ms", timedelta(seconds=1), "PT2S"):
        assert call(answer) == "answer"
    assert [one.deadline for one in call.seen] == [2, 0.5, 0.25, 1, 2]
    assert DEADLINE.get() is None


@pytest.mark.parametrize("answer", [None, math.inf, 1e9], ids=repr)
def test_no_limit_is_no_deadline_but_one_around_it(answer: Any, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Seven days are the longest that a call can be given."""
    call = governed(world)
    assert call(answer) == "answer"
    with deadline(9.0):
        assert call(answer) == "answer"
    assert [one.deadline for one in call.seen] == [None, 9.0]
    assert capsys.readouterr().err == ""  # and no mistake


def test_seven_days_are_a_limit(world: World) -> None:
    """The longest; a moment more is none."""
    call = governed(world)
    for answer in ("7d", timedelta(days=7), timedelta(days=7, microseconds=1), None):
        assert call(answer) == "answer"
    assert [one.deadline for one in call.seen] == [604_800.0, 604_800.0, None, None]


@pytest.mark.parametrize("answer", [0, -1, -0.5, timedelta(seconds=-3)], ids=repr)
def test_no_time_left_is_a_refusal(answer: Any, world: World) -> None:
    """The call does not begin, and a gate around it learns nothing."""
    gate = bulkhead(1, clock=world.clock)
    call = governed(world, gate)
    with pytest.raises(DeadlineExceededError) as refused:
        call(answer)
    assert (refused.value.policy, refused.value.reason) == ("timeout", "expired")
    assert (call.count, gate.snapshot()["in_use"]) == (0, 0)


@pytest.mark.parametrize("answer", [ValueError("no idea"), "soon", math.nan, True, object()], ids=repr)
def test_where_nobody_can_say_the_call_goes_on_without(
    answer: Any, world: World, facts: Facts, capsys: pytest.CaptureFixture[str]
) -> None:
    """A deadline around it holds; it is said once on standard error, and told once a minute."""
    gate = timeout(first, name="payments", clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate, "answer")
    for pause in (0, 1, 60):
        world.clock.advance(pause)
        assert call(answer) == "answer"
    with deadline(100.0):
        call(answer)
    assert [one.deadline for one in call.seen] == [None, None, None, 100.0]
    wrong = f"ConfigError: timeout[payments].seconds: expected a duration, or None for no limit, got {answer!r}"
    error = "ValueError: no idea" if isinstance(answer, Exception) else wrong
    assert [(fact.policy, fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [("payments", "seconds", error)] * 2
    line = f"svcgov: timeout[payments].seconds raised {error}; the call had no time-out of its own (said once)\n"
    assert capsys.readouterr().err == line


def test_what_is_no_exception_is_raised(world: World) -> None:
    """An interruption is no mistake of the function."""
    call = governed(world)
    with pytest.raises(KeyboardInterrupt):
        call(KeyboardInterrupt())
    assert call.count == 0


def test_the_tightest_deadline_wins(world: World) -> None:
    """Around it, and inside it."""
    call = world.governed(Pipeline(timeout(first, clock=world.clock), timeout(4, clock=world.clock)))
    with deadline(3.0):
        call(5)
        call(2)
    call(5)
    assert [one.deadline for one in call.seen] == [3.0, 2.0, 4.0]


def test_inside_a_retry_it_is_asked_for_each_attempt(world: World) -> None:
    """The first may be longer than the next."""
    asked = iter((3, 1))
    again = retry(on=OSError, attempts=2, backoff=0, budget=None, clock=world.clock)
    call = world.governed(Pipeline(again, timeout(lambda call: next(asked), clock=world.clock)), OSError(), "answer")
    assert call() == "answer"
    assert [one.deadline for one in call.seen] == [3, 1]


def test_a_call_through_a_pipeline_is_shown_what_is_called(world: World) -> None:
    """The function, and its arguments without it."""
    shown: list[Any] = []

    def seconds(call: Call) -> float:
        shown.append((call.fn, call.args, call.kwargs))
        return 1.0

    pipeline = Pipeline(timeout(seconds, clock=world.clock))
    _, function = world.scripted("answer")
    world.run(pipeline.acall if isinstance(world, AsyncWorld) else pipeline.call, function, 1, b=2)
    assert shown == [(function, (1,), {"b": 2})]


# -- when the time is up -----------------------------------------------------------------------------------------------


def test_a_plain_function_that_is_late_keeps_its_result(facts: Facts) -> None:
    """And what it was given is what it is late for."""
    world = World()
    gate = timeout(first, clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate, Takes(5, "late"))
    with pytest.warns(TimeoutWarning, match="a call took 5 s of the 2 s"):
        assert call(2) == "late"
    assert call(6) == "late"
    assert [(fact.seconds, fact.late) for fact in facts.of(TimedOut)] == [(2.0, True)]


def test_a_coroutine_is_cancelled_at_its_own_moment(facts: Facts) -> None:
    """With a timer of its own, since no two calls need be alike; the tighter deadline counts here too."""
    world = AsyncWorld()
    gate = timeout(first, clock=world.clock)
    gate.listen(facts)
    call = world.governed(Pipeline(gate), Takes(60))
    for answer, around in ((5, None), (0.1, None), (7, 2.0)):
        with deadline(world.clock.monotonic() + around) if around else deadline(1e9):
            error = expiry(call, answer)
        assert (error.seconds, error.reason) == (around or answer, "total")
    assert world.clock.monotonic() == pytest.approx(7.1)
    assert [fact.seconds for fact in facts.of(TimedOut)] == pytest.approx([5, 0.1, 2])
    world.close()


def expiry(call: Any, answer: Any) -> CallTimeoutError:
    """The error of one call that times out."""
    with pytest.raises(CallTimeoutError) as error:
        call(answer)
    return error.value


def test_a_coroutines_attempt_says_that_it_was_one() -> None:
    """Inside a retry."""
    world = AsyncWorld()
    again = retry(on=ValueError, attempts=2, backoff=0, budget=None, clock=world.clock)
    call = world.governed(Pipeline(again, timeout(first, clock=world.clock)), Takes(60))
    error = expiry(call, 1.5)
    assert (error.seconds, error.reason) == (1.5, "attempt")
    world.close()


@pytest.fixture
def hung() -> Iterator[threading.Event]:
    """What hanging calls wait for; it is opened at the end."""
    event = threading.Event()
    yield event
    event.set()
    until(lambda: POOL.abandoned == 0)


def test_a_call_that_hangs_is_left_behind(hung: threading.Event) -> None:
    """On a worker thread, after its own seconds."""
    call = timeout(lambda call: call.kwargs["seconds"], enforce="thread")(lambda *, seconds: hung.wait(20))
    with pytest.raises(CallTimeoutError) as late:
        call(seconds=0.03)
    assert (late.value.seconds, late.value.reason) == (0.03, "total")


async def awaited(call: Call) -> float:
    """Nobody would wait for it."""
    return 1.0


@pytest.mark.parametrize("seconds", [awaited, ConnectionError, float], ids=repr)
def test_only_a_plain_function_can_say(seconds: Any) -> None:
    """It is asked in the middle of a call."""
    with pytest.raises(ConfigError, match=r"timeout.seconds: expected a plain function of the call, or a duration, got") as wrong:
        timeout(seconds)
    assert wrong.value.value is seconds


# -- where there is no call, and other settings ------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda gate: gate, Pipeline], ids=["policy", "pipeline"])
def test_a_block_is_no_call(wrap: Any, world: World) -> None:
    """There is nothing to ask about; what was entered before is left again."""
    seats = bulkhead(1, clock=world.clock)
    gate = timeout(first, name="payments", clock=world.clock)
    for policies in (wrap(gate), Pipeline(seats, gate)):
        with pytest.raises(TypeError, match="payments: its seconds are a function of the call, and a block is no call"):
            world.block(policies)()
    assert seats.snapshot()["in_use"] == 0


def test_a_number_can_take_the_place_of_a_function_and_back(world: World) -> None:
    """In force at the next call, wherever the time-out stands; so is another function."""
    gate: Timeout = timeout(first, clock=world.clock)
    alone, inside = world.governed(gate), world.governed(Pipeline(bulkhead(9, clock=world.clock), gate))
    for seconds in (first, 3, 4, first, lambda call: 7, None):
        gate.reconfigure({"seconds": seconds})
        alone(2)
        inside(2)
    for call in (alone, inside):
        assert [one.deadline for one in call.seen] == [2, 3, 4, 2, 7, None]


def test_the_same_function_written_twice_is_one_time_out(clock: ManualClock) -> None:
    """By its name, also in a module that is loaded again."""

    def made() -> Timeout:
        return timeout(lambda call: 1.0, name="payments", clock=clock)

    gate = made()
    assert made() is gate
    gate.reconfigure({"seconds": made().declared["seconds"]})  # the same code, and so the same setting
    assert (gate.settings, hash(gate.settings.seconds)) == (made().settings, hash(made().settings.seconds))
    assert gate.settings != timeout(lambda call: 2.0, clock=clock).settings


def test_a_description_names_the_function() -> None:
    """As any function that is a setting."""
    gate = timeout(first)
    assert f"seconds={first.__module__}.first" in Pipeline(gate).describe()
    assert repr(gate.settings.seconds) == repr(first)
