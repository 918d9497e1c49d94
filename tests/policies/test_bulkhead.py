"""The bulkhead around functions, in both worlds: how many are inside, who is refused, and what comes back."""

from __future__ import annotations

import asyncio
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from _worlds import Facts, World, hasty_switches, in_threads
from svcgov import Pipeline, bulkhead, rate_limit, retry
from svcgov.errors import BulkheadFullError, ConfigError, ConfigWarning, RateLimitedError
from svcgov.facts import CallRefused

if TYPE_CHECKING:
    from svcgov.policies import Bulkhead


def occupied(gate: Bulkhead, seats: int) -> ExitStack:
    """So many blocks that stand inside of *gate*."""
    inside = ExitStack()
    for _ in range(seats):
        inside.enter_context(gate)
    return inside


@pytest.fixture(params=[False, True], ids=["lock-free", "locked"])
def variant(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both machines: the one for interpreters with a GIL, and the one for those without."""
    monkeypatch.setattr("svcgov.policies.bulkhead.LOCKED", lambda: request.param)
    return bool(request.param)


def test_calls_up_to_the_limit_begin(variant: bool, world: World) -> None:
    """The last permit is as good as the first."""
    gate = bulkhead(3, clock=world.clock)
    call = world.governed(gate, "answer")
    with occupied(gate, 2):
        assert call() == "answer"


def test_one_more_is_refused_before_it_begins(variant: bool, world: World) -> None:
    """The function is not reached."""
    gate = bulkhead(3, clock=world.clock)
    call = world.governed(gate, "answer")
    with occupied(gate, 3):
        call.fails(BulkheadFullError)
    assert call.count == 0


def test_a_refusal_says_who_declined_and_why(world: World) -> None:
    """Nobody knows when a permit comes back, so it does not say when to try again."""
    gate = bulkhead(1, name="payments", clock=world.clock)
    call = world.governed(gate)
    with gate:
        (error,) = call.fails(BulkheadFullError)
    assert isinstance(error, BulkheadFullError)
    assert (error.policy, error.reason, error.retry_after, error.status) == ("payments", "full", None, 503)


@pytest.mark.parametrize(
    "end", [None, ConnectionError(), KeyboardInterrupt(), SystemExit(), GeneratorExit(), asyncio.CancelledError()], ids=repr
)
def test_a_permit_comes_back_however_the_call_ends(end: BaseException | None, variant: bool, world: World) -> None:
    """By an answer, an error, or something that stops the program."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(gate, end)
    for _ in range(3):
        if end is None:
            call()
        else:
            call.fails(type(end))
    assert call.count == 3
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("end", [None, ConnectionError(), KeyboardInterrupt()], ids=repr)
def test_a_block_gives_its_permit_back(end: BaseException | None, world: World) -> None:
    """``with`` and ``async with``, however it is left."""
    gate = bulkhead(1, clock=world.clock)
    call = world.block(gate, end)
    for _ in range(3):
        if end is None:
            call()
        else:
            call.fails(type(end))
    assert gate.snapshot()["in_use"] == 0


def test_a_full_bulkhead_refuses_a_block(world: World) -> None:
    """And leaves nothing behind: the next one gets in."""
    gate = bulkhead(1, clock=world.clock)
    call = world.block(gate, "answer")
    with gate:
        call.fails(BulkheadFullError)
    assert call() == "answer"


def test_a_refused_call_changes_nothing_but_the_count_of_refusals(variant: bool, world: World) -> None:
    """It held nothing, so there is nothing to give back."""
    gate = bulkhead(2, clock=world.clock)
    call = world.governed(gate)
    with occupied(gate, 2):
        call.fails(BulkheadFullError, times=5)
        assert gate.snapshot() == {"limit": 2, "in_use": 2, "waiting": 0, "refused": 5}


def test_a_permit_comes_back_when_a_gate_inside_refuses(world: World) -> None:
    """Two gates share a frame: the outer one is told what the inner one said."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(Pipeline(gate, rate_limit("0/second", clock=world.clock)))
    call.fails(RateLimitedError, times=2)
    assert gate.snapshot()["in_use"] == 0


def test_a_retry_ends_with_its_refusal(world: World) -> None:
    """Who was refused a moment ago need not knock again."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(Pipeline(retry(on=Exception, budget=None, clock=world.clock), gate))
    with gate:
        call.fails(BulkheadFullError)
    assert gate.snapshot()["refused"] == 1


def test_a_call_inside_a_call_takes_a_second_permit() -> None:
    """A gate is not re-entrant: each level holds one."""
    gate = bulkhead(2)

    @gate
    def descend(levels: int) -> int:
        return descend(levels - 1) + 1 if levels else 0

    assert descend(1) == 1
    with pytest.raises(BulkheadFullError):
        descend(2)
    assert gate.snapshot()["in_use"] == 0


def test_twice_in_one_pipeline_it_is_taken_once(world: World) -> None:
    """A call that needs one permit finds one enough."""
    gate = bulkhead(1, clock=world.clock)
    assert world.governed(Pipeline(gate, gate), "answer")() == "answer"


def test_a_smaller_limit_takes_no_permit_away(variant: bool, world: World) -> None:
    """Nobody gets in until enough have come back."""
    gate = bulkhead(3, clock=world.clock)
    call = world.governed(gate, "answer")
    with occupied(gate, 1), occupied(gate, 2):
        gate.reconfigure({"limit": 2})
        assert gate.snapshot() == {"limit": 2, "in_use": 3, "waiting": 0, "refused": 0}
        call.fails(BulkheadFullError)
    with occupied(gate, 2):
        call.fails(BulkheadFullError)
    with occupied(gate, 1):
        assert call() == "answer"


def test_a_larger_limit_is_in_force_at_the_next_call(variant: bool, world: World) -> None:
    """Those who are inside do not have to leave first."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(gate, "answer")
    with gate:
        call.fails(BulkheadFullError)
        gate.reconfigure({"limit": 2})
        assert call() == "answer"


def test_a_wrong_limit_changes_nothing(world: World) -> None:
    """All or none: what was in force stays."""
    gate = bulkhead(1, clock=world.clock)
    with pytest.raises(ConfigError):
        gate.reconfigure({"limit": 0})
    assert gate.snapshot()["limit"] == gate.settings.limit == 1


def test_one_name_shares_the_permits(world: World) -> None:
    """Asked for twice, it is one bulkhead."""
    one, other = (bulkhead(1, name="payments", clock=world.clock) for _ in range(2))
    call = world.governed(other)
    with one:
        call.fails(BulkheadFullError)
    assert call.count == 0


def test_without_a_name_each_has_permits_of_its_own(world: World) -> None:
    """Equal settings do not make it the same."""
    one, other = (bulkhead(1, clock=world.clock) for _ in range(2))
    with one:
        assert world.governed(other, "answer")() == "answer"


def test_a_refusal_is_told(facts: Facts, world: World) -> None:
    """Who, why and when; a call that got in is not worth a word."""
    gate = bulkhead(1, name="payments", clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate)
    call()
    world.clock.advance(3)
    with gate:
        call.fails(BulkheadFullError)
    assert facts == [CallRefused(policy="payments", at=3.0, kind="bulkhead", reason="full")]


def test_a_bulkhead_that_observes_says_that_it_refused_nobody(facts: Facts, world: World) -> None:
    """The call is through; the fact says that it would not have been."""
    gate = bulkhead(1, mode="observe", clock=world.clock)
    gate.listen(facts)
    with gate:
        assert world.governed(gate, "through")() == "through"
    assert [(fact.reason, fact.observed) for fact in facts.of(CallRefused)] == [("full", True)]


def test_a_listener_that_raises_changes_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The refusal is the same, the permits are the same, and it is said once on standard error."""
    gate = bulkhead(1, clock=world.clock)

    def burst(fact: object) -> None:
        raise ValueError("burst")

    gate.listen(burst)
    call = world.governed(gate)
    with gate:
        call.fails(BulkheadFullError, times=2)
    call()
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "waiting": 0, "refused": 2}
    assert capsys.readouterr().err.count("burst") == 1


def test_time_changes_nothing(world: World) -> None:
    """Neither a wall clock that steps, nor a freeze, nor a day gives a permit away or back."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(gate)
    with gate:
        world.clock.step_wall(-7200)
        call.fails(BulkheadFullError)
        world.clock.freeze(4)
        call.fails(BulkheadFullError)
        world.clock.advance(86400)
        call.fails(BulkheadFullError)
    assert call.count == 0


def test_switched_off_it_lets_all_through(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """By the environment, with one warning."""
    monkeypatch.setenv("SVCGOV_DISABLED", "bulkhead")
    gate = bulkhead(1, clock=world.clock)
    gate.machine.admit(0.0)
    with pytest.warns(ConfigWarning, match="bulkhead pass every call through"):
        call = world.governed(gate, "answer")
    assert call() == "answer"


def test_as_many_threads_as_permits_run_in_parallel() -> None:
    """All five are inside at the same moment: they meet at a barrier that opens for five only."""
    meeting = threading.Barrier(5)

    @bulkhead(5)
    def meet() -> None:
        meeting.wait(timeout=10)

    assert in_threads(5, lambda number: meet()) == []


def test_a_cancelled_task_gives_its_permit_back() -> None:
    """In the middle of its call, while others wait outside."""
    gate = bulkhead(1)

    @gate
    async def hang() -> None:
        await asyncio.Event().wait()

    async def main() -> int:
        task = asyncio.create_task(hang())
        await asyncio.sleep(0)
        inside = gate.snapshot()["in_use"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return inside

    assert asyncio.run(main()) == 1
    assert gate.snapshot()["in_use"] == 0


def test_tasks_and_threads_share_the_permits() -> None:
    """One bulkhead serves both at the same time."""
    gate = bulkhead(1)
    entered, leave = threading.Event(), threading.Event()

    @gate
    def hold() -> None:
        entered.set()
        leave.wait(timeout=10)

    @gate
    async def knock() -> None:
        raise AssertionError("it should have been refused")

    thread = threading.Thread(target=hold, daemon=True)
    thread.start()
    entered.wait(timeout=10)
    with pytest.raises(BulkheadFullError):
        asyncio.run(knock())
    leave.set()
    thread.join(timeout=10)
    assert gate.snapshot()["in_use"] == 0


@pytest.mark.parametrize("limit", [1, 3])
def test_a_storm_of_threads_never_exceeds_the_limit(limit: int, variant: bool) -> None:
    """At no moment more than the limit are inside; in the end nobody is, and each call was either let in or refused."""
    gate = bulkhead(limit)
    machine = gate.machine
    inside: list[int] = []
    most, let_in = [0] * 8, [0] * 8
    ready = threading.Barrier(8)

    def storm(number: int) -> None:
        ready.wait(timeout=10)
        for _ in range(5000):
            try:
                permit = machine.admit(0.0)
            except BulkheadFullError:
                continue
            inside.append(number)
            for _ in range(3):  # threads take turns at the end of each round
                most[number] = max(most[number], len(inside))
            inside.pop()
            machine.settle(permit, None, 0.0)
            let_in[number] += 1

    with hasty_switches():
        assert in_threads(8, storm) == []
    assert max(most) <= limit
    assert gate.snapshot()["in_use"] == 0
    assert sum(let_in) + gate.snapshot()["refused"] == 8 * 5000
