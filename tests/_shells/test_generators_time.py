"""A governed generator and time: the deadline at each step, and time-outs for its whole life."""

from __future__ import annotations

import contextvars
from typing import TYPE_CHECKING, Any

import pytest

from _gates import Watched
from _generators import Items, Script
from _worlds import Facts, Takes, World, deadline
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout
from svcgov._core._call import Wait
from svcgov._core._context import DEADLINE
from svcgov.errors import CallTimeoutError, DeadlineExceededError, TimeoutWarning
from svcgov.facts import TimedOut

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


def late(items: Items) -> CallTimeoutError:
    """The next step is too late."""
    with pytest.raises(CallTimeoutError) as raised:
        items.next()
    return raised.value


# -- the deadline at each step -----------------------------------------------------------------------------------------


def test_each_step_sees_the_deadline_and_nobody_else_does(world: World) -> None:
    """It is that of the whole life."""
    items = Script(world, *[DEADLINE.get] * 3).begin(timeout(5, clock=world.clock))
    for _ in range(3):
        assert items.next() == 5.0
        assert DEADLINE.get() is None
        world.clock.advance(1)
    assert items.rest() == []
    assert DEADLINE.get() is None


@pytest.mark.parametrize("end", ["close", "throw"])
def test_whoever_ends_it_keeps_his_own_deadline(world: World, end: str) -> None:
    """While it is closed it sees its own."""
    seen: list[float | None] = []
    script = Script(world, 1)
    script.heard = Hearing(seen)
    items = script.begin(timeout(5, clock=world.clock))
    items.next()
    with deadline(9.0):
        if end == "close":
            items.close()
        else:
            with pytest.raises(KeyError):
                items.throw(KeyError())
        assert DEADLINE.get() == 9.0
    assert seen == [5.0]


class Hearing(list[Any]):
    """Writes down the deadline at which a generator hears something."""

    def __init__(self, seen: list[float | None]) -> None:
        super().__init__()
        self.seen = seen

    def append(self, thing: Any) -> None:
        self.seen.append(DEADLINE.get())


def test_a_tighter_deadline_of_the_consumer_wins_at_its_step(world: World) -> None:
    """And only there; a looser one does not."""
    items = Script(world, *[DEADLINE.get] * 3).begin(timeout(5, clock=world.clock))
    with deadline(3.0):
        assert items.next() == 3.0
    assert items.next() == 5.0
    with deadline(7.0):
        assert items.next() == 5.0


def test_without_a_time_out_a_step_sees_the_consumers_deadline(world: World) -> None:
    """Whatever that is at the time, even if it has passed meanwhile: it has begun."""
    items = Script(world, *[DEADLINE.get] * 2).begin(bulkhead(1, clock=world.clock))
    with deadline(3.0):
        assert items.next() == 3.0
    world.clock.advance(4)
    with deadline(3.5):
        assert items.next() == 3.5


def test_the_consumers_context_may_change_between_steps(world: World) -> None:
    """Each step is made in a context of its own, and what the consumer has set there stays as it was."""
    items = Script(world, *[DEADLINE.get] * 4).begin(timeout(5, clock=world.clock))
    for at in (None, 9.0, 2.0, None):
        context = contextvars.copy_context()
        context.run(DEADLINE.set, at)
        assert context.run(items.next) == min(5.0, at or 5.0)
        assert context[DEADLINE] == at


def test_what_the_generator_sets_is_its_consumers_as_it_was(world: World) -> None:
    """A generator has no context of its own, governed or not: PEP 567 leaves it at that."""
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    script = Script(world, lambda: variable.set(7).var is variable, variable.get)
    if world.name == "sync":
        items = script.begin(timeout(5, clock=world.clock))
        assert (contextvars.copy_context().run(items.next), variable.get()) == (True, 0)
        context = contextvars.copy_context()
        context.run(variable.set, 3)
        assert context.run(items.next) == 3
        return

    async def main() -> tuple[Any, ...]:
        made = timeout(5, clock=world.clock)(script.function)()
        return await anext(made), variable.get(), await anext(made), await anext(made, None)

    assert world.run(main) == (True, 7, 7, None)


def test_an_expired_deadline_refuses_the_first_step(world: World) -> None:
    """Nothing has begun, and nothing is taken."""
    gate = Watched("a", [], world.clock)
    pipeline = Pipeline(gate, name="feed")
    script = Script(world, 1)
    items = script.begin(pipeline)
    with deadline(0.0), pytest.raises(DeadlineExceededError) as refusal:
        items.next()
    assert (refusal.value.policy, refusal.value.reason) == ("feed", "expired")
    assert gate.log == []
    (counts,) = pipeline.snapshot().values()
    assert counts["refused"] == 1


# -- time-outs ---------------------------------------------------------------------------------------------------------


def test_a_time_out_is_for_the_whole_life(world: World, facts: Facts) -> None:
    """Its consumer's time counts too; at the step that comes too late it is closed."""
    limit = timeout(2, clock=world.clock)
    limit.listen(facts)
    pipeline = Pipeline(limit)
    script = Script(world, Takes(1, "a"), "b", "c")
    items = script.begin(pipeline)
    items.next()
    world.clock.advance(0.75)
    assert items.next() == "b"
    world.clock.advance(0.25)
    error = late(items)
    assert (error.policy, error.reason, error.seconds) == ("timeout", "total", 2.0)
    assert isinstance(script.heard[-1], GeneratorExit)
    assert limit.snapshot() == {"timed_out": 1, "late": 0}
    assert [(fact.seconds, fact.late) for fact in facts.of(TimedOut)] == [(2.0, False)]
    assert next(iter(pipeline.snapshot().values()))["failed"] == 1
    assert items.rest() == []


def test_a_freeze_between_steps_counts(world: World) -> None:
    """A frozen process thaws into the right state."""
    items = Script(world, 1, 2).begin(timeout(2, clock=world.clock))
    items.next()
    world.clock.freeze(3)
    assert late(items).seconds == 2.0


def test_gates_around_a_time_out_learn_of_it_and_those_inside_do_not(world: World) -> None:
    """Inside it was closed, which is no verdict; outside a call began and was too slow."""
    log: list[tuple[Any, ...]] = []
    outside, inside = Watched("out", log, world.clock), Watched("in", log, world.clock)
    items = Script(world, 1, 2).begin(Pipeline(outside, timeout(2, clock=world.clock), inside))
    items.next()
    world.clock.advance(2)
    error = late(items)
    assert [(one[0], type(one[2])) for one in log[2:]] == [("in", GeneratorExit), ("out", CallTimeoutError)]
    assert log[-1][2] is error


def test_a_generator_that_is_too_slow_is_a_failure(world: World) -> None:
    """As a call that is."""
    breaker = circuit_breaker(window=10, min_calls=10, clock=world.clock)
    items = Script(world, 1, 2).begin(Pipeline(breaker, timeout(2, clock=world.clock)))
    items.next()
    world.clock.advance(2)
    late(items)
    assert breaker.snapshot()["failed"] == 1


@pytest.mark.parametrize(("outer", "inner"), [(5, 2), (2, 5)])
def test_the_tightest_time_out_wins(world: World, outer: float, inner: float) -> None:
    """And tells of it; the other one has seen nothing."""
    limits = [timeout(seconds, name=f"of-{seconds}", clock=world.clock) for seconds in (outer, inner)]
    items = Script(world, DEADLINE.get, 2).begin(Pipeline(*limits))
    assert items.next() == 2.0
    world.clock.advance(9)
    assert late(items).policy == "of-2"
    assert {limit.label: limit.snapshot()["timed_out"] for limit in limits} == {"of-2": 1, "of-5": 0}


def test_a_tighter_deadline_of_the_consumer_ends_it_too(world: World) -> None:
    """Where there is a time-out: it keeps the tightest of both, and says how long that was."""
    items = Script(world, 1, 2).begin(timeout(5, clock=world.clock))
    items.next()
    world.clock.advance(1)
    with deadline(1.0):
        assert late(items).seconds == 1.0


def test_no_limit_is_none(world: World) -> None:
    """``timeout(None)`` sets no deadline."""
    items = Script(world, DEADLINE.get, 2).begin(timeout(None, clock=world.clock))
    assert items.next() is None
    world.clock.advance(1e6)
    assert items.rest() == [2]


class Turn(Wait):
    """A wait of one second, after which it is one's turn."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.until = clock.monotonic() + 1.0
        self.permit: object = object()

    def join(self, wake: object) -> bool:
        """The second passes."""
        self.clock.freeze(1.0)  # type: ignore[attr-defined]  # a clock by hand
        return True


class InTurn(Watched):
    """A gate that lets everybody wait for a second."""

    asks = True

    def admit(self, now: float, call: Any = None) -> object:
        """Not yet."""
        turn = Turn(self.clock)  # type: ignore[arg-type]  # a clock by hand
        self.permit = turn.permit
        self.log.append((self.label, call.args))
        return turn


def test_a_time_out_inside_a_gate_begins_when_that_has_let_it_in(world: World) -> None:
    """And the time it has waited is no time of its steps."""
    log: list[tuple[Any, ...]] = []
    pipeline = Pipeline(InTurn("a", log, world.clock), timeout(2, clock=world.clock))
    items = Script(world, DEADLINE.get).begin(pipeline, "argument")
    assert items.rest() == [3.0]
    assert log == [("a", ("argument",)), ("a", "settled", None, 1.0)]
    assert next(iter(pipeline.snapshot().values()))["mean"] == 0.0


def test_a_deadline_that_has_passed_while_it_waited_refuses(world: World) -> None:
    """No time is left to begin."""
    gates = timeout(0.5, clock=world.clock), InTurn("a", [], world.clock), timeout(2, clock=world.clock)
    script = Script(world, 1)
    with pytest.raises(DeadlineExceededError):
        script.begin(Pipeline(*gates), "argument").next()
    assert script.heard == []
    assert DEADLINE.get() is None


def test_a_step_that_comes_late_gives_its_item(world: World) -> None:
    """What it did has been done; the next step is the one that is too late."""
    script = Script(world, "a")
    policy = timeout(2, clock=world.clock)

    def slow() -> Any:
        world.clock.freeze(3)
        yield "late"

    async def slow_too() -> Any:
        world.clock.freeze(3)
        yield "late"

    script.function = slow if world.name == "sync" else slow_too
    items = script.begin(policy)
    assert items.next() == "late"
    late(items)


@pytest.mark.parametrize("end", ["returns", "fails"])
def test_an_end_that_comes_late_stands(world: World, facts: Facts, end: str) -> None:
    """It is marked as late, and the first one warns."""
    limit = timeout(2, clock=world.clock)
    limit.listen(facts)

    def slow() -> Any:
        yield 1
        world.clock.freeze(3)
        if end == "fails":
            raise KeyError(end)

    async def slow_too() -> Any:
        yield 1
        world.clock.freeze(3)
        if end == "fails":
            raise KeyError(end)

    script = Script(world)
    script.function = slow if world.name == "sync" else slow_too
    items = script.begin(limit)
    items.next()
    if end == "returns":
        with pytest.warns(TimeoutWarning, match="its result was kept"):
            assert items.rest() == []
    else:
        with pytest.raises(KeyError), pytest.warns(TimeoutWarning, match="its error was raised"):
            items.next()
    assert [fact.late for fact in facts.of(TimedOut)] == [True]
    assert limit.snapshot() == {"timed_out": 0, "late": 1}


@pytest.mark.parametrize("error", [KeyError(), GeneratorExit()], ids=repr)
def test_what_the_consumer_throws_in_late_is_handed_on(world: World, error: BaseException) -> None:
    """Its word comes first, and no time-out tells of it."""
    limit = timeout(2, clock=world.clock)
    items = Script(world, 1).begin(limit)
    items.next()
    world.clock.advance(3)
    with pytest.raises(type(error)) as raised:
        items.throw(error)
    assert raised.value is error
    assert limit.snapshot() == {"timed_out": 0, "late": 0}


def test_an_error_while_it_is_closed_is_raised(world: World) -> None:
    """The user's error is never masked: it is the verdict, and late."""
    log: list[tuple[Any, ...]] = []
    limit, own = timeout(2, clock=world.clock), KeyError("own")
    items = Script(world, 1, 2, deaf=own).begin(Pipeline(Watched("a", log, world.clock), limit))
    items.next()
    world.clock.advance(3)
    with pytest.raises(KeyError) as raised, pytest.warns(TimeoutWarning, match="its error was raised"):
        items.next()
    assert raised.value is own
    assert log[-1][2] is own


def test_the_seconds_may_be_a_function_of_the_call(world: World) -> None:
    """Asked at the first step; with no time left it does not begin."""
    limit = timeout(lambda call: call.args[0], clock=world.clock)
    script = Script(world, DEADLINE.get, 2)
    items = script.begin(limit, 3)
    assert items.next() == 3.0
    world.clock.advance(4)
    assert late(items).seconds == 3.0
    with pytest.raises(DeadlineExceededError):
        script.begin(limit, 0).next()


def test_another_limit_is_for_generators_that_begin_then(world: World) -> None:
    """One that runs ends as it began."""
    limit = timeout(2, clock=world.clock)
    script = Script(world, DEADLINE.get, DEADLINE.get)
    items = script.begin(limit)
    items.next()
    limit.reconfigure({"seconds": 9})
    assert items.next() == 2.0
    assert script.begin(limit).next() == 9.0
