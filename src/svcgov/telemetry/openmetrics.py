"""The metrics as OpenMetrics has them, version 1.0: the names and values of `prometheus`, with units, and examples of calls.

Behind a step of a histogram of calls stands the last call that took so long and belongs to a trace that is sampled, where there
is one: from there the way leads to its spans.
"""

from __future__ import annotations

from ._exemplars import Exemplary
from .metrics import families
from .prometheus import lines, name_of, said, stem_of, unit_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._reading import Samples, Value
    from .metrics import Metric
    from .recorder import Recorder

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def text(recorder: Recorder) -> str:
    """All metrics that have a value."""
    return "".join(line for metric, samples in families(recorder) for line in _family(metric, samples)) + "# EOF\n"


def _family(metric: Metric, samples: Samples) -> Iterator[str]:
    stem, unit = stem_of(metric), unit_of(metric)
    yield f"# TYPE {stem} {metric.kind}\n"
    if unit:
        yield f"# UNIT {stem} {unit}\n"
    yield f"# HELP {stem} {said(metric)}\n"
    yield from lines(name_of(metric), samples, _shown)


def _shown(value: Value, step: int) -> str:
    """The example of a step."""
    examples = value.exemplars if isinstance(value, Exemplary) else None
    if not examples or step not in examples:
        return ""
    one = examples[step]
    return f' # {{trace_id="{one.trace_id}",span_id="{one.span_id}"}} {one.value!r} {one.wall:.3f}'
