"""Functions of Knative's Python runtime: ``new`` and ``handle``, requests and events, and whether they are ready."""

from __future__ import annotations

import asyncio
import inspect
import json
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import svcgov
from svcgov import Governor, bulkhead, rate_limit, retry
from svcgov.errors import BulkheadFullError, CallTimeoutError, ConfigError
from svcgov.testing import ManualClock

from .calling import Event
from .events import SPAN_ID, TRACE_ID
from .making import lines, raising

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


class Shop:
    """What ``new`` makes, and how the runtime calls it."""

    def __init__(self, does: Callable[[], Any] = lambda: None, **options: Any) -> None:
        self.clock = options.pop("clock", None) or ManualClock()
        self.governor = Governor(service="shop", colours=["blue", "green"], clock=self.clock)
        self.does = does
        self.seen: list[Any] = []
        self.sent: list[Any] = []

        def new() -> Shop:
            """Make it."""
            return self

        async def handle(scope: Any, receive: Any, send: Any) -> None:
            """Handle it."""
            await self.handle(scope, receive, send)

        self.new: Any = self.governor.knative(new, **options)
        self.governed_handle: Any = self.governor.knative(handle, **options)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, or an event by an event."""
        self.seen.append(svcgov.current())
        self.does()
        if "event" in scope:
            await send("answer")
            return
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async def send(self, message: Any) -> None:
        """As a server does."""
        self.sent.append(message)

    def serve(self, handle: Any, send: Any = None, event: Any = None, **headers: str) -> None:
        """One call by the runtime; names of headers with ``_`` for ``-``."""
        pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
        scope = {"type": "http", "method": "POST", "path": "/orders", "headers": pairs, "client": ("203.0.113.7", 4711)}
        asyncio.run(handle(scope if event is None else {**scope, "event": event}, None, send or self.send))


class EventSender:
    """How the runtime sends events: as one document unless something else is said."""

    def __init__(self, shop: Shop) -> None:
        self.sent = shop.sent

    async def __call__(self, event: Any, status: int = 200) -> None:
        await self.structured(event, status)

    async def structured(self, event: Any, status: int = 200) -> None:
        """As one document."""
        self.sent.append(("structured", event, status))

    async def binary(self, event: Any, status: int = 200) -> None:
        """As headers and a body."""
        self.sent.append(("binary", event, status))

    async def http(self, message: Any) -> None:
        """As it is."""
        self.sent.append(message)


@pytest.fixture(params=["new", "handle"])
def form(request: pytest.FixtureRequest) -> str:
    """Both forms of a function."""
    form: str = request.param
    return form


def handle_of(shop: Shop, form: str) -> Any:
    """What the runtime calls."""
    return shop.new().handle if form == "new" else shop.governed_handle


# -- its figures ------------------------------------------------------------------------------------------------------


def test_its_figures_can_be_asked_for(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As those of an application: the function is not called, nothing is counted, no line is written."""
    shop = Shop(metrics="/-")
    handle = handle_of(shop, form)
    shop.serve(handle)
    del shop.sent[:]
    lines(capsys)
    asyncio.run(handle({"type": "http", "method": "GET", "path": "/-/metrics", "headers": []}, None, shop.send))
    assert [shop.sent[0]["status"], len(shop.seen), lines(capsys)] == [200, 1, []]
    (count,) = [line for line in shop.sent[1]["body"].decode().splitlines() if "server_request_duration_seconds_count" in line]
    assert count.endswith(" 1")


def test_an_event_is_no_question(form: str) -> None:
    """Wherever it has been sent to; and without a place for figures, a path is a path."""
    for shop, event in ((Shop(metrics="/-"), Event()), (Shop(), None)):
        scope = {"type": "http", "method": "GET", "path": "/-/metrics", "headers": []}
        asyncio.run(handle_of(shop, form)(scope if event is None else {**scope, "event": event}, None, EventSender(shop)))
        assert len(shop.seen) == 1


def test_a_place_for_figures_is_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an application; a word in the environment gives the usual one."""
    with pytest.raises(ConfigError, match=r"^knative\.metrics"):
        Shop(metrics="figures")
    monkeypatch.setenv("SVCGOV_METRICS", "prometheus")
    shop = Shop()
    asyncio.run(shop.governed_handle({"type": "http", "method": "HEAD", "path": "/-/metrics", "headers": []}, None, shop.send))
    assert (shop.sent[0]["status"], shop.sent[1]["body"], shop.seen) == (200, b"", [])


# -- the shape --------------------------------------------------------------------------------------------------------


def test_the_runtime_finds_both_by_their_names() -> None:
    """They are functions, and ``handle`` still is a coroutine function."""
    shop = Shop()
    assert [type(one) for one in (shop.new, shop.governed_handle)] == [FunctionType] * 2
    assert [one.__name__ for one in (shop.new, shop.governed_handle)] == ["new", "handle"]
    assert (shop.new.__doc__, shop.governed_handle.__doc__) == ("Make it.", "Handle it.")
    assert inspect.iscoroutinefunction(shop.governed_handle)
    assert inspect.iscoroutinefunction(shop.new().handle)


def test_new_gets_its_arguments() -> None:
    """Whatever it has."""

    class Made:
        """A function."""

        def __init__(self, *given: Any, **more: Any) -> None:
            self.given = (given, more)

        async def handle(self, scope: Any, receive: Any, send: Any) -> None:
            """Handle it."""

    def new(*given: Any, **more: Any) -> Made:
        return Made(*given, **more)

    assert svcgov.knative(new)(1, a=2).given == ((1,), {"a": 2})


@pytest.mark.parametrize("name", ["main", "handle", ""])
def test_what_the_runtime_would_not_take_is_refused(name: str) -> None:
    """Another name, or a plain function ``handle``; and what has no name at all."""

    def function() -> None:
        raise AssertionError

    function.__name__ = name
    with pytest.raises(TypeError, match=r"expected a function new\(\) or a coroutine function handle\(scope, receive, send\)"):
        svcgov.knative(function if name else (object()))  # type: ignore[arg-type]  # that is what is tested


def test_what_else_the_object_has_is_reached_as_before() -> None:
    """``start`` and ``stop``, where it has them, and nothing that it has not."""
    shop = Shop()
    made = shop.new()
    assert made.clock is shop.clock
    assert hasattr(made, "governor")
    assert not hasattr(made, "start")
    assert repr(made) == f"<governed {shop!r}>"


def test_a_policy_that_calls_twice_is_refused() -> None:
    """The body of the request is gone."""
    with pytest.raises(ConfigError, match=r"knative\.policy: expected policies that call once"):
        Shop(policy=retry(on=LookupError))


# -- what comes along -------------------------------------------------------------------------------------------------


def test_the_invocation_is_what_the_headers_say(form: str) -> None:
    """Trace, baggage, colour, deadline, and the id of whoever stands in front."""
    shop = Shop()
    shop.serve(
        handle_of(shop, form),
        traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01",
        baggage="tenant=acme",
        x_svcgov_colour="blue",
        x_request_deadline_ms="2000",
        x_request_id="id-1",
    )
    (here,) = shop.seen
    assert (here.platform, here.trigger, here.service) == ("knative", "http", "shop")
    assert (here.trace.trace_id, here.baggage, here.colour) == (TRACE_ID, {"tenant": "acme"}, "blue")
    assert (here.deadline, here.request_id, here.client) == (2.0, "id-1", "203.0.113.7")
    assert (here.method, here.path) == ("POST", "/orders")
    assert svcgov.current().platform == "none"


def test_an_event_says_what_the_request_does_not(form: str) -> None:
    """The request comes first: it says where the event was last."""
    shop = Shop()
    event = Event(traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01", svcgovcolour="blue", baggage="tenant=acme")
    shop.serve(handle_of(shop, form), EventSender(shop), event)
    shop.serve(
        handle_of(shop, form),
        EventSender(shop),
        event,
        traceparent=f"00-{OTHER_ID}-{SPAN_ID}-01",
        x_svcgov_colour="green",
    )
    assert [here.trigger for here in shop.seen] == ["cloudevent"] * 2
    assert [here.trace.trace_id for here in shop.seen] == [TRACE_ID, OTHER_ID]
    assert [here.colour for here in shop.seen] == ["blue", "green"]
    assert [here.baggage for here in shop.seen] == [{"tenant": "acme"}] * 2


@given(st.none() | st.text() | st.lists(st.integers()) | st.dictionaries(st.text(), st.integers()))
def test_whatever_stands_in_the_place_of_an_event_it_is_handled(event: Any) -> None:
    """Nothing of ours is raised."""
    shop = Shop()
    shop.serve(shop.governed_handle, EventSender(shop), event)
    assert len(shop.sent) == (2 if event is None else 1)


NAMES = st.sampled_from(
    [b"traceparent", b"Baggage", b"x-svcgov-colour", b"x-request-deadline-ms", b"grpc-timeout", b"x-request-id"]
)


@given(st.lists(st.tuples(NAMES | st.binary(), st.binary())), st.none() | st.tuples(st.text(), st.integers()))
def test_whatever_the_headers_say_it_is_answered(headers: list[tuple[bytes, bytes]], client: Any) -> None:
    """By the function, or in its place."""
    shop = Shop()
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "client": client}
    asyncio.run(shop.governed_handle(scope, None, shop.send))
    assert [message["type"] for message in shop.sent] == ["http.response.start", "http.response.body"]
    assert shop.sent[0]["status"] in (201, 504)


# -- what is sent -----------------------------------------------------------------------------------------------------


def test_an_event_is_sent_as_the_runtime_sends_it(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Directly, as one document, as headers and a body, or past the events; the line says with what status."""
    shop = Shop()

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send("plainly")
        await send.structured("as one", 202)
        await send.binary("in parts", status=203)
        await send.http({"type": "http.response.start", "status": 204, "headers": []})

    shop.handle = answer  # type: ignore[method-assign]  # another one, for this
    shop.serve(handle_of(shop, form), EventSender(shop), Event())
    assert shop.sent == [
        ("structured", "plainly", 200),
        ("structured", "as one", 202),
        ("binary", "in parts", 203),
        {"type": "http.response.start", "status": 204, "headers": []},
    ]
    (line,) = lines(capsys)
    assert (line["outcome"], line["status"], line["method"], line["path"]) == ("ok", 204, "POST", "/orders")


def test_the_line_goes_until_the_event_is_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """What the function does after it is not the caller's business."""
    shop = Shop()

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await send("answer")
        shop.clock.advance(5.0)

    shop.serve(shop.governor.knative(handle), EventSender(shop), Event())
    (line,) = lines(capsys)
    assert (line["duration_ms"], line["status"]) == (0.0, 200)


@pytest.mark.parametrize("way", ["structured", "binary"])
def test_an_event_is_sent_with_the_status_of_the_runtime(way: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the function says none."""
    shop = Shop()

    async def handle(scope: Any, receive: Any, send: Any) -> None:
        await getattr(send, way)("answer")

    shop.serve(shop.governor.knative(handle), EventSender(shop), Event())
    assert shop.sent == [(way, "answer", 200)]
    assert lines(capsys)[0]["status"] == 200


@pytest.mark.parametrize("event", [None, Event()])
def test_a_refusal_is_answered(form: str, event: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Over HTTP, also where the function sends events: whoever delivers them reads the status."""
    clock = ManualClock()
    shop = Shop(clock=clock, policy=rate_limit("1/minute", clock=clock))
    handle = handle_of(shop, form)
    send = None if event is None else EventSender(shop)
    shop.serve(handle, send, event)
    shop.sent.clear()
    shop.serve(handle, send, event)
    start, body = shop.sent
    assert start["status"] == 429
    assert dict(start["headers"])[b"retry-after"] == b"60"
    assert json.loads(body["body"]) == {"title": "Too Many Requests", "status": 429, "reason": "limited"}
    line = lines(capsys)[1]
    assert (line["outcome"], line["status"], line["error"]) == ("refused", 429, "RateLimitedError")
    assert len(shop.seen) == 1


def test_a_deadline_that_has_passed_is_answered(form: str) -> None:
    """The function is not called."""
    shop = Shop()
    shop.serve(handle_of(shop, form), x_request_deadline_ms="0")
    assert (shop.sent[0]["status"], shop.seen) == (504, [])


def refused() -> None:
    """As a call of the function's own that is refused."""
    gate = bulkhead(1, name="payments")
    with gate:
        gate(lambda: None)()


def test_a_refusal_of_a_call_inside_is_raised_unless_it_is_to_be_answered(form: str) -> None:
    """By the word of the author; time-outs too."""
    shop = Shop(refused)
    with pytest.raises(BulkheadFullError):
        shop.serve(handle_of(shop, form))
    shop = Shop(refused, errors="map")
    shop.serve(handle_of(shop, form))
    assert shop.sent[0]["status"] == 503
    shop = Shop(raising(CallTimeoutError("payments", "attempt", 1.0)), errors="map")
    shop.serve(handle_of(shop, form))
    assert shop.sent[0]["status"] == 504


def test_an_answer_that_has_begun_stays(form: str) -> None:
    """Also one by an event."""
    shop = Shop(errors="map")

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send("answer")
        refused()

    shop.handle = answer  # type: ignore[method-assign]  # another one, for this
    with pytest.raises(BulkheadFullError):
        shop.serve(handle_of(shop, form), EventSender(shop), Event())
    assert shop.sent == [("structured", "answer", 200)]
