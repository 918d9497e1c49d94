"""What an event and its context say, and that nothing in them can be an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from svcgov.inbound.aws_lambda import Came, came, status_of

from .events import Context, http

NOTHING = Came(trigger="direct", headers={}, request_id="", left=None)
JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_a_request_by_api_gateway() -> None:
    """Its method, its path without the query, its headers, the id and the time that is left."""
    assert came(http(X_Tenant="acme"), Context(left=2.5, request_id="id-1")) == Came(
        trigger="http",
        headers={"host": "shop.test", "x-tenant": "acme"},
        request_id="id-1",
        left=2.5,
        method="POST",
        path="/orders",
    )


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
        {"version": "1.0"},
    ],
)
def test_anything_else_is_a_direct_call(event: Any) -> None:
    """It carries nothing that we know of."""
    assert came(event, None) == NOTHING


@pytest.mark.parametrize("headers", [None, [], "x", {1: "a"}, {"a": None}, {"a": ["b"]}])
def test_headers_that_are_none(headers: Any) -> None:
    """A request without any, or with something else in their place, is still a request."""
    arrived = came({**http(), "headers": headers}, None)
    assert (arrived.trigger, arrived.headers) == ("http", {})


@pytest.mark.parametrize("left", ["soon", float("nan"), object()])
def test_a_context_that_says_nonsense(left: Any) -> None:
    """Then no deadline is known."""

    class Odd:
        aws_request_id = 7

        def get_remaining_time_in_millis(self) -> Any:
            return left

    assert came(None, Odd()) == NOTHING


def test_a_context_that_raises() -> None:
    """It is asked, and left alone."""

    class Broken:
        @property
        def aws_request_id(self) -> str:
            raise RuntimeError("no")

        def get_remaining_time_in_millis(self) -> int:
            raise RuntimeError("no")

    assert came(None, Broken()) == NOTHING


@given(JSON, JSON, JSON, JSON)
def test_no_event_is_an_error(event: Any, context: Any, headers: Any, method: Any) -> None:
    """Whatever stands in any place."""
    assert came(event, event).trigger in ("http", "direct")
    shaped = {"version": "2.0", "headers": headers, "requestContext": {"http": {"method": method, "path": method}}}
    assert came(shaped, context).trigger == "http"


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ({"statusCode": 201}, 201),
        ({"statusCode": "404"}, 404),
        ({"statusCode": None}, None),
        ({"statusCode": "soon"}, None),
        ({"statusCode": 2.5}, None),
        ({"message": "made an answer of by the platform"}, 200),
        ("text", 200),
        (None, 200),
    ],
)
def test_the_status_that_the_caller_gets(result: Any, status: int | None) -> None:
    """By the platform's rule: without a ``statusCode`` what was returned is the body of a 200."""
    assert status_of(came(http(), None), result) == status


def test_a_direct_call_has_no_status() -> None:
    """Whatever its result looks like."""
    assert status_of(NOTHING, {"statusCode": 500}) is None
