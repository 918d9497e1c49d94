"""A place in a bulkhead is taken until the answer has been read: whose it is, and whatever the bulkhead is like.

Endings on real clients are in `engines/test_holds`.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Pipeline, bulkhead, circuit_breaker, timeout
from svcgov.errors import BulkheadFullError, ConfigError
from svcgov.outbound._holds import Hold, Holds, give_back
from svcgov.outbound.govern import govern

from .worlds import URL, again

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.policies.bulkhead import Bulkhead

    from .worlds import Clock, World

GATES: dict[str, Callable[[], Bulkhead]] = {
    "a counter": lambda: bulkhead(3),
    "a waiting room": lambda: bulkhead(3, max_wait=1.0),
    "costs": lambda: bulkhead(6, cost=2),
    "keys": lambda: bulkhead(3, key=lambda call: "a"),
    "when": lambda: bulkhead(3, when=lambda call: True),
    "observed": lambda: bulkhead(3, mode="observe"),
}


def opened(world: World, client: Any, url: str = URL) -> Any:
    """An answer that is not read yet."""
    return world.call(client.send, client.build_request("GET", url), stream=True)


def closed(world: World, response: Any) -> None:
    """Close it."""
    world.call(response.close if world.kind == "sync" else response.aclose)


@pytest.mark.parametrize("make", GATES.values(), ids=GATES)
def test_a_place_is_taken_until_the_answer_is_closed(world: World, make: Callable[[], Bulkhead]) -> None:
    """Whatever the bulkhead is like; inside and outside of a retry, and beside other policies."""
    gate = make()
    for policies in ((gate,), (gate, again()), (again(), gate), (timeout(5.0), gate, circuit_breaker(), again())):
        client = world.governed(world.wire(200), *policies)
        cost = 2 if gate.settings.cost == 2 else 1
        responses = [opened(world, client) for _ in range(2)]
        assert gate.snapshot()["in_use"] == 2 * cost
        for response in responses:
            closed(world, response)
        assert gate.snapshot()["in_use"] == 0


def test_a_call_that_a_bulkhead_is_not_meant_for_takes_no_place(world: World) -> None:
    """And gives none back."""
    gate = bulkhead(1, when=lambda call: False)
    client = world.governed(world.wire(200), gate)
    responses = [opened(world, client) for _ in range(2)]
    assert gate.snapshot()["in_use"] == 0
    for response in responses:
        closed(world, response)
    assert gate.snapshot()["in_use"] == 0


def test_a_function_gives_its_place_back_when_it_returns() -> None:
    """Only at the edge of a client there is something to be read."""
    gate = bulkhead(1)
    assert Pipeline(gate)(lambda: gate.snapshot()["in_use"])() == 1
    assert gate.snapshot()["in_use"] == 0


def test_whoever_comes_meanwhile_is_refused_or_waits(world: World) -> None:
    """That is what it is for: the other side is busy with the answer."""
    client = world.governed(world.wire(200), bulkhead(1))
    response = opened(world, client)
    with pytest.raises(BulkheadFullError):
        world.call(client.get, URL)
    closed(world, response)
    assert world.call(client.get, URL).status_code == 200


def test_an_attempt_that_fails_gives_its_place_back_at_once(world: World) -> None:
    """In a bulkhead inside the retry, for the wait between two attempts; and so does one that has no answer."""
    gate = bulkhead(1)
    seen: list[int] = []

    def backoff(attempt: int, error: BaseException) -> float:
        seen.append(gate.snapshot()["in_use"])
        return 0.0

    error = world.package.ConnectError("refused")
    client = world.governed(world.wire(503, error, 200), svcgov.retry(backoff=backoff, budget=None), gate)
    response = opened(world, client)
    assert (response.status_code, seen, gate.snapshot()["in_use"]) == (200, [0, 0], 1)
    closed(world, response)
    assert gate.snapshot()["in_use"] == 0


def test_a_failing_answer_that_is_the_last_keeps_the_place_in_a_bulkhead_around_the_retry(world: World) -> None:
    """It is read like any other."""
    outer, inner = bulkhead(1), bulkhead(1)
    response = opened(world, world.governed(world.wire(503), outer, again(), inner))
    assert (outer.snapshot()["in_use"], inner.snapshot()["in_use"]) == (1, 0)
    closed(world, response)
    assert outer.snapshot()["in_use"] == 0


def test_an_answer_that_is_not_accepted_is_closed_and_its_place_free_for_the_next_attempt(world: World) -> None:
    """So there are never two of one call."""
    gate = bulkhead(1)
    wire = world.wire(404, 404, 200)
    client = world.governed(wire, again(on_result=lambda answer: answer.status_code == 404), gate)
    response = opened(world, client)
    assert (response.status_code, wire.open_when_asked, gate.snapshot()["in_use"]) == (200, [0, 0, 0], 1)
    closed(world, response)
    assert (wire.open, gate.snapshot()["in_use"]) == (0, 0)


def test_an_answer_that_the_caller_does_not_get_is_closed(sync_world: World) -> None:
    """And its place is free: Ctrl-C in the wait for another one."""
    gate = bulkhead(1)
    wire = sync_world.wire(404)

    def backoff(attempt: int, error: BaseException) -> float:
        raise KeyboardInterrupt

    policy = svcgov.retry(on_result=lambda answer: True, backoff=backoff, budget=None)
    with pytest.raises(KeyboardInterrupt):
        sync_world.governed(wire, policy, gate).get(URL)
    assert (wire.open, gate.snapshot()["in_use"]) == (0, 0)


def test_what_somebody_has_made_up_has_been_read(world: World) -> None:
    """No connection is behind it."""
    gate = bulkhead(1)
    made_up = world.package.Response(200, content=b"made up")
    assert opened(world, world.governed(world.wire(lambda request: made_up), gate)).content == b"made up"
    assert gate.snapshot()["in_use"] == 0


def test_a_connection_that_is_upgraded_holds_no_place(world: World) -> None:
    """What is said afterwards is no answer."""
    gate = bulkhead(1)
    response = opened(world, world.governed(world.wire((101, {})), gate))
    assert gate.snapshot()["in_use"] == 0
    closed(world, response)


def test_a_body_that_breaks_is_over_and_told_as_it_is(world: World) -> None:
    """The error is the caller's."""
    gate = bulkhead(1)
    error = world.package.ReadError("broken")

    class Breaking(world.package.SyncByteStream, world.package.AsyncByteStream):  # type: ignore[misc, name-defined]  # of either package
        note = "shown"

        def __iter__(self) -> Any:
            yield b"half"
            raise error

        async def __aiter__(self) -> Any:
            yield b"half"
            raise error

    response = opened(world, world.governed(world.wire(lambda request: world.package.Response(200, stream=Breaking())), gate))
    assert response.stream._stream.note == "shown"  # ours shows what the one inside has
    with pytest.raises(world.package.ReadError) as caught:
        world.call(response.read if world.kind == "sync" else response.aread)
    assert caught.value is error
    assert gate.snapshot()["in_use"] == 0
    closed(world, response)


def test_a_task_that_is_cancelled_while_it_reads_holds_no_place(async_world: World) -> None:
    """The body has ended for it."""
    gate = bulkhead(1)

    class Endless(async_world.package.AsyncByteStream):  # type: ignore[misc, name-defined]  # of either package
        async def __aiter__(self) -> Any:
            yield b"half"
            await asyncio.Event().wait()

    wire = async_world.wire(lambda request: async_world.package.Response(200, stream=Endless()))
    client = async_world.governed(wire, gate)

    async def scenario() -> int:
        response = await client.send(client.build_request("GET", URL), stream=True)
        task = asyncio.create_task(response.aread())
        await asyncio.sleep(0)
        assert gate.snapshot()["in_use"] == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return gate.snapshot()["in_use"]

    assert async_world.call(scenario) == 0


# -- for how long ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("max_hold", "in_use"), [("90s", 1), (30.0, 0), (None, 1)])
def test_how_long_an_answer_may_be_open_is_said_where_the_client_is_governed(
    world: World, clock: Clock, max_hold: Any, in_use: int
) -> None:
    """Or it may be for ever."""
    gate = bulkhead(2, clock=clock)
    client = govern(world.client(world.wire(200)), target="payments", pipeline=Pipeline(gate), max_hold=max_hold)
    response = opened(world, client)
    clock.advance(60.0)
    world.call(client.get, URL)
    assert gate.snapshot()["in_use"] == in_use
    closed(world, response)
    assert gate.snapshot()["in_use"] == 0


def test_how_long_is_a_part_of_what_a_client_is_governed_by(world: World) -> None:
    """An equal repeat says the same; and what is no duration is refused."""
    client = svcgov.govern(world.client(world.wire(200)), target="payments", max_hold=30.0)
    svcgov.govern(client, target="payments", max_hold="30s")
    with pytest.raises(ConfigError, match=r"max_hold=60\.0"):
        svcgov.govern(client, target="payments")
    with pytest.raises(ConfigError, match=r"govern\.max_hold"):
        svcgov.govern(world.client(world.wire(200)), max_hold=-1)


def test_a_hold_is_ended_once_by_whoever_comes_first() -> None:
    """Eight threads, one permit."""
    settled: list[Any] = []
    holds, left = Holds(60.0), set[int]()
    hold = Hold(holds, [(lambda *given: settled.append(given), "permit", None, 1.0)], left)
    assert (len(holds.open), len(left), hold.over) == (1, 1, False)
    start = threading.Barrier(8)

    def end() -> None:
        start.wait()
        hold.end()

    threads = [threading.Thread(target=end) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (settled, holds.open, left, hold.over) == ([("permit", None, 1.0)], {}, set(), True)


def test_what_is_collected_is_no_verdict() -> None:
    """Nobody knows how it would have ended."""
    settled: list[Any] = []
    hold = Hold(Holds(None), [(lambda *given: settled.append(given), "permit", None, 1.0)], set())
    del hold
    gc.collect()
    [(permit, error, now)] = settled
    assert (permit, now) == ("permit", 1.0)
    assert isinstance(error, GeneratorExit)


def test_each_gate_is_told_what_it_knows_or_how_the_body_has_ended() -> None:
    """The innermost first; where another thread takes the last one there is nothing left to do."""
    told: list[Any] = []
    failed, broken = ValueError("failed"), OSError("broken")

    def settle(permit: Any, error: Any, now: float) -> None:
        told.append((permit, error))

    give_back([(settle, "inner", failed, 1.0), (settle, "outer", None, 1.0)])
    give_back([(settle, "inner", failed, 1.0)], broken)
    assert told == [("inner", failed), ("outer", None), ("inner", broken)]

    class Taken(list[Any]):
        def pop(self, index: Any = -1) -> Any:
            raise IndexError

    give_back(Taken([()]))
    assert len(told) == 3


def test_holds_that_change_while_they_are_looked_at_are_looked_at_again_later() -> None:
    """Another thread has just looked."""

    class Changing(dict[int, Any]):
        def values(self) -> Any:
            raise RuntimeError("changed")

    holds = Holds(60.0)
    hold = Hold(holds, [(lambda *given: None, "permit", None, 1.0)], set())
    holds.open = Changing(holds.open)
    holds.look(lambda: 1000.0)
    assert not hold.over
