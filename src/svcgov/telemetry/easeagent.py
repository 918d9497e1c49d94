"""The requests that came in, by the field names of MegaEase's EaseAgent, for dashboards that were made for it.

One record for each operation, of the type ``http-request``: its envelope, its key ``url`` (the operation), and

=================================  ==============================================================================
``cnt errcnt``                     requests, and those that were answered by 400 or more, or raised
``m1 m5 m15``, ``m1err`` ...       requests a second, and errors a second
``m1errpct`` ...                   the share of errors, 0 to 1, as EaseAgent has it in spite of its name
``min max mean p25 ... p999``      milliseconds
=================================  ==============================================================================

Rule: numbers are rounded as EaseAgent does: durations to two places, rates to five.
"""

from __future__ import annotations

from json import dumps

from .._core._environment import text as said
from .._core._histogram import Histogram
from ._rates import SPANS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._series import Reading
    from .recorder import Recorder

QUANTILES = {"p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95, "p98": 0.98, "p99": 0.99, "p999": 0.999}


def text(recorder: Recorder) -> str:
    """All records, as one list."""
    return dumps(records(recorder))


def records(recorder: Recorder) -> list[dict[str, Any]]:
    """One for each operation that was asked for over HTTP."""
    envelope = {
        "timestamp": int(recorder.clock.wall() * 1000),
        "category": "application",
        "type": "http-request",
        "service": recorder.service,
        "host_name": said("HOSTNAME"),
        "host_ipv4": said("APPLICATION_IP"),
    }
    operations: dict[str, list[Reading]] = {}
    for one in recorder.series():
        if (one.labels["direction"], one.labels["kind"]) == ("in", "http"):
            operations.setdefault(one.labels["operation"], []).append(one)
    return [{**envelope, "url": operation, **_figures(series)} for operation, series in operations.items()]


def _figures(series: list[Reading]) -> dict[str, float]:
    durations, errors = Histogram(), 0
    rates, wrong = dict.fromkeys(SPANS, 0.0), dict.fromkeys(SPANS, 0.0)
    for one in series:
        durations.merge(one.durations)
        failed = one.labels["outcome"] != "ok" or one.labels["status"] >= "400"
        errors += one.durations.count if failed else 0
        for name, rate in one.rates().items():
            rates[name] += rate
            wrong[name] += rate if failed else 0.0
    quantiles = zip(QUANTILES, durations.quantiles(QUANTILES.values()), strict=True)
    return {
        "cnt": durations.count,
        "errcnt": errors,
        **{name: round(rate, 5) for name, rate in rates.items()},
        **{f"{name}err": round(rate, 5) for name, rate in wrong.items()},
        **{f"{name}errpct": round(wrong[name] / rate, 2) for name, rate in rates.items() if rate},
        "min": _ms(durations.least),
        "max": _ms(durations.most),
        "mean": _ms(durations.total / durations.count),
        **{name: _ms(value) for name, value in quantiles if value is not None},
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 2)
