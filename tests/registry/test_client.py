"""A registry that does not answer: what was known stands, nobody is held up, and it is told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import facts as kinds
from svcgov.errors import ConflictError, RegistryError
from svcgov.registry import Config, Endpoint, Found
from svcgov.registry._view import View

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
    office.clock.advance(7.0)
    with Cut(client):
        for _ in range(3):
            client.instances("orders")
            office.clock.advance(5.0)
    client.instances("orders")
    client.instances("orders")
    assert facts == [
        kinds.RegistryFailed(policy="registry", at=7.0, error=f"{office.url}: away"),
        kinds.RegistryRecovered(policy="registry", at=22.0, seconds=15.0),
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
    plain.clock.advance(2 * TTL / 3 - 0.5)
    assert ids(client.plain.looked_up("orders")) == []
    plain.clock.advance(0.5)
    other.renew()
    assert ids(client.plain.looked_up("orders")) == ["a"]


def test_one_call_asks_for_a_list_that_is_due(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls on other threads go by what is known meanwhile, and do not wait."""
    client = plain.client()
    client.plain.looked_up("orders")
    plain.clock.advance(2 * TTL / 3)
    asked: list[str] = []

    def refresh(service: str) -> None:
        asked.append(service)
        if len(asked) < 3:
            client.plain.looked_up(service)  # as a call on another thread does

    monkeypatch.setattr(client.plain, "refresh", refresh)
    client.plain.looked_up("orders")
    assert asked == ["orders"]


def test_a_call_waits_for_the_first_answer_that_another_one_is_asking_for(plain: Office) -> None:
    """There is nothing else to go by."""
    client, other = plain.client(), plain.client()
    other.register(instance())
    client.plain._views["orders"] = View("orders", TTL)
    assert ids(client.plain.looked_up("orders")) == ["a"]


def test_what_two_threads_say_at_once_ends_with_the_last(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes later writes what was said later."""
    client, reader = plain.client(), plain.client()
    real = client.plain.backend.register

    def meanwhile(*asked: Any) -> None:
        monkeypatch.undo()
        client.drain()
        real(*asked)

    monkeypatch.setattr(client.plain.backend, "register", meanwhile)
    client.register(instance())
    assert [one.status for one in reader.instances("orders")] == ["draining"]


@pytest.mark.parametrize("verb", ["renew", "register"])
def test_who_has_said_goodbye_is_not_registered_anew(plain: Office, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    """By a beat that was under way on another thread."""
    client, reader = plain.client(), plain.client()
    client.register(instance())
    plain.clock.advance(2 * TTL)
    real = getattr(client.plain.backend, verb)

    def meanwhile(*asked: Any) -> Any:
        client.deregister()
        return real(*asked)

    monkeypatch.setattr(client.plain.backend, verb, meanwhile)
    assert client.renew()
    assert ids(reader.instances("orders")) == []


def test_a_beat_registers_what_was_said_last(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what was said when it began."""
    client, reader = plain.client(), plain.client()
    client.register(instance())
    plain.clock.advance(2 * TTL)
    real = client.plain.backend.renew

    def meanwhile(*asked: Any) -> bool:
        kept = real(*asked)
        client.drain()
        return kept

    monkeypatch.setattr(client.plain.backend, "renew", meanwhile)
    assert client.renew()
    assert [one.status for one in reader.instances("orders")] == ["draining"]


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
