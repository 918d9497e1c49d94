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

ENDS = [
    None, OSError(), CallTimeoutError("t", "total", 1), CircuitOpenError("c", "open"), CancelledError(), KeyboardInterrupt(),
    GeneratorExit(),
]  # fmt: skip


class BulkheadModel(RuleBasedStateMachine):
    """Calls come, go in any order, and are refused; limits and machines change while they are inside."""

    @initialize(limit=st.integers(1, 4), locked=st.booleans())
    def begin(self, limit: int, locked: bool) -> None:
        self.clock = ManualClock()
        self.gate = bulkhead(limit, clock=self.clock)
        self.gate.machine = (LockedSeats if locked else Seats)(self.gate, limit)
        self.machines: list[Any] = [self.gate.machine]  # that functions hold
        self.limit = limit
        self.more: dict[str, Any] = {}
        self.inside: list[Any] = []
        self.of_old: list[Any] = []  # permits of before a fork or a snapshot
        self.refused = 0

    def machine(self, data: st.DataObject) -> Any:
        """One that a function may hold: that of now, or one of before."""
        return data.draw(st.sampled_from(self.machines))

    @rule(behind=st.sampled_from([0.0, 0.001, 5.0]), data=st.data())
    def admit(self, behind: float, data: st.DataObject) -> None:
        """A call comes, perhaps with an old reading of the clock: in iff fewer than the limit are inside."""
        try:
            permit = self.machine(data).admit(self.clock.monotonic() - behind)
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
        self.machine(data).settle(permit, end, self.clock.monotonic())

    @rule(end=st.sampled_from(ENDS), data=st.data())
    def settle_a_foreign_permit(self, end: BaseException | None, data: st.DataObject) -> None:
        """What this gate did not hand out, or not in this term, gives nothing back."""
        for permit in (object(), *self.of_old):
            self.machine(data).settle(permit, end, self.clock.monotonic())

    @rule(limit=st.integers(1, 5))
    def resize(self, limit: int) -> None:
        """Another limit, in force at the next call."""
        self.gate.reconfigure({"limit": limit, **self.more})
        self.limit = limit

    @rule(mode=st.sampled_from(["observe", "off", "enforce"]))
    def change_the_mode(self, mode: str) -> None:
        """It is for the frames to see to; whoever is inside stays."""
        self.more["mode"] = mode
        self.gate.reconfigure({"limit": self.limit, **self.more})

    @rule()
    def get_a_room(self) -> None:
        """For nobody to wait in; those inside keep their places, and functions that hold the old machine go on."""
        self.gate.reconfigure({"limit": self.limit, **self.more, "max_wait": 1})
        self.gate.reconfigure({"limit": self.limit, **self.more})
        if self.gate.machine not in self.machines:
            self.machines.append(self.gate.machine)

    @rule(how=st.sampled_from(["forked", "restored"]))
    def begin_a_term(self, how: str) -> None:
        """Nobody is inside any more, and who was gives nothing back."""
        getattr(self.gate, how)()
        self.of_old += self.inside
        self.inside = []

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
