"""Instances: who says that he is there is found by others, until he goes, or is not heard of for too long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svcgov.errors import ConfigError
from svcgov.registry import Endpoint

from .offices import TTL, ids, instance

if TYPE_CHECKING:
    from typing import Any

    from .offices import Office


def test_who_registers_is_found_by_another(office: Office) -> None:
    """With all that he said of himself."""
    said = office.client().register(instance(version="v2", labels={"zone": "a"}, weight=3))
    found = office.client().instances("orders")
    assert list(found) == [said]
    assert (said.version, said.labels, said.weight, said.started) == ("v2", {"zone": "a"}, 3, office.clock.wall())
    assert (found.stale, found.suspects) == (False, frozenset())
    assert found.revision > 0


def test_nobody_is_there_before_somebody_registers(office: Office) -> None:
    """And that is an answer."""
    found = office.client().instances("orders")
    assert (len(found), found.revision, found.stale) == (0, 0, False)


def test_who_deregisters_is_gone_at_once(office: Office) -> None:
    """Though he was half of all, or all."""
    leaving, reader = office.client(), office.client()
    one, other = leaving.register(instance("a")), leaving.register(instance("b"))
    assert ids(reader.instances("orders")) == ["a", "b"]
    leaving.deregister(one)
    assert list(reader.instances("orders")) == [other]
    leaving.deregister()
    assert list(reader.instances("orders")) == []


def test_all_who_are_registered_here_go_at_once(office: Office) -> None:
    """Where nobody is named."""
    leaving, reader = office.client(), office.client()
    for key in "abc":
        leaving.register(instance(key))
    assert ids(reader.instances("orders")) == ["a", "b", "c"]
    leaving.deregister()
    assert ids(reader.instances("orders")) == []


def test_whoever_is_not_heard_of_for_a_lease_is_gone(office: Office) -> None:
    """One of several: that is believed at once."""
    silent, loud, reader = office.client(), office.client(), office.client()
    silent.register(instance("silent"))
    for key in ("b", "c"):
        loud.register(instance(key))
    office.clock.advance(TTL / 2)
    assert loud.renew()
    assert ids(reader.instances("orders")) == ["b", "c", "silent"]
    office.clock.advance(TTL / 2)
    assert ids(reader.instances("orders")) == ["b", "c"]


def test_a_lease_that_has_run_out_moves_the_revision(office: Office) -> None:
    """Else a reader who asks whether there is something new would keep the dead."""
    client, reader = office.client(), office.client()
    for key in ("a", "b", "c"):
        client.register(instance(key))
    before = reader.instances("orders").revision
    assert reader.instances("orders").revision == before
    office.clock.advance(TTL / 2)
    client.plain.mine.pop(("orders", "a"))
    client.renew()
    assert reader.instances("orders").revision == before
    office.clock.advance(TTL / 2)
    assert reader.instances("orders").revision > before


def test_saying_the_same_again_does_not_move_the_revision(office: Office) -> None:
    """Something else does."""
    client, reader = office.client(), office.client()
    said = client.register(instance())
    before = reader.instances("orders").revision
    client.register(said)
    assert reader.instances("orders").revision == before
    client.register(said.replace(applied="7"))
    assert reader.instances("orders").revision > before
    assert reader.instances("orders")[0].applied == "7"


def test_a_lost_lease_is_taken_anew(office: Office) -> None:
    """The renewal says that all is well, and so it is."""
    client, reader = office.client(), office.client()
    client.register(instance())
    office.clock.advance(2 * TTL)
    assert len(reader.instances("orders")) == 0
    assert client.renew()
    assert ids(reader.instances("orders")) == ["a"]


def test_something_else_can_be_said_later(office: Office) -> None:
    """Of all that is registered."""
    client, reader = office.client(), office.client()
    for key in "ab":
        client.register(instance(key))
    client.say(applied="7", refused="8: policies.payments")
    assert [(one.applied, one.refused) for one in reader.instances("orders")] == [("7", "8: policies.payments")] * 2
    with pytest.raises(ConfigError, match=r"register\.applied"):
        client.say(applied=7)


def test_who_has_closed_is_gone(office: Office) -> None:
    """And may come again."""
    client, reader = office.client(), office.client()
    client.register(instance())
    client.close()
    assert ids(reader.instances("orders")) == []
    client.register(instance())
    assert ids(reader.instances("orders")) == ["a"]


def test_who_is_draining_says_so(office: Office) -> None:
    """He is still there."""
    client, reader = office.client(), office.client()
    client.register(instance())
    client.drain()
    assert [one.status for one in reader.instances("orders")] == ["draining"]


def test_an_instance_without_an_id_gets_one(office: Office) -> None:
    """Two of the same process get two."""
    client = office.client()
    said = {one.id: one for one in (client.register(instance("")) for _ in range(2))}
    assert len(said) == 2
    assert {one.id: one for one in client.instances("orders")} == said
    assert {one.started for one in said.values()} == {office.clock.wall()}


def test_who_says_when_he_began_is_believed(office: Office) -> None:
    """Also where he is registered later."""
    client = office.client()
    assert client.register(instance(started=7.0)).started == 7.0
    assert client.instances("orders")[0].started == 7.0


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"version": "v2"}, ["b", "c"]),
        ({"colour": "blue"}, ["c"]),
        ({"labels": {"zone": "a"}}, ["a", "b"]),
        ({"labels": {"zone": "a"}, "version": "v2"}, ["b"]),
        ({"labels": {"zone": "a", "rack": "1"}}, []),
        ({}, ["a", "b", "c"]),
    ],
)
def test_they_are_told_apart_by_what_they_say(office: Office, wanted: dict[str, Any], found: list[str]) -> None:
    """Version, colour and labels."""
    client = office.client()
    client.register(instance("a", version="v1", labels={"zone": "a"}))
    client.register(instance("b", version="v2", labels={"zone": "a"}))
    client.register(instance("c", version="v2", labels={"zone": "b"}, colour="blue"))
    assert ids(client.instances("orders", **wanted)) == found


def test_who_comes_back_is_no_longer_known_to_have_left(office: Office) -> None:
    """Where he is not heard of afterwards, he may be there all the same."""
    client, reader = office.client(), office.client()
    said = client.register(instance())
    client.deregister()
    client.register(said)
    assert ids(reader.instances("orders")) == ["a"]
    client.plain.mine.clear()
    office.clock.advance(TTL)
    assert reader.instances("orders").suspects == {"a"}


def test_services_and_environments_are_kept_apart(office: Office) -> None:
    """One knows nothing of another."""
    client, other = office.client(), office.client(env="?env=test")
    client.register(instance())
    client.register(instance(service="payments"))
    other.register(instance("z"))
    assert ids(client.instances("orders")) == ["a"]
    assert ids(other.instances("orders")) == ["z"]
    assert client.services() == ["orders", "payments"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"service": "no such"}, "register.service: expected 1 to 128 letters"),
        ({"address": "orders.test"}, "register.address: expected an address, such as http://10.0.0.7:8080, got 'orders.test'"),
        ({"address": "http://:80"}, "register.address"),
        ({"id": "a b"}, "register.id"),
        ({"version": 2}, "register.version: expected text"),
        ({"colour": "light blue"}, "register.colour"),
        ({"labels": {"zone": 1}}, "register.labels: expected names and texts"),
        ({"labels": ["zone"]}, "register.labels"),
        ({"weight": -1}, "register.weight: expected an integer from 0 to 100, got -1"),
        ({"weight": True}, "register.weight"),
        ({"status": "down"}, "register.status: expected one of up, draining"),
        ({"started": "now"}, "register.started: expected seconds since the epoch"),
        ({"labels": {"a": "x" * 8192}}, "register.record: expected at most 8192 characters"),
    ],
)
def test_an_instance_that_cannot_be_is_refused(office: Office, wrong: dict[str, Any], message: str) -> None:
    """By whoever registers it, and nothing is written."""
    client = office.client()
    with pytest.raises(ConfigError) as refused:
        client.register(instance(**wrong))
    assert str(refused.value).startswith(message)
    assert len(client.instances("orders")) == 0


def test_an_endpoint_is_not_registered(office: Office) -> None:
    """It is written."""
    with pytest.raises(ConfigError, match="an Endpoint is written by put"):
        office.client().register(Endpoint(service="orders", url="http://orders.test"))


def test_a_name_that_cannot_be_is_refused(office: Office) -> None:
    """Where it is asked for, too."""
    with pytest.raises(ConfigError, match=r"instances\.service"):
        office.client().instances("no such")
