"""A registry that does not answer: what was known stands, nobody is held up, and it is told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import facts as kinds
from svcgov.errors import ConflictError, RegistryError
from svcgov.registry import Config, Endpoint, Found

from .offices import TTL, ids, instance

if TYPE_CHECKING:
    from _worlds import Facts

    from .offices import Client, Office


class Cut:
    """Cuts a client off, and lets it through again."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.real = client.plain.backend

    def __enter__(self) -> None:
        cut = self

        class Away:
            url, blocks = self.real.url, self.real.blocks

            def __getattr__(self, verb: str) -> Any:
                def ask(*_: Any) -> Any:
                    raise RegistryError(cut.real.url, "away")

                return ask

        self.client.plain.backend = Away()

    def __exit__(self, *_: object) -> None:
        self.client.plain.backend = self.real


def test_what_was_known_stands(office: Office) -> None:
    """And says that it is stale."""
    client = office.client()
    client.register(instance())
    client.publish("orders", {"a": 1})
    before = client.instances("orders"), client.config("orders")
    with Cut(client):
        office.clock.advance(100 * TTL)
        after = client.instances("orders"), client.config("orders")
    assert after == (before[0].replace(stale=True), before[1].replace(stale=True))


def test_nothing_known_is_nothing(office: Office) -> None:
    """That is stale from the beginning."""
    client = office.client()
    with Cut(client):
        assert client.instances("orders") == Found(service="orders")
        assert client.config("orders") == Config(service="orders", layer="service", stale=True)


def test_who_renews_or_goes_is_not_told(office: Office) -> None:
    """His lease runs out by itself."""
    client, reader = office.client(), office.client()
    for key in "ab":
        client.register(instance(key))
    with Cut(client):
        assert not client.renew()
        client.deregister(instance("a"))
        client.deregister()
    assert client.plain.mine == {}
    assert client.renew()
    assert ids(reader.instances("orders")) == ["a", "b"]
    office.clock.advance(TTL)
    assert ids(reader.instances("orders")) == []


def test_who_writes_on_purpose_is_told(office: Office) -> None:
    """By an error that names the registry."""
    client = office.client()
    asks: list[Any] = [
        lambda: client.put(Endpoint(service="orders", url="http://a.test")),
        lambda: client.remove(Endpoint(service="orders", url="http://a.test")),
        lambda: client.publish("orders", {}),
        lambda: client.history("orders"),
        lambda: client.rollback("orders", 1),
        client.services,
    ]
    with Cut(client):
        for ask in asks:
            with pytest.raises(RegistryError) as told:
                ask()
            assert str(told.value) == f"{office.url}: away"


def test_who_cannot_register_does_so_later(office: Office, facts: Facts) -> None:
    """At the next renewal; a lease that he never had is not lost."""
    client, reader = office.client(), office.client()
    client.plain.listen(facts, kinds.LeaseLost)
    with Cut(client):
        client.register(instance())
        assert not client.renew()
    assert ids(reader.instances("orders")) == []
    assert client.renew()
    assert ids(reader.instances("orders")) == ["a"]
    assert facts == []


def test_a_registry_that_is_away_is_told_of_once(office: Office, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """And once more when it is back."""
    client = office.client()
    client.plain.listen(facts)
    with Cut(client):
        for _ in range(3):
            client.instances("orders")
            office.clock.advance(5.0)
    client.instances("orders")
    client.instances("orders")
    assert facts == [
        kinds.RegistryFailed(policy="registry", at=0.0, error=f"{office.url}: away"),
        kinds.RegistryRecovered(policy="registry", at=15.0, seconds=15.0),
    ]
    assert capsys.readouterr().err.count("the registry does not answer") == 1


def test_a_lost_lease_is_told_of(office: Office, facts: Facts) -> None:
    """With whose it was."""
    client = office.client()
    client.plain.listen(facts)
    client.register(instance())
    office.clock.advance(TTL)
    client.renew()
    client.renew()
    assert facts == [kinds.LeaseLost(policy="registry", at=TTL, service="orders", id="a")]


def test_a_record_that_cannot_be_read_is_told_of(office: Office, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are read."""
    client = office.client()
    client.plain.listen(facts)
    client.register(instance())
    client.plain.backend.register("orders", "b", '{"service":"orders","id":"b","address":7}', TTL)
    found = client.instances("orders")
    client.instances("orders")
    assert ids(found) == ["a"]
    assert facts == [
        kinds.RecordSkipped(policy="registry", at=0.0, service="orders", id="b", path="address", revision=found.revision)
    ]
    assert f"the record orders/b in {office.url} is wrong at address" in capsys.readouterr().err


def test_a_registry_that_goes_away_in_between_is_asked_again(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has found his lease lost, and could not take another one, does so at the next renewal."""
    client, reader = office.client(), office.client()
    client.register(instance())
    office.clock.advance(TTL)

    def away(*_: Any) -> None:
        raise RegistryError(office.url, "away")

    with monkeypatch.context() as patch:
        patch.setattr(client.plain.backend, "register", away)
        assert not client.renew()
    assert client.renew()
    assert ids(reader.instances("orders")) == ["a"]


def test_a_list_that_another_thread_is_asking_for_is_not_asked_for_twice(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has waited for long enough goes by what is known."""
    monkeypatch.setattr("svcgov.registry.client.PATIENCE", 0.001)
    client = plain.client()
    client.register(instance())
    assert client.plain.refresh("orders")
    with client.plain._locks["orders"]:
        assert client.plain.refresh("orders")
        assert ids(client.instances("orders")) == ["a"]


def test_a_call_looks_at_what_is_known(plain: Office) -> None:
    """Nobody is asked but for the first time, and after two beats without one."""
    client, other = plain.client(), plain.client()
    assert ids(client.plain.looked_up("orders")) == []
    other.register(instance())
    assert ids(client.plain.looked_up("orders")) == []
    plain.clock.advance(2 * TTL / 3)
    other.renew()
    assert ids(client.plain.looked_up("orders")) == ["a"]


def test_what_a_forked_process_inherits_is_its_parents(plain: Office) -> None:
    """It has registered nothing, and takes nothing away; it knows what was known."""
    client = plain.client()
    client.register(instance())
    client.instances("orders")
    client.plain.forked()
    client.deregister()
    assert client.plain.mine == {}
    assert ids(client.instances("orders")) == ["a"]
    for connection in getattr(client.plain.backend, "_parents", ()):
        connection.close()  # here there is no parent that goes on with it


def test_a_registry_says_which_one_it_is(plain: Office) -> None:
    """And an error carries what is there."""
    assert repr(plain.client().plain) == f"<Registry {plain.url}>"
    assert str(ConflictError("memory://a", "document orders/service has another revision", 7)).startswith("memory://a: document")
