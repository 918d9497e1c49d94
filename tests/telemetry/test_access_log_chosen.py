"""Which calls have a line in the access log: by level, by share, and by how long a line takes."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.trace.sampling import Decision, TraceIdRatioBased

from svcgov import Governor
from svcgov._core._context import NOWHERE, Invocation, Trace
from svcgov.errors import BulkheadFullError, ConfigError
from svcgov.telemetry import access_log
from svcgov.telemetry.access_log import AccessLog

if TYPE_CHECKING:
    from svcgov.testing import ManualClock

pytestmark = pytest.mark.extras

KINDS: dict[str, dict[str, Any]] = {
    "ok": {},
    "late": {"late": True},
    "refused": {"error": BulkheadFullError("pool", "full")},
    "failed": {"status": 503},
    "raised": {"error": LookupError()},
}
REST = Trace(trace_id="f" * 32, span_id="1" * 16)  # the last one that a sampler takes


class Out(io.StringIO):
    """Standard output, where each line takes its time, or cannot be written."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.takes = 0.0
        self.fails = False

    def write(self, text: str) -> int:
        """As it says."""
        if self.fails:
            raise OSError("no space left")
        self.clock.advance(self.takes)
        return super().write(text)


@pytest.fixture(autouse=True)
def _json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that can be read here."""
    monkeypatch.setenv("SVCGOV_LOG", "json")


@pytest.fixture
def out(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> Out:
    """Where lines go."""
    out = Out(clock)
    monkeypatch.setattr(access_log, "sys", SimpleNamespace(stdout=out))
    return out


def written(log: AccessLog, invocation: Invocation = NOWHERE, **fields: Any) -> None:
    """One call that went well, but for *fields*."""
    log.call(invocation, **{"error": None, "took": 0.25, "late": False, **fields})


def lines(out: Out) -> list[dict[str, Any]]:
    """What has been written."""
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("level", "kinds"),
    [
        ("debug", ["ok", "late", "refused", "failed", "raised"]),
        ("info", ["ok", "late", "refused", "failed", "raised"]),
        ("warning", ["late", "refused", "failed", "raised"]),
        ("error", ["failed", "raised"]),
    ],
)
def test_what_is_too_mild_has_no_line(
    level: str, kinds: list[str], out: Out, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A late answer is a warning: nobody waited for it any more."""
    monkeypatch.setenv("SVCGOV_LOG_LEVEL", level)
    log = AccessLog(clock)
    for fields in KINDS.values():
        written(log, **fields)
    assert ["late" if "late" in line else line["outcome"] for line in lines(out)] == kinds


def test_no_calls_that_went_well_are_written_at_a_share_of_nothing(
    out: Out, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All others are, and the first one of a process, and one without a trace."""
    monkeypatch.setenv("SVCGOV_LOG_SAMPLE", "0")
    log = AccessLog(clock)
    for fields in KINDS.values():
        written(log, Invocation(trace=REST), **fields)
    written(log, Invocation(trace=REST, cold_start=True))
    written(log)
    assert [line["outcome"] for line in lines(out)] == ["ok", "refused", "failed", "raised", "ok", "ok"]
    assert [line.get("late", line.get("cold_start")) for line in lines(out)] == [True, None, None, None, True, None]


def test_the_trace_decides_as_it_does_for_the_sampler_of_opentelemetry(
    out: Out, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The calls of one trace are all written, whoever writes them, and those are the traces that are recorded."""
    monkeypatch.setenv("SVCGOV_LOG_SAMPLE", "0.25")
    log, sampler = AccessLog(clock), TraceIdRatioBased(0.25)
    numbers = [(number * 0x9E3779B97F4A7C15) % (1 << 128) or 1 for number in range(400)]
    numbers += [1 << 100 | 1 << 62, (1 << 100 | 1 << 62) - 1]  # where a quarter ends
    for number in numbers:
        written(log, Invocation(trace=Trace(trace_id=f"{number:032x}", span_id="1" * 16)))
    sampled = [number for number in numbers if sampler.should_sample(None, number, "").decision is not Decision.DROP]
    assert [int(line["trace_id"], 16) for line in lines(out)] == sampled
    assert 80 < len(sampled) < 120


def test_what_is_left_out_is_counted_all_the_same(out: Out, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sample of lines is not a sample of figures."""
    monkeypatch.setenv("SVCGOV_LOG_SAMPLE", "0")
    counted: list[Any] = []
    log = AccessLog(clock)
    log.meter = lambda invocation, **how: counted.append(how)
    written(log, Invocation(trace=REST), operation="orders", status=200, path="/")
    assert counted == [{"operation": "orders", "outcome": "ok", "status": 200, "took": 0.25, "late": False}]
    assert lines(out) == []


def test_a_record_is_not_counted_again(out: Out, clock: ManualClock) -> None:
    """It is a part of the call that has brought it."""
    counted: list[Any] = []
    log = AccessLog(clock)
    log.meter = lambda invocation, **how: counted.append(how)
    written(log, record="r1", **KINDS["raised"])
    assert (counted, [line["record"] for line in lines(out)]) == ([], ["r1"])


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SVCGOV_LOG_LEVEL", "loud", "one of debug, info, warning, error"),
        ("SVCGOV_LOG_SAMPLE", "half", "a number from 0 to 1"),
        ("SVCGOV_LOG_SAMPLE", "1.01", "a number from 0 to 1"),
        ("SVCGOV_LOG_SAMPLE", "-0.1", "a number from 0 to 1"),
        ("SVCGOV_LOG_SAMPLE", "nan", "a number from 0 to 1"),
        ("SVCGOV_REDACT", "x-tenant,=", "names of headers, keys or fields"),
    ],
)
def test_a_wrong_value_is_refused_when_a_handler_is_made(
    variable: str, value: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the first call."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=f"{variable}: expected {expected}"):
        Governor(service="shop").handler(lambda event, context: None)


def test_names_that_are_to_be_left_out_may_be_given(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> None:
    """Then the log is made as ever."""
    monkeypatch.setenv("SVCGOV_REDACT", "x-tenant")
    assert not AccessLog(clock).silent


# -- whoever takes the lines ------------------------------------------------------------------------------------------


def test_a_slow_log_is_spared_calls_that_went_well(out: Out, clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """For ten seconds, which is said once; what somebody has to look at is written, and then how many were not."""
    log = AccessLog(clock)
    for _ in range(2):
        out.takes = 0.21
        written(log)
        out.takes = 0.0
        written(log)
        written(log, **KINDS["raised"])
        clock.advance(9.9)
        written(log, Invocation(cold_start=True))
        written(log)
        clock.advance(0.1)
        written(log, Invocation(service="shop"))
        written(log)
    said = [(line["event"], line.get("outcome"), line.get("service"), line.get("count")) for line in lines(out)]
    well = ("svcgov.call", "ok", None, None)
    assert said[: len(said) // 2] == [
        well,
        ("svcgov.call", "raised", None, None),
        well,
        ("svcgov.lines_left_out", None, "shop", 2),
        ("svcgov.call", "ok", "shop", None),
        well,
    ]
    assert said[len(said) // 2 :] == said[: len(said) // 2]
    assert capsys.readouterr().err == (
        "svcgov: the log took 0.21 s for a line; calls that go well have none for a while (said once)\n"
    )


def test_a_line_in_time_is_not_slow(out: Out, clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Up to 0.2 s."""
    log = AccessLog(clock)
    out.takes = 0.2
    written(log)
    written(log)
    assert (len(lines(out)), capsys.readouterr().err) == (2, "")


def test_a_log_that_raises_fails_no_call(out: Out, clock: ManualClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the call, nor what its policies do; each is said once."""
    governor = Governor(service="shop", clock=clock)
    limit = governor.rate_limit("1/minute", name="tenants")
    served = governor.handler(policy=limit)(lambda event, context: event)
    out.fails = True
    assert served({"a": 1}, None) == {"a": 1}
    for _ in range(3):
        with pytest.raises(Exception, match="tenants"):
            served({}, None)
    said = capsys.readouterr().err
    assert said.count("could not be logged: OSError('no space left')") == 1
    assert said.count("a listener of CallRefused raised OSError: no space left") == 1
    out.fails = False
    clock.advance(60)
    assert served({"a": 2}, None) == {"a": 2}
    assert lines(out)[0]["outcome"] == "ok"


def test_a_log_that_is_closed_fails_no_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As where a process has no standard output at all."""
    served = Governor(service="shop").handler(lambda event, context: event)
    monkeypatch.setattr(access_log, "sys", SimpleNamespace(stdout=None))
    assert served({"a": 1}, None) == {"a": 1}
    assert capsys.readouterr().err.count("could not be logged") == 1


# -- where it stands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "parent"),
    [
        (f" 00-{'f' * 32}-{'2' * 16}-01 ", "2" * 16),
        (f"00-{'e' * 32}-{'2' * 16}-01", None),
        ("", None),
    ],
)
def test_the_span_of_the_caller_is_named(header: str, parent: str | None, out: Out, clock: ManualClock) -> None:
    """If the call is in the trace that the caller has named."""
    written(AccessLog(clock), Invocation(trace=REST, headers={"traceparent": header}))
    assert lines(out)[0].get("parent_span_id") == parent
