"""Metrics through the API of OpenTelemetry, as its SDK collects them."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind

from _worlds import in_threads
from svcgov import bulkhead, circuit_breaker
from svcgov._core._histogram import COARSE
from svcgov.errors import BulkheadFullError
from svcgov.telemetry import otel
from svcgov.telemetry.metrics import CLIENT, FAAS, LEFT, METRICS, SERVER
from svcgov.telemetry.otel import Otel
from svcgov.telemetry.runtime import LAG

from .counting import Counting
from .metering import Metered
from .test_secrets import SECRET, Leaky

if TYPE_CHECKING:
    from svcgov.telemetry.recorder import Recorder

pytestmark = pytest.mark.extras


def told(**options: Any) -> Counting:
    """A recorder whose durations are told."""
    counting = Counting(**options)
    counting.recorder.teller = Otel(counting.recorder)
    return counting


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> Metered:
    """It is the provider of the process while the test lasts."""
    return Metered().set(monkeypatch)


def test_each_duration_is_recorded_by_what_is_known_of_the_call(metered: Metered) -> None:
    """With the names and the steps of the conventions; statuses are numbers."""
    counting = told()
    for took in (0.004, 0.3):
        counting.call(took, "GET /orders", trigger="http", method="GET", status=200, colour="blue")
    counting.call(trigger="sqs")
    counting.attempt(status=503)
    found = metered.metrics()
    assert [(found[name].unit, len(found[name].data.data_points)) for name in (SERVER, FAAS, CLIENT)] == [("s", 1)] * 3
    (point,) = found[SERVER].data.data_points
    assert (point.count, point.sum, point.explicit_bounds) == (2, pytest.approx(0.304), COARSE)
    assert dict(point.attributes) == {
        "service": "shop",
        "operation": "GET /orders",
        "colour": "blue",
        "outcome": "ok",
        "http.request.method": "GET",
        "http.response.status_code": 200,
    }
    assert metered.points(FAAS, "trigger", "outcome") == {("sqs", "ok"): 1}
    assert metered.points(CLIENT, "server.address", "http.response.status_code", "outcome") == {("payments", 503, "failed"): 1}


@pytest.mark.parametrize(
    ("theirs", "opted", "counted"),
    [
        (("opentelemetry.instrumentation.asgi", SpanKind.SERVER), "http", {CLIENT}),
        (("opentelemetry.instrumentation.httpx", SpanKind.CLIENT), "http/dup", {SERVER}),
        (("opentelemetry.instrumentation.asgi", SpanKind.SERVER), "", {SERVER, CLIENT}),
        (("opentelemetry.instrumentation.asgi", SpanKind.CONSUMER), "http", {SERVER, CLIENT}),
        (("shop", SpanKind.SERVER), "http", {SERVER, CLIENT}),
    ],
)
def test_what_an_instrumentation_tells_is_not_told_again(
    theirs: tuple[str, SpanKind], opted: str, counted: set[str], metered: Metered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands around the call, and has metrics by the same names where it was asked for these."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", opted)
    counting = told()
    by, kind = theirs
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer(by)
    with tracer.start_as_current_span("theirs", kind=kind):
        counting.call(trigger="http", method="GET")
        counting.attempt()
        counting.call(trigger="sqs")
    assert {SERVER, CLIENT, FAAS} & set(metered.metrics()) == {*counted, FAAS}
    assert sum(counting.counts("kind").values()) == 3


def test_what_was_left_to_a_deadline_and_what_the_process_has_measured_are_recorded_too(metered: Metered) -> None:
    """Each as the histogram that it is in the list."""
    counting = told()
    counting.call(deadline=counting.clock.monotonic() + 2)
    counting.call(deadline=counting.clock.monotonic() - 2)
    counting.call()
    counting.recorder.timed(LAG, 0.25)
    (left,) = metered.metrics()[LEFT].data.data_points
    assert (dict(left.attributes), left.count, left.sum) == ({"service": "shop", "operation": "orders"}, 2, 2.0)
    (lag,) = metered.metrics()[LAG].data.data_points
    assert (dict(lag.attributes), lag.count, lag.sum) == ({"service": "shop"}, 1, 0.25)


def test_all_else_is_read_from_the_recorder_when_it_is_collected(metered: Metered) -> None:
    """As it is then."""
    counting = told()
    breaker = circuit_breaker("payments", clock=counting.clock, consecutive_failures=1)
    room = bulkhead(3, name="pool", clock=counting.clock)
    assert metered.points("svcgov.bulkhead.in_use", "policy") == {("pool",): 0}
    with pytest.raises(LookupError), room, breaker:
        assert metered.points("svcgov.bulkhead.in_use", "policy") == {("pool",): 1}
        raise LookupError
    counting.call(cold_start=True)
    assert metered.points("faas.coldstarts", "service") == {("shop",): 1}
    assert metered.points("svcgov.circuit.transitions", "policy", "after") == {("payments", "open"): 1}
    assert metered.points("svcgov.circuit.state", "state")["open",] == 1
    assert set(metered.points("cpython.gc.collections", "cpython.gc.generation")) == {(0,), (1,), (2,)}


def test_the_instruments_are_those_of_the_list(metered: Metered) -> None:
    """By name, unit and kind: what is counted only grows, and what adds up over processes is no gauge."""
    counting = told()
    counting.call(deadline=0.0, cold_start=True)
    kinds = {"counter": ("Sum", True), "gauge": ("Gauge", None), "histogram": ("Histogram", None)}
    known = {
        metric.name: (metric.unit, *(("Sum", False) if metric.adds_up else kinds[metric.kind]), metric.text.replace("`", ""))
        for metric in METRICS
    }
    found = {
        one.name: (one.unit, type(one.data).__name__, getattr(one.data, "is_monotonic", None), one.description)
        for one in metered.metrics().values()
    }
    assert found.items() <= known.items()
    assert {"process.memory.usage", "process.uptime", "svcgov.recorder.series", "svcgov.deadline.left"} <= found.keys()
    assert (known["process.memory.usage"][1], known["process.uptime"][1]) == ("Sum", "Gauge")


def test_one_collection_is_one_reading(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many metrics are read from it; nothing of it is kept."""
    counting = told()
    counting.call()
    readings: list[Any] = []
    series = counting.recorder.series

    def read() -> Any:
        readings.append(series())
        return readings[-1]

    monkeypatch.setattr(counting.recorder, "series", read)
    for number in (1, 2):
        assert metered.points("svcgov.recorder.series") == {(): 1}
        assert len(readings) == number
    assert [one._readings for one in otel._made if one.provider is metered.provider] == [{}]


def test_a_collection_that_ends_early_is_not_the_next_one(metered: Metered) -> None:
    """Whoever collects again reads anew."""
    counting = told()
    (instruments,) = [one for one in otel._made if one.provider is metered.provider]
    metric = next(metric for metric in METRICS if metric.name == "svcgov.calls.late")
    for number in range(3):
        assert [one.value for one in instruments._observed(metric, counting.recorder)] == [number] * bool(number)
        counting.call(late=True)


def test_a_provider_makes_its_instruments_once(metered: Metered, caplog: pytest.LogCaptureFixture) -> None:
    """For every governor of the process: each tells of its service, and what belongs to all of them is told once."""
    first, second = told(), told()
    second.identity.service = "stock"
    for counting in (first, second):
        counting.call(cold_start=True)
    room = bulkhead(1, name="pool")
    with room, pytest.raises(BulkheadFullError), room:
        pass
    assert metered.points("faas.coldstarts", "service") == {("shop",): 1, ("stock",): 1}
    assert metered.points("svcgov.refusals", "policy") == {("pool",): 1}
    assert metered.points("svcgov.recorder.series", "service") == {("shop",): 1, ("stock",): 1}
    assert caplog.messages == []


def test_no_duration_is_lost_between_threads(metered: Metered) -> None:
    """Four that call, while the provider collects."""
    counting = told()

    def calls(number: int) -> None:
        for operation in range(200):
            counting.call(operation=f"{operation % 7}", deadline=0.0)
            if operation % 50 == number:
                metered.metrics()

    assert in_threads(4, calls) == []
    assert sum(metered.points(FAAS, "operation").values()) == sum(metered.points(LEFT, "operation").values()) == 800
    assert counting.recorder.output_failures == 0


def test_a_flood_of_labels_is_no_flood_of_attributes(metered: Metered) -> None:
    """What the recorder counts as other is other here too."""
    counting = told(most=5)
    for number in range(100):
        counting.call(operation=f"{number}")
    assert metered.points(FAAS, "operation").pop(("other",)) == 95
    assert isinstance(counting.recorder.teller, Otel)
    assert len(counting.recorder.teller._known) == 6


def test_a_figure_that_cannot_be_read_is_left_out(
    metered: Metered, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once it is reported, each time it is counted; the others are told. What has no end is no figure."""
    counting = told()
    recorder: Recorder = counting.recorder
    monkeypatch.setattr(recorder, "facts", lambda kind: [][0])
    recorder.overflowed = float("inf")  # type: ignore[assignment]  # as a limit may be
    found = metered.metrics()
    assert "svcgov.retries" not in found
    assert "svcgov.recorder.overflowed" not in found
    assert metered.points("svcgov.recorder.series") == {(): 0}
    assert capsys.readouterr().err.count("svcgov.retries could not be read: IndexError") == 1
    assert recorder.output_failures == 2 * sum(metric.labels[:1] == ("policy",) for metric in METRICS)


def test_no_attribute_is_a_secret(metered: Metered, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of all that goes through a service, names, words and statuses are told."""
    monkeypatch.setenv("SVCGOV_METRICS", "otel")
    monkeypatch.setenv("SVCGOV_LOG", "off")
    monkeypatch.setattr(logging.getLogger("shop"), "handlers", [])
    leaky = Leaky()
    for _ in range(3):
        leaky.ask()
    data = metered.reader.get_metrics_data()
    assert data is not None
    assert SECRET not in data.to_json()
    assert all(name in data.to_json() for name in ("payments", "again", "pool", "tenants", "failed", "raised"))
