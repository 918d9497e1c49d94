"""The story as it goes: both shops at the same time, part by part, in step.

Rule 1: each shop has a thread that asks its front; whoever draws only looks, with the lock.
Rule 2: what goes wrong in one thread ends the play for all; `Play.failure` says what it was.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import events
from figures import Tally
from story import LOOK, NO_COLOUR, PARTS, colour_of

if TYPE_CHECKING:
    from desk import Desk, Push
    from stage import Stage
    from story import Part

GOVERNED, PLAIN = "with svcgov", "without"
FRONTS = {GOVERNED: "front", PLAIN: "front_plain"}
_ON_ITS_WAY = 3.0  # seconds after which a request that left and did not arrive is lost
_MORE = 300  # orders that a part may go on for, until all processes follow what was pushed


class Play:
    """The play on these stages, by the names of `FRONTS`; what is pushed is pushed from the *desk*."""

    def __init__(self, stages: dict[str, Stage], desk: Desk) -> None:
        self.tallies = {front: {part.name: Tally() for part in PARTS} for front in stages}
        self.lock = threading.Lock()
        self.begun = 0  # how many parts have
        self.push: Push | None = None
        self.failure: Exception | None = None
        self._stages = stages
        self._desk = desk
        self._stopped = threading.Event()
        self._in_step = threading.Barrier(len(stages), action=self._turn_page)
        self._threads = [threading.Thread(target=self._follow, args=(front,), name=front) for front in stages]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def over(self, seconds: float) -> bool:
        """Whether the play has come to its end, or does within so many seconds."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """End it now."""
        self._stopped.set()
        self._in_step.abort()
        for stage in self._stages.values():
            stage.close()

    def _turn_page(self) -> None:
        self.begun += 1

    def _follow(self, front: str) -> None:
        """One front, from the first part to the last."""
        stage, number = self._stages[front], 0
        try:
            stage.ready()
            for part in PARTS:
                self._in_step.wait()
                number += self._tell(stage, part, self.tallies[front][part.name], number)
            self._in_step.wait()
        except threading.BrokenBarrierError:
            return  # the play was ended elsewhere
        except Exception as failure:
            if not self._stopped.is_set():
                self.failure = failure
                self.stop()

    def _tell(self, stage: Stage, part: Part, tally: Tally, number: int) -> int:
        """One part of one shop, *number* orders after the beginning; returns how many it was asked for."""
        governed = stage is self._stages[GOVERNED]
        if part.push and governed:
            self._desk.type(*LOOK)
            self.push = self._desk.push(*part.push)
        due, turn = time.monotonic(), 0
        while turn < part.orders or (part.push and turn < part.orders + _MORE and not self._followed()):
            if self._stopped.wait(max(0.0, due - time.monotonic())):
                raise threading.BrokenBarrierError
            if turn in part.faults:
                stage.fault(part.faults[turn], part=part.name)
            due = time.monotonic() + part.pace
            self._ask(stage, part, tally, number + turn)
            turn += 1
        self._count(stage, part, tally)
        return turn

    def _ask(self, stage: Stage, part: Part, tally: Tally, number: int) -> None:
        """One order."""
        order, colour = events.order(number, lines=part.lines), colour_of(number)
        outcome, seen = stage.invoke(events.api_gateway_v2(order, colour=colour))
        by = {line["who"] for line in seen if line["kind"] == "call"}
        with self.lock:
            for line in seen:
                tally.seen(line)
            tally.outcome(
                order["id"],
                colour=colour or NO_COLOUR,
                by=by,
                failed=outcome.failed,
                value=outcome.value,
                seconds=outcome.seconds,
            )
        if part.push:
            self._followed()

    def _followed(self) -> bool:
        """Whether all processes go by what was pushed."""
        with self.lock:
            return self.push is not None and self.push.look(self._stages[GOVERNED].logs())

    def _count(self, stage: Stage, part: Part, tally: Tally) -> None:
        """Take payments' counts, when what is still on its way has arrived."""
        until = time.monotonic() + _ON_ITS_WAY
        while True:
            charged = {line["charge"] for line in stage.charges() if line["status"] == 200}
            with self.lock:
                tally.reached(stage.counts()[part.name], charged)
                if not tally.unaccounted() or time.monotonic() > until:
                    return
            self._stopped.wait(0.05)
