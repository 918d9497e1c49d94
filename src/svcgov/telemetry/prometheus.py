"""The metrics as Prometheus reads them: its text format, version 0.0.4.

Names are made by OpenTelemetry's rules for Prometheus: dots become underscores, the unit is spelled out at the end, and a
counter ends with ``_total``: ``http.server.request.duration`` in seconds is ``http_server_request_duration_seconds``.

Durations are told by the steps of the conventions, from 5 ms to 10 s.
"""

from __future__ import annotations

from .._core._histogram import COARSE, Histogram
from .metrics import families

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._reading import Labels, Samples, Value
    from .metrics import Metric
    from .recorder import Recorder

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SPELLED = {"s": "seconds", "1": "ratio", "By": "bytes"}
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_LE = (*(str(bound) for bound in COARSE), "+Inf")


def nothing(value: Value, step: int) -> str:
    """Behind a step of a histogram there is no more to say."""
    return ""


def text(recorder: Recorder) -> str:
    """All metrics that have a value."""
    return "".join(line for metric, samples in families(recorder) for line in _family(metric, samples))


def name_of(metric: Metric) -> str:
    """What Prometheus calls it."""
    return stem_of(metric) + ("_total" if metric.kind == "counter" else "")


def stem_of(metric: Metric) -> str:
    """Its name without the end of a counter."""
    unit = unit_of(metric)
    return metric.name.replace(".", "_") + (f"_{unit}" if unit else "")


def unit_of(metric: Metric) -> str:
    """Its unit, spelled out, or the empty string."""
    return "" if metric.kind == "counter" and metric.unit == "1" else _SPELLED.get(metric.unit, "")


def said(metric: Metric) -> str:
    """What it says, in plain text."""
    return metric.text.replace("`", "")


def lines(name: str, samples: Samples, shown: Callable[[Value, int], str] = nothing) -> Iterator[str]:
    """The values of what is called *name*; *shown* is what stands behind a step of a histogram."""
    for labels, value in samples:
        if isinstance(value, Histogram):
            yield from _histogram(name, labels, value, shown)
        else:
            yield f"{name}{_braced(_written(labels))} {_number(value)}\n"


def _family(metric: Metric, samples: Samples) -> Iterator[str]:
    name = name_of(metric)
    yield f"# HELP {name} {said(metric)}\n# TYPE {name} {metric.kind}\n"
    yield from lines(name, samples)


def _histogram(name: str, labels: Labels, value: Histogram, shown: Callable[[Value, int], str]) -> Iterator[str]:
    written = _written(labels)
    start = f"{name}_bucket{{{written}," if written else f"{name}_bucket{{"
    for step, (le, count) in enumerate(zip(_LE, (*value.coarse(), value.count), strict=True)):
        yield f'{start}le="{le}"}} {count}{shown(value, step)}\n'
    braced = _braced(written)
    yield f"{name}_sum{braced} {_number(value.total)}\n{name}_count{braced} {value.count}\n"


def _written(labels: Labels) -> str:
    return ",".join(f'{key.replace(".", "_")}="{value.translate(_ESCAPES)}"' for key, value in labels.items() if value)


def _braced(written: str) -> str:
    return f"{{{written}}}" if written else ""


def _number(value: float) -> str:
    return repr(value) if isinstance(value, int) else repr(float(value)).replace("inf", "Inf")
