"""The lines of facts: what they say, at which level, and how many of them there are in a storm."""

from __future__ import annotations

import json
from contextvars import copy_context
from typing import TYPE_CHECKING

import pytest

from svcgov import Governor, current, facts, listen
from svcgov._core._context import ATTEMPT, INVOCATION
from svcgov._core._listeners import PROCESS
from svcgov.errors import CircuitOpenError, RateLimitedError
from svcgov.facts import BudgetEmptied, CallRefused, CircuitChanged, RetryEnded, RetryScheduled, TimedOut
from svcgov.telemetry.access_log import AccessLog
from svcgov.telemetry.fact_log import TOLD
from svcgov.testing import ManualClock

from .writing import HERE, IDS, Written

if TYPE_CHECKING:
    from collections.abc import Callable

# -- what a line says -------------------------------------------------------------------------------------------------


def test_a_line_has_the_ids_of_the_call_it_happened_in(written: Written) -> None:
    """And which attempt it was; what is not known is left out."""

    def second() -> None:
        INVOCATION.set(HERE)
        ATTEMPT.set(2)
        written.refused(kind="rate_limit", reason="limited", retry_after=1.23456, key="hunter2")

    copy_context().run(second)
    assert written.lines() == [
        {
            "timestamp": "2023-11-14T22:13:20.000Z",
            "level": "warning",
            "event": "svcgov.call_refused",
            **IDS,
            "attempt": 2,
            "policy": "pool",
            "kind": "rate_limit",
            "reason": "limited",
            "retry_after": 1.235,
        }
    ]


def test_the_end_of_a_retry_has_the_number_of_its_attempts_alone(written: Written) -> None:
    """Which attempt of another retry that was would be read as a part of it."""
    ended = RetryEnded(policy="p", at=0.0, attempts=3, cause="attempts", error="503: answered 503")
    here = copy_context()
    here.run(INVOCATION.set, HERE)
    here.run(PROCESS.tell, ended)
    (line,) = written.lines()
    assert list(line)[3:] == [*IDS, "policy", "cause", "attempts", "error"]
    assert (line["attempts"], line["error"]) == (3, "503")


def test_outside_of_a_call_a_line_says_who_is_running(written: Written) -> None:
    """As far as that is known."""
    written.refused()
    (line,) = written.lines()
    assert {name: line[name] for name in IDS if name in line} == {"service": "shop", "version": "7"}


def test_a_change_of_a_circuit_says_what_led_to_it(written: Written) -> None:
    """The figures of the window; a time without end is not written, since JSON has none."""
    written.changed("closed", "open", failure_rate=0.55, open_for=float("inf"), opening=1, key="hunter2")
    (line,) = written.lines()
    assert list(line)[3:] == "service version policy before after cause origin calls failed slow failure_rate opening".split()  # noqa: SIM905
    assert (line["before"], line["after"], line["failure_rate"], line["level"]) == ("closed", "open", 0.55, "warning")


@pytest.mark.parametrize(
    ("fact", "level"),
    [
        (CircuitChanged(policy="p", at=0.0, before="closed", after="forced-open", cause="forced", calls=0, failed=0), "warning"),
        (CircuitChanged(policy="p", at=0.0, before="half-open", after="closed", cause="probes", calls=0, failed=0), "info"),
        (CallRefused(policy="p", at=0.0, kind="bulkhead", reason="full"), "warning"),
        (CallRefused(policy="p", at=0.0, kind="bulkhead", reason="full", observed=True), "info"),
        (RetryEnded(policy="p", at=0.0, attempts=3, cause="attempts", error="TimeoutError"), "warning"),
        (RetryEnded(policy="p", at=0.0, attempts=1, cause="not_retryable", error="LookupError"), "info"),
        (RetryEnded(policy="p", at=0.0, attempts=1, cause="refused", error="CircuitOpenError"), "info"),
        (BudgetEmptied(policy="p", at=0.0, ratio=0.1), "warning"),
        (TimedOut(policy="p", at=0.0, seconds=1.0, late=False), "warning"),
        (facts.DeadlineNeared(policy="p", at=0.0, left=-1.0, ended=True), "warning"),
        (facts.PredicateFailed(policy="p", at=0.0, setting="on", error="LookupError: x"), "error"),
    ],
)
def test_the_level_says_whether_somebody_has_to_look(written: Written, fact: facts.Fact, level: str) -> None:
    """A circuit that closes is good news, a refusal that was only observed is none."""
    PROCESS.tell(fact)
    (line,) = written.lines()
    assert (line["level"], line["event"], line["policy"]) == (level, fact.event, "p")


@pytest.mark.parametrize(
    "fact",
    [
        RetryEnded(policy="p", at=0.0, attempts=3, cause="attempts", error="LookupError: hunter2"),
        facts.PredicateFailed(policy="p", at=0.0, setting="on", error="LookupError: hunter2"),
        facts.LeftCallFailed(policy="p", at=0.0, error="LookupError: hunter2"),
    ],
)
def test_of_an_error_only_its_class_is_written(written: Written, fact: facts.Fact) -> None:
    """Its message may hold secrets."""
    PROCESS.tell(fact)
    assert written.lines()[0]["error"] == "LookupError"


def test_what_is_too_mild_is_not_written(
    monkeypatch: pytest.MonkeyPatch, written: Written, capsys: pytest.CaptureFixture[str]
) -> None:
    """A further attempt is told to who looks for faults only."""
    again = RetryScheduled(policy="again", at=0.0, attempt=1, delay=0.5, error="TimeoutError: hunter2")
    PROCESS.tell(again)
    written.call()
    assert written.lines() == []
    PROCESS._ears = ()
    monkeypatch.setenv("SVCGOV_LOG_LEVEL", "debug")
    talkative = Written(capsys)
    PROCESS.tell(again)
    (line,) = talkative.lines()
    assert (line["level"], line["attempt"], line["delay"], line["error"]) == ("debug", 1, 0.5, "TimeoutError")


def test_every_fact_has_its_level(written: Written) -> None:
    """So that a new one is not forgotten; one of the user's own is told by its name and no more."""

    class OrderLost(facts.Fact):
        """Somebody's own."""

        bearer: str

    assert {kind.__name__ for kind in TOLD} == set(facts.__all__)
    PROCESS.tell(OrderLost(policy="orders", at=0.0, bearer="hunter2"))
    (line,) = written.lines()
    assert list(line)[1:] == ["level", "event", "service", "version", "policy"]
    assert (line["level"], line["event"]) == ("info", "svcgov.order_lost")


# -- who listens ------------------------------------------------------------------------------------------------------


def governed(governor: Governor, clock: ManualClock) -> Callable[[], None]:
    """A handler whose limit refuses its second call."""
    limit = governor.rate_limit("1/minute", name="tenants", clock=clock)
    handler = governor.handler(policy=limit)(lambda event, context: None)

    def call() -> None:
        for _ in range(2):
            try:
                handler({}, None)
            except RateLimitedError:
                assert current().platform == "none"

    return call


def test_a_handler_s_policies_are_heard(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """With the same ids as the line of the call that was refused."""
    PROCESS._ears = ()
    governed(Governor(service="shop", version="7"), ManualClock())()
    _, fact, call = map(json.loads, capsys.readouterr().out.splitlines())
    assert (fact["event"], fact["reason"], fact["attempt"], call["outcome"]) == ("svcgov.call_refused", "limited", 1, "refused")
    for name in ("trace_id", "span_id", "service", "version"):
        assert fact[name] == call[name]


def test_two_governors_write_one_line(written: Written, capsys: pytest.CaptureFixture[str]) -> None:
    """Facts are told to the whole process."""
    for _ in range(2):
        governed(Governor(service="shop"), ManualClock())
    assert len(PROCESS._ears) == 1
    written.refused()
    assert len(written.lines()) == 1


@pytest.mark.parametrize("variables", [{"SVCGOV_LOG": "off"}, {"SVCGOV_LOG": "off", "SVCGOV_METRICS": "emf"}])
def test_with_the_log_off_nobody_listens(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """No fact is made for it."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    governor = Governor(service="shop")
    governed(governor, ManualClock())
    assert [ear for ear, _ in PROCESS._ears if isinstance(getattr(ear, "__self__", None), AccessLog)] == []


def test_a_process_without_a_way_in_has_no_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that governs what it calls has a standard output of its own, also while it is measured."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    breaker = Governor().circuit_breaker("payments")
    breaker.force_open()
    with pytest.raises(CircuitOpenError):
        breaker(print)()
    assert (capsys.readouterr().out, PROCESS.heard) == ("", False)


def test_other_listeners_hear_the_same(written: Written) -> None:
    """The log takes nothing away."""
    heard: list[facts.Fact] = []
    stop = listen(heard.append)
    written.refused()
    stop()
    assert ([fact.event for fact in heard], len(written.lines())) == (["svcgov.call_refused"], 1)
