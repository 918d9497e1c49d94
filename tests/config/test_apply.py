"""Documents in force: all of one, or nothing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from _worlds import in_threads
from svcgov import Governor, Pipeline, bulkhead, circuit_breaker, rate_limit, retry
from svcgov._core import _live
from svcgov._process import standing
from svcgov.config.apply import Applied, Refused
from svcgov.errors import ConfigError, RateLimitedError
from svcgov.facts import DocumentApplied, DocumentRefused

if TYPE_CHECKING:
    from _worlds import Facts
    from svcgov.testing import ManualClock


def of_payments(**slots: Any) -> dict[str, Any]:
    """A document about one name."""
    return {"policies": {"payments": slots}}


def test_a_document_reaches_what_is_made_later() -> None:
    """By its name and kind; what has another name is as the code says."""
    Governor(document=of_payments(circuit_breaker={"failures": 3}, bulkhead=7))
    assert circuit_breaker("payments").settings.failures == 3
    assert circuit_breaker("search").settings.failures is None
    assert bulkhead(2, name="payments").settings.limit == 7
    assert bulkhead(2).settings.limit == 2


def test_a_document_reaches_what_is_there() -> None:
    """Beside the code: what it does not say is as it was declared."""
    breaker = circuit_breaker("payments", failures=9, open_for=5)
    applied = Governor().apply(of_payments(circuit_breaker={"failures": 3}))
    assert isinstance(applied, Applied)
    assert applied
    assert applied.changed == 1
    assert (breaker.settings.failures, breaker.settings.open_for) == (3, 5)


def test_what_a_document_no_longer_says_is_as_the_code_says() -> None:
    """Setting by setting, and where the whole slot is gone."""
    governor = Governor()
    breaker = circuit_breaker("payments", failures=9, open_for=5)
    governor.apply(of_payments(circuit_breaker={"failures": 3, "open_for": 1}))
    governor.apply(of_payments(circuit_breaker={"failures": 4}))
    assert (breaker.settings.failures, breaker.settings.open_for) == (4, 5)
    governor.apply({})
    assert (breaker.settings.failures, breaker.settings.open_for) == (9, 5)


def test_one_mistake_spoils_the_document() -> None:
    """Nothing of it is in force, and what was before still is."""
    governor = Governor()
    breaker, limit = circuit_breaker("payments", failures=9), bulkhead(2, name="payments")
    governor.apply(of_payments(circuit_breaker={"failures": 3}, bulkhead=4))
    refused = governor.apply(of_payments(circuit_breaker={"failures": 5}, bulkhead=0))
    assert isinstance(refused, Refused)
    assert not refused
    assert [error.path for error in refused.errors] == ["policies.payments.bulkhead"]
    assert (breaker.settings.failures, limit.settings.limit) == (3, 4)


def test_what_does_not_go_together_with_the_code_is_refused() -> None:
    """The place is that of the document, as it is written there."""
    governor = Governor()
    limit = bulkhead(5, name="payments", cost=4)
    breaker = circuit_breaker("payments")
    refused: Any = governor.apply(of_payments(circuit_breaker={"failures": 3}, bulkhead=3))
    assert [error.path for error in refused.errors] == ["policies.payments.bulkhead"]
    assert limit.settings.limit == 5
    assert breaker.settings.failures is None
    refused = governor.apply({"overlay": {"colour": {"blue": {}}}, **of_payments(circuit_breaker={"on_result": "is_bad"})})
    assert [error.path for error in refused.errors] == ["policies.payments.circuit_breaker.on_result"]


def test_a_document_that_does_not_go_together_with_later_code_gives_way(facts: Facts) -> None:
    """The function has to be made: the code's word stands for it, and that is told."""
    svcgov.listen(facts, DocumentRefused)
    governor = Governor(document=of_payments(bulkhead=3, circuit_breaker={"failures": 3}))
    assert bulkhead(5, name="payments", cost=4).settings.limit == 5
    assert circuit_breaker("payments").settings.failures == 3
    (told,) = facts.of(DocumentRefused)
    assert (told.layer, told.revision, told.path) == ("names", "bulkhead payments", "policies.payments.bulkhead")
    assert governor.apply(of_payments(bulkhead=8))


def test_code_that_is_said_anew_stands_beside_the_document() -> None:
    """As when a module is imported again."""
    Governor(document=of_payments(bulkhead={"max_waiting": 3}))
    for limit in (2, 5):
        made = bulkhead(limit, name="payments", max_wait=1)
        assert (made.settings.limit, made.settings.max_waiting) == (limit, 3)


def test_code_that_is_said_anew_has_to_be_right_by_itself() -> None:
    """Also where a document says otherwise."""
    Governor(document=of_payments(bulkhead=3))
    gate = bulkhead(2, name="payments")
    with pytest.raises(ConfigError, match=r"limit: expected an integer >= 1, got 0"):
        bulkhead(0, name="payments")
    assert gate.settings.limit == 3


def test_a_document_gives_way_to_code_that_is_said_anew() -> None:
    """Where both do not go together any more."""
    Governor(document=of_payments(bulkhead={"cost": 4}))
    for limit, cost in ((5, 4), (2, 1)):
        assert bulkhead(limit, name="payments").settings.cost == cost


def test_a_reconfiguration_by_hand_is_upon_the_document() -> None:
    """Until the document changes."""
    governor = Governor(document=of_payments(circuit_breaker={"failures": 3}))
    breaker = circuit_breaker("payments")
    breaker.reconfigure({"open_for": 2})
    assert (breaker.settings.failures, breaker.settings.open_for) == (3, 2)
    governor.apply(of_payments(circuit_breaker={"failures": 4}))
    assert (breaker.settings.failures, breaker.settings.open_for) == (4, 30)


def test_tables_merge_with_those_of_the_code() -> None:
    """A backoff of the code, and one value of the document."""
    governor = Governor(document=of_payments(retry={"backoff": {"max": "9s"}}))
    policy = retry(on=OSError, name="payments", backoff=svcgov.Backoff(1, max=2))
    assert policy.settings.backoff == svcgov.Backoff(1, max=9)
    governor.apply(of_payments(retry={"backoff": "3s"}))
    assert policy.settings.backoff != svcgov.Backoff(1, max=9)
    other = retry(on=OSError, name="search", backoff={"initial": 1})  # type: ignore[arg-type]  # as documents have it
    governor.apply({"policies": {"search": {"retry": {"backoff": {"initial": 2, "max": "9s"}}}}})
    assert other.settings.backoff == svcgov.Backoff(2, max=9)
    usual = retry(on=OSError, name="usual")
    assert governor.apply({"policies": {"usual": {"retry": {"backoff": {"initial": 1}}}}})
    assert usual.settings.backoff == svcgov.Backoff(1)


def test_what_is_final_stands() -> None:
    """All of it, or some settings; the document is not refused for that."""
    governor = Governor(document=of_payments(circuit_breaker={"failures": 3, "open_for": 1}, bulkhead=7))
    assert circuit_breaker("payments", final=["failures"], failures=9).settings.failures == 9
    assert circuit_breaker("payments").settings.open_for == 1
    assert bulkhead(2, name="payments", final=True).settings.limit == 2
    assert governor.apply(of_payments(circuit_breaker={"failures": 4}, bulkhead=9))
    assert circuit_breaker("payments").settings.failures == 9
    for wrong in (["falures"], "failures", 1):
        with pytest.raises(ConfigError, match=r"circuit_breaker\.final: expected true, false, or a list of some of failure_rate"):
            circuit_breaker(final=wrong)  # type: ignore[arg-type]  # as said


def test_two_governors_of_one_scope_have_one_set_of_documents() -> None:
    """Else each would take back what the other one says; a wrong document of one leaves that of the other."""
    first = Governor(document=of_payments(bulkhead=7))
    gate = bulkhead(2, name="payments")
    with pytest.raises(ConfigError):
        Governor(document=of_payments(bulkhead=0))
    assert gate.settings.limit == 7
    second = Governor(document=of_payments(bulkhead=8))
    assert gate.settings.limit == 8
    assert first.apply(of_payments(bulkhead=9))
    assert gate.settings.limit == 9
    assert second.apply({})
    assert (gate.settings.limit, bulkhead(2, name="search").settings.limit) == (2, 2)


def test_governors_of_a_scope_have_their_documents_together_from_the_beginning() -> None:
    """Also where the first one's was none: else each would take back what the other one says."""
    first, second = Governor(), Governor()
    gate = bulkhead(2, name="payments")
    assert not first.apply({"polices": {}})
    assert second.apply(of_payments(bulkhead=8))
    assert first._documents is second._documents
    assert first.apply({})
    assert gate.settings.limit == 2


def test_of_a_governor_that_could_not_be_nothing_stays() -> None:
    """The next one of its scope has documents of its own: not those of another service."""
    with pytest.raises(ConfigError):
        Governor(service="orders", document=of_payments(bulkhead=0))
    Governor(service="search", document={"service": "search", **of_payments(bulkhead=7)})
    assert bulkhead(2, name="payments").settings.limit == 7


def test_what_is_no_policy_is_left_alone() -> None:
    """A budget has a name, too."""
    spent = svcgov.budget("payments", ratio=0.5)
    assert Governor(document=of_payments(retry={"on": ["timeout"]})).apply({})
    svcgov.budget("payments")
    svcgov.budget("search")
    assert spent.settings.ratio == 0.5


def test_a_fork_in_the_middle_of_a_look_looks_again() -> None:
    """Whoever was looking is not there."""
    governor = Governor(document={})
    documents: Any = governor._documents
    lock, looking = documents._lock, documents._looking
    in_threads(1, lambda number: (lock.acquire(), looking.acquire()))
    documents.look()
    _live.forked()
    assert governor.apply(of_payments(bulkhead=7))
    assert bulkhead(1, name="payments").settings.limit == 7


@pytest.mark.parametrize(("document", "limit"), [({}, 1), (of_payments(bulkhead=8), 8)])
def test_what_is_made_while_a_document_is_applied_is_as_that_one_says(
    monkeypatch: pytest.MonkeyPatch, document: dict[str, Any], limit: int
) -> None:
    """By another thread, which does not wait: what held before is not put in force after it."""
    governor = Governor(document=of_payments(bulkhead=3))
    documents: Any = governor._documents
    made, carry_out = [], documents._binding.carry_out

    def meanwhile(plan: Any) -> None:
        monkeypatch.undo()
        assert in_threads(1, lambda number: made.append(bulkhead(1, name="payments"))) == []
        carry_out(plan)

    monkeypatch.setattr(documents._binding, "carry_out", meanwhile)
    assert governor.apply(document)
    assert [gate.settings.limit for gate in made] == [limit]


def test_nothing_is_locked_while_listeners_are_told() -> None:
    """Of a document in force, and of one that cannot be: they may wait for another thread that applies one."""
    governor = Governor(document={})
    heard: list[Any] = []
    documents: list[dict[str, Any]] = [{}, {"polices": {}}]

    def listener(fact: Any) -> None:
        stop()
        heard.append(in_threads(1, lambda number: governor.apply(of_payments(bulkhead=7))))

    for document in documents:
        stop = svcgov.listen(listener, DocumentApplied, DocumentRefused)
        governor.apply(document)
    assert heard == [[], []]


def test_the_scope_of_a_governor_is_its_own() -> None:
    """Two of them have documents of their own."""
    shop = Governor(scope="shop", document=of_payments(bulkhead=7))
    assert shop.bulkhead(2, name="payments").settings.limit == 7
    assert bulkhead(2, name="payments").settings.limit == 2
    assert shop.apply(of_payments(bulkhead=8))
    assert [one.settings.limit for one in (shop.bulkhead(2, name="payments"), bulkhead(2, name="payments"))] == [8, 2]


def test_a_document_of_another_service_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where both say whose they are."""
    assert Governor(service="orders", scope="a").apply({"service": "orders"})
    assert Governor(scope="b").apply({"service": "orders"})
    refused: Any = Governor(service="search", scope="c").apply({"service": "orders"})
    assert str(refused.errors[0]) == "service: expected search, which this is, got 'orders'"
    monkeypatch.setenv("SVCGOV_SERVICE", "search")
    assert not Governor().apply({"service": "orders"})


def test_overlays_are_chosen_by_what_the_instance_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its version by the governor, its stage and colour by the environment."""
    monkeypatch.setenv("SVCGOV_STAGE", "prod")
    monkeypatch.setenv("SVCGOV_COLOUR", "blue")
    overlays = {
        "stage": {"prod": of_payments(bulkhead={"limit": 3})},
        "version": {"v2": of_payments(bulkhead={"max_wait": 1})},
        "colour": {"blue": of_payments(bulkhead={"max_waiting": 4}), "green": of_payments(bulkhead=1)},
    }
    Governor(version="v2", document={"overlay": overlays})
    monkeypatch.setenv("SVCGOV_VERSION", "v2")
    other = Governor(scope="shop", document={"overlay": overlays})
    for made in (bulkhead, other.bulkhead):
        settings = made(9, name="payments").settings
        assert (settings.limit, settings.max_wait, settings.max_waiting) == (3, 1, 4)


def test_the_process_is_as_a_document_says() -> None:
    """And as it was before, when it no longer says so."""
    before = standing()
    governor = Governor(document={"process": {"max_workers": 3, "idle": "1m"}})
    assert standing() == {**before, "max_workers": 3, "idle": 60.0}
    governor.apply({"process": {"max_workers": 4}})
    assert standing() == {**before, "max_workers": 4}
    governor.apply({})
    assert standing() == before


def test_who_listens_hears_of_it(facts: Facts, clock: ManualClock) -> None:
    """Of what is in force, and of what cannot be."""
    svcgov.listen(facts)
    circuit_breaker("payments")
    governor = Governor(clock=clock)
    clock.advance(5)
    governor.apply(of_payments(circuit_breaker={"failures": 3}))
    governor.apply(of_payments(circuit_breaker={"failures": 0}, bulkhead=0))
    applied, refused = facts
    assert isinstance(applied, DocumentApplied)
    assert (applied.policy, applied.at, applied.layer, applied.changed) == ("document", 5.0, "file", 1)
    assert applied.revision.startswith("sha256:")
    assert isinstance(refused, DocumentRefused)
    assert refused.path == "policies.payments.circuit_breaker.failures"
    assert refused.error == "policies.payments.circuit_breaker.failures: expected an integer >= 1, got 0"


def test_a_refusal_is_said_on_standard_error_once(capsys: pytest.CaptureFixture[str]) -> None:
    """For those who do not listen."""
    governor = Governor()
    for _ in range(2):
        governor.apply(of_payments(circuit_breaker={"failures": 0}, bulkhead=0))
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("svcgov: the document of file, sha256:")
    assert "refused: policies.payments.circuit_breaker.failures: expected an integer >= 1, got 0 (and 1 more)" in line
    governor.apply(of_payments(bulkhead=0))
    assert capsys.readouterr().err.endswith("refused: policies.payments.bulkhead: expected an integer >= 1, got 0 (said once)\n")


def test_nothing_new_changes_nothing() -> None:
    """A policy of which the same is said is not touched."""
    governor = Governor(document=of_payments(circuit_breaker={"failures": 3}, timeout="1s", retry={"on": ["timeout"]}))
    breaker = circuit_breaker("payments")
    pipeline = Pipeline(breaker, name="payments")
    settings = breaker.settings
    applied: Any = governor.apply(of_payments(circuit_breaker={"failures": 3}, timeout="1s", retry={"on": ["timeout"]}))
    assert applied.changed == 0
    assert breaker.settings is settings
    assert [one.kind for one in pipeline.policies] == ["timeout", "retry", "circuit_breaker"]


def test_what_has_been_counted_stays() -> None:
    """A limit keeps what is spent of it; a circuit that is open stays open."""
    governor = Governor()
    limit, breaker = rate_limit("10/hour", name="payments"), circuit_breaker("payments", failures=1)
    with limit, pytest.raises(OSError), breaker:
        raise OSError
    governor.apply(of_payments(rate_limit={"limit": "10/hour", "burst": 10}, circuit_breaker={"failures": 2}))
    assert breaker.current_state == "open"
    for _ in range(9):
        with limit:
            pass
    with pytest.raises(RateLimitedError), limit:
        pass
