"""Records of a registry: written, read, and what cannot be read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov._core._model import LONGEST, Config, Endpoint, Instance, MalformedError

WHOLE: dict[str, Any] = {"service": "orders", "id": "a", "address": "http://a.test:8080"}
NAMES = st.text("abc0._:-", min_size=1, max_size=8)
INSTANCES = st.builds(
    Instance,
    service=NAMES,
    id=NAMES,
    address=NAMES.map(lambda name: f"https://a{name.replace(':', '')}:1/{name}"),
    version=st.text(max_size=8),
    colour=st.none() | st.just("blue"),
    labels=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=2),
    weight=st.integers(0, 100),
    zone=st.text(max_size=4),
    status=st.sampled_from(["up", "draining"]),
    started=st.floats(0, 1e10),
    more=st.dictionaries(st.just("later"), st.lists(st.integers(), max_size=2)),
)


@given(INSTANCES)
def test_what_is_written_is_what_is_read(instance: Instance) -> None:
    """All of it, fields that we do not know too."""
    instance.check()
    assert Instance.read(instance.wire()) == instance


def test_what_is_as_by_default_is_not_written() -> None:
    """What a record needs is."""
    assert json.loads(Instance(**WHOLE).wire()) == WHOLE
    endpoint = Endpoint(service="orders", id="", url="http://a.test")
    assert json.loads(endpoint.wire()) == {"service": "orders", "id": "", "url": "http://a.test"}
    assert (endpoint.place, Instance(**WHOLE).place) == ("http://a.test", "http://a.test:8080")


def test_fields_that_we_do_not_know_are_kept() -> None:
    """Somebody else has written them."""
    read = Instance.read(json.dumps({**WHOLE, "later": {"a": 1}}))
    assert read.more == {"later": {"a": 1}}
    assert json.loads(read.replace(version="v2").wire()) == {**WHOLE, "version": "v2", "later": {"a": 1}}


@pytest.mark.parametrize(
    ("said", "path", "value", "expected"),
    [
        ({"id": None}, "id", None, "1 to 128 letters, digits or . _ : -"),
        ({"service": 7}, "service", 7, "1 to 128 letters, digits or . _ : -"),
        ({"version": 1}, "version", 1, "text"),
        ({"zone": None}, "zone", None, "text"),
        ({"address": "a.test:8080"}, "address", "a.test:8080", "an address, such as http://10.0.0.7:8080"),
        ({"address": "ftp://a.test"}, "address", "ftp://a.test", "an address, such as http://10.0.0.7:8080"),
        ({"weight": 1.5}, "weight", 1.5, "an integer from 0 to 100"),
        ({"weight": 101}, "weight", 101, "an integer from 0 to 100"),
        ({"weight": -1}, "weight", -1, "an integer from 0 to 100"),
        ({"weight": True}, "weight", True, "an integer from 0 to 100"),
        ({"labels": []}, "labels", [], "names and texts"),
        ({"labels": {"a": 1}}, "labels", {"a": 1}, "names and texts"),
        ({"colour": 1}, "colour", 1, "a colour: 1 to 64 letters, digits or . _ -"),
        ({"status": "down"}, "status", "down", "one of up, draining"),
        ({"started": True}, "started", True, "seconds since the epoch"),
    ],
)
def test_what_cannot_be_read_says_where_and_what(said: dict[str, Any], path: str, value: Any, expected: str) -> None:
    """So that whoever has written it finds it; whoever is to write it is told the same."""
    with pytest.raises(MalformedError) as wrong:
        Instance.read(json.dumps({**WHOLE, **said}))
    assert (wrong.value.path, wrong.value.value, wrong.value.expected) == (path, value, expected)
    assert str(wrong.value) == f"{path}: expected {expected}"
    with pytest.raises(MalformedError) as before:
        Instance(**{**WHOLE, **said}).check()
    assert (before.value.path, before.value.value, before.value.expected) == (path, value, expected)


def test_a_name_that_cannot_be_comes_with_what_is_said_of_names() -> None:
    """Which says where, too."""
    with pytest.raises(MalformedError) as wrong:
        Instance(**{**WHOLE, "id": "a b"}).check()
    assert str(wrong.value.__cause__) == "id: expected 1 to 128 letters, digits or . _ : -, got 'a b'"


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 8000])
def test_what_is_no_object_is_no_record(text: str) -> None:
    """Whatever else it is."""
    with pytest.raises(MalformedError) as wrong:
        Instance.read(text)
    assert (wrong.value.path, wrong.value.value, wrong.value.expected) == ("record", text, "a JSON object")


@pytest.mark.parametrize("name", ["service", "id", "address"])
def test_what_a_record_needs_is_named(name: str) -> None:
    """Nothing stands for it."""
    with pytest.raises(MalformedError) as wrong:
        Instance.read(json.dumps({key: value for key, value in WHOLE.items() if key != name}))
    assert (wrong.value.path, wrong.value.value, wrong.value.expected) == (name, None, "a value")


def test_a_record_is_at_most_so_long() -> None:
    """As it is written, and as it is read."""
    room = LONGEST - len(Instance(**WHOLE, more={"x": ""}).wire())
    longest = Instance(**WHOLE, more={"x": "y" * room})
    longest.check()
    assert Instance.read(longest.wire()) == longest
    too_long = Instance(**WHOLE, more={"x": "y" * (room + 1)})
    for refused in (too_long.check, lambda: Instance.read(too_long.wire())):
        with pytest.raises(MalformedError) as wrong:
            refused()
        assert (wrong.value.path, wrong.value.value, wrong.value.expected) == ("record", None, "at most 8192 characters")


def test_one_record_has_one_text() -> None:
    """In the order of its names, without a blank: an equal one moves no revision."""
    assert Instance(**WHOLE, version="v2", more={"also": [1, 2]}).wire() == (
        '{"address":"http://a.test:8080","also":[1,2],"id":"a","service":"orders","version":"v2"}'
    )


@pytest.mark.parametrize(
    "address", ["http://[2001:db8::7]:8080", "https://[::1]", "HTTP://a.test", "http://a.test:65535", "http://a.test:1/x?y=z"]
)
def test_where_somebody_can_be_called_is_an_address(address: str) -> None:
    """Also one of IPv6, which stands in brackets."""
    assert Instance.read(json.dumps({**WHOLE, "address": address})).place == address


@pytest.mark.parametrize(
    "address",
    [
        "http://h:65536",
        "http://h:abc",
        "http://h:0",
        "http://[bad",
        "http://[1:2]:80",
        "http://@:80",
        "http://a b",
        "http://a\r\nb",
        "ftp://a",
        "http:///a",
        7,
    ],
)
def test_where_nobody_can_be_called_is_no_address(address: Any) -> None:
    """It would break every call to the service: one record that is wrong is skipped instead."""
    with pytest.raises(MalformedError) as wrong:
        Instance.read(json.dumps({**WHOLE, "address": address}))
    assert wrong.value.path == "address"
    assert str(wrong.value) == "address: expected an address, such as http://10.0.0.7:8080"


@given(
    st.text() | st.recursive(st.none() | st.floats() | st.text(), lambda some: st.dictionaries(st.text(), some)).map(json.dumps)
)
def test_whatever_is_read_is_a_record_or_malformed(text: str) -> None:
    """Nothing else is raised: it comes from anywhere."""
    with pytest.raises(MalformedError):
        Instance.read(text)


def test_a_record_that_stands_for_a_kind_of_its_own_says_where_it_is_called() -> None:
    """The base does not."""
    from svcgov._core._model import Callee

    with pytest.raises(NotImplementedError):
        Callee(service="orders").place


def test_a_document_is_what_its_text_says() -> None:
    """Or nothing."""
    assert Config(service="orders", layer="base", text='{"a": 1}').document == {"a": 1}
    assert Config(service="orders", layer="base").document is None
    with pytest.raises(ValueError, match="Expecting value"):
        Config(service="orders", layer="base", text="a = 1").document
