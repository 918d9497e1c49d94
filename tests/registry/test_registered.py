"""What is said of an instance by others, and that nobody's word is lost: neither theirs nor our own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import facts as kinds
from svcgov.errors import ConfigError, RegistryError
from svcgov.registry import Endpoint

from .offices import TTL, ids, instance

if TYPE_CHECKING:
    from _worlds import Facts

    from .offices import Client, Office


def said(reader: Client) -> dict[str, tuple[str, str]]:
    """The status of each that is there, and the document that it goes by."""
    return {one.id: (one.status, one.applied) for one in reader.instances("orders")}


def test_one_is_told_to_drain(office: Office) -> None:
    """The others are not, and it is there all the same; whoever tells it is told what is there now."""
    client, other = office.client(), office.client()
    for key in "ab":
        client.register(instance(key, version="v2"))
    told = other.tell("orders", "a", status="draining")
    assert [(one.id, one.status, one.version) for one in told] == [("a", "draining", "v2")]
    assert said(other) == {"a": ("draining", ""), "b": ("up", "")}
    assert other.plain.mine == {}


def test_all_are_told_to_drain(office: Office) -> None:
    """Where nobody is named; endpoints are not instances."""
    client, other = office.client(), office.client()
    for key in "ab":
        client.register(instance(key))
    client.put(Endpoint(service="orders", id="c", url="http://c.test"))
    assert [one.id for one in other.tell("orders", status="draining")] == ["a", "b"]
    assert [getattr(one, "status", "none") for one in other.instances("orders")] == ["draining", "draining", "none"]


def test_who_is_told_something_keeps_it(office: Office) -> None:
    """With its next beat it says so itself: also when it says something else, and when it has lost its lease."""
    client, other = office.client(), office.client()
    client.register(instance())
    other.tell("orders", status="draining")
    client.plain.beat.once()
    assert client.plain.mine["orders", "a"].status == "draining"
    client.say(applied="7")
    assert said(other) == {"a": ("draining", "7")}
    office.clock.advance(2 * TTL)
    assert client.renew()
    assert said(other) == {"a": ("draining", "7")}


def test_what_somebody_has_said_can_be_taken_back(office: Office) -> None:
    """By anybody, and by the process itself; who drains by itself can be told to go on."""
    client, other = office.client(), office.client()
    client.register(instance())
    for status in ("draining", "up", "draining"):
        other.tell("orders", status=status)
        client.plain.beat.once()
        assert client.plain.mine["orders", "a"].status == status
    client.say(status="up")
    assert said(other) == {"a": ("up", "")}
    client.drain()
    other.tell("orders", status="up")
    client.plain.beat.once()
    client.say(applied="7")
    assert said(other) == {"a": ("up", "7")}


def test_only_one_of_ours_is_said_something_of(office: Office) -> None:
    """Where it is named."""
    client, other = office.client(), office.client()
    for key in "ab":
        client.register(instance(key))
    client.say(instance("b"), applied="7")
    assert said(other) == {"a": ("up", ""), "b": ("up", "7")}


def test_what_is_not_known_of_a_record_stays_in_it(office: Office) -> None:
    """A later version may have written it."""
    client = office.client()
    client.plain.backend.register("orders", "a", '{"service":"orders","id":"a","address":"http://a.test","shelf":4}', TTL)
    client.tell("orders", status="draining")
    assert client.instances("orders")[0].more == {"shelf": 4}


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        (("orders", "z"), "draining", "tell.which: expected one of a, b, got 'z'"),
        (("payments", "a"), "draining", "tell.which: expected one of none: nobody is there, got 'a'"),
        (("payments",), "draining", "tell.service: expected a service of which there is an instance"),
        (("no such",), "draining", "tell.service: expected 1 to 128 letters"),
        (("orders",), "down", "tell.status: expected one of up, draining, got 'down'"),
    ],
)
def test_nobody_is_told_where_nobody_can_be(office: Office, given: tuple[str, ...], status: str, message: str) -> None:
    """That is an error: whoever tells wants to know."""
    client = office.client()
    for key in "ab":
        client.register(instance(key))
    with pytest.raises(ConfigError) as refused:
        client.tell(*given, status=status)
    assert str(refused.value).startswith(message)
    assert said(client) == {"a": ("up", ""), "b": ("up", "")}


def test_a_registry_that_does_not_answer_is_an_error(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with whatever is written on purpose."""
    client = office.client()

    def away(*_: Any) -> None:
        raise RegistryError(office.url, "away")

    with monkeypatch.context() as patch:
        patch.setattr(client.plain.backend, "listed", away)
        with pytest.raises(RegistryError):
            client.tell("orders", status="draining")


@pytest.mark.parametrize(
    ("record", "path"),
    [("{}", "service"), ("what", "record"), (json.dumps({"service": "orders", "id": "c", "address": "http://c.test"}), "id")],
)
def test_a_record_that_cannot_be_read_is_skipped_and_named(
    office: Office, record: str, path: str, facts: Facts, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are told; where there is no other one, nobody is, and that is an error."""
    client = office.client()
    client.plain.listen(facts)
    client.plain.backend.register("orders", "b", record, TTL)
    with pytest.raises(ConfigError, match="whose record can be read"):
        client.tell("orders", status="draining")
    assert f"the record orders/b in {office.url} is wrong at {path}" in capsys.readouterr().err
    assert [(fact.id, fact.path) for fact in facts if isinstance(fact, kinds.RecordSkipped)] == [("b", path)]
    client.register(instance())
    assert [one.id for one in client.tell("orders", status="draining")] == ["a"]


# -- the engine: nothing is written over what was not seen ---------------------------------------------------------------


def test_a_record_is_written_over_what_is_expected_only(plain: Office) -> None:
    """Else what is there is said, and stays as it was, with its lease."""
    backend = plain.client().plain.backend
    assert backend.register("orders", "a", "1", TTL, "0") == ""
    assert backend.register("orders", "a", "1", TTL, "") is None
    assert backend.register("orders", "a", "2", TTL, "") == "1"
    plain.clock.advance(TTL / 2)
    assert backend.register("orders", "a", "2", TTL, "0") == "1"
    listing = backend.listed("orders", None)
    assert listing is not None
    assert listing.instances == {"a": "1"}
    assert backend.register("orders", "a", "2", TTL, "1") is None
    assert backend.register("orders", "a", "3", TTL) is None
    plain.clock.advance(TTL)
    assert backend.register("orders", "a", "4", TTL, "3") == ""


# -- two who write at once ------------------------------------------------------------------------------------------------


def test_a_process_that_says_something_while_it_is_told_something_loses_neither(
    plain: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between what the other one has read and what it writes."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    real = other.plain.backend.listed

    def meanwhile(*asked: Any) -> Any:
        monkeypatch.undo()
        listing = real(*asked)
        client.say(applied="7")
        return listing

    monkeypatch.setattr(other.plain.backend, "listed", meanwhile)
    assert [(one.status, one.applied) for one in other.tell("orders", status="draining")] == [("draining", "7")]
    client.plain.beat.once()
    assert client.plain.mine["orders", "a"].status == "draining"


def test_who_leaves_while_it_is_told_something_is_not_called_back(
    plain: Office, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody is there to be told."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    real = other.plain.backend.listed

    def meanwhile(*asked: Any) -> Any:
        monkeypatch.undo()
        listing = real(*asked)
        client.deregister()
        return listing

    monkeypatch.setattr(other.plain.backend, "listed", meanwhile)
    with pytest.raises(ConfigError, match=r"tell\.service"):
        other.tell("orders", status="draining")
    assert ids(other.instances("orders")) == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("change", [{"applied": "7"}, {"status": "draining", "applied": "7"}])
def test_who_is_told_something_while_it_says_something_loses_neither(
    plain: Office, monkeypatch: pytest.MonkeyPatch, change: dict[str, str]
) -> None:
    """It writes over nothing that it has not seen; the same word of both is one."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    real = client.plain.backend.register

    def meanwhile(*asked: Any) -> Any:
        monkeypatch.undo()
        other.tell("orders", status="draining")
        return real(*asked)

    monkeypatch.setattr(client.plain.backend, "register", meanwhile)
    client.say(**change)
    assert said(other) == {"a": ("draining", "7")}
    assert client.plain.mine["orders", "a"].status == "draining"


def test_who_is_told_something_while_it_registers_anew_loses_neither(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread has taken the lease again, somebody has written, and another thread takes it too."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    plain.clock.advance(2 * TTL)
    real = client.plain.backend.renew

    def meanwhile(*asked: Any) -> bool:
        monkeypatch.undo()
        kept = real(*asked)
        client.renew()  # as another thread does
        other.tell("orders", status="draining")
        return kept

    monkeypatch.setattr(client.plain.backend, "renew", meanwhile)
    assert client.renew()
    assert said(other) == {"a": ("draining", "")}
    assert client.plain.mine["orders", "a"].status == "draining"


def test_what_we_say_while_we_read_is_not_somebody_elses_word(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is older; what could not be written meanwhile is written with the next beat."""
    monkeypatch.setattr("svcgov.registry._registered.PATIENCE", 0.001)
    client, other = plain.client(), plain.client()
    client.register(instance())
    real = client.plain.backend.listed

    def meanwhile(*asked: Any) -> Any:
        listing = real(*asked)
        client.drain()  # as another thread does
        return listing

    with monkeypatch.context() as patch:
        patch.setattr(client.plain.backend, "listed", meanwhile)
        assert client.plain.refresh("orders")
    assert client.plain.mine["orders", "a"].status == "draining"
    assert said(other) == {"a": ("up", "")}
    assert client.plain.beat.once()
    assert said(other) == {"a": ("draining", "")}


def test_a_write_without_an_answer_is_not_somebody_elses_word(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have been done all the same; what we have said since is what we mean."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    real = client.plain.backend.register

    def unanswered(*asked: Any) -> Any:
        monkeypatch.undo()
        real(*asked)
        raise RegistryError(plain.url, "away")

    monkeypatch.setattr(client.plain.backend, "register", unanswered)
    client.drain()
    assert said(other) == {"a": ("draining", "")}
    client.say(status="up")
    assert said(other) == {"a": ("up", "")}
    assert client.plain.mine["orders", "a"].status == "up"
    other.tell("orders", status="draining")
    client.plain.beat.once()
    assert client.plain.mine["orders", "a"].status == "draining"


def test_what_could_not_be_written_is_written_with_the_next_beat(plain: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though the lease was never lost."""
    client, other = plain.client(), plain.client()
    client.register(instance())

    def away(*_: Any) -> None:
        raise RegistryError(plain.url, "away")

    with monkeypatch.context() as patch:
        patch.setattr(client.plain.backend, "register", away)
        client.drain()
        client.say(status="up", applied="7")
    assert said(other) == {"a": ("up", "")}
    assert client.renew()
    assert said(other) == {"a": ("up", "7")}
    other.tell("orders", status="draining")
    client.plain.beat.once()
    assert client.plain.mine["orders", "a"].status == "draining"


def test_a_lease_that_cannot_be_taken_anew_is_told_of_once(plain: Office, monkeypatch: pytest.MonkeyPatch, facts: Facts) -> None:
    """However long that takes."""
    client = plain.client()
    client.plain.listen(facts, kinds.LeaseLost)
    client.register(instance())
    plain.clock.advance(2 * TTL)

    def away(*_: Any) -> None:
        raise RegistryError(plain.url, "away")

    with monkeypatch.context() as patch:
        patch.setattr(client.plain.backend, "register", away)
        assert [client.renew(), client.renew()] == [False, False]
    assert client.renew()
    assert len(facts) == 1


def test_a_record_of_ours_that_cannot_be_read_any_more_is_written_anew(plain: Office) -> None:
    """Whoever has written that."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    client.plain.backend.register("orders", "a", "what", TTL)
    client.plain.beat.once()
    assert client.plain.mine["orders", "a"].status == "up"
    client.plain.beat.once()
    assert said(other) == {"a": ("up", "")}


def test_an_older_record_that_was_written_over_ours_is_written_anew(plain: Office) -> None:
    """Of another's word only the status counts."""
    client, other = plain.client(), plain.client()
    client.register(instance(applied="6"))
    before = client.plain.mine["orders", "a"].wire()
    client.say(applied="7")
    client.plain.backend.register("orders", "a", before, TTL)
    client.plain.beat.once()
    client.plain.beat.once()
    assert said(other) == {"a": ("up", "7")}


def test_who_has_gone_takes_nothing_on(plain: Office) -> None:
    """Nor do those of another service."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    client.register(instance(service="payments"))
    other.tell("orders", status="draining")
    client.plain.mine.pop(("orders", "a"))
    client.plain.refresh("orders")
    assert {key: one.status for key, one in client.plain.mine.items()} == {("payments", "a"): "up"}


def test_who_has_left_and_comes_again_begins_anew(plain: Office) -> None:
    """Whatever was said of it meanwhile."""
    client, other = plain.client(), plain.client()
    client.register(instance())
    client.deregister()
    other.register(instance(status="draining"))
    client.register(instance())
    assert said(other) == {"a": ("up", "")}
