"""The frames, in every order of shapes: who is asked, who is told, and with what."""

from __future__ import annotations

from typing import Any

import pytest

from _gates import Watched
from _worlds import Call, Takes, World, deadline
from svcgov import Pipeline, retry, timeout
from svcgov._core._context import ATTEMPT, DEADLINE
from svcgov.errors import DeadlineExceededError, RejectedError

# Letters are gates, R is a retry, T is a time-out. Between them they use every frame there is.
NESTINGS = [
    "a",
    "ab",
    "abc",
    "Ta",
    "Tab",
    "Ra",
    "Rab",
    "Rabc",
    "aR",
    "abR",
    "aRb",
    "aTb",
    "abTc",
    "RaTb",
    "RabTc",
    "TaRbT",
    "TaRbcTd",
]


class Built:
    """A pipeline made from letters."""

    def __init__(self, world: World, letters: str) -> None:
        self.world = world
        self.log: list[tuple[Any, ...]] = []
        self.gates = [Watched(letter, self.log, world.clock) for letter in letters if letter.islower()]
        gates = {gate.label: gate for gate in self.gates}
        again = retry(on=ConnectionError, attempts=2, backoff=1.0, budget=None, clock=world.clock)
        self.policies = [gates.get(one) or (again if one == "R" else timeout(60, clock=world.clock)) for one in letters]

    def does(self, *steps: Any) -> Call:
        """A function in it."""
        return self.world.governed(Pipeline(*self.policies), *steps)

    @property
    def story(self) -> list[str]:
        """Who was asked and told, in order."""
        return [f"{one[0]} {one[1]}" for one in self.log]

    @property
    def told(self) -> dict[str, Any]:
        """The last error that each gate was told."""
        return {one[0]: one[2] for one in self.log if one[1] == "settled"}


@pytest.fixture(params=NESTINGS)
def built(request: pytest.FixtureRequest, world: World) -> Built:
    """One of the nestings, in one of the worlds."""
    return Built(world, request.param)


def all_told(built: Built) -> list[str]:
    """What a call that passes all gates leaves behind."""
    labels = [gate.label for gate in built.gates]
    return [f"{label} admitted" for label in labels] + [f"{label} settled" for label in reversed(labels)]


def test_gates_are_entered_from_outside_and_left_from_inside(built: Built) -> None:
    """Each once, with no error, in the order written."""
    assert built.does("answer")() == "answer"
    assert built.story == all_told(built)
    assert set(built.told.values()) <= {None}


@pytest.mark.parametrize("error", [ValueError("a"), KeyboardInterrupt("b")], ids=repr)
def test_every_gate_is_told_the_error(error: BaseException, built: Built) -> None:
    """Whatever it is: each gate judges by itself."""
    built.does(error).fails(type(error))
    assert built.story == all_told(built)
    assert all(told is error for told in built.told.values())


def test_a_refusal_is_told_to_those_who_had_admitted(built: Built) -> None:
    """And nobody further inside is asked."""
    for number, gate in enumerate(built.gates):
        built.log.clear()
        gate.refusing = True
        call = built.does()
        (refusal,) = call.fails(RejectedError)
        gate.refusing = False
        outer = [one.label for one in built.gates[:number]]
        expected = (
            [f"{one} admitted" for one in outer] + [f"{gate.label} refused"] + [f"{one} settled" for one in reversed(outer)]
        )
        assert built.story == expected
        assert all(told is refusal for told in built.told.values())
        assert call.count == 0


def test_a_free_permit_is_taken_without_asking(built: Built) -> None:
    """It is returned all the same."""
    for gate in built.gates:
        gate.free = object()
    built.does("answer")()
    assert built.story == [f"{gate.label} settled" for gate in reversed(built.gates)]


def test_a_calm_permit_is_not_returned_after_a_clean_call(built: Built) -> None:
    """Free and calm, a gate costs no call at all."""
    for gate in built.gates:
        gate.free = gate.calm = object()
    built.does("answer")()
    assert built.log == []


def test_a_calm_permit_is_returned_after_an_error(built: Built) -> None:
    """The gate learns of every error."""
    for gate in built.gates:
        gate.free = gate.calm = object()
    built.does(ValueError).fails(ValueError)
    assert built.story == [f"{gate.label} settled" for gate in reversed(built.gates)]


def test_a_permit_that_is_calm_no_more_is_returned(built: Built) -> None:
    """What holds at the end of the call counts."""
    for gate in built.gates:
        gate.free = gate.calm = object()

    def stir() -> None:
        for gate in built.gates:
            gate.calm = object()

    built.does(stir)()
    assert built.story == [f"{gate.label} settled" for gate in reversed(built.gates)]


def test_gates_are_told_when_their_call_was_admitted(built: Built) -> None:
    """Not when it ended; inside a retry it is the moment of the attempt."""
    built.world.clock.advance(5)
    built.does(Takes(3))()
    assert {one[3] for one in built.log if one[1] == "settled"} == {5.0}
    assert [gate.asked for gate in built.gates] == [[5.0]] * len(built.gates)


def test_gates_are_told_when_a_call_was_admitted_that_failed(built: Built) -> None:
    """And one whose neighbour refuses it, too."""
    built.world.clock.advance(5)
    built.does(Takes(3, ValueError())).fails(ValueError)
    assert {one[3] for one in built.log if one[1] == "settled"} == {5.0}
    built.gates[-1].refusing = True
    built.log.clear()
    built.does().fails(RejectedError)
    assert {one[3] for one in built.log if one[1] == "settled"} <= {8.0}


@pytest.mark.parametrize("letters", ["aR", "aRb", "TaRbcTd", "RabTc"])
def test_what_is_inside_a_retry_is_passed_by_every_attempt(letters: str, world: World) -> None:
    """And what is outside of it once."""
    built = Built(world, letters)
    call = built.does(Takes(2, ConnectionError()), "answer")
    assert call() == "answer"
    outside, inside = letters.split("R")
    for gate in built.gates:
        moments = [one[3] for one in built.log if one[:2] == (gate.label, "settled")]
        assert moments == ([0.0] if gate.label in outside else [0.0, 3.0])
    assert [seen.attempt for seen in call.seen] == [1, 2]
    assert ATTEMPT.get() == 1
    assert outside + inside == letters.replace("R", "")


@pytest.mark.parametrize("letters", ["T", "TR", "aTb", "RaTb", "TaRbT", "TT"])
def test_every_time_out_sets_the_deadline_and_restores_it(letters: str, world: World) -> None:
    """Also one that is not the outermost frame, whatever comes of the call."""
    for step in ("answer", ValueError):
        call = Built(world, letters).does(step)
        began = world.clock.monotonic()
        try:
            call()
        except ValueError:
            pass
        assert call.seen[0].deadline == began + 60
        assert DEADLINE.get() is None
        world.clock.advance(1)


@pytest.mark.parametrize("letters", ["RaTb", "aTb", "RT"])
def test_an_attempt_is_not_begun_when_no_time_is_left(letters: str, world: World) -> None:
    """An inner time-out looks at the deadline too, since an outer gate may have taken its time."""
    built = Built(world, letters)

    def lose_time(now: float, call: Any = None) -> object:
        DEADLINE.set(now)
        return built.gates[0].permit

    for gate in built.gates[:1]:
        gate.admit = lose_time  # type: ignore[method-assign]
    call = built.does()
    with deadline(5.0 if built.gates else 0.0):
        call.fails(DeadlineExceededError)
    assert call.count == 0


@pytest.mark.parametrize("letters", ["T", "aTb", "RT"])
def test_without_a_limit_nothing_is_set(letters: str, world: World) -> None:
    """A time-out of None is there to be reconfigured."""
    built = Built(world, letters)
    for policy in built.policies:
        if policy.shape == "limit":
            policy.reconfigure({"seconds": None})
    call = built.does("answer")
    assert call() == "answer"
    assert call.seen[0].deadline is None


@pytest.mark.parametrize("letters", ["T", "aTb", "RT"])
def test_the_tighter_deadline_stands(letters: str, world: World) -> None:
    """One from outside is not widened."""
    call = Built(world, letters).does("answer")
    with deadline(7.0):
        call()
        assert DEADLINE.get() == 7.0
    assert call.seen[0].deadline == 7.0


@pytest.mark.parametrize("letters", ["T", "aTb"])
def test_a_call_that_came_late_keeps_its_result(letters: str, world: World) -> None:
    """What it did has been done: its lateness is told, and its result returned."""
    built = Built(world, letters)
    limit = next(policy for policy in built.policies if policy.shape == "limit")

    def late() -> str:
        world.clock.freeze(61)  # where nothing can cancel it
        return "answer"

    call = built.does(late)
    with pytest.warns(RuntimeWarning, match="took 61 s of the 60 s"):
        assert call() == "answer"
    assert limit.snapshot() == {"timed_out": 0, "late": 1}


def test_a_retry_that_oversleeps_raises_what_it_had(world: World) -> None:
    """The process may be stopped during the wait; no attempt is begun after the deadline."""
    first = ConnectionError("first")
    call = Built(world, "R").does(first, "answer")
    world.clock.call_at(0.5, lambda: world.clock.freeze(100))
    with deadline(50.0):
        (error,) = call.fails(ConnectionError)
    assert error is first
    assert call.count == 1


def test_a_retry_without_a_wait_does_not_sleep(world: World) -> None:
    """Not even for nothing: a sleep lets others run."""
    again = retry(on=ConnectionError, attempts=2, backoff=0, budget=None, clock=world.clock)
    slept: list[float] = []
    world.clock.sleep = world.clock.asleep = slept.append  # type: ignore[method-assign, assignment]
    call = world.governed(again, ConnectionError(), "answer")
    assert call() == "answer"
    assert slept == []


def test_a_gate_that_wants_the_call_is_not_asked_while_a_permit_is_free(world: World) -> None:
    """It is told how the call ended, with that permit."""
    log: list[tuple[Any, ...]] = []
    gate: Any = Watched("a", log, world.clock)
    gate.asks, gate.free = True, object()
    assert world.governed(Pipeline(gate), "answer")() == "answer"
    assert log == [("a", "settled", None, 0.0)]
