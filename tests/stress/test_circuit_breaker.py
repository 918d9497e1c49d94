"""A crowd at one circuit breaker that opens and closes all the time: no outcome is lost, no probe is one too many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from stress._stress import at_rest, ends, swallowing, tasks, threads, traced
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError
from svcgov.facts import CircuitChanged
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.policies import CircuitBreaker

PROBES = 3
SETTINGS: dict[str, dict[str, Any]] = {
    "calls": {"window": 20, "min_calls": 5},
    "seconds": {"window": "100ms", "min_calls": 5, "failure_rate": 0.2},
    "in a row": {"consecutive_failures": 3},
    "ramp": {"window": 20, "min_calls": 5, "ramp": 0.05, "ramp_steps": [0.5]},
    "in flight": {"window": 20, "min_calls": 5, "slow_call_duration": 3600, "count_in_flight": True},
}
by_settings = pytest.mark.parametrize("name", SETTINGS)


class Shop:
    """A dependency that is down for a while, again and again; each call lets a little time pass. What it saw is counted."""

    def __init__(self, name: str, **more: Any) -> None:
        self.clock = ManualClock()
        self.gate: CircuitBreaker = circuit_breaker(
            **SETTINGS[name],
            **more,
            ignore=KeyError,
            open_for=0.05,
            open_jitter=0.0,
            half_open_calls=PROBES,
            half_open_max_wait=None,
            clock=self.clock,
        )
        self.changes: list[CircuitChanged] = []
        self.gate.listen(self.changes.append, CircuitChanged)  # type: ignore[arg-type]  # it hears no other
        self.made: list[int] = []
        self.most_probes = 0

    def look(self) -> None:
        """How many probes are out, seen from inside a call."""
        machine: Any = self.gate.machine
        if machine.state == "half-open":
            with machine.lock:
                if machine.state == "half-open":
                    self.most_probes = max(self.most_probes, len(machine.tickets.out) + machine.window.at)

    def end(self, number: int) -> int:
        self.made.append(number)
        self.clock.advance(0.001)
        self.look()
        if len(self.made) // 40 % 3 == 1:
            raise ConnectionError
        if number % 17 == 0:
            raise KeyError
        return number

    async def aend(self, number: int) -> int:
        self.made.append(number)
        await asyncio.sleep(0)
        return self.end(number)

    def refused(self, number: int) -> None:
        """Time goes on for those who are refused too: else it would be open for ever."""
        self.clock.advance(0.001)

    def settled(self, returned: list[Any]) -> dict[str, int]:
        """What must hold now that nothing is left of the calls."""
        how = ends(returned)
        machine: Any = self.gate.machine
        at_rest(self.gate)
        assert machine.tickets.out == {}
        assert machine.returns == []
        assert self.gate.ears._line == []
        assert how.get("CircuitOpenError", 0) == self.gate.refused
        assert self.most_probes <= PROBES
        # Facts form a chain, and end where the circuit is.
        befores = [fact.before for fact in self.changes]
        afters = [fact.after for fact in self.changes]
        assert befores == ["closed", *afters][:-1]
        assert afters[-1:] in ([], [machine.state])
        self.heal()
        return {**how, "opened": afters.count("open")}

    def heal(self) -> None:
        """Never stuck: once the dependency is well, good probes close it, and the way back comes to its end."""
        for _ in range(200):
            self.clock.advance(0.05)
            try:
                self.gate.call(int)
            except CircuitOpenError:
                continue
            if self.gate.machine.state == "closed":
                break
        assert self.gate.machine.state == "closed"
        assert self.gate.would_admit()


def refusals_take_time(shop: Shop, call: Callable[[int], Any]) -> Callable[[int], Any]:
    """*call*, after whose refusals time goes on."""

    def calls(number: int) -> Any:
        returned = call(number)
        if isinstance(returned, CircuitOpenError):
            shop.refused(number)
        return returned

    return calls


EXPECTED = (ConnectionError, KeyError, CircuitOpenError)


def by_threads(name: str, each: int = 15) -> dict[str, int]:
    """Thirty-two of them."""
    shop = Shop(name)
    returned = threads(refusals_take_time(shop, swallowing(shop.gate(shop.end), *EXPECTED)), each=each)
    assert len(returned) == 32 * each
    return shop.settled(returned)


@by_settings
def test_threads(name: str) -> None:
    """It opens and closes under them; every refusal is counted once, and every change is told once, in order."""
    assert by_threads(name)["opened"] > 0


@by_settings
def test_tasks_of_several_loops(name: str) -> None:
    """A thousand of them; every seventh is cancelled, and gives back what it had."""
    shop = Shop(name)
    call = swallowing(shop.gate(shop.aend), *EXPECTED)

    async def calls(number: int) -> Any:
        await asyncio.sleep(0)
        returned = await call(number)
        if isinstance(returned, CircuitOpenError):
            shop.refused(number)
        return returned

    returned = tasks(calls, cancel_every=7)
    assert len(returned) == 1000
    assert shop.settled(returned)["CancelledError"] > 0


def test_threads_whose_circuits_are_those_of_keys() -> None:
    """Few places for many keys: what is open stays, the others come and go, and nothing is left of the calls."""
    gate = circuit_breaker(consecutive_failures=2, open_for=3600, key="arg:key", max_keys=6, clock=ManualClock())

    @gate
    def call(key: int) -> int:
        if key < 3:
            raise ConnectionError
        return key

    returned = threads(lambda number: swallowing(call, ConnectionError, CircuitOpenError)(number % 12), each=15)
    machine: Any = gate.machine
    assert len(machine.by_key) <= 6
    assert [gate.of(key).current_state for key in range(3)] == ["open"] * 3
    how = ends(returned)
    assert how["good"] == 32 * 15 * 9 // 12
    assert how["CircuitOpenError"] == gate.refused
    assert how["ConnectionError"] + how["CircuitOpenError"] == 32 * 15 * 3 // 12
    assert machine.joining == {}


def under_hands(each: int = 15) -> dict[str, int]:
    """Calls, while others move it by hand, give it other settings, and look at it."""
    shop = Shop("calls")
    gate, call = shop.gate, swallowing(shop.gate(shop.end), *EXPECTED)
    windows = [20, 10, "5s"]

    def work(number: int) -> Any:
        if number % 5 == 0:
            (gate.close, gate.open, gate.half_open)[number // 5 % 3]()
        elif number % 5 == 1:
            gate.reconfigure({"window": windows[number // 5 % 3]})
        shown = gate.snapshot()
        assert 0 <= shown["failed"] <= shown["calls"]
        return refusals_take_time(shop, call)(number)

    return shop.settled(threads(work, each=each))


def test_threads_and_hands() -> None:
    """Whatever comes in between, a window never holds more failures than calls."""
    assert under_hands()["opened"] > 0


def counted(each: int = 20) -> dict[str, Any]:
    """Nothing but outcomes, in a window that holds them all."""
    gate = circuit_breaker(window=10_000, min_calls=1, failure_rate=1.0, clock=ManualClock())
    gate.call(int)

    @gate
    def call(number: int) -> int:
        if number % 4 == 0:
            raise ConnectionError
        return number

    returned = threads(swallowing(call, ConnectionError), each=each)
    shown = gate.snapshot()
    assert (shown["calls"], shown["failed"]) == (len(returned) + 1, ends(returned)["ConnectionError"])
    return {"machine": type(gate.machine).__name__, "failed": shown["failed"]}


def test_no_outcome_is_lost() -> None:
    """Good ones are written without the lock, failures under it."""
    assert counted()["failed"] == 160


def test_no_outcome_is_lost_under_a_tracer() -> None:
    """Which lets threads change in the middle of a line: then everything has a lock."""
    assert traced(counted, each=4) == {"machine": "LockedCircuit", "failed": 32}


@pytest.mark.parametrize("name", ["calls", "ramp"])
def test_it_opens_and_closes_under_a_tracer(name: str) -> None:
    """The same, looked at line by line."""
    assert traced(by_threads, name=name, each=5)["opened"] > 0
