"""Documents: published for all, each with a revision that goes up, and never written over by somebody who has not seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov.errors import ConfigError, ConflictError
from svcgov.registry import Config
from svcgov.registry.backends._backend import KEPT

if TYPE_CHECKING:
    from .offices import Office

DOCUMENT = {"policies": {"payments": {"retry": {"attempts": 3}}}}


def test_a_document_is_read_by_another(office: Office) -> None:
    """As it was published, and who has said what about it."""
    revision = office.client().publish("orders", DOCUMENT, meta={"why": "a test"})
    read = office.client().config("orders")
    assert read.document == DOCUMENT
    assert (read.revision, read.meta, read.at, read.stale) == (revision, {"why": "a test"}, office.clock.wall(), False)


def test_a_document_that_has_not_changed_is_the_same_one(office: Office) -> None:
    """It does not come over the wire again."""
    client = office.client()
    client.publish("orders", DOCUMENT)
    assert client.config("orders") is client.config("orders")


def test_there_is_none_before_one_is_published(office: Office) -> None:
    """And that is an answer."""
    read = office.client().config("orders")
    assert read == Config(service="orders", layer="service")
    assert read.document is None


def test_a_text_is_kept_as_it_is(office: Office) -> None:
    """A signature is over the very text."""
    text = '{ "a":  1 }'
    client = office.client()
    client.publish("orders", text)
    assert client.config("orders").text == text


def test_layers_and_services_are_kept_apart(office: Office) -> None:
    """Each has revisions of its own."""
    client = office.client()
    client.publish("orders", {"a": 1})
    client.publish("orders", {"a": 2}, layer="stage.test")
    client.publish("payments", {"a": 3})
    read = [client.config("orders"), client.config("orders", "stage.test"), client.config("payments")]
    assert [one.document for one in read] == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_revisions_go_up(office: Office) -> None:
    """They are those of the second, or one more: what was published anew elsewhere is not below what was known."""
    client = office.client()
    first = client.publish("orders", {"a": 1})
    assert first == int(office.clock.wall())
    assert client.publish("orders", {"a": 2}) == first + 1
    office.clock.advance(60)
    assert client.publish("orders", {"a": 3}) == first + 60


def test_only_who_knows_what_is_there_writes_over_it(office: Office) -> None:
    """0 is for nothing yet; the error says what is there now."""
    client = office.client()
    first = client.publish("orders", {"a": 1}, expected=0)
    with pytest.raises(ConflictError, match="document orders/service has another revision") as refused:
        client.publish("orders", {"a": 2}, expected=0)
    assert refused.value.current == first
    client.publish("orders", {"a": 2}, expected=first)
    assert client.config("orders").document == {"a": 2}


def test_a_document_is_taken_away_by_publishing_none(office: Office) -> None:
    """That has a revision, too: nothing is not the same as never."""
    client, reader = office.client(), office.client()
    first = client.publish("orders", DOCUMENT)
    assert reader.config("orders").document == DOCUMENT
    client.publish("orders", None)
    read = reader.config("orders")
    assert (read.text, read.document) == (None, None)
    assert read.revision > first


def test_an_old_one_is_published_anew(office: Office) -> None:
    """As a higher revision, which says what it is."""
    client = office.client()
    first = client.publish("orders", {"a": 1})
    client.publish("orders", {"a": 2})
    third = client.rollback("orders", first)
    read = client.config("orders")
    assert (read.document, read.revision, read.meta) == ({"a": 1}, third, {"rollback_of": first})
    assert [one.revision for one in client.history("orders")] == [third, first + 1, first]


def test_an_old_one_that_is_not_kept_cannot_be_published_anew(office: Office) -> None:
    """The error says which are."""
    client = office.client()
    with pytest.raises(ConfigError, match="none: nothing was published"):
        client.rollback("orders", 1)
    revision = client.publish("orders", {"a": 1})
    with pytest.raises(ConfigError, match=f"expected one of {revision}, got 1"):
        client.rollback("orders", 1)


def test_so_many_are_kept(plain: Office) -> None:
    """The newest."""
    client = plain.client()
    first = client.publish("orders", {"a": 0})
    for number in range(1, KEPT + 2):
        client.publish("orders", {"a": number})
    kept = client.history("orders")
    assert [one.revision for one in kept] == [first + number for number in range(KEPT + 1, 1, -1)]


@pytest.mark.parametrize(
    ("document", "options", "path"),
    [
        ({"a": object()}, {}, "publish.document"),
        ({"a": float("nan")}, {}, "publish.document"),
        ("x" * (256 * 1024 + 1), {}, "publish.document"),
        ({}, {"meta": {"a": {1, 2}}}, "publish.meta"),
        ({}, {"layer": "no such"}, "publish.layer"),
    ],
)
def test_a_document_that_cannot_be_is_refused(office: Office, document: Any, options: dict[str, Any], path: str) -> None:
    """And nothing is written."""
    client = office.client()
    with pytest.raises(ConfigError) as refused:
        client.publish("orders", document, **options)
    assert refused.value.path == path
    assert client.config("orders").revision == 0


def test_the_longest_document_is_published(plain: Office) -> None:
    """It is as long as it may be."""
    client = plain.client()
    client.publish("orders", "x" * (256 * 1024))
    assert len(client.config("orders").text) == 256 * 1024


def test_a_layer_that_cannot_be_is_refused(office: Office) -> None:
    """Also where it is asked for."""
    with pytest.raises(ConfigError, match=r"config\.layer"):
        office.client().config("orders", "no such")


@pytest.mark.parametrize("ask", ["publish", "config"])
def test_a_name_that_cannot_be_is_refused(office: Office, ask: str) -> None:
    """Where it is written, and where it is asked for."""
    with pytest.raises(ConfigError, match=rf"{ask}\.service"):
        getattr(office.client(), ask)("no such", {})
