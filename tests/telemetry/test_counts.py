"""What is counted is what happened, to the unit, by a server behind and by whoever asks in front; every output tells the same."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from svcgov import Governor, rate_limit, retry
from svcgov.errors import RejectedError
from svcgov.facts import CallRefused, RetryEnded, RetryScheduled
from svcgov.telemetry.metrics import CLIENT, SERVER
from svcgov.testing import ManualClock

from .metering import Metered

if TYPE_CHECKING:
    from collections.abc import Iterator

CALLS = 10_000
FROZEN = 4 * 3600.0  # seconds


class Mixed:
    """A service that calls another one for each request, in one of the two worlds, and what became of it."""

    def __init__(self, kind: str, random: Random) -> None:
        self.kind = kind
        self.random = random
        self.clock = ManualClock(auto=True)
        self.governor = Governor(service="shop", clock=self.clock)
        self.served: Counter[str] = Counter()  # what the server behind has answered
        self.answered: Counter[str] = Counter()  # what whoever asks was answered
        again = retry(attempts=3, backoff=0, budget=None, clock=self.clock, name="again")
        client = (httpx2.Client if kind == "sync" else httpx2.AsyncClient)(transport=httpx2.MockTransport(self.serve))
        self.client: Any = self.governor.govern(client, target="payments", policy=again)
        limit = rate_limit("50/second", clock=self.clock, name="limit")
        make: Any = self.governor.wsgi if kind == "sync" else self.governor.asgi
        self.app = make(self.wsgi if kind == "sync" else self.asgi, policy=limit, metrics="/-")

    def serve(self, request: httpx2.Request) -> httpx2.Response:
        """The server behind: it takes its time, and fails at times."""
        self.clock.advance(self.random.choice([0.0001, 0.001, 0.02]))
        kind = self.random.choices(["200", "404", "503", ""], [60, 10, 10, 20])[0]
        self.served[kind] += 1
        if not kind:
            raise httpx2.ConnectError("lost", request=request)
        return httpx2.Response(int(kind))

    def wsgi(self, environ: Any, start_response: Any) -> Iterator[bytes]:
        """The application, for threads."""
        status = self.client.get("http://payments.test/charge").status_code
        start_response(f"{status} Said", [])
        return iter([b"done"])

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        """The application, for tasks."""
        status = (await self.client.get("http://payments.test/charge")).status_code
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def ask(self, runner: asyncio.Runner) -> None:
        """One request."""
        told: list[str] = []
        try:
            if self.kind == "sync":
                list(self.app({"REQUEST_METHOD": "GET", "PATH_INFO": "/"}, lambda status, headers: told.append(status[:3])))
            else:

                async def send(message: Any) -> None:
                    if "status" in message:
                        told.append(str(message["status"]))

                runner.run(self.app({"type": "http", "method": "GET", "path": "/", "headers": []}, None, send))
        except (httpx2.ConnectError, RejectedError):
            told.append("raised")
        self.answered.update(told)


def summed(points: dict[tuple[Any, ...], int]) -> Counter[str]:
    """How many calls were answered by which status, or raised."""
    counts: Counter[str] = Counter()
    for (outcome, status), count in points.items():
        counts["raised" if outcome == "raised" else str(status)] += count
    return counts


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_counts_are_equal_to_the_unit_over_ten_thousand_calls(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused, failed, lost and tried again, with hours in between in which the process was frozen."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    monkeypatch.setenv("SVCGOV_METRICS", "otel")
    metered = Metered().set(monkeypatch)
    mixed = Mixed(kind, Random(7))
    with asyncio.Runner() as runner:
        for number in range(CALLS):
            mixed.ask(runner)
            if number % 1000 == 999:
                mixed.clock.freeze(FROZEN)
    outputs: Any = mixed.governor._outputs
    series = outputs.recorder.series()
    behind: Counter[str] = Counter()
    front: Counter[str] = Counter()
    for one in series:
        labels = one.labels
        if labels["direction"] == "out":
            behind[labels["status"]] += one.durations.count
        else:
            front["raised" if labels["outcome"] == "raised" else labels["status"]] += one.durations.count
    assert behind == mixed.served
    assert front == mixed.answered
    assert (sum(front.values()), len(front)) == (CALLS, 5)
    recorder = outputs.recorder
    assert recorder.facts(CallRefused) == {("limit", "rate_limit", "limited", "false"): front["429"]}
    first = CALLS - front["429"]
    assert sum(recorder.facts(RetryScheduled).values()) == sum(behind.values()) - first
    assert sum(recorder.facts(RetryEnded).values()) == front["503"] + front["raised"]
    told = {name: summed(metered.points(name, "outcome", "http.response.status_code")) for name in (SERVER, CLIENT)}
    assert told[SERVER] == mixed.answered
    assert told[CLIENT] == {status or "raised": count for status, count in mixed.served.items()}
    assert metered.points("svcgov.refusals", "policy", "reason") == {("limit", "limited"): front["429"]}
    assert metered.points("svcgov.retries", "policy") == {("again",): sum(behind.values()) - first}
    assert json.loads(outputs.pages("")["/governance"][0][1]())["calls"][0]["rates"]["m1"] < CALLS / FROZEN
