"""Watching a service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov.errors import ConfigError

from .offices import TTL, ids, instance

if TYPE_CHECKING:
    from .offices import Office


def test_a_watch_shows_what_there_is_and_then_each_change(office: Office) -> None:
    """A lease that runs out is one."""
    client, reader = office.client(), office.client()
    for key in "abc":
        client.register(instance(key))
    office.clock.advance(TTL / 2)
    client.plain.mine.pop(("orders", "a"))
    client.renew()
    seen = reader.watched(2, every=1.0)
    assert [ids(found) for found in seen] == [["a", "b", "c"], ["b", "c"]]
    assert office.clock.monotonic() == TTL


def test_a_watch_goes_on_where_another_one_has_ended(office: Office) -> None:
    """What has changed in between is in its first list."""
    client, reader = office.client(), office.client()
    client.register(instance("a"))
    revision = reader.watched(1)[0].revision
    assert reader.watched(1, since=revision, timeout=5.0) == []
    client.register(instance("b"))
    assert [ids(found) for found in reader.watched(1, since=revision)] == [["a", "b"]]


def test_a_watch_ends_when_nothing_has_changed_for_too_long(office: Office) -> None:
    """Counted from the last change: a lease has run out after two seconds."""
    client, reader = office.client(), office.client()
    for key in "abc":
        client.register(instance(key))
    office.clock.advance(TTL - 2)
    client.plain.mine.pop(("orders", "a"))
    client.renew()
    assert [ids(found) for found in reader.watched(9, timeout=3.0, every=1.0)] == [["a", "b", "c"], ["b", "c"]]
    assert office.clock.monotonic() == TTL + 3.0


def test_nothing_is_shown_before_there_is_an_answer(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody knows what there is."""
    client = office.client()
    monkeypatch.setattr(client.plain, "refresh", lambda service: False)
    assert client.watched(1, timeout=3.0) == []


@pytest.mark.parametrize(
    ("options", "path"), [({"every": 0}, "watch.every"), ({"timeout": -1}, "watch.timeout"), ({"every": "now"}, "watch.every")]
)
def test_a_watch_that_cannot_be_is_refused(office: Office, options: dict[str, Any], path: str) -> None:
    """When it begins."""
    with pytest.raises(ConfigError) as refused:
        office.client().watched(1, **options)
    assert refused.value.path == path


def test_a_name_that_cannot_be_is_refused(plain: Office) -> None:
    """As everywhere."""
    with pytest.raises(ConfigError, match=r"watch\.service"):
        plain.client().watch("no such")
