"""W3C Trace Context, read and written by hand."""

from __future__ import annotations

import pytest
from opentelemetry import trace as otel

from svcgov._core._context import Trace
from svcgov._core._spans import provider
from svcgov.propagation import trace

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


def test_a_parent_is_read() -> None:
    """Its ids, its flag, its state."""
    read = trace.read({"traceparent": PARENT, "tracestate": "vendor=value"})
    assert read == Trace(trace_id=TRACE_ID, span_id=SPAN_ID, sampled=True, state="vendor=value")


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True), ("fe", False)])
def test_the_lowest_flag_says_whether_it_is_sampled(flags: str, sampled: bool) -> None:
    """The others mean nothing yet."""
    read = trace.read({"traceparent": f"00-{TRACE_ID}-{SPAN_ID}-{flags}"})
    assert read is not None
    assert read.sampled is sampled


def test_a_later_version_may_say_more() -> None:
    """What this version knows is read from it."""
    read = trace.read({"traceparent": f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-brings"})
    assert read == Trace(trace_id=TRACE_ID, span_id=SPAN_ID, sampled=True)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00",
        "nonsense",
        f"00-{TRACE_ID}-{SPAN_ID}",
        f"ff-{TRACE_ID}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-01-more",
        f"00-{'0' * 32}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{'0' * 16}-01",
        f"00-{TRACE_ID.upper()}-{SPAN_ID}-01",
        f"00-{TRACE_ID[:-1]}-{SPAN_ID}-01",
        f"00-{TRACE_ID}-{SPAN_ID}-1",
        f"0g-{TRACE_ID}-{SPAN_ID}-01",
    ],
)
def test_what_is_no_parent_is_none(parent: str) -> None:
    """By the standard a wrong one is as good as none; the state that came with it goes too."""
    assert trace.read({"traceparent": parent, "tracestate": "vendor=value"}) is None


def test_a_state_that_is_too_long_is_not_handed_on() -> None:
    """It comes from outside, and 512 characters are what everybody should hand on."""
    read = trace.read({"traceparent": PARENT, "tracestate": "v=" + "x" * 511})
    assert read is not None
    assert read.state == ""


@pytest.mark.parametrize("state", ["a=b\r\nx-admin: 1", "caf\u00e9=1", "\ud800"])
def test_a_state_that_cannot_stand_in_a_header_is_not_handed_on(state: str) -> None:
    """An event may have anything in it; the trace goes on."""
    read = trace.read({"traceparent": PARENT, "tracestate": state})
    assert read == Trace(trace_id=TRACE_ID, span_id=SPAN_ID, sampled=True)


def test_a_trace_is_written_as_it_was_read() -> None:
    """There and back."""
    headers = {"traceparent": PARENT, "tracestate": "vendor=value"}
    written: dict[str, str] = {}
    read = trace.read(headers)
    assert read is not None
    trace.write(read, written)
    assert written == headers


def test_a_child_is_another_span_of_the_same_trace() -> None:
    """Everything else stays."""
    parent = Trace(trace_id=TRACE_ID, span_id=SPAN_ID, sampled=True, state="v=1")
    child = trace.child(parent)
    assert child == parent.replace(span_id=child.span_id)
    assert child.span_id != parent.span_id


def test_a_trace_that_begins_here_can_be_read_elsewhere() -> None:
    """Two of them are two, and neither claims to be recorded."""
    written: dict[str, str] = {}
    begun = trace.begin()
    trace.write(begun, written)
    assert trace.read(written) == begun
    assert not begun.sampled
    assert begun.trace_id != trace.begin().trace_id


def test_an_id_is_never_all_zeros(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zeros mean that there is none."""
    monkeypatch.setattr(trace, "urandom", bytes)
    assert trace.begin() == Trace(trace_id="0" * 31 + "1", span_id="0" * 15 + "1")


# -- OpenTelemetry, of which the interface alone is there -------------------------------------------------------------

SAID = otel.SpanContext(int(TRACE_ID, 16), int(SPAN_ID, 16), is_remote=True, trace_flags=otel.TraceFlags(1))


def test_there_is_none_before_a_provider_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has imported it: that is not to use it."""
    assert provider() is None
    monkeypatch.setattr(otel, "_TRACER_PROVIDER", otel.NoOpTracerProvider())
    assert provider() is otel


def test_a_span_says_where_the_call_stands() -> None:
    """In the digits of the standard; one that is not valid says nothing."""
    assert trace.current(otel) is None
    with otel.use_span(otel.NonRecordingSpan(SAID)):
        assert trace.current(otel) is SAID
    assert trace.of(SAID) == Trace(trace_id=TRACE_ID, span_id=SPAN_ID, sampled=True)


@pytest.mark.parametrize("flags", [0, 1])
def test_what_a_span_says_is_written_as_where_it_stands_is(flags: int) -> None:
    """With its state, if that can stand in a header."""
    states = [
        None,
        otel.TraceState([("vendor", "value")]),
        otel.TraceState([(key, "x" * 200) for key in "vwy"]),
    ]
    for state in states:
        said = otel.SpanContext(int(TRACE_ID, 16), int(SPAN_ID, 16), False, otel.TraceFlags(flags), state)
        written: dict[str, str] = {}
        same: dict[str, str] = {}
        trace.write_of(said, written)
        trace.write(trace.of(said), same)
        assert written == same
        assert ("tracestate" in written) == (state is states[1])


def test_a_version_of_it_that_has_no_such_attribute_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a private one: without it the trace goes on by hand."""
    monkeypatch.delattr(otel, "_TRACER_PROVIDER")
    assert provider() is None
