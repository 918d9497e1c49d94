"""What travels without headers: written here, read by the handlers, and the same afterwards."""

from __future__ import annotations

import base64
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov.inbound._records import carrier_of
from svcgov.inbound.aws_lambda import came
from svcgov.propagation._attributes import ENVELOPE, LONGEST, MOST, in_attributes, in_client_context, in_detail

TRACED = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "a=1"}
ALL = {
    **TRACED,
    "x-svcgov-colour": "blue",
    "baggage": "svcgov.colour=blue",
    "x-request-deadline-ms": "900",
    "x-request-id": "r-1",
    "x-tenant": "acme",
}
IN_MESSAGES = {name: ALL[name] for name in ("traceparent", "tracestate", "baggage", "x-request-id")}


def attribute(value: str) -> dict[str, str]:
    """As a caller writes it."""
    return {"DataType": "String", "StringValue": value}


def received(attributes: dict[str, Any]) -> dict[str, str]:
    """What the record of such a message carries, as SQS hands it on."""
    given = {name: {"dataType": one["DataType"], "stringValue": one["StringValue"]} for name, one in attributes.items()}
    return carrier_of({"eventSource": "aws:sqs", "messageAttributes": given})


def context_of(encoded: str) -> Any:
    """What the function is given of it."""
    return json.loads(base64.b64decode(encoded))


def invoked(encoded: str) -> Any:
    """The headers that the handler finds."""
    context = context_of(encoded)
    return came({}, SimpleNamespace(client_context=SimpleNamespace(custom=context["custom"]))).headers


# -- messages ----------------------------------------------------------------------------------------------------------


def test_attributes_are_read_as_they_were_written() -> None:
    """Trace, baggage and the request's id; no deadline, since nobody waits, and no colour, which is in the baggage."""
    assert received(in_attributes(None, ALL)) == IN_MESSAGES


def test_the_callers_attributes_stand() -> None:
    """In any spelling; and what the caller has given is not changed."""
    given = {"Baggage": attribute("mine")}
    written = in_attributes(given, ALL)
    assert received(written) == {**IN_MESSAGES, "baggage": "mine"}
    assert given == {"Baggage": attribute("mine")}


def test_a_state_of_ours_does_not_belong_to_a_trace_of_the_callers() -> None:
    """It stays out."""
    assert set(in_attributes({"traceparent": attribute("mine")}, ALL)) == {"traceparent", "baggage", "x-request-id"}


@pytest.mark.parametrize(("taken", "ours"), [(6, 4), (7, 3), (8, 2), (9, 1), (10, 0), (11, 0)])
def test_there_are_ten_and_the_callers_come_first(taken: int, ours: int) -> None:
    """Then the trace, the baggage, the state of the trace, and the request's id."""
    given = {f"a{number}": attribute("x") for number in range(taken)}
    written = in_attributes(given, ALL)
    assert list(written)[taken:] == ["traceparent", "baggage", "tracestate", "x-request-id"][:ours]
    assert len(written) == max(taken, min(MOST, taken + 4))


@pytest.mark.parametrize("given", [None, {}, "wrong", [1]], ids=repr)
def test_where_there_is_nothing_to_add_what_was_given_comes_back(given: Any) -> None:
    """The very same; the client says what is wrong with it."""
    assert in_attributes(given, {}) is given


@pytest.mark.parametrize("given", ["wrong", [1]], ids=repr)
def test_attributes_that_are_none_are_left_alone(given: Any) -> None:
    """Also where there is something to add."""
    assert in_attributes(given, ALL) is given


# -- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detail", ["{}", '{"order": 7}', ' {\n"price": 1.10}', '{"big": 12345678901234567890.123456789}'])
def test_a_detail_is_read_as_it_was_written_and_else_as_it_was(detail: str) -> None:
    """Down to the digits of a number."""
    written = in_detail(detail, ALL)
    event = {"detail-type": "paid", "source": "shop", "detail": json.loads(written)}
    assert carrier_of(event) == IN_MESSAGES
    event["detail"].pop(ENVELOPE)
    assert event["detail"] == json.loads(detail)
    assert written.endswith(detail.lstrip()[1:])


@pytest.mark.parametrize("detail", ["", "no", "[1]", "7", '{"_svcgov": {}}', None, 7, b"{}"], ids=repr)
def test_a_detail_that_cannot_carry_is_left_alone(detail: Any) -> None:
    """The service says what is wrong with it."""
    assert in_detail(detail, ALL) is detail


def test_a_detail_without_anything_to_carry_is_left_alone() -> None:
    """As it is written."""
    assert in_detail("{ }", {"x-request-deadline-ms": "900"}) == "{ }"


# -- client contexts ---------------------------------------------------------------------------------------------------


def test_a_client_context_is_read_as_it_was_written() -> None:
    """All of it: whoever calls a function waits for it."""
    assert invoked(in_client_context(None, ALL)) == ALL


def test_the_callers_context_stands() -> None:
    """What is beside, and what is in its own part."""
    given = {"client": {"app_title": "shop"}, "custom": {"Baggage": "mine", "n": "1"}}
    written = in_client_context(base64.b64encode(json.dumps(given).encode()).decode(), ALL)
    assert context_of(written)["client"] == {"app_title": "shop"}
    assert invoked(written) == {**ALL, "baggage": "mine", "n": "1"}


def test_what_would_make_it_too_long_stays_out() -> None:
    """The caller's is not cut; what is short enough comes along."""
    given = base64.b64encode(json.dumps({"custom": {"mine": "x" * 2500}}).encode()).decode()
    written = in_client_context(given, {**ALL, "baggage": "k=" + "v" * 200})
    assert len(written) <= LONGEST
    assert set(invoked(written)) >= {"mine", *ALL} - {"baggage", "x-request-id", "x-tenant"}
    assert "baggage" not in invoked(written)
    full = base64.b64encode(json.dumps({"custom": {"mine": "x" * 2650}}).encode()).decode()
    assert in_client_context(full, TRACED) is full


@pytest.mark.parametrize(
    "given", ["%%%", base64.b64encode(b"[1]").decode(), base64.b64encode(b'{"custom": 7}').decode(), 7], ids=repr
)
def test_a_context_that_is_none_is_left_alone(given: Any) -> None:
    """The service says what is wrong with it."""
    assert in_client_context(given, ALL) is given


def test_a_context_without_anything_to_carry_is_left_alone() -> None:
    """None stays none."""
    assert in_client_context(None, {}) is None


@given(st.dictionaries(st.sampled_from(list(ALL)), st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)))
def test_whatever_is_carried_arrives(headers: dict[str, str]) -> None:
    """By all three."""
    short = {name: value for name, value in headers.items() if len(value) < 100}
    messages = {name: short[name] for name in IN_MESSAGES if name in short}
    if short:
        assert invoked(in_client_context(None, short)) == short
    assert received(in_attributes(None, short) or {}) == messages
    assert carrier_of({"detail-type": "a", "source": "b", "detail": json.loads(in_detail("{}", short))}) == messages
