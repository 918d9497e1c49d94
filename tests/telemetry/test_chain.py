"""Three services, one behind the other: any line of one of them leads to the lines of the others."""

from __future__ import annotations

import asyncio
import json
import logging
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from svcgov import Governor
from svcgov.logs import correlate
from svcgov.testing import ManualClock

from .spanning import ids, parent

if TYPE_CHECKING:
    from collections.abc import Callable

    from .spanning import Told

pytestmark = pytest.mark.extras

SERVICES = ("front", "orders", "payments")
IDS = ("trace_id", "span_id", "service")


class Chain:
    """The services; each logs a line of its own, and asks the next one. The last one refuses the second time."""

    def __init__(self, kind: str, capsys: pytest.CaptureFixture[str], logger: logging.Logger) -> None:
        self.clock = ManualClock(auto=True)
        self._capsys = capsys
        self._logger = logger
        make = self._waiting if kind == "async" else self._plain
        self.apps: list[Any] = []
        for service in reversed(SERVICES):
            self.apps.insert(0, make(service, Governor(service=service, clock=self.clock), self.apps[0] if self.apps else None))
        self._kind = kind

    def _policies(self, service: str, governor: Governor) -> dict[str, Any]:
        """Only the last one has any."""
        return {"policy": governor.rate_limit("1/minute", name="charges")} if service == SERVICES[-1] else {}

    def _waiting(self, service: str, governor: Governor, behind: Any) -> Any:
        client = None
        if behind is not None:
            client = httpx2.AsyncClient(transport=httpx2.ASGITransport(behind), base_url="http://next")
            governor.govern(client, target="next")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            self._logger.warning("at %s", service)
            status = 200 if client is None else (await client.get("/")).status_code
            await send({"type": "http.response.start", "status": status, "headers": []})
            await send({"type": "http.response.body", "body": b""})

        return governor.asgi(app, **self._policies(service, governor))

    def _plain(self, service: str, governor: Governor, behind: Any) -> Any:
        client = None
        if behind is not None:
            client = httpx2.Client(transport=httpx2.WSGITransport(behind), base_url="http://next")
            governor.govern(client, target="next")

        def app(environ: Any, start_response: Callable[..., Any]) -> list[bytes]:
            self._logger.warning("at %s", service)
            status = 200 if client is None else client.get("/").status_code
            start_response(f"{status} As Is", [])
            return []

        return governor.wsgi(app, **self._policies(service, governor))

    def ask(self) -> list[dict[str, Any]]:
        """One request at the front; the lines of all three."""
        self._capsys.readouterr()
        if self._kind == "async":
            asyncio.run(self._asked())
        else:
            with httpx2.Client(transport=httpx2.WSGITransport(self.apps[0]), base_url="http://front") as client:
                client.get("/")
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]

    async def _asked(self) -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.apps[0]), base_url="http://front") as client:
            await client.get("/")


class Printed(logging.Handler):
    """Prints what the author logs, with the ids."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(correlate)

    def emit(self, record: logging.LogRecord) -> None:
        print(json.dumps({"event": record.getMessage(), **{name: record.__dict__[name] for name in IDS}}))


@pytest.fixture(params=["sync", "async"])
def chain(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Chain:
    """WSGI applications, then ASGI applications."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    logger = logging.getLogger("shop")
    monkeypatch.setattr(logger, "handlers", [Printed()])
    return Chain(request.param, capsys, logger)


def of(lines: list[dict[str, Any]], event: str) -> dict[str, dict[str, Any]]:
    """The lines of this event, by service."""
    return {line["service"]: line for line in lines if line["event"] == event}


def test_any_line_leads_to_the_lines_of_the_others(chain: Chain) -> None:
    """By the id of the trace: those of calls, those of facts, and the author's own."""
    first, second = chain.ask(), chain.ask()
    assert {(line["event"], line["service"]) for line in first} == {
        *(("svcgov.call", service) for service in SERVICES),
        *((f"at {service}", service) for service in SERVICES),
    }
    assert {(line["event"], line["service"]) for line in second} == {
        *(("svcgov.call", service) for service in SERVICES),
        *((f"at {service}", service) for service in SERVICES[:-1]),
        ("svcgov.call_refused", "payments"),
    }
    for line in first + second:
        mine, others = (first, second) if line in first else (second, first)
        assert [one for one in mine if one["trace_id"] == line["trace_id"]] == mine
        assert [one for one in others if one["trace_id"] == line["trace_id"]] == []


def test_the_lines_of_one_call_have_one_span(chain: Chain) -> None:
    """The author's, and that of a refusal, stand where the call stands."""
    chain.ask()
    lines = chain.ask()
    calls = of(lines, "svcgov.call")
    assert [line["span_id"] == calls[line["service"]]["span_id"] for line in lines] == [True] * (2 * len(SERVICES))
    assert len({call["span_id"] for call in calls.values()}) == len(SERVICES)


def test_the_parent_of_a_call_is_a_span_of_its_caller(chain: Chain, told: Told) -> None:
    """Where spans are recorded: from the span of a line to the one of the line before, by one attempt."""
    calls = of(chain.ask(), "svcgov.call")
    spans = {ids(span)[1]: span for span in told.spans}
    for caller, callee in pairwise(SERVICES):
        attempt = spans[calls[callee]["parent_span_id"]]
        assert attempt.kind.name == "CLIENT"
        above = parent(attempt)
        while above in spans and spans[above].kind.name == "INTERNAL":
            above = parent(spans[above])
        assert above == calls[caller]["span_id"]
