"""The list of all metrics, and its table in the guide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from svcgov import facts
from svcgov.telemetry.emf import DURATIONS, Emf
from svcgov.telemetry.metrics import METRICS, Metric, families
from svcgov.telemetry.outputs import WORDS
from svcgov.telemetry.prometheus import name_of
from svcgov.telemetry.recorder import COUNTED

from .counting import Counting

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "metrics.md").read_text()


def row(metric: Metric) -> str:
    """The line of the table that *metric* has."""
    labels = " ".join(f"`{label.replace('.', '_')}`" for label in metric.labels)
    kind = f"{metric.kind}, {metric.unit}" if metric.unit in {"s", "1"} else metric.kind
    return f"| `{name_of(metric)}` | {kind} | {labels} | {metric.text} |"


def test_the_table_in_the_guide_is_made_from_the_list() -> None:
    """Every metric as it is in the code, in the same order, and no other one."""
    table = PAGE.partition("| in Prometheus |")[2].partition("\n\n")[0].splitlines()[2:]
    assert table == [row(metric) for metric in METRICS]


@pytest.mark.parametrize("word", WORDS)
def test_the_guide_has_every_word(word: str) -> None:
    """Of the variable that turns outputs on."""
    assert f"`{word}`" in PAGE


def test_the_guide_has_every_metric_of_emf() -> None:
    """By the names that CloudWatch shows."""
    counts, took = Emf(Counting().recorder)._read()
    assert set(took) == set(DURATIONS)
    assert [name for name in (*counts, *took) if f"`{name}`" not in PAGE] == []


def test_every_fact_that_is_counted_is_told() -> None:
    """By one metric each; the rest of the facts are named here, so that a new one is not forgotten."""
    counting = Counting()
    for kind in COUNTED:
        fields: dict[str, Any] = {name: "x" for name, default in kind._fields.items() if repr(default) == "required"}
        counting.recorder.heard(kind(**fields))
    told = [
        metric.name for metric, samples in families(counting.recorder) for labels, _ in samples if labels.get("policy") == "x"
    ]
    assert len(told) == len(set(told)) == len(COUNTED)
    others = {"Fact", "LeftCallFailed", "ThresholdExceeded", "TimeoutNotEnforced", "WorkersAbandoned"}
    assert {kind.__name__ for kind in COUNTED} == set(facts.__all__) - others


def test_a_value_has_the_labels_that_the_list_says() -> None:
    """And no other ones."""
    counting = Counting()
    counting.call(trigger="http", method="GET", status=200, colour="blue", late=True)
    counting.call(trigger="sqs", colour="blue")
    counting.attempt()
    found = {metric.name: (set(metric.labels), samples) for metric, samples in families(counting.recorder)}
    for name in ("http.server.request.duration", "faas.invoke_duration", "http.client.request.duration", "svcgov.calls.late"):
        known, samples = found[name]
        assert [set(labels) - known for labels, _ in samples] == [set()], name
    assert set(found["http.server.request.duration"][1][0][0]) == found["http.server.request.duration"][0]
