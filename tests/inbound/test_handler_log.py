"""The line that a handler writes, and what goes wrong on our side."""

from __future__ import annotations

import json
from typing import Any

import pytest

import svcgov
from svcgov import bulkhead
from svcgov.errors import BulkheadFullError
from svcgov.testing import ManualClock

from .events import SPAN_ID, TRACE_ID, Context, http, traced
from .making import Made, lines, raising


def test_one_line_says_what_happened(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Whose call it was, how it ended, and the ids that lead on."""
    made = Made(kind, clock=ManualClock())
    made.steps.append(lambda: {"statusCode": 201})
    made.handler(traced(x_svcgov_colour="blue"), Context(request_id="id-1"))
    (line,) = lines(capsys)
    assert line == {
        "timestamp": "2023-11-14T22:13:20.000Z",
        "level": "info",
        "event": "svcgov.call",
        "service": "orders",
        "version": "7",
        "outcome": "ok",
        "duration_ms": 0.0,
        "method": "POST",
        "path": "/orders",
        "status": 201,
        "trace_id": TRACE_ID,
        "span_id": made.seen[0].trace.span_id,
        "parent_span_id": SPAN_ID,
        "request_id": "id-1",
        "colour": "blue",
        "trigger": "http",
        "cold_start": True,
    }


def test_the_line_tells_of_an_error_and_not_its_message(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A message may hold secrets; no status is claimed, since the platform makes that answer."""
    made = Made(kind)
    made.steps.append(raising(LookupError("password=hunter2")))
    with pytest.raises(LookupError):
        made.handler(http(), Context())
    (line,) = lines(capsys)
    assert (line["level"], line["outcome"], line["error"]) == ("error", "raised", "LookupError")
    assert "status" not in line
    assert "hunter2" not in json.dumps(line)


@pytest.mark.parametrize("named", [False, True])
def test_the_line_tells_what_came_also_where_the_function_has_changed_it(
    kind: str, named: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is looked at before, however it is called."""
    event = http()
    made = Made(kind)
    made.steps.append(event.clear)
    if named:
        made.handler(event=event, context=Context())
    else:
        made.handler(event, Context())
    (line,) = lines(capsys)
    assert (line["method"], line["path"], line["trigger"]) == ("POST", "/orders", "http")


def test_the_line_tells_of_a_late_answer(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It was returned, but after its deadline."""
    clock = ManualClock()
    made = Made(kind, clock=clock)
    made.steps.append(lambda: clock.advance(3.5))
    made.handler({}, Context(left=3.0))
    (line,) = lines(capsys)
    assert (line["level"], line["outcome"], line["late"], line["duration_ms"]) == ("warning", "ok", True, 3500.0)


def test_the_line_tells_of_a_refusal(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Which is no failure of the function's."""
    gate = bulkhead(1)
    made = Made(kind, policy=gate)
    with gate, pytest.raises(BulkheadFullError):
        made.handler({}, None)
    (line,) = lines(capsys)
    assert (line["level"], line["outcome"], line["error"]) == ("warning", "refused", "BulkheadFullError")


def test_a_log_that_raises_is_reported_once_and_the_answer_stands(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Governance never takes the function down."""
    made = Made(kind)
    log: Any = made.governor._access_log()
    log.call = raising(OSError("disk full"))
    assert made.handler({}, None) == {}
    assert made.handler({}, None) == {}
    assert capsys.readouterr().err.count("could not be logged") == 1


def test_a_carrier_that_cannot_be_read_is_reported_and_the_function_called(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever goes wrong on our side."""
    monkeypatch.setattr("svcgov.inbound._arrival.incoming", lambda headers, known: 1 / 0)
    made = Made(kind)
    assert made.handler(traced(), Context()) is not None
    assert "could not be read: ZeroDivisionError" in capsys.readouterr().err


def test_an_event_that_cannot_be_looked_at_is_reported_and_the_function_called(
    kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As above: here somebody's own kind of dict raises."""

    class Odd(dict[str, Any]):
        def get(self, *args: Any) -> Any:
            raise LookupError

    made, event = Made(kind), Odd()
    assert made.handler(event, Context()) is event
    assert made.seen[0].trigger == "unknown"
    assert "could not be read: LookupError" in capsys.readouterr().err


def test_with_everything_disabled_the_shape_stays(
    kind: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Policies pass every call through; a coroutine handler is still a plain function, and its line is written."""
    monkeypatch.setenv("SVCGOV_DISABLED", "1")
    gate = bulkhead(1)
    with pytest.warns(svcgov.errors.ConfigWarning, match="SVCGOV_DISABLED=1"), gate:
        made = Made(kind, policy=gate)
        assert made.handler({"a": 1}, None) == {"a": 1}
    assert len(lines(capsys)) == 1
