"""What goes along with a call."""

from __future__ import annotations

import contextvars

import pytest

from svcgov._core._context import ATTEMPT, DEADLINE, INVOCATION, NOWHERE, REPEATABLE, Identity, Invocation, well_coloured


def test_outside_of_any_call_there_is_nothing() -> None:
    """A record that says so, no deadline, the first attempt, and nobody knows whether it can be repeated."""

    def look() -> tuple[object, ...]:
        return INVOCATION.get(), DEADLINE.get(), ATTEMPT.get(), REPEATABLE.get()

    assert contextvars.Context().run(look) == (NOWHERE, None, 1, None)
    assert (NOWHERE.platform, NOWHERE.trigger, NOWHERE.deadline, NOWHERE.colour) == ("none", "none", None, None)


def test_an_invocation_does_not_show_what_came_along() -> None:
    """Events and headers hold secrets, and the record may end up in a log line."""
    secret = "do-not-print"
    call = Invocation(platform="lambda", request_id="r-1", headers={"authorization": secret}, raw={"token": secret})
    assert repr(call) == "Invocation(lambda  none request_id='r-1')"
    assert call.headers["authorization"] == secret


@pytest.mark.parametrize(
    ("name", "whether"),
    [
        ("blue", True),
        ("Blue-2_a.b", True),
        ("x" * 64, True),
        ("", False),
        ("x" * 65, False),
        ("blue green", False),
        ("blue:1", False),
        ("bläu", False),
        ("blue\n", False),
        (None, False),
        (5, False),
    ],
)
def test_what_can_be_a_colour(name: object, whether: bool) -> None:
    """It has to fit into a header, a log and a key."""
    assert well_coloured(name) is whether


def test_the_first_call_of_a_process_is_cold() -> None:
    """Once."""
    who = Identity(service="shop", version="1", colours=frozenset({"blue"}))
    assert [who.first_call() for _ in range(3)] == [True, False, False]
    assert (who.service, who.version, who.colours) == ("shop", "1", frozenset({"blue"}))
