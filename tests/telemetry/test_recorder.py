"""What every output tells is counted once."""

from __future__ import annotations

import gc
import sys
import threading
import tracemalloc
from contextvars import copy_context

import pytest

from svcgov import bulkhead, circuit_breaker, listen, retry
from svcgov._core._context import INVOCATION, Invocation
from svcgov._core._listeners import PROCESS
from svcgov._core._live import forked
from svcgov._core._meters import METERS
from svcgov.errors import BulkheadFullError
from svcgov.facts import BudgetEmptied, CallRefused, CircuitChanged, Fact, RetryEnded, RetryScheduled
from svcgov.telemetry._series import LABELS
from svcgov.telemetry._span_words import method_of
from svcgov.telemetry.recorder import MOST, Recorder
from svcgov.telemetry.runtime import LAG

from .counting import Counting, identity


@pytest.fixture
def counting() -> Counting:
    """One recorder."""
    return Counting()


def test_a_call_is_counted_by_what_is_known_of_it(counting: Counting) -> None:
    """By all labels at once; of two with the same ones there is one series."""
    for took in (0.1, 0.3):
        counting.call(took, "GET /orders", status=200, trigger="http", method="GET", colour="blue")
    (one,) = counting.recorder.series()
    assert tuple(one.labels) == LABELS
    assert one.labels == {
        "direction": "in",
        "kind": "http",
        "service": "shop",
        "operation": "GET /orders",
        "peer": "",
        "colour": "blue",
        "outcome": "ok",
        "method": "GET",
        "status": "200",
    }
    assert one.durations.count == 2
    assert one.durations.total == pytest.approx(0.4)


def test_an_attempt_is_counted_by_whom_it_asked(counting: Counting) -> None:
    """With its status, or the error in its place."""
    counting.attempt()
    counting.attempt(status=503)
    counting.attempt(status=None, error=ConnectionError())
    counting.attempt(status=None, error=BulkheadFullError("pool", "full"))
    assert counting.counts("direction", "service", "peer", "outcome", "status") == {
        ("out", "shop", "payments", "ok", "200"): 1,
        ("out", "shop", "payments", "failed", "503"): 1,
        ("out", "shop", "payments", "raised", ""): 1,
        ("out", "shop", "payments", "refused", ""): 1,
    }


def test_what_anybody_may_send_is_no_label(counting: Counting) -> None:
    """A method that nobody has heard of, a status that is none, a name without end."""
    counting.call(trigger="http", method="BREW", status=7)
    counting.call(operation="x" * 1000)
    counting.attempt(peer="y" * 1000)
    assert counting.counts("method", "status", "operation", "peer").keys() == {
        ("_OTHER", "", "orders", ""),
        ("", "", "x" * 128, ""),
        ("GET", "200", "GET", "y" * 128),
    }
    assert [method_of(given) for given in ("PATCH", "patch")] == ["PATCH", "_OTHER"]


def test_late_calls_and_cold_starts_are_counted(counting: Counting) -> None:
    """Beside the series that they belong to."""
    counting.call(late=True, cold_start=True)
    counting.call(late=True)
    counting.call()
    (one,) = counting.recorder.series()
    assert (one.late, one.durations.count, counting.recorder.cold_starts) == (2, 3, 1)


def test_the_rates_are_those_of_the_series(counting: Counting) -> None:
    """By the clock of the recorder: after a freeze little is left of them."""
    for _ in range(60):
        counting.call()
        counting.clock.advance(1)
    (one,) = counting.recorder.series()
    assert one.rates() == {name: pytest.approx(1, rel=0.05) for name in ("m1", "m5", "m15")}
    counting.clock.advance(3600)
    (one,) = counting.recorder.series()
    assert one.rates()["m1"] < 1e-9


def test_a_reading_stays_as_it_was(counting: Counting) -> None:
    """Whoever has read is not disturbed by what goes on."""
    counting.call()
    (before,) = counting.recorder.series()
    said = before.snapshot()
    lag = counting.recorder.own(LAG)
    counting.clock.advance(10)
    counting.call(late=True)
    counting.recorder.timed(LAG, 0.5)
    assert (before.snapshot(), lag.count, counting.recorder.own(LAG).count) == (said, 0, 1)


def test_what_was_left_to_a_deadline_is_counted_where_there_is_one(counting: Counting) -> None:
    """In seconds; after it nothing was left."""
    counting.call()
    (one,) = counting.recorder.series()
    assert one.left is None
    for more in (3.0, -2.0):
        counting.call(deadline=counting.clock.monotonic() + more)
    (one,) = counting.recorder.series()
    assert one.left is not None
    counting.call(deadline=counting.clock.monotonic() + 5.0)
    assert (one.left.count, one.left.total) == (2, 3.0)


def test_an_attempt_has_the_colour_of_the_call_that_it_is_made_in(counting: Counting) -> None:
    """And is never late: the call is."""
    here = copy_context()
    here.run(INVOCATION.set, Invocation(colour="blue"))
    here.run(counting.attempt, method="BREW")
    counting.attempt(method="")
    assert counting.counts("colour", "method") == {("blue", "_OTHER"): 1, ("", ""): 1}
    assert [one.late for one in counting.recorder.series()] == [0, 0]


@pytest.mark.parametrize(("status", "label"), [(99, ""), (100, "100"), (599, "599"), (600, "")])
def test_a_status_is_a_label_where_it_is_one(counting: Counting, status: int, label: str) -> None:
    """A number that HTTP has."""
    counting.call(status=status)
    assert counting.counts("status", "colour") == {(label, ""): 1}


def test_facts_are_counted_by_policy_and_by_what_they_say(counting: Counting) -> None:
    """As the policies tell them, from the moment the recorder is made."""
    breaker = circuit_breaker("payments", consecutive_failures=1, clock=counting.clock)
    again = retry(on=ConnectionError, attempts=2, backoff=0, name="again", clock=counting.clock)

    @again
    @breaker
    def pay() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        pay()
    recorder = counting.recorder
    assert recorder.facts(CircuitChanged) == {("payments", "closed", "open", "consecutive_failures"): 1}
    assert recorder.facts(CallRefused) == {("payments", "circuit_breaker", "open", "false"): 1}
    assert recorder.facts(RetryScheduled) == {("again",): 1}
    assert recorder.facts(RetryEnded) == {("again", "refused"): 1}
    assert recorder.facts(BudgetEmptied) == {}


def test_a_kind_of_a_kind_of_fact_is_counted_as_what_it_is_a_kind_of(counting: Counting) -> None:
    """Whoever makes facts of their own is not left out."""

    class Special(CallRefused):
        """A refusal, and more."""

    counting.recorder.heard(Special(policy="p", at=0.0, kind="bulkhead", reason="full"))
    assert counting.recorder.facts(CallRefused) == {("p", "bulkhead", "full", "false"): 1}


def test_more_values_than_there_is_room_for_are_counted_as_other() -> None:
    """What is known of a call otherwise stays: which way it went, and how it ended."""
    counting = Counting(most=3)
    for number in range(10):
        counting.call(operation=f"{number}", colour="blue")
        counting.attempt(peer=f"{number}", status=500)
    counting.call(operation="0", colour="blue")
    assert counting.counts("direction", "kind", "operation", "peer", "colour", "outcome") == {
        ("in", "direct", "0", "", "blue", "ok"): 2,
        ("out", "http", "GET", "0", "", "failed"): 1,
        ("in", "direct", "1", "", "blue", "ok"): 1,
        ("out", "http", "other", "other", "other", "failed"): 9,
        ("in", "other", "other", "", "other", "ok"): 8,
    }
    assert counting.recorder.overflowed == 17


def test_more_policies_than_there_is_room_for_are_counted_as_other() -> None:
    """Their reasons stay."""
    counting = Counting(most=2)
    for number in (0, 1, 2, 3, 4, 0):
        counting.recorder.heard(CallRefused(policy=f"{number}", at=0.0, kind="bulkhead", reason="full"))
    assert counting.recorder.facts(CallRefused) == {
        ("0", "bulkhead", "full", "false"): 2,
        ("1", "bulkhead", "full", "false"): 1,
        ("other", "bulkhead", "full", "false"): 3,
    }
    assert counting.recorder.overflowed == 3


def test_what_facts_say_is_bounded_too() -> None:
    """A policy of the author's may give a reason for each call."""
    counting = Counting(most=2)
    for number in (*range(500), 201):
        counting.recorder.heard(CallRefused(policy="p", at=0.0, kind="own", reason=f"{number}"))
    facts = counting.recorder.facts(CallRefused)
    assert (facts["other", "own", "201", "false"], facts["other", "other", "other", "other"]) == (2, 298)
    assert (sum(facts.values()), len(facts)) == (501, 203)


def test_any_number_of_values_takes_no_more_room() -> None:
    """Whatever anybody calls triggers, operations and policies: what comes after the first few thousand leaves nothing behind."""
    counting = Counting()

    def many(start: int, stop: int) -> None:
        for number in range(start, stop):
            counting.call(operation=f"{number}", took=number * 1e-5 % 50, trigger=f"{number}")
            counting.recorder.heard(CallRefused(policy=f"{number}", at=0.0, kind="bulkhead", reason="full"))

    many(0, 5_000)
    gc.collect()
    tracemalloc.start()
    many(5_000, 15_000)
    gc.collect()
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(counting.recorder.series()) == MOST + 1
    assert grown < 64 * 1024
    assert counting.counts("direction") == {"in": 15_000}


def test_a_series_takes_four_kibibytes_at_most() -> None:
    """With durations from a microsecond to a minute, and all that belongs to it."""
    counting = Counting()
    for power in range(900):
        counting.call(60 * 0.98**power)
    (series,) = counting.recorder._series.values()
    parts = [series, series.labels, series.durations, series.rates]
    both = series.durations, series.rates
    numbers = [getattr(one, name) for one in both for kind in type(one).__mro__[:-1] for name in vars(kind)["__slots__"]]
    assert sum(map(sys.getsizeof, [*parts, *numbers])) <= 4096


def test_no_count_is_lost_between_threads(counting: Counting) -> None:
    """Four that count in the same series, while another one reads."""

    def count() -> None:
        for _ in range(500):
            counting.call()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        counting.recorder.series()
    for thread in threads:
        thread.join()
    assert counting.counts("outcome") == {"ok": 2000}


def test_what_the_collector_tells_meanwhile_is_counted(counting: Counting) -> None:
    """It ends calls that were thrown away, wherever it comes: also where the recorder is counting on the same thread."""
    told: list[str] = []

    def tells(phase: str, _: object) -> None:
        if phase == "stop" and len(told) < 1000:
            told.append(phase)
            PROCESS.tell(RetryScheduled(policy="p", at=0.0, attempt=1, delay=0.0, error="OSError"))

    def count() -> None:
        for number in range(200):
            counting.call(0.1, f"operation {number}")
            counting.recorder.series()

    gc.callbacks.append(tells)
    before = gc.get_threshold()
    gc.set_threshold(1)
    try:
        thread = threading.Thread(target=count, daemon=True)
        thread.start()
        thread.join(50)
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(tells)
    assert not thread.is_alive()
    assert len(counting.recorder.series()) == 200
    assert sum(counting.recorder.facts(RetryScheduled).values()) == len(told) > 0


def test_once_stopped_it_is_told_nothing_more() -> None:
    """Neither by policies nor by clients; others go on."""
    heard: list[Fact] = []
    listen(heard.append)
    recorder = Recorder(identity())
    before = (len(PROCESS._ears), len(METERS.each))
    recorder.stop()
    assert (len(PROCESS._ears), len(METERS.each)) == (before[0] - 1, before[1] - 1)
    room = bulkhead(1, name="room")
    with room, pytest.raises(BulkheadFullError), room:
        pass
    assert recorder.facts(CallRefused) == {}
    assert [type(fact) for fact in heard] == [CallRefused]


def test_a_forked_process_counts_on(counting: Counting) -> None:
    """Although a thread of its parent's held the lock."""
    holder = threading.Thread(target=counting.recorder._lock.acquire)
    holder.start()
    holder.join()
    forked()
    counting.call()
    assert counting.counts("outcome") == {"ok": 1}
