"""A client without a target: policies for each authority that it calls, and not without bounds."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, budget, bulkhead, circuit_breaker, facts, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, CircuitOpenError, RateLimitedError
from svcgov.outbound import _ways
from svcgov.outbound.govern import govern

from .plain import Wire
from .worlds import Clock, again

if TYPE_CHECKING:
    from collections.abc import Callable

    from .aio import Sessions
    from .plain import Client
    from .worlds import World

A, B, C = "http://a.test/x", "http://b.test/x", "http://c.test/x"


def test_an_authority_that_fails_is_no_matter_of_another(world: World) -> None:
    """Each has a circuit of its own; a path makes no difference, a port does."""
    client = world.governed(world.wire(503, 200), circuit_breaker(consecutive_failures=1), target=None)
    world.call(client.get, A)
    for refused in (A, "http://a.test/y", "http://A.TEST:80/"):
        with pytest.raises(CircuitOpenError, match=r"circuit_breaker@http://a\.test:80"):
            world.call(client.get, refused)
    for other in (B, "http://a.test:8080/x", "https://a.test/x"):
        assert world.call(client.get, other).status_code == 200


def test_so_it_is_with_every_plain_client(plain: Client) -> None:
    """As with httpx2."""
    client = plain.governed(Wire(503, 200), circuit_breaker(consecutive_failures=1), target=None)
    plain.ask(client, url=A)
    with pytest.raises(CircuitOpenError):
        plain.ask(client, url=A)
    assert plain.status(plain.ask(client, url=B)) == 200


def test_and_with_sessions_of_tasks(sessions: Sessions, service: Any) -> None:
    """By another name the same server is another authority."""
    url = service.script("/charge", 503, 200)
    session = sessions.governed(circuit_breaker(consecutive_failures=1), target=None)
    sessions.get(session, url)
    with pytest.raises(CircuitOpenError):
        sessions.get(session, url)
    assert sessions.get(session, url.replace("127.0.0.1", "localhost")).status == 200


def test_with_a_target_there_is_one_of_each(world: World) -> None:
    """Whatever the host is called."""
    client = world.governed(world.wire(503, 200), circuit_breaker(consecutive_failures=1))
    world.call(client.get, A)
    with pytest.raises(CircuitOpenError):
        world.call(client.get, B)


def test_a_policy_with_a_name_is_one_for_all_authorities(world: World) -> None:
    """It is shared by its name, here as everywhere."""
    client = world.governed(world.wire(503, 200), circuit_breaker("for-all-authorities", consecutive_failures=1), target=None)
    world.call(client.get, A)
    with pytest.raises(CircuitOpenError, match="for-all-authorities"):
        world.call(client.get, B)


def test_limits_and_retry_budgets_are_for_each_authority(world: World) -> None:
    """A budget is what keeps retries from feeding an overload: that of one authority is not spent on another."""
    wire = world.wire(503)
    client = world.governed(wire, retry(attempts=2, backoff=0), rate_limit("5/minute"), target=None)
    asked = []
    for url in (A, B):
        for _ in range(5):
            try:
                world.call(client.get, url)
            except RateLimitedError:
                break
        asked.append(sum(request.url.host == url[7:13] for request in wire.requests))
    assert asked == [5, 5]


def test_a_budget_that_has_a_name_is_shared(world: World) -> None:
    """As with retries of functions."""
    few = budget("few-for-all", min_retries=1, ratio=0)
    wire = world.wire(503)
    client = world.governed(wire, retry(attempts=2, backoff=0, budget=few), target=None)
    for url in (A, B):
        world.call(client.get, url)
    assert [request.url.host for request in wire.requests] == ["a.test", "a.test", "b.test"]


def test_listeners_of_the_policies_hear_of_every_authority(world: World) -> None:
    """The fact says which one it was."""
    breaker = circuit_breaker(consecutive_failures=1)
    heard: list[Any] = []
    breaker.listen(heard.append, facts.CircuitChanged)
    client = world.governed(world.wire(503), breaker, target=None)
    for url in (A, B):
        world.call(client.get, url)
    assert [fact.policy for fact in heard] == ["circuit_breaker@http://a.test:80", "circuit_breaker@http://b.test:80"]
    assert breaker.current_state == "closed"  # nobody goes by it but those for whom there is no place


def test_other_settings_hold_for_every_authority(world: World) -> None:
    """Those that are known, and those that are not yet; also when the pipeline is reconfigured."""
    wire = world.wire(503)
    pipeline = Pipeline(again(attempts=2))
    client = govern(world.client(wire), target=None, pipeline=pipeline)
    world.call(client.get, A)
    pipeline.reconfigure({"retry": {"attempts": 3}})
    for url in (A, B):
        world.call(client.get, url)
    hosts = [request.url.host for request in wire.requests]
    assert (hosts.count("a.test"), hosts.count("b.test")) == (5, 3)


def test_time_and_chance_are_those_of_the_policies_that_were_given(world: World) -> None:
    """So tests of the author's see what they expect."""
    clock = Clock()
    client = world.governed(world.wire(503), retry(attempts=2, backoff=1.0, clock=clock, random=lambda: 0.25), target=None)
    world.call(client.get, A)
    assert len(clock.slept) == 1


def test_the_pipeline_tells_what_became_of_each_authority(world: World) -> None:
    """Under its name."""
    pipeline = Pipeline(timeout(5.0))
    client = govern(world.client(world.wire(200, 503, 200)), target=None, pipeline=pipeline)
    for url in (A, A, B):
        world.call(client.get, url)
    package = world.package.__name__
    snapshot = pipeline.snapshot()
    assert snapshot[f"{package}.http://a.test:80"]["failed"] == 1
    assert snapshot[f"{package}.http://b.test:80"]["succeeded"] == 1
    assert "http://a.test:80" in pipeline.describe()


# -- bounds ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    """Room for two."""
    monkeypatch.setattr(_ways, "MOST", 2)
    return 2


def test_who_was_called_longest_ago_is_forgotten(sync_world: World, few: int) -> None:
    """And is a new one when it is called again."""
    client = sync_world.governed(sync_world.wire(503, 200), circuit_breaker(consecutive_failures=1), target=None)
    client.get(A)
    for url in (B, C):
        assert client.get(url).status_code == 200
    assert client.get(A).status_code == 200
    ways = client._transport._edge._ways._known
    assert list(ways) == ["http://c.test:80", "http://a.test:80"]
    assert len(ways) == few


def test_what_is_forgotten_leaves_nothing_behind(sync_world: World, few: int) -> None:
    """Its policies are collected."""
    pipeline = Pipeline(circuit_breaker(), bulkhead(5), again())
    client = govern(sync_world.client(sync_world.wire(200)), target=None, pipeline=pipeline)
    for port in range(1, 20):
        client.get(f"http://a.test:{port}/")
    gc.collect()
    assert len(pipeline._known) == few + 1  # and the way of all others


@pytest.mark.usefixtures("few")
def test_while_a_call_is_under_way_its_authority_is_not_forgotten(sync_world: World) -> None:
    """Else more could be under way than its bulkhead lets in; who finds no place shares the policies as they were given."""
    gate = bulkhead(1)
    nested: list[Callable[[], Any]] = [lambda: client.get(B), lambda: client.get(C), lambda: client.get("http://d.test/")]
    seen: list[Any] = []

    def inside(request: Any) -> Any:
        if nested:
            try:
                nested.pop(0)()
            except BulkheadFullError as error:
                seen.append((str(error.policy), gate.snapshot()["in_use"]))
        return sync_world.package.Response(200)

    client = sync_world.governed(sync_world.wire(inside), gate, target=None)
    client.get(A)
    assert seen == [("bulkhead", 1)]  # the third and the fourth share
    assert gate.snapshot()["in_use"] == 0
    assert client.get(C).status_code == 200
    assert "http://c.test:80" in client._transport._edge._ways._known


@pytest.mark.usefixtures("few")
def test_an_authority_whose_answer_is_open_is_not_forgotten(sync_world: World) -> None:
    """Its place in the bulkhead is taken as well."""
    client = sync_world.governed(sync_world.wire(200), bulkhead(1), target=None)
    with client.stream("GET", A), client.stream("GET", B):
        client.get(C)
        for url in (A, B):
            with pytest.raises(BulkheadFullError):
                client.get(url)
    assert client.get(A).status_code == 200


def test_who_enters_while_it_is_being_forgotten_begins_anew() -> None:
    """Nothing is locked: whoever enters looks afterwards whether it is still there."""
    known: dict[str, Any] = {}
    pipeline = Pipeline()
    rest = _ways.Way(pipeline, lambda exchange: None, target=None)
    ways = _ways.Ways(pipeline, lambda name: lambda exchange: None, rest)
    ways._known = known
    first = ways.enter("a", 1)
    first.under_way.clear()

    class Leaving(set[int]):
        def add(self, mark: int) -> None:
            known.pop("a", None)  # as another thread might, just now
            super().add(mark)

    first.under_way = Leaving()
    second = ways.enter("a", 2)
    assert second is not first
    assert (first.under_way, second.under_way) == (set(), {2})


def test_threads_that_call_a_new_authority_at_once_share_it(sync_world: World) -> None:
    """It is made once, or made again and thrown away."""
    start = threading.Barrier(8)
    client = sync_world.governed(sync_world.wire(200), circuit_breaker(), target=None)
    found = []

    def work() -> None:
        start.wait()
        client.get(A)
        found.append(client._transport._edge._ways._known["http://a.test:80"])

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
