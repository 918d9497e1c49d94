"""A rate limit for which calls may wait, in both worlds: who waits for how long, who is refused, and what is given back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from _waiting import Jumping
from _worlds import Facts, World, deadline
from svcgov import Pipeline, rate_limit, retry, timeout
from svcgov._core._call import Wait
from svcgov.errors import CallTimeoutError, ConfigError, RateLimitedError
from svcgov.facts import CallRefused
from svcgov.policies._reservations import Reservations
from svcgov.policies.rate_limit import Gcra
from svcgov.testing import ManualClock


@pytest.fixture
def world(world: World) -> World:
    """Nobody has to wait for real, or for others."""
    world.clock = Jumping()
    return world


def shape(kind: str, world: World, gate: Any, *steps: Any) -> Any:
    """A governed function, a block, or a function that is called through a pipeline."""
    if kind == "through":
        return world.through(Pipeline(gate), *steps)
    return (world.governed if kind == "function" else world.block)(gate, *steps)


def asked(gate: Any, times: int = 1) -> list[Any]:
    """What the machine answers to so many calls at this moment: None, a `Wait`, or the refusal."""
    answers: list[Any] = []
    for _ in range(times):
        try:
            answers.append(gate.machine.admit(gate.clock.monotonic()))
        except RateLimitedError as error:
            answers.append(error)
    return answers


def slots(gate: Any, times: int) -> list[Any]:
    """The moments at which so many calls of this moment may begin; the reason, where they may not."""
    now = gate.clock.monotonic()
    return [now if one is None else one.until if isinstance(one, Wait) else one.reason for one in asked(gate, times)]


KINDS = pytest.mark.parametrize("kind", ["function", "block", "through"])


# -- who waits ---------------------------------------------------------------------------------------------------------


@KINDS
def test_a_call_that_is_too_early_begins_when_its_time_has_come(kind: str, world: World) -> None:
    """Not a moment before, and not after; nothing is refused."""
    gate = rate_limit("2/second", max_wait=3, clock=world.clock)
    call = shape(kind, world, gate, "answer")
    assert [call() for _ in range(5)] == ["answer"] * 5
    assert [one.at for one in call.seen] == [0, 0, 0.5, 1, 1.5]
    assert gate.snapshot() == {"limit": 2, "window": 1.0, "remaining": 0, "reset": 1.0, "waiting": 0, "refused": 0}


@KINDS
def test_one_that_would_wait_too_long_is_refused_at_once(kind: str, facts: Facts, world: World) -> None:
    """It says when to come back to be let wait; a wait that is exactly as long as allowed is not too long."""
    gate = rate_limit("1/second", max_wait=2, clock=world.clock)
    gate.listen(facts)
    call = shape(kind, world, gate)
    assert slots(gate, 4) == [0, 1, 2, "wait_timeout"]
    world.clock.advance(0.25)
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert (error.reason, error.retry_after, error.status) == ("wait_timeout", 0.75, 429)
    assert facts[1:] == [CallRefused(policy="rate_limit", at=0.25, kind="rate_limit", reason="wait_timeout", retry_after=0.75)]
    assert call.count == 0
    world.clock.advance(0.749)
    assert slots(gate, 1) == ["wait_timeout"]
    world.clock.advance(0.001)
    assert slots(gate, 2) == [3, "wait_timeout"]


def test_nobody_waits_for_what_comes_after_the_deadline(world: World) -> None:
    """Nor for what comes with it: there would be no time left. It is refused at once, and takes nothing."""
    gate = rate_limit("1/second", max_wait=60, clock=world.clock)
    call = world.governed(gate)
    asked(gate, 3)
    with deadline(3.0):
        (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert (error.reason, error.retry_after, world.clock.monotonic()) == ("wait_timeout", 3.0, 0.0)
    with deadline(3.001):
        call()
    assert call.seen[0].at == 3


def test_one_more_than_may_wait_is_refused(world: World) -> None:
    """It says when there is one fewer; where nobody may wait, when it would not have to."""
    gate = rate_limit("1/second", max_wait=60, max_waiting=2, clock=world.clock)
    answers = asked(gate, 4)
    assert [type(one) for one in answers[:3]] == [type(None), *[type(answers[1])] * 2]
    assert (answers[3].reason, answers[3].retry_after) == ("queue_full", 1.0)
    world.clock.advance(1)
    assert slots(gate, 2) == [3, "queue_full"]
    gate.reconfigure({"max_waiting": 0})
    world.clock.advance(9)
    assert slots(gate, 2) == [10, "queue_full"]
    assert asked(gate)[0].retry_after == 1.0


def test_a_plain_function_on_a_loop_does_not_wait() -> None:
    """It would stop the loop; it is refused, and gives back what it would have waited for."""
    gate = rate_limit("1/second", max_wait=5, clock=ManualClock(auto=True))
    asked(gate)

    async def main() -> None:
        with pytest.raises(RateLimitedError) as error:
            gate(lambda: None)()
        assert (error.value.reason, error.value.retry_after) == ("would_block_loop", 1.0)

    asyncio.run(main())
    assert slots(gate, 1) == [1]


def test_what_is_inside_begins_after_the_wait(world: World) -> None:
    """The time-out of an attempt is counted from there, and each attempt of a retry waits for itself."""
    gate = rate_limit("1/second", max_wait=9, clock=world.clock)
    again = retry(on=OSError, backoff=0, budget=None, clock=world.clock)
    call = world.governed(Pipeline(again, gate, timeout(0.25, clock=world.clock)), OSError(), OSError(), "answer")
    assert call() == "answer"
    assert [(one.at, one.deadline) for one in call.seen] == [(0, 0.25), (1, 1.25), (2, 2.25)]


def test_those_who_wait_begin_in_their_order() -> None:
    """Of tasks, each at its own moment; nobody gets past them, also when its call costs nothing less."""
    clock = ManualClock(auto=True)
    gate = rate_limit("10/second", burst=1, max_wait=9, clock=clock)
    began: list[tuple[int, float]] = []

    @gate
    async def begin(number: int) -> None:
        began.append((number, round(clock.monotonic(), 6)))

    async def main() -> None:
        tasks = [asyncio.create_task(begin(number)) for number in range(5)]
        await asyncio.sleep(0)
        await clock.asleep(1)
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert began == [(0, 0), (1, 0.1), (2, 0.2), (3, 0.3), (4, 0.4)]


# -- costs -------------------------------------------------------------------------------------------------------------


def test_a_call_that_costs_much_waits_for_all_of_it(world: World) -> None:
    """And the next one waits until that has been paid."""
    gate = rate_limit("4/second", cost=3, max_wait=9, clock=world.clock)
    assert slots(gate, 3) == [0, 0.5, 1.25]


def test_a_call_that_costs_more_than_a_burst_waits_for_the_slots_it_needs() -> None:
    """Where nobody may wait it never passes; here it is paid for step by step, beforehand."""
    clock = ManualClock()
    gate = rate_limit("2/second", cost=5, max_wait=9, clock=clock)
    assert slots(gate, 2) == [1.5, 4.0]
    for one in asked(gate)[0], asked(gate)[0]:
        one.abandon()
    assert slots(gate, 1) == [6.5]
    gate.reconfigure({"cost": 5, "max_wait": 0})
    assert slots(gate, 1) == ["cost_exceeds_burst"]


def test_what_costs_nothing_passes_while_others_wait() -> None:
    """But through a limit of nothing, which nobody waits for."""
    gate = rate_limit("1/second", cost=0, max_wait=9, clock=ManualClock())
    gate.reconfigure({"cost": 1})
    asked(gate, 3)
    gate.reconfigure({"cost": 0})
    assert slots(gate, 2) == [0, 0]
    gate.reconfigure({"limit": "0/second"})
    assert slots(gate, 1) == ["denied"]


# -- what is given back ------------------------------------------------------------------------------------------------


def test_a_slot_that_is_given_up_goes_to_the_next_call() -> None:
    """Four wait, the second gives up, two more come: the gap, and then the end. No slot is given twice."""
    gate = rate_limit("1/second", burst=1, max_wait=9, clock=ManualClock())
    waiting = asked(gate, 4)
    waiting[2].abandon()
    waiting[2].abandon()
    assert slots(gate, 2) == [2, 4]


def test_when_the_last_slot_is_given_up_it_was_never_given() -> None:
    """Nor were the gaps before it."""
    gate = rate_limit("1/second", burst=2, max_wait=9, clock=ManualClock())
    waiting = asked(gate, 5)
    before = gate.snapshot()
    for number in (3, 4):
        waiting[number].abandon()
    assert gate.snapshot() == {**before, "waiting": 1, "reset": 3.0}
    assert slots(gate, 2) == [2, 3]


def test_a_gap_whose_time_has_come_is_not_given_any_more() -> None:
    """And a slot that is given up when its time has come is spent."""
    clock = ManualClock()
    gate = rate_limit("1/second", burst=1, max_wait=9, clock=clock)
    _, first, second, _ = asked(gate, 4)
    first.abandon()
    clock.advance(1)
    assert slots(gate, 1) == [4]
    clock.advance(1)
    second.abandon()
    assert slots(gate, 1) == [5]


def test_a_gap_is_large_enough_or_is_left_for_another() -> None:
    """A call that costs two does not fit into the gap of one that cost one."""
    gate = rate_limit("1/second", burst=1, max_wait=20, clock=ManualClock())
    _, first, _ = asked(gate, 3)
    first.abandon()
    gate.reconfigure({"cost": 2})
    assert slots(gate, 1) == [4]
    gate.reconfigure({"cost": 1})
    assert slots(gate, 2) == [1, 5]


def test_a_cancelled_task_gives_its_slot_back() -> None:
    """While it waits, to the next one that comes."""
    clock = ManualClock(auto=True)
    gate = rate_limit("1/second", max_wait=9, clock=clock)
    began: list[float] = []

    @gate
    async def begin() -> None:
        began.append(clock.monotonic())

    async def main() -> None:
        tasks = [asyncio.create_task(begin()) for _ in range(4)]
        await asyncio.sleep(0)
        assert gate.snapshot()["waiting"] == 3
        tasks[1].cancel()
        await asyncio.sleep(0)
        tasks.append(asyncio.create_task(begin()))
        await asyncio.sleep(0)
        await clock.asleep(3)
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [type(None), asyncio.CancelledError, *[type(None)] * 3]

    asyncio.run(main())
    assert began == [0, 1, 2, 3]


def test_a_time_out_around_it_ends_the_wait() -> None:
    """And the slot is given back."""
    gate = rate_limit("1/minute", max_wait=90)
    timed = timeout(0.02)(gate(turn))

    async def main() -> None:
        await timed()
        with pytest.raises((CallTimeoutError, RateLimitedError)):
            await timed()

    asyncio.run(main())
    assert gate.snapshot()["waiting"] == 0


async def turn() -> None:
    """Let others run."""
    await asyncio.sleep(0)


# -- modes, keys, several limits ---------------------------------------------------------------------------------------


def test_nobody_waits_while_it_observes(facts: Facts, world: World) -> None:
    """All pass at once, and exactly those are told of who would have been refused."""
    gate = rate_limit("1/second", max_wait=2, mode="observe", clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate)
    for _ in range(5):
        call()
    assert [one.at for one in call.seen] == [0] * 5
    assert [(fact.reason, fact.observed) for fact in facts.of(CallRefused)] == [("wait_timeout", True)] * 2


def test_each_key_has_a_queue_of_its_own(world: World) -> None:
    """Who waits under one key is in nobody's way."""
    gate = rate_limit("1/second", key="arg:who", max_wait=2, max_keys=2, clock=world.clock)
    acme, globex = gate.of("acme"), gate.of("globex")
    assert slots(acme, 3) == [0, 1, 2]
    assert slots(globex, 2) == [0, 1]
    for call in world.governed(acme), world.block(acme):
        (error,) = call.fails(RateLimitedError)
        assert isinstance(error, RateLimitedError)
        assert (error.reason, error.retry_after) == ("wait_timeout", 1.0)
    world.clock.advance(1)
    call = world.governed(globex)
    call()
    assert call.seen[0].at == 2


def test_of_several_limits_the_slowest_is_waited_for() -> None:
    """First the one by the second, then the one by the minute; what is given back is given back to both."""
    clock = ManualClock()
    gate = rate_limit(["2/second", "4/minute"], max_wait=60, clock=clock)
    assert slots(gate, 4) == [0, 0, 0.5, 1]
    late = asked(gate, 3)
    assert [one.until for one in late] == [15, 30, 45]
    late[1].abandon()
    late[2].abandon()
    assert slots(gate, 1) == [30]
    clock.advance(31)
    assert slots(gate, 1) == [45]


@pytest.mark.parametrize("algorithm", ["fixed-window", "moving-window", "sliding-window"])
def test_only_a_bucket_can_be_waited_for(algorithm: Any) -> None:
    """The other algorithms do not know who may come when."""
    with pytest.raises(ConfigError, match=r"rate_limit\.max_wait: expected 0, but with gcra"):
        rate_limit("1/second", algorithm=algorithm, max_wait=1)


# -- changes in use ----------------------------------------------------------------------------------------------------


@KINDS
@pytest.mark.parametrize("limit", ["2/second", ["2/second", "99/minute"]], ids=["one", "several"])
def test_a_limit_may_learn_to_let_wait(kind: str, limit: Any, world: World) -> None:
    """Functions that it has governed for long wait too; what is spent stays spent. It may unlearn it again."""
    gate = rate_limit(limit, clock=world.clock)
    call = shape(kind, world, gate)
    for _ in range(2):
        call()
    call.fails(RateLimitedError)
    gate.reconfigure({"max_wait": 1})
    for _ in range(2):
        call()
    assert [one.at for one in call.seen] == [0, 0, 0.5, 1]
    gate.reconfigure({})
    (error,) = call.fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert (error.reason, error.retry_after) == ("limited", 0.5)


@pytest.mark.parametrize("limit", ["1/second", ["1/second", "99/minute"]], ids=["one", "several"])
def test_frames_that_know_no_waiting_are_refused(limit: Any) -> None:
    """A call that was under way to the old machine when the new one came: it goes by the new one, and cannot wait."""
    gate = rate_limit(limit, clock=ManualClock())
    old = gate.machine
    gate.reconfigure({"max_wait": 1})
    assert isinstance(gate.machine, Reservations)
    assert old.admit(0.0) is None
    with pytest.raises(RateLimitedError) as error:
        old.admit(0.0)
    assert (error.value.reason, error.value.retry_after) == ("limited", 1.0)
    assert slots(gate, 2) == [1, "wait_timeout"]


def test_a_machine_that_lets_wait_is_made_only_where_it_is_asked_for() -> None:
    """The others have no lock."""
    assert isinstance(rate_limit("1/second").machine, Gcra)
    assert isinstance(rate_limit("1/second", max_waiting=5).machine, Gcra)
    assert isinstance(rate_limit("1/second", max_wait=1).machine, Reservations)


def test_who_waits_keeps_his_slot_when_the_limit_changes() -> None:
    """Those who come later come after him, by the new pace; a slot of old that is given up is a gap."""
    clock = ManualClock()
    gate = rate_limit("1/second", burst=1, max_wait=60, clock=clock)
    _, first, second = asked(gate, 3)
    gate.reconfigure({"limit": "4/second", "burst": 1, "max_wait": 60})
    assert (first.until, second.until) == (1, 2)
    assert slots(gate, 2) == [2.25, 2.5]
    second.abandon()
    assert slots(gate, 2) == [2, 2.75]
    gate.reconfigure({"limit": "1/minute", "burst": 1, "max_wait": 900})
    clock.advance(3)
    assert gate.snapshot()["waiting"] == 0
    assert slots(gate, 1) == [12 * 60]


def test_another_algorithm_counts_anew_but_keeps_who_waits() -> None:
    """What he was promised, he was promised."""
    clock = ManualClock()
    gate = rate_limit("1/second", max_wait=9, clock=clock)
    _, waiter = asked(gate, 2)
    gate.reconfigure({"algorithm": "fixed-window", "max_wait": 0})
    assert slots(gate, 2) == [0, "limited"]
    assert waiter.over()
