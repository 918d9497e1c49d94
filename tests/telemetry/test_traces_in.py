"""Spans of calls that come in: one for each, whose ids are those of the log and of what goes out."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import svcgov
from svcgov import Governor
from svcgov.errors import BulkheadFullError
from svcgov.propagation._carrier import outgoing
from svcgov.testing import LambdaContext

from .spanning import PARENT, SPAN_ID, TRACE_ID, Told, events, failed, ids, parent, said

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.extras

HTTP = {"version": "2.0", "rawPath": "/orders/7", "requestContext": {"http": {"method": "GET", "path": "/orders/7"}}}


def event(**headers: str) -> dict[str, Any]:
    """A request to a function behind an HTTP API."""
    return {**HTTP, "rawQueryString": "token=secret", "headers": {"authorization": "secret", **headers}}


def handler(kind: str, inside: Callable[[], Any], **options: Any) -> Any:
    """A handler of either kind that does *inside*."""

    async def later(event: Any, context: Any) -> Any:
        await asyncio.sleep(0)
        return inside()

    governor = Governor(service="shop", colours=["blue"])
    return governor.handler(**options)((lambda event, context: inside()) if kind == "sync" else later)


def here() -> tuple[str, str]:
    """Where the call stands, by our own account."""
    stands = svcgov.current().trace
    assert stands is not None
    return stands.trace_id, stands.span_id


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Plain functions, then coroutine functions."""
    known: str = request.param
    return known


def test_a_request_is_a_server_span_in_the_trace_of_its_sender(told: Told, kind: str) -> None:
    """It says what was called, by whom it was triggered and how it ended; no query, no header."""
    handler(kind, lambda: {"statusCode": 201})(event(traceparent=PARENT, **{"x-svcgov-colour": "blue"}), LambdaContext())
    span = told.one("SERVER")
    assert (ids(span)[0], parent(span)) == (TRACE_ID, SPAN_ID)
    assert span.name.startswith("GET ")
    invocation_id = said(span).pop("faas.invocation_id")
    assert invocation_id
    assert said(span) == {
        "faas.trigger": "http",
        "faas.coldstart": True,
        "faas.invocation_id": invocation_id,
        "http.request.method": "GET",
        "url.path": "/orders/7",
        "http.response.status_code": 201,
        "svcgov.colour": "blue",
    }
    assert not failed(span)
    assert "secret" not in span.to_json()


def test_the_log_the_invocation_and_what_goes_out_stand_where_the_span_does(
    told: Told, kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One pair of ids, whoever tells it; and it is the current span of OpenTelemetry's."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    seen: list[Any] = []

    def inside() -> None:
        seen.extend([here(), ids(trace.get_current_span()), outgoing(0.0, ours=False)["traceparent"]])

    handler(kind, inside)(event(traceparent=PARENT), LambdaContext())
    trace_id, span_id = ids(told.one("SERVER"))
    line = json.loads(capsys.readouterr().out)
    assert seen == [(trace_id, span_id), (trace_id, span_id), f"00-{trace_id}-{span_id}-01"]
    assert (line["trace_id"], line["span_id"]) == (trace_id, span_id)


def test_after_the_call_nothing_is_current(told: Told, kind: str) -> None:
    """Neither the span, nor what the function has attached and left there."""

    def inside() -> None:
        context.attach(baggage.set_baggage("left", "behind"))

    before = context.get_current()
    handler(kind, inside)(event(), LambdaContext())
    assert context.get_current() == before
    assert not trace.get_current_span().get_span_context().is_valid


def test_only_the_first_call_is_cold(told: Told, kind: str) -> None:
    """As the log says."""
    run = handler(kind, dict)
    for _ in range(2):
        run(event(), LambdaContext())
    assert [said(span)["faas.coldstart"] for span in told.of("SERVER")] == [True, False]


@pytest.mark.parametrize("status", [500, 503])
def test_an_answer_that_says_it_failed_is_a_failed_span(told: Told, kind: str, status: int) -> None:
    """Its type is the status."""
    handler(kind, lambda: {"statusCode": status})(event(), LambdaContext())
    span = told.one("SERVER")
    assert (failed(span), said(span)["error.type"]) == (True, str(status))


def test_an_error_is_told_by_its_class(told: Told, kind: str) -> None:
    """Its message may hold secrets."""

    def inside() -> None:
        raise LookupError("secret")

    with pytest.raises(LookupError):
        handler(kind, inside)(event(), LambdaContext())
    span = told.one("SERVER")
    assert (failed(span), said(span)["error.type"]) == (True, "LookupError")
    assert "secret" not in span.to_json()


def test_who_is_cancelled_has_not_failed(told: Told, kind: str) -> None:
    """Only an Exception is a verdict; its span has ended all the same."""

    def inside() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handler(kind, inside)(event(), LambdaContext())
    assert not failed(told.one("SERVER"))


def test_a_refusal_is_an_event_and_the_status_of_its_answer(told: Told, kind: str) -> None:
    """The event is on the span of the governed call, which is a child of the request's."""
    pool = svcgov.bulkhead(1, name="pool")
    run = handler(kind, dict, policy=pool)
    with pool:
        assert run(event(), LambdaContext())["statusCode"] == 503
    inner, outer = told.spans
    assert (inner.kind.name, outer.kind.name, parent(inner)) == ("INTERNAL", "SERVER", ids(outer)[1])
    assert [(name, told["svcgov.reason"], told["svcgov.policy"]) for name, told in events(inner)] == [
        ("svcgov.call_refused", "full", "pool")
    ]
    assert (said(outer)["http.response.status_code"], said(outer)["error.type"]) == (
        503,
        f"{BulkheadFullError.__module__}.BulkheadFullError",
    )


def test_a_refusal_that_is_answered_below_500_is_no_failure(told: Told, kind: str) -> None:
    """Whoever asked too often has done so: the conventions have no failed server there."""
    run = handler(kind, dict, policy=svcgov.rate_limit("1/hour"))
    assert [run(event(), LambdaContext()).get("statusCode") for _ in range(2)] == [None, 429]
    _, refused = told.of("SERVER")
    assert (said(refused)["http.response.status_code"], failed(refused)) == (429, False)
    assert "error.type" not in said(refused)


def test_a_call_in_a_span_of_its_server_has_none_of_ours(told: Told, kind: str) -> None:
    """Whoever has read the headers before us records this call; what happens is an event on that."""
    pool = svcgov.bulkhead(1)
    run = handler(kind, here, policy=pool)
    tracer = told.provider.get_tracer("platform")
    with tracer.start_as_current_span("request", kind=trace.SpanKind.SERVER) as outer:
        assert run(event(traceparent=PARENT), LambdaContext()) == ids(outer)
    assert told.kinds == ["INTERNAL", "SERVER"]


def test_a_call_in_any_other_span_is_its_child(told: Told, kind: str) -> None:
    """A test that calls a handler, say: what is in the headers is older."""
    tracer = told.provider.get_tracer("tests")
    with tracer.start_as_current_span("test") as outer:
        handler(kind, dict)(event(traceparent=PARENT), LambdaContext())
    span = told.one("SERVER")
    assert (ids(span)[0], parent(span)) == ids(outer)


def test_what_is_not_sampled_is_one_trace_all_the_same(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The flag goes along, and nothing is told."""
    told = Told(monkeypatch, sampler=ALWAYS_OFF)
    out = handler(kind, lambda: outgoing(0.0, ours=False)["traceparent"])(event(traceparent=PARENT), LambdaContext())
    assert (out[:35], out[-3:]) == (PARENT[:35], "-00")
    assert told.spans == []


def test_a_direct_call_has_no_words_of_http(told: Told, kind: str) -> None:
    """Its name is that of the function."""
    handler(kind, dict)({"order": 7}, LambdaContext())
    span = told.one("SERVER")
    assert said(span)["faas.trigger"] == "other"
    assert not {name for name in said(span) if name.startswith(("http.", "url.", "messaging."))}


def test_the_baggage_of_the_sender_is_that_of_the_context(told: Told, kind: str) -> None:
    """As OpenTelemetry's propagators read it."""
    run = handler(kind, lambda: baggage.get_baggage("tenant"))
    assert run(event(baggage="tenant=acme"), LambdaContext()) == "acme"


def test_it_is_off_where_the_variable_says_so(told: Told, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider is not looked for."""
    monkeypatch.setenv("SVCGOV_TRACES", "off")
    assert handler(kind, here, policy=svcgov.bulkhead(1))(event(traceparent=PARENT), LambdaContext())[0] == TRACE_ID
    assert told.spans == []
