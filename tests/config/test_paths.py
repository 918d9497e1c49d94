"""Places in a document, as their authors write them."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from svcgov.config._paths import joined, split


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("policies", "payments", "retry"), "policies.payments.retry"),
        (("overlay", "version", "v1.2"), 'overlay.version."v1.2"'),
        (("policies", "a:b-c_d"), "policies.a:b-c_d"),
        (("", 'say "so"'), r'""."say \"so\""'),
        ((), ""),
    ],
)
def test_a_place_is_written_as_in_toml(path: tuple[str, ...], text: str) -> None:
    """What could be mistaken stands in quotes."""
    assert joined(path) == text


@example(("\\",))
@example(('\\"', "a\\"))
@given(st.lists(st.text(), min_size=1).map(tuple))
def test_what_is_joined_can_be_split(path: tuple[str, ...]) -> None:
    """Whatever the keys."""
    assert split(joined(path)) == path


@pytest.mark.parametrize("text", ["", ".", "a.", ".a", "a..b", '"a', 'a"b', '"a"b', '"a".'])
def test_what_is_no_place(text: str) -> None:
    """No key is left out, and no quote open."""
    assert split(text) is None
