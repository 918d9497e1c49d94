"""Section `metrics`: what it costs to count a call, and to read two hundred series of them, beside Prometheus' own client."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from svcgov._core._context import Identity, Invocation
from svcgov._core._histogram import COARSE
from svcgov.telemetry import prometheus
from svcgov.telemetry.recorder import Recorder

from . import frames
from .harness import PLAIN, Case, Spread, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Figures

SERIES = 200
CALLS = 50  # of each
CALL = Invocation(service="orders", trigger="http", method="GET")
LABELS = ("service", "operation", "outcome", "http_request_method", "http_response_status_code")


def nothing() -> None:
    """What all of it is beside."""


def took() -> list[float]:
    """Durations as services have them: most of them near 50 ms, some far from it."""
    random = Random(7)
    return [random.lognormvariate(-3, 1) for _ in range(CALLS)]


def ours() -> tuple[Recorder, Callable[[], None]]:
    """A recorder with all its series, and one more call."""
    recorder = Recorder(Identity(service="orders", version="7", colours=frozenset()))
    recorder.stop()

    def call(number: int, seconds: float) -> None:
        recorder.called(CALL, operation=f"/orders/{number}", outcome="ok", status=200, took=seconds, late=False)

    for number in range(SERIES):
        for seconds in took():
            call(number, seconds)
    return recorder, lambda: recorder.called(CALL, operation="/orders/7", outcome="ok", status=200, took=0.02, late=False)


def theirs() -> tuple[Callable[[], bytes], Callable[[], None]]:
    """The page of the client with the same series, and one more call."""
    from prometheus_client import CollectorRegistry, Histogram, generate_latest

    registry = CollectorRegistry()
    name = "http_server_request_duration_seconds"
    histogram = Histogram(name, "requests that came in", LABELS, buckets=COARSE, registry=registry)

    def call(number: int, seconds: float) -> None:
        histogram.labels("orders", f"/orders/{number}", "ok", "GET", "200").observe(seconds)

    for number in range(SERIES):
        for seconds in took():
            call(number, seconds)
    return lambda: generate_latest(registry), lambda: call(7, 0.02)


def counted(*, quick: bool) -> Figures:
    """In memory: nobody asks over HTTP."""
    recorder, count = ours()
    page, count_theirs = theirs()
    cases = [
        Case(PLAIN, nothing),
        Case("count", count),
        Case("client's", count_theirs),
        Case("read", recorder.series, calls=3),
        Case("values", lambda: [one.snapshot() for one in recorder.series()], calls=2),
        Case("page", lambda: prometheus.text(recorder), calls=2),
        Case("client's page", page, calls=2),
    ]
    rounds = run(cases, rounds=5 if quick else 40)
    figures: dict[str, Any] = {"count": rounds.in_nanoseconds("count")}
    for name in ("read", "values", "page"):
        figures[name] = Spread(*(one / 1e6 for one in rounds.in_nanoseconds(name)))
    figures["count / client's"] = rounds.ratio("count", "client's")
    figures["page / client's"] = rounds.ratio("page", "client's page")
    return figures


def profile() -> None:
    """Where counting goes."""
    frames.show("counting a call", ours()[1], calls=1)
