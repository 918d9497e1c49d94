"""The lines of facts: what they say, at which level, and how many of them there are in a storm."""

from __future__ import annotations

import json
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Governor, current, facts, listen
from svcgov._core._context import ATTEMPT, INVOCATION, Invocation, Trace
from svcgov._core._listeners import PROCESS
from svcgov.errors import CircuitOpenError, RateLimitedError
from svcgov.facts import BudgetEmptied, CallRefused, CircuitChanged, RetryEnded, RetryScheduled, TimedOut
from svcgov.telemetry.access_log import AccessLog
from svcgov.telemetry.fact_log import BURST, INTERVAL, MOST, TOLD
from svcgov.testing import ManualClock

from .counting import identity

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Invocation(
    platform="lambda",
    service="shop",
    version="7",
    colour="blue",
    request_id="r1",
    trace=Trace(trace_id="a" * 32, span_id="b" * 16),
)
IDS = {"trace_id": "a" * 32, "span_id": "b" * 16, "request_id": "r1", "service": "shop", "version": "7", "colour": "blue"}


class Written:
    """A log, and what has been written into it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.clock = ManualClock()
        self.log = AccessLog(self.clock)
        self.log.listen(identity())
        self._capsys = capsys

    def refused(self, policy: str = "pool", reason: str = "full", **more: Any) -> None:
        """A policy has refused a call."""
        PROCESS.tell(CallRefused(**{"policy": policy, "at": 0.0, "kind": "bulkhead", "reason": reason, **more}))

    def changed(self, before: str, after: str, **more: Any) -> None:
        """A circuit has changed."""
        known = {"policy": "payments", "at": 0.0, "cause": "failure_rate", "calls": 20, "failed": 11, **more}
        PROCESS.tell(CircuitChanged(before=before, after=after, **known))

    def call(self) -> None:
        """A call has ended."""
        self.log.call(HERE, error=None, took=0.1, late=False)

    def lines(self) -> list[dict[str, Any]]:
        """The lines of facts since this was asked last."""
        found = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return [line for line in found if line["event"] != "svcgov.call"]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Written:
    """A log that can be read here."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    return Written(capsys)


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


# -- a storm ----------------------------------------------------------------------------------------------------------


def test_of_a_storm_the_first_is_written_and_then_how_many(written: Written) -> None:
    """By the first fact after a minute, which has its own ids and is counted too."""
    for _ in range(10_000):
        written.refused()
    assert [line.get("count") for line in written.lines()] == [None]
    written.clock.advance(INTERVAL - 0.1)
    written.refused()
    assert written.lines() == []
    written.clock.advance(0.1)
    written.refused()
    assert [line["count"] for line in written.lines()] == [10_001]
    written.clock.advance(INTERVAL)
    written.refused()
    assert [line.get("count") for line in written.lines()] == [None]


def test_the_end_of_a_storm_is_told_by_the_next_call(written: Written) -> None:
    """Nobody refuses anything any more, so no fact would; what had its line already is not told again."""
    written.refused("pool")
    written.refused("pool")
    written.refused("other")
    written.clock.advance(INTERVAL - 0.1)
    written.call()
    assert len(written.lines()) == 2
    written.clock.advance(0.1)
    written.call()
    written.call()
    (line,) = written.lines()
    assert list(line.items())[1:] == list(
        {
            "level": "warning",
            "event": "svcgov.call_refused",
            "service": "shop",
            "version": "7",
            "policy": "pool",
            "kind": "bulkhead",
            "reason": "full",
            "count": 1,
        }.items()
    )


def test_one_storm_does_not_hide_another(written: Written) -> None:
    """Another policy, another reason, another event."""
    for _ in range(3):
        written.refused("pool", "full")
        written.refused("pool", "queue_full")
        written.refused("orders", "full")
        PROCESS.tell(TimedOut(policy="pool", at=0.0, seconds=1.0, late=True))
    assert [(line["event"], line["policy"], line.get("reason")) for line in written.lines()] == [
        ("svcgov.call_refused", "pool", "full"),
        ("svcgov.call_refused", "pool", "queue_full"),
        ("svcgov.call_refused", "orders", "full"),
        ("svcgov.timed_out", "pool", None),
    ]


def test_every_change_of_a_circuit_is_written(written: Written) -> None:
    """But for a breaker with ten thousand keys, all of which open."""
    for _ in range(BURST):
        written.changed("closed", "open")
        written.changed("open", "half-open")
    assert len(written.lines()) == 2 * BURST
    for _ in range(10_000):
        written.changed("closed", "open")
    assert written.lines() == []
    written.clock.advance(INTERVAL)
    written.call()
    assert [line["count"] for line in written.lines()] == [10_000]


def test_policies_without_end_are_no_lines_without_end(written: Written) -> None:
    """Where more are told apart than there is room for, the rest is one."""
    for number in range(3 * MOST):
        written.refused(f"p{number}")
    lines = written.lines()
    assert len(lines) == MOST + 1
    written.clock.advance(INTERVAL)
    written.call()
    (line,) = written.lines()
    assert (line["policy"], line["count"]) == ("other", 2 * MOST - 1)


def test_what_is_over_makes_room(written: Written) -> None:
    """Of what was told apart a minute ago nothing is left to tell."""
    for number in range(MOST):
        written.refused(f"p{number}")
    written.clock.advance(INTERVAL)
    written.refused("new")
    assert [line["policy"] for line in written.lines()][-1] == "new"


def test_a_fact_may_come_while_counts_are_told(written: Written) -> None:
    """By the collector, which ends a call that was thrown away, on the very thread; it is counted with the others."""
    written.refused()
    written.refused()
    log = written.log._facts
    assert log is not None

    class Collected(dict[Any, Any]):
        """It is copied while the collector runs."""

        def copy(self) -> dict[Any, Any]:
            written.refused("thrown-away")
            return dict(self)

    log._same = Collected(log._same)
    written.clock.advance(INTERVAL)
    log.turn()
    assert [(line["policy"], line.get("count")) for line in written.lines()] == [
        ("pool", None),
        ("thrown-away", None),
        ("pool", 1),
    ]


def test_a_child_does_not_tell_what_its_parent_counts(written: Written) -> None:
    """Which does that itself."""
    written.refused()
    written.refused()
    log = written.log._facts
    assert log is not None
    log._lock.acquire()
    log.forked()
    written.clock.advance(INTERVAL)
    written.call()
    assert len(written.lines()) == 1
    written.refused()
    assert [line.get("count") for line in written.lines()] == [None]


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
