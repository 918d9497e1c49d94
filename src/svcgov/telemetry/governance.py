"""What a process knows of itself, as JSON: its policies as they stand, and what it has counted.

Rule: settings are not shown, and neither are keys: those are names of customers, and worse.
"""

from __future__ import annotations

from json import dumps
from math import isfinite

from ._reading import Sources
from .metrics import told_facts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .._core._context import Identity
    from ._series import Reading
    from .recorder import Recorder

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p999": 0.999}


def text(recorder: Recorder, identity: Identity) -> str:
    """All of it."""
    return dumps(snapshot(recorder, identity))


def snapshot(recorder: Recorder, identity: Identity) -> dict[str, Any]:
    """Plain values: ``service version seconds cold_starts policies calls facts``.

    *seconds* is how long has been counted, by the monotonic clock. Of each series of ``calls`` the ``durations`` are what
    `Histogram.of` takes, so that those of many instances can be merged, and beside them stand the usual quantiles.
    """
    sources = Sources(recorder)
    policies = [{**labels, "kind": kind, **_plain(figures)} for labels, kind, figures in sources.policies]
    return {
        "service": identity.service,
        "version": identity.version,
        "seconds": recorder.clock.monotonic() - recorder.began,
        "cold_starts": recorder.cold_starts,
        "policies": policies,
        "calls": [_call(one) for one in sources.series],
        "facts": told_facts(recorder),
    }


def _call(one: Reading) -> dict[str, Any]:
    return {**one.snapshot(), **dict(zip(QUANTILES, one.durations.quantiles(QUANTILES.values()), strict=True))}


def _plain(figures: dict[str, Any]) -> dict[str, Any]:
    """JSON knows no infinity: what has no limit is null."""
    return {name: None if isinstance(value, float) and not isfinite(value) else value for name, value in figures.items()}
