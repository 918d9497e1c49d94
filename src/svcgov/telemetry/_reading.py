"""Where the values of the metrics come from.

Rule: reading changes nothing, so two who read do not take anything from one another.
"""

from __future__ import annotations

from functools import cached_property

from .._core._histogram import Histogram
from .._core._live import living
from .._core._names import NAMES
from .._core._report import report_once
from ..pipeline import Governed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from ..facts import Fact
    from ._series import Reading
    from .recorder import Recorder
    from .runtime import Figures

    Labels: TypeAlias = dict[str, str]
    Value: TypeAlias = float | Histogram
    Samples: TypeAlias = list[tuple[Labels, Value]]
    Read: TypeAlias = Callable[["Sources"], Samples]

STATES = ("closed", "open", "half-open", "disabled", "metrics-only", "forced-open")
_RENAMED = {"method": "http.request.method", "status": "http.response.status_code", "peer": "server.address", "kind": "trigger"}


class Sources:
    """What all metrics are read from, looked at once for all of them, and not before one of them is.

    Attributes:
        recorder: what has counted.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder

    @cached_property
    def series(self) -> list[Reading]:
        """Its calls."""
        return self.recorder.series()

    @cached_property
    def policies(self) -> list[tuple[Labels, str, dict[str, Any]]]:
        """The named ones: their scope and name, their kind, their snapshot."""
        return list(_policies())


def _policies() -> Iterator[tuple[Labels, str, dict[str, Any]]]:
    for (scope, kind, name), thing in NAMES.each():
        try:
            yield {"scope": scope, "policy": name}, kind, thing.snapshot()
        except Exception as failure:
            report_once(("snapshot", kind, name), f"the figures of {kind} {name} could not be read: {failure!r}")


def durations(direction: str, *, http: bool = True) -> Read:
    """The durations of the calls of a direction, over HTTP or by any other way."""

    def read(sources: Sources) -> Samples:
        return [
            (told(one.labels), one.durations)
            for one in sources.series
            if one.labels["direction"] == direction and (one.labels["kind"] == "http") is http
        ]

    return read


def told(labels: Labels) -> Labels:
    """The labels of a series, as the conventions call them; what is not known is left out."""
    known = {_RENAMED.get(name, name): value for name, value in labels.items() if value and name != "direction"}
    if labels["kind"] == "http":
        del known["trigger"]
    return known


def late(sources: Sources) -> Samples:
    """Calls that ended after their deadline, by service, operation and colour."""
    sums: dict[tuple[str, str, str], int] = {}
    for one in sources.series:
        if one.late:
            key = one.labels["service"], one.labels["operation"], one.labels["colour"]
            sums[key] = sums.get(key, 0) + one.late
    return [(about(*key), value) for key, value in sums.items()]


def left(sources: Sources) -> Samples:
    """What was left to the deadlines of calls when they ended, by service, operation and colour."""
    sums: dict[tuple[str, str, str], Histogram] = {}
    for one in sources.series:
        if one.left is not None:
            key = one.labels["service"], one.labels["operation"], one.labels["colour"]
            sums.setdefault(key, Histogram()).merge(one.left)
    return [(about(*key), value) for key, value in sums.items()]


def about(service: str, operation: str, colour: str) -> Labels:
    """What is known of these three."""
    known = {"service": service, "operation": operation, "colour": colour}
    return {name: value for name, value in known.items() if value}


def owned(name: str) -> Read:
    """Durations that the process has of its own, once there are any."""

    def read(sources: Sources) -> Samples:
        value = sources.recorder.own(name)
        return [({"service": sources.recorder.service}, value)] if value.count else []

    return read


def runtime(look: Callable[[], Figures]) -> Read:
    """What the process says of itself; what cannot be read is left out."""

    def read(_: Sources) -> Samples:
        try:
            return [(labels, value) for labels, value in look()]
        except Exception:  # another system, or one that hides it
            return []

    return read


def counted(kind: type[Fact], *names: str) -> Read:
    """How many facts of this *kind* there were, by policy and by the fields of these *names*."""
    return lambda sources: [
        (dict(zip(("policy", *names), labels, strict=True)), count) for labels, count in sources.recorder.facts(kind).items()
    ]


def figure(kind: str, name: str) -> Read:
    """A figure in the snapshots of the named policies of this *kind*, where it has a value."""
    return lambda sources: [
        (labels, snapshot[name]) for labels, one, snapshot in sources.policies if one == kind and snapshot.get(name) is not None
    ]


def states(sources: Sources) -> Samples:
    """Of each named circuit breaker 1 for the state that it is in, and 0 for the others."""
    return [
        ({**labels, "state": state}, int(state == snapshot["state"]))
        for labels, kind, snapshot in sources.policies
        if kind == "circuit_breaker"
        for state in STATES
    ]


def functions(_: Sources) -> Samples:
    """The calls of all governed functions there are, by how they ended."""
    sums: dict[tuple[str, str], int] = {}
    for governed in living():
        if isinstance(governed, Governed):
            for outcome, count in governed.record.ends().items():
                key = governed.function, outcome
                sums[key] = sums.get(key, 0) + count
    return [({"function": function, "outcome": outcome}, count) for (function, outcome), count in sums.items() if count]


def own(value: Callable[[Sources], float]) -> Read:
    """One value of the whole service."""
    return lambda sources: [({"service": sources.recorder.service}, value(sources))]
