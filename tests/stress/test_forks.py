"""A fork in the middle of calls: the child has none of them, and goes on."""

from __future__ import annotations

from typing import Any

import pytest

from _worlds import in_child

CODE = """
import asyncio, json, os, sys, threading, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # of a fork in a process with threads: that is what is tested
from svcgov import Pipeline, budget, bulkhead, circuit_breaker, current_attempt, rate_limit, retry, timeout
from svcgov._shells._workers import POOL

purse = budget("payments", **{settings})
seats = bulkhead(4, max_wait=30)
policies = Pipeline(
    timeout(30, enforce={enforce}), seats, retry(on=OSError, backoff=0, attempts=2, budget=purse),
    rate_limit("1000/second"), circuit_breaker(),
)
hold, inside = threading.Event(), threading.Semaphore(0)

def hangs():
    if current_attempt() == 1:
        raise OSError  # so that a further attempt is held
    inside.release()
    hold.wait()

call = policies(hangs)
for _ in range(6):  # four are inside, two wait for a seat
    threading.Thread(target=call, daemon=True).start()
for _ in range(4):
    inside.acquire()
while seats.snapshot()["waiting"] < 2:
    pass

def see():
    good = policies(lambda: "good")
    async def task():
        return "good"
    said = [good(), asyncio.run(policies(task)())]
    shown = purse.snapshot()
    seen = seats.snapshot()
    return said, seen["in_use"], seen["waiting"], [shown.get("in_flight", 0), shown.get("held", 0)], POOL.abandoned

come, go = os.pipe()
child = os.fork()
if child == 0:
    try:
        said = json.dumps(see())
    except BaseException as error:
        said = json.dumps(repr(error))
    os.write(go, said.encode())
    os._exit(0)
os.close(go)
with os.fdopen(come) as text:
    print(text.read())
os.waitpid(child, 0)
"""


@pytest.mark.parametrize("enforce", ["deadline", "thread"])
@pytest.mark.parametrize(
    "settings",
    [{"ratio": 10}, {"kind": "in-flight", "min_concurrency": 10}, {"kind": "tokens", "tokens": 100}],
    ids=["window", "in-flight", "tokens"],
)
def test_a_fork_from_another_thread_with_calls_under_way_and_waiters(settings: dict[str, Any], enforce: str) -> None:
    """In the child nothing is under way, and all policies let calls through, in both worlds."""
    code = CODE.replace("{settings}", repr(settings)).replace("{enforce}", repr(enforce))
    assert in_child(code, timeout=15) == [["good", "good"], 0, 0, [0, 0], 0]


def test_a_fork_from_within_a_call_is_its_end_twice() -> None:
    """The parent's call and the child's copy of it both come to their end, and neither is counted by the other."""
    code = """
import json, os, svcgov
purse = svcgov.budget("payments", kind="in-flight")
seats = svcgov.bulkhead(1)
come, go = os.pipe()

@svcgov.Pipeline(svcgov.timeout(30), seats, svcgov.retry(on=OSError, backoff=0, budget=purse))
def call():
    return os.fork()

child = call()
said = json.dumps([purse.snapshot()["in_flight"], seats.snapshot()["in_use"], call.__svcgov__.record.snapshot()["succeeded"]])
if child == 0:
    os.write(go, said.encode())
    os._exit(0)
os.waitpid(child, 0)
print(json.dumps([json.loads(os.read(come, 999)), json.loads(said)]))
"""
    assert in_child(code, timeout=15) == [[0, 0, 1], [0, 0, 1]]
