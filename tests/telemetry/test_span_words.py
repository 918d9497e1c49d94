"""The words of spans, and that none of them holds a secret."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from svcgov import facts
from svcgov._core._mishaps import Answered
from svcgov.errors import CallTimeoutError, RejectedError
from svcgov.telemetry import _span_words as words


class Answered503(Answered):
    """An answer of a dependency, on its way through the policies."""

    answered = 503


OF_POLICIES = {
    facts.BudgetEmptied, facts.CallRefused, facts.CircuitChanged, facts.DeadlineNeared, facts.LeftCallFailed,
    facts.PredicateFailed, facts.RetryEnded, facts.RetryScheduled, facts.ThresholdExceeded, facts.TimedOut,
    facts.TimeoutNotEnforced, facts.WorkersAbandoned,
}  # fmt: skip


def test_of_every_fact_of_a_policy_it_is_known_what_is_said() -> None:
    """All of them fields of it; never a key, which is the caller's, nor a text of somebody's error."""
    assert set(words.SAID) == OF_POLICIES
    for kind, names in words.SAID.items():
        assert set(names) <= set(kind._fields)
        assert not set(names) & {"key", "error", "id", "path"}


def test_a_fact_is_said_by_its_policy_and_what_else_is_known_of_it() -> None:
    """What is None is left out."""
    refused = facts.CallRefused(policy="pool", at=0.0, kind="bulkhead", reason="full", key="secret")
    assert words.said_of(refused) == {
        "svcgov.policy": "pool",
        "svcgov.kind": "bulkhead",
        "svcgov.reason": "full",
        "svcgov.observed": False,
    }


def test_a_fact_that_is_not_known_is_said_by_its_policy_alone() -> None:
    """Nobody has looked what is in its fields."""

    class Planted(facts.Fact):
        hidden: str

    assert words.said_of(Planted(policy="pool", at=0.0, hidden="hidden")) == {"svcgov.policy": "pool"}


def test_a_kind_of_a_known_fact_is_said_as_that() -> None:
    """A more special one."""

    class Special(facts.RetryScheduled):
        more: str

    said = words.said_of(Special(policy="retry", at=0.0, attempt=1, delay=2.0, error="secret", more="secret"))
    assert said == {"svcgov.policy": "retry", "svcgov.attempt": 1, "svcgov.delay": 2.0}


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "ok"),
        (RejectedError("pool", "full"), "refused"),
        (CallTimeoutError("limit", "total", 1.0), "timed_out"),
        (LookupError(), "raised"),
        (Answered503(), "failed"),
        (asyncio.CancelledError(), "left"),
        (GeneratorExit(), "left"),
    ],
)
def test_every_end_has_a_word(error: BaseException | None, outcome: str) -> None:
    """A refusal is not a failure, and who leaves makes none."""
    assert words.outcome_of(error) == outcome


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (LookupError("secret"), "LookupError"),
        (RejectedError("pool", "full"), "svcgov.errors.RejectedError"),
        (Answered503("secret"), "503"),
    ],
)
def test_an_error_is_said_by_its_class(error: BaseException, kind: str) -> None:
    """With its module, unless everybody knows it; an answer on its way as an error by its status."""
    assert words.kind_of(error) == kind


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("sqs", ("pubsub", "aws_sqs")),
        ("sns", ("pubsub", "aws.sns")),
        ("kinesis", ("pubsub", "aws.kinesis")),
        ("eventbridge", ("pubsub", "aws.eventbridge")),
        ("cloudevent", ("pubsub", "cloudevents")),
        ("dynamodb", ("datasource", "aws.dynamodb")),
        ("ses", ("other", "aws.ses")),
        ("http", ("http", None)),
        ("direct", ("other", None)),
        ("authorizer", ("other", None)),
        ("unknown", ("other", None)),
    ],
)
def test_every_trigger_has_the_conventions_word(trigger: str, said: Any) -> None:
    """And deliveries the system that they come from."""
    came = SimpleNamespace(trigger=trigger, request_id="", method="GET", path="/")
    attributes = words.came_in(came, colour=None, cold=False)
    assert (attributes["faas.trigger"], attributes.get("messaging.system")) == said
    assert ("messaging.system" in attributes) == (trigger not in words.CALLED)


@pytest.mark.parametrize(
    ("authority", "address", "port"),
    [("https://payments.test:443", "payments.test", 443), ("http://::1:8080", "::1", 8080), ("x://payments:0", "payments", 0)],
)
def test_an_address_is_a_host_and_a_port(authority: str, address: str, port: int) -> None:
    """As a place has it."""
    said = words.went_out("", authority, None, 0, None)
    assert said == {"server.address": address, "server.port": port}
