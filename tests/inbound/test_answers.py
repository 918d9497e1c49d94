"""Refusals on the way in: answers over HTTP, errors for everybody else, and the truth in the log."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Governor, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import (
    BulkheadFullError,
    CallTimeoutError,
    CircuitOpenError,
    ConfigError,
    DeadlineExceededError,
    RateLimitedError,
    RejectedError,
)
from svcgov.inbound._answers import answer_to, on_the_way_in
from svcgov.testing import ManualClock

from .events import Context, golden

if TYPE_CHECKING:
    from collections.abc import Callable

HTTP = ["rest_v1", "http_v2", "function_url", "alb"]


def handling(kind: str, does: Callable[[], Any], **options: Any) -> Any:
    """A handler of this kind that does that."""
    governor = Governor(service="orders", clock=options.pop("clock", None))

    def now(event: Any, context: Any) -> Any:
        return does()

    async def later(event: Any, context: Any) -> Any:
        return does()

    return governor.handler(**options)(now if kind == "sync" else later)


def never() -> Any:
    """What must not be called."""
    raise AssertionError


def line_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The only line of a call."""
    (line,) = [line for line in capsys.readouterr().out.splitlines() if '"svcgov.call"' in line]
    found: dict[str, Any] = json.loads(line)
    return found


def test_a_limit_that_was_not_asked_says_nothing_of_itself() -> None:
    """A call without a key, say, where it must have one."""
    answer = answer_to(RateLimitedError("vip", "denied"), every=True)
    assert answer is not None
    assert [name for name in answer.headers if name.startswith("ratelimit")] == []


@pytest.mark.parametrize("name", HTTP)
def test_a_limit_of_the_handler_answers_429(kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the seconds to wait, rounded up, and a problem document that names no policy."""
    clock = ManualClock()
    handler = handling(kind, lambda: {"statusCode": 200}, clock=clock, policy=rate_limit("1/minute", name="vip", clock=clock))
    assert handler(golden(name), Context()) == {"statusCode": 200}
    capsys.readouterr()
    clock.advance(0.5)
    answer = handler(golden(name), Context())
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (429, False)
    assert answer["headers"] == {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "retry-after": "60",
        "ratelimit-limit": "1",
        "ratelimit-remaining": "0",
        "ratelimit-reset": "60",
    }
    assert json.loads(answer["body"]) == {"title": "Too Many Requests", "status": 429, "reason": "limited"}
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["error"], line["level"]) == ("refused", 429, "RateLimitedError", "warning")


def test_a_load_balancer_with_lists_of_values_is_answered_in_lists(kind: str) -> None:
    """It takes no other form."""
    gate = bulkhead(1)
    handler = handling(kind, never, policy=gate)
    with gate:
        answer = handler(golden("alb_multi"), Context())
    assert (answer["statusCode"], answer["statusDescription"]) == (503, "503 Service Unavailable")
    assert answer["multiValueHeaders"]["content-type"] == ["application/problem+json"]
    assert "headers" not in answer


@pytest.mark.parametrize("name", HTTP)
def test_a_deadline_that_has_passed_answers_504(kind: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The function is not called: nobody waits for it any more."""
    answer = handling(kind, never)(golden(name), Context(left=0.0))
    assert (answer["statusCode"], json.loads(answer["body"])["reason"]) == (504, "expired")
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["error"]) == ("refused", 504, "DeadlineExceededError")


@pytest.mark.parametrize("name", ["sqs", "sns", "eventbridge", "kinesis", "authorizer_v1", "authorizer_v2"])
def test_where_no_caller_could_read_an_answer_a_refusal_is_raised(kind: str, name: str) -> None:
    """A queue delivers again what was refused; an answer would have it deleted."""
    gate = bulkhead(1)
    handler = handling(kind, never, policy=gate, errors="map")
    with gate, pytest.raises(BulkheadFullError):
        handler(golden(name), Context())
    with gate, pytest.raises(BulkheadFullError):
        handler({"order": 7}, Context())


def test_a_direct_caller_may_say_how_long_it_waits(kind: str) -> None:
    """In its client context."""
    client = SimpleNamespace(custom={"x-request-deadline-ms": "0"})
    with pytest.raises(DeadlineExceededError):
        handling(kind, never)({"order": 7}, Context(client=client))


def test_how_long_the_sender_of_a_message_had_is_no_deadline(kind: str) -> None:
    """It has been lying in the queue since."""
    event = golden("sqs")
    del event["Records"][1:]
    event["Records"][0]["messageAttributes"]["x-request-deadline-ms"] = {"dataType": "String", "stringValue": "0"}
    assert handling(kind, lambda: "done")(event, Context()) == "done"


def test_decorators_below_the_handler_are_policies_of_the_way_in(kind: str) -> None:
    """They are one pipeline with the handler's."""
    governor, gate = Governor(), bulkhead(1)
    target: Any = (lambda event, context: never()) if kind == "sync" else _never
    handler: Any = governor.handler(retry(on=LookupError)(gate(target)))
    with gate:
        assert handler(golden("http_v2"), Context())["statusCode"] == 503


async def _never(event: Any, context: Any) -> Any:
    never()


# -- what the author's own calls raise --------------------------------------------------------------------------------


def refused(gate: Any) -> Any:
    """Call a dependency whose bulkhead is full."""
    with gate:
        return gate(lambda: None)()


def test_a_refusal_of_a_call_inside_is_raised(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It is an error like any other; the handler may answer otherwise."""
    gate = bulkhead(1, name="payments")
    with pytest.raises(BulkheadFullError):
        handling(kind, lambda: refused(gate))(golden("http_v2"), Context())
    line = line_of(capsys)
    assert (line["outcome"], line["error"]) == ("refused", "BulkheadFullError")
    assert "status" not in line


def test_map_answers_a_refusal_of_a_call_inside(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """When asked to."""
    gate = bulkhead(1, name="payments")
    answer = handling(kind, lambda: refused(gate), errors="map")(golden("rest_v1"), Context())
    assert answer["statusCode"] == 503
    assert "payments" not in answer["body"]
    assert line_of(capsys)["status"] == 503


def test_map_answers_a_time_out_of_a_call_inside(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Which began, so the line does not say that it was refused."""

    def late() -> Any:
        raise CallTimeoutError("payments", "attempt", 0.5)

    answer = handling(kind, late, errors="map")(golden("http_v2"), Context())
    assert (answer["statusCode"], json.loads(answer["body"])["reason"]) == (504, "attempt")
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["error"]) == ("raised", 504, "CallTimeoutError")
    with pytest.raises(CallTimeoutError):
        handling(kind, late)(golden("http_v2"), Context())


def test_map_leaves_the_author_s_errors(kind: str) -> None:
    """Only what svcgov raises by itself has a status."""

    def broken() -> Any:
        raise LookupError("mine")

    with pytest.raises(LookupError):
        handling(kind, broken, errors="map")(golden("http_v2"), Context())


def test_another_word_for_errors_is_refused() -> None:
    """At decoration."""
    wrong: Any = "answer"
    with pytest.raises(ConfigError, match=r"handler\.errors: expected one of raise, map, got 'answer'"):
        Governor().handler(errors=wrong)(lambda event, context: None)


# -- whose refusal it is ----------------------------------------------------------------------------------------------


def caught(call: Callable[[], Any]) -> RejectedError:
    """What it raises."""
    with pytest.raises(RejectedError) as found:
        call()
    return found.value


def test_a_refusal_of_the_policies_themselves_is_told_from_one_inside() -> None:
    """By whose frames it has passed."""
    gate = bulkhead(1)
    with gate:
        assert on_the_way_in(caught(gate(never)))
    assert not on_the_way_in(caught(bulkhead(1)(lambda: refused(gate))))
    assert not on_the_way_in(caught(lambda: _raise(CircuitOpenError("payments", "open"))))
    assert not on_the_way_in(BulkheadFullError("payments", "full"))


def test_a_refusal_by_a_policy_that_calls_on_a_thread_is_told_too() -> None:
    """The way into the function leads by a worker."""
    gate = bulkhead(1)
    on_thread = timeout(5, enforce="thread")
    with gate:
        assert on_the_way_in(caught(on_thread(gate(never))))
    assert not on_the_way_in(caught(on_thread(lambda: refused(gate))))


def test_a_retry_that_ends_by_its_breaker_raises_the_real_error(kind: str) -> None:
    """So that is what the caller over HTTP gets to see: the function's own failure."""

    def broken() -> Any:
        raise LookupError

    policy = [retry(on=LookupError, backoff=0, budget=None), circuit_breaker(min_calls=1, window=1)]
    with pytest.raises(LookupError):
        handling(kind, broken, policy=policy)(golden("http_v2"), Context())


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    ("retry_after", "header"), [(None, None), (0.0, "0"), (0.02, "1"), (1.0, "1"), (1.001, "2"), (float("inf"), None)]
)
def test_the_seconds_to_wait_are_rounded_up(retry_after: float | None, header: str | None) -> None:
    """A caller that comes back a moment too early is refused again."""
    answer = answer_to(RateLimitedError("orders", "limited", retry_after), every=True)
    assert answer is not None
    assert answer.headers.get("retry-after") == header


def test_a_refusal_with_a_status_of_its_own() -> None:
    """Whoever makes a policy may say which."""

    class Closed(RejectedError):
        status = 451

    answer = answer_to(Closed("orders", "closed"), every=True)
    assert answer is not None
    assert (answer.status, answer.title) == (451, "Refused")
