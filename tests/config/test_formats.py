"""The forms that a document may have."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov.config._formats import MOST_BYTES, form_of, parsed
from svcgov.errors import ConfigError

SAME = {"policies": {"payments": {"timeout": "5s", "retry": {"attempts": 3}}}}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("toml", '[policies.payments]\ntimeout = "5s"\nretry = { attempts = 3 }'),
        ("json", '{"policies": {"payments": {"timeout": "5s", "retry": {"attempts": 3}}}}'),
        ("json", '\ufeff{"policies": {"payments": {"timeout": "5s", "retry": {"attempts": 3}}}}'),
    ],
)
def test_a_document_says_the_same_in_each_form(form: str, text: str) -> None:
    """A mark of the order of bytes, as some editors write, is no part of it."""
    assert parsed(text.encode(), form, "here") == SAME


@pytest.mark.extras
def test_a_document_in_yaml() -> None:
    """Where its package is there; nothing in it is run."""
    assert parsed(b"policies: {payments: {timeout: 5s, retry: {attempts: 3}}}", "yaml", "here") == SAME
    for text in (b"a: [", b"!!python/object/apply:os.system [ls]"):
        with pytest.raises(ConfigError, match="here: expected a document in YAML"):
            parsed(text, "yaml", "here")


@pytest.mark.extras
@pytest.mark.parametrize("text", [b"a: &a [1]\nb: *a", b"&a [*a, *a]", b"a: &a {b: 1}\nc: {<<: [*a, *a]}"])
def test_yaml_has_no_aliases(text: bytes) -> None:
    """A few lines of them mean a document that no memory holds."""
    with pytest.raises(ConfigError, match="here: expected a document in YAML, got 'an alias"):
        parsed(text, "yaml", "here")


def test_yaml_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ConfigError, match=r"pip install svcgov\[yaml\]"):
        parsed(b"a: 1", "yaml", "here")


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("toml", b"retry = "),
        ("toml", b"\xff\xfe"),
        ("toml", b"a = " + b"[" * 5000),
        ("json", b""),
        ("json", b'{"a": NaN}'),
        ("json", b'{"a": -Infinity}'),
        ("json", b'{"a": 1, "b": 2, "a": 3}'),
        ("json", b"[" * 100_000),
    ],
)
def test_what_cannot_be_read_says_where_it_was(form: str, data: bytes) -> None:
    """No part of it is taken."""
    with pytest.raises(ConfigError, match=f"^here: expected a document in {form.upper()}, got "):
        parsed(data, form, "here")


def test_what_is_too_long_is_not_read() -> None:
    """Ten megabytes are no document."""
    assert parsed(b"#" * MOST_BYTES, "toml", "here") == {}
    with pytest.raises(ConfigError, match="here: expected at most 262144 bytes, got '262145 bytes'"):
        parsed(b"#" * (MOST_BYTES + 1), "toml", "here")


def test_a_form_that_there_is_not() -> None:
    """It is named, and those that there are."""
    with pytest.raises(ConfigError, match="here: expected a document in one of toml, json, yaml, got 'xml'"):
        parsed(b"", "xml", "here")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("svcgov.toml", "toml"),
        ("a.b.JSON", "json"),
        ("x.yaml", "yaml"),
        ("x.yml", "yaml"),
        ("..data/document", "toml"),
        ("", "toml"),
    ],
)
def test_the_end_of_the_name_says_the_form(name: str, form: str) -> None:
    """TOML, where it says nothing."""
    assert form_of(name) == form


@given(st.binary(max_size=200), st.sampled_from(["toml", "json"]))
def test_any_bytes_are_read_or_refused(data: bytes, form: str) -> None:
    """Nothing else comes out of it."""
    try:
        parsed(data, form, "here")
    except ConfigError as error:
        assert error.path == "here"
