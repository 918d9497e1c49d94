"""A log, and what has been written into it, for tests."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from svcgov._core._context import Invocation, Trace
from svcgov._core._listeners import PROCESS
from svcgov.facts import CallRefused, CircuitChanged
from svcgov.telemetry.access_log import AccessLog
from svcgov.testing import ManualClock

from .counting import identity

if TYPE_CHECKING:
    import pytest

HERE = Invocation(
    platform="lambda",
    service="shop",
    version="7",
    colour="blue",
    request_id="r1",
    trace=Trace(trace_id="a" * 32, span_id="b" * 16),
)
IDS = {"trace_id": "a" * 32, "span_id": "b" * 16, "request_id": "r1", "service": "shop", "version": "7", "colour": "blue"}


class Written:
    """A log, and what has been written into it."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.clock = ManualClock()
        self.log = AccessLog(self.clock)
        self.log.listen(identity())
        self._capsys = capsys

    def refused(self, policy: str = "pool", reason: str = "full", **more: Any) -> None:
        """A policy has refused a call."""
        PROCESS.tell(CallRefused(**{"policy": policy, "at": 0.0, "kind": "bulkhead", "reason": reason, **more}))

    def changed(self, before: str, after: str, **more: Any) -> None:
        """A circuit has changed."""
        known = {"policy": "payments", "at": 0.0, "cause": "failure_rate", "calls": 20, "failed": 11, **more}
        PROCESS.tell(CircuitChanged(before=before, after=after, **known))

    def call(self) -> None:
        """A call has ended."""
        self.log.call(HERE, error=None, took=0.1, late=False)

    def lines(self) -> list[dict[str, Any]]:
        """The lines of facts since this was asked last."""
        found = [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return [line for line in found if line["event"] != "svcgov.call"]
