"""What a function may ask about the call it is in."""

from __future__ import annotations

from typing import Any

import pytest

import svcgov
from svcgov._core._clock import SYSTEM
from svcgov._core._context import ATTEMPT, DEADLINE
from svcgov.errors import ConfigError


def test_outside_of_any_call() -> None:
    """There is an answer to everything, and none of it is an error."""
    here = svcgov.current()
    assert (here.platform, here.colour, here.request_id) == ("none", None, "")
    assert svcgov.remaining() is None
    assert svcgov.current_attempt() == 1


def test_remaining_counts_down_to_zero() -> None:
    """And not below."""
    soon = DEADLINE.set(SYSTEM.monotonic() + 60)
    left = svcgov.remaining()
    DEADLINE.reset(soon)
    past = DEADLINE.set(SYSTEM.monotonic() - 60)
    none_left = svcgov.remaining()
    DEADLINE.reset(past)
    assert left is not None
    assert 50 < left <= 60
    assert none_left == 0.0


def test_the_attempt_is_the_one_under_way() -> None:
    """As a retry has set it."""
    token = ATTEMPT.set(3)
    assert svcgov.current_attempt() == 3
    ATTEMPT.reset(token)


def test_a_colour_holds_inside_its_block() -> None:
    """The inner one wins, and each is gone after its block, also when it raises."""
    with svcgov.colour("blue"):
        with pytest.raises(LookupError), svcgov.colour(None):
            inner = svcgov.current().colour
            raise LookupError
        outer = svcgov.current().colour
    assert (inner, outer, svcgov.current().colour) == (None, "blue", None)


def test_one_colour_can_be_entered_again() -> None:
    """Also inside of itself."""
    blue = svcgov.colour("blue")
    with blue, svcgov.colour("green"), blue:
        assert svcgov.current().colour == "blue"
    assert svcgov.current().colour is None


@pytest.mark.parametrize("name", ["", "two words", "b" * 65, 1, "a\nb"])
def test_what_is_no_colour_is_refused(name: Any) -> None:
    """Before it stands in a header."""
    with pytest.raises(ConfigError, match="colour: expected 1 to 64 letters") as wrong:
        svcgov.colour(name)
    assert wrong.value.value is name
