"""What goes along with a call."""

from __future__ import annotations

import contextvars
from typing import Any

import pytest

from svcgov._core._context import (
    ATTEMPT,
    DEADLINE,
    INVOCATION,
    NOWHERE,
    REPEATABLE,
    Identity,
    Invocation,
    put_back,
    well_coloured,
)


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
        ("x", True),
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


def who(**more: Any) -> Identity:
    """A governor's identity."""
    return Identity(service="shop", version="1", colours=frozenset(), **more)


def test_a_process_that_was_there_before_is_warm() -> None:
    """Nobody has waited for it, until it goes on from a snapshot."""
    shop = who()
    shop.warm()
    assert [shop.first_call(), shop.first_call()] == [False, False]
    shop.restored()
    assert [shop.first_call(), shop.first_call()] == [True, False]


@pytest.mark.parametrize(("now", "cold"), [(9.0, True), (10.0, True), (10.1, False)])
def test_a_first_call_that_comes_late_is_not_cold(now: float, cold: bool) -> None:
    """Up to a moment somebody waits for it; from a snapshot that begins anew."""
    shop = who()
    shop.cold_until(10.0)
    assert shop.first_call(now) is cold
    shop.cold_until(0.5)
    shop.restored()
    assert shop.first_call(now)


def test_a_first_call_of_no_moment_comes_at_once() -> None:
    """As early as can be."""
    shop = who()
    shop.cold_until(0.5)
    assert shop.first_call()


def test_what_is_handed_on_is_kept_with_the_identity() -> None:
    """So is who reads signed colours; by default there is neither."""
    assert (who().verified, who().forward) == (None, None)
    shop = who(verified=str.lower, forward=dict)
    assert (shop.verified, shop.forward) == (str.lower, dict)


def test_a_variable_is_put_back_in_its_own_context_alone() -> None:
    """In another one, as the collector's, there is nothing to put back."""
    elsewhere = contextvars.copy_context()
    token = ATTEMPT.set(2)
    elsewhere.run(put_back, ATTEMPT, token)
    assert ATTEMPT.get() == 2
    put_back(ATTEMPT, token)
    assert ATTEMPT.get() == 1
