"""Section `spans`: what a span of ours costs, beside one by OpenTelemetry's SDK alone; nothing is exported.

What is governed is there in both: it is measured once without spans, and once with them.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import httpx2

from svcgov import Governor, bulkhead
from svcgov._core._spans import SPANS
from svcgov.telemetry.traces import tracer_of

from . import frames
from .harness import PLAIN, Case, log_to, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .table import Figures

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
EVENT: dict[str, Any] = {
    "version": "2.0",
    "rawPath": "/orders",
    "requestContext": {"http": {"method": "GET", "path": "/orders"}},
    "headers": {"traceparent": PARENT, "x-svcgov-colour": "blue"},
}
CAME = {
    "faas.trigger": "http",
    "faas.coldstart": False,
    "http.request.method": "GET",
    "url.path": "/orders",
    "svcgov.colour": "blue",
}
SENT: dict[str, Any] = {
    "server.address": "payments",
    "server.port": 80,
    "http.request.method": "GET",
    "svcgov.target": "payments",
    "svcgov.colour": "blue",
}


def nothing() -> None:
    """What a span is around."""


def provider() -> Any:
    """One that records, and has nobody to tell."""
    from opentelemetry.sdk.trace import TracerProvider

    return TracerProvider(shutdown_on_exit=False)


def governed() -> Callable[[], None]:
    """A function behind a bulkhead."""
    return bulkhead(10)(nothing)


def by_hand(tracer: Any) -> Callable[[], None]:
    """A span around the function, and a word about how it ended."""

    def call() -> None:
        with tracer.start_as_current_span("nothing", attributes={"svcgov.colour": "blue"}) as span:
            nothing()
            span.set_attribute("svcgov.outcome", "ok")

    return call


class Chain:
    """A handler whose function asks another service by a governed client: three spans, and a trace that is handed on."""

    def __init__(self) -> None:
        governor = Governor(service="shop", colours=["blue"])
        answer = httpx2.Response(200)
        self.client = httpx2.Client(transport=httpx2.MockTransport(lambda request: answer))
        governor.govern(self.client, target="payments", policy=bulkhead(10))
        self.request = self.client.build_request("GET", "http://payments/charge")
        self.handler: Any = governor.handler(self.handle)

    def handle(self, event: Any, context: Any) -> None:
        """Ask."""
        self.client.send(self.request)

    def call(self) -> None:
        """One call."""
        self.handler(EVENT, None)


class ChainByHand(Chain):
    """The same three spans around the same things, the headers read and written by OpenTelemetry's propagators."""

    def __init__(self, tracer: Any) -> None:
        from opentelemetry import propagate
        from opentelemetry.trace import SpanKind

        super().__init__()
        self.begin, self.propagate, self.kinds = tracer.start_as_current_span, propagate, SpanKind

    def handle(self, event: Any, context: Any) -> None:
        """Ask."""
        with self.begin("payments", attributes={"svcgov.colour": "blue"}) as inside:
            with self.begin("GET", kind=self.kinds.CLIENT, attributes=SENT) as sent:
                headers: dict[str, str] = {}
                self.propagate.inject(headers)
                self.client.send(self.request)
                sent.set_attribute("http.response.status_code", 200)
            inside.set_attribute("svcgov.outcome", "ok")

    def call(self) -> None:
        """One call."""
        here = self.propagate.extract(EVENT["headers"])
        with self.begin("GET", here, self.kinds.SERVER, CAME) as request:
            self.handler(EVENT, None)
            request.set_attribute("http.response.status_code", 200)


@contextlib.contextmanager
def set_up(made: Any) -> Iterator[None]:
    """With *made* as the provider of the process."""
    from opentelemetry import trace

    module: Any = trace
    before, module._TRACER_PROVIDER = module._TRACER_PROVIDER, made
    try:
        yield
    finally:
        module._TRACER_PROVIDER = before
        SPANS.forget()


class Switch:
    """Turns spans on and off between the turns of the cases."""

    def __init__(self, made: Any) -> None:
        from opentelemetry import trace

        self._trace: Any = trace
        self._provider = made
        self._tracer = tracer_of(made)

    def turned(self, call: Callable[[], None], *, on: bool) -> Callable[[], None]:
        """*call*, with spans or without; what turns them is as good as nothing where they stand right."""
        wanted = self._tracer if on else None
        provider = self._provider if on else None

        def turn() -> None:
            if SPANS.tracer is not wanted:
                self._trace._TRACER_PROVIDER = provider
                SPANS.use(wanted)
            call()

        return turn


def traced(*, quick: bool) -> Figures:
    """In memory: what an exporter takes is a thread of its own."""
    made = provider()
    tracer = made.get_tracer("benchmarks")
    with log_to("off"), set_up(made):
        switch, one, chain, theirs = Switch(made), governed(), Chain(), ChainByHand(tracer)
        cases = [
            Case(PLAIN, nothing),
            Case("governed", switch.turned(one, on=False)),
            Case("governed, traced", switch.turned(one, on=True), floor="governed"),
            Case("span", by_hand(tracer)),
            Case("chain", switch.turned(chain.call, on=False)),
            Case("chain, traced", switch.turned(chain.call, on=True), floor="chain"),
            Case("spans", switch.turned(theirs.call, on=False), floor="chain"),
        ]
        rounds = run(cases, rounds=5 if quick else 60)
    figures: dict[str, Any] = {name: rounds.in_nanoseconds(name) for name in ("governed, traced", "span")}
    figures["call / span"] = rounds.ratio("governed, traced", "span")
    figures["chain / spans"] = rounds.ratio("chain, traced", "spans")
    return figures


def profile() -> None:
    """Where the span of a governed call goes."""
    made = provider()
    with log_to("off"), set_up(made):
        frames.show("a governed call with its span", Switch(made).turned(governed(), on=True), calls=1)
        frames.show("a handler and an attempt with their spans", Switch(made).turned(Chain().call, on=True), calls=1)
