"""How a function lives in the real runtime interface client: a long row of calls, forked workers, a restored snapshot."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from events import api_gateway_v2

from .conftest import needed
from .functions import function
from .workers import pool

if TYPE_CHECKING:
    import pathlib

pytestmark = pytest.mark.usefixtures("awslambdaric")

MANAGED = {"AWS_LAMBDA_MAX_CONCURRENCY": "3", "AWS_LAMBDA_INITIALIZATION_TYPE": "lambda-managed-instances"}

SEEING = """\
import os

os.environ["SVCGOV_COLOURS"] = "*"

import svcgov


def seen(event):
    here = svcgov.current()
    return {
        "number": event["headers"]["x-number"],
        "colour": here.colour,
        "request_id": here.request_id,
        "trace_id": here.trace.trace_id,
        "left": svcgov.remaining(),
        "baggage": here.baggage,
    }


"""
SYNC = SEEING + "def handler(event, context):\n    return seen(event)\n"
ASYNC = SEEING + "import asyncio\n\n\nasync def handler(event, context):\n    await asyncio.sleep(0)\n    return seen(event)\n"

COUNTING = """\
import gc

import svcgov


{kind} handler(event, context):
    svcgov.current().trace
    return len(gc.get_objects()) if event["counts"] and gc.collect() >= 0 else None
"""

WORKER = """\
import os
import pathlib
import time

import svcgov

calls = []


@svcgov.handler
def handler(event, context):
    calls.append(event)
    pathlib.Path(f"call-{len(calls)}-{os.getpid()}").touch()
    while len(list(pathlib.Path().glob(f"call-{len(calls)}-*"))) < 3:  # until all are at work
        time.sleep(0.01)
    return [os.getpid(), len(calls), svcgov.current().cold_start, event]
"""
LATE = """\
import asyncio
import json
import sys
import time

import svcgov


@svcgov.listen
def tell(fact):
    told = {{"event": "svcgov.heard", "ended": fact.ended, "passed": fact.left < 0}}
    sys.stdout.write(json.dumps(told) + "\\n")  # in one piece: other workers write too


@svcgov.handler
{kind} handler(event, context):
    {wait}
    return "answer"
"""
SLEEPING = LATE.format(kind="def", wait="time.sleep(svcgov.remaining() + 0.05)")
WAITING = LATE.format(kind="async def", wait="await asyncio.sleep(5)")

RESTORED = """\
import json

import svcgov

gate = svcgov.bulkhead(1)
gate.__enter__()


@svcgov.handler(policy=gate)
def handler(event, context):
    return svcgov.current().cold_start
"""


def request(number: int) -> dict[str, Any]:
    """One of a row, with a colour and a deadline of its own."""
    event = api_gateway_v2({}, colour=f"colour-{number}")
    event["headers"] |= {"x-number": str(number), "x-request-deadline-ms": str(1000 + number)}
    event["headers"]["baggage"] = f"number={number}"
    return event


# -- a long row -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", [SYNC, ASYNC], ids=["sync", "async"])
def test_of_two_hundred_calls_in_a_row_each_has_what_is_its_own(tmp_path: pathlib.Path, source: str) -> None:
    """Id, trace, colour, baggage and deadline, although one process serves them all."""
    with function(tmp_path, source) as governed:
        for number in range(200):
            event = request(number)
            outcome = governed.invoke(event)
            seen = outcome.value
            assert (seen["number"], seen["colour"], seen["baggage"]["number"]) == (str(number), f"colour-{number}", str(number))
            assert seen["request_id"] == outcome.request_id
            assert seen["trace_id"] == event["headers"]["traceparent"].split("-")[1]
            assert 0 < seen["left"] <= (1000 + number) / 1000


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_nothing_is_kept_of_a_call(tmp_path: pathlib.Path, kind: str) -> None:
    """After two hundred of them there is not one object more than after fifty."""
    with function(tmp_path, COUNTING.format(kind=kind)) as governed:
        counts = {}
        for number in range(200):
            if number in (49, 199):
                time.sleep(0.05)  # its deadline is then later than all before, whose cancelled timers the loop lets go first
            counts[number] = governed.invoke({"number": number, "counts": number in (49, 199)}).value
    assert counts[199] <= counts[49]


# -- Managed Instances ------------------------------------------------------------------------------------------------


def test_each_worker_is_a_process_of_its_own(tmp_path: pathlib.Path) -> None:
    """Three at a time, each with its own state; none is a cold start, since they were started ahead of time."""
    with pool(tmp_path, WORKER, workers=3, variables=MANAGED) as governed:
        first = governed.api.at_once("a", "b", "c")
        governed.api.ready(3)
        second = governed.api.at_once("d", "e", "f")
        log = governed.log()
    workers = {told.value[0] for told in first}
    assert len(workers) == 3
    assert {told.value[0] for told in second} == workers
    assert [told.value[1:3] for told in (*first, *second)] == [[1, False]] * 3 + [[2, False]] * 3
    assert [told.value[3] for told in (*first, *second)] == list("abcdef")
    assert sorted(line["request_id"] for line in log) == sorted(told.request_id for told in (*first, *second))


def test_a_coroutine_handler_is_cancelled_at_its_deadline(tmp_path: pathlib.Path) -> None:
    """And the worker goes on: the next call of each is served."""
    with pool(tmp_path, WAITING, workers=3, timeout=0.5, variables=MANAGED) as governed:
        told = governed.api.at_once({}, {}, {}, {})
        log = governed.log()
    assert [(one.failed, one.value["errorType"]) for one in told] == [(True, "CallTimeoutError")] * 4
    assert [line["error"] for line in log if line["event"] == "svcgov.call"] == ["CallTimeoutError"] * 4
    near = [line["ended"] for line in log if line["event"] == "svcgov.heard"]
    assert sorted(near) == [False] * 4 + [True] * 4


def test_over_http_a_cancelled_call_is_answered(tmp_path: pathlib.Path) -> None:
    """By a 504, to whoever still waits."""
    with pool(tmp_path, WAITING, workers=3, timeout=0.5, variables=MANAGED) as governed:
        told = governed.api.invoke(api_gateway_v2({}))
    assert (told.failed, told.value["statusCode"]) == (False, 504)


def test_a_plain_handler_that_is_late_is_reported(tmp_path: pathlib.Path) -> None:
    """It cannot be stopped; its answer goes out, and a fact tells."""
    with pool(tmp_path, SLEEPING, workers=3, timeout=0.5, variables=MANAGED) as governed:
        told = governed.api.invoke({})
        log = governed.log()
    assert (told.failed, told.value) == (False, "answer")
    assert [line.get("late") for line in log if line["event"] == "svcgov.call"] == [True]
    assert [line for line in log if line["event"] == "svcgov.heard"] == [{"event": "svcgov.heard", "ended": True, "passed": True}]


# -- SnapStart --------------------------------------------------------------------------------------------------------


def test_a_restored_snapshot_is_a_new_process(tmp_path: pathlib.Path) -> None:
    """What was under way when it was taken is not, and the first call after it is the first one."""
    needed("snapshot_restore_py")
    with pool(tmp_path, RESTORED, variables={"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}) as governed:
        governed.api.restored.set()
        governed.api.ready(1)
        told = [governed.api.invoke({}) for _ in range(2)]
    assert [(one.failed, one.value) for one in told] == [(False, True), (False, False)]
