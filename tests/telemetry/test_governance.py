"""What a process knows of itself, as JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from svcgov import Governor, budget, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov._core._histogram import Histogram
from svcgov._core._names import NAMES
from svcgov.facts import CallRefused
from svcgov.telemetry.governance import text

from .counting import Counting


@pytest.fixture
def counting() -> Counting:
    """One recorder."""
    return Counting()


def read(counting: Counting) -> Any:
    """What is shown, read as strictly as the standard wants it."""

    def refused(constant: str) -> None:
        raise AssertionError(constant)

    return json.loads(text(counting.recorder, counting.identity), parse_constant=refused)


def test_it_says_who_is_running_and_how_long_it_has_counted(counting: Counting) -> None:
    """And nothing else, where there is nothing."""
    counting.clock.advance(90)
    assert read(counting) == {
        "service": "shop",
        "version": "7",
        "seconds": 90,
        "cold_starts": 0,
        "policies": [],
        "calls": [],
        "facts": [],
    }


def test_every_named_policy_is_there_as_it_stands(counting: Counting) -> None:
    """Of every kind and of every scope, with what its snapshot says."""
    made: list[Any] = [
        circuit_breaker("payments"),
        bulkhead(3, name="pool"),
        rate_limit("5/minute", name="quota"),
        retry(on=ConnectionError, name="again", budget=None),
        timeout(1, name="soon"),
        budget("shared"),
        Governor(scope="other").bulkhead(4, name="pool"),
    ]
    bulkhead(9)
    shown = {(one.pop("scope"), one.pop("kind"), one.pop("policy")): one for one in read(counting)["policies"]}
    scopes = [""] * 6 + ["other"]
    assert shown == {(scope, one.kind, one.label): one.snapshot() for scope, one in zip(scopes, made, strict=True)}


def test_series_and_facts_are_there(counting: Counting) -> None:
    """A series with its labels, its rates and quantiles, and what merges with those of other instances."""
    for took in (0.1, 0.2):
        counting.call(took, "orders", late=True)
    counting.recorder.heard(CallRefused(policy="pool", at=0.0, kind="bulkhead", reason="full"))
    shown = read(counting)
    (call,) = shown["calls"]
    durations = Histogram.of(call.pop("durations"))
    assert durations.total == pytest.approx(0.3)
    assert (durations.count, durations.most) == (2, 0.2)
    assert call == {
        "direction": "in",
        "kind": "direct",
        "service": "shop",
        "operation": "orders",
        "outcome": "ok",
        "late": 2,
        "rates": {name: pytest.approx(2, rel=0.02) for name in ("m1", "m5", "m15")},
        "p50": pytest.approx(0.1, rel=0.01),
        **{name: pytest.approx(0.2, rel=0.01) for name in ("p95", "p99", "p999")},
    }
    assert shown["facts"] == [
        {"event": "svcgov.call_refused", "policy": "pool", "kind": "bulkhead", "reason": "full", "observed": "false", "count": 1}
    ]


def test_what_has_no_end_is_null(counting: Counting) -> None:
    """JSON has no word for it."""
    NAMES.claim("", "thing", "endless", {}, lambda: Standing({"left": float("inf"), "used": 1.5}))
    (shown,) = read(counting)["policies"]
    assert (shown["left"], shown["used"]) == (None, 1.5)


def test_a_policy_that_cannot_say_how_it_stands_is_reported_and_left_out(
    counting: Counting, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others are there."""
    NAMES.claim("", "thing", "broken", {}, lambda: Standing(None))
    NAMES.claim("", "thing", "whole", {}, lambda: Standing({}))
    assert [one["policy"] for one in read(counting)["policies"]] == ["whole"]
    said = "svcgov: the figures of thing broken could not be read: LookupError() (said once)\n"
    assert capsys.readouterr().err == said


class Standing:
    """Something that has a name."""

    def __init__(self, figures: dict[str, float] | None) -> None:
        self._figures = figures

    def snapshot(self) -> dict[str, float]:
        """How it stands."""
        if self._figures is None:
            raise LookupError
        return self._figures
