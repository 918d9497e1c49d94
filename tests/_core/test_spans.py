"""The place where those look who make spans, if somebody does."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from _worlds import in_child
from svcgov import bulkhead
from svcgov._core._spans import SPANS, Spans


class Tracer:
    """Makes spans, and writes down of what."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.stopped = 0

    def governed(self, name: str, *, edge: bool) -> None:
        """A call of what is governed begins."""
        self.names.append(name)

    def stop(self) -> None:
        """It makes none any more."""
        self.stopped += 1


@pytest.fixture
def otel(monkeypatch: pytest.MonkeyPatch) -> Any:
    """As much of the module as is looked at."""
    module: Any = ModuleType("opentelemetry.trace")
    module._TRACER_PROVIDER = None
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", module)
    return module


def test_nobody_makes_spans_at_first(otel: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A provider alone makes none: somebody has to be there who makes something of it. There is nothing to be said of that."""
    spans = Spans()
    assert spans.look() is None
    otel._TRACER_PROVIDER = object()
    assert (spans.look(), spans.nested) == (None, False)
    assert capsys.readouterr().err == ""


def test_a_module_that_knows_of_no_provider_has_none(otel: Any) -> None:
    """As another version of it, or half of it while it is loaded."""
    del otel._TRACER_PROVIDER
    spans = Spans()
    spans.make = lambda provider: pytest.fail("there is no provider")
    assert spans.look() is None


def test_who_was_made_of_a_provider_makes_the_spans(otel: Any) -> None:
    """From the look on that has found it."""
    tracer: Any = Tracer()
    spans = Spans()
    spans.make = lambda provider: tracer
    otel._TRACER_PROVIDER = object()
    assert [spans.look(), spans.look(), spans.tracer] == [tracer] * 3
    assert spans.nested


def test_without_the_module_there_is_nothing_to_look_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not imported for that."""
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    spans = Spans()
    spans.make = lambda provider: pytest.fail("there is no provider")
    assert spans.look() is None
    assert "opentelemetry.trace" not in sys.modules


def test_a_provider_is_looked_at_once(otel: Any) -> None:
    """Whether it records or not."""
    made: list[Any] = []
    spans = Spans()
    spans.make = made.append  # which makes nothing of it
    otel._TRACER_PROVIDER = first = object()
    assert [spans.look(), spans.look()] == [None, None]
    assert made == [first]
    otel._TRACER_PROVIDER = second = object()
    spans.look()
    assert made == [first, second]


def test_a_tracer_that_cannot_be_made_is_none(otel: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The call that has found the provider goes on, and so do all others; it is said once."""

    def broken(provider: Any) -> Any:
        raise ImportError("secret")

    spans = Spans()
    spans.make = broken
    otel._TRACER_PROVIDER = object()
    assert [spans.look(), spans.look(), spans.nested] == [None, None, False]
    printed = capsys.readouterr().err
    assert printed == "svcgov: no spans are made: ImportError while that was set up (said once)\n"


def test_another_tracer_takes_the_place_of_the_one_before(otel: Any) -> None:
    """Which is told so, once."""
    first: Any = Tracer()
    second: Any = Tracer()
    spans = Spans()
    spans.use(first)
    spans.use(first)
    assert first.stopped == 0
    spans.use(second)
    assert (first.stopped, second.stopped, spans.tracer is second) == (1, 0, True)


def test_functions_are_nested_anew_when_somebody_begins_to_trace_and_when_nobody_does() -> None:
    """Until then, and after that, no frame of theirs knows of it."""
    call: Any = bulkhead(1, name="pool")(dict)
    usual = call.__svcgov__.route  # the mark of what is governed
    tracer: Any = Tracer()
    other: Any = Tracer()
    SPANS.use(tracer)
    call()
    assert tracer.names == ["builtins.dict"]
    spanned = call.__svcgov__.route
    SPANS.use(other)
    assert call.__svcgov__.route is spanned
    SPANS.forget()
    call()
    again = call.__svcgov__.route
    assert (type(again.gate), tracer.names) == (type(usual.gate), ["builtins.dict"])
    assert again.gate is usual.gate


def test_while_nobody_traces_no_frame_for_it_is_loaded() -> None:
    """Neither for decorated functions, nor for a handler."""
    code = """
import json, os, sys
os.environ["SVCGOV_LOG"] = "off"
import svcgov
@svcgov.bulkhead(1)
def charge(): pass
@svcgov.handler(policy=svcgov.bulkhead(1))
def handler(event, context): charge()
handler({}, None)
print(json.dumps([name for name in sys.modules if "span" in name or "traces" in name or name.startswith("opentelemetry")]))
"""
    assert in_child(code) == ["svcgov._core._spans"]
