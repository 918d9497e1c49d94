"""The bulkhead against a model that is a list of the calls under way."""

from __future__ import annotations

from asyncio import CancelledError
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from svcgov import bulkhead
from svcgov.errors import BulkheadFullError, CallTimeoutError, CircuitOpenError, ConfigError
from svcgov.policies.bulkhead import LockedSeats, Seats
from svcgov.testing import ManualClock

ENDS = [None, OSError(), CallTimeoutError("t", "total", 1), CircuitOpenError("c", "open"), CancelledError(), KeyboardInterrupt()]


class BulkheadModel(RuleBasedStateMachine):
    """Calls come, go in any order, and are refused; limits change while they are inside."""

    @initialize(limit=st.integers(1, 4), locked=st.booleans())
    def begin(self, limit: int, locked: bool) -> None:
        self.clock = ManualClock()
        self.gate = bulkhead(limit, clock=self.clock)
        self.gate.machine = (LockedSeats if locked else Seats)(self.gate, limit)
        self.limit = limit
        self.inside: list[Any] = []
        self.refused = 0

    @rule(behind=st.sampled_from([0.0, 0.001, 5.0]))
    def admit(self, behind: float) -> None:
        """A call comes, perhaps with an old reading of the clock: in iff fewer than the limit are inside."""
        try:
            permit = self.gate.machine.admit(self.clock.monotonic() - behind)
        except BulkheadFullError:
            assert len(self.inside) >= self.limit
            self.refused += 1
        else:
            assert len(self.inside) < self.limit
            self.inside.append(permit)

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), end=st.sampled_from(ENDS))
    def settle(self, data: st.DataObject, end: BaseException | None) -> None:
        """Any of the calls under way ends, in any way."""
        permit = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        self.gate.machine.settle(permit, end, self.clock.monotonic())

    @rule(end=st.sampled_from(ENDS))
    def settle_a_foreign_permit(self, end: BaseException | None) -> None:
        """What this gate did not hand out gives nothing back."""
        self.gate.machine.settle(object(), end, self.clock.monotonic())

    @rule(limit=st.integers(1, 5))
    def resize(self, limit: int) -> None:
        """Another limit, in force at the next call."""
        self.gate.reconfigure({"limit": limit})
        self.limit = limit

    @rule(limit=st.sampled_from([0, -1, True, "3", 2.0, None, 100_001]))
    def resize_wrongly(self, limit: Any) -> None:
        """Changes nothing."""
        try:
            self.gate.reconfigure({"limit": limit})
        except ConfigError:
            return
        raise AssertionError(f"{limit!r} was taken")

    @rule(seconds=st.sampled_from([0.0, 1e-9, 1.0, 86400.0]), wall=st.sampled_from([-7200, 7200]))
    def let_time_pass(self, seconds: float, wall: int) -> None:
        """A clock that jumps, and a wall clock that steps."""
        self.clock.freeze(seconds)
        self.clock.step_wall(wall)

    @invariant()
    def agree(self) -> None:
        """Permits out are the calls inside, never fewer than none."""
        assert self.gate.snapshot() == {"limit": self.limit, "in_use": len(self.inside), "waiting": 0, "refused": self.refused}


TestBulkheadModel = BulkheadModel.TestCase
