"""What Prometheus reads, by its own client's reading of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import budget, bulkhead, circuit_breaker, rate_limit, retry
from svcgov._core._histogram import COARSE
from svcgov.facts import CallRefused
from svcgov.telemetry.metrics import METRICS
from svcgov.telemetry.prometheus import name_of, text

from .counting import Counting

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.extras


def families(counting: Counting) -> dict[str, Any]:
    """The families by their names, as prometheus_client reads them."""
    from prometheus_client.parser import text_string_to_metric_families

    return {family.name: family for family in text_string_to_metric_families(text(counting.recorder))}


def values(samples: Iterable[Any], *names: str) -> dict[tuple[str, ...], float]:
    """The values by the labels of these names."""
    return {tuple(one.labels.get(name, "") for name in names): one.value for one in samples}


@pytest.fixture
def counting() -> Counting:
    """One recorder."""
    return Counting()


def test_the_durations_of_requests_are_a_histogram(counting: Counting) -> None:
    """With the steps of the conventions, the sum and the count."""
    for took in (0.004, 0.005, 0.3, 20.0):
        counting.call(took, "GET /orders", trigger="http", method="GET", status=200)
    family = families(counting)["http_server_request_duration_seconds"]
    assert family.type == "histogram"
    buckets = values([one for one in family.samples if one.name.endswith("_bucket")], "le")
    assert [float(le) for (le,) in buckets] == [*COARSE, float("inf")]
    assert [buckets[le,] for le in ("0.005", "0.25", "0.5", "10.0", "+Inf")] == [2, 2, 3, 3, 4]
    rest = {one.name.rpartition("_")[2]: one.value for one in family.samples if not one.name.endswith("_bucket")}
    assert rest == {"sum": pytest.approx(20.309), "count": 4}
    assert family.samples[0].labels == {
        "service": "shop",
        "operation": "GET /orders",
        "outcome": "ok",
        "http_request_method": "GET",
        "http_response_status_code": "200",
        "le": "0.005",
    }


def test_calls_by_another_way_and_attempts_have_names_of_their_own(counting: Counting) -> None:
    """Those of the conventions."""
    counting.call(trigger="sqs", colour="blue")
    counting.attempt(status=503)
    found = families(counting)
    counts = {
        name: values([one for one in found[name].samples if one.name.endswith("_count")], *labels)
        for name, labels in (
            ("faas_invoke_duration_seconds", ("trigger", "colour", "outcome")),
            ("http_client_request_duration_seconds", ("server_address", "http_response_status_code", "outcome")),
        )
    }
    assert counts == {
        "faas_invoke_duration_seconds": {("sqs", "blue", "ok"): 1},
        "http_client_request_duration_seconds": {("payments", "503", "failed"): 1},
    }
    assert "http_server_request_duration_seconds" not in found


def test_a_label_may_hold_anything(counting: Counting) -> None:
    """Quotes, line ends and backslashes come out as they went in."""
    name = 'a "b"\nc\\d {e="f"} \\n'
    counting.call(operation=name)
    samples = families(counting)["faas_invoke_duration_seconds"].samples
    assert {one.labels["operation"] for one in samples} == {name}


def test_what_policies_did_and_how_they_stand(counting: Counting) -> None:
    """Facts are counters, figures of named policies are gauges."""
    clock = counting.clock
    breaker = circuit_breaker("payments", clock=clock, consecutive_failures=1)
    bulkhead(3, name="pool", clock=clock)
    rate_limit("5/minute", name="quota", clock=clock)
    retry(on=ConnectionError, name="again", budget=budget("shared"))
    with pytest.raises(LookupError), breaker:
        raise LookupError
    counting.recorder.heard(CallRefused(policy="pool", at=0.0, kind="bulkhead", reason="full", observed=True))
    found = families(counting)
    assert values(found["svcgov_circuit_transitions"].samples, "policy", "before", "after") == {("payments", "closed", "open"): 1}
    assert values(found["svcgov_refusals"].samples, "policy", "reason", "observed") == {("pool", "full", "true"): 1}
    states = values(found["svcgov_circuit_state"].samples, "state")
    assert [state for (state,), value in states.items() if value] == ["open"]
    gauges = {name: values(found[f"svcgov_{name}"].samples, "policy") for name in ("bulkhead_limit", "rate_limit_remaining")}
    assert gauges == {"bulkhead_limit": {("pool",): 3}, "rate_limit_remaining": {("quota",): 5}}
    assert values(found["svcgov_budget_left"].samples, "policy").keys() == {("shared",)}


def test_calls_of_governed_functions_are_counted_by_their_ends(counting: Counting) -> None:
    """Whether or not they are an edge."""

    @bulkhead(1)
    def lonely(error: Exception | None = None) -> None:
        if error is not None:
            raise error

    lonely()
    with pytest.raises(LookupError):
        lonely(LookupError())
    found = values(families(counting)["svcgov_function_calls"].samples, "function", "outcome")
    ours = {outcome: value for (function, outcome), value in found.items() if function.endswith("lonely")}
    assert ours == {"succeeded": 1, "failed": 1}


def test_a_value_without_end_is_one_too(counting: Counting) -> None:
    """A number that Prometheus reads."""
    counting.call(float("inf"))
    (total,) = [one.value for one in families(counting)["faas_invoke_duration_seconds"].samples if one.name.endswith("_sum")]
    assert total == float("inf")


def test_a_second_reader_finds_what_the_first_one_found(counting: Counting) -> None:
    """To read takes nothing away. What the process says of itself goes on by itself."""
    counting.call()
    read = [text(counting.recorder).partition("\n# HELP process_")[0] for _ in range(2)]
    assert read[0] == read[1]


def test_names_are_made_by_rule() -> None:
    """Those of OpenTelemetry for Prometheus; no two are one."""
    names = {metric.name: name_of(metric) for metric in METRICS}
    assert names["http.server.request.duration"] == "http_server_request_duration_seconds"
    assert names["faas.coldstarts"] == "faas_coldstarts_total"
    assert names["svcgov.circuit.failure_rate"] == "svcgov_circuit_failure_rate_ratio"
    assert names["svcgov.bulkhead.in_use"] == "svcgov_bulkhead_in_use"
    assert len(set(names.values())) == len(METRICS)
