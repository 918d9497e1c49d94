"""Spans of governed calls: one for each, with what its policies did as events. Sync and async."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace

from svcgov import Pipeline, bulkhead, circuit_breaker, override, rate_limit, retry, timeout
from svcgov._core._context import DEADLINE
from svcgov._core._spans import SPANS
from svcgov.errors import (
    BulkheadFullError,
    CallTimeoutError,
    CircuitOpenError,
    ConfigError,
    DeadlineExceededError,
    TimeoutWarning,
)
from svcgov.telemetry import traces
from svcgov.testing import ManualClock

from .spanning import events, failed, ids, parent, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from _worlds import World

    from .spanning import Told

pytestmark = pytest.mark.extras


@pytest.fixture(autouse=True)
def _begun(told: Told) -> None:
    """As in a program that has no way in."""
    traces.begin()


def again(world: World, **options: Any) -> Any:
    """A retry that does not wait."""
    return retry(**{"attempts": 3, "backoff": 0, "on": ConnectionError, "budget": None, "clock": world.clock, **options})


def told_by(told: Told) -> list[str]:
    """The names of what has happened in the only span."""
    return [name for name, _ in events(told.one("INTERNAL"))]


def test_a_governed_call_is_a_span_by_the_name_of_its_pipeline(
    world: World, told: Told, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says how it ended, and is current inside; nothing goes wrong with it."""
    seen: list[Any] = []
    call = world.governed(
        Pipeline(again(world), name="payments"), lambda *_: seen.append(ids(trace.get_current_span())), "charged"
    )
    call()
    span = told.one("INTERNAL")
    assert (span.name, said(span), failed(span), events(span)) == ("payments", {"svcgov.outcome": "ok"}, False, [])
    assert seen == [ids(span)]
    assert not trace.get_current_span().get_span_context().is_valid
    assert capsys.readouterr().err == ""


def test_each_retry_is_an_event_and_the_end_another(world: World, told: Told) -> None:
    """Without the message of any error."""
    call = world.governed(again(world), ConnectionError("secret"))
    call.fails(ConnectionError)
    span = told.one("INTERNAL")
    assert told_by(told) == ["svcgov.retry_scheduled", "svcgov.retry_scheduled", "svcgov.retry_ended"]
    assert events(span)[0][1] == {"svcgov.policy": "retry", "svcgov.attempt": 1, "svcgov.delay": 0.0}
    assert events(span)[2][1] == {"svcgov.policy": "retry", "svcgov.attempts": 3, "svcgov.cause": "attempts"}
    assert (said(span), failed(span)) == ({"svcgov.outcome": "raised", "error.type": "ConnectionError"}, True)
    assert "secret" not in span.to_json()


def test_a_circuit_that_opens_says_so_in_the_call_that_opened_it(world: World, told: Told) -> None:
    """And the next one is refused."""
    breaker = circuit_breaker("orders", consecutive_failures=1, clock=world.clock)
    call = world.governed(breaker, ConnectionError())
    call.fails(ConnectionError)
    call.fails(CircuitOpenError)
    first, second = told.of("INTERNAL")
    ((name, change),) = events(first)
    assert (name, change["svcgov.before"], change["svcgov.after"]) == ("svcgov.circuit_changed", "closed", "open")
    ((name, refusal),) = events(second)
    assert (name, refusal["svcgov.reason"]) == ("svcgov.call_refused", "open")
    assert said(second)["svcgov.outcome"] == "refused"


def test_a_call_that_came_late_says_so(told: Told) -> None:
    """It was not cut off, and has its result."""
    clock = ManualClock()
    with pytest.warns(TimeoutWarning):
        timeout(1.0, clock=clock)(lambda: clock.advance(2.0))()
    late = {"svcgov.policy": "timeout", "svcgov.seconds": 1.0, "svcgov.late": True}
    assert ("svcgov.timed_out", late) in events(told.one("INTERNAL"))
    assert said(told.one("INTERNAL"))["svcgov.outcome"] == "ok"


def test_a_call_that_was_cut_off_has_timed_out(told: Told) -> None:
    """That is an outcome of its own."""

    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(CallTimeoutError):
        asyncio.run(timeout(0.01)(hang)())
    span = told.one("INTERNAL")
    assert (said(span)["svcgov.outcome"], failed(span)) == ("timed_out", True)
    assert told_by(told) == ["svcgov.timed_out"]


@pytest.mark.parametrize("policy", ["timeout", "bulkhead", "rate_limit", "both"])
def test_what_the_head_would_do_is_done_inside_the_span(world: World, told: Told, policy: str) -> None:
    """The outermost gate and deadline are where they were."""
    made: dict[str, Callable[[], Any]] = {
        "timeout": lambda: timeout(1.0, clock=world.clock),
        "bulkhead": lambda: bulkhead(1, clock=world.clock),
        "rate_limit": lambda: rate_limit("1/hour", burst=1, clock=world.clock),
        "both": lambda: Pipeline(timeout(1.0, clock=world.clock), bulkhead(1, clock=world.clock)),
    }
    call = world.governed(made[policy](), "answer")
    assert call() == "answer"
    assert (call.seen[0].deadline is None) == (policy in ("bulkhead", "rate_limit"))
    assert told.kinds == ["INTERNAL"]


def test_spans_nest_as_calls_do(world: World, told: Told) -> None:
    """One in the other, in one trace."""
    inner = world.governed(Pipeline(bulkhead(1), name="inner"), "answer")
    outer = Pipeline(bulkhead(1), name="outer")
    if world.name == "sync":
        assert outer(inner.function)() == "answer"  # fused: one call, one span
        assert told.kinds == ["INTERNAL"]
        return

    @outer
    async def call() -> Any:
        return await inner.function()

    assert asyncio.run(call()) == "answer"
    first, second = told.spans
    assert (first.name, second.name, parent(first)) == ("inner", "outer", ids(second)[1])


def test_functions_without_policies_have_no_span(world: World, told: Told) -> None:
    """There is nothing to tell of them."""
    assert world.governed(Pipeline(), "answer")() == "answer"
    assert told.spans == []


def test_a_call_that_came_too_late_has_not_begun(world: World, told: Told) -> None:
    """Its caller waits no more: the head has refused it."""
    call = world.governed(bulkhead(1, clock=world.clock), "answer")
    token = DEADLINE.set(world.clock.monotonic() - 1.0)
    call.fails(DeadlineExceededError)
    DEADLINE.reset(token)
    assert (call.count, told.spans) == (0, [])


def test_what_is_called_through_a_pipeline_is_a_span_by_its_name(told: Told) -> None:
    """Of either kind."""
    pipeline = Pipeline(bulkhead(1), name="payments")

    async def charge() -> str:
        return "charged"

    assert pipeline.call(str, 7) == "7"
    assert asyncio.run(pipeline.acall(charge)) == "charged"
    assert [(span.name, span.kind.name) for span in told.spans] == [("payments", "INTERNAL")] * 2


def test_overrides_go_on(world: World, told: Told) -> None:
    """Both frames are there, whichever came first."""
    call = world.governed(again(world), ConnectionError())
    with override(retry={"attempts": 1}):
        call.fails(ConnectionError)
    assert call.count == 1
    assert told.kinds == ["INTERNAL"]


def test_functions_that_were_there_before_have_spans_from_then_on(world: World, told: Told) -> None:
    """And none again, once nobody traces."""
    SPANS.forget()
    call = world.governed(bulkhead(1), "answer")
    call()
    assert told.spans == []
    traces.begin()
    call()
    assert told.kinds == ["INTERNAL"]
    SPANS.forget()
    call()
    assert told.kinds == ["INTERNAL"]


def test_a_provider_may_come_late(world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has asked for spans is not told to wait for it."""
    SPANS.forget()
    provider = told.provider
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    traces.begin()
    call = world.governed(bulkhead(1), "answer")
    call()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    call()
    assert told.kinds == ["INTERNAL"]


def test_it_is_off_where_the_variable_says_so(world: World, told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """One switch for all."""
    SPANS.forget()
    monkeypatch.setenv("SVCGOV_TRACES", "off")
    traces.begin()
    world.governed(bulkhead(1), "answer")()
    assert told.spans == []


def test_another_word_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what is expected."""
    monkeypatch.setenv("SVCGOV_TRACES", "jaeger")
    with pytest.raises(ConfigError, match="SVCGOV_TRACES: expected one of otel, off, got 'jaeger'"):
        traces.begin()


def test_two_threads_that_find_a_provider_note_everything_once(told: Told) -> None:
    """The tracer that has lost is not heard of again."""
    lost = traces.tracer_of(told.provider)
    assert lost is not None
    pool = bulkhead(1)
    with pool, pytest.raises(BulkheadFullError):
        pool(dict)()
    assert told_by(told) == ["svcgov.call_refused"]
    lost.stop()


def test_what_happens_in_a_block_is_an_event_on_the_span_around_it(told: Told) -> None:
    """A block is no call: it has no span of its own."""
    pool = bulkhead(1)
    with told.provider.get_tracer("tests").start_as_current_span("work"), pool, pytest.raises(BulkheadFullError), pool:
        pass
    assert told_by(told) == ["svcgov.call_refused"]


def test_a_cancelled_call_ends_its_span_and_leaves_the_context(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    """It is nobody's failure."""

    async def hang() -> None:
        await asyncio.Event().wait()

    governed = bulkhead(1)(hang)

    async def run() -> bool:
        task = asyncio.create_task(governed())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return trace.get_current_span().get_span_context().is_valid

    assert asyncio.run(run()) is False
    span = told.one("INTERNAL")
    assert (said(span), failed(span)) == ({"svcgov.outcome": "left"}, False)
    assert capsys.readouterr().err == ""


def test_a_coroutine_that_is_thrown_away_ends_its_span(told: Told) -> None:
    """In whatever context that is, which is left alone."""

    async def hang() -> None:
        await asyncio.Event().wait()

    async def run() -> None:
        made = bulkhead(1)(hang)()
        Context().run(made.send, None)
        before = context.get_current()
        made.close()
        assert context.get_current() == before

    asyncio.run(run())
    assert said(told.one("INTERNAL"))["svcgov.outcome"] == "left"


def test_a_call_on_a_worker_thread_is_in_the_span(told: Told) -> None:
    """The thread has a copy of the context."""
    seen: list[Any] = []
    timeout(9.0, enforce="thread")(lambda: seen.append(ids(trace.get_current_span())))()
    assert seen == [ids(told.one("INTERNAL"))]
