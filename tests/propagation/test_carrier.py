"""The whole of what travels, in and out."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from svcgov._core._context import DEADLINE, INVOCATION, Invocation, Trace
from svcgov.propagation._carrier import Carried, incoming, outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = Trace(trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", sampled=True)
BLUE = frozenset({"blue"})


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
    assert incoming({}, colours=BLUE) == Carried(trace=None, baggage={}, colour=None, left=None)


def test_everything_came_along() -> None:
    """Trace, baggage, colour, deadline."""
    headers = {
        "traceparent": f"00-{TRACE.trace_id}-{TRACE.span_id}-01",
        "baggage": "tenant=acme,svcgov.colour=blue",
        "x-svcgov-colour": "blue",
        "x-request-deadline-ms": "2000",
    }
    assert incoming(headers, colours=BLUE) == Carried(trace=TRACE, baggage={"tenant": "acme"}, colour="blue", left=2.0)


def test_the_colour_may_come_in_the_baggage_alone() -> None:
    """From a service that hands on baggage, and knows nothing of us."""
    assert incoming({"baggage": "svcgov.colour=blue"}, colours=BLUE).colour == "blue"


def test_the_header_is_asked_before_the_baggage() -> None:
    """An edge sets the header."""
    assert incoming({"baggage": "svcgov.colour=red", "x-svcgov-colour": "blue"}, colours=BLUE).colour == "blue"


def test_a_colour_that_may_not_be_does_not_travel_on_in_the_baggage() -> None:
    """It would come out again at the next service, which might take it."""
    carried = incoming({"baggage": "svcgov.colour=red,tenant=acme"}, colours=BLUE)
    assert (carried.colour, carried.baggage) == (None, {"tenant": "acme"})


def test_a_service_of_ours_is_told_everything() -> None:
    """With a span of its own, and the colour in both places."""
    token = DEADLINE.set(12.0)
    with invoked(trace=TRACE, colour="blue", baggage={"tenant": "acme"}):
        headers = outgoing(10.0, ours=True)
    DEADLINE.reset(token)
    assert headers.pop("traceparent").startswith(f"00-{TRACE.trace_id}-")
    assert headers == {
        "baggage": "tenant=acme,svcgov.colour=blue",
        "x-svcgov-colour": "blue",
        "x-request-deadline-ms": "1995",
    }


def test_others_are_told_the_trace_and_the_deadline() -> None:
    """Whose customer it is, and what colour we gave it, is nobody's business."""
    token = DEADLINE.set(12.0)
    with invoked(trace=TRACE, colour="blue", baggage={"tenant": "acme"}):
        headers = outgoing(10.0, ours=False)
    DEADLINE.reset(token)
    assert set(headers) == {"traceparent", "x-request-deadline-ms"}


def test_outside_of_any_call_nothing_is_told() -> None:
    """There is nothing to tell."""
    assert outgoing(0.0, ours=True) == {}
