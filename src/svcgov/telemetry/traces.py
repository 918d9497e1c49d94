"""Spans of calls, through the API of OpenTelemetry, while a provider is set that records.

=========  ==============================================  =============================================================
kind       of                                              made by
=========  ==============================================  =============================================================
SERVER     a call that came in                             the ways in
CONSUMER   a call that brings records, and each of them    the same, and `svcgov.batch`
INTERNAL   a call of a governed function or client         the frames of its pipeline
CLIENT     an attempt of a governed client                 the edges of clients
=========  ==============================================  =============================================================

``SVCGOV_TRACES`` says ``off``, or ``otel``: then functions that are only decorated look for a provider at each call, too. Where
it says nothing, they do so from when a provider is found: by a way in, or by a client.

Rule 1: nothing twice. Where an instrumentation of OpenTelemetry's has made a span for a call or a request, or is about to, there
        is none of ours; what happens is an event on theirs.
Rule 2: a fact is an event on the span that was current where it happened.
Rule 3: what goes wrong here is reported once, and the call goes on without a span.
Rule 4: nothing is exported here: the provider's processors do that, on threads of their own.
Rule 5: in the middle of the SDK's own work, where the collector may come in, it is told nothing (`_interrupted`): what happens is
        no event then, and a span that ends is ended with the next one.
"""

from __future__ import annotations

from opentelemetry import context, propagate, trace
from opentelemetry.trace import Link, SpanKind, TraceFlags

from .._core._context import INVOCATION
from .._core._environment import word
from .._core._listeners import PROCESS
from .._core._report import report_once
from .._core._spans import SPANS, WORDS
from . import _span_theirs as theirs
from . import _span_words as words
from ._interrupted import SDK, interrupts
from ._span_open import Asked, Governed, Served

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from .._core._context import Trace
    from ..facts import Fact
    from ._span_open import Open

_AROUND = context.create_key("svcgov.around")  # our span of a client's call, and whether it stands in one of somebody else's
_MOST = 128  # records of a call that are looked at for links


def begin() -> None:
    """Make spans from now on, in a program that has no way in and governs no client: those do it by themselves.

    Where no provider is set yet, governed functions look for one at each call.
    """
    if word("SVCGOV_TRACES", WORDS, "") != "off":
        SPANS.make = tracer_of
        SPANS.use(SPANS.tracer, awaited=True)
        SPANS.look()


def tracer_of(provider: Any) -> Traces | None:
    """Who makes spans by *provider*; None where it is none that records."""
    try:
        tracer = provider.get_tracer(theirs.OURS)
    except Exception as failure:
        report_once("traces.provider", f"a provider of spans gave no tracer: {type(failure).__name__}")
        return None
    nobody = isinstance(tracer, (trace.NoOpTracer, trace.ProxyTracer))
    return None if nobody else Traces(tracer)


class Traces:
    """Makes spans by *tracer*, from when it is made to `stop`."""

    def __init__(self, tracer: Any) -> None:
        self._begin: Callable[..., Any] = tracer.start_span
        self._stop = PROCESS.add(self._heard)

    def stop(self) -> None:
        """Somebody else traces from now on, or nobody."""
        self._stop()

    def _heard(self, fact: Fact) -> None:
        """It happened in the call whose context this is."""
        span = trace.get_current_span()
        if (
            SPANS.tracer is self and span.is_recording() and not interrupts(SDK)
        ):  # two threads may have found a provider at the same time
            span.add_event(fact.event, words.said_of(fact))

    # -- calls that come in ------------------------------------------------------------------------------------------

    def arrived(self, came: Any, *, colour: str | None, cold: bool, records: Sequence[Trace | None]) -> Open | None:
        """A call has come in: a child of the current span, if there is one, or else of what the headers say."""
        try:
            here = context.get_current()
            current = trace.get_current_span(here)
            if theirs.serves(current):
                return None
            if not current.get_span_context().is_valid:
                here = propagate.extract(came.headers, here)
            links = [_link(one) for one in records[:_MOST] if one is not None]
            attributes = words.came_in(came, colour=colour, cold=cold)
            method = words.verb_of(came.method) if came.trigger == "http" else ""
            kind = SpanKind.SERVER if came.trigger in words.CALLED else SpanKind.CONSUMER
            if records:
                attributes["messaging.batch.message_count"] = len(records)
            span = self._begin(method or came.trigger, here, kind, attributes, links)
            return Served(span, here, method)
        except Exception as failure:
            _without(failure)
            return None

    def record(self, source: str, carrier: Mapping[str, str], *, colour: str | None) -> Open | None:
        """A record is begun: in the trace that it carries, with a link to the call that it came in."""
        try:
            here = context.get_current()
            current = trace.get_current_span(here).get_span_context()
            inside = propagate.extract(carrier, trace.set_span_in_context(trace.INVALID_SPAN, here))
            links = [Link(current)] if current.is_valid else []
            if not trace.get_current_span(inside).get_span_context().is_valid:
                inside, links = here, []
            attributes = words.coloured(words.delivered(source), colour)
            span = self._begin(f"process {source}".strip(), inside, SpanKind.CONSUMER, attributes, links)
            return Served(span, inside, "")
        except Exception as failure:
            _without(failure)
            return None

    # -- what is governed --------------------------------------------------------------------------------------------

    def governed(self, name: str, *, edge: bool) -> Open | None:
        """A call of what is governed begins."""
        try:
            here = context.get_current()
            current = trace.get_current_span(here)
            attributes = words.coloured({}, INVOCATION.get().colour)
            span = self._begin(name, here, SpanKind.INTERNAL, attributes)
            if edge:
                here = context.set_value(_AROUND, (span, theirs.asks(current)), here)
            return Governed(span, here)
        except Exception as failure:
            _without(failure)
            return None

    def asked(
        self,
        operation: str,
        method: str,
        *,
        authority: str,
        service: str,
        target: str | None,
        again: int,
        senders: tuple[Any, ...],
        covers: bool,
    ) -> Open | None:
        """An attempt begins, unless it has a span already, or will have one."""
        try:
            here = context.get_current()
            current = trace.get_current_span(here)
            around: Any = context.get_value(_AROUND, here)
            told = around[1] if around is not None and around[0] is current else theirs.asks(current)
            if told or theirs.silenced(context, here) or any(map(theirs.puts_its_own, senders)):
                return None
            attributes = words.went_out(method, authority, target, again, INVOCATION.get().colour)
            if service:
                attributes |= {"rpc.system": "aws-api", "rpc.service": service, "rpc.method": operation}
            name = f"{service}/{operation}" if service else words.verb_of(method)
            made = self._begin(name, here, SpanKind.CLIENT, attributes)
            return Asked(made, theirs.hushed(context, here) if covers else here)
        except Exception as failure:
            _without(failure)
            return None


def _link(one: Trace) -> Link:
    flags = TraceFlags(TraceFlags.SAMPLED if one.sampled else TraceFlags.DEFAULT)
    return Link(trace.SpanContext(int(one.trace_id, 16), int(one.span_id, 16), is_remote=True, trace_flags=flags))


def _without(failure: Exception) -> None:
    report_once("traces", f"a span could not be made: {type(failure).__name__}")
