"""What an event and its context say, and that nothing in them can be an error."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov.inbound._answers import Answer
from svcgov.inbound._arrival import Came
from svcgov.inbound.aws_lambda import came, left_of, status_of, written

from .events import SPAN_ID, TRACE_ID, Context, golden, http

NOTHING = Came("lambda", "direct", {})
TRACE = f"00-{TRACE_ID}-{SPAN_ID}-01"
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
SOON = {"x-request-deadline-ms": "1500"}


def said(arrived: Came) -> dict[str, Any]:
    """All of it."""
    return {name: getattr(arrived, name) for name in Came.__slots__}


FULL = Answer(
    status=503, title="Service Unavailable", headers={"content-type": "application/problem+json", "retry-after": "2"}, body="{}"
)


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "form"),
    [("rest_v1", "v1"), ("http_v2", "v2"), ("function_url", "v2"), ("alb", "alb"), ("alb_multi", "alb-multi")],
)
def test_a_request_in_every_form(name: str, form: str) -> None:
    """Its method, its path without the stage and the query, and what it carries, whatever the case of its headers."""
    context = Context(left=2.5, request_id="id-1")
    arrived = came(golden(name), context)
    assert (arrived.trigger, arrived.form, arrived.method, arrived.path) == ("http", form, "POST", "/orders/7")
    assert (arrived.request_id, left_of(golden(name), context)) == ("id-1", 2.5)
    assert arrived.headers["traceparent"] == TRACE
    assert "tenant=acme" in arrived.headers["baggage"]
    assert {name for name in arrived.headers if name != name.lower()} == set()


@pytest.mark.parametrize(
    ("name", "client"),
    [("rest_v1", "203.0.113.7"), ("http_v2", "203.0.113.7"), ("function_url", "203.0.113.7"), ("alb", ""), ("sqs", "")],
)
def test_an_address_is_taken_from_the_gateway_alone(name: str, client: str) -> None:
    """What a load balancer puts into a header may be what it was told."""
    event = golden(name)
    event.setdefault("headers", {})["x-forwarded-for"] = "6.6.6.6"
    assert came(event, None).client == client


@pytest.mark.parametrize("name", ["rest_v1", "alb_multi"])
def test_a_header_that_came_twice_is_one_list(name: str) -> None:
    """By the standard; the platform's single-valued form keeps the last one only."""
    assert came(golden(name), None).headers["baggage"] == "tenant=acme,svcgov.colour=blue"


@pytest.mark.parametrize("name", ["authorizer_v1", "authorizer_v2"])
def test_an_authorizer_is_asked_and_answers_otherwise(name: str) -> None:
    """It carries what the request carries; a refusal cannot be written as an answer of its kind."""
    arrived = came(golden(name), None)
    assert (arrived.trigger, arrived.form, arrived.method, arrived.path) == ("authorizer", "", "POST", "/orders/7")
    assert arrived.headers["x-svcgov-colour"] == "blue"
    assert left_of({**golden(name), "headers": SOON}, None) == 1.5
    assert status_of(arrived, {"statusCode": 200}) is None


@pytest.mark.parametrize("headers", [None, [], "x", {1: "a"}, {"a": None}, {"a": ["b"]}])
def test_headers_that_are_none(headers: Any) -> None:
    """A request without any, or with something else in their place, is still a request."""
    arrived = came({**http(), "headers": headers}, None)
    assert (arrived.trigger, arrived.headers) == ("http", {})


@pytest.mark.parametrize("many", [None, [], {1: ["a"]}, {"a": "b"}, {"a": []}, {"a": [1]}])
def test_headers_of_many_values_that_are_none(many: Any) -> None:
    """The others stand."""
    assert came({**golden("rest_v1"), "multiValueHeaders": many}, None).headers["host"].startswith("a1b2c3d4e5.")


# -- other calls ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        ["a"],
        "text",
        7,
        {},
        {"version": "2.0"},
        {"version": "2.0", "requestContext": {"http": "no"}},
        {"version": "1.0", "requestContext": {"stage": "prod"}, "httpMethod": None},
        {"httpMethod": "GET"},
        {"Records": []},
        {"Records": ["a"]},
        {"detail-type": "OrderPlaced"},
    ],
)
def test_anything_else_is_a_direct_call(event: Any) -> None:
    """It carries nothing that we know of."""
    assert said(came(event, None)) == said(NOTHING)
    assert left_of(event, None) is None


CARRIED = {"Traceparent": TRACE, "x-svcgov-colour": "blue", "n": 7}


@pytest.mark.parametrize("client", [SimpleNamespace(custom=CARRIED), {"custom": CARRIED}])
def test_a_direct_caller_may_give_a_carrier_along(client: Any) -> None:
    """In its client context, which the platform gives as an object."""
    arrived = came({"order": 7}, Context(client=client))
    assert (arrived.trigger, arrived.headers) == ("direct", {"traceparent": TRACE, "x-svcgov-colour": "blue"})


@pytest.mark.parametrize("client", [SimpleNamespace(custom=SOON), {"custom": SOON}])
def test_a_direct_caller_may_say_how_long_it_waits(client: Any) -> None:
    """Or the platform does: whichever is tighter."""
    assert left_of({"order": 7}, Context(left=3.0, client=client)) == 1.5
    assert left_of({"order": 7}, Context(left=1.0, client=client)) == 1.0
    assert left_of({}, Context(left=3.0, client=SimpleNamespace(custom=7))) == 3.0


@pytest.mark.parametrize(
    ("name", "where", "header"),
    [
        ("rest_v1", "headers", "X-Request-Deadline-Ms"),
        ("http_v2", "headers", "x-request-deadline-ms"),
        ("alb", "headers", "x-request-deadline-ms"),
        ("alb_multi", "multiValueHeaders", "X-Request-Deadline-Ms"),
    ],
)
def test_a_caller_over_http_says_how_long_it_waits(name: str, where: str, header: str) -> None:
    """In any spelling, and a load balancer may give lists of values."""
    event = golden(name)
    event[where][header] = ["1500"] if where == "multiValueHeaders" else "1500"
    assert left_of(event, Context(left=3.0)) == 1.5
    assert left_of(event, None) == 1.5


@pytest.mark.parametrize("headers", [None, [], "x", {1: "a", "x-request-deadline-ms": 7}])
def test_headers_that_are_none_say_nothing_of_a_deadline(headers: Any) -> None:
    """Whatever stands in their place."""
    assert left_of({**http(), "headers": headers}, Context(left=3.0)) == 3.0
    assert left_of({**golden("rest_v1"), "headers": headers}, Context(left=3.0)) == 3.0


def test_what_the_platform_itself_carries_comes_first() -> None:
    """Newer runtimes take the standard's fields out of the client context, and give them by a method."""
    context = Context(client=SimpleNamespace(custom={"traceparent": "theirs", "x-svcgov-colour": "blue"}))
    context.w3c = lambda: {"traceparent": TRACE, "tracestate": None}  # type: ignore[attr-defined]
    assert came({}, context).headers == {"traceparent": TRACE, "x-svcgov-colour": "blue"}


@pytest.mark.parametrize(
    ("name", "trigger"),
    [
        ("sqs", "sqs"),
        ("sqs_fifo", "sqs"),
        ("sns", "sns"),
        ("sns_in_sqs", "sqs"),
        ("eventbridge", "eventbridge"),
        ("eventbridge_in_sqs", "sqs"),
        ("kinesis", "kinesis"),
        ("dynamodb", "dynamodb"),
        ("s3", "s3"),
    ],
)
def test_records_are_called_by_where_they_come_from(name: str, trigger: str) -> None:
    """Nobody waits for the answer to any of them."""
    arrived = came(golden(name), Context())
    assert (arrived.trigger, arrived.form) == (trigger, "")
    assert left_of(golden(name), Context(left=3.0, client=SimpleNamespace(custom=SOON))) == 3.0


# -- the context ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("left", ["soon", float("nan"), object()])
def test_a_context_that_says_nonsense(left: Any) -> None:
    """Then no deadline is known."""

    class Odd:
        aws_request_id = 7
        client_context = "nothing"

        def get_remaining_time_in_millis(self) -> Any:
            return left

    assert said(came(None, Odd())) == said(NOTHING)
    assert left_of(None, Odd()) is None


def test_a_context_that_raises() -> None:
    """It is asked, and left alone."""

    class Broken:
        @property
        def aws_request_id(self) -> str:
            raise RuntimeError("no")

        def get_remaining_time_in_millis(self) -> int:
            raise RuntimeError("no")

        def w3c(self) -> int:
            raise RuntimeError("no")

    assert said(came(None, Broken())) == said(NOTHING)
    assert left_of(None, Broken()) is None


@given(JSON, JSON, JSON, JSON)
def test_no_event_is_an_error(event: Any, context: Any, headers: Any, method: Any) -> None:
    """Whatever stands in any place."""
    assert came(event, event).trigger == "direct"
    assert left_of(event, event) is None
    shaped = {"version": "2.0", "headers": headers, "requestContext": {"http": {"method": method, "path": method}}}
    assert came(shaped, context).trigger == "http"
    assert left_of(shaped, context) is None
    rest = {"headers": headers, "multiValueHeaders": headers, "httpMethod": "GET", "path": method, "requestContext": {}}
    assert came(rest, context).form == "v1"
    assert left_of(rest, context) is None
    assert came({"Records": [{"eventSource": "aws:sqs", "body": method, "messageAttributes": headers}]}, None).trigger == "sqs"


# -- the answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ({"statusCode": 201}, 201),
        ({"statusCode": "404"}, 404),
        ({"statusCode": None}, None),
        ({"statusCode": "soon"}, None),
        ({"statusCode": "\u00b2\u00b2\u00b2"}, None),
        ({"statusCode": True}, None),
        ({"statusCode": 2.5}, None),
        ({"message": "made an answer of by the platform"}, 200),
        ("text", 200),
        (None, 200),
    ],
)
def test_the_status_that_the_caller_gets(result: Any, status: int | None) -> None:
    """By the platform's rule: without a ``statusCode`` what was returned is the body of a 200."""
    assert status_of(came(http(), None), result) == status


@pytest.mark.parametrize("name", ["rest_v1", "alb"])
def test_where_the_platform_makes_no_answer_of_it_no_status_is_claimed(name: str) -> None:
    """Only the payload format 2.0 has that rule."""
    arrived = came(golden(name), None)
    assert (status_of(arrived, {"statusCode": 201}), status_of(arrived, "text")) == (201, None)


def test_a_direct_call_has_no_status() -> None:
    """Whatever its result looks like."""
    assert status_of(NOTHING, {"statusCode": 500}) is None


def test_an_answer_in_every_form() -> None:
    """A load balancer that gives lists of values takes nothing else."""
    plain = {"statusCode": 503, "headers": dict(FULL.headers), "body": "{}", "isBase64Encoded": False}
    assert written("v1", FULL) == written("v2", FULL) == plain
    assert written("alb", FULL) == {**plain, "statusDescription": "503 Service Unavailable"}
    assert written("alb-multi", FULL) == {
        "statusCode": 503,
        "statusDescription": "503 Service Unavailable",
        "multiValueHeaders": {"content-type": ["application/problem+json"], "retry-after": ["2"]},
        "body": "{}",
        "isBase64Encoded": False,
    }
