"""What svcgov itself answers where an HTTP function stands: its health, and its figures."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest

import svcgov
from svcgov import bulkhead, circuit_breaker
from svcgov.errors import ConfigError
from svcgov.testing import ManualClock

from .calling import Called, flask, starlette, told
from .making import lines


def asked(called: Called, path: str, method: str = "GET", **headers: str) -> Any:
    """What *called* answers there: status, headers and body, or what the function has returned."""
    answer = called((flask if called.kind == "sync" else starlette)(path, method, **headers))
    return answer if answer == "answer" else told(answer)


def test_its_figures_can_be_asked_for(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The function is not called, nothing is counted, no line is written, and no policy is passed."""
    gate = bulkhead(1, name="pool")
    called = Called(kind, "http", metrics="/-", policy=gate)
    assert asked(called, "/orders") == "answer"
    lines(capsys)
    with gate:
        status, headers, page = asked(called, "/-/metrics")
    assert (status, headers["content-type"], headers["cache-control"]) == (
        200,
        "text/plain; version=0.0.4; charset=utf-8",
        "no-store",
    )
    assert 'svcgov_bulkhead_in_use{policy="pool"} 1\n' in page
    status, _, page = asked(called, "/-/governance")
    assert (status, [one["durations"]["count"] for one in json.loads(page)["calls"]]) == (200, [1])
    assert (len(called.seen), lines(capsys)) == (1, [])


def test_its_health_can_be_asked_for(kind: str) -> None:
    """With the dependencies that it requires."""
    clock = ManualClock()
    payments = circuit_breaker("payments", clock=clock)
    called = Called(kind, "http", health="/-", requires=[payments], clock=clock)
    assert [asked(called, f"/-/{which}")[0] for which in ("alive", "ready")] == [200, 200]
    payments.open()
    status, _, body = asked(called, "/-/ready")
    assert (status, json.loads(body)["reasons"]) == (503, ["payments: open"])
    assert asked(called, "/-/ready", "POST")[0] == 405
    assert called.seen == []


def test_they_are_off_unless_mounted(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the code, or, of the figures, by a word in the environment."""
    assert [asked(Called(kind, "http"), path) for path in ("/-/metrics", "/-/alive")] == ["answer"] * 2
    monkeypatch.setenv("SVCGOV_METRICS", "prometheus")
    assert asked(Called(kind, "http"), "/-/metrics")[0] == 200


def test_a_function_stays_what_it_is(kind: str) -> None:
    """By its name, and by how it is called."""
    called = Called(kind, "http", metrics="/-")
    assert called.function.__name__ == called.inner.__name__
    request = called.given()
    answers = [called(request), called(given=request)]
    assert answers == ["answer"] * 2


@pytest.mark.parametrize("request_", ["no request", None, MagicMock(), SimpleNamespace(scope={"path": []}, method="GET")])
def test_whatever_stands_in_the_place_of_a_request_is_the_functions(kind: str, request_: Any) -> None:
    """In a test of the author's."""
    called = Called(kind, "http", metrics="/-", health="/-")
    assert called(request_) == "answer"
    assert len(called.seen) == 1


@pytest.mark.parametrize(("option", "place"), [({"metrics": "figures"}, "http.metrics"), ({"requires": ["a"]}, "http.requires")])
def test_a_place_has_to_be_a_path(option: Any, place: str) -> None:
    """As for an application."""
    with pytest.raises(ConfigError, match=f"^{place}"):
        Called("sync", "http", **option)


def test_the_package_s_function_takes_them_too() -> None:
    """``@svcgov.http(metrics=...)``."""

    @svcgov.http(service="shop", metrics="/-", health="/-")
    def serve(request: Any) -> str:
        return "answer"

    assert [told(serve(flask(path, "GET")))[0] for path in ("/-/metrics", "/-/alive")] == [200, 200]
