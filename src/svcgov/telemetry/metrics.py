"""Every metric that there is, in one list.

The names are those of OpenTelemetry's conventions where they have one, else ``svcgov.`` and what it is.

Rule: the table in the documentation is made from this list.
"""

from __future__ import annotations

from .. import facts
from .._core._frozen import Frozen
from . import runtime as process
from ._reading import Sources, counted, durations, figure, functions, late, left, own, owned, runtime, states
from .recorder import COUNTED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._reading import Read, Samples
    from .recorder import Recorder


class Metric(Frozen):
    """One metric.

    Attributes:
        name: as OpenTelemetry has it.
        kind: ``counter``, ``gauge`` or ``histogram``.
        unit: as UCUM has it: ``s``, ``By``, ``1``, ``{call}``.
        labels: the names of its labels.
        text: what it says.
        read: gives its values.
        adds_up: whether the values of many processes can be added, though it is a gauge: as the conventions have it.
    """

    name: str
    kind: str
    unit: str
    labels: tuple[str, ...]
    text: str
    read: Read
    adds_up: bool = False


def families(recorder: Recorder) -> Iterator[tuple[Metric, Samples]]:
    """All metrics with their values now; one without a value is left out."""
    sources = Sources(recorder)
    for metric in METRICS:
        samples = metric.read(sources)
        if samples:
            yield metric, samples


def told_facts(recorder: Recorder) -> list[dict[str, Any]]:
    """All facts that were counted: their event, their labels, and how many."""
    return [
        {"event": kind.__new__(kind).event, **dict(zip(("policy", *names), labels, strict=True)), "count": count}
        for kind, names in COUNTED.items()
        for labels, count in recorder.facts(kind).items()
    ]


def _of(kind: str, name: str, unit: str, labels: str, text: str, *, read: Read) -> Metric:
    return Metric(name=name, kind=kind, unit=unit, labels=tuple(labels.split()), text=text, read=read)


def _fact(name: str, unit: str, text: str, kind: type[facts.Fact]) -> Metric:
    """A counter of facts of this *kind*."""
    names = COUNTED[kind]
    return _of("counter", name, unit, " ".join(("policy", *names)), text, read=counted(kind, *names))


def _gauge(name: str, unit: str, text: str, kind: str, figure_name: str) -> Metric:
    """A figure of the named policies of this *kind*."""
    return _of("gauge", name, unit, "scope policy", text, read=figure(kind, figure_name))


def _process(kind: str, name: str, unit: str, labels: str, text: str, *, look: Callable[[], process.Figures]) -> Metric:
    """What the process says of itself."""
    added = kind == "gauge" and unit != "s"
    return Metric(name=name, kind=kind, unit=unit, labels=tuple(labels.split()), text=text, read=runtime(look), adds_up=added)


SERVER, CLIENT, FAAS = "http.server.request.duration", "http.client.request.duration", "faas.invoke_duration"
LEFT = "svcgov.deadline.left"
_CALL = "service operation colour outcome"
_HTTP = "http.request.method http.response.status_code"

METRICS: tuple[Metric, ...] = (
    # Calls that come in, and requests that go out.
    _of("histogram", SERVER, "s", f"{_CALL} {_HTTP}", "requests that came in", read=durations("in")),
    _of(
        "histogram",
        FAAS,
        "s",
        f"{_CALL} trigger",
        "calls that came in by another way than HTTP",
        read=durations("in", http=False),
    ),
    _of(
        "histogram",
        CLIENT,
        "s",
        f"{_CALL} server.address {_HTTP}",
        "attempts of governed clients, each of a retry by itself",
        read=durations("out"),
    ),
    _of(
        "counter",
        "faas.coldstarts",
        "{coldstart}",
        "service",
        "calls that had to wait for the start of the process",
        read=own(lambda sources: sources.recorder.cold_starts),
    ),
    _of(
        "histogram",
        "faas.init_duration",
        "s",
        "service",
        "from the start of the process to its first call, where that had to wait for it",
        read=owned(process.START),
    ),
    _of("counter", "svcgov.calls.late", "{call}", "service operation colour", "calls that ended after their deadline", read=late),
    _of(
        "histogram",
        LEFT,
        "s",
        "service operation colour",
        "what was left to their deadlines when calls ended; 0 for late ones",
        read=left,
    ),
    _of(
        "counter",
        "svcgov.function.calls",
        "{call}",
        "function outcome",
        "calls of governed functions as they ended: `succeeded`, `failed`, `refused`, `cancelled`",
        read=functions,
    ),
    # What the policies did.
    _fact("svcgov.refusals", "{call}", "calls that a policy refused, or (`observed`) would have refused", facts.CallRefused),
    _fact("svcgov.circuit.transitions", "{transition}", "changes of state of circuit breakers", facts.CircuitChanged),
    _fact("svcgov.retries", "{attempt}", "further attempts", facts.RetryScheduled),
    _fact("svcgov.retries.ended", "{call}", "calls that failed and got no further attempt, and why", facts.RetryEnded),
    _fact("svcgov.budget.emptied", "{time}", "times that a budget had nothing left", facts.BudgetEmptied),
    _fact(
        "svcgov.timeouts", "{call}", "calls that were not done in time, or (`late`) came to their end after it", facts.TimedOut
    ),
    _fact("svcgov.deadlines.neared", "{call}", "calls that came into the last tenth of their time", facts.DeadlineNeared),
    _fact("svcgov.predicates.failed", "{time}", "functions given as a setting that raised", facts.PredicateFailed),
    _fact("svcgov.documents.applied", "{document}", "documents that came into force, by where they stand", facts.DocumentApplied),
    _fact("svcgov.documents.refused", "{document}", "documents that could not be, so nothing changed", facts.DocumentRefused),
    _fact("svcgov.registry.failures", "{time}", "times that the registry could be asked no more", facts.RegistryFailed),
    _fact("svcgov.registry.recoveries", "{time}", "times that it has answered again", facts.RegistryRecovered),
    _fact("svcgov.registry.leases.lost", "{lease}", "instances of ours that it had forgotten", facts.LeaseLost),
    _fact("svcgov.registry.records.skipped", "{record}", "records in it that cannot be read", facts.RecordSkipped),
    # How the named policies stand.
    _of(
        "gauge",
        "svcgov.circuit.state",
        "",
        "scope policy state",
        "1 for the state that a circuit breaker is in, 0 for the others",
        read=states,
    ),
    _gauge(
        "svcgov.circuit.failure_rate",
        "1",
        "share of failed calls in the window; nothing below the minimum of calls",
        "circuit_breaker",
        "failure_rate",
    ),
    _gauge("svcgov.circuit.slow_call_rate", "1", "share of slow calls in the window", "circuit_breaker", "slow_call_rate"),
    _gauge("svcgov.bulkhead.limit", "{call}", "calls that a bulkhead lets in at a time", "bulkhead", "limit"),
    _gauge("svcgov.bulkhead.in_use", "{call}", "calls inside", "bulkhead", "in_use"),
    _gauge("svcgov.bulkhead.waiting", "{call}", "calls in its waiting room", "bulkhead", "waiting"),
    _gauge("svcgov.rate_limit.limit", "{call}", "calls in the window of the limit with the least left", "rate_limit", "limit"),
    _gauge("svcgov.rate_limit.remaining", "{call}", "calls that may come at this moment", "rate_limit", "remaining"),
    _gauge("svcgov.rate_limit.waiting", "{call}", "calls that wait for their turn, where they may", "rate_limit", "waiting"),
    _gauge("svcgov.budget.left", "{attempt}", "further attempts that a budget has left", "budget", "left"),
    _gauge("svcgov.budget.in_flight", "{call}", "calls under way, where a budget goes by them", "budget", "in_flight"),
    # The process.
    _process("counter", "process.cpu.time", "s", "cpu.mode", "time of the processor: `user`, `system`", look=process.cpu),
    _process(
        "gauge",
        "process.memory.usage",
        "By",
        "",
        "resident memory; on another system than Linux the most there ever was",
        look=process.memory,
    ),
    _process("gauge", "process.thread.count", "{thread}", "", "threads", look=process.threads),
    _process("gauge", "process.unix.file_descriptor.count", "{file_descriptor}", "", "open files", look=process.files),
    _process("gauge", "process.uptime", "s", "", "time since the process was started", look=process.uptime),
    *(
        _process("counter", name, unit, "cpython.gc.generation", text, look=process.garbage(figure))
        for name, unit, text, figure in (
            ("cpython.gc.collections", "{collection}", "collections of garbage, by generation", "collections"),
            ("cpython.gc.collected_objects", "{object}", "objects that were garbage", "collected"),
            ("cpython.gc.uncollectable_objects", "{object}", "objects that were garbage and could not go", "uncollectable"),
        )
    ),
    _of(
        "counter",
        "svcgov.gc.pauses",
        "{pause}",
        "service",
        "collections of garbage since the output was made",
        read=own(lambda sources: sources.recorder.runtime.pauses),
    ),
    _of(
        "counter",
        "svcgov.gc.pause_time",
        "s",
        "service",
        "time for which they stopped everything else",
        read=own(lambda sources: sources.recorder.runtime.paused),
    ),
    _of(
        "histogram",
        "svcgov.loop.lag",
        "s",
        "service",
        "how late the event loop was, looked at once a second at most, while it served a call",
        read=owned(process.LAG),
    ),
    # The recorder itself.
    _of(
        "gauge",
        "svcgov.recorder.series",
        "{series}",
        "service",
        "series of calls that are kept",
        read=own(lambda sources: len(sources.series)),
    ),
    _of(
        "counter",
        "svcgov.recorder.overflowed",
        "{call}",
        "service",
        "calls and facts that were counted as `other`, since there were too many values",
        read=own(lambda sources: sources.recorder.overflowed),
    ),
    _of(
        "counter",
        "svcgov.output.failures",
        "{time}",
        "service",
        "times that an output raised, was too slow, or was skipped",
        read=own(lambda sources: sources.recorder.output_failures),
    ),
)
