"""Governed clients on made-up wires: their gates, and that they stay the clients they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, circuit_breaker, rate_limit, retry
from svcgov.errors import CircuitOpenError, RateLimitedError
from svcgov.outbound.govern import govern

from .worlds import URL, again, invoked

if TYPE_CHECKING:
    from .worlds import World


# -- gates ------------------------------------------------------------------------------------------------------------


def test_failing_answers_open_the_breaker(world: World) -> None:
    """And the refusal is an error of both sides, with the request it was for."""
    wire = world.wire(503)
    client = world.governed(wire, circuit_breaker(consecutive_failures=2))
    assert [world.call(client.get, URL).status_code for _ in range(2)] == [503, 503]
    with pytest.raises(CircuitOpenError) as caught:
        world.call(client.get, URL)
    assert isinstance(caught.value, world.package.TransportError)
    assert caught.value.request.url == URL
    assert len(wire.requests) == 2


def test_an_answer_that_the_dependency_may_give_teaches_the_breaker_nothing_bad(world: World) -> None:
    """Not found is an answer."""
    wire = world.wire(404)
    client = world.governed(wire, circuit_breaker(consecutive_failures=1))
    assert [world.call(client.get, URL).status_code for _ in range(3)] == [404, 404, 404]


def test_a_refusal_ends_a_retry(world: World) -> None:
    """Nobody knocks again at a door that was closed a moment ago."""
    wire = world.wire(200)
    client = world.governed(wire, again(), rate_limit("1/minute"))
    world.call(client.get, URL)
    with pytest.raises(RateLimitedError) as caught:
        world.call(client.get, URL)
    assert isinstance(caught.value, world.package.TransportError)
    assert len(wire.requests) == 1


def test_each_client_of_a_target_shares_its_retry_budget(world: World) -> None:
    """The dependency is one, however many clients call it."""
    names = f"shared-{world.package.__name__}-{world.kind}"
    first = retry(backoff=0)
    second = retry(backoff=0)
    world.governed(world.wire(200), first, target=names)
    world.governed(world.wire(200), second, target=names)
    assert first.budget is second.budget


# -- the client stays what it is ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9001/2018-06-01/runtime/invocation/next",
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://localhost:2772/applications/a",
    ],
)
def test_control_traffic_is_never_governed(world: World, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A breaker that opened there would take the function down."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    wire = world.wire(503)
    client = world.governed(wire, again(), circuit_breaker(consecutive_failures=1))
    with invoked():
        assert [world.call(client.get, url).status_code for _ in range(3)] == [503] * 3
    assert len(wire.requests) == 3
    assert "traceparent" not in wire.requests[0].headers


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9002/", "http://169.254.example.com/", "http://localhost/", "https://localhost:277/"]
)
def test_what_only_looks_like_control_traffic_is_governed(world: World, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """A neighbouring port, a name that begins like an address."""
    monkeypatch.setenv("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001")
    wire = world.wire(503, 200)
    assert world.call(world.governed(wire, again()).get, url).status_code == 200


def test_mounted_transports_are_governed_too(world: World) -> None:
    """By the same policies; a mount of None still means the client's own transport."""
    here, there = world.wire(200), world.wire(503, 200)
    client = world.governed(here, again(), mounts={"http://ledger.test": there, "http://local.test": None})
    assert world.call(client.get, "http://ledger.test/").status_code == 200
    assert world.call(client.get, "http://local.test/").status_code == 200
    assert (len(here.requests), len(there.requests)) == (1, 2)


def test_closing_the_client_closes_its_transports(world: World) -> None:
    """Each of them once, and by the block too."""
    here, there = world.wire(200), world.wire(200)
    client = world.governed(here, mounts={"http://ledger.test": there})
    world.call(client.close if world.kind == "sync" else client.aclose)
    assert (here.closed, there.closed) == (1, 1)


def test_a_block_enters_and_leaves_the_transports(world: World) -> None:
    """As without us."""
    wire = world.wire(200)
    client = world.governed(wire)

    def block() -> None:
        with client:
            client.get(URL)

    async def ablock() -> None:
        async with client:
            await client.get(URL)

    world.call(block if world.kind == "sync" else ablock)
    assert wire.closed == 1
    assert client.is_closed


def test_the_transport_inside_can_be_looked_at(world: World) -> None:
    """Code that reads a pool's state through the client's transport goes on working."""
    wire = world.wire(200)
    client = world.governed(wire)
    assert client._transport.open_when_asked is wire.open_when_asked
    assert repr(client._transport) == f"<governed {wire!r}>"
    with pytest.raises(AttributeError):
        _ = client._transport.no_such_attribute
    with pytest.raises(AttributeError):
        _ = object.__new__(type(client._transport))._inner


def test_calls_are_recorded_under_the_name_of_the_target(world: World) -> None:
    """Also without any policy; a failing answer is a failure."""
    pipeline = Pipeline()
    client = govern(world.client(world.wire(200, 503)), target="payments", pipeline=pipeline)
    world.call(client.get, URL)
    world.call(client.get, URL)
    record = pipeline.snapshot()[f"{world.package.__name__}.payments"]
    assert (record["succeeded"], record["failed"]) == (1, 1)


def test_a_governed_client_inside_a_governed_client_does_not_confuse_them(sync_world: World) -> None:
    """A transport that asks another service first: each has its own attempts and its own verdict on repeating."""
    token_wire = sync_world.wire(503, 200)
    tokens = sync_world.governed(token_wire, again(), target="tokens")

    def answer(request: Any) -> Any:
        return wire.response(tokens.get("http://tokens.test/").status_code + 303)

    wire = sync_world.wire(answer)
    client = sync_world.governed(wire, again())
    assert client.post(URL).status_code == 503
    assert (len(token_wire.requests), len(wire.requests)) == (2, 1)
