"""What travels with something that svcgov does not send, and how it arrives where svcgov is."""

from __future__ import annotations

import json
from base64 import b64decode
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor
from svcgov._core._context import Trace
from svcgov.errors import ConfigError
from svcgov.propagation.carry import NOTHING
from svcgov.testing import LambdaContext, invocation

if TYPE_CHECKING:
    from collections.abc import Iterator

TRACE = Trace(trace_id="0af7651916cd43dd8448eb211c80319c", span_id="b7ad6b7169203331", sampled=True, state="vendor=value")
FORMS = ["headers", "attributes", "detail", "client_context", "cloudevent", "kafka"]
TRACED = {"traceparent", "tracestate", "baggage"}
MESSAGE = TRACED | {"x-request-id"}
SHOP = Governor(service="shop", colours=["blue"])


@contextmanager
def called(**fields: Any) -> Iterator[None]:
    """Inside of a call in blue, for a tenant, with two seconds left."""
    everything = {"colour": "blue", "trace": TRACE, "baggage": {"tenant": "acme"}, "request_id": "id-1", "remaining": 2.0}
    with invocation(**{**everything, **fields}):
        yield


def carried(form: Any, **options: Any) -> Any:
    """What is carried by such a call."""
    with called():
        return svcgov.carry(form, **options)


def arrived() -> dict[str, Any]:
    """What is known of the call under way."""
    here = svcgov.current()
    assert here.trace is not None
    trace = here.trace.replace(span_id=TRACE.span_id)
    return {"colour": here.colour, "baggage": here.baggage, "trace": trace, "left": svcgov.remaining() is not None}


EVERYTHING = {"colour": "blue", "baggage": {"tenant": "acme"}, "trace": TRACE, "left": True}


def test_headers_of_a_request() -> None:
    """All of it, as a governed client would send it."""
    headers = carried("headers")
    assert set(headers) == MESSAGE | {"x-svcgov-colour", "x-request-deadline-ms"}
    assert 1900 < int(headers["x-request-deadline-ms"]) < 2000
    with called():
        assert set(svcgov.carry()) == set(headers)
    event = {"version": "2.0", "requestContext": {"http": {}}, "headers": headers}
    assert SHOP.handler(lambda event, context: arrived())(event, LambdaContext()) == EVERYTHING


def test_headers_for_others() -> None:
    """The trace and the deadline."""
    assert set(carried("headers", ours=False)) == {"traceparent", "tracestate", "x-request-deadline-ms"}


def test_attributes_of_a_message() -> None:
    """As SQS and SNS want them, and as a record has them."""
    attributes = carried("attributes")
    assert set(attributes) == MESSAGE
    assert attributes["tracestate"] == {"DataType": "String", "StringValue": "vendor=value"}
    came = {name: {"dataType": one["DataType"], "stringValue": one["StringValue"]} for name, one in attributes.items()}
    with SHOP.message({"eventSource": "aws:sqs", "messageAttributes": came}):
        assert arrived() == EVERYTHING | {"left": False}


def test_members_of_a_detail() -> None:
    """To be merged into one's own."""
    event = {"detail-type": "placed", "source": "orders", "detail": {"order": 7, **carried("detail")}}
    with SHOP.message(json.loads(json.dumps(event))):
        assert arrived() == EVERYTHING | {"left": False}


def test_a_client_context() -> None:
    """In base64, as the client of Lambda wants it; whoever called waits."""
    custom = json.loads(b64decode(carried("client_context")))["custom"]
    seen = SHOP.handler(lambda event, context: arrived())({}, LambdaContext(headers=custom))
    assert seen == EVERYTHING


def test_attributes_of_a_cloudevent() -> None:
    """Names of letters and digits, nothing else."""
    attributes = carried("cloudevent")
    assert set(attributes) == TRACED | {"svcgovcolour"}
    seen = SHOP.cloud_event(lambda event: arrived())({"id": "1", "type": "placed", **attributes})
    assert seen == EVERYTHING | {"left": False}


def test_headers_of_a_record_of_kafka() -> None:
    """Pairs, the values in bytes."""
    headers = carried("kafka")
    assert {name for name, _ in headers} == MESSAGE
    assert dict(headers)["baggage"] == b"svcgov.colour=blue,tenant=acme"


@pytest.mark.parametrize(("form", "nothing"), list(zip(FORMS, [{}, {}, {}, NOTHING, {}, []], strict=True)))
def test_outside_of_any_call_there_is_nothing_to_carry(form: Any, nothing: Any) -> None:
    """In the form that was asked for: whoever merges it need not look."""
    assert svcgov.carry(form) == nothing
    assert json.loads(b64decode(NOTHING)) == {}


@pytest.mark.parametrize("form", FORMS)
def test_what_is_carried_is_the_callers_to_change(form: Any) -> None:
    """Each time it is made anew."""
    with called():
        one, other = svcgov.carry(form), svcgov.carry(form)
    assert one is not other


@pytest.mark.parametrize("form", ["amqp", "", None, ["headers"]])
def test_another_form_is_refused(form: Any) -> None:
    """The error lists what there is."""
    with pytest.raises(ConfigError, match=r"^carry.form: expected one of headers, attributes, detail, client_context, "):
        svcgov.carry(form)
