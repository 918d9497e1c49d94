"""Endpoints: what the platform keeps alive is written once, and by whoever knows what was there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from svcgov.errors import ConfigError, ConflictError
from svcgov.registry import Endpoint

from .offices import TTL, ids, instance

if TYPE_CHECKING:
    from .offices import Office

LIVE = Endpoint(service="orders", id="live", url="https://abc.lambda-url.test/", version="12")


def test_an_endpoint_is_there_until_it_is_taken_away(office: Office) -> None:
    """Nobody renews it."""
    client = office.client()
    revision = client.put(LIVE)
    office.clock.advance(100 * TTL)
    found = client.instances("orders")
    assert list(found) == [LIVE]
    assert found.revisions == {"live": revision}
    client.remove(LIVE)
    assert list(client.instances("orders")) == []


def test_instances_and_endpoints_of_a_service_are_found_together(office: Office) -> None:
    """Each is called at its place."""
    client = office.client()
    client.put(LIVE)
    client.register(instance())
    assert [one.place for one in client.instances("orders")] == ["http://a.test:8080", "https://abc.lambda-url.test/"]


def test_only_who_knows_what_is_there_writes_over_it(office: Office) -> None:
    """0 is for nobody yet; the error says what is there now."""
    client = office.client()
    first = client.put(LIVE, expected=0)
    with pytest.raises(ConflictError, match="endpoint orders/live has another revision") as refused:
        client.put(LIVE, expected=0)
    assert refused.value.current == first
    second = client.put(LIVE.replace(version="13"), expected=first)
    assert second > first
    with pytest.raises(ConflictError):
        client.remove(LIVE, expected=first)
    assert client.instances("orders")[0].version == "13"
    client.remove(LIVE, expected=second)
    assert client.put(LIVE, expected=0) > second


def test_writing_moves_the_revision_of_the_service(office: Office) -> None:
    """Who watches it sees it."""
    client = office.client()
    client.put(LIVE)
    before = client.instances("orders").revision
    client.put(LIVE.replace(weight=2))
    assert client.instances("orders").revision > before


def test_an_endpoint_without_an_id_is_the_only_one(office: Office) -> None:
    """It is called default."""
    client = office.client()
    client.put(LIVE.replace(id=""))
    assert ids(client.instances("orders")) == ["default"]
    client.remove(LIVE.replace(id=""))
    assert ids(office.client().instances("orders")) == []


def test_an_endpoint_that_cannot_be_is_refused(office: Office) -> None:
    """And nothing is written."""
    client = office.client()
    with pytest.raises(ConfigError, match=r"put\.url: expected an address"):
        client.put(LIVE.replace(url="orders"))
    assert client.services() == []
