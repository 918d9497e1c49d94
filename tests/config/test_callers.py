"""What a service asks of its callers, and what becomes of it in a process that calls it."""

from __future__ import annotations

from typing import Any

import pytest

import svcgov
from svcgov import Governor, Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.config._callers import STRICTER, wish
from svcgov.config._slots import SLOTS, settings_of
from svcgov.config.document import document_of
from svcgov.config.sources import Raw
from svcgov.facts import DocumentApplied, DocumentRefused

KEY = "k1=a-secret-of-16-bytes-or-more"


def ask(governor: Any, service: str = "orders", revision: str = "1", /, **slots: Any) -> None:
    """*service*, which is called, asks so of its callers."""
    document = {"callers": slots}
    governor._under().asks(service, Raw(layer="service", place="registry", data=document, revision=revision))


def kinds(pipeline: Pipeline) -> list[str]:
    """What is in a pipeline."""
    return [policy.kind for policy in pipeline.policies]


@pytest.fixture
def told() -> Any:
    """What is told of documents."""
    facts: list[Any] = []
    stop = svcgov.listen(facts.append, DocumentApplied, DocumentRefused)
    yield facts
    stop()


# -- how it is read ------------------------------------------------------------------------------------------------------


def test_what_may_be_asked_for_is_a_setting() -> None:
    """Each of the table; every slot has one."""
    assert set(STRICTER) == set(SLOTS)
    for slot, settings in STRICTER.items():
        assert set(settings) <= set(settings_of(slot)._fields)
        assert set(settings.values()) <= {-1, 1}


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"retries": {}}, "callers.retries: expected one of order, timeout,"),
        ({"order": ["timeout"]}, "callers.order: expected one of timeout, bulkhead,"),
        ({"retry": {"on": "timeout"}}, "callers.retry.on: expected nothing: callers may be asked for attempts"),
        ({"bulkhead": {"max_wait": 1}}, "callers.bulkhead.max_wait: expected nothing: callers may be asked for limit"),
        ({"retry": {"attempts": 0}}, "callers.retry.attempts: expected"),
        ({"circuit_breaker": {"open_for": {"initial": 1}}}, "callers.circuit_breaker.open_for: expected one value"),
        ({"timeout": "soon"}, "callers.timeout: expected"),
        (7, "callers: expected a table"),
    ],
)
def test_what_may_not_be_asked_for(said: Any, error: str) -> None:
    """Told with its place, also in an overlay; nothing of the table counts then."""
    document, errors = document_of({"callers": said})
    assert error in str(errors[0])
    (error_there,) = document_of({"overlay": {"stage": {"prod": {"callers": said}}}})[1][:1]
    assert f"overlay.stage.prod.{error}" in str(error_there)
    assert document.parts[0].values.get("callers", {}) in ({}, {"retry": {}}, {"timeout": {}})


def test_only_what_is_stricter_than_what_is_built_in_is_a_wish() -> None:
    """More attempts, a higher rate and a shorter rest are none; what is built in as nothing can only become stricter."""
    said: dict[str, dict[str, Any]] = {
        "retry": {"attempts": 5},
        "circuit_breaker": {"failure_rate": 0.9, "open_for": "5s", "min_calls": 10, "failures": 50_000},
        "timeout": {"seconds": "1h"},
        "bulkhead": {"limit": 100_000},
    }
    assert wish("orders", said).values["policies"]["orders"] == {
        "retry": {}, "circuit_breaker": {"failures": 50_000}, "timeout": {"seconds": "1h"}, "bulkhead": {"limit": 100_000},
    }  # fmt: skip
    stricter: dict[str, dict[str, Any]] = {
        "retry": {"attempts": 2},
        "circuit_breaker": {"failure_rate": 0.1, "open_for": "50s", "min_calls": 9},
    }
    assert wish("orders", stricter).values["policies"]["orders"] == stricter


# -- what becomes of it --------------------------------------------------------------------------------------------------


def test_it_stands_above_what_is_built_in_and_below_the_code(told: list[Any]) -> None:
    """A setting that the code says stays; of others the callee's holds, until it is not asked for any more."""
    breaker = circuit_breaker("orders", failure_rate=0.6)
    orders = Pipeline(retry(on=OSError), breaker, name="orders")
    governor = Governor()
    ask(governor, circuit_breaker={"failure_rate": 0.2, "min_calls": 5}, retry={"attempts": 2})
    again: Any = orders.policies[0]
    assert (breaker.settings.failure_rate, breaker.settings.min_calls, again.settings.attempts) == (0.6, 5, 2)
    ask(governor, "orders", "2")
    assert (breaker.settings.min_calls, again.settings.attempts) == (10, 3)
    assert [(one.layer, one.revision, one.changed) for one in told] == [("callers:orders", "1", 2), ("callers:orders", "2", 2)]


def test_a_document_of_the_callers_own_has_the_last_word() -> None:
    """Whatever it says of a setting; it can also take back all that is asked."""
    breaker = circuit_breaker("orders")
    governor = Governor(document={"policies": {"orders": {"circuit_breaker": {"min_calls": 50}}}})
    ask(governor, circuit_breaker={"failure_rate": 0.2, "min_calls": 5})
    assert (breaker.settings.failure_rate, breaker.settings.min_calls) == (0.2, 50)
    assert governor.apply({"unset": ["policies.orders"]})
    assert (breaker.settings.failure_rate, breaker.settings.min_calls) == (0.5, 10)


def test_what_the_caller_has_not_is_added_but_no_retry() -> None:
    """At its canonical place; a retry would be more calls."""
    orders = Pipeline(circuit_breaker(), name="orders")
    governor = Governor()
    ask(governor, timeout="2s", bulkhead=3, retry={"attempts": 2}, attempt_timeout="1s")
    assert kinds(orders) == ["timeout", "bulkhead", "circuit_breaker", "timeout"]
    later = Pipeline(retry(on=OSError), name="orders")
    assert kinds(later) == ["timeout", "bulkhead", "retry", "timeout"]
    assert later.policies[2].settings.attempts == 2  # type: ignore[attr-defined]  # it is a retry
    ask(governor, "orders", "2")
    assert (kinds(orders), kinds(later)) == (["circuit_breaker"], ["retry"])


def test_other_names_are_not_meant() -> None:
    """Two services ask, each of those who call it."""
    stock, bank = circuit_breaker("stock"), circuit_breaker("bank")
    governor = Governor()
    ask(governor, "stock", circuit_breaker={"min_calls": 5})
    ask(governor, "bank", circuit_breaker={"min_calls": 6})
    assert (stock.settings.min_calls, bank.settings.min_calls) == (5, 6)


def test_it_is_for_one_policy() -> None:
    """Which one of two is meant nobody can say, so none is."""
    two = Pipeline(bulkhead(5), bulkhead(6), name="orders")
    ask(Governor(), bulkhead=1)
    assert two.policies == two.own


def test_a_stage_may_ask_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of callers in that stage."""
    monkeypatch.setenv("SVCGOV_STAGE", "prod")
    breaker = circuit_breaker("orders")
    document = {
        "callers": {"circuit_breaker": {"min_calls": 5}},
        "overlay": {"stage": {"prod": {"callers": {"circuit_breaker": {"min_calls": 4}}}}},
    }
    Governor()._under().asks("orders", Raw(layer="service", place="x", data=document, revision="1"))
    assert breaker.settings.min_calls == 4


# -- what cannot be ------------------------------------------------------------------------------------------------------


def test_what_cannot_be_is_told_and_changes_nothing(told: list[Any]) -> None:
    """A document with a mistake, and one of somebody else; what was asked before stands."""
    breaker = circuit_breaker("orders")
    governor = Governor()
    ask(governor, circuit_breaker={"min_calls": 5})
    for document in ({"callers": {"circuit_breaker": {"min_calls": 0}}}, {"service": "stock"}, b"["):
        governor._under().asks("orders", Raw(layer="service", place="x", data=document, form="json", revision="2"))
    assert breaker.settings.min_calls == 5
    assert [one.path for one in told[1:]] == ["callers.circuit_breaker.min_calls", "service", "x"]
    assert {one.layer for one in told} == {"callers:orders"}


def test_a_wish_that_does_not_fit_the_code_is_left_out(told: list[Any]) -> None:
    """A burst is for one algorithm only; what was asked before stands."""
    breaker, limit = circuit_breaker("orders"), rate_limit("50/second", algorithm="fixed-window", name="orders")
    governor = Governor()
    ask(governor, circuit_breaker={"min_calls": 5})
    ask(governor, "orders", "2", circuit_breaker={"min_calls": 4}, rate_limit={"burst": 3})
    assert (breaker.settings.min_calls, limit.settings.burst) == (5, None)
    assert [(type(one).__name__, one.layer, one.revision) for one in told] == [
        ("DocumentApplied", "callers:orders", "1"),
        ("DocumentRefused", "callers:orders", "2"),
    ]


def test_what_cannot_be_put_in_force_is_not_told_as_applied(told: list[Any]) -> None:
    """The caller's own document does not go together with code that came later: no wish can hold then."""
    governor = Governor(document={"policies": {"two": {"bulkhead": 1}}})
    two = Pipeline(bulkhead(5), bulkhead(6), name="two")
    told.clear()
    ask(governor, circuit_breaker={"min_calls": 5})
    assert [(type(one).__name__, one.layer, one.path) for one in told] == [
        ("DocumentRefused", "callers:orders", "policies.two.bulkhead")
    ]
    del two


def test_a_wish_spoils_no_document_of_the_callers_own(told: list[Any]) -> None:
    """Where both do not go together the wish is dropped, and told."""
    limit: Any = rate_limit("50/second", name="orders")
    governor = Governor()
    ask(governor, rate_limit={"burst": 3})
    assert limit.settings.burst == 3
    assert governor.apply({"policies": {"orders": {"rate_limit": {"algorithm": "fixed-window"}}}})
    assert (limit.settings.burst, limit.settings.algorithm) == (None, "fixed-window")
    assert [(type(one).__name__, one.layer) for one in told] == [
        ("DocumentApplied", "callers:orders"),
        ("DocumentRefused", "callers"),
        ("DocumentApplied", "file"),
    ]


def test_only_what_is_signed_is_listened_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there are keys: by one of them, for that service."""
    monkeypatch.setenv("SVCGOV_DOCUMENT_KEYS", KEY)
    breaker = circuit_breaker("orders")
    documents = Governor()._under()
    from svcgov.config._signed import DocumentKeys

    keys = DocumentKeys([KEY], "x")
    payload = '{"callers": {"circuit_breaker": {"min_calls": 5}}}'
    for service, expected in (("stock", 10), ("orders", 5)):
        data = keys.sealed(payload, stage="", service=service, layer="service", revision=7)
        documents.asks("orders", Raw(layer="service", place="x", data=data, form="json", revision="1"))
        assert breaker.settings.min_calls == expected


def test_a_time_out_asked_for_bounds_a_call() -> None:
    """It is no figure in a list: a call keeps to it."""
    orders = Pipeline(name="orders")
    ask(Governor(), timeout="2s", bulkhead=1)

    @orders
    def call() -> str:
        with pytest.raises(svcgov.errors.BulkheadFullError):
            orders.call(lambda: "second")
        return "first"

    assert call() == "first"
    assert timeout(2).settings.seconds == orders.policies[0].settings.seconds  # type: ignore[attr-defined]  # it is a time-out
