"""Functions that a framework calls: governed on either way in, sync and async, and otherwise what they were."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
from types import FunctionType
from typing import Any

import pytest

import svcgov
from svcgov import Governor, Pipeline, bulkhead, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, CallTimeoutError, ConfigError, DeadlineExceededError, RateLimitedError
from svcgov.inbound import _arrival
from svcgov.testing import ManualClock

from .calling import Called, Event, flask, told
from .making import lines, raising

MINE: contextvars.ContextVar[str] = contextvars.ContextVar("MINE", default="nothing")


@pytest.fixture(params=["http", "cloud_event"])
def way(request: pytest.FixtureRequest) -> str:
    """Functions of requests, then functions of events."""
    way: str = request.param
    return way


def outcome(called: Called) -> Any:
    """The status of an answer over HTTP; the class of what an event's function raises."""
    if called.way == "http":
        return told(called())[0]
    with pytest.raises(svcgov.errors.SvcgovError) as caught:
        called()
    return type(caught.value)


# -- the shape --------------------------------------------------------------------------------------------------------


def test_a_function_stays_what_it_is(kind: str, way: str) -> None:
    """The framework asks for its type, its name and whether it is a coroutine function."""
    called = Called(kind, way)
    assert isinstance(called.function, FunctionType)
    assert (called.function.__name__, called.function.__doc__) == (called.inner.__name__, "Serve it.")
    assert inspect.signature(called.function) == inspect.signature(called.inner)
    assert inspect.iscoroutinefunction(called.function) is (kind == "async")
    assert inspect.unwrap(called.function) is called.inner


def test_a_decorator_may_be_written_without_arguments(way: str) -> None:
    """``@svcgov.http``, as it is read in the documentation."""
    given: list[Any] = []
    getattr(svcgov, way)(given.append)(event := Event())
    assert given == [event]


def test_arguments_reach_the_function(kind: str, way: str) -> None:
    """By position or by name."""
    called = Called(kind, way)
    called.steps.append(lambda: [MINE.get()])
    assert called(called.given(), "more", extra=3) == ["nothing"]
    by_name = getattr(Governor(), way)(lambda *, given, context: (given, context))
    assert by_name(given=1, context=2) == (1, 2)
    assert getattr(Governor(), way)(lambda: "none at all")() == "none at all"


@pytest.mark.parametrize("wrong", [7, "orders", None])
def test_what_is_no_function_is_refused(way: str, wrong: Any) -> None:
    """A word in the place of the function is a forgotten keyword."""
    decorator = getattr(Governor(), way)
    with pytest.raises(TypeError, match=rf"expected a function, got .*did you mean {way}\(service=\.\.\.\)"):
        decorator()(wrong) if wrong is None else decorator(wrong)


def test_a_generator_function_is_refused(way: str) -> None:
    """There is one answer."""

    def pieces(given: Any) -> Any:
        yield given

    async def apieces(given: Any) -> Any:
        yield given

    for function in (pieces, apieces):
        with pytest.raises(TypeError, match=r"pieces is a generator function: .* return it whole"):
            getattr(Governor(), way)(function)


def test_what_is_wrong_names_its_place(way: str) -> None:
    """At decoration."""
    with pytest.raises(ConfigError, match=rf"{way}\.errors: expected one of raise, map, got 'answer'"):
        getattr(Governor(), way)(errors="answer")(print)
    with pytest.raises(ConfigError, match=rf"{way}\.service"):
        getattr(Governor(), way)(service="no good")(print)


# -- the context ------------------------------------------------------------------------------------------------------


def test_the_invocation_is_seen_below_and_gone_after_it(kind: str, way: str) -> None:
    """In the call it is the call's own; after it, also when it failed, what was there before."""
    called = Called(kind, way)
    called.steps += [svcgov.current_attempt, raising(LookupError("mine"))]
    with svcgov.colour("green"):
        before = svcgov.current()
        assert called(called.given(svcgov_colour="blue")) == 1
        with pytest.raises(LookupError):
            called()
        assert svcgov.current() is before
    assert [here.platform for here in called.seen] == [way, way]
    assert [(here.service, here.version) for here in called.seen] == [("orders", "7")] * 2
    assert [here.cold_start for here in called.seen] == [True, False]


def test_calls_in_one_task_see_nothing_of_each_other(way: str) -> None:
    """A coroutine function runs in the context of whoever awaits it: that is as before afterwards."""
    called = Called("async", way)

    async def main() -> None:
        before = svcgov.current()
        await called.function(called.given(svcgovcolour="blue", x_svcgov_colour="blue"))
        assert svcgov.current() is before
        assert svcgov.remaining() is None
        await called.function(called.given())

    asyncio.run(main())
    assert [here.colour for here in called.seen] == ["blue", None]


def test_what_a_plain_function_sets_is_gone_after_it(way: str) -> None:
    """A thread that serves one request after another shows none what another has set."""
    called = Called("sync", way)
    called.steps.append(lambda: MINE.set("of the first"))
    called()
    assert MINE.get() == "nothing"


def test_calls_that_are_under_way_together_do_not_meet(way: str) -> None:
    """Each keeps its own colour while it waits."""
    called = Called("async", way)
    called.steps += [lambda: svcgov.current().colour] * 50

    async def main() -> list[Any]:
        colours = ["blue", "green"] * 25
        given = [called.given(svcgovcolour=colour, x_svcgov_colour=colour) for colour in colours]
        return await asyncio.gather(*map(called.function, given))

    assert asyncio.run(main()) == ["blue", "green"] * 25


def test_a_call_that_is_thrown_away_leaves_others_alone(way: str) -> None:
    """Its coroutine is closed in a context that is not its own."""

    async def hang(given: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        serving = getattr(Governor(), way)(hang)(Event())
        contextvars.copy_context().run(serving.send, None)
        before = svcgov.current()
        serving.close()
        assert svcgov.current() is before

    asyncio.run(main())


# -- the policies -----------------------------------------------------------------------------------------------------


def test_without_policies_there_is_no_pipeline(kind: str, way: str) -> None:
    """The function is called as it is; with policies, or a pipeline that can be asked how it went, through them."""
    assert shells(Called(kind, way)) == set()
    assert shells(Called(kind, way, policy=bulkhead(1))) != set()
    assert shells(Called(kind, way, policy=Pipeline(name="orders"))) != set()


def shells(called: Called) -> set[str]:
    """The frames of the pipeline in a call."""
    called()
    return {room for room in called.rooms[0] if room.startswith("svcgov._shells")}


def test_decorators_below_belong_to_the_same_pipeline(kind: str, way: str) -> None:
    """One head for the function and the policies under it."""
    called = Called(kind, way)
    called.steps += [raising(ConnectionError()), svcgov.current_attempt]
    called.function = getattr(called.governor, way)(retry(on=ConnectionError, backoff=0)(called.inner))
    assert called() == 2


def test_a_refusal_is_the_platform_s_own_answer(kind: str, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Over HTTP a status; an event is raised, to be delivered again. The function is not called, and the line says so."""
    clock = ManualClock()
    called = Called(kind, way, clock=clock, policy=rate_limit("1/minute", clock=clock))
    called()
    assert outcome(called) == (429 if way == "http" else RateLimitedError)
    assert len(called.seen) == 1
    line = lines(capsys)[1]
    assert (line["level"], line["outcome"], line["error"]) == ("warning", "refused", "RateLimitedError")
    assert line.get("status") == (429 if way == "http" else None)


def test_an_answer_says_when_to_come_again(kind: str) -> None:
    """And the reason in one word, as a problem document."""
    clock = ManualClock()
    called = Called(kind, "http", clock=clock, policy=rate_limit("1/minute", clock=clock))
    called()
    status, headers, body = told(called())
    assert (status, headers["retry-after"], headers["content-type"]) == (429, "60", "application/problem+json")
    assert headers["cache-control"] == "no-store"
    assert json.loads(body) == {"title": "Too Many Requests", "status": 429, "reason": "limited"}


def test_a_full_bulkhead_is_an_answer(kind: str, way: str) -> None:
    """Of another status."""
    gate = bulkhead(1)
    called = Called(kind, way, policy=gate)
    with gate:
        assert outcome(called) == (503 if way == "http" else BulkheadFullError)
    assert called() == "answer"


def test_a_call_whose_time_is_over_does_not_begin(
    kind: str, way: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits any more, with policies and without."""
    monkeypatch.setattr(f"svcgov.inbound.{way}.platforms", lambda: 0.0)
    for policy in (None, bulkhead(1)):
        called = Called(kind, way, policy=policy)
        assert outcome(called) == (504 if way == "http" else DeadlineExceededError)
        assert called.seen == []
    assert [line["outcome"] for line in lines(capsys)] == ["refused"] * 2


def refused() -> None:
    """As a call of the function's own that is refused."""
    gate = bulkhead(1, name="payments")
    with gate:
        gate(lambda: None)()


def late() -> None:
    """As a call of the function's own that took too long."""
    raise CallTimeoutError("payments", "attempt", 1.0)


@pytest.mark.parametrize("policy", [None, bulkhead(5)])
def test_a_refusal_of_a_call_inside_is_raised(kind: str, way: str, policy: Any) -> None:
    """It is the author's, whether the function has policies or not."""
    called = Called(kind, way, policy=policy)
    called.steps += [refused, late]
    with pytest.raises(BulkheadFullError):
        called()
    with pytest.raises(CallTimeoutError):
        called()


@pytest.mark.parametrize("policy", [None, bulkhead(5)])
def test_a_refusal_of_a_call_inside_is_answered_by_the_word_of_the_author(kind: str, way: str, policy: Any) -> None:
    """So is a time-out; and where nobody could read an answer, they are raised all the same."""
    called = Called(kind, way, policy=policy, errors="map")
    called.steps += [refused, late, raising(LookupError("mine"))]
    assert outcome(called) == (503 if way == "http" else BulkheadFullError)
    assert outcome(called) == (504 if way == "http" else CallTimeoutError)
    with pytest.raises(LookupError, match="mine"):
        called()


def test_what_a_function_raises_is_raised(kind: str, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The very object; the line tells its class."""
    called, error = Called(kind, way), LookupError("mine")
    called.steps.append(raising(error))
    with pytest.raises(LookupError) as caught:
        called()
    assert caught.value is error
    (line,) = lines(capsys)
    assert (line["outcome"], line["error"], "status" in line) == ("raised", "LookupError", False)


def test_a_coroutine_that_is_cancelled_has_its_line(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As when the connection is gone: that is no refusal, and stays a cancellation."""

    async def hang(given: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        serving = asyncio.create_task(getattr(Governor(), way)(hang)(Event()))
        await asyncio.sleep(0)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(main())
    assert [(line["outcome"], line["error"]) for line in lines(capsys)] == [("raised", "CancelledError")]


def test_a_coroutine_function_is_cancelled_by_its_time_out(way: str) -> None:
    """As any coroutine function is."""

    @getattr(Governor(), way)(policy=timeout(0.02))  # type: ignore[untyped-decorator]  # one of two
    async def hang(given: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(CallTimeoutError):
        asyncio.run(hang(Event()))


# -- our side ---------------------------------------------------------------------------------------------------------


def test_with_the_log_off_nothing_is_looked_at(kind: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody asks."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    looked: list[Any] = []
    monkeypatch.setattr(_arrival, "_look", looked.append)
    called = Called(kind, way)
    called.steps.append(svcgov.remaining)
    assert called(called.given(x_request_deadline_ms="2000")) == (None if way == "cloud_event" else pytest.approx(2, abs=0.5))
    assert looked == []


def test_a_log_that_raises_is_reported_once_and_the_answer_stands(
    kind: str, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Governance never takes the function down."""
    called = Called(kind, way)
    log: Any = called.governor._access_log()
    log.call = raising(OSError("disk full"))
    assert [called(), called()] == ["answer"] * 2
    assert capsys.readouterr().err.count("could not be logged") == 1


def test_an_answer_whose_status_cannot_be_found_out_stands(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What a function returns may be anything."""

    class Odd:
        @property
        def status_code(self) -> int:
            raise OSError("not yet")

    called, answer = Called(kind, "http"), Odd()
    called.steps += [lambda: answer] * 2
    assert [called(), called()] == [answer] * 2
    said = capsys.readouterr()
    assert said.err.count("could not be found out: OSError('not yet')") == 1
    assert [json.loads(line)["outcome"] for line in said.out.splitlines()] == ["ok"] * 2


def test_with_everything_disabled_the_shape_stays(kind: str, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies pass every call through."""
    monkeypatch.setenv("SVCGOV_DISABLED", "1")
    gate = bulkhead(1)
    with pytest.warns(svcgov.errors.ConfigWarning, match="SVCGOV_DISABLED=1"), gate:
        called = Called(kind, way, policy=gate)
        assert called() == "answer"


def test_a_plain_function_may_be_called_with_either_request(capsys: pytest.CaptureFixture[str]) -> None:
    """The asynchronous framework runs plain functions in threads, with requests of its own."""
    called = Called("sync", "http")
    called(flask())
    called(Called("async", "http").given())
    assert [(line["method"], line["path"]) for line in lines(capsys)] == [("POST", "/orders")] * 2
