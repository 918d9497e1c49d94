"""Governed clients on made-up wires: what the deadline does to them, and what their requests carry."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import circuit_breaker, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov.errors import CallTimeoutError, DeadlineExceededError

from .worlds import TRACE, URL, again, invoked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .worlds import Clock, World


@contextmanager
def deadline(at: float) -> Iterator[None]:
    """With a deadline that somebody outside has set."""
    token = DEADLINE.set(at)
    try:
        yield
    finally:
        DEADLINE.reset(token)


# -- the deadline -----------------------------------------------------------------------------------------------------


def stalling(world: World, stage: str, error: str, clock: Clock) -> Any:
    """A wire that waits as long as it may in *stage*, and then raises *error*; it notes how long that was."""
    waited: list[float] = []

    def stall(request: Any) -> Any:
        seconds = request.extensions["timeout"].get(stage)
        waited.append(seconds)
        clock.advance(seconds)
        raise getattr(world.package, error)("timed out")

    wire = world.wire(stall)
    return wire, waited


STAGES = {"connect": "ConnectTimeout", "read": "ReadTimeout", "write": "WriteTimeout", "pool": "PoolTimeout"}


@pytest.mark.parametrize(("stage", "error"), STAGES.items())
def test_a_time_out_that_the_deadline_caused_is_ours_and_the_clients(world: World, clock: Clock, stage: str, error: str) -> None:
    """It says so in both languages, and in which stage it was."""
    wire, waited = stalling(world, stage, error, clock)
    with pytest.raises(CallTimeoutError) as caught:
        world.call(world.governed(wire, timeout(1.0, clock=clock)).get, URL)
    assert isinstance(caught.value, getattr(world.package, error))
    assert caught.value.seconds == pytest.approx(1.0)
    assert caught.value.request.url == URL
    assert type(caught.value.__cause__) is getattr(world.package, error)
    assert waited == [pytest.approx(1.0, abs=0.01)]


def test_a_time_out_of_the_clients_own_stays_as_it_is(world: World, clock: Clock) -> None:
    """The client's 0.25 s are tighter than the deadline."""
    wire, waited = stalling(world, "read", "ReadTimeout", clock)
    client = world.governed(wire, timeout(1.0, clock=clock), timeout=0.25)
    with pytest.raises(world.package.ReadTimeout) as caught:
        world.call(client.get, URL)
    assert not isinstance(caught.value, CallTimeoutError)
    assert waited == [0.25]


def test_time_outs_are_untouched_without_a_deadline(world: World, clock: Clock) -> None:
    """Nothing is clipped to nothing."""
    wire, waited = stalling(world, "read", "ReadTimeout", clock)
    with pytest.raises(world.package.ReadTimeout):
        world.call(world.governed(wire, again(1, clock=clock), timeout=7.0).get, URL)
    assert waited == [7.0]


def test_the_deadline_of_an_invocation_clips_too(world: World, clock: Clock) -> None:
    """Without any time-out of the pipeline."""
    wire, waited = stalling(world, "read", "ReadTimeout", clock)
    with deadline(clock.monotonic() + 2.0), pytest.raises(CallTimeoutError):
        world.call(world.governed(wire, circuit_breaker(clock=clock)).get, URL)
    assert waited == [pytest.approx(2.0, abs=0.01)]


def test_a_clipped_time_out_is_counted_and_retried_while_time_is_left(world: World, clock: Clock) -> None:
    """0.4 s for each attempt and 1 s for all: two in full, a third with the rest."""
    breaker = circuit_breaker(clock=clock)
    wire, waited = stalling(world, "read", "ReadTimeout", clock)
    policies = timeout(1.0, clock=clock), again(5, clock=clock), breaker, timeout(0.4, clock=clock)
    with pytest.raises(CallTimeoutError):
        world.call(world.governed(wire, *policies).get, URL)
    assert waited == [pytest.approx(seconds, abs=0.01) for seconds in (0.4, 0.4, 0.2)]
    assert breaker.snapshot()["failed"] == 3


def test_a_policy_that_is_told_of_the_clients_time_outs_sees_ours(sync_world: World, clock: Clock) -> None:
    """``on=ReadTimeout`` means the stage, whoever set the limit."""
    wire, waited = stalling(sync_world, "read", "ReadTimeout", clock)
    policies = again(2, on=sync_world.package.ReadTimeout, clock=clock), timeout(0.4, clock=clock)
    with pytest.raises(CallTimeoutError):
        sync_world.call(sync_world.governed(wire, *policies).get, URL)
    assert len(waited) == 2


def test_no_request_is_sent_after_the_deadline(world: World, clock: Clock) -> None:
    """It is refused, as a time-out of the client."""
    wire = world.wire(200)
    client = world.governed(wire, circuit_breaker(clock=clock))
    with deadline(clock.monotonic() - 1.0), pytest.raises(DeadlineExceededError) as caught:
        world.call(client.get, URL)
    assert isinstance(caught.value, world.package.TimeoutException)
    assert wire.requests == []


def test_a_further_attempt_without_time_is_not_sent(world: World, clock: Clock) -> None:
    """With half a millisecond left, the answer that there is, is the last one."""

    def slow(request: Any) -> Any:
        clock.advance(0.9995)
        return wire.response(503)

    wire = world.wire(slow)
    with deadline(clock.monotonic() + 1.0):
        response = world.call(world.governed(wire, again(clock=clock)).get, URL)
    assert (response.status_code, response.content) == (503, b"body")
    assert len(wire.requests) == 1


def test_a_task_that_is_cancelled_by_its_time_out_raises_the_clients_time_out(async_world: World) -> None:
    """A transport that never looks at its time-outs is cancelled."""

    class Deaf(async_world.package.AsyncBaseTransport):  # type: ignore[misc, name-defined]  # one of two packages
        async def handle_async_request(self, request: Any) -> Any:
            await asyncio.Event().wait()

    with pytest.raises(CallTimeoutError) as caught:
        async_world.call(async_world.governed(Deaf(), timeout(0.02)).get, URL)
    assert isinstance(caught.value, async_world.package.TimeoutException)
    assert caught.value.request.url == URL


def test_the_body_keeps_to_the_callers_deadline(world: World, clock: Clock) -> None:
    """The attempt ends with the head: its 0.4 s do not cut a long download, the invocation's 9 s do."""
    asked = []

    def answer(request: Any) -> Any:
        timeouts = request.extensions["timeout"]
        asked.append(timeouts)
        return wire.response(200)

    wire = world.wire(answer)
    with deadline(clock.monotonic() + 9.0):
        world.call(world.governed(wire, timeout(0.4, clock=clock), timeout=30.0).get, URL)
    assert asked[0].get("read") == pytest.approx(9.0, abs=0.01)


# -- headers ----------------------------------------------------------------------------------------------------------


def test_trace_and_colour_go_along(world: World) -> None:
    """To a service of ours: the trace id of the invocation, a span id of this attempt, the colour twice."""
    wire = world.wire(200)
    with invoked(baggage={"tenant": "acme"}):
        world.call(world.governed(wire, again()).get, URL)
    headers = wire.requests[0].headers
    version, trace_id, span_id, _ = headers["traceparent"].split("-")
    assert (version, trace_id) == ("00", TRACE.trace_id)
    assert span_id != TRACE.span_id
    assert headers["x-svcgov-colour"] == "blue"
    assert "tenant=acme" in headers["baggage"]
    assert "svcgov.colour=blue" in headers["baggage"]


def test_the_colour_does_not_leave_the_house(world: World) -> None:
    """A client without a target calls hosts that are not ours; the trace goes along."""
    wire = world.wire(200)
    with invoked(baggage={"tenant": "acme"}):
        world.call(world.governed(wire, target=None).get, URL)
    headers = wire.requests[0].headers
    assert TRACE.trace_id in headers["traceparent"]
    assert "x-svcgov-colour" not in headers
    assert "colour" not in headers.get("baggage", "")


def test_outside_an_invocation_nothing_is_added(world: World) -> None:
    """No trace is begun that nobody could find."""
    wire = world.wire(200)
    world.call(world.governed(wire, again()).get, URL)
    ours = {"traceparent", "tracestate", "baggage", "x-svcgov-colour", "x-request-deadline-ms"}
    assert not ours & set(wire.requests[0].headers)


def test_each_attempt_has_headers_of_its_own(world: World, clock: Clock) -> None:
    """A span id of its own, and the time that is left now."""
    wire = world.wire(503, 503, 200)
    with invoked():
        client = world.governed(wire, timeout(10.0, clock=clock), retry(backoff=2.0, clock=clock, budget=None))
        world.call(client.get, URL)
    left = [int(request.headers["x-request-deadline-ms"]) for request in wire.requests]
    assert left == [pytest.approx(ms, abs=10) for ms in (9995, 7995, 5995)]
    assert len({request.headers["traceparent"] for request in wire.requests}) == 3


def test_a_header_that_was_set_by_hand_stands(world: World) -> None:
    """And a trace of the caller's own is not mixed with the state of ours."""
    wire = world.wire(200)
    by_hand = {"Traceparent": "00-" + "a" * 32 + "-" + "b" * 16 + "-01", "X-Svcgov-Colour": "green"}
    with invoked():
        world.call(world.governed(wire, again()).get, URL, headers=by_hand)
    headers = wire.requests[0].headers
    assert headers.get_list("traceparent") == [by_hand["Traceparent"]]
    assert headers.get_list("x-svcgov-colour") == ["green"]
    assert "tracestate" not in headers


def test_the_callers_request_is_not_changed(world: World, clock: Clock) -> None:
    """What was built by hand can be sent again, elsewhere, without a word of ours in it."""
    wire = world.wire(503, 200)
    client = world.governed(wire, timeout(5.0, clock=clock), again(clock=clock))
    request = client.build_request("PUT", URL, content=b"x")
    headers, extensions = request.headers.raw, dict(request.extensions)
    with invoked():
        response = world.call(client.send, request)
    assert response.request is request
    assert (request.headers.raw, request.extensions) == (headers, extensions)
    assert type(request.extensions["timeout"]) is dict


def test_headers_of_somebodys_own_kind_are_copied_by_themselves(world: World) -> None:
    """And ours are in the copy."""
    kind = type("Headers", (world.package.Headers,), {})
    wire = world.wire(200)
    client = world.governed(wire)
    request = client.build_request("GET", URL)
    request.headers = kind({"X-Mine": "a"})
    with invoked():
        world.call(client.send, request)
    assert wire.requests[0].headers["x-mine"] == "a"
    assert "traceparent" in wire.requests[0].headers
    assert "traceparent" not in request.headers
