"""The list of all metrics, and what the guide says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from svcgov import facts
from svcgov.telemetry.emf import DURATIONS, Emf
from svcgov.telemetry.metrics import families
from svcgov.telemetry.outputs import WORDS
from svcgov.telemetry.recorder import COUNTED

from .counting import Counting

PAGE = (Path(__file__).parents[2] / "docs" / "guide" / "metrics.md").read_text()


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
