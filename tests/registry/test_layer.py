"""A layer of documents, as a registry has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svcgov.errors import RegistryError
from svcgov.registry.layer import Layer

from .offices import TTL

if TYPE_CHECKING:
    from .offices import Client, Office


@pytest.fixture
def client(plain: Office) -> Client:
    """One."""
    return plain.client()


def after_a_beat(office: Office) -> None:
    """Time passes."""
    office.clock.advance(TTL / 3)


def test_each_revision_is_handed_over_once(plain: Office, client: Client) -> None:
    """With its place, and the very bytes."""
    layer = Layer(client.plain, "orders", "service")
    assert layer.pull() is None
    revision = client.publish("orders", '{ "a": 1 }')
    after_a_beat(plain)
    raw = layer.pull()
    assert raw is not None
    assert (raw.layer, raw.place, raw.data) == ("service", f"{client.plain.backend.url} (orders, service)", b'{ "a": 1 }')
    assert (raw.form, raw.revision, raw.number) == ("json", str(revision), revision)
    after_a_beat(plain)
    assert layer.pull() is None


def test_the_registry_is_not_asked_oftener_than_it_beats(plain: Office, client: Client) -> None:
    """However often somebody looks."""
    layer = Layer(client.plain, "orders", "service")
    assert layer.ask() is False
    client.publish("orders", {"a": 1})
    plain.clock.advance(1.0)
    assert layer.ask() is False
    after_a_beat(plain)
    assert layer.ask() is True
    assert layer.ask() is True
    assert layer.pull() is not None
    assert layer.ask() is False


def test_a_document_that_was_taken_away_is_an_empty_one(plain: Office, client: Client) -> None:
    """That is news."""
    layer = Layer(client.plain, "orders", "service")
    client.publish("orders", {"a": 1})
    client.publish("orders", None)
    raw = layer.pull()
    assert raw is not None
    assert raw.data == b"{}"


def test_a_registry_that_does_not_answer_says_nothing(plain: Office, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody knows whether there is something."""
    layer = Layer(client.plain, "orders", "service")
    client.publish("orders", {"a": 1})

    def away(*_: object) -> None:
        raise RegistryError("memory://a", "away")

    with monkeypatch.context() as patch:
        patch.setattr(client.plain.backend, "read", away)
        assert layer.ask() is None
        assert layer.pull() is None
    after_a_beat(plain)
    assert layer.pull() is not None


def test_a_registry_that_has_lost_a_document_says_nothing(
    plain: Office, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last one stands, which is told once."""
    layer = Layer(client.plain, "orders", "service")
    client.publish("orders", {"a": 1})
    assert layer.pull() is not None
    if plain.engine == "sqlite":
        for file in plain.file.parent.glob("registry.db*"):
            file.unlink()
    else:
        client.plain.backend._store.services.clear()  # type: ignore[attr-defined]  # as if it had begun anew
    for _ in range(2):
        after_a_beat(plain)
        assert layer.pull() is None
    assert capsys.readouterr().err.count("has lost the document of orders (service); the last one stands") == 1
