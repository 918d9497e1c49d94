"""Handlers of events: governed, and otherwise what they were."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from types import FunctionType
from typing import Any

import pytest

import svcgov
from svcgov import Governor, bulkhead, retry, timeout
from svcgov.errors import BulkheadFullError, ConfigError, DeadlineExceededError
from svcgov.outbound.govern import govern
from svcgov.testing import ManualClock

from .events import SPAN_ID, TRACE_ID, Context, http, traced
from .making import Made, raising

# -- the shape --------------------------------------------------------------------------------------------------------


def test_a_handler_stays_a_plain_function_of_the_same_name(kind: str) -> None:
    """Frameworks look at its type, people at its name."""
    handler = Made(kind).handler
    assert type(handler) is FunctionType
    assert handler.__doc__ == "Handle it."
    assert list(inspect.signature(handler).parameters) == ["event", "context"]
    assert not inspect.iscoroutinefunction(handler)


def test_a_handler_may_be_written_without_arguments() -> None:
    """``@svcgov.handler``, as it is read in the documentation."""

    @svcgov.handler
    def handler(event: Any, context: Any) -> str:
        return "answer"

    assert handler({}, None) == "answer"


def test_a_handler_of_other_arguments_gets_them(kind: str) -> None:
    """By position or by name."""

    def plain(event: Any, context: Any = None, *, extra: int = 0) -> Any:
        return event, context, extra

    handler = Governor().handler(plain)
    assert handler({}, extra=3) == ({}, None, 3)
    assert handler(event=1, context=2) == (1, 2, 0)


@pytest.mark.parametrize("event", [{"a": 1}, [1, 2], "text", None, 7, {"version": "2.0", "requestContext": {"http": {}}}])
def test_the_event_may_be_anything(kind: str, event: Any) -> None:
    """It reaches the function as it is, and its answer comes back as it is."""
    made = Made(kind)
    assert made.handler(event, None) is event
    assert made.seen[0].raw is event


def test_what_the_handler_raises_is_raised(kind: str) -> None:
    """The very object."""
    made, error = Made(kind), LookupError("mine")
    made.steps.append(raising(error))
    with pytest.raises(LookupError) as caught:
        made.handler({}, Context())
    assert caught.value is error


def test_decorators_below_belong_to_the_same_pipeline(kind: str) -> None:
    """One head for the handler and the policies under it."""
    made = Made(kind)
    attempts: list[int] = []

    @made.governor.handler
    @retry(on=ConnectionError, backoff=0)
    def handler(event: Any, context: Any) -> str:
        attempts.append(svcgov.current_attempt())
        if len(attempts) < 3:
            raise ConnectionError
        return "answer"

    assert handler({}, None) == "answer"
    assert attempts == [1, 2, 3]


def test_policies_of_the_handler_are_enforced(kind: str) -> None:
    """Refused before the function is called."""
    gate = bulkhead(1)
    made = Made(kind, policy=gate)
    with gate, pytest.raises(BulkheadFullError):
        made.handler({}, None)
    assert made.seen == []
    assert made.handler({}, None) == {}


@pytest.mark.parametrize("wrong", [7, "orders", None])
def test_what_is_no_handler_is_refused(wrong: Any) -> None:
    """A word in the place of the function is a forgotten keyword."""
    handler: Any = Governor().handler
    with pytest.raises(TypeError, match=r"expected a handler, got .*did you mean handler\(service=\.\.\.\)"):
        handler()(wrong) if wrong is None else handler(wrong)


def test_one_governor_one_service() -> None:
    """Another one takes a governor of its own."""
    governor = Governor()
    governor.handler(lambda event, context: None, service="orders")
    governor.handler(lambda event, context: None, service="orders")
    with pytest.raises(ConfigError, match=r"handler\.service: expected orders, .* got 'payments'"):
        governor.handler(lambda event, context: None, service="payments")


# -- what comes along -------------------------------------------------------------------------------------------------


def test_the_invocation_is_seen_below_the_handler(kind: str) -> None:
    """Everything that the event and its context said."""
    made = Made(kind)
    made.handler(traced(x_svcgov_colour="blue", baggage="tenant=acme"), Context(request_id="id-1"))
    seen = made.seen[0]
    assert (seen.platform, seen.service, seen.version, seen.trigger) == ("lambda", "orders", "7", "http")
    assert (seen.colour, seen.request_id, seen.baggage) == ("blue", "id-1", {"tenant": "acme"})
    assert (seen.trace.trace_id, seen.trace.sampled) == (TRACE_ID, True)
    assert seen.trace.span_id != SPAN_ID
    assert seen.headers["host"] == "shop.test"


def test_a_colour_that_is_not_on_the_list_is_not_taken(kind: str) -> None:
    """Else anybody could choose the canary."""
    made = Made(kind)
    made.handler(http(x_svcgov_colour="red"), None)
    assert made.seen[0].colour is None


def test_a_call_without_a_trace_begins_one(kind: str) -> None:
    """A log line of every call can be found by its trace."""
    made = Made(kind)
    made.handler({}, None)
    made.handler({}, None)
    assert made.seen[0].trace.trace_id != made.seen[1].trace.trace_id


def test_the_first_call_of_a_process_is_cold(kind: str) -> None:
    """And no other, whichever handler it comes to."""
    made = Made(kind)
    made.handler({}, None)
    made.handler({}, None)
    assert [one.cold_start for one in made.seen] == [True, False]


@pytest.mark.parametrize(
    ("left", "header", "expected"),
    [(3.0, "", 3.0), (3.0, "1000", 1.0), (0.5, "1000", 0.5), (None, "1000", 1.0), (None, "", None)],
)
def test_the_deadline_is_the_tighter_one(kind: str, left: float | None, header: str, expected: float | None) -> None:
    """The platform's, or the caller's."""
    clock = ManualClock()
    made = Made(kind, clock=clock)
    made.handler(http(x_request_deadline_ms=header), Context(left=left))
    assert made.seen[0].deadline == expected


def test_a_call_whose_deadline_has_passed_does_not_begin(kind: str) -> None:
    """Nobody waits for it any more."""
    made = Made(kind)
    with pytest.raises(DeadlineExceededError):
        made.handler({}, Context(left=0.0))
    assert made.seen == []


def test_the_deadline_reaches_a_governed_client_inside(kind: str) -> None:
    """What is left, less the margin, goes out with the request."""
    import httpx2

    asked: list[int] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(int(request.headers["x-request-deadline-ms"]))
        return httpx2.Response(200)

    client = govern(httpx2.Client(transport=httpx2.MockTransport(answer)), target="payments", pipeline=svcgov.Pipeline())
    made = Made(kind)
    made.steps.append(lambda: client.get("http://payments/").status_code)
    assert made.handler({}, Context(left=2.0)) == 200
    assert 1000 < asked[0] <= 1995


# -- nothing stays ----------------------------------------------------------------------------------------------------

MINE: contextvars.ContextVar[str] = contextvars.ContextVar("MINE", default="nothing")


def test_nothing_of_a_call_is_left_for_the_next_one(kind: str) -> None:
    """Not the colour, not the deadline, not what the function itself has set, also when it raises."""
    made = Made(kind)

    def first() -> None:
        MINE.set("of the first call")
        raise LookupError

    made.steps += [first, lambda: (MINE.get(), svcgov.current().colour, svcgov.remaining(), svcgov.current_attempt())]
    with pytest.raises(LookupError):
        made.handler(traced(x_svcgov_colour="blue"), Context(left=2.0))
    assert svcgov.current().platform == "none"
    assert svcgov.remaining() is None
    assert made.handler({}, None) == ("nothing", None, None, 1)


def test_what_was_set_outside_is_seen_inside(kind: str) -> None:
    """A copy of the context is no empty one."""
    made = Made(kind)
    made.steps.append(MINE.get)
    token = MINE.set("of the module")
    assert made.handler({}, None) == "of the module"
    MINE.reset(token)


# -- the loop of a coroutine handler ----------------------------------------------------------------------------------


def test_the_loop_stays_between_calls() -> None:
    """So connections of an async client can be used again."""
    made = Made("async")
    made.steps += [asyncio.get_running_loop] * 2
    assert made.handler({}, None) is made.handler({}, None)


def test_each_thread_has_a_loop_of_its_own() -> None:
    """Two at a time do not meet on one."""
    from _worlds import in_threads

    made = Made("async")
    made.steps += [asyncio.get_running_loop] * 4
    loops: list[Any] = []
    errors = in_threads(4, lambda number: loops.append(made.handler({}, None)))
    assert errors == []
    assert len(set(map(id, loops))) == 4


def test_inside_a_loop_it_says_what_to_do_instead() -> None:
    """A loop cannot run inside another one; the function below is still there."""
    made = Made("async")

    async def test() -> None:
        with pytest.raises(RuntimeError, match=r"later is a plain function now: .* await its __wrapped__"):
            made.handler({}, None)
        assert await made.handler.__wrapped__({"a": 1}, None) == {"a": 1}

    asyncio.run(test())


def test_a_coroutine_handler_is_cancelled_by_its_time_out() -> None:
    """As any coroutine function is."""
    governor = Governor()

    @governor.handler(policy=timeout(0.02))
    async def handler(event: Any, context: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(svcgov.errors.CallTimeoutError):
        handler({}, None)
