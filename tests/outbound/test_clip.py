"""The client's time-outs, clipped to the deadline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svcgov.outbound._clip import LEAST, Clipped

if TYPE_CHECKING:
    from .worlds import Clock


def clipped(clock: Clock, own: dict[str, float | None], left: float) -> Clipped:
    """Time-outs of a client whose deadline is *left* seconds away."""
    return Clipped(own, clock.monotonic() + left, clock=clock.monotonic, began=clock.monotonic())


@pytest.mark.parametrize("stage", ["connect", "read", "write", "pool"])
@pytest.mark.parametrize("own", [5.0, None])
def test_each_stage_gets_what_is_left_and_not_more(clock: Clock, stage: str, own: float | None) -> None:
    """Also where the client has no time-out of its own, or none for this stage."""
    clip = clipped(clock, {stage: own}, left=1.0)
    assert clip.get(stage) == pytest.approx(1.0)
    assert clip[stage] == clip.get(stage)
    assert clip.expired()


def test_it_is_never_looser_than_the_clients_own(clock: Clock) -> None:
    """And a time-out that the client had anyway is not ours."""
    clip = clipped(clock, {"read": 0.5}, left=10.0)
    assert clip.get("read") == 0.5
    assert not clip.expired()


def test_a_stage_that_begins_later_gets_less(clock: Clock) -> None:
    """Connecting has used up a part: reading gets the rest, not the whole again."""
    clip = clipped(clock, {"connect": 5.0, "read": 5.0}, left=1.0)
    clip.get("connect")
    clock.advance(0.75)
    assert clip.get("read") == pytest.approx(0.25)


def test_a_stage_that_begins_too_late_does_not_turn_into_no_waiting_at_all(clock: Clock) -> None:
    """Zero would make a socket non-blocking, which is another error."""
    clip = clipped(clock, {"read": 5.0}, left=1.0)
    clock.advance(3.0)
    assert clip.get("read") == LEAST


def test_a_copy_is_clipped_too(clock: Clock) -> None:
    """Transports that copy the mapping get what was left when the attempt began."""
    copied = dict(**clipped(clock, {"connect": 5.0, "read": 0.5, "write": None}, left=1.0))
    assert copied == {"connect": 1.0, "read": 0.5, "write": 1.0, "pool": 1.0}


def test_a_deadline_that_has_passed_explains_any_time_out(clock: Clock) -> None:
    """Whoever copied the mapping did not say which value it used."""
    clip = clipped(clock, {"read": 0.5}, left=1.0)
    clip.get("read")
    clock.advance(1.0)
    assert clip.expired()


def test_what_is_no_stage_is_left_alone(clock: Clock) -> None:
    """A transport may keep settings of its own there."""
    clip = clipped(clock, {"happy_eyeballs": 0.25}, left=0.1)
    assert clip.get("happy_eyeballs") == 0.25
    assert clip.get("unheard_of", 7) == 7
    with pytest.raises(KeyError):
        clip["unheard_of"]


def test_after_the_head_the_callers_deadline_holds(clock: Clock) -> None:
    """The attempt is over; the body may take what the invocation has left, or what the client allows."""
    clip = clipped(clock, {"read": 5.0}, left=1.0)
    clip.answered(clock.monotonic() + 3.0)
    assert clip.get("read") == pytest.approx(3.0)
    clip.answered(None)
    assert clip.get("read") == 5.0


def test_it_knows_how_long_the_attempt_was_allowed_to_take(clock: Clock) -> None:
    """For the error that says so."""
    assert clipped(clock, {}, left=1.0).seconds == pytest.approx(1.0)


def test_a_client_of_tasks_lets_the_cancellation_go_first(clock: Clock) -> None:
    """Its own time-out comes a moment later, for a deadline that nobody enforces."""
    clip = Clipped({"read": 5.0}, clock.monotonic() + 1.0, clock=clock.monotonic, began=clock.monotonic(), grace=0.25)
    assert clip.get("read") == pytest.approx(1.25)
    assert clip.seconds == pytest.approx(1.0)
