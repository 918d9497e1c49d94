"""WSGI applications: each request governed until its body has ended."""

from __future__ import annotations

import contextvars
import json
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor, bulkhead, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, CallTimeoutError, ConfigError
from svcgov.testing import ManualClock

from .events import SPAN_ID, TRACE_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MINE: contextvars.ContextVar[str] = contextvars.ContextVar("MINE", default="nothing")


class Shop:
    """An application that answers in two pieces, and a server in front of it."""

    def __init__(self, does: Callable[[], Any] = lambda: None, **options: Any) -> None:
        self.clock = options.pop("clock", None) or ManualClock()
        self.governor = Governor(service="shop", colours=["blue"], clock=self.clock)
        self.does = does
        self.seen: list[Any] = []
        self.started: list[Any] = []
        self.app = self.governor.wsgi(self.answer, **options)

    def answer(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        """Serve."""
        self.seen.append((environ, svcgov.current()))
        self.does()
        start_response("201 Created", [("Content-Type", "text/plain")])
        yield b"a"
        MINE.set(f"{MINE.get()} and more")
        self.seen.append((environ, svcgov.current()))
        self.clock.advance(1.0)
        yield b"b"

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> None:
        """What the server is told."""
        self.started.append((status, dict(headers)))

    def call(self, app: Any = None, method: str = "GET", **headers: str) -> Any:
        """The body as the server gets it; names of headers with ``_``."""
        environ = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "/shop",
            "PATH_INFO": "/caf\u00c3\u00a9",
            "QUERY_STRING": "token=secret",
        }
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        return (app or self.app)(environ, self.start_response)

    def get(self, app: Any = None, **headers: str) -> bytes:
        """One request, read to its end and closed."""
        body = self.call(app, **headers)
        try:
            return b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()


def line_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The only line of a call."""
    (line,) = [line for line in capsys.readouterr().out.splitlines() if '"svcgov.call"' in line]
    found: dict[str, Any] = json.loads(line)
    return found


# -- what comes along -------------------------------------------------------------------------------------------------


def test_an_application_stays_a_function() -> None:
    """Of its name; what it was is still there."""
    shop = Shop()
    assert type(shop.app) is FunctionType
    assert shop.app.__name__ == "answer"
    assert shop.app.__wrapped__ == shop.answer  # type: ignore[attr-defined]  # as functools does


def test_the_invocation_is_what_the_headers_say() -> None:
    """Trace, baggage, colour, deadline, and the id of whoever stands in front; in every piece of the body."""
    shop = Shop()
    shop.get(
        traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01",
        baggage="tenant=acme",
        x_svcgov_colour="blue",
        x_request_deadline_ms="2000",
        x_request_id="id-1",
    )
    (environ, here), (_, later) = shop.seen
    assert (here.platform, here.trigger, here.service, here.cold_start) == ("wsgi", "http", "shop", True)
    assert (here.trace.trace_id, here.baggage, here.colour) == (TRACE_ID, {"tenant": "acme"}, "blue")
    assert (here.deadline, here.request_id, here.headers["x-svcgov-colour"]) == (2.0, "id-1", "blue")
    assert here.raw is environ
    assert later is here


def test_nothing_of_a_request_is_left_for_the_next_one() -> None:
    """Not even what the application has set itself."""
    shop = Shop()
    shop.get(x_svcgov_colour="blue")
    assert (MINE.get(), svcgov.current().platform, svcgov.remaining()) == ("nothing", "none", None)
    shop.get()
    assert shop.seen[2][1].colour is None


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_a_refusal_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """And the application is not asked."""
    clock = ManualClock()
    shop = Shop(clock=clock, policy=rate_limit("1/minute", clock=clock))
    shop.get()
    capsys.readouterr()
    shop.started.clear()
    body = shop.get()
    assert json.loads(body) == {"title": "Too Many Requests", "status": 429, "reason": "limited"}
    assert shop.started == [
        (
            "429 Too Many Requests",
            {
                "Content-Type": "application/problem+json",
                "Cache-Control": "no-store",
                "Retry-After": "59",
                "Ratelimit-Limit": "1",
                "Ratelimit-Remaining": "0",
                "Ratelimit-Reset": "59",
                "Content-Length": str(len(body)),
            },
        )
    ]
    assert len(shop.seen) == 2
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["error"]) == ("refused", 429, "RateLimitedError")


def test_who_asks_for_the_head_gets_no_body() -> None:
    """The length is that of the body which there would be."""
    shop = Shop()
    assert list(shop.call(method="HEAD", x_request_deadline_ms="0")) == [b""]
    assert int(shop.started[0][1]["Content-Length"]) > 0


def test_a_deadline_that_has_passed_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """The application is not asked."""
    shop = Shop()
    shop.get(x_request_deadline_ms="0")
    assert (shop.started[0][0], shop.seen) == ("504 Gateway Timeout", [])
    assert line_of(capsys)["outcome"] == "refused"


def refused() -> None:
    """As a call of the application's own that is refused."""
    gate = bulkhead(1, name="payments")
    with gate:
        gate(lambda: None)()


def at_once(does: Callable[[], Any]) -> Callable[..., Any]:
    """An application that does it before there is a body."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        does()
        start_response("200 OK", [])
        return [b"ab"]

    return app


@pytest.mark.parametrize("lazy", [False, True], ids=["when called", "with the first piece"])
def test_a_refusal_of_a_call_inside_is_raised_unless_it_is_to_be_answered(lazy: bool) -> None:
    """By the word of the author; an application may begin with the first piece of its body."""
    shop = Shop(refused)
    inner = shop.answer if lazy else at_once(refused)
    with pytest.raises(BulkheadFullError):
        shop.get(shop.governor.wsgi(inner))
    assert shop.started == []
    body = shop.get(shop.governor.wsgi(inner, errors="map"))
    assert (shop.started[0][0], json.loads(body)["reason"]) == ("503 Service Unavailable", "full")


def test_an_answer_that_has_begun_stays(capsys: pytest.CaptureFixture[str]) -> None:
    """The error is raised, so that nobody takes half an answer for the whole."""
    shop = Shop()

    def broken(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("201 Created", [])
        yield b"a"
        raise CallTimeoutError("payments", "attempt", 1.0)

    with pytest.raises(CallTimeoutError):
        shop.get(shop.governor.wsgi(broken, errors="map"))
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["error"]) == ("raised", 201, "CallTimeoutError")


def test_a_policy_that_calls_twice_is_refused() -> None:
    """The body of the request is gone, and an answer may have begun."""
    with pytest.raises(ConfigError, match=r"wsgi\.policy: expected policies that call once"):
        Shop(policy=retry(on=LookupError))


# -- the end ----------------------------------------------------------------------------------------------------------


def test_one_line_when_the_body_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """With the path as people write it, and without the query."""
    shop = Shop()
    assert shop.get() == b"ab"
    line = line_of(capsys)
    assert (line["outcome"], line["status"], line["duration_ms"]) == ("ok", 201, 1000.0)
    assert (line["method"], line["path"], line["trigger"]) == ("GET", "/shop/caf\u00e9", "http")


def test_a_body_may_be_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    """Which cannot be closed, and has one line all the same."""
    shop = Shop()
    assert shop.get(shop.governor.wsgi(at_once(lambda: None))) == b"ab"
    assert line_of(capsys)["status"] == 200


def test_a_permit_is_held_until_the_body_has_ended() -> None:
    """And the time-out of the request with it."""
    gate = bulkhead(1)
    shop = Shop(policy=[timeout(5.0), gate])
    body = shop.call()
    assert (next(body), gate.snapshot()["in_use"]) == (b"a", 1)
    assert shop.call()[0].startswith(b'{"title": "Service Unavailable"')
    assert (list(body), gate.snapshot()["in_use"]) == ([b"b"], 0)


def test_a_body_that_is_closed_early_has_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """The client went away; the application's own body is closed too."""
    gate, shop = bulkhead(1), Shop()
    closed: list[str] = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(svcgov.current().platform)

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body([b"a", b"b"])

    body = shop.call(shop.governor.wsgi(app, policy=gate))
    next(body)
    body.close()
    assert (closed, gate.snapshot()["in_use"]) == (["wsgi"], 0)
    assert line_of(capsys)["outcome"] == "ok"


def test_a_body_that_cannot_be_closed_has_ended_too(capsys: pytest.CaptureFixture[str]) -> None:
    """With its error, which goes to the server."""
    gate, shop = bulkhead(1), Shop()

    class Body(list[bytes]):
        def close(self) -> None:
            raise OSError

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        return Body()

    body = shop.call(shop.governor.wsgi(app, policy=gate))
    with pytest.raises(OSError):
        body.close()
    assert gate.snapshot()["in_use"] == 0
    line = line_of(capsys)
    assert (line["outcome"], line["error"]) == ("raised", "OSError")


@pytest.mark.parametrize("result", [None, 7])
def test_what_is_no_body_is_the_application_s_error(result: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Raised where it was called, with its line."""
    with pytest.raises(TypeError, match="not iterable"):
        Shop().call(svcgov.wsgi(lambda environ, start_response: result))
    assert line_of(capsys)["error"] == "TypeError"


def test_gates_are_shown_the_request() -> None:
    """A limit for each tenant, and for some paths only, as anywhere else."""
    clock = ManualClock()
    limit = rate_limit("1/minute", key="header:x-tenant", when={"path": {"prefix": "/orders"}}, clock=clock)
    app = Governor(service="orders", clock=clock).wsgi(lambda environ, start: start("200 OK", []) or [b"done"], policy=limit)

    def status(path: str, tenant: str) -> str:
        said: list[str] = []
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "HTTP_X_TENANT": tenant}
        list(app(environ, lambda status, headers: said.append(status)))
        return said[0]

    assert [status("/orders/7", tenant) for tenant in ("acme", "acme", "umbrella")] == [
        "200 OK",
        "429 Too Many Requests",
        "200 OK",
    ]
    assert status("/health", "acme") == "200 OK"
