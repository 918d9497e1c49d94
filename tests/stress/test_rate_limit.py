"""A crowd at one rate limit: exactly as many pass as the limit says, and each slot is given once."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from stress._stress import ends, swallowing, tasks, threads, traced
from svcgov import rate_limit
from svcgov._core._call import Wait
from svcgov.errors import RateLimitedError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.policies import RateLimit

KINDS: list[dict[str, Any]] = [
    {"limit": "100/hour"},
    {"limit": ["100/hour", "900/day"]},
    {"limit": "100/hour", "algorithm": "moving-window"},
    {"limit": "100/hour", "max_wait": 0.001},
    {"limit": "300/hour", "burst": 300, "warm_up": 60},
]


def same(number: int) -> int:
    """What is governed."""
    return number


by_kind = pytest.mark.parametrize("given", KINDS, ids=["gcra", "several", "moving", "waiting", "warming"])


def by_threads(given: dict[str, Any], each: int = 20) -> dict[str, Any]:
    """Thirty-two of them, while time stands still."""
    gate: RateLimit = rate_limit(**given, clock=ManualClock())
    returned = ends(threads(swallowing(gate(same), RateLimitedError), each=each))
    assert returned.get("RateLimitedError", 0) == gate.snapshot()["refused"]
    return {"machine": type(gate.machine).__name__, **returned}


@by_kind
def test_threads(given: dict[str, Any]) -> None:
    """A hundred pass, and no call is lost."""
    seen = by_threads(given)
    assert (seen["good"], seen["RateLimitedError"]) == (100, 540)


@by_kind
def test_threads_under_a_tracer(given: dict[str, Any]) -> None:
    """A debugger that looks at every line buys nobody a call."""
    seen = traced(by_threads, given=given, each=5)
    assert (seen["good"], seen["RateLimitedError"]) == (100, 60)
    assert seen["machine"] == {0: "LockedGcra", 3: "Reservations"}.get(KINDS.index(given), "Tolls")


@by_kind
def test_tasks_on_several_loops(given: dict[str, Any]) -> None:
    """A thousand of them on four; what is cancelled after it has begun has been a call."""
    gate: RateLimit = rate_limit(**given, clock=ManualClock())

    @gate
    async def call(number: int) -> int:
        await asyncio.sleep(0)
        return number

    returned = ends(tasks(swallowing(call, RateLimitedError), cancel_every=10))
    assert returned["good"] + returned["CancelledError"] == 100
    assert returned["RateLimitedError"] == 900


def slots_by_threads(each: int = 10) -> dict[str, Any]:
    """Thirty-two threads ask for slots, and give up every third of them."""
    clock = ManualClock()
    gate: RateLimit = rate_limit("1/second", burst=1, max_wait=86400, max_waiting=100_000, clock=clock)
    kept: list[float] = []

    def work(number: int) -> Any:
        answer = gate.machine.admit(0.0)
        if isinstance(answer, Wait):
            if number % 3:
                kept.append(answer.until)
            else:
                answer.abandon()
        return answer

    returned = threads(work, each=each)
    kept.sort()
    given_up = sum(isinstance(one, Wait) for one in returned) - len(kept)
    return {
        "passed": sum(one is None for one in returned),
        "twice": len(kept) - len(set(kept)),
        "waiting": gate.snapshot()["waiting"] - len(kept),
        "late": kept[-1] > len(kept) + given_up,
        "apart": all(after - before >= 1 for before, after in itertools.pairwise(kept)),
    }


@pytest.mark.parametrize("run", [slots_by_threads, lambda: traced(slots_by_threads, each=3)], ids=["hasty", "traced"])
def test_each_slot_is_given_once(run: Any) -> None:
    """They are a step apart, whatever is given up meanwhile."""
    assert run() == {"passed": 1, "twice": 0, "waiting": 0, "late": False, "apart": True}


def test_all_who_wait_begin() -> None:
    """By real time: threads, and tasks of several loops that are cancelled; each begins or is stopped."""
    gate: RateLimit = rate_limit("2000/second", burst=1, max_wait=60, max_waiting=100_000)

    @gate
    async def call(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert ends(threads(gate(same), each=5)) == {"good": 160}
    returned = ends(tasks(call, count=400, cancel_every=4))
    assert (returned["good"], returned["CancelledError"]) == (300, 100)
    assert gate.snapshot()["waiting"] == 0


def test_threads_and_tasks_of_many_keys() -> None:
    """Each key gets its own limit, exactly."""
    gate: RateLimit = rate_limit("20/hour", key=lambda call: call.args[0] % 8, clock=ManualClock())

    @gate
    async def call(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert ends(threads(swallowing(gate(same), RateLimitedError), each=3)) == {"good": 96}
    assert ends(tasks(swallowing(call, RateLimitedError)))["good"] == 8 * 20 - 96


def test_threads_while_the_limit_changes() -> None:
    """What is spent stays spent, whatever the machine is: exactly as many pass as if it had stayed."""
    gate: RateLimit = rate_limit("64/hour", clock=ManualClock())
    call = swallowing(gate(same), RateLimitedError)

    def work(number: int) -> Any:
        if number == 100:
            gate.reconfigure({"max_wait": 0.001})
        if number == 200:
            gate.reconfigure({"limit": ["64/hour", "64/hour"]})
        return call(number)

    returned = ends(threads(work))
    assert (returned["good"], returned["RateLimitedError"]) == (64, 256)
