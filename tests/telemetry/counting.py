"""A recorder, and calls to count, for tests."""

from __future__ import annotations

from typing import Any

from svcgov._core._context import Identity, Invocation
from svcgov._core._meters import Attempt
from svcgov.telemetry.recorder import Recorder
from svcgov.testing import ManualClock


def identity(service: str = "shop", version: str = "7") -> Identity:
    """Who is running."""
    return Identity(service=service, version=version, colours=frozenset())


class Counting:
    """A recorder by a clock by hand."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.identity = identity()
        self.recorder = Recorder(self.identity, clock=self.clock, **options)

    def call(self, took: float = 0.1, operation: str = "orders", outcome: str = "ok", **more: Any) -> None:
        """One call that came in."""
        late, status = more.pop("late", False), more.pop("status", None)
        invocation = Invocation(service="shop", **{"trigger": "direct", **more})
        self.recorder.called(invocation, operation=operation, outcome=outcome, status=status, took=took, late=late)

    def attempt(self, took: float = 0.1, **more: Any) -> None:
        """One request that went out."""
        known: dict[str, Any] = {"peer": "payments", "operation": "GET", "method": "GET", "status": 200, "error": None}
        self.recorder.attempted(Attempt(**{**known, **more}, took=took))

    def counts(self, *names: str) -> dict[Any, int]:
        """How many calls were counted, by the labels of these names."""
        found: dict[Any, int] = {}
        for one in self.recorder.series():
            key = tuple(one.labels[name] for name in names) if len(names) > 1 else one.labels[names[0]]
            found[key] = found.get(key, 0) + one.durations.count
        return found
