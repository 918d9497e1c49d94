"""The instruments of the metrics, as a provider of OpenTelemetry's makes them.

Rule 1: the names, the units and what is read are those of `metrics.METRICS`; the labels are attributes.
Rule 2: durations are recorded one by one; all else is read when the provider collects, from one reading for all of it.
Rule 3: a provider makes them once, for all recorders of the process; what is told of the whole process is told by the first.
"""

from __future__ import annotations

from math import isfinite

from opentelemetry.metrics import Observation

from .._core._histogram import COARSE, Histogram
from .._core._report import report_once
from ._reading import Sources
from .metrics import METRICS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from ._reading import Labels
    from .metrics import Metric
    from .recorder import Recorder

    Attributes = dict[str, str | int]
    Record = Callable[..., object]

_NUMBERS = ("cpython.gc.generation", "http.response.status_code")
_LAST = next(metric for metric in reversed(METRICS) if metric.kind != "histogram")


def attributes_of(labels: Labels) -> Attributes:
    """The labels, with those as numbers that the conventions have so."""
    return {name: int(value) if name in _NUMBERS else value for name, value in labels.items() if value}


class Instruments:
    """Those of one provider.

    Attributes:
        provider: who makes them.
        records: what records a duration, by the name of its metric.
        recorders: whose figures are read.
    """

    def __init__(self, provider: Any) -> None:
        self.provider = provider
        self.records: dict[str, Record] = {}
        self.recorders: list[Recorder] = []
        self._missing = list(METRICS)
        self._readings: dict[int, tuple[Sources | None, frozenset[str]]] = {}

    def make(self) -> None:
        """Have all of them made that have not been; what the provider raises is raised, and the rest is made another time."""
        meter = self.provider.get_meter("svcgov")
        while self._missing:
            self._make(meter, self._missing[0])
            del self._missing[0]

    def _make(self, meter: Any, metric: Metric) -> None:
        said: dict[str, Any] = {"unit": metric.unit, "description": metric.text.replace("`", "")}
        if metric.kind == "histogram":
            instrument = meter.create_histogram(metric.name, explicit_bucket_boundaries_advisory=COARSE, **said)
            self.records[metric.name] = instrument.record
        else:
            kind = "up_down_counter" if metric.adds_up else metric.kind
            getattr(meter, f"create_observable_{kind}")(metric.name, callbacks=[self._observer(metric)], **said)

    def _observer(self, metric: Metric) -> Callable[[Any], list[Observation]]:
        def observe(_: object) -> list[Observation]:
            recorders = self.recorders if "service" in metric.labels else self.recorders[:1]
            return [one for recorder in recorders for one in self._observed(metric, recorder)]

        return observe

    def _observed(self, metric: Metric, recorder: Recorder) -> Iterator[Observation]:
        try:
            for labels, value in metric.read(self._sources(metric, recorder)):
                if not isinstance(value, Histogram) and isfinite(value):
                    yield Observation(value, attributes_of(labels))
        except Exception as failure:
            recorder.output_failures += 1
            report_once(("otel", metric.name), f"{metric.name} could not be read: {type(failure).__name__}")

    def _sources(self, metric: Metric, recorder: Recorder) -> Sources:
        """The reading under way; each metric is read from it once, and with the last one it is over."""
        sources, read = self._readings.pop(id(recorder), (None, frozenset[str]()))
        if sources is None or metric.name in read:
            sources, read = Sources(recorder), frozenset()
        if metric is not _LAST:
            self._readings[id(recorder)] = sources, read | {metric.name}
        return sources
