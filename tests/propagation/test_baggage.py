"""W3C Baggage, read and written by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov.propagation import baggage


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 , b=2 ", {"a": "1", "b": "2"}),
        ("a=1;secret;ttl=3,b=2;x=y", {"a": "1", "b": "2"}),
        ("a=b%2F3%20%C3%A4", {"a": "b/3 \u00e4"}),
        ("a=100%,b=%zz,c=%4", {"a": "100%", "b": "%zz", "c": "%4"}),
        ("a=%+1", {"a": "%+1"}),
        ("a=x=y", {"a": "x=y"}),
        ("a=", {"a": ""}),
        ("a=1,a=2", {"a": "2"}),
        ("nothing,=1,b c=2,d=3", {"d": "3"}),
        ("a=%FF", {"a": "\ufffd"}),
    ],
)
def test_members_are_read(text: str, members: dict[str, str]) -> None:
    """Decoded, without properties; what cannot be read is left out."""
    assert baggage.read({"baggage": text}) == members


def test_no_header_is_no_baggage() -> None:
    """And no error."""
    assert baggage.read({}) == {}


def test_what_comes_from_outside_is_bounded() -> None:
    """64 members at most."""
    assert len(baggage.read({"baggage": ",".join(f"k{n}=v" for n in range(1000))})) == 64


def test_what_goes_out_is_bounded() -> None:
    """64 members and 8 192 bytes, whichever comes first."""
    headers: dict[str, str] = {}
    baggage.write({f"k{n}": "v" for n in range(100)}, headers)
    assert headers["baggage"].count("=") == 64
    baggage.write({f"k{n}": "v" * 1000 for n in range(100)}, headers)
    assert 7000 < len(headers["baggage"]) <= 8192


def test_no_members_are_no_header() -> None:
    """An empty one would say nothing."""
    headers: dict[str, str] = {}
    baggage.write({}, headers)
    assert headers == {}


def test_values_are_encoded() -> None:
    """What would end a member is written as its number; the rest can be read by people."""
    headers: dict[str, str] = {}
    baggage.write({"a": 'x,y;z "\\% \u00e4', "b": "plain/text"}, headers)
    assert headers["baggage"] == "a=x%2Cy%3Bz%20%22%5C%25%20%C3%A4,b=plain/text"


@given(
    st.dictionaries(st.text("abc-._", min_size=1, max_size=5), st.text(st.characters(codec="utf-8"), max_size=20), max_size=10)
)
def test_what_is_written_can_be_read(members: dict[str, str]) -> None:
    """Whatever the values are."""
    headers: dict[str, str] = {}
    baggage.write(members, headers)
    assert baggage.read(headers) == members
