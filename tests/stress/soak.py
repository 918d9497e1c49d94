"""Calls without end, to see that nothing piles up: ``python tests/stress/soak.py 10000000`` makes ten million of them.

Through a pipeline of all five policies, in both worlds, as functions, blocks and loops of attempts, to every end that a call
can have: good at once or later, failed, refused by each gate, late, timed out, cancelled, or dropped on the way. Time is made
up, so that windows, budgets and circuits come and go as they would in days.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
import warnings
from typing import TYPE_CHECKING, Any

import svcgov
from svcgov.errors import SvcgovError, TimeoutWarning
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov._core._call import Call

KEYS = 50  # that are remembered


class Soak:
    """The policies, the functions, and how their calls have ended."""

    def __init__(self) -> None:
        self.clock = clock = ManualClock(auto=True)
        self.ends: dict[str, int] = {}
        self.again = svcgov.retry(
            on=(OSError, "timeout"), attempts=3, backoff=0.002, on_result=lambda result: result == "bad", clock=clock
        )
        self.seats = svcgov.bulkhead(3, clock=clock)
        self.pace = svcgov.rate_limit("1/second", key=self.key, max_keys=KEYS, clock=clock)
        self.policies = svcgov.Pipeline(
            svcgov.timeout(1, clock=clock),
            self.seats,
            self.again,
            self.pace,
            svcgov.circuit_breaker(window="2s", min_calls=10, failure_rate=0.4, open_for=0.05, half_open_calls=2, clock=clock),
            svcgov.timeout(lambda call: None if call.args[0] % 2 else 0.5, clock=clock),
        )
        self.lean = svcgov.Pipeline(
            svcgov.timeout(1), svcgov.bulkhead(3), svcgov.retry(on=OSError), svcgov.rate_limit("1000000/second"),
            svcgov.circuit_breaker(),
        )(finished)  # fmt: skip
        self.plain = self.policies(self.work)
        self.task = self.policies(self.awork)

    def key(self, call: Call) -> str:
        """More keys than are remembered."""
        return str(call.args[0] % (3 * KEYS))

    def step(self, number: int) -> Any:
        """What this call does: its result, its error, or the seconds that it takes."""
        which = number * 7 % 23
        if which < 8:
            return "good"
        if which < 11:
            return OSError() if svcgov.current_attempt() < 2 else "good"
        return (OSError(), ValueError(), "bad", 0.9, 0.01, "good", "good", 1.5, KeyError(), None, "good", 0.6)[which - 11]

    def work(self, number: int) -> Any:
        """A plain function."""
        step = self.step(number)
        if isinstance(step, float):
            self.clock.sleep(step)
        return finished(step)

    async def awork(self, number: int) -> Any:
        """The same as a coroutine function."""
        step = self.step(number)
        if isinstance(step, float):
            await self.clock.asleep(step)
        if step is None:
            await asyncio.sleep(3600)  # until it is cancelled
        return finished(step)

    def ended(self, how: object) -> None:
        """Counted, by its class."""
        name = type(how).__name__
        self.ends[name] = self.ends.get(name, 0) + 1
        self.clock.advance(0.003)

    def plainly(self, numbers: range) -> None:
        """Calls of a plain function; some in blocks of their own, some in loops that are left."""
        for number in numbers:
            try:
                how: object = self.plain(number)
                if number % 11 == 0:
                    with self.seats as held:
                        held.ignore()
                if number % 13 == 0:
                    self.attempts(number)
            except (OSError, LookupError, ValueError, SvcgovError) as error:
                how = error.with_traceback(None)
            self.ended(how)

    def quickly(self, numbers: range) -> None:
        """Good calls through policies without much to do, which take no lock."""
        for number in numbers:
            self.lean(number)
        self.ends["int"] = self.ends.get("int", 0) + len(numbers)

    def attempts(self, number: int) -> None:
        """A loop of attempts, left in the middle or at its end."""
        for attempt in self.again:
            with attempt:
                if number % 2 and attempt.number == 1:
                    raise OSError
                attempt.result("good")
            if number % 3 == 0:
                break

    def in_tasks(self, numbers: range) -> None:
        """Calls of a coroutine function, a few at a time."""
        asyncio.run(self.crowd(numbers))

    async def crowd(self, numbers: range) -> None:
        """Four at a time: one more than may be inside."""
        for first in range(numbers.start, numbers.stop, 4):
            tasks = [asyncio.ensure_future(self.task(number)) for number in range(first, min(first + 4, numbers.stop))]
            for _ in range(3):
                await asyncio.sleep(0)
            for number, task in enumerate(tasks, first):
                if number % 5 == 0 or self.step(number) is None:
                    task.cancel()
            for how in await asyncio.gather(*tasks, return_exceptions=True):
                self.ended(how)

    def dropped(self) -> None:
        """A coroutine that is begun and then forgotten."""
        running = self.task(0)
        running.close()


def finished(step: Any) -> Any:
    """Raise it, or return it."""
    if isinstance(step, Exception):
        raise step
    return step


def seen() -> tuple[int, int, int]:
    """Objects known to the collector, blocks of memory, and threads."""
    gc.collect()
    return len(gc.get_objects()), sys.getallocatedblocks(), threading.active_count()


def soak(calls: int) -> dict[str, Any]:
    """Make so many calls; what has grown since a tenth of them was made."""
    warnings.simplefilter("ignore", TimeoutWarning)
    it = Soak()
    worlds: tuple[tuple[Callable[[range], None], int], ...] = ((it.plainly, 800), (it.in_tasks, 800), (it.quickly, 8400))
    before: tuple[int, int, int] | None = None
    done = 0
    while done < calls:
        if before is None and done >= calls // 10:
            before = seen()
        for world, share in worlds:
            world(range(done, min(done + share, calls)))
            done = min(done + share, calls)
        it.dropped()
    assert before is not None
    objects, blocks, threads = (after - was for after, was in zip(seen(), before, strict=True))
    return {
        "calls": sum(it.ends.values()), "ends": it.ends, "objects": objects, "blocks": blocks, "threads": threads,
        "in use": it.seats.snapshot()["in_use"], "retries": it.again.retries,
    }  # fmt: skip


if __name__ == "__main__":
    for name, value in soak(int(sys.argv[1])).items():
        sys.stdout.write(f"{name:8} {json.dumps(value)}\n")
