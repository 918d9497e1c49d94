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
    from collections.abc import Iterator

    from ._reading import Labels, Samples
    from .metrics import Metric
    from .recorder import Recorder

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SPELLED = {"s": "_seconds", "1": "_ratio", "By": "_bytes"}
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})
_LE = (*(str(bound) for bound in COARSE), "+Inf")


def text(recorder: Recorder) -> str:
    """All metrics that have a value."""
    return "".join(line for metric, samples in families(recorder) for line in _family(metric, samples))


def name_of(metric: Metric) -> str:
    """What Prometheus calls it."""
    unit = "" if metric.kind == "counter" and metric.unit == "1" else _SPELLED.get(metric.unit, "")
    return metric.name.replace(".", "_") + unit + ("_total" if metric.kind == "counter" else "")


def _family(metric: Metric, samples: Samples) -> Iterator[str]:
    name = name_of(metric)
    yield f"# HELP {name} {metric.text.replace('`', '')}\n# TYPE {name} {metric.kind}\n"
    for labels, value in samples:
        if isinstance(value, Histogram):
            yield from _histogram(name, labels, value)
        else:
            yield f"{name}{_braced(_written(labels))} {_number(value)}\n"


def _histogram(name: str, labels: Labels, value: Histogram) -> Iterator[str]:
    written = _written(labels)
    start = f"{name}_bucket{{{written}," if written else f"{name}_bucket{{"
    for le, count in zip(_LE, (*value.coarse(), value.count), strict=True):
        yield f'{start}le="{le}"}} {count}\n'
    braced = _braced(written)
    yield f"{name}_sum{braced} {_number(value.total)}\n{name}_count{braced} {value.count}\n"


def _written(labels: Labels) -> str:
    return ",".join(f'{key.replace(".", "_")}="{value.translate(_ESCAPES)}"' for key, value in labels.items() if value)


def _braced(written: str) -> str:
    return f"{{{written}}}" if written else ""


def _number(value: float) -> str:
    return repr(value) if isinstance(value, int) else repr(float(value)).replace("inf", "Inf")
