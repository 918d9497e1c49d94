"""Each attempt of a governed client, told to whoever counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, bulkhead
from svcgov._core._meters import METERS, Attempt
from svcgov.errors import BulkheadFullError, CallTimeoutError
from svcgov.outbound.govern import govern

from .aws import bad, good
from .plain import Wire
from .worlds import URL, again

if TYPE_CHECKING:
    from engines.http_service import Service

    from .aio import Sessions
    from .aws import Clients
    from .plain import Client
    from .worlds import World


@pytest.fixture
def told() -> list[Attempt]:
    """What is told."""
    told: list[Attempt] = []
    METERS.add(told.append)
    return told


def test_an_attempt_is_told_with_what_came_of_it(world: World, told: list[Attempt]) -> None:
    """Whom it asked for what, and the status; never the path, nor anything else that was said."""
    client = world.governed(world.wire(404))
    world.call(client.get, f"{URL}?token=secret", headers={"authorization": "secret"})
    (one,) = told
    assert one.replace(took=0.0, senders=()) == Attempt(
        peer="payments", operation="GET", method="GET", status=404, error=None, took=0.0
    )
    assert 0 <= one.took < 10
    assert "secret" not in repr(one)
    assert "charge" not in repr(one)


def test_each_attempt_of_a_retry_is_told(world: World, told: list[Attempt]) -> None:
    """A failing answer is an answer; an error is one."""
    lost = world.package.ConnectError("lost")
    client = world.governed(world.wire(503, lost, 200), again())
    assert world.call(client.get, URL).status_code == 200
    assert [(one.status, one.error) for one in told] == [(503, None), (None, lost), (200, None)]


def test_without_a_target_the_host_is_asked(world: World, told: list[Attempt]) -> None:
    """As it is written in the URL, without its port."""
    client = world.governed(world.wire(200), target=None)
    world.call(client.get, "http://Weather.test:8080/oslo")
    assert [one.peer for one in told] == ["weather.test"]


def test_what_was_not_sent_is_no_attempt(world: World, told: list[Attempt]) -> None:
    """A refusal, and a further attempt whose body is gone."""
    pool = bulkhead(1)
    client = world.governed(world.wire(503, 200), again(idempotent=True), pool)
    with pytest.raises(BulkheadFullError), pool:
        world.call(client.get, URL)
    assert told == []
    world.call(client.put, URL, content=world.body([b"once"]))
    assert [one.status for one in told] == [503]


def test_while_nobody_counts_nothing_is_made(world: World, told: list[Attempt], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even looked at."""
    METERS.each = ()
    seen: list[Any] = []
    monkeypatch.setattr("svcgov.outbound._edge.tell", lambda *args: seen.append(args))
    client = world.governed(world.wire(200))
    world.call(client.get, URL)
    assert (told, seen) == ([], [])


def test_plain_clients_tell_it_too(plain: Client, told: list[Attempt]) -> None:
    """Each in its own words, and without the query."""
    client = plain.governed(Wire(503, 200), again(), target=None)
    plain.ask(client, url=f"{URL}?token=secret")
    known: dict[str, Any] = {"peer": "payments.test", "operation": "GET", "method": "GET", "error": None, "took": 0.0}
    assert [one.replace(took=0.0, senders=()) for one in told] == [Attempt(**known, status=status) for status in (503, 200)]


def test_sessions_of_aiohttp_tell_it_too(sessions: Sessions, service: Service, told: list[Attempt]) -> None:
    """The host is where the server is."""
    session = govern(sessions.plain(), target=None, pipeline=Pipeline(again()))
    sessions.get(session, service.script("/charge", 503, 200))
    assert [(one.peer, one.operation, one.status) for one in told] == [("127.0.0.1", "GET", 503), ("127.0.0.1", "GET", 200)]


def test_clients_of_aws_tell_the_operation(clients: Clients, service: Service, told: list[Attempt]) -> None:
    """Of the service, or of the target where it has one."""
    service.script("/", good(), bad("InternalError", 500), good())
    for target in ("orders", None):
        client = govern(clients.plain(retries={"total_max_attempts": 1}), target=target, pipeline=Pipeline(again()))
        client.list_queues()
    assert [(one.peer, one.operation, one.method) for one in told] == [
        ("orders", "ListQueues", ""),
        ("sqs", "ListQueues", ""),
        ("sqs", "ListQueues", ""),
    ]
    assert [(one.status, one.error is None) for one in told] == [(None, True), (500, False), (None, True)]


def test_a_time_out_of_ours_is_no_answer(world: World, told: list[Attempt]) -> None:
    """It has a status for whoever asks in front, which nobody has sent."""
    client = world.governed(world.wire(CallTimeoutError("deadline", "attempt", 1.0)))
    with pytest.raises(CallTimeoutError):
        world.call(client.get, URL)
    (one,) = told
    assert (one.status, isinstance(one.error, CallTimeoutError)) == (None, True)
