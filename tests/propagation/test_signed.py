"""Colours that are signed: taken although they are on no list."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Any

import pytest

import svcgov
from _worlds import in_child
from svcgov import Governor
from svcgov.errors import ConfigError
from svcgov.propagation._carrier import outgoing
from svcgov.propagation.signed import Keys
from svcgov.testing import LambdaContext, ManualClock

KEY, OTHER = "a secret of this house", "another secret of this house"
NOW = 1_767_225_600.0


def keys(*given: str, now: float = NOW) -> Keys:
    """The keys of the house, at such a time."""
    return Keys(given or (KEY,), "keys", lambda: now)


def by_hand(name: str, at: str, key: str = KEY) -> str:
    """As it is described."""
    signature = urlsafe_b64encode(hmac.new(key.encode(), f"{name}.{at}".encode(), hashlib.sha256).digest())
    return f"{name};t={at};s={signature.decode().rstrip('=')}"


def seen(governor: Governor, value: str) -> tuple[str | None, str | None]:
    """The colour below a handler, and what a service of ours is told of it."""

    @governor.handler
    def handler(event: Any, context: Any) -> tuple[str | None, str | None]:
        return svcgov.current().colour, outgoing(0.0, ours=True).get("x-svcgov-colour")

    event = {"version": "2.0", "requestContext": {"http": {}}, "headers": {"x-svcgov-colour": value}}
    return handler(event, LambdaContext())


def test_it_is_signed_as_it_is_described() -> None:
    """So that others can do it too: a gateway, a script."""
    assert keys().sign("blue") == by_hand("blue", "1767225600")


@pytest.mark.parametrize(("age", "taken"), [(0, "blue"), (300, "blue"), (301, None), (-30, "blue"), (-31, None)])
def test_it_is_good_for_a_while(age: float, taken: str | None) -> None:
    """300 s, and 30 s ahead of time."""
    assert keys(now=NOW + age).verified(keys().sign("blue")) == taken


def test_the_first_key_signs_and_each_one_verifies() -> None:
    """A new one is put in front, the old one is taken away later."""
    both = keys(OTHER, KEY)
    assert both.verified(keys().sign("blue")) == "blue"
    assert keys(OTHER).verified(both.sign("blue")) == "blue"
    assert keys().verified(both.sign("blue")) is None


SIGNED = by_hand("blue", "1767225600")


@pytest.mark.parametrize(
    "text",
    [
        SIGNED.replace("blue", "red"),
        SIGNED.replace("t=1767225600", "t=1767225601"),
        SIGNED[:-1],
        SIGNED + "=",
        SIGNED.replace(";s=", ";x="),
        SIGNED.replace(";t=", ";x="),
        SIGNED + ";more",
        "blue;",
        "blue;t=;s=",
        "blue;t=-1;s=" + "A" * 43,
        by_hand("light blue", "1767225600"),
        by_hand("blue", "1" * 13),
        by_hand("blue", "1767225600", OTHER),
        by_hand("blue", "\u0661"),
        by_hand("", "1767225600"),
        ";" * 10_000,
    ],
)
def test_what_is_forged_or_malformed_is_no_colour(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And said once."""
    house = keys()
    assert [house.verified(text), house.verified(text)] == [None, None]
    said = capsys.readouterr().err
    assert said.count("a signed colour was not taken") == 1
    assert KEY not in said


def test_spaces_do_not_matter() -> None:
    """A list of parameters may have them."""
    assert keys().verified(SIGNED.replace(";", " ; ")) == "blue"


def test_a_signed_colour_travels_on_plainly() -> None:
    """It was looked at, at the edge."""
    clock = ManualClock()
    edge = Governor(service="edge", colour_key=KEY, clock=clock)
    assert seen(edge, edge.signed_colour("blue")) == ("blue", "blue")
    clock.step_wall(301.0)
    assert seen(edge, by_hand("blue", str(int(clock.wall()) - 301))) == (None, None)


def test_the_list_still_holds_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on it needs no signature, what is not does."""
    monkeypatch.setenv("SVCGOV_COLOUR_KEY", f"{OTHER},{KEY}")
    house = Governor(service="edge", colours=["green"])
    assert [seen(house, value)[0] for value in ("green", "blue", svcgov.signed_colour("blue"))] == ["green", None, "blue"]


@pytest.mark.parametrize("given", ["too short", ["a secret that is long enough", "short"], "", [""], [7], []])
def test_a_key_that_is_too_short_is_refused_and_not_shown(given: Any) -> None:
    """Secrets end up in logs by way of errors."""
    with pytest.raises(ConfigError, match=r"^Governor.colour_key: expected secrets of at least 16 bytes, got ") as caught:
        Governor(colour_key=given)
    assert "short" not in str(caught.value)
    assert "short" not in repr(caught.value.args)


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first handler is made."""
    monkeypatch.setenv("SVCGOV_COLOUR_KEY", f"{KEY},hunter2")
    with pytest.raises(ConfigError, match=r"^SVCGOV_COLOUR_KEY: .*got 'one of 7 bytes'$"):
        svcgov.handler(lambda event, context: None)
    monkeypatch.setenv("SVCGOV_COLOUR_KEY", " , ")
    with pytest.raises(ConfigError, match=r"^SVCGOV_COLOUR_KEY: .*got None$"):
        svcgov.handler(lambda event, context: None)


def test_without_a_key_nothing_is_signed() -> None:
    """The error says what is missing."""
    with pytest.raises(ConfigError, match="SVCGOV_COLOUR_KEY: expected secrets of at least 16 bytes, got None"):
        svcgov.signed_colour("blue")


def test_what_is_no_colour_is_not_signed() -> None:
    """It would not be taken."""
    with pytest.raises(ConfigError, match="signed_colour: expected 1 to 64 letters"):
        Governor(colour_key=KEY).signed_colour("light blue")


def test_keys_are_shown_nowhere() -> None:
    """Not by the one who holds them either."""
    house = Governor(colour_key=[KEY, OTHER])
    assert repr(house._keys) == "Keys(2)"
    assert "secret" not in repr((vars(house), house.identity.verified))


def test_hmac_is_loaded_for_a_signature_only() -> None:
    """It brings in a library for cryptography."""
    code = """
import json, os, sys
os.environ["SVCGOV_COLOUR_KEY"] = "a secret of this house"
import svcgov
handler = svcgov.handler(lambda event, context: svcgov.current().colour)
def call(colour):
    return handler({"version": "2.0", "requestContext": {"http": {}}, "headers": {"x-svcgov-colour": colour}}, None)
os.environ["SVCGOV_LOG"] = "off"
sys.stdout = open(os.devnull, "w")
call("blue")
before = "hmac" in sys.modules
colour = call(svcgov.signed_colour("blue"))
sys.stdout = sys.__stdout__
print(json.dumps([before, "hmac" in sys.modules, colour]))
"""
    assert in_child(code) == [False, True, "blue"]
