"""Handlers in the real runtime interface client: to the platform each is what it was, and the access log tells the truth."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from events import api_gateway_v2, order

from .conftest import needed
from .functions import function, told

if TYPE_CHECKING:
    import pathlib

pytestmark = pytest.mark.usefixtures("awslambdaric")

ECHO = """\
def handler(event, context):
    return {"got": event}
"""
ANSWERING = """\
def handler(event, context):
    return {"statusCode": 201, "body": event["rawPath"]}
"""
RAISING = """\
def handler(event, context):
    raise KeyError("no stock of " + str(event))
"""
ASYNC = """\
import asyncio


async def handler(event, context):
    await asyncio.sleep(0)
    return {"got": event}
"""
ASYNC_RAISING = """\
import asyncio


async def handler(event, context):
    await asyncio.sleep(0)
    raise KeyError("no stock of " + str(event))
"""
LATE = """\
import time


def handler(event, context):
    time.sleep(0.15)
    return context.get_remaining_time_in_millis() <= 0
"""
UNWRITABLE = """\
def handler(event, context):
    return {1, 2}
"""
EVENTS: list[Any] = [[1, {"two": 3}], [], "text", "", None, 7, True, {}, {"version": "2.0"}, {"version": "2.0", "headers": [1]}]


def without_headers() -> dict[str, Any]:
    """A request that came with none, which the platform may leave out."""
    event = api_gateway_v2(order(1))
    del event["headers"]
    return event


# -- to the platform --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [ECHO, RAISING, UNWRITABLE], ids=["returns", "raises", "cannot be written"])
def test_the_platform_is_told_what_it_was_told_without_svcgov(tmp_path: pathlib.Path, source: str) -> None:
    """Whatever the event: the same value, or the same error from the same line."""
    with function(tmp_path, source) as governed, function(tmp_path, source, governed=False) as plain:
        for event in [*EVENTS, without_headers(), api_gateway_v2(order(1))]:
            ours, theirs = told(governed.invoke(event)), told(plain.invoke(event))
            assert _unnamed(ours) == _unnamed(theirs)


@pytest.mark.parametrize(("source", "same"), [(ASYNC, ECHO), (ASYNC_RAISING, RAISING)], ids=["returns", "raises"])
def test_a_coroutine_function_is_a_handler_like_any_other(tmp_path: pathlib.Path, source: str, same: str) -> None:
    """The platform gets what it awaits, not the coroutine; the error is the same as that of a plain function."""
    with function(tmp_path, source) as governed, function(tmp_path, same, governed=False) as plain:
        for event in EVENTS:
            ours, theirs = told(governed.invoke(event)), told(plain.invoke(event))
            assert _without_frames(ours) == _without_frames(theirs)


def test_a_function_that_answers_late_is_late_with_svcgov_too(tmp_path: pathlib.Path) -> None:
    """A plain function is not interrupted: its answer goes out, and the line says that its time was over."""
    with function(tmp_path, LATE, timeout=0.1) as governed, function(tmp_path, LATE, governed=False, timeout=0.1) as plain:
        assert told(governed.invoke(None)) == told(plain.invoke(None)) == (False, True)
        (line,) = governed.log()
    assert line["late"] is True
    assert line["outcome"] == "ok"
    assert line["duration_ms"] >= 150


def test_two_hundred_events_in_a_row_are_two_hundred_calls(tmp_path: pathlib.Path) -> None:
    """Each is answered in turn, each has a line of its own, and only the first one was a cold start."""
    with function(tmp_path, ECHO) as governed:
        outcomes = [governed.invoke({"number": number}) for number in range(200)]
        log = governed.log()
    assert [outcome.value for outcome in outcomes] == [{"got": {"number": number}} for number in range(200)]
    assert [line["request_id"] for line in log] == [outcome.request_id for outcome in outcomes]
    assert [line.get("cold_start", False) for line in log] == [True] + [False] * 199
    assert len({line["trace_id"] for line in log}) == 200


# -- in the log -------------------------------------------------------------------------------------------------------


def test_an_answered_request_is_logged_with_its_ids(tmp_path: pathlib.Path) -> None:
    """The browser's trace goes on, and the platform's id is there."""
    event = api_gateway_v2(order(1), path="/orders")
    with function(tmp_path, ANSWERING) as governed:
        outcome = governed.invoke(event)
        (line,) = governed.log()
    trace_id, parent = event["headers"]["traceparent"].split("-")[1:3]
    asked = {name: line[name] for name in ("outcome", "level", "status", "method", "path", "trigger", "service", "version")}
    assert asked == {
        "outcome": "ok",
        "level": "info",
        "status": 201,
        "method": "POST",
        "path": "/orders",
        "trigger": "http",
        "service": "with_svcgov",
        "version": "$LATEST",
    }
    assert (line["trace_id"], line["request_id"]) == (trace_id, outcome.request_id)
    assert re.fullmatch("[0-9a-f]{16}", line["span_id"])
    assert line["span_id"] != parent
    assert "colour" not in line  # blue came along, and is on nobody's list


def test_what_was_raised_is_logged_by_its_name(tmp_path: pathlib.Path) -> None:
    """The line says that the call failed and how; the message, which may hold secrets, is not in it."""
    with function(tmp_path, RAISING) as governed:
        governed.invoke("umbrellas")
        (line,) = governed.log()
    assert (line["outcome"], line["level"], line["error"]) == ("raised", "error", "KeyError")
    assert "status" not in line
    assert "umbrellas" not in str(line)


def test_a_direct_call_is_logged_as_one(tmp_path: pathlib.Path) -> None:
    """There is no status to speak of, and the trace begins here."""
    with function(tmp_path, ECHO) as governed:
        for event in EVENTS:
            governed.invoke(event)
        log = governed.log()
    assert [line["trigger"] for line in log] == ["direct"] * len(EVENTS)
    assert all(re.fullmatch("[0-9a-f]{32}", line["trace_id"]) for line in log)
    assert not any({"status", "method", "path", "late"} & set(line) for line in log)


# -- what is needed for this ------------------------------------------------------------------------------------------


def test_where_all_should_be_installed_a_missing_package_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that cannot run there is no test that passed."""
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="missing: no_such_package"):
        needed("no_such_package")


def test_on_a_laptop_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test is left out, and says what would bring it back."""
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="missing: no_such_package"):
        needed("no_such_package")


def _unnamed(what: tuple[bool, Any]) -> tuple[bool, str]:
    """The two modules have different names."""
    failed, value = what
    return failed, str(value).replace("with_svcgov", "without")


def _without_frames(what: tuple[bool, Any]) -> tuple[bool, Any]:
    failed, value = what
    return failed, value[:2] if failed else value
