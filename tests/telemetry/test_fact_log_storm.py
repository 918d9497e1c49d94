"""Facts without end: how many lines there are of them, and what is told of the others."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from svcgov._core._listeners import PROCESS
from svcgov._core._live import forked
from svcgov.facts import TimedOut
from svcgov.telemetry.fact_log import INTERVAL, MOST

if TYPE_CHECKING:
    from .writing import Written


def test_of_a_storm_the_first_is_written_and_then_how_many(written: Written) -> None:
    """By the first fact after a minute, which has its own ids and is counted too."""
    for _ in range(10_000):
        written.refused()
    assert [line.get("count") for line in written.lines()] == [None]
    written.clock.advance(59.9)
    written.refused()
    assert written.lines() == []
    written.clock.advance(0.1)
    written.refused()
    assert [line["count"] for line in written.lines()] == [10_001]
    written.refused()
    written.clock.advance(60.0)
    written.refused()
    assert [line["count"] for line in written.lines()] == [2]
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
    for _ in range(20):
        written.changed("closed", "open")
        written.changed("open", "half-open")
    assert [line.get("count") for line in written.lines()] == [None] * 40
    for _ in range(10_000):
        written.changed("closed", "open")
    assert written.lines() == []
    written.clock.advance(INTERVAL)
    written.call()
    assert [line["count"] for line in written.lines()] == [10_000]


def test_policies_without_end_are_no_lines_without_end(written: Written) -> None:
    """Where more are told apart than there is room for, the rest is one; who is known stays so."""
    written.clock.advance(INTERVAL)
    for number in range(3 * MOST):
        written.refused(f"p{number}")
    written.refused("p0")
    lines = written.lines()
    assert len(lines) == MOST + 1
    written.clock.advance(INTERVAL)
    written.call()
    assert [(line["policy"], line["count"]) for line in written.lines()] == [("p0", 1), ("other", 2 * MOST - 1)]


def test_what_is_over_makes_room(written: Written) -> None:
    """Of what was told apart a minute ago nothing is left to tell."""
    for number in range(MOST):
        written.refused(f"p{number}")
    written.refused("p0")
    written.clock.advance(INTERVAL)
    written.lines()
    for name in ("new", "newer"):
        written.refused(name)
    assert [line["policy"] for line in written.lines()] == ["new", "newer"]
    written.call()
    assert [(line["policy"], line["count"]) for line in written.lines()] == [("p0", 1)]


def test_nobody_looks_for_counts_before_there_is_one_to_tell(written: Written) -> None:
    """Most calls need one look at a number."""
    written.refused()
    log = written.log._facts
    assert log is not None
    assert log.due == float("inf")
    written.refused()
    written.refused("other")
    assert log.due == written.clock.monotonic() + INTERVAL
    written.clock.advance(INTERVAL)
    written.call()
    assert log.due == float("inf")


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

        def items(self) -> Any:
            """No more than it is copied is it looked through."""
            raise AssertionError

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
    holder = threading.Thread(target=log._lock.acquire)
    holder.start()
    holder.join()
    forked()
    assert log.due == float("inf")
    written.clock.advance(INTERVAL)
    written.call()
    assert len(written.lines()) == 1
    written.refused()
    assert [line.get("count") for line in written.lines()] == [None]
