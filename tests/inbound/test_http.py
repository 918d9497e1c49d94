"""HTTP functions: what is read of a request of either framework, what they answer, and requests that are none."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from flask import request as current_request
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

import svcgov
from svcgov import Governor, bulkhead, rate_limit
from svcgov.errors import BulkheadFullError
from svcgov.inbound import http
from svcgov.inbound._answers import Answer
from svcgov.testing import ManualClock

from .calling import Called, flask, starlette, told
from .events import SPAN_ID, TRACE_ID
from .making import lines

# -- what is read -----------------------------------------------------------------------------------------------------


def test_the_invocation_is_what_the_request_says(kind: str) -> None:
    """Trace, baggage, colour, deadline, method, path and client, from a request of Flask or of Starlette."""
    called = Called(kind, "http", clock=ManualClock())
    given = called.given(
        traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01",
        Baggage="tenant=acme",
        X_Svcgov_Colour="blue",
        x_request_deadline_ms="2000",
        x_request_id="id-1",
    )
    called(given)
    (here,) = called.seen
    assert (here.platform, here.trigger, here.service) == ("http", "http", "orders")
    assert (here.trace.trace_id, here.baggage, here.colour) == (TRACE_ID, {"tenant": "acme"}, "blue")
    assert (here.deadline, here.request_id, here.client) == (2.0, "id-1", "203.0.113.7")
    assert (here.method, here.path, here.headers["x-svcgov-colour"]) == ("POST", "/orders", "blue")
    assert here.raw is given


def test_a_colour_that_is_not_on_the_list_is_not_taken(kind: str) -> None:
    """Else anybody could choose the canary."""
    called = Called(kind, "http")
    called(called.given(x_svcgov_colour="red"))
    assert called.seen[0].colour is None


def test_the_platform_s_id_is_taken_where_nobody_else_gave_one(kind: str) -> None:
    """The framework gives each execution an id, in a header."""
    called = Called(kind, "http")
    called(called.given(Function_Execution_Id="execution-1"))
    called(called.given(Function_Execution_Id="execution-1", X_Request_Id="id-1"))
    assert [here.request_id for here in called.seen] == ["execution-1", "id-1"]


def test_a_request_from_nowhere_has_no_client() -> None:
    """A server on a socket of the file system does not know one."""
    request = starlette()
    request.scope["client"] = None
    assert http.came(request, None).client == ""
    request = flask()
    request.environ.pop("REMOTE_ADDR")
    assert http.came(type(request)(request.environ), None).client == ""


@pytest.mark.parametrize(
    ("said", "platform", "left"),
    [
        ("", "", None),
        ("2000", "", 2.0),
        ("", "60", 60.0),
        ("2000", "60", 2.0),
        ("90000", "60", 60.0),
        ("2000", "1.5", 2.0),
        ("soon", "\u00b2", None),
        ("", "999999", 999999.0),
        ("", "1000000", None),
        ("", "0", None),
    ],
)
def test_the_deadline_is_the_tighter_one(
    kind: str, said: str, platform: str, left: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller's, or what the platform says that it gives a call, where that is a number of seconds."""
    monkeypatch.setenv("CLOUD_RUN_TIMEOUT_SECONDS", platform)
    called = Called(kind, "http", clock=ManualClock())
    called(called.given(**({"X_Request_Deadline_Ms": said} if said else {})))
    assert called.seen[0].deadline == left


def test_what_the_platform_gives_is_read_once(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the function is decorated: while a process lives it does not change, and to look is not for nothing."""
    monkeypatch.setenv("CLOUD_RUN_TIMEOUT_SECONDS", "60")
    called = Called(kind, "http", clock=ManualClock())
    monkeypatch.setenv("CLOUD_RUN_TIMEOUT_SECONDS", "5")
    called()
    assert called.seen[0].deadline == 60.0


@pytest.mark.parametrize(("key", "other"), [("path", {"path": "/stock"}), ("ip", {"client": "198.51.100.9"})])
def test_a_key_is_read_of_the_request(kind: str, key: Any, other: dict[str, str]) -> None:
    """Each path, and each client, has the limit to itself, whichever framework's request it is."""
    called = Called(kind, "http", policy=rate_limit("1/hour", key=key, clock=ManualClock()), clock=ManualClock())
    make = flask if kind == "sync" else starlette
    answers = [called(make(**more)) for more in ({}, {}, other, other)]
    assert [one if one == "answer" else told(one)[0] for one in answers] == ["answer", 429, "answer", 429]


# -- what is answered -------------------------------------------------------------------------------------------------


class Status(SimpleNamespace):
    """A response of some framework."""


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ("text", 200),
        ({"a": 1}, 200),
        (None, 200),
        (("text", 201), 201),
        (("text", 503, {"retry-after": "1"}), 503),
        (("text", {"x-a": "1"}), 200),
        (("text", True), 200),
        (("text",), 200),
        ((), 200),
        (True, 200),
        (Status(status_code=418), 418),
        (Status(status_code="418 I'm a teapot"), 200),
    ],
)
def test_the_line_says_what_the_caller_gets(kind: str, result: Any, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    """As the frameworks read what a function returns."""
    called = Called(kind, "http")
    called.steps.append(lambda: result)
    assert called() is result
    assert lines(capsys)[0]["status"] == status


def test_flask_takes_the_answer() -> None:
    """As it takes any other that a function returns."""
    app, gate = Flask("shop"), bulkhead(1)
    function = Governor().http(policy=gate)(lambda request: "never")
    app.add_url_rule("/orders", view_func=lambda: function(current_request))
    with gate:
        answer = app.test_client().get("/orders")
    assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
    assert answer.get_json() == {"title": "Service Unavailable", "status": 503, "reason": "full"}


def test_starlette_s_answer_is_a_response_of_its_own() -> None:
    """The framework lets it through as it is."""
    answer = Answer(status=429, title="Too Many Requests", headers={"retry-after": "7"}, body="{}")
    response = http.written("starlette", answer)
    assert isinstance(response, Response)
    assert (response.status_code, response.headers["retry-after"], response.body) == (429, "7", b"{}")


def test_where_starlette_is_not_loaded_nobody_could_read_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """So it is raised: that is somebody's test, with a request of its own making."""
    monkeypatch.delitem(sys.modules, "starlette.responses")
    gate = bulkhead(1)
    called = Called("async", "http", policy=gate)
    request = SimpleNamespace(headers={}, method="GET", scope={"path": "/"})
    with gate, pytest.raises(BulkheadFullError):
        called(request)


# -- strange requests -------------------------------------------------------------------------------------------------

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["path", "client", "grpc-timeout"]), inner),
    max_leaves=6,
)
REQUESTS = ANYTHING | st.dictionaries(
    st.sampled_from(["headers", "method", "path", "remote_addr", "environ", "scope", "url"]), ANYTHING
).map(lambda parts: SimpleNamespace(**parts))
ASYNC = Called("async", "http")
SYNC = Called("sync", "http")


@given(REQUESTS, st.lists(st.sampled_from(["x-request-deadline-ms", "grpc-timeout", "x-request-id"])), ANYTHING)
def test_whatever_stands_in_the_place_of_a_request_the_function_is_called(request: Any, names: list[str], said: Any) -> None:
    """Nothing of ours is raised, whatever it is, and whatever its headers say."""
    if names and isinstance(request, SimpleNamespace):
        request.headers = dict.fromkeys(names, said)
    assert [SYNC(request), ASYNC(request)] == ["answer"] * 2


@given(ANYTHING | st.tuples(ANYTHING, ANYTHING))
def test_whatever_a_function_returns_is_returned(result: Any) -> None:
    """And its status is a number."""
    SYNC.steps.append(lambda: result)
    assert SYNC() is result
    assert isinstance(http.status_of(http.came(flask(), None), result), int)


def test_a_stand_in_of_a_test_has_no_deadline() -> None:
    """Whatever is asked of it, it gives something that is no text."""
    from unittest.mock import MagicMock

    assert http.waits()(MagicMock(), None) is None
    assert SYNC(MagicMock()) == "answer"
    assert asyncio.run(Governor().http(ASYNC.inner)(MagicMock())) == "answer"


def test_a_request_that_cannot_be_read_is_reported_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The call goes on without what came along."""
    called = Called("sync", "http")
    assert [called("no request"), called("no request")] == ["answer"] * 2
    assert called.seen[0].trigger == "unknown"
    assert called.seen[0].trace is not None
    assert capsys.readouterr().err.count("could not be read: AttributeError") == 1


def test_the_package_s_function_is_that_of_the_default_governor(capsys: pytest.CaptureFixture[str]) -> None:
    """``@svcgov.http(service=...)``."""

    @svcgov.http(service="shop")
    def serve(request: Any) -> str:
        return svcgov.current().service

    assert serve(flask()) == "shop"
    assert lines(capsys)[0]["service"] == "shop"
