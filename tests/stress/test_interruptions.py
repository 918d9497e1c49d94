"""What strikes from outside in the middle of calls: storms of Ctrl-C, loops that are closed or blocked, a process that ends."""

from __future__ import annotations

from typing import Any

import pytest

from _worlds import in_child

STORM = """
import json, signal, sys, threading, warnings
from svcgov._core import _threads
_threads._GIL = not {locked}
from svcgov import Pipeline, budget, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov._shells._workers import POOL
from svcgov.errors import SvcgovError

POOL.most = 1000
purse = budget("payments", **{purse})
seats = bulkhead(100_000, **{seats})
again = retry(on=OSError, backoff=0, attempts=2, budget=purse)
limit = rate_limit("1000000/second", **{limit})
breaker = circuit_breaker(failure_rate=0.9, open_for=0.001, half_open_max_wait=0.01)
policies = Pipeline(timeout(5, enforce={enforce!r}), seats, again, limit, breaker)
made = [0]

def work():
    made[0] += 1
    if made[0] % 3 == 0:
        raise OSError

call = policies(work)
struck = [0]

def storm():
    while True:
        try:
            call()
        except (OSError, SvcgovError):
            pass

def strike(number, frame):
    while frame is not None and frame.f_code is not storm.__code__:
        frame = frame.f_back
    if frame is not None:  # nobody else would catch it
        struck[0] += 1
        raise KeyboardInterrupt

def everything():
    for _ in range(20):
        try:
            call()
        except (OSError, SvcgovError):
            pass
    for one in (purse, seats, again, limit, breaker):
        one.snapshot()
    breaker.reset()
    seats.reconfigure({{"limit": 100_000}})
    limit.reconfigure({{"limit": "1000000/second"}})
    purse.redefine(purse.declared)
    again.listen(print)()
    return policies.call(lambda: "good")

everything()  # what is loaded when it is needed is loaded now: who is struck in an import leaves that of Python locked
signal.signal(signal.SIGALRM, strike)
signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
while struck[0] < 400:
    try:
        storm()
    except KeyboardInterrupt:
        pass
signal.setitimer(signal.ITIMER_REAL, 0)

ends = []
thread = threading.Thread(target=lambda: ends.append(everything()), daemon=True)  # who finds a lock that is held hangs here
thread.start()
thread.join(10)
shown = purse.snapshot() if ends else {{}}
print(json.dumps([ends, seats.machine.used, shown.get("in_flight", 0), shown.get("held", 0), POOL.abandoned, struck[0]]))
"""
VARIANTS: dict[str, dict[str, Any]] = {
    "lock-free": {"locked": False, "purse": {"ratio": 1}, "seats": {}, "limit": {}},
    "locked": {"locked": True, "purse": {"ratio": 1}, "seats": {}, "limit": {}},
    "waiting": {
        "locked": False,
        "purse": {"kind": "in-flight", "ratio": 1},
        "seats": {"max_wait": 0.01},
        "limit": {"algorithm": "moving-window"},
    },
    "tokens": {"locked": True, "purse": {"kind": "tokens"}, "seats": {"max_wait": 0.01}, "limit": {"max_wait": 0.01}},
}


@pytest.mark.parametrize("enforce", ["deadline", "thread"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_storm_of_interruptions_leaves_no_lock_held(variant: str, enforce: str) -> None:
    """Every 200 microseconds: calls of another thread go through afterwards; no count is higher by more than it struck."""
    good, used, in_flight, held, abandoned, struck = in_child(
        STORM.format(enforce=enforce, **VARIANTS[variant]),
        COVERAGE_PROCESS_CONFIG="",  # a tracer that is interrupted in its own lock is another subject
        COVERAGE_PROCESS_START="",
    )
    assert good == ["good"]
    for count in (used, in_flight, held, abandoned):
        assert 0 <= count <= struck
