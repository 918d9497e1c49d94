"""The colour of the traffic, as it comes from outside."""

from __future__ import annotations

import pytest

import svcgov
from svcgov.errors import ConfigError
from svcgov.propagation import colour
from svcgov.testing import LambdaContext


@pytest.mark.parametrize(
    ("named", "colours", "taken"),
    [
        ("blue", {"blue", "green"}, "blue"),
        (" blue ", {"blue"}, "blue"),
        ("red", {"blue", "green"}, None),
        ("blue", set(), None),
        (None, {"*"}, None),
        ("anything-1.0_x", {"*"}, "anything-1.0_x"),
        ("", {"*"}, None),
        ("two words", {"*"}, None),
        ("blue\r\nx-admin: 1", {"*"}, None),
        ("b" * 64, {"*"}, "b" * 64),
        ("b" * 65, {"*"}, None),
        ("bl\u00e4u", {"*"}, None),
        ("*", {"*"}, None),
    ],
)
def test_a_colour_is_taken_if_it_is_on_the_list(named: str | None, colours: set[str], taken: str | None) -> None:
    """And is one at all."""
    assert colour.accepted(named, frozenset(colours)) == taken


def test_without_a_key_a_signed_colour_is_none_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Not even where every colour is taken: somebody meant it to be looked at."""
    for _ in range(2):
        assert colour.accepted("blue;t=1;s=x", frozenset({"*", "blue;t=1;s=x"})) is None
    assert capsys.readouterr().err == "svcgov: a signed colour was not taken: SVCGOV_COLOUR_KEY is not set (said once)\n"


@pytest.mark.parametrize("names", [["two words"], ["x:y"], ["\u00e4"], ["x-a*", "x b"], [f"x-{n}" for n in range(9)]])
def test_what_is_no_name_of_a_header_is_refused(names: list[str]) -> None:
    """With its place, and nothing has changed."""
    before = colour.names
    with pytest.raises(ConfigError) as caught:
        colour.also_named(names, "SVCGOV_COLOUR_HEADERS")
    assert caught.value.path == "SVCGOV_COLOUR_HEADERS"
    assert colour.names is before


def test_the_environment_says_what_else_a_colour_is_written_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as the header of a mesh that the service joins."""
    monkeypatch.setattr(colour, "names", colour.names)
    monkeypatch.setenv("SVCGOV_COLOUR_HEADERS", "X-Mesh-Service-Canary, x-svcgov-colour")
    monkeypatch.setenv("SVCGOV_COLOURS", "blue")
    handler = svcgov.handler(lambda event, context: svcgov.carry())
    event = {"version": "2.0", "requestContext": {"http": {}}, "headers": {"X-Mesh-Service-Canary": "blue"}}
    told = handler(event, LambdaContext())
    assert (told["x-mesh-service-canary"], told["x-svcgov-colour"]) == ("blue", "blue")
    assert colour.names == ("x-svcgov-colour", "x-mesh-service-canary")


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first handler is made."""
    monkeypatch.setenv("SVCGOV_COLOUR_HEADERS", "x mesh")
    with pytest.raises(ConfigError, match="SVCGOV_COLOUR_HEADERS: expected names of headers, 8 at most, got 'x mesh'"):
        svcgov.handler(lambda event, context: None)
