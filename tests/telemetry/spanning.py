"""A provider of OpenTelemetry's, set while a test lasts, and what it was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

if TYPE_CHECKING:
    import pytest
    from opentelemetry.sdk.trace import ReadableSpan

TRACE_ID, SPAN_ID = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}-01"


class Told:
    """The provider of the process, and the spans that have ended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False, **options)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", self.provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self._exporter.get_finished_spans())

    @property
    def kinds(self) -> list[str]:
        """Their kinds, in the same order."""
        return [span.kind.name for span in self.spans]

    def of(self, kind: str) -> list[ReadableSpan]:
        """Those of a kind."""
        return [span for span in self.spans if span.kind.name == kind]

    def one(self, kind: str) -> ReadableSpan:
        """The only one of a kind."""
        (span,) = self.of(kind)
        return span

    def forget(self) -> None:
        """Those so far."""
        self._exporter.clear()


def said(span: ReadableSpan) -> dict[str, Any]:
    """What a span says: its attributes."""
    return dict(span.attributes or {})


def events(span: ReadableSpan) -> list[tuple[str, dict[str, Any]]]:
    """What has happened in a span, in order."""
    return [(event.name, dict(event.attributes or {})) for event in span.events]


def ids(span: Any) -> tuple[str, str]:
    """Of the trace, and of the span."""
    here = span.get_span_context()
    return f"{here.trace_id:032x}", f"{here.span_id:016x}"


def parent(span: ReadableSpan) -> str:
    """The id of the span above, or the empty string."""
    return "" if span.parent is None else f"{span.parent.span_id:016x}"


def failed(span: ReadableSpan) -> bool:
    """Whether it says that it has failed."""
    return span.status.status_code is trace.StatusCode.ERROR
