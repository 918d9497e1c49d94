"""What goes wrong while spans are made: it is said once, and the call goes on."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

import svcgov
from outbound.plain import CLIENTS, Wire
from svcgov import Governor, bulkhead, retry
from svcgov._core._listeners import PROCESS
from svcgov._core._spans import SPANS
from svcgov.telemetry import traces
from svcgov.testing import LambdaContext

from .spanning import PARENT, TRACE_ID, Told

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.extras


class Processor(SpanProcessor):
    """One that raises when a span begins, or when one ends."""

    def __init__(self, when: str) -> None:
        self.when = when

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """A span has begun."""
        if self.when == "start":
            raise RuntimeError("secret")

    def on_end(self, span: Any) -> None:
        """A span has ended."""
        if self.when == "end":
            raise RuntimeError("secret")


def _answered(event: Any, context: Any) -> str:
    return "answer"


def _items() -> Iterator[int]:
    yield from range(3)


def broken(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set a provider whose processor raises."""
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(Processor(when))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)


@pytest.mark.parametrize(("when", "said"), [("start", "a span could not be made"), ("end", "a span could not be ended")])
def test_a_processor_that_raises_is_said_once_and_changes_no_call(
    when: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the class of its error; calls that come in, governed ones and attempts, records and generators."""
    broken(when, monkeypatch)
    governor = Governor(service="shop")
    plain = CLIENTS[0]
    wire = Wire(503, 200)
    client = plain.governed(wire, retry(attempts=2, backoff=0, budget=None), target=None)

    items: Any = bulkhead(1)(_items)

    def handle(event: Any, context: Any) -> Any:
        plain.ask(client)
        for item in governor.batch(event):
            with item:
                assert svcgov.current().trigger == "sqs"
        return list(items())

    handler: Any = governor.handler(handle)
    event = {"Records": [{"eventSource": "aws:sqs", "messageId": "1", "body": "x"}]}
    assert [handler(event, LambdaContext()) for _ in range(2)] == [[0, 1, 2]] * 2
    assert len(wire.seen) == 3
    printed = capsys.readouterr().err
    assert printed.count(f"{said}: RuntimeError") == 1
    assert "secret" not in printed
    assert not trace.get_current_span().get_span_context().is_valid


def test_where_no_span_can_be_made_the_trace_goes_on_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """As without a provider."""
    broken("start", monkeypatch)
    seen: list[Any] = []
    inside: Any = lambda event, context: seen.append(svcgov.current().trace)  # noqa: E731  # it has no name to tell
    handler = Governor(service="shop").handler()(inside)
    event = {"version": "2.0", "requestContext": {"http": {}}, "headers": {"traceparent": PARENT}}
    handler(event, LambdaContext())
    assert seen[0].trace_id == TRACE_ID


@pytest.mark.parametrize("provider", [trace.NoOpTracerProvider(), trace.ProxyTracerProvider()])
def test_a_provider_that_does_not_record_is_none(provider: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is nested for it."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    handler: Any = Governor(service="shop").handler()(_answered)
    assert handler({}, LambdaContext()) == "answer"
    assert (SPANS.tracer, SPANS.nested) == (None, False)


def test_a_provider_that_gives_no_tracer_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And asked no more."""

    class Provider:
        asked = 0

        def get_tracer(self, *args: Any) -> Any:
            type(self).asked += 1
            raise RuntimeError("secret")

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", Provider())
    handler: Any = Governor(service="shop").handler()(_answered)
    assert [handler({}, LambdaContext()) for _ in range(3)] == ["answer"] * 3
    assert Provider.asked == 1
    assert capsys.readouterr().err.count("a provider of spans gave no tracer: RuntimeError (said once)") == 1


def test_another_provider_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its next call; a fact is an event once."""
    first = Told(monkeypatch)
    handler: Any = Governor(service="shop").handler(policy=bulkhead(1))(_answered)
    handler({}, LambdaContext())
    second = Told(monkeypatch)
    handler({}, LambdaContext())
    assert first.kinds == second.kinds == ["INTERNAL", "SERVER"]
    assert len([ear for ear, _ in PROCESS._ears if isinstance(getattr(ear, "__self__", None), traces.Traces)]) == 1


def test_an_event_that_cannot_be_noted_changes_no_call(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    """A span may be anybody's."""

    class Span(trace.NonRecordingSpan):
        def is_recording(self) -> bool:
            return True

        def add_event(self, *args: Any, **more: Any) -> None:
            raise RuntimeError("secret")

    traces.begin()
    pool = bulkhead(1)
    with trace.use_span(Span(trace.SpanContext(1, 2, is_remote=False))), pool, pytest.raises(svcgov.errors.RejectedError), pool:
        pass
    assert "a listener of CallRefused raised" in capsys.readouterr().err


def test_a_context_that_breaks_between_two_steps_is_said_once(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The generator goes on."""
    traces.begin()

    made: Any = bulkhead(1)(_items)()
    assert copy_context().run(next, made) == 0
    monkeypatch.setattr("svcgov.telemetry._span_open.context.attach", lambda *_: 1 / 0)
    monkeypatch.setattr("svcgov.telemetry._span_open.put_back", lambda *_: 1 / 0)
    assert copy_context().run(list, made) == [1, 2]
    assert capsys.readouterr().err.count("a span could not be resumed: ZeroDivisionError") == 1


def test_a_span_that_cannot_be_left_is_said_once(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As above."""
    traces.begin()

    made: Any = bulkhead(1)(_items)()
    monkeypatch.setattr("svcgov.telemetry._span_open.put_back", lambda *_: 1 / 0)
    assert copy_context().run(next, made) == 0
    copy_context().run(made.close)
    assert capsys.readouterr().err.count("a span could not be left: ZeroDivisionError") == 1
