"""Figures for CloudWatch on standard output."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Governor, circuit_breaker, retry
from svcgov._core._chores import CHORES
from svcgov._core._context import Invocation
from svcgov._core._live import forked
from svcgov.telemetry import emf
from svcgov.telemetry.emf import BUDGET, INTERVAL, REST, Emf

from .counting import Counting

if TYPE_CHECKING:
    from collections.abc import Callable

UNITS = {"Count", "Seconds"}  # of those that CloudWatch knows
NOWHERE = Invocation()


class Told(Counting):
    """A recorder, and its lines."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        super().__init__()
        self.emf = Emf(self.recorder)
        self._capsys = capsys

    def lines(self, invocation: Invocation = NOWHERE) -> list[dict[str, Any]]:
        """A call ends: what is written then."""
        self.emf.ended(invocation)
        return [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]

    def line(self) -> dict[str, Any]:
        """The one line that is written after the interval, without its head."""
        self.clock.advance(INTERVAL)
        (line,) = self.lines()
        return {name: value for name, value in line.items() if name != "_aws"}


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """One recorder, and its lines."""
    return Told(capsys)


def valid(line: dict[str, Any]) -> bool:
    """Whether *line* is what the published schema of the format asks for."""
    assert isinstance(line["_aws"]["Timestamp"], int)
    for about in line["_aws"]["CloudWatchMetrics"]:
        assert set(about) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(about["Namespace"]) <= 1024
        assert len(about["Metrics"]) <= 100
        for names in about["Dimensions"]:
            assert len(names) <= 30
            assert all(isinstance(line[name], str) and 1 <= len(line[name]) <= 1024 for name in names)
        for metric in about["Metrics"]:
            assert set(metric) == {"Name", "Unit"}
            assert metric["Unit"] in UNITS
            value = line[metric["Name"]]
            given = value if isinstance(value, list) else [value]
            assert 1 <= len(given) <= 100
            assert all(isinstance(one, (int, float)) and not isinstance(one, bool) for one in given)
    return True


def test_the_first_call_has_a_line(told: Told) -> None:
    """With its head: where, when, and what of it is a metric."""
    told.clock.step_wall(1_700_000_000 - told.clock.wall())
    told.call(0.25, cold_start=True)
    (line,) = told.lines()
    assert valid(line)
    assert line == {
        "_aws": {
            "Timestamp": 1_700_000_000_000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "svcgov",
                    "Dimensions": [["service"]],
                    "Metrics": [
                        {"Name": "faas.invocations", "Unit": "Count"},
                        {"Name": "faas.coldstarts", "Unit": "Count"},
                        {"Name": "faas.invoke_duration", "Unit": "Seconds"},
                    ],
                }
            ],
        },
        "service": "shop",
        "faas.invocations": 1,
        "faas.coldstarts": 1,
        "faas.invoke_duration": [0.25],
    }


def test_there_is_one_line_a_minute(told: Told) -> None:
    """Of the calls since the one before it."""
    told.call()
    assert len(told.lines()) == 1
    for _ in range(3):
        told.call(0.2)
        assert told.lines() == []
    took = pytest.approx([0.2] * 3, rel=0.01)
    assert told.line() == {"service": "shop", "faas.invocations": 3, "faas.invoke_duration": took}
    assert told.line() == {"service": "shop"}


def test_all_that_is_counted_is_told(told: Told) -> None:
    """Calls by their ends, attempts, and what the policies did."""
    for outcome in ("ok", "failed", "raised", "refused"):
        told.call(outcome=outcome, late=outcome == "raised")
    told.attempt()
    told.attempt(status=500)
    told.attempt(status=None, error=ConnectionError())
    breaker = circuit_breaker("payments", clock=told.clock, consecutive_failures=1)
    again = retry(on=ConnectionError, attempts=2, backoff=0, clock=told.clock)

    @again
    @breaker
    def pay() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        pay()
    line = told.line()
    assert {name: value for name, value in line.items() if not isinstance(value, list)} == {
        "service": "shop",
        "faas.invocations": 1,
        "faas.errors": 2,
        "svcgov.calls.refused": 1,
        "svcgov.calls.late": 1,
        "svcgov.attempts": 3,
        "svcgov.attempts.failed": 2,
        "svcgov.refusals": 1,
        "svcgov.circuit.opened": 1,
        "svcgov.retries": 1,
    }
    assert (len(line["faas.invoke_duration"]), len(line["http.client.request.duration"])) == (4, 3)
    assert told.line() == {"service": "shop"}


def test_of_many_durations_a_hundred_are_told(told: Told) -> None:
    """By rank, so that percentiles are what they were."""
    for number in range(1000):
        told.call((number + 1) / 1000)
    (line,) = told.lines()
    assert valid(line)
    assert line["faas.invocations"] == 1000
    assert line["faas.invoke_duration"] == pytest.approx([(place + 0.5) / 100 for place in range(100)], rel=0.02)


def test_a_call_that_has_no_time_left_has_no_line(told: Told) -> None:
    """The next one has; that it was skipped is counted, and nothing is lost."""
    told.call()
    assert told.lines(Invocation(deadline=told.clock.monotonic() + BUDGET / 2)) == []
    told.call()
    assert told.line() == {
        "service": "shop",
        "faas.invocations": 2,
        "faas.invoke_duration": [0.1, 0.1],
        "svcgov.output.failures": 1,
    }


class Broken:
    """A standard output that does something else."""

    def __init__(self, step: Callable[[], object]) -> None:
        self._step = step

    def write(self, _: str) -> None:
        """As a stream does."""
        self._step()

    def flush(self) -> None:
        """As a stream does."""


def test_a_line_that_cannot_be_written_is_told_later(
    told: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reported once; ten minutes without a line, and then one about all of it."""

    def closed() -> None:
        raise OSError("closed")

    told.call()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Broken(closed))
        told.emf.ended(NOWHERE)
    assert capsys.readouterr().err == "svcgov: a line of metrics raised OSError('closed'): there is none for 600 s (said once)\n"
    told.clock.advance(INTERVAL * REST - 1)
    assert told.lines() == []
    assert told.line() == {
        "service": "shop",
        "faas.invocations": 1,
        "faas.invoke_duration": [0.1],
        "svcgov.output.failures": 1,
    }


def test_an_output_that_hangs_holds_up_one_call_in_ten_minutes(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written is not told again."""
    told.call()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Broken(lambda: told.clock.advance(2.0)))
        told.emf.ended(NOWHERE)
    told.clock.advance(INTERVAL * REST - 3)
    assert told.lines() == []
    assert told.line() == {"service": "shop", "svcgov.output.failures": 1}


def test_while_one_thread_writes_the_others_go_on(told: Told) -> None:
    """None waits, and no count is told twice."""
    told.call()
    inside: list[Any] = []
    series = told.recorder.series

    def meanwhile() -> Any:
        inside.append(told.lines())
        return series()

    told.recorder.series = meanwhile  # type: ignore[method-assign]
    (line,) = told.lines()
    assert (inside, line["faas.invocations"]) == ([[]], 1)


def test_a_forked_process_writes_on(told: Told) -> None:
    """Although a thread of its parent's was writing."""
    told.emf._writing.acquire()
    forked()
    told.call()
    assert len(told.lines()) == 1


def test_a_service_without_a_name_is_unknown(told: Told) -> None:
    """A dimension has to have a value."""
    told.identity.service = ""
    told.call()
    (line,) = told.lines()
    assert line["service"] == "unknown"
    assert valid(line)


def test_the_table_names_what_is_told(told: Told) -> None:
    """The first column, in the docstring, of all that can be in a line."""
    said = [line.split("``")[1] for line in (emf.__doc__ or "").splitlines() if line.startswith("``")]
    counts, took = told.emf._read()
    assert sorted(said) == sorted([*counts, *took])


def test_what_is_left_is_written_at_the_end(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    """Of the process, or when no call comes any more; where nothing is left, nothing is."""
    told.emf.flush()
    told.recorder.cold_starts += 1
    for _ in range(2):
        told.emf.flush()
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert line["faas.coldstarts"] == 1


def test_lines_that_cost_too_much_are_not_written_at_their_time_either(
    told: Told, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is one that somebody else is writing; one that raises is none."""
    told.recorder.cold_starts += 1
    with told.emf._writing:
        told.emf.flush()
    with monkeypatch.context() as broken:
        broken.setattr(told.emf, "_write", lambda now: 1 / 0)
        told.emf.flush()
    told.emf.flush()
    assert capsys.readouterr().out == ""
    assert told.recorder.output_failures == 1
    told.clock.advance(INTERVAL * REST)
    told.emf.flush()
    assert "faas.coldstarts" in capsys.readouterr().out


def test_it_is_a_chore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a process has time between its calls, or comes to its end, it does not wait for the next one."""
    monkeypatch.setenv("SVCGOV_METRICS", "emf")
    Governor(service="shop").handler(lambda event, context: None)
    (chore,) = CHORES._chores
    assert (chore.name, chore.every, chore.at_end) == ("emf", INTERVAL, True)
