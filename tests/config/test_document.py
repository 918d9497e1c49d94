"""A document, read: what it may say, and how it is told what it may not."""

from __future__ import annotations

from typing import Any

import pytest

from svcgov.config.document import MOST_ERRORS, document_of
from svcgov.errors import ConfigError


def wrong(given: Any) -> list[str]:
    """All that is wrong with a document."""
    return [str(error) for error in document_of(given)[1]]


def of_payments(**slots: Any) -> dict[str, Any]:
    """A document about one pipeline."""
    return {"policies": {"payments": slots}}


FULL: dict[str, Any] = {
    "api_version": "svcgov/v1",
    "service": "orders",
    "unset": ["policies.search.retry", 'policies."a.b"'],
    "policies": {
        "payments": {
            "order": ["timeout", "retry"],
            "timeout": "5s",
            "attempt_timeout": {"seconds": 1},
            "retry": {"attempts": 3, "on": ["connection", "5xx", 429, "is_busy"], "backoff": {"initial": "100ms", "max": "2s"}},
            "circuit_breaker": {"failure_rate": 0.5, "window": "30s", "when": {"path": {"prefix": "/api"}}},
            "bulkhead": 10,
            "rate_limit": ["200/second", "1000/minute"],
        },
        "search": {"rate_limit": {"limit": "5/second", "key": "header:x-tenant"}},
    },
    "process": {"max_workers": 8, "idle": "1m"},
    "inbound": {"rate_limit": "200/second", "order": ["rate_limit", "bulkhead"]},
    "callers": {"timeout": "2s", "retry": {"attempts": 2}, "rate_limit": {"limit": ["5/second"], "burst": 3}},
    "overlay": {
        "stage": {"prod": {"policies": {"payments": {"timeout": "2s"}}}},
        "version": {"v1.2": {"unset": ["policies.payments.retry"]}},
        "colour": {"blue": {"process": {"max_workers": 4}}},
    },
    "rollouts": {"patience": {"until": "2026-03-01T12:00:00Z", "percent": 10, "policies": {"payments": {"timeout": "8s"}}}},
}


def test_all_that_a_document_may_say() -> None:
    """Shorthands are expanded; what is taken back is listed; overlays are parts of their own."""
    document, errors = document_of(FULL)
    assert errors == []
    assert document.service == "orders"
    base, stage, version, colour, rollout = document.parts
    assert base.values["policies"]["payments"]["bulkhead"] == {"limit": 10}
    assert base.values["policies"]["payments"]["rate_limit"] == {"limit": ["200/second", "1000/minute"]}
    assert base.values["policies"]["payments"]["timeout"] == {"seconds": "5s"}
    assert base.values["process"] == {"max_workers": 8, "idle": "1m"}
    assert base.unset == (("policies", "search", "retry"), ("policies", "a.b"))
    assert (stage.kind, stage.name, stage.values) == ("stage", "prod", of_payments(timeout={"seconds": "2s"}))
    assert (version.name, version.values, version.unset) == ("v1.2", {}, (("policies", "payments", "retry"),))
    assert colour.values == {"process": {"max_workers": 4}}
    assert (rollout.kind, rollout.name, rollout.values) == ("rollout", "patience", of_payments(timeout={"seconds": "8s"}))


def test_an_empty_document_says_nothing() -> None:
    """An empty file is one."""
    document, errors = document_of({})
    assert errors == []
    assert [part.values for part in document.parts] == [{}]


def test_null_takes_back() -> None:
    """As ``unset`` does, at any depth; TOML has no such word."""
    document, errors = document_of(
        {"policies": {"search": None, "payments": {"bulkhead": None, "retry": {"on": None, "attempts": 2}}}}
    )
    assert errors == []
    assert document.parts[0].unset == (
        ("policies", "search"),
        ("policies", "payments", "bulkhead"),
        ("policies", "payments", "retry", "on"),
    )
    assert document.parts[0].values == of_payments(retry={"attempts": 2})


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (of_payments(retry={"attemps": 2}), "policies.payments.retry.attemps: expected one of on, ignore"),
        (of_payments(retry={"max_retries": 2}), "(did you mean attempts?), got 2"),
        (of_payments(retry={"attemps": None}), "(did you mean attempts?), got None"),
        (of_payments(rate_limt=None), "(did you mean rate_limit?), got None"),
        (of_payments(rate_limt="1/second"), "circuit_breaker, attempt_timeout (did you mean rate_limit?), got '1/second'"),
        ({"polices": {}}, "polices: expected one of api_version, service, policies"),
        ({"overlay": {"color": {}}}, "overlay.color: expected one of stage, version, colour (did you mean colour?), got {}"),
        (
            {"overlay": {"stage": {"a.b": {"x": 1}}}},
            'overlay.stage."a.b".x: expected one of policies, inbound, callers',
        ),
        (
            {"overlay": {"colour": {"a": {"callers": {}}}}},
            "overlay.colour.a.callers: expected one of policies, inbound, process, unset, got",
        ),
        (
            {"rollouts": {"a": {"percent": 1, "callers": {}}}},
            "rollouts.a.callers: expected one of until, percent, policies, inbound, process",
        ),
        (of_payments(retry={"attempts": 0}), "policies.payments.retry.attempts: expected an integer >= 1, got 0"),
        (of_payments(bulkhead=0), "policies.payments.bulkhead: expected an integer >= 1, got 0"),
        (of_payments(bulkhead={"limit": 0}), "policies.payments.bulkhead.limit: expected an integer >= 1, got 0"),
        (
            of_payments(retry=3),
            'policies.payments.retry: expected a table of settings, such as retry = { on = ["connection"] }, got 3',
        ),
        (of_payments(retry={"on": "conection"}), "or a registered name (did you mean connection?), got 'conection'"),
        (of_payments(retry={"on": ["timeout", "5x"]}), "policies.payments.retry.on: expected exception types"),
        (of_payments(retry={"clock": 1}), "policies.payments.retry.clock: expected nothing: only code can say it, got 1"),
        (of_payments(order=["timeout", "timeout"]), "policies.payments.order: expected a list of some of timeout, bulkhead"),
        (of_payments(order="timeout"), "policies.payments.order: expected a list of some of timeout, bulkhead"),
        ({"policies": {"a b": {}}}, 'policies."a b": expected 1 to 128 letters, digits or . _ : -'),
        ({"policies": {"payments": 3}}, "policies.payments: expected a table, got 3"),
        ({"policies": []}, "policies: expected a table, got []"),
        ({"service": "a b"}, "service: expected 1 to 128 letters"),
        ({"api_version": "svcgov/v2"}, "api_version: expected svcgov/v1, got 'svcgov/v2'"),
        ({"unset": ["policies.a", "retry"]}, "unset[1]: expected places, such as [\"policies.payments.retry\"], got 'retry'"),
        ({"unset": 3}, "unset: expected places"),
        ({"process": {"workers": 3}}, "process.workers: expected one of max_workers, idle, keeper"),
        ({"process": {"max_workers": True}}, "process.max_workers: expected an integer from 1 to 1_000, got True"),
        (
            {"overlay": {"stage": {"prod": of_payments(timeout=-1)}}},
            "overlay.stage.prod.policies.payments.timeout: expected a duration",
        ),
        ({"overlay": {"stage": 3}}, "overlay.stage: expected a table, got 3"),
        (
            of_payments(timeout={1}),
            "policies.payments.timeout: expected a text, a number, true, false, a list",
        ),
        ({1: 2}, "document: expected keys that are texts, got 1"),
        ([], "document: expected a table, got []"),
        (None, "document: expected a table, got None"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(given: Any, error: str) -> None:
    """As it is written, and with what it was probably meant to be."""
    (found,) = wrong(given)
    assert error in found


def test_all_that_is_wrong_is_told_at_once() -> None:
    """Whoever mends it need not come back for each mistake."""
    found = wrong({"x": 1, **of_payments(retry={"attempts": 0, "attemps": 1}, bulkhead=0)})
    assert [one.partition(":")[0] for one in found] == [
        "x",
        "policies.payments.retry.attempts",
        "policies.payments.retry.attemps",
        "policies.payments.bulkhead",
    ]
    assert len(wrong({str(number): number for number in range(1000)})) == MOST_ERRORS


def test_what_is_wrong_is_left_out() -> None:
    """So that what comes of it can still be looked at."""
    document, errors = document_of(of_payments(retry={"attempts": 0, "on": ["timeout"]}))
    assert len(errors) == 1
    assert document.parts[0].values == of_payments(retry={"on": ["timeout"]})


def test_a_document_is_not_nested_without_end() -> None:
    """One that holds itself is refused like one that is too deep."""
    endless: dict[str, Any] = {}
    endless["policies"] = endless
    (error,) = document_of(endless)[1]
    assert isinstance(error, ConfigError)
    assert error.expected == "at most 32 tables and lists in one another"


def test_what_is_read_is_a_copy() -> None:
    """What becomes of the mapping afterwards is nobody's affair."""
    given = of_payments(retry={"on": ["timeout"]})
    document, _ = document_of(given)
    given["policies"]["payments"]["retry"]["on"].append("nonsense")
    assert document.parts[0].values == of_payments(retry={"on": ["timeout"]})
