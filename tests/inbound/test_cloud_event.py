"""Functions of CloudEvents: what they carry, where the request that brings them comes first, and events that are none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st

import svcgov
from svcgov.inbound import cloud_event
from svcgov.inbound._answers import Answer
from svcgov.testing import ManualClock

from .calling import Called, Event
from .events import SPAN_ID, TRACE_ID
from .making import lines

OTHER_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CARRIED = {"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-01", "baggage": "tenant=acme", "svcgovcolour": "blue"}


class OlderEvent:
    """A CloudEvent of the older generation of its package: it is asked for one attribute at a time."""

    def __init__(self, **attributes: Any) -> None:
        self._attributes = attributes

    def get(self, name: str, default: Any = None) -> Any:
        """One attribute."""
        return self._attributes.get(name, default)


@pytest.mark.parametrize("made", [Event, OlderEvent, dict])
def test_the_invocation_is_what_the_attributes_say(kind: str, made: Any) -> None:
    """Trace, baggage, colour and id; an event of either generation, or a mapping."""
    called = Called(kind, "cloud_event")
    event = made(id="event-1", **CARRIED)
    called(event)
    (here,) = called.seen
    assert (here.platform, here.trigger, here.request_id) == ("cloud_event", "cloudevent", "event-1")
    assert (here.trace.trace_id, here.baggage, here.colour) == (TRACE_ID, {"tenant": "acme"}, "blue")
    assert (here.method, here.path, here.client) == ("", "", "")
    assert here.headers["x-svcgov-colour"] == "blue"
    assert here.raw is event


def test_a_colour_that_is_not_on_the_list_is_not_taken(kind: str) -> None:
    """Whoever can send an event could choose the canary."""
    called = Called(kind, "cloud_event")
    called(Event(svcgovcolour="red"))
    assert called.seen[0].colour is None


def test_the_request_that_brings_an_event_comes_first() -> None:
    """The event says where it began, and the request where it was last; what the request does not say, the event does."""
    called = Called("sync", "cloud_event")
    headers = {"Traceparent": f"00-{OTHER_ID}-{SPAN_ID}-01", "X-Svcgov-Colour": "green", "Authorization": "secret"}
    with Flask("shop").test_request_context("/", headers=headers):
        called(Event(**CARRIED))
    (here,) = called.seen
    assert (here.trace.trace_id, here.baggage, here.colour) == (OTHER_ID, {"tenant": "acme"}, "green")
    assert "authorization" not in here.headers


def test_where_nobody_has_loaded_flask_the_event_speaks_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a framework that is no Flask."""
    monkeypatch.delitem(__import__("sys").modules, "flask")
    called = Called("async", "cloud_event")
    called(Event(**CARRIED))
    assert called.seen[0].trace.trace_id == TRACE_ID


@pytest.mark.parametrize(("platform", "left"), [("", None), ("60", 60.0), ("soon", None)])
def test_the_deadline_is_the_platform_s(kind: str, platform: str, left: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that stands in an event would be the sender's, when it was sent."""
    monkeypatch.setenv("CLOUD_RUN_TIMEOUT_SECONDS", platform)
    called = Called(kind, "cloud_event", clock=ManualClock())
    called(Event(**{"x-request-deadline-ms": "1"}))
    assert called.seen[0].deadline == left


def test_the_line_claims_no_status(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The framework answers for the function."""
    called = Called(kind, "cloud_event")
    called(Event(**CARRIED))
    (line,) = lines(capsys)
    assert (line["outcome"], line["trigger"], line["request_id"], line["colour"]) == ("ok", "cloudevent", "event-1", "blue")
    assert not {"status", "method", "path"} & set(line)


def test_no_answer_is_written_for_an_event() -> None:
    """Nobody could read it."""
    assert cloud_event.written("", Answer(status=429, title="", headers={}, body="")) is None


ANYTHING = st.recursive(
    st.none() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from([*CARRIED, "id"]), inner),
    max_leaves=6,
)
FUNCTIONS = [Called(kind, "cloud_event") for kind in ("sync", "async")]


@given(ANYTHING | ANYTHING.map(lambda said: SimpleNamespace(get_attributes=lambda: said)))
def test_whatever_stands_in_the_place_of_an_event_the_function_is_called(event: Any) -> None:
    """Nothing of ours is raised."""
    assert [called(event) for called in FUNCTIONS] == ["answer"] * 2


@given(st.dictionaries(st.sampled_from([*CARRIED, "id", "tracestate"]), st.text() | st.integers() | st.none()))
def test_whatever_the_attributes_say_the_function_is_called(attributes: dict[str, Any]) -> None:
    """As above."""
    assert [called(Event(**attributes)) for called in FUNCTIONS] == ["answer"] * 2


def test_the_package_s_function_is_that_of_the_default_governor() -> None:
    """``@svcgov.cloud_event(service=...)``."""

    @svcgov.cloud_event(service="shop")
    def place(event: Any) -> str:
        return svcgov.current().service

    assert place(Event()) == "shop"
