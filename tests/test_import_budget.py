"""A cold start pays for what is used: modules and threads, counted in interpreters of their own. No time is measured."""

from __future__ import annotations

import sys

import pytest

from _worlds import in_child

THE_FIVE = {"limits", "opentelemetry", "pybreaker", "structlog", "wrapt"}
HEAVY = {"asyncio", "dataclasses", "importlib.metadata", "inspect", "logging", "threading", "typing", "typing_extensions"}


def loaded_by(code: str, *, before: str = "") -> set[str]:
    """The modules that *code* brings in, beside those that *before* has."""
    return set(
        in_child(
            f"import json, sys\n{before}\nbefore = set(sys.modules)\n{code}\nprint(json.dumps(sorted(set(sys.modules) - before)))"
        )
    )


def threads_of(code: str) -> list[str]:
    """The names of the threads that are alive after *code*, but for the main one."""
    names: list[str] = in_child(
        f"{code}\nimport json, threading\n"
        "print(json.dumps([one.name for one in threading.enumerate() if one is not threading.main_thread()]))"
    )
    return names


USED = """
import svcgov
@svcgov.timeout(1)
@svcgov.bulkhead(2)
@svcgov.retry(on=ConnectionError, attempts=2, backoff=0)
@svcgov.rate_limit("100/second")
@svcgov.circuit_breaker("payments")
def charge(fail=[1]):
    if fail:
        fail.pop()
        raise ConnectionError
    return "charged"
assert charge() == "charged"
"""


def test_the_front_door_brings_little_in() -> None:
    """At most 25 modules, none of the heavy ones of the standard library, and none of the five dependencies."""
    loaded = loaded_by("import svcgov")
    assert "svcgov" in loaded
    assert len(loaded) <= 25
    assert not loaded & (HEAVY | THE_FIVE)


def test_the_front_door_opens_lazily() -> None:
    """A name brings in its own module, and no other policy."""
    loaded = loaded_by("import svcgov; svcgov.bulkhead")
    assert "svcgov.policies.bulkhead" in loaded
    assert not loaded & {"svcgov.policies.retry", "svcgov.policies.circuit_breaker", "svcgov.governor"}


def test_what_is_called_is_loaded_at_decoration() -> None:
    """Importing in the first call is worse: the platform gives full speed while the function initialises."""
    first_call = """
import sys, json, svcgov
@svcgov.timeout(1)
@svcgov.retry(on=ConnectionError)
@svcgov.circuit_breaker
def charge():
    return 1
before = set(sys.modules)
charge()
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    assert in_child(first_call) == []


def test_a_plain_function_needs_no_asyncio() -> None:
    """Neither decorated nor called, nor when it is retried."""
    loaded = loaded_by(USED)
    assert "svcgov._shells._sync" in loaded
    assert not loaded & {"asyncio", "svcgov._shells._async", "svcgov._shells._lanes", "svcgov._shells._workers"}
    assert not loaded & (THE_FIVE - {"pybreaker"})


def test_the_log_of_facts_is_loaded_by_the_first_of_them() -> None:
    """A function to which nothing happens pays nothing for it, when it starts or later."""
    loaded = """
import json, sys, svcgov
handler = svcgov.handler(policy=svcgov.bulkhead(1, name="pool"))(lambda event, context: event)
handler({}, None)
before = {name for name in sys.modules if name.startswith("svcgov.telemetry.")}
with svcgov.bulkhead(1, name="pool"):
    try:
        handler({}, None)
    except svcgov.errors.BulkheadFullError:
        pass
after = {name for name in sys.modules if name.startswith("svcgov.telemetry.")}
sys.stdout = sys.__stdout__
print(json.dumps([sorted(before), sorted(after - before)]))
"""
    before, more = in_child(f"import io, sys\nsys.stdout = io.StringIO()\n{loaded}")
    assert before == ["svcgov.telemetry.access_log"]
    assert more == ["svcgov.telemetry.correlation", "svcgov.telemetry.fact_log"]


def test_without_a_document_its_code_is_not_loaded() -> None:
    """Nor that of a governor."""
    loaded = loaded_by(USED)
    assert not {name for name in loaded if name.startswith("svcgov.config")}
    assert not loaded & {"svcgov.governor", "svcgov._documented", "tomllib", "json", "hashlib"}


def test_policies_without_a_breaker_need_none_of_the_five() -> None:
    """And none of the heavy modules."""
    loaded = loaded_by(USED.replace('@svcgov.circuit_breaker("payments")', ""))
    assert not loaded & (HEAVY | THE_FIVE)


def test_a_breaker_brings_in_neither_redis_nor_tornado() -> None:
    """pybreaker alone would import what of them is installed."""
    assert "redis" in loaded_by("import redis")
    loaded = loaded_by(USED)
    assert "pybreaker" in loaded
    assert not {one.partition(".")[0] for one in loaded} & {"redis", "tornado"}


def test_a_coroutine_function_brings_in_its_own_shell() -> None:
    """The plain one is for plain functions, but for what both use."""
    loaded = loaded_by("import svcgov\n@svcgov.bulkhead(2)\nasync def charge(): pass")
    assert "svcgov._shells._async" in loaded
    assert "svcgov._shells._sync" not in loaded


GENERATOR = "import svcgov\n@svcgov.timeout(1)\n@svcgov.bulkhead(2, max_wait=1)\ndef lines():\n    yield 1\n"


def test_a_generator_function_brings_in_its_own_frame() -> None:
    """Nobody else does; and a plain one needs no asyncio."""
    loaded = loaded_by(f"{GENERATOR}assert list(lines()) == [1]")
    assert "svcgov._shells._generators_sync" in loaded
    assert not loaded & {"asyncio", "svcgov._shells._sync", "svcgov._shells._async", "svcgov._shells._task_life"}
    assert not loaded & (HEAVY | THE_FIVE)
    assert not {name for name in loaded_by(USED) if name.startswith(("svcgov._shells._generators", "svcgov._shells._life"))}
    loaded = loaded_by(GENERATOR.replace("def", "async def"))
    assert {"svcgov._shells._generators_async", "svcgov._shells._task_life", "svcgov._shells._waiting_async"} <= loaded
    assert not loaded & {"svcgov._shells._generators_sync", "svcgov._shells._async"}


def test_the_first_step_of_a_generator_loads_nothing() -> None:
    """All of it is there when it is decorated."""
    first_step = f"import json, sys\n{GENERATOR}before = set(sys.modules)\nlist(lines())\n"
    assert in_child(f"{first_step}print(json.dumps(sorted(set(sys.modules) - before)))") == []


@pytest.mark.parametrize(
    "code",
    [
        USED,
        USED.replace("def charge", "async def charge").replace("charge() ==", "__import__('asyncio').run(charge()) =="),
        "import svcgov\nwith svcgov.bulkhead(1): pass",
        'import svcgov\n@svcgov.timeout(1, enforce="thread")\ndef charge(): pass',
    ],
    ids=["plain", "async", "block", "thread, not called"],
)
def test_no_thread_is_started(code: str) -> None:
    """States follow from the clock at the next call: there is nothing to do meanwhile."""
    assert threads_of(code) == []


def test_only_a_time_out_on_a_thread_starts_one() -> None:
    """One worker, at its first call; it stays a while for the next."""
    assert threads_of('import svcgov\ncharge = svcgov.timeout(9, enforce="thread")(dict)\ncharge()\ncharge()') == [
        "svcgov-worker"
    ]


def test_the_count_is_of_this_interpreter() -> None:
    """The child is the interpreter that runs the tests, and it has nothing of ours before."""
    assert in_child("import json, sys; print(json.dumps(sys.version))") == sys.version
    assert not any(name.startswith("svcgov") for name in in_child("import json, sys; print(json.dumps(sorted(sys.modules)))"))
    assert loaded_by("") == set()
