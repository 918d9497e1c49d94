"""The colour of the traffic, as it comes from outside."""

from __future__ import annotations

import pytest

from svcgov.propagation import colour


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
