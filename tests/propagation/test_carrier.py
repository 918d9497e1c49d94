"""The whole of what travels, in and out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from svcgov._core._context import DEADLINE, INVOCATION, Identity, Invocation, Trace
from svcgov.propagation import colour
from svcgov.propagation._carrier import Carried, incoming, outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = Trace(trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", sampled=True)
BLUE = Identity(service="shop", version="1", colours=frozenset({"blue"}))


@contextmanager
def invoked(**fields: Any) -> Iterator[None]:
    """Inside of such an invocation."""
    token = INVOCATION.set(Invocation(**fields))
    try:
        yield
    finally:
        INVOCATION.reset(token)


def test_nothing_came_along() -> None:
    """Then nothing is known."""
    assert incoming({}, BLUE) == Carried(trace=None, baggage={}, colour=None, left=None, forwarded={})


def test_everything_came_along() -> None:
    """Trace, baggage, colour, deadline, the id of the request."""
    headers = {
        "traceparent": f"00-{TRACE.trace_id}-{TRACE.span_id}-01",
        "baggage": "tenant=acme,svcgov.colour=blue",
        "x-svcgov-colour": "blue",
        "x-request-deadline-ms": "2000",
        "x-request-id": "id-1",
    }
    assert incoming(headers, BLUE) == Carried(
        trace=TRACE, baggage={"tenant": "acme"}, colour="blue", left=2.0, forwarded={"x-request-id": "id-1"}
    )


def test_the_colour_may_come_in_the_baggage_alone() -> None:
    """From a service that hands on baggage, and knows nothing of us."""
    assert incoming({"baggage": "svcgov.colour=blue"}, BLUE).colour == "blue"


def test_the_header_is_asked_before_the_baggage() -> None:
    """An edge sets the header."""
    assert incoming({"baggage": "svcgov.colour=red", "x-svcgov-colour": "blue"}, BLUE).colour == "blue"


def test_a_colour_that_may_not_be_does_not_travel_on_in_the_baggage() -> None:
    """It would come out again at the next service, which might take it."""
    carried = incoming({"baggage": "svcgov.colour=red,tenant=acme"}, BLUE)
    assert (carried.colour, carried.baggage) == (None, {"tenant": "acme"})


def test_a_service_of_ours_is_told_everything() -> None:
    """With a span of its own, and the colour in both places."""
    token = DEADLINE.set(12.0)
    with invoked(trace=TRACE, colour="blue", baggage={"tenant": "acme"}, request_id="id-1", forwarded={"x-shop": "7"}):
        headers = outgoing(10.0, ours=True)
    DEADLINE.reset(token)
    assert headers.pop("traceparent").startswith(f"00-{TRACE.trace_id}-")
    assert headers == {
        "baggage": "svcgov.colour=blue,tenant=acme",
        "x-svcgov-colour": "blue",
        "x-request-deadline-ms": "1995",
        "x-request-id": "id-1",
        "x-shop": "7",
    }


def test_others_are_told_the_trace_and_the_deadline() -> None:
    """Whose customer it is, and what colour we gave it, is nobody's business."""
    token = DEADLINE.set(12.0)
    with invoked(trace=TRACE, colour="blue", baggage={"tenant": "acme"}, request_id="id-1", forwarded={"x-shop": "7"}):
        headers = outgoing(10.0, ours=False)
    DEADLINE.reset(token)
    assert set(headers) == {"traceparent", "x-request-deadline-ms"}


def test_outside_of_any_call_nothing_is_told() -> None:
    """There is nothing to tell."""
    assert outgoing(0.0, ours=True) == {}


def test_the_id_that_came_along_is_handed_on_before_our_own() -> None:
    """A platform gives each call an id; the request has one, from its first service to its last."""
    with invoked(request_id="of-the-platform", forwarded={"x-request-id": "of-the-request"}):
        assert outgoing(0.0, ours=True) == {"x-request-id": "of-the-request"}


@pytest.mark.parametrize("request_id", ["", "  ", "i" * 129, "a\r\nx-admin: 1", "\u00e4"])
def test_an_id_that_cannot_stand_in_a_header_is_not_handed_on(request_id: str) -> None:
    """The request is sent without it."""
    with invoked(request_id=request_id):
        assert outgoing(0.0, ours=True) == {}


def test_a_colour_is_read_and_written_in_the_headers_of_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ours comes first on the way in; on the way out all of them say the same."""
    monkeypatch.setattr(colour, "names", colour.names)
    colour.also_named(["X-Mesh-Service-Canary"], "here")
    assert incoming({"x-mesh-service-canary": "blue"}, BLUE).colour == "blue"
    assert incoming({"x-mesh-service-canary": "blue", "x-svcgov-colour": "red"}, BLUE).colour is None
    with invoked(colour="blue"):
        headers = outgoing(0.0, ours=True)
        assert outgoing(0.0, ours=False) == {}
    assert headers == {"x-mesh-service-canary": "blue", "x-svcgov-colour": "blue", "baggage": "svcgov.colour=blue"}


def test_the_colour_has_room_in_the_baggage_before_what_came_along() -> None:
    """A message carries it there only."""
    with invoked(colour="blue", baggage={f"key-{number}": "x" * 200 for number in range(64)}):
        headers = outgoing(0.0, ours=True)
    assert headers["baggage"].startswith("svcgov.colour=blue,key-0=")
    assert len(headers["baggage"]) <= 8192
