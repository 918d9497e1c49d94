"""Other settings for some calls: those that begin inside a ``with svcgov.override(...)``."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _loops import forever
from _worlds import Takes, World, in_child
from svcgov import Pipeline, bulkhead, circuit_breaker, override, rate_limit, retry, timeout
from svcgov._core import _live, _overrides
from svcgov._core._context import DEADLINE
from svcgov.errors import BulkheadFullError, CallTimeoutError, RateLimitedError
from svcgov.facts import RetryScheduled
from svcgov.pipeline import Governed
from svcgov.testing import by_hand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from _worlds import Facts


@pytest.fixture(autouse=True)
def _as_if_it_had_never_been_used() -> Iterator[None]:
    """Other tests find the usual frames."""
    yield
    _overrides.in_use = _overrides._nested = False
    for one in _live.living():
        if isinstance(one, Governed):
            one.route = one.nested()


def again(world: World, **settings: Any) -> Any:
    """A retry without a budget."""
    return retry(on=ConnectionError, backoff=1.0, budget=None, clock=world.clock, **settings)


def test_a_retry_can_make_other_attempts_for_some_calls(world: World) -> None:
    """Inside it makes one, outside three."""
    call = world.governed(again(world), ConnectionError())
    with override(retry={"attempts": 1}):
        call.fails(ConnectionError)
    assert call.count == 1
    call.fails(ConnectionError)
    assert call.count == 4


def test_a_retry_can_be_taken_out(world: World) -> None:
    """The call is made once, and the retry knows nothing of it."""
    policy = again(world)
    call = world.governed(policy, ConnectionError())
    with override(retry=None):
        call.fails(ConnectionError)
    assert call.count == 1
    assert policy.snapshot()["calls"] == 0


def test_a_varied_retry_counts_and_tells_as_the_one_it_is_of(world: World, facts: Facts) -> None:
    """One policy, whatever its settings at the moment."""
    policy = again(world, name="payments")
    policy.listen(facts)
    call = world.governed(policy, ConnectionError(), ConnectionError(), "answer")
    with override(retry={"attempts": 5, "backoff": 0.5}):
        assert call() == "answer"
    assert policy.snapshot() | {"calls": 1, "retries": 2, "recovered": 1} == policy.snapshot()
    assert [(fact.policy, fact.delay) for fact in facts.of(RetryScheduled)] == [("payments", 0.5)] * 2


def test_an_override_ends_with_its_block(world: World) -> None:
    """Also when the block is left by an error."""
    call = world.governed(again(world), ConnectionError())
    with pytest.raises(KeyError), override(retry=None):
        raise KeyError
    call.fails(ConnectionError)
    assert call.count == 3


def test_the_inner_one_counts_place_by_place(world: World) -> None:
    """What it does not speak of is as the outer one says."""
    call = world.governed(Pipeline(bulkhead(1, clock=world.clock), again(world)), ConnectionError())
    with override(retry={"attempts": 2}, bulkhead=None), override(retry={"attempts": 1}):
        call.fails(ConnectionError)
    assert call.count == 1


def test_a_call_can_pass_a_gate_by(world: World) -> None:
    """It is not let in, not counted, not refused."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(gate, "through")
    with gate:
        with override(bulkhead=None):
            assert call() == "through"
        call.fails(BulkheadFullError)
    assert gate.snapshot()["refused"] == 1


def test_an_open_circuit_can_be_passed_by(world: World) -> None:
    """A hand that knows better may ask all the same; the circuit stays as it is."""
    breaker = circuit_breaker(clock=world.clock)
    breaker.open()
    with override(circuit_breaker=None):
        assert world.governed(breaker, "answer")() == "answer"
    assert breaker.current_state == "open"


def test_a_time_out_is_tightened(world: World) -> None:
    """The callee sees the tighter deadline."""
    call = world.governed(timeout(5, clock=world.clock), DEADLINE.get)
    with override(timeout=2):
        assert call() == 2.0
    assert call() == 5.0


def test_a_time_out_is_never_loosened(world: World) -> None:
    """Not by a longer one, and not by a longer one inside a shorter one."""
    call = world.governed(timeout(5, clock=world.clock), DEADLINE.get)
    with override(timeout=9):
        assert call() == 5.0
    with override(timeout=2), override(timeout=4):
        assert call() == 2.0
    with override(timeout=4), override(timeout=2):
        assert call() == 2.0


def test_a_time_out_comes_also_where_there_was_none(world: World) -> None:
    """It is the one thing that can be added."""
    call = world.governed(bulkhead(1, clock=world.clock), DEADLINE.get)
    with override(timeout={"seconds": "2s"}):
        assert call() == 2.0


def test_each_attempt_can_be_given_its_time(world: World) -> None:
    """The second attempt has as much as the first."""
    call = world.governed(again(world), ConnectionError(), DEADLINE.get)
    with override(attempt_timeout=2):
        assert call() == 1.0 + 2.0


def test_a_coroutine_is_cancelled_by_the_tighter_time_out() -> None:
    """And the error has the name of the time-out that stands there."""

    async def main() -> None:

        @timeout(60, name="total")
        async def hang() -> None:
            await forever()

        with override(timeout=0.02), pytest.raises(CallTimeoutError) as caught:
            await hang()
        assert (caught.value.policy, caught.value.seconds) == ("total", 0.02)

    asyncio.run(main())


def test_a_thread_left_behind_keeps_the_tighter_time() -> None:
    """A time-out that is enforced by a worker thread obeys too."""
    stop = threading.Event()

    @timeout(60, enforce="thread")
    def hang() -> None:
        stop.wait(10)

    with override(timeout=0.02), pytest.raises(CallTimeoutError):
        hang()
    stop.set()


def test_it_is_meant_for_one_pipeline_by_its_name(world: World) -> None:
    """The others go on as they were."""
    mine = world.governed(Pipeline(again(world), name="payments"), ConnectionError())
    other = world.governed(Pipeline(again(world), name="stock"), ConnectionError())
    with override("payments", retry=None):
        mine.fails(ConnectionError)
        other.fails(ConnectionError)
    assert (mine.count, other.count) == (1, 3)


def test_it_is_meant_for_one_pipeline_itself(world: World) -> None:
    """Where it has no name."""
    pipeline = Pipeline(again(world))
    mine, other = world.governed(pipeline, ConnectionError()), world.governed(Pipeline(again(world)), ConnectionError())
    with override(pipeline, retry=None):
        mine.fails(ConnectionError)
        other.fails(ConnectionError)
    assert (mine.count, other.count) == (1, 3)


def test_it_is_meant_for_one_function_only() -> None:
    """Another function in the same pipeline goes on as it was."""
    pipeline = Pipeline(retry(on=ConnectionError, attempts=2, backoff=0, budget=None))
    made: list[str] = []

    @pipeline
    def one() -> None:
        made.append("one")
        raise ConnectionError

    @pipeline
    def two() -> None:
        made.append("two")
        raise ConnectionError

    with override(one, retry=None):
        for call in (one, two):
            with pytest.raises(ConnectionError):
                call()
    assert made == ["one", "two", "two"]


def test_it_holds_for_calls_through_a_pipeline_too(world: World) -> None:
    """As for decorated functions."""
    pipeline = Pipeline(bulkhead(1, clock=world.clock))
    with pipeline, override(bulkhead=None):
        assert pipeline.call(int, "7") == 7


def test_it_holds_for_blocks(world: World) -> None:
    """Of a pipeline and of a single gate."""
    gate = rate_limit("1/minute", name="once", clock=world.clock)
    world.block(gate, "through")()
    world.block(gate).fails(RateLimitedError)
    with override(rate_limit=None):
        assert world.block(gate, "through")() == "through"
        assert world.block(Pipeline(gate), "through")() == "through"
    with override("once", rate_limit=None, timeout=3):
        assert world.block(gate, DEADLINE.get)() == 3.0


def test_it_holds_for_attempts_at_a_block() -> None:
    """Fewer of them, or one, unseen by the retry."""
    policy = retry(on=ConnectionError, attempts=3, backoff=0, budget=None)

    def attempts() -> int:
        made = 0
        with pytest.raises(ConnectionError):
            for attempt in policy:
                with attempt:
                    made += 1
                    raise ConnectionError
        return made

    with override(retry={"attempts": 2}):
        assert attempts() == 2
    with override(retry=None):
        assert attempts() == 1
    assert attempts() == 3
    assert policy.snapshot()["calls"] == 2


def test_it_holds_for_attempts_that_are_awaited() -> None:
    """The same with ``async for``."""

    async def main() -> None:
        policy = retry(on=ConnectionError, attempts=3, backoff=0, budget=None)
        made = 0
        with override(retry={"attempts": 2}), pytest.raises(ConnectionError):
            async for attempt in policy:
                with attempt:
                    made += 1
                    raise ConnectionError
        assert made == 2

    asyncio.run(main())


def test_other_tasks_go_on_as_they_were() -> None:
    """It belongs to the context in which it was said."""

    async def main() -> None:
        policy = retry(on=ConnectionError, attempts=2, backoff=0, budget=None)
        made: list[str] = []
        inside, outside = asyncio.Event(), asyncio.Event()

        @policy
        async def call(who: str) -> None:
            made.append(who)
            raise ConnectionError

        async def one() -> None:
            with override(retry=None):
                inside.set()
                await outside.wait()
                with pytest.raises(ConnectionError):
                    await call("one")

        async def two() -> None:
            await inside.wait()
            with pytest.raises(ConnectionError):
                await call("two")
            outside.set()

        await asyncio.gather(one(), two())
        assert made == ["two", "two", "one"]

    asyncio.run(main())


def test_blocks_left_out_of_order_take_their_own_with_them(world: World) -> None:
    """What is left over is that of the other one."""
    call = world.governed(timeout(60, clock=world.clock), DEADLINE.get)
    first, second = override(timeout=2), override(timeout=4)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert call() == 4.0
    second.__exit__(None, None, None)
    assert call() == 60.0


def test_a_reconfiguration_reaches_the_overridden_calls(world: World) -> None:
    """They have other settings where it was said, and all else as it is in force."""
    policy = again(world)
    pipeline = Pipeline(policy, name="payments")
    call = world.governed(pipeline, ConnectionError())
    with override(retry={"attempts": 2}):
        call.fails(ConnectionError)
        assert world.clock.monotonic() == 1.0
        pipeline.reconfigure({"retry": {"backoff": 3.0}})
        call.fails(ConnectionError)
        assert world.clock.monotonic() == 4.0


def test_equal_overrides_share_their_frames(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are made once, and not more than so many are kept."""
    made: list[int] = []

    def counted(*given: Any) -> Any:
        made.append(1)
        return _overrides.changed(*given)

    monkeypatch.setattr("svcgov._shells._variants.changed", counted)
    call = world.governed(again(world), "answer")
    for _ in range(3):
        with override(retry={"attempts": 2, "ignore": TimeoutError}, timeout=2, bulkhead=None):
            call()
    assert len(made) == 1
    for seconds in range(1, 100):
        with override(timeout=seconds):
            call()
    with override(timeout=99):
        call()
    assert len(made) == 100


def test_who_does_not_use_it_has_the_usual_frames() -> None:
    """And from the first time on all have others, made before or after."""
    code = """
import json, svcgov
gate = svcgov.bulkhead(1)
@gate
def early(): return "through"
usual = early.__svcgov__.route.gate is gate.machine
with gate, svcgov.override(bulkhead=None):
    @gate
    def late(): return "through"
    said = [early(), late()]
print(json.dumps([usual, *said, early.__svcgov__.route.gate is gate.machine]))
"""
    assert in_child(code) == [True, "through", "through", False]


def test_a_slow_call_is_late_by_the_tighter_time(world: World) -> None:
    """A plain function that overran it is told of, and its result stands."""
    if world.name != "sync":
        return
    call = world.governed(timeout(60, clock=world.clock), Takes(3, "answer"))
    with override(timeout=2), pytest.warns(svcgov.errors.TimeoutWarning):
        assert call() == "answer"


def test_one_first_used_in_a_test_by_hand_holds_after_it() -> None:
    """The frames that were there before are not put back without looking for it."""
    gate = bulkhead(1)
    call = gate(int)
    with by_hand(), override(bulkhead=None):
        assert call("7") == 7
    with gate, override(bulkhead=None):
        assert call("7") == 7
