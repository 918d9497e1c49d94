"""The facts: frozen values in the past tense."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from svcgov import facts
from svcgov.facts import CircuitChanged, Fact

KINDS: list[Any] = [getattr(facts, name) for name in facts.__all__]
VALUES = {"kind": "bulkhead", "reason": "full", "cause": "failure_rate", "error": "ValueError: no"}


def made(kind: Any) -> Fact:
    """A fact of this kind; what has no default is a word or a number."""
    needed = {name: VALUES.get(name, 1) for name in kind._fields if name not in ("policy", "at")}
    fact: Fact = kind(policy="payments", at=2.5, **needed)
    return fact


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_says_who_and_when(kind: Any) -> None:
    """Without that it is none."""
    assert (made(kind).policy, made(kind).at) == ("payments", 2.5)
    with pytest.raises(TypeError, match="needs policy"):
        kind(at=1.0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_is_a_frozen_value(kind: Any) -> None:
    """Equal to its like, usable as a key, the same after a pickle."""
    fact = made(kind)
    assert fact == made(kind) == pickle.loads(pickle.dumps(fact))
    assert len({fact, made(kind)}) == 1
    with pytest.raises(AttributeError, match="frozen"):
        fact.at = 3.0  # type: ignore[misc]  # as said


@pytest.mark.parametrize("kind", KINDS)
def test_a_fact_is_told_in_the_past_tense(kind: Any) -> None:
    """Its last word says that it has happened."""
    past = (
        "Refused",
        "Changed",
        "Exceeded",
        "Scheduled",
        "Ended",
        "Emptied",
        "Out",
        "Enforced",
        "Failed",
        "Fact",
        "Abandoned",
        "Neared",
        "Lost",
        "Recovered",
        "Skipped",
        "Applied",
    )
    assert kind.__name__.endswith(past)


def test_a_fact_has_a_name_for_logs() -> None:
    """Made of its class's."""
    assert made(CircuitChanged).event == "svcgov.circuit_changed"
    assert {made(kind).event for kind in KINDS} >= {"svcgov.call_refused", "svcgov.timeout_not_enforced", "svcgov.timed_out"}


def test_all_facts_are_listed() -> None:
    """Those that policies tell are those that users can listen to."""
    classes = {value for value in vars(facts).values() if isinstance(value, type) and issubclass(value, Fact)}
    assert classes == set(KINDS)
