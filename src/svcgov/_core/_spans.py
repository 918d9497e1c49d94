"""Who makes spans of calls. Nobody, unless a provider of OpenTelemetry's is set: then it costs one look.

The edges of functions and of clients look here once for each call. The frames of a pipeline do not: those that make spans are
nested when somebody begins to trace.

Rule 1: OpenTelemetry is not imported for this: it is looked for among the modules that are loaded.
Rule 2: neither a tracer nor a span of its ever raises, and nobody waits for them. One that cannot be made is none.
"""

from __future__ import annotations

import sys

from ._live import living
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Protocol

    from ._context import Trace

    class Span(Protocol):
        """A span that has begun, and is the current one."""

        def end(self, error: BaseException | None, *, status: int | None = None, operation: str = "") -> None:
            """What it stands for has ended: *operation* is the route that was called, if that is known by now."""
            ...

        def pause(self) -> None:
            """What it stands for goes on, but not now: what was current before is so again."""
            ...

        def resume(self) -> None:
            """It goes on now."""
            ...

    class Tracer(Protocol):
        """Who makes spans. None of them is made where somebody else has made one for the same thing."""

        def arrived(self, came: Any, *, colour: str | None, cold: bool, records: Sequence[Trace | None]) -> Span | None:
            """A call has come in; *records* are the traces of those that it brings, or None for one without."""
            ...

        def record(self, source: str, carrier: Mapping[str, str], *, colour: str | None) -> Span | None:
            """A record of a batch is begun."""
            ...

        def governed(self, name: str, *, edge: bool) -> Span | None:
            """A call of what is governed begins; at an *edge*, one of a client."""
            ...

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
        ) -> Span | None:
            """An attempt begins of a governed client: at *operation* of the AWS *service*, or at a request over HTTP.

            *again* is how many there were before. The *senders* are the functions of the client that send it, which others
            may have put theirs in place of. *covers* says that they send it by another client, of which nobody is to tell.
            """
            ...

        def stop(self) -> None:
            """Somebody else traces from now on, or nobody."""
            ...


def provider() -> Any:
    """OpenTelemetry's module of traces, if a provider is set; else None."""
    otel = sys.modules.get("opentelemetry.trace")
    return None if otel is None or getattr(otel, "_TRACER_PROVIDER", None) is None else otel


WORDS = ("otel", "off")  # of ``SVCGOV_TRACES``


class Spans:
    """Who makes spans in this process. The one that is used is `SPANS`.

    Attributes:
        tracer: who makes them, or None.
        make: makes a tracer of a provider, or None where it is none that records; None itself before a governor has set it.
        awaited: whether a provider is still to come, and frames look for one at each call.
    """

    __slots__ = ("_known", "awaited", "make", "tracer")

    def __init__(self) -> None:
        self.tracer: Tracer | None = None
        self.make: Callable[[Any], Tracer | None] | None = None
        self.awaited: bool = False
        self._known: Any = None  # the provider that was looked at last

    @property
    def nested(self) -> bool:
        """Whether frames make spans."""
        return self.tracer is not None or self.awaited

    def look(self) -> Tracer | None:
        """Who makes spans, by the provider that is set now."""
        otel = provider()
        return self.tracer if otel is None else self.of(otel._TRACER_PROVIDER)

    def of(self, provider: Any) -> Tracer | None:
        """Who makes spans by *provider*."""
        if provider is not self._known and self.make is not None:
            self._known = provider
            try:
                tracer = self.make(provider)
            except Exception as failure:  # a package that cannot be loaded, such as with a propagator that is not there
                report_once("traces.make", f"no spans are made: {type(failure).__name__} while that was set up")
                tracer = None
            self.use(tracer)
        return self.tracer

    def use(self, tracer: Tracer | None, *, awaited: bool | None = None) -> None:
        """Let *tracer* make them from now on; whether one is *awaited* stays as it is, unless it is said."""
        before, nested = self.tracer, self.nested
        self.tracer = tracer  # first: who is made meanwhile sees it
        self.awaited = self.awaited if awaited is None else awaited
        if before is not None and before is not tracer:
            before.stop()
        if nested is not self.nested:
            for one in living():
                if hasattr(one, "route"):
                    one.route = one.nested()  # type: ignore[attr-defined]  # what has a route is a governed function

    def forget(self) -> None:
        """Nobody traces, as in a new process. For tests."""
        self.use(None, awaited=False)
        self.make = self._known = None


SPANS = Spans()
