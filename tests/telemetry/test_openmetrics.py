"""OpenMetrics, by prometheus_client's strict reading of it."""

from __future__ import annotations

from typing import Any

import pytest

from svcgov import bulkhead, circuit_breaker
from svcgov._core._context import Trace
from svcgov._core._histogram import COARSE
from svcgov.facts import CallRefused
from svcgov.telemetry import prometheus
from svcgov.telemetry.metrics import METRICS
from svcgov.telemetry.openmetrics import text

from .counting import Counting

pytestmark = pytest.mark.extras

SPAN = "b7ad6b7169203331"


def trace(number: int, *, sampled: bool = True) -> Trace:
    """A trace by its number."""
    return Trace(trace_id=f"{number:032x}", span_id=SPAN, sampled=sampled)


@pytest.fixture
def counting() -> Counting:
    """A recorder of an output that shows examples."""
    made = Counting()
    made.recorder.shows = True
    return made


def families(counting: Counting) -> dict[str, Any]:
    """The families by their names."""
    from prometheus_client.openmetrics.parser import text_string_to_metric_families

    read: Any = text_string_to_metric_families
    return {family.name: family for family in read(text(counting.recorder))}


def examples(family: Any) -> dict[str, Any]:
    """What stands behind the steps of a histogram, by their bounds."""
    return {one.labels["le"]: one.exemplar for one in family.samples if one.exemplar is not None}


def test_all_there_is_can_be_read(counting: Counting) -> None:
    """Strictly: the order of the lines, the units in the names, the end."""
    circuit_breaker("payments", clock=counting.clock)
    bulkhead(3, name="pool", clock=counting.clock)
    counting.call(trigger="http", method="GET", status=200, late=True, deadline=0.0, cold_start=True)
    counting.call(operation='a "b"\nc\\d')
    counting.attempt()
    counting.recorder.heard(CallRefused(policy="pool", at=0.0, kind="bulkhead", reason="full"))
    found = families(counting)
    assert text(counting.recorder).endswith("\n# EOF\n")
    requests, refusals = found["http_server_request_duration_seconds"], found["svcgov_refusals"]
    assert (requests.type, requests.unit) == ("histogram", "seconds")
    assert [(one.name, one.value) for one in refusals.samples] == [("svcgov_refusals_total", 1)]
    stems = {prometheus.stem_of(metric): (metric.kind, metric.text.replace("`", "")) for metric in METRICS}
    assert {name: (family.type, family.documentation) for name, family in found.items()}.items() <= stems.items()


def test_names_and_values_are_those_of_the_classic_text(counting: Counting) -> None:
    """Line by line, but for what is said about them and the figures that change by themselves."""
    counting.call(0.3, trigger="http", method="GET", trace=trace(1))
    counting.attempt()

    def values(given: str) -> list[str]:
        lines = [line.partition(" # ")[0] for line in given.splitlines() if not line.startswith("#")]
        return [line for line in lines if not line.startswith(("process_", "cpython_"))]

    assert values(text(counting.recorder)) == values(prometheus.text(counting.recorder))
    assert " # {" not in prometheus.text(counting.recorder)


def test_behind_a_step_stands_the_last_sampled_trace(counting: Counting) -> None:
    """With what it took, and when it ended."""
    for number, took in enumerate((0.003, 0.004, 0.3, 99.0, 0.25)):
        counting.call(took, trace=trace(number))
    shown = examples(families(counting)["faas_invoke_duration_seconds"])
    assert {le: (one.labels["trace_id"], one.value) for le, one in shown.items()} == {
        "0.005": (f"{1:032x}", 0.004),
        "0.25": (f"{4:032x}", 0.25),
        "0.5": (f"{2:032x}", 0.3),
        "+Inf": (f"{3:032x}", 99.0),
    }
    assert {one.labels["span_id"] for one in shown.values()} == {SPAN}
    assert {float(one.timestamp) for one in shown.values()} == {counting.clock.wall()}


def test_attempts_have_examples_of_the_call_they_are_part_of(counting: Counting) -> None:
    """Its trace is theirs."""
    from svcgov._core._context import INVOCATION, Invocation

    token = INVOCATION.set(Invocation(trace=trace(7)))
    try:
        counting.attempt(0.02)
    finally:
        INVOCATION.reset(token)
    shown = examples(families(counting)["http_client_request_duration_seconds"])
    assert {le: one.labels["trace_id"] for le, one in shown.items()} == {"0.025": f"{7:032x}"}


def test_nobody_records_a_trace_that_is_not_sampled(counting: Counting) -> None:
    """So nothing leads to it; nor is anything kept where no output shows it."""
    counting.call(trace=trace(1, sampled=False))
    counting.call()
    counting.recorder.shows = False
    counting.call(trace=trace(2))
    (series,) = counting.recorder.series()
    assert series.durations.exemplars is None


def test_there_are_no_more_examples_than_steps(counting: Counting) -> None:
    """However many calls, whatever they took."""
    for number in range(5000):
        counting.call(number / 100, trace=trace(number))
    (series,) = counting.recorder.series()
    assert series.durations.exemplars is not None
    assert series.durations.exemplars.keys() <= set(range(len(COARSE) + 1))


def test_a_reading_keeps_its_examples(counting: Counting) -> None:
    """Whatever comes after it."""
    counting.call(0.3, trace=trace(1))
    (before,) = counting.recorder.series()
    counting.call(0.3, trace=trace(2))
    assert before.durations.exemplars is not None
    assert [one.trace_id for one in before.durations.exemplars.values()] == [f"{1:032x}"]
