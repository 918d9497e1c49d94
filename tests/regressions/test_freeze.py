"""A process that is stopped between two calls, as platforms do: what depends on time is right at the next one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

from _worlds import SOURCE

STOPPED = 1.0  # seconds

CHILD = """
import json, sys
from svcgov import Pipeline, budget, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import CircuitOpenError, RateLimitedError

paid = budget(ratio=0, min_retries=1, ttl=1)
again = retry(on=ConnectionError, attempts=2, backoff=0, budget=paid)
seats = bulkhead(2)
pace = rate_limit("3/500ms")
soon = circuit_breaker(window=2, min_calls=2, open_for=0.5, open_jitter=0, half_open_calls=1)
late = circuit_breaker(window=2, min_calls=2, open_for=60, open_jitter=0)
made = 0

@Pipeline(timeout(30), seats, again, pace, soon)
def call(error=None):
    global made
    made += 1
    if error:
        raise error
    return "answer"

def what_comes(*args):
    try:
        return call(*args)
    except Exception as error:
        return type(error).__name__

def states():
    return {
        "soon": soon.current_state, "would": soon.would_admit(), "late": late.current_state, "late would": late.would_admit(),
        "remaining": pace.snapshot()["remaining"], "in use": seats.snapshot()["in_use"], "left": paid.snapshot()["left"],
    }

late.open()
before = [what_comes(ConnectionError()), what_comes()]  # the first one with its retry opens `soon`; the other one is refused
before.append(states())
print(json.dumps(before), flush=True)
sys.stdin.readline()
after = [states(), what_comes(), soon.current_state, what_comes(ConnectionError()), made, states()]
print(json.dumps(after), flush=True)
"""


def test_after_a_stop_every_policy_is_in_the_right_state() -> None:
    """The short wait is over, the long one is not; limit and budget are full again; no seat is held, no call is lost."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("SVCGOV")}
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**env, "PYTHONPATH": SOURCE},
    )
    with child:
        assert child.stdin is not None
        assert child.stdout is not None
        first, second, states = json.loads(child.stdout.readline())
        assert (first, second) == ("ConnectionError", "CircuitOpenError")
        assert states["soon"] == states["late"] == "open"
        assert states["late would"] is False
        assert states["left"] == 0
        assert states["in use"] == 0

        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED)
        time.sleep(STOPPED)
        child.send_signal(signal.SIGCONT)
        child.stdin.write("\n")
        child.stdin.flush()

        thawed, answer, closed, failed, made, states = json.loads(child.stdout.readline())
        assert thawed == {
            "soon": "open",
            "would": True,
            "late": "open",
            "late would": False,
            "remaining": 3,
            "in use": 0,
            "left": 1.0,
        }
        assert (answer, closed) == ("answer", "closed")
        assert failed == "ConnectionError"
        assert made == 2 + 1 + 2  # the last call failed, and its retry was paid for again
        assert states["in use"] == 0
    assert child.returncode == 0
