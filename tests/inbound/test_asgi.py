"""ASGI applications: each request governed, and everything else passed through."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor, bulkhead, rate_limit, retry
from svcgov.errors import BulkheadFullError, CallTimeoutError, ConfigError
from svcgov.testing import ManualClock

from .events import SPAN_ID, TRACE_ID, Context

if TYPE_CHECKING:
    from collections.abc import Callable

START: dict[str, Any] = {"type": "http.response.start", "status": 201, "headers": []}


class Shop:
    """An application that answers in two pieces, and a server in front of it."""

    def __init__(self, does: Callable[[], Any] = lambda: None, **options: Any) -> None:
        self.clock = options.pop("clock", None) or ManualClock()
        self.governor = Governor(service="shop", colours=["blue"], clock=self.clock)
        self.does = does
        self.seen: list[Any] = []
        self.sent: list[Any] = []
        self.app = self.governor.asgi(self.answer, **options)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve."""
        self.seen.append((scope, svcgov.current(), svcgov.remaining()))
        self.does()
        await send(START)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        self.clock.advance(1.0)
        await send({"type": "http.response.body", "body": b"b"})

    async def receive(self) -> Any:
        """The body of the request."""
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(self, message: Any) -> None:
        """What the server sends on."""
        self.sent.append(message)

    def get(self, **headers: str) -> None:
        """One request; names of headers with ``_`` for ``-``."""
        asyncio.run(self.aget(**headers))

    async def aget(self, **headers: str) -> None:
        """As above."""
        pairs = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self.app({"type": "http", "method": "GET", "path": "/orders", "headers": pairs}, self.receive, self.send)

    @property
    def status(self) -> int:
        """What was answered."""
        status: int = self.sent[0]["status"]
        return status


def line_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The only line of a call."""
    (line,) = [line for line in capsys.readouterr().out.splitlines() if '"svcgov.call"' in line]
    found: dict[str, Any] = json.loads(line)
    return found


# -- the shape --------------------------------------------------------------------------------------------------------


def test_an_application_becomes_a_coroutine_function() -> None:
    """Servers look at its kind, people at its name; what it was is still there."""
    shop = Shop()
    assert type(shop.app) is FunctionType
    assert inspect.iscoroutinefunction(shop.app)
    assert shop.app.__name__ == "answer"
    assert shop.app.__wrapped__ == shop.answer  # type: ignore[attr-defined]  # as functools does


def test_an_object_may_be_an_application() -> None:
    """As those of frameworks are; what it has in it stays there."""

    class Framework:
        """A framework."""

        def __init__(self) -> None:
            self.secret = "its own"

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send(scope["type"])

    app: Any = svcgov.asgi(Framework())
    assert (app.__name__, app.__doc__) == ("Framework", "A framework.")
    assert not hasattr(app, "secret")


@pytest.mark.parametrize("kind", ["websocket", "lifespan", "another"])
def test_what_is_no_request_passes_through(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the very same functions, no context and no line, also when the policies are full."""
    gate = bulkhead(1)
    passed: list[Any] = []

    async def app(*given: Any) -> None:
        passed.append((given, svcgov.current().platform))

    scope, receive, send = {"type": kind}, object(), object()
    with gate:
        asyncio.run(svcgov.asgi(app, policy=gate)(scope, receive, send))
    assert passed == [((scope, receive, send), "none")]
    assert capsys.readouterr().out == ""


# -- what comes along -------------------------------------------------------------------------------------------------


def test_the_invocation_is_what_the_headers_say() -> None:
    """Trace, baggage, colour, deadline, and the id of whoever stands in front."""
    shop = Shop()
    shop.get(
        traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01",
        baggage="tenant=acme",
        x_svcgov_colour="blue",
        x_request_deadline_ms="2000",
        x_request_id="id-1",
        X_Name="J\u00f6rg",
    )
    scope, here, _ = shop.seen[0]
    assert (here.platform, here.trigger, here.service, here.cold_start) == ("asgi", "http", "shop", True)
    assert (here.trace.trace_id, here.baggage, here.colour) == (TRACE_ID, {"tenant": "acme"}, "blue")
    assert (here.deadline, here.request_id, here.headers["x-name"]) == (2.0, "id-1", "J\u00f6rg")
    assert here.raw is scope


def test_a_header_that_comes_twice_is_one_list() -> None:
    """By the standard."""
    shop = Shop()
    headers = [(b"baggage", b"a=1"), (b"Baggage", b"b=2")]
    asyncio.run(shop.app({"type": "http", "headers": headers}, shop.receive, shop.send))
    assert shop.seen[0][1].baggage == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("context", "said", "left"),
    [(Context(left=3.0), "", 3.0), (Context(left=3.0), "2000", 2.0), (Context(left=1.0), "2000", 1.0), (None, "2000", 2.0)],
)
def test_the_platform_s_deadline_holds_where_its_context_is_handed_on(context: Any, said: str, left: float) -> None:
    """As Mangum does; the tighter one holds, and what is no context says nothing."""
    shop = Shop()
    headers = [(b"x-request-deadline-ms", said.encode())] if said else []
    asyncio.run(shop.app({"type": "http", "headers": headers, "aws.context": context}, shop.receive, shop.send))
    assert shop.seen[0][1].deadline == left


@pytest.mark.parametrize("name", ["x" * 129, "a\tb", "\u00e9"])
def test_an_id_that_may_not_go_into_a_log_is_not_taken(name: str) -> None:
    """It comes from anywhere."""
    shop = Shop()
    shop.get(x_request_id=name)
    assert shop.seen[0][1].request_id == ""


MINE: contextvars.ContextVar[str] = contextvars.ContextVar("MINE", default="nothing")


def test_after_a_request_the_context_is_as_before() -> None:
    """Servers may serve many in one task; also when it fails."""

    def broken() -> None:
        raise LookupError

    async def main() -> None:
        shop = Shop(broken)
        with svcgov.colour("green"):
            before = svcgov.current()
            with pytest.raises(LookupError):
                await shop.aget(x_request_deadline_ms="2000")
            assert svcgov.current() is before
            assert svcgov.remaining() is None

    asyncio.run(main())


def test_a_request_that_is_thrown_away_leaves_others_alone() -> None:
    """Its coroutine is closed in a context that is not its own."""
    shop = Shop()

    async def hang(message: Any) -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        serving = shop.app({"type": "http"}, shop.receive, hang)
        contextvars.copy_context().run(serving.send, None)
        before = svcgov.current()
        serving.close()
        assert svcgov.current() is before

    asyncio.run(main())


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """And the application is not asked."""
    clock = ManualClock()
    shop = Shop(clock=clock, policy=rate_limit("1/minute", clock=clock))
    shop.get()
    shop.sent.clear()
    capsys.readouterr()
    shop.get()
    start, body = shop.sent
    assert start["status"] == 429
    assert dict(start["headers"]) == {
        b"content-type": b"application/problem+json",
        b"cache-control": b"no-store",
        b"retry-after": b"59",
        b"ratelimit-limit": b"1",
        b"ratelimit-remaining": b"0",
        b"ratelimit-reset": b"59",
        b"content-length": str(len(body["body"])).encode(),
    }
    assert json.loads(body["body"]) == {"title": "Too Many Requests", "status": 429, "reason": "limited"}
    assert len(shop.seen) == 1
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["error"]) == ("refused", 429, "RateLimitedError")


def test_a_deadline_that_has_passed_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody waits any more, but the connection wants an end."""
    shop = Shop()
    shop.get(x_request_deadline_ms="0")
    assert (shop.status, shop.seen) == (504, [])
    assert line_of(capsys)["outcome"] == "refused"


def refused() -> None:
    """As a call of the application's own that is refused."""
    gate = bulkhead(1, name="payments")
    with gate:
        gate(lambda: None)()


def test_a_refusal_of_a_call_inside_is_raised_unless_it_is_to_be_answered() -> None:
    """By the word of the author."""
    shop = Shop(refused)
    with pytest.raises(BulkheadFullError):
        shop.get()
    assert shop.sent == []
    shop = Shop(refused, errors="map")
    shop.get()
    assert shop.status == 503


def test_an_answer_that_has_begun_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """The error is raised: the server breaks the connection off, so that nobody takes half an answer for the whole."""
    shop = Shop(errors="map")

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        raise CallTimeoutError("payments", "attempt", 1.0)

    app = shop.governor.asgi(broken, errors="map")
    with pytest.raises(CallTimeoutError):
        asyncio.run(app({"type": "http"}, shop.receive, shop.send))
    assert shop.sent == [START]
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["error"]) == ("raised", 201, "CallTimeoutError")


def test_a_policy_that_calls_twice_is_refused() -> None:
    """The body of the request is gone, and an answer may have begun."""
    with pytest.raises(ConfigError, match=r"asgi\.policy: expected policies that call once"):
        Shop(policy=retry(on=LookupError))


@pytest.mark.parametrize(("option", "place"), [({"errors": "answer"}, "asgi.errors"), ({"service": "no good"}, "asgi.service")])
def test_what_is_wrong_names_its_place(option: Any, place: str) -> None:
    """At decoration."""
    with pytest.raises(ConfigError, match=place):
        Governor().asgi(Shop().answer, **option)


# -- the end ----------------------------------------------------------------------------------------------------------


def test_one_line_when_the_body_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """What the application does after the last piece is not the caller's business, and not in the duration."""
    shop = Shop()

    async def later(scope: Any, receive: Any, send: Any) -> None:
        await shop.answer(scope, receive, send)
        shop.clock.advance(5.0)

    app = shop.governor.asgi(later)
    asyncio.run(app({"type": "http", "method": "GET", "path": "/orders", "headers": []}, shop.receive, shop.send))
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["duration_ms"]) == ("ok", 201, 1000.0)
    assert (line["method"], line["path"], line["trigger"], line["service"]) == ("GET", "/orders", "http", "shop")


def test_a_body_that_ends_late_is_late(capsys: pytest.CaptureFixture[str]) -> None:
    """The head came in time, the last piece did not."""
    shop = Shop()
    shop.get(x_request_deadline_ms="500")
    assert line_of(capsys)["late"] is True


def test_a_permit_is_held_until_the_application_has_returned() -> None:
    """Not only until its first piece."""
    gate = bulkhead(1)
    held: list[int] = []
    shop = Shop(policy=gate)

    async def send(message: Any) -> None:
        held.append(gate.snapshot()["in_use"])

    asyncio.run(shop.app({"type": "http"}, shop.receive, send))
    assert held == [1, 1, 1]
    assert gate.snapshot()["in_use"] == 0
