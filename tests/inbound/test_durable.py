"""Durable functions: called again and again until they are done, by an SDK that has a context of its own."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import svcgov
from svcgov import Governor, bulkhead, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, CallTimeoutError
from svcgov.testing import ManualClock

from .events import TRACE_ID, Context, http
from .making import Made, lines


class Left(BaseException):
    """What a fake of the SDK raises to leave."""


class Durable:
    """A fake of the SDK's context, as much of it as is used."""

    def __init__(self, *, replays: Any = False, left: float | None = 3.0, **inner: Any) -> None:
        self.lambda_context = Context(left=left, request_id="id-1", **inner)
        self.replays = replays

    def is_replaying(self) -> Any:
        """Whether it goes over what has been done."""
        return self.replays


def leaves() -> None:
    """A step that leaves."""
    raise Left


# -- what is read -----------------------------------------------------------------------------------------------------


def test_the_platforms_context_is_found_inside(kind: str) -> None:
    """The request id, the time left, and what a direct caller gave along."""
    clock = ManualClock()
    made = Made(kind, clock=clock)
    client = SimpleNamespace(custom={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01", "x-svcgov-colour": "blue"})
    made.handler({"order": 7}, Durable(client=client))
    (seen,) = made.seen
    assert (seen.request_id, seen.deadline, seen.trigger, seen.colour) == ("id-1", 3.0, "direct", "blue")
    assert seen.trace.trace_id == TRACE_ID


@pytest.mark.parametrize("replays", [False, True])
def test_the_deadline_is_that_of_this_invocation(kind: str, replays: bool) -> None:
    """What the caller said was when the execution began, which may be days ago."""
    made = Made(kind, clock=ManualClock())
    made.handler(http(x_request_deadline_ms="1000"), Durable(left=60.0, replays=replays))
    assert made.seen[0].deadline == 60.0


@pytest.mark.parametrize("inner", [None, 7, SimpleNamespace(), {"aws_request_id": "id-2"}])
def test_what_is_no_context_inside_is_not_taken(kind: str, inner: Any) -> None:
    """The event is handled all the same."""
    made = Made(kind)
    made.handler({}, SimpleNamespace(lambda_context=inner, aws_request_id="id-3"))
    assert (made.seen[0].request_id, made.seen[0].deadline) == ("id-3", None)


def test_a_context_of_the_platform_is_never_looked_into(kind: str) -> None:
    """Whatever else somebody has put there."""
    context: Any = Context(request_id="id-4")
    context.lambda_context = Context(request_id="id-5", left=1.0)
    made = Made(kind, clock=ManualClock())
    made.handler({}, context)
    assert (made.seen[0].request_id, made.seen[0].deadline) == ("id-4", 3.0)


# -- the log ----------------------------------------------------------------------------------------------------------


def test_an_execution_has_one_line_when_it_ends(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """However often it leaves and is called again."""
    made = Made(kind)
    made.steps += [leaves, leaves, lambda: "done"]
    for replays in (False, True):
        with pytest.raises(Left):
            made.handler({}, Durable(replays=replays))
    assert lines(capsys) == []
    assert made.handler({}, Durable(replays=True)) == "done"
    (line,) = lines(capsys)
    assert (line["outcome"], line["request_id"]) == ("ok", "id-1")


def test_an_error_ends_it(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Only what is no `Exception` means that it goes on."""
    made = Made(kind)

    def wrong() -> None:
        raise LookupError

    made.steps.append(wrong)
    with pytest.raises(LookupError):
        made.handler({}, Durable())
    assert [line["error"] for line in lines(capsys)] == ["LookupError"]


def test_what_leaves_any_other_function_has_its_line(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It will not be called again."""
    made = Made(kind)
    made.steps.append(leaves)
    with pytest.raises(Left):
        made.handler({}, Context())
    assert [line["error"] for line in lines(capsys)] == ["Left"]


# -- the policies -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_name", [False, True])
def test_a_replay_is_not_counted(kind: str, by_name: bool) -> None:
    """It was let in when the execution began: to refuse it now would fail what is half done."""
    limit = rate_limit("1/hour", clock=ManualClock())
    made = Made(kind, policy=limit)

    def call(context: Any) -> Any:
        return made.handler({}, context=context) if by_name else made.handler({}, context)

    made.steps.append(leaves)
    with pytest.raises(Left):
        call(Durable())
    for _ in range(3):
        assert call(Durable(replays=True)) == {}
    with pytest.raises(svcgov.errors.RateLimitedError):
        call(Durable())


def test_a_replay_does_not_pass_the_gates_under_the_handler(kind: str) -> None:
    """They are those of the same pipeline."""
    gate = bulkhead(1)
    governor = Governor()

    def plain(event: Any, context: Any) -> str:
        return "done"

    async def later(event: Any, context: Any) -> str:
        return "done"

    handler: Any = governor.handler(retry(on=Left, attempts=2)(gate(plain if kind == "sync" else later)))
    with gate:
        assert handler({}, Durable(replays=True)) == "done"
        with pytest.raises(BulkheadFullError):
            handler({}, Durable())


def test_a_replay_still_has_its_time_out() -> None:
    """How long it may take is counted from the beginning of this invocation."""
    clock = ManualClock()
    seen: list[float | None] = []

    @Governor(clock=clock).handler(policy=[timeout(2.0, clock=clock), bulkhead(1, clock=clock)])
    async def handler(event: Any, context: Any) -> None:
        seen.append(svcgov.current().deadline)
        clock.advance(2.0)
        import asyncio

        await asyncio.Event().wait()

    with pytest.raises(CallTimeoutError) as caught:
        handler({}, Durable(replays=True))
    assert (caught.value.reason, seen) == ("total", [3.0])


@pytest.mark.parametrize("answer", [None, 0, "yes", SimpleNamespace()])
def test_only_a_plain_yes_is_a_replay(kind: str, answer: Any) -> None:
    """A double of a context that says yes to everything passes the policies."""
    gate = bulkhead(1)
    made = Made(kind, policy=gate)
    with gate, pytest.raises(BulkheadFullError):
        made.handler({}, Durable(replays=answer))


def test_leaving_teaches_the_gates_nothing(kind: str) -> None:
    """Its permit is back, and a breaker has not seen a failure."""
    gate, breaker = bulkhead(1), svcgov.circuit_breaker(min_calls=1)
    made = Made(kind, policy=[gate, breaker])
    made.steps.append(leaves)
    with pytest.raises(Left):
        made.handler({}, Durable())
    assert gate.snapshot()["in_use"] == 0
    assert breaker.snapshot()["failed"] == 0
