"""The requests that came in, by the field names of EaseAgent."""

from __future__ import annotations

import json

import pytest

from svcgov.telemetry.easeagent import text

from .counting import Counting

STD20 = [
    *("cnt", "errcnt", "m1", "m5", "m15", "m1err", "m5err", "m15err", "min", "max", "mean"),
    *("p25", "p50", "p75", "p95", "p98", "p99", "p999"),
]
ENVELOPE = ["timestamp", "category", "type", "service", "host_name", "host_ipv4", "url"]


def test_a_record_tells_of_one_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """All its series together: whatever was not answered well is an error, as there."""
    monkeypatch.setenv("HOSTNAME", "node-1")
    monkeypatch.setenv("APPLICATION_IP", "10.0.0.7")
    counting = Counting()
    for took, outcome, status in ((0.1, "ok", 200), (0.2, "ok", 404), (0.3, "failed", 503), (0.4, "raised", None)):
        counting.call(took, "/orders/{id}", outcome, trigger="http", method="GET", status=status)
    counting.call(trigger="sqs")
    counting.attempt()
    (record,) = json.loads(text(counting.recorder))
    assert set(record) == {*ENVELOPE, *STD20, "m1errpct", "m5errpct", "m15errpct"}
    assert {name: record[name] for name in ENVELOPE} == {
        "timestamp": 1_700_000_000_000,
        "category": "application",
        "type": "http-request",
        "service": "shop",
        "host_name": "node-1",
        "host_ipv4": "10.0.0.7",
        "url": "/orders/{id}",
    }
    assert (record["cnt"], record["errcnt"]) == (4, 3)
    assert (record["min"], record["max"], record["mean"]) == (100, 400, 250)
    assert record["p50"] == pytest.approx(200, rel=0.01)
    assert record["m1"] == pytest.approx(4, rel=0.02)
    assert record["m15err"] == pytest.approx(3, rel=0.02)
    assert record["m5errpct"] == 0.75


def test_hours_later_there_is_no_share_of_nothing() -> None:
    """A rate that has become nothing has no share of errors."""
    counting = Counting()
    counting.call(trigger="http", method="GET", status=200)
    counting.clock.advance(1e6)
    (record,) = json.loads(text(counting.recorder))
    assert (record["cnt"], record["m1"]) == (1, 0)
    assert "m1errpct" not in record


def test_two_operations_are_two_records() -> None:
    """And none is none."""
    counting = Counting()
    assert json.loads(text(counting.recorder)) == []
    for operation in ("/orders", "/payments"):
        counting.call(0.1, operation, trigger="http", method="GET", status=200)
    assert [record["url"] for record in json.loads(text(counting.recorder))] == ["/orders", "/payments"]
