"""The access log: where its line goes, and what it says."""

from __future__ import annotations

import importlib
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from svcgov._core._context import NOWHERE, Invocation
from svcgov.errors import CircuitOpenError, ConfigError
from svcgov.telemetry.access_log import AccessLog
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process in which nobody has loaded structlog."""
    monkeypatch.delitem(sys.modules, "structlog")


@pytest.fixture
def captured() -> Iterator[list[dict[str, Any]]]:
    """What structlog is told, with its level."""
    with structlog.testing.capture_logs() as told:
        yield told  # type: ignore[misc]  # mutable mappings


def written(log: AccessLog, invocation: Invocation = NOWHERE, **fields: Any) -> None:
    """One call that went well, but for *fields*."""
    log.call(invocation, **{"error": None, "took": 0.25, "late": False, **fields})


@pytest.mark.usefixtures("unloaded")
def test_without_structlog_it_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    """On standard output, which platforms collect; what is not known is left out."""
    written(AccessLog(ManualClock()))
    out = capsys.readouterr().out
    assert out.endswith("}\n")
    assert json.loads(out) == {
        "timestamp": "2023-11-14T22:13:20.000Z",
        "level": "info",
        "event": "svcgov.call",
        "outcome": "ok",
        "duration_ms": 250.0,
        "trigger": "none",
    }


def test_structlog_is_used_where_it_is_loaded(captured: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]) -> None:
    """Its processors then have the say about the form and the time."""
    written(AccessLog(ManualClock()), Invocation(service="orders", colour="blue"))
    assert captured == [
        {
            "event": "svcgov.call",
            "log_level": "info",
            "service": "orders",
            "outcome": "ok",
            "duration_ms": 250.0,
            "colour": "blue",
            "trigger": "none",
        }
    ]
    assert capsys.readouterr().out == ""


def test_structlog_may_be_loaded_after_the_log_was_made(
    captured: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also by a library that the function uses."""
    with monkeypatch.context() as before:
        before.delitem(sys.modules, "structlog")
        log = AccessLog(ManualClock())
        written(log)
    written(log)
    assert capsys.readouterr().out.count("svcgov.call") == 1
    assert len(captured) == 1


def test_json_can_be_asked_for(
    monkeypatch: pytest.MonkeyPatch, captured: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Though structlog is loaded."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    written(AccessLog(ManualClock()))
    assert captured == []
    assert json.loads(capsys.readouterr().out)["event"] == "svcgov.call"


@pytest.mark.usefixtures("unloaded")
def test_structlog_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Then it is loaded with the log, not in the first call."""
    monkeypatch.setenv("SVCGOV_LOG", "structlog")
    monkeypatch.setitem(sys.modules, "structlog", structlog)
    log = AccessLog(ManualClock())
    monkeypatch.delitem(sys.modules, "structlog")
    with structlog.testing.capture_logs() as told:
        written(log)
    assert len(told) == 1


def test_it_can_be_off(monkeypatch: pytest.MonkeyPatch, captured: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    """Then nothing is written anywhere."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    written(AccessLog(ManualClock()))
    assert (captured, capsys.readouterr().out) == ([], "")


@pytest.mark.parametrize(("word", "meter", "silent"), [("off", None, True), ("off", print, False), ("json", None, False)])
def test_it_is_silent_where_nobody_writes_and_nobody_counts(
    word: str, meter: Any, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ways in have nothing to find out then; who counts may come and go."""
    monkeypatch.setenv("SVCGOV_LOG", word)
    log = AccessLog(ManualClock())
    assert log.silent is (word == "off")
    log.meter = meter
    assert log.silent is silent


def test_another_word_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the log is made, which is when the handler is decorated."""
    monkeypatch.setenv("SVCGOV_LOG", "xml")
    with pytest.raises(ConfigError, match="SVCGOV_LOG: expected one of structlog, json, off, got 'xml'"):
        AccessLog(ManualClock())


@pytest.mark.parametrize(
    ("fields", "level", "outcome"),
    [
        ({}, "info", "ok"),
        ({"status": 200}, "info", "ok"),
        ({"status": 404}, "info", "ok"),
        ({"status": 500}, "error", "failed"),
        ({"error": LookupError()}, "error", "raised"),
        ({"error": KeyboardInterrupt()}, "error", "raised"),
        ({"error": LookupError(), "late": True}, "error", "raised"),
        ({"error": CircuitOpenError("payments", "open", 1.0)}, "warning", "refused"),
    ],
)
def test_the_level_follows_from_the_outcome(
    captured: list[dict[str, Any]], fields: dict[str, Any], level: str, outcome: str
) -> None:
    """What somebody has to look at is an error."""
    written(AccessLog(ManualClock()), **fields)
    assert (captured[0]["log_level"], captured[0]["outcome"]) == (level, outcome)


def test_nothing_that_came_along_is_written_but_the_ids(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Headers, baggage, event and the message of an error may hold secrets."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    secret = "hunter2"
    invocation = Invocation(headers={"authorization": secret}, baggage={"k": secret}, raw={"body": secret})
    written(AccessLog(ManualClock()), invocation, error=LookupError(secret))
    assert secret not in capsys.readouterr().out


def test_a_text_of_another_kind_is_a_text(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As frameworks have for paths."""

    class Path(str):
        """Theirs."""

        __slots__ = ()

    monkeypatch.setenv("SVCGOV_LOG", "json")
    written(AccessLog(ManualClock()), path=Path('/"'))
    assert json.loads(capsys.readouterr().out)["path"] == '/"'


def test_an_interpreter_without_the_fast_encoder_writes_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The standard library's own stands in."""
    monkeypatch.setenv("SVCGOV_LOG", "json")
    monkeypatch.setitem(sys.modules, "_json", None)
    monkeypatch.delitem(sys.modules, "svcgov.telemetry.access_log")
    module = importlib.import_module("svcgov.telemetry.access_log")
    written(module.AccessLog(ManualClock()), Invocation(service='"\u00e4"\n'))
    assert json.loads(capsys.readouterr().out)["service"] == '"\u00e4"\n'
