"""For how long a circuit is open: by growth, by an answer, by hand."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import Answer
from svcgov import Backoff, circuit_breaker
from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.facts import CircuitChanged

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock


def breaker(clock: ManualClock, **settings: Any) -> Any:
    """A breaker that opens at the first failure, on *clock*."""
    return circuit_breaker(**{"window": 4, "min_calls": 1, "half_open_calls": 1, "open_jitter": 0.0, "clock": clock, **settings})


def waits(gate: Any, clock: ManualClock, outcomes: str) -> list[float]:
    """How long it was open after each failure (``F``); the probes come as soon as they may, ``S`` is a good one."""
    found = []
    for outcome in outcomes:
        if outcome == "S":
            with gate:
                pass
            continue
        with pytest.raises(OSError), gate:
            raise OSError
        with pytest.raises(CircuitOpenError) as refused, gate:
            pass
        assert refused.value.retry_after is not None
        found.append(refused.value.retry_after)
        clock.advance(refused.value.retry_after)
    return found


def test_the_wait_grows_with_every_opening_in_a_row(clock: ManualClock) -> None:
    """And begins anew when it was closed."""
    gate = breaker(clock, open_for=Backoff(5, 2, 30, "none"))
    assert waits(gate, clock, "FFFFFSFF") == [5, 10, 20, 30, 30, 5, 10]


def test_a_table_says_how_it_grows(clock: ManualClock) -> None:
    """As in a document: without jitter, which is another setting's."""
    gate = breaker(clock, open_for={"initial": "5s", "factor": 3, "max": "5m"}, open_jitter=0.5, random=lambda: 1.0)
    assert waits(gate, clock, "FFF") == [7.5, 22.5, 67.5]


def test_no_growth_goes_beyond_the_longest(clock: ManualClock) -> None:
    """``max_open_for`` has the last word, where it is given; else the growth's own end has."""
    assert waits(breaker(clock, open_for=Backoff(5, 10, 900, "none"), max_open_for=50), clock, "FFF") == [5, 50, 50]
    assert waits(breaker(clock, open_for=Backoff(5, 10, 900, "none")), clock, "FFFF") == [5, 50, 500, 900]


def test_an_opening_by_hand_does_not_count(clock: ManualClock, facts: Facts) -> None:
    """The growth is about the dependency, not about hands."""
    gate = breaker(clock, open_for=Backoff(5, 2, 60, "none"))
    gate.listen(facts, CircuitChanged)
    gate.open()
    clock.advance(5)
    assert waits(gate, clock, "FF") == [5, 10]
    assert [fact.opening for fact in facts.of(CircuitChanged)] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("status", [429, 503])
def test_an_answer_that_asks_for_it_opens_it_at_once(status: int, world: World, facts: Facts) -> None:
    """For exactly as long as it asks, whatever the rates say."""
    gate = breaker(world.clock, open_from_answer=True, min_calls=100, window=100, open_jitter=1.0)
    gate.listen(facts, CircuitChanged)
    call = world.governed(gate, "good", Answer(status, Retry_After="7"))
    call()
    call.fails(Answer)
    (refusal,) = call.fails(CircuitOpenError)
    assert isinstance(refusal, CircuitOpenError)
    assert refusal.retry_after == 7
    (fact,) = facts.of(CircuitChanged)
    assert (fact.cause, fact.open_for, fact.calls, fact.failed, fact.opening) == ("answer", 7.0, 2, 1, 1)


def test_an_answer_may_say_until_when(world: World) -> None:
    """By the date, on the policies' clock."""
    gate = breaker(world.clock, open_from_answer=True)
    call = world.governed(gate, Answer(503, Retry_After=formatdate(world.clock.wall() + 7, usegmt=True)))
    call.fails(Answer)
    world.clock.advance(5.9)
    assert not gate.would_admit()
    world.clock.advance(1.1)
    assert gate.would_admit()


def test_no_answer_asks_for_more_than_the_longest(world: World) -> None:
    """A server that asks for a day is asked again after five minutes."""
    gate = breaker(world.clock, open_from_answer=True)
    call = world.governed(gate, Answer(503, Retry_After="86400"))
    call.fails(Answer)
    world.clock.advance(299)
    assert not gate.would_admit()
    world.clock.advance(1)
    assert gate.would_admit()


@pytest.mark.parametrize(
    "answer", [Answer(503), Answer(500, Retry_After="7"), Answer(503, Retry_After="0"), Answer(503, Retry_After="soon")]
)
def test_other_answers_are_failures_like_any_other(answer: Answer, world: World) -> None:
    """No word, another status, no time at all, or nothing that can be read."""
    gate = breaker(world.clock, open_from_answer=True, min_calls=3)
    call = world.governed(gate, answer)
    call.fails(Answer, times=2)
    assert gate.current_state == "closed"
    call.fails(Answer)
    (refusal,) = call.fails(CircuitOpenError)
    assert isinstance(refusal, CircuitOpenError)
    assert refusal.retry_after == 30


def test_unless_it_is_asked_for_no_answer_opens_it(world: World) -> None:
    """The setting is off by default; and an ignored answer has no say in any case."""
    for settings in ({}, {"open_from_answer": True, "ignore": Answer}):
        gate = breaker(world.clock, min_calls=4, **settings)
        call = world.governed(gate, Answer(503, Retry_After="7"))
        call.fails(Answer, times=3)
        assert gate.current_state == "closed"


def test_an_answer_to_a_probe_says_how_long(world: World) -> None:
    """Before the other probes are back."""
    gate = breaker(world.clock, open_from_answer=True, half_open_calls=3, min_calls=3)
    call = world.governed(gate, Answer(503, Retry_After="9"))
    gate.half_open()
    call.fails(Answer)
    (refusal,) = call.fails(CircuitOpenError)
    assert isinstance(refusal, CircuitOpenError)
    assert refusal.retry_after == 9


def test_by_hand_it_may_be_open_until_a_moment(clock: ManualClock) -> None:
    """Of the policies' clock, however far; a later one wins, an earlier one changes nothing."""
    gate = breaker(clock)
    clock.advance(100)
    gate.open(until=100_000)
    gate.open(until=200)
    gate.open(for_=50)
    clock.advance(99_899)
    assert not gate.would_admit()
    clock.advance(1)
    assert gate.would_admit()


@pytest.mark.parametrize("given", [{"until": 5}, {"until": 4.0}, {"until": "soon"}, {"until": True}, {"until": 9, "for_": 1}])
def test_a_moment_that_is_none_is_refused(given: dict[str, Any], clock: ManualClock) -> None:
    """Past, no number, or beside a duration: and the circuit stays as it was."""
    gate = breaker(clock)
    clock.advance(5)
    with pytest.raises(ConfigError, match=r"^open\.until: expected a moment") as refused:
        gate.open(**given)
    assert refused.value.value == given["until"]
    assert gate.current_state == "closed"


def test_the_wait_that_was_begun_is_kept_when_the_setting_changes(clock: ManualClock) -> None:
    """Another time is for the next opening; and openings in a row are not forgotten."""
    gate = breaker(clock, open_for=Backoff(5, 2, 60, "none"))
    assert waits(gate, clock, "F") == [5]
    with pytest.raises(OSError), gate:
        raise OSError
    gate.reconfigure({"open_for": Backoff(100, 2, 900, "none")})
    clock.advance(10)
    assert gate.would_admit()
    assert waits(gate, clock, "F") == [400]
