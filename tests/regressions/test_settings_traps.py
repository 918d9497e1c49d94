"""Settings that are swallowed, and figures that are not what they seem: defects seen elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, budget, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import (
    BudgetExhaustedError,
    BulkheadFullError,
    CallTimeoutError,
    CircuitOpenError,
    ConfigError,
    DeadlineExceededError,
    RateLimitedError,
)

if TYPE_CHECKING:
    from _worlds import World

MAKERS: dict[str, Any] = {
    "circuit_breaker": circuit_breaker,
    "retry": lambda **given: retry(on=OSError, **given),
    "timeout": lambda **given: timeout(**{"seconds": 1, **given}),
    "bulkhead": lambda **given: bulkhead(1, **given),
    "rate_limit": lambda **given: rate_limit(**{"limit": "1/s", **given}),
    "budget": budget,
}
DURATIONS = [
    ("circuit_breaker", "open_for"),
    ("circuit_breaker", "slow_call_duration"),
    ("circuit_breaker", "window"),
    ("circuit_breaker", "half_open_max_wait"),
    ("circuit_breaker", "ramp"),
    ("retry", "backoff"),
    ("retry", "min_attempt_time"),
    ("timeout", "seconds"),
    ("bulkhead", "max_wait"),
    ("rate_limit", "limit"),
    ("budget", "ttl"),
]


@pytest.mark.parametrize("nonsense", ["", "soon", "5 parsecs", "1h30", "-1s", float("nan"), True, object()], ids=repr)
@pytest.mark.parametrize(("kind", "setting"), DURATIONS, ids=[".".join(one) for one in DURATIONS])
def test_a_duration_that_cannot_be_read_is_not_nought(kind: str, setting: str, nonsense: Any) -> None:
    """It is refused, with its place. A defect seen in Easegress: a wait that cannot be read is no wait."""
    with pytest.raises(ConfigError, match=rf"^{kind}\.{setting}: expected"):
        MAKERS[kind](**{setting: nonsense})


@pytest.mark.parametrize("kind", MAKERS)
def test_a_setting_that_nobody_knows_is_not_ignored(kind: str) -> None:
    """When it is made and when it is changed. Seen in EaseProbe: an option one level too deep does nothing, silently."""
    with pytest.raises(ConfigError, match="no_such_setting"):
        MAKERS[kind](no_such_setting=1)
    if kind != "budget":
        policy = MAKERS[kind]()
        with pytest.raises(ConfigError, match="no_such_setting"):
            policy.reconfigure({"no_such_setting": 1})


@pytest.mark.parametrize("setting", ["failure_rate", "slow_call_rate", "bad_rate"])
def test_a_share_is_no_percentage(setting: str) -> None:
    """50 would be reached by no share at all: it is refused, and what was meant is said."""
    with pytest.raises(ConfigError, match=rf"^circuit_breaker\.{setting}: .*0\.5"):
        MAKERS["circuit_breaker"](**{setting: 50})


def test_one_wrong_setting_leaves_all_as_they_were(world: World) -> None:
    """Of the same policy and of its neighbours: a change is made as a whole or not at all."""
    gate, limit = circuit_breaker(min_calls=3, clock=world.clock), rate_limit("9/s", clock=world.clock)
    pipeline = Pipeline(limit, gate)
    call = world.governed(pipeline, OSError())
    with pytest.raises(ConfigError):
        pipeline.reconfigure({"rate_limit": {"limit": "1/s"}, "circuit_breaker": {"min_calls": 1, "open_for": "soon"}})
    call.fails(OSError, times=3)
    assert (gate.current_state, limit.snapshot()["limit"]) == ("open", 9)


def test_reading_figures_changes_none(world: World) -> None:
    """Two who read them see the same. Seen in EaseAgent: a percentile begins anew with whoever has looked."""
    paid = budget(clock=world.clock)
    policies = (
        timeout(1, clock=world.clock),
        bulkhead(2, clock=world.clock),
        retry(on=OSError, backoff=0, budget=paid, clock=world.clock),
        rate_limit("3/s", clock=world.clock),
        circuit_breaker(min_calls=1, open_for=1, slow_call_duration=1, clock=world.clock),
    )
    world.governed(Pipeline(*policies), OSError()).fails(OSError)
    first = [one.snapshot() for one in (*policies, paid)]
    for _ in range(3):
        assert [one.snapshot() for one in (*policies, paid)] == first
    assert (first[2]["gave_up"], first[4]["refused"], first[4]["failed"]) == (1, 1, 1)


def test_what_took_too_long_is_not_the_caller_s_fault() -> None:
    """504 and 503, and 429 for who asks too often; Easegress says 408, as if the caller had been slow."""
    assert {CallTimeoutError.status, DeadlineExceededError.status} == {504}
    assert {CircuitOpenError.status, BulkheadFullError.status, BudgetExhaustedError.status} == {503}
    assert RateLimitedError.status == 429
