"""The bulkhead's waiting room against a model that is two lists: who is inside, and who waits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from svcgov import bulkhead
from svcgov._core._call import Wait
from svcgov.errors import BulkheadFullError
from svcgov.testing import ManualClock


class Waiting(NamedTuple):
    """One that waits: what the gate gave it, what it costs, and where it is told that it has been woken."""

    waiter: Wait
    cost: int
    woken: list[bool]


class RoomModel(RuleBasedStateMachine):
    """Calls of different costs come, wait, go, give up and cannot be woken any more; the limit changes meanwhile."""

    @initialize(limit=st.integers(2, 5), most=st.integers(0, 4), order=st.sampled_from(["fifo", "lifo"]))
    def begin(self, limit: int, most: int, order: Any) -> None:
        self.clock = ManualClock()
        self.gate = bulkhead(limit, max_wait=10, max_waiting=most, order=order, cost=lambda call: call.cost, clock=self.clock)
        self.limit, self.most, self.newest_first = limit, most, order == "lifo"
        self.inside: list[tuple[Any, int]] = []
        self.queue: list[Waiting] = []
        self.refused = 0
        self.more: dict[str, Any] = {}

    @property
    def used(self) -> int:
        return sum(cost for _, cost in self.inside)

    def let_in(self) -> None:
        """Whoever is next comes in, for as long as he fits; one that cannot be woken gives his place to the next."""
        while self.queue:
            one = self.queue[-1 if self.newest_first else 0]
            if self.used + one.cost > self.limit:
                return
            self.queue.remove(one)
            if one.woken != [False]:
                assert one.woken == [True]
                self.inside.append((one.waiter.permit, one.cost))

    @rule(cost=st.integers(1, 3))
    def come(self, cost: int) -> None:
        """In at once iff nobody waits and it fits; else into the queue iff there is room in it."""
        cost = cost if cost <= self.limit else 1
        answer = self.gate.machine.admit(self.clock.monotonic(), SimpleNamespace(cost=cost))
        if not isinstance(answer, Wait):
            assert not self.queue
            assert self.used + cost <= self.limit
            self.inside.append((answer, cost))
            return
        assert self.queue or self.used + cost > self.limit
        woken: list[bool] = []
        try:
            assert not answer.join(lambda: woken.append(True))
        except BulkheadFullError as error:
            assert error.reason == "queue_full"
            assert len(self.queue) >= self.most
            self.refused += 1
        else:
            self.queue.append(Waiting(answer, cost, woken))
            self.let_in()  # the newest may be the next, and cost less than who stood there before

    @precondition(lambda self: len(self.queue) < self.most and self.used >= self.limit)
    @rule()
    def come_from_a_loop_that_is_closed(self) -> None:
        """It waits as others do, but when its turn comes nobody is there."""
        answer: Any = self.gate.machine.admit(self.clock.monotonic(), SimpleNamespace(cost=1))

        def wake() -> None:
            raise RuntimeError("Event loop is closed")

        assert not answer.join(wake)
        self.queue.append(Waiting(answer, 1, [False]))
        self.let_in()

    @precondition(lambda self: self.inside)
    @rule(data=st.data(), twice=st.booleans())
    def go(self, data: st.DataObject, twice: bool) -> None:
        """Any of those inside leaves; that it says so twice changes nothing."""
        permit, _ = self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        for _ in range(1 + twice):
            self.gate.machine.settle(permit, None, 0.0)
        self.let_in()

    @precondition(lambda self: self.queue)
    @rule(data=st.data(), cancelled=st.booleans())
    def give_up(self, data: st.DataObject, cancelled: bool) -> None:
        """Any of those who wait gives up, by time or by cancellation."""
        one = self.queue.pop(data.draw(st.integers(0, len(self.queue) - 1)))
        if cancelled:
            one.waiter.abandon()
        else:
            assert not one.waiter.over()
        self.let_in()

    @rule(how=st.sampled_from(["forked", "restored"]), data=st.data())
    def begin_a_term(self, how: str, data: st.DataObject) -> None:
        """Nobody is inside. Who waits comes in, or is gone in a child; permits of before give nothing back."""
        getattr(self.gate, how)()
        gone, self.inside = self.inside, []
        if how == "forked":
            left, self.queue = self.queue, []
            for one in left:
                assert not one.waiter.over()
                one.waiter.abandon()
        self.let_in()
        for permit, _ in gone:
            self.gate.machine.settle(permit, GeneratorExit(), 0.0)

    @rule(seconds=st.sampled_from([0.0, 3600.0]), wall=st.sampled_from([-7200, 7200]))
    def let_time_pass(self, seconds: float, wall: int) -> None:
        """A freeze, and a wall clock that steps: only who waits looks at the time."""
        self.clock.freeze(seconds)
        self.clock.step_wall(wall)

    @rule(order=st.sampled_from(["fifo", "lifo"]), most=st.integers(0, 4), mode=st.sampled_from(["observe", "enforce"]))
    def change_the_room(self, order: str, most: int, mode: str) -> None:
        """Who is next, and how many may wait, from now on; who waits stays."""
        self.more = {"order": order, "max_waiting": most, "mode": mode}
        self.most, self.newest_first = most, order == "lifo"
        self.gate.reconfigure({"limit": self.limit, **self.more})
        self.let_in()

    @rule(limit=st.integers(1, 6))
    def resize(self, limit: int) -> None:
        """A larger limit lets in who waits; a smaller one takes no place away."""
        self.gate.reconfigure({"limit": limit, **self.more})
        self.limit = limit
        self.let_in()

    @invariant()
    def agree(self) -> None:
        """The numbers are those of the lists, and nobody was woken who is still waiting."""
        assert self.gate.snapshot() == {
            "limit": self.limit,
            "in_use": self.used,
            "waiting": len(self.queue),
            "refused": self.refused,
        }
        assert not any(one.woken == [True] for one in self.queue)


TestRoomModel = RoomModel.TestCase
