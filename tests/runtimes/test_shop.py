"""The example's shop: payments with its faults, and the shop's own front and orders, in what really runs them."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from events import api_gateway_v2, order
from figures import Tally
from payments import LONG, Till
from runtime_api import FunctionFailed
from stage import Stage, objects_in
from story import BLUE, NO_COLOUR, V1, V2
from svcgov.inbound.aws_lambda import came
from traces import Traces

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

# -- payments ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def till() -> Iterator[Till]:
    """Payments that takes no time and bears two charges."""
    till = Till(work=0.0, capacity=2)
    yield till
    till.close()


def answers(till: Till, count: int) -> list[tuple[int, float]]:
    """Status and seconds of so many charges, one after another."""
    said = []
    for _ in range(count):
        status, _, seconds = till.arrived(traced=True)
        till.left()
        said.append((status, seconds))
    return said


def test_two_of_five_slow_charges_are_slow(till: Till) -> None:
    """The first and the third, each time."""
    till.switch({"fault": "slow", "part": "slow"})
    assert answers(till, 10) == [(200, seconds) for seconds in (LONG, 0.0, LONG, 0.0, 0.0)] * 2


def test_an_unavailable_till_asks_to_come_back(till: Till) -> None:
    """503 at once, and when to try again, if it was told."""
    till.switch({"fault": "unavailable", "part": "down", "retry_after": 5})
    assert till.arrived(traced=True) == (503, {"Retry-After": "5"}, 0.0)
    till.switch({"fault": "unavailable", "part": "down"})
    assert till.arrived(traced=True) == (503, {}, 0.0)


def test_what_cannot_be_borne_is_turned_away(till: Till) -> None:
    """The third at a time gets a 503; when one has left there is room again."""
    till.switch({"fault": "healthy", "part": "burst"})
    assert [till.arrived(traced=True)[0] for _ in range(3)] == [200, 200, 503]
    till.left()
    till.left()
    assert till.arrived(traced=False)[0] == 200
    counts = till.counts["burst"]
    assert (counts.got, counts.traced, counts.at_once) == (4, 3, 3)


def test_who_is_gone_comes_back_on_the_same_port(till: Till) -> None:
    """Nobody listens meanwhile, and connections from before are over."""
    port = till.open()
    with socket.create_connection(("127.0.0.1", port)) as before:
        before.sendall(b"GET ")
        till.switch({"fault": "gone", "part": "down"})
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            pass
    till.switch({"fault": "healthy", "part": "back"})
    assert till.open() == port
    with socket.create_connection(("127.0.0.1", port)) as after:
        assert after.getpeername()[1] == port


# -- events -----------------------------------------------------------------------------------------------------------


def test_an_event_is_one_that_svcgov_reads() -> None:
    """It is an HTTP request in the platform's format, with the headers that a browser's tracing sends."""
    arrived = came(api_gateway_v2(order(7, lines=2)), None)
    assert (arrived.trigger, arrived.method, arrived.path) == ("http", "POST", "/orders")
    assert {"traceparent", "baggage", "x-svcgov-colour"} <= set(arrived.headers)


# -- the front in the runtime interface client, orders in uvicorn ------------------------------------------------------


class Front:
    """A stage, its orders by number, and what was counted."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.tally = Tally()
        self._number = 0

    def ask(
        self, *, lines: int = 1, colour: str | None = BLUE, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """One order: its status, 500 if the function failed, and the event."""
        event = api_gateway_v2(order(self._number, lines=lines), colour=colour)
        event["headers"] |= headers or {}
        outcome, seen = self.stage.invoke(event)
        self.tally.outcome(
            f"order-{self._number}",
            colour=colour or NO_COLOUR,
            by={line["who"] for line in seen if line["kind"] == "call"},
            failed=outcome.failed,
            value=outcome.value,
            seconds=outcome.seconds,
        )
        for line in seen:
            self.tally.seen(line)
        self._number += 1
        return (500 if outcome.failed else outcome.value["statusCode"]), event

    def charges(self) -> list[dict[str, Any]]:
        """What payments has logged."""
        return list(self.stage.charges())


@pytest.fixture
def front(shop: None, tmp_path: pathlib.Path) -> Iterator[Front]:
    """The governed shop, ready, and payments healthy."""
    with Stage(module="front", folder=tmp_path) as stage:
        stage.ready()
        stage.fault({"fault": "healthy"}, part="test")
        yield Front(stage)


def test_an_order_is_charged_in_its_own_trace_and_colour(front: Front) -> None:
    """Each of its lines, from whatever thread: the trace is the browser's, the span is not, and the colour goes along."""
    status, event = front.ask(lines=3)
    trace_id, browser = event["headers"]["traceparent"].split("-")[1:3]
    charges = front.charges()
    assert (status, len(charges)) == (200, 3)
    assert {charge["traceparent"].split("-")[1] for charge in charges} == {trace_id}
    spans = {charge["traceparent"].split("-")[2] for charge in charges}
    assert len(spans | {browser}) == 4
    assert {charge["x-svcgov-colour"] for charge in charges} == {"blue"}
    (call,) = objects_in(front.stage.log, having="trace_id")
    assert (call["trace_id"], call["colour"], call["status"]) == (trace_id, "blue", 200)


def test_blue_orders_are_served_by_the_second_version(front: Front) -> None:
    """All others by the first; the front knows nothing but a name."""
    assert [front.ask(colour=colour)[0] for colour in (None, BLUE, None, None)] == [200] * 4
    assert front.tally.served == {(NO_COLOUR, V1): 3, (BLUE, V2): 1}


def test_one_trace_leads_through_three_logs(front: Front) -> None:
    """That of the browser."""
    event = front.ask()[1]
    until = time.monotonic() + 10
    while not Traces(front.stage).one() and time.monotonic() < until:
        time.sleep(0.02)  # orders writes its line when the answer has left
    traces = Traces(front.stage)
    assert (traces.whole(), traces.wrong()) == ([event["headers"]["traceparent"].split("-")[1]], [])
    assert [line.split()[0] for line in traces.one().splitlines()] == ["front", "orders", "payments"]


def test_the_deadline_shrinks_on_its_way(front: Front) -> None:
    """Payments is told what is left of an attempt's half second, or of what the browser still waits if that is less."""
    front.ask()
    front.ask(headers={"x-request-deadline-ms": "400"})
    usual, shorter = (int(charge["x-request-deadline-ms"]) for charge in front.charges())
    assert 0 < shorter < 400 < usual < 500


def test_attempts_belong_to_one_order(front: Front) -> None:
    """A 503 is tried again with the same key and trace, and a span of its own each time."""
    front.stage.fault({"fault": "unavailable"}, part="test")
    status, _ = front.ask()
    charges = front.charges()
    assert (status, len(charges), front.tally.retried) == (500, 3, 2)
    assert len({charge["charge"] for charge in charges}) == 1
    assert len({charge["traceparent"].split("-")[1] for charge in charges}) == 1
    assert len({charge["traceparent"] for charge in charges}) == 3


def test_an_outage_is_answered_by_orders_itself(front: Front) -> None:
    """After a few 503 the circuit opens, payments is left in peace, and nothing that was counted got lost."""
    assert [front.ask()[0] for _ in range(2)] == [200, 200]
    front.stage.fault({"fault": "unavailable", "retry_after": 5}, part="test")
    assert [front.ask()[0] for _ in range(8)] == [500] * 8
    assert [front.ask()[0] for _ in range(3)] == [202] * 3
    front.tally.reached(front.stage.counts()["test"], {charge["charge"] for charge in front.charges()})
    assert (front.tally.got, front.tally.traced, front.tally.states(V2)) == (10, 10, ["open"])
    assert front.tally.refused == {"open": 3}
    assert front.tally.unaccounted() == []


def test_the_plain_front_has_nothing_but_its_client(shop: None, tmp_path: pathlib.Path) -> None:
    """An outage reaches the customer, and no trace goes along."""
    with Stage(module="front_plain", folder=tmp_path) as stage:
        stage.ready()
        stage.fault({"fault": "healthy"}, part="test")
        plain = Front(stage)
        assert plain.ask()[0] == 200
        stage.fault({"fault": "unavailable"}, part="test")
        assert plain.ask()[0] == 500
        assert [charge["traceparent"] for charge in plain.charges()] == [None, None]
        assert list(objects_in(stage.log, having="trace_id")) == []
        assert plain.tally.served == {(BLUE, "orders"): 2}


def test_a_front_that_does_not_start_says_why(shop: None, tmp_path: pathlib.Path) -> None:
    """The end of its log is in the error."""
    with Stage(module="nobody", folder=tmp_path) as stage, pytest.raises(FunctionFailed, match="No module named 'nobody'"):
        stage.ready()


def test_a_folder_serves_again(front: Front, tmp_path: pathlib.Path) -> None:
    """A second run there finds its own payments, and nothing of the first one's is counted."""
    front.ask()
    front.stage.__exit__()
    with Stage(module="front", folder=tmp_path) as stage:
        stage.ready()
        again = Front(stage)
        assert again.ask()[0] == 200
        assert (again.tally.calls, len(again.charges())) == (1, 1)
