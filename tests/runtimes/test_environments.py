"""What is needed for an environment of its own: without it, a test that cannot run is no test that passed."""

from __future__ import annotations

import sys

import pytest

from .environments import carried, check, event, step, trace_of

FAILS = [sys.executable, "-c", "raise SystemExit('ERROR: there is no index')"]


def test_where_all_should_be_there_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """And says which."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"missing: flask could not be installed \(ERROR: there is no index\)"):
        step(FAILS, "flask")


def test_on_a_laptop_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is left out, and says what is missing."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="missing: flask could not be installed"):
        step(FAILS, "flask")


def test_an_event_is_written_in_the_binary_form() -> None:
    """Its attributes with their prefix, and what belongs to the request without."""
    headers = event(id="e1", ce_baggage="a=b", traceparent="t", x_svcgov_colour="blue")
    assert (headers["ce-id"], headers["ce-type"], headers["ce-baggage"]) == ("e1", "order.placed", "a=b")
    assert (headers["traceparent"], headers["x-svcgov-colour"]) == ("t", "blue")


def test_what_belongs_to_another_is_noticed() -> None:
    """The check can fail."""
    seen = {"trace": trace_of(1), "tenant": "t1", "colour": carried(1)["x-svcgov-colour"], "remaining": 20.5}
    check(1, {"before": seen, "after": seen})
    with pytest.raises(AssertionError):
        check(1, {"before": seen, "after": {**seen, "colour": "blue"}})
