"""Settings while a pipeline is in use: all or none, seen by the next call, and the switch that turns policies off."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from svcgov import Pipeline, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import BulkheadFullError, ConfigError, ConfigWarning

if TYPE_CHECKING:
    from _worlds import World


def made(world: World) -> Pipeline:
    """Two time-outs and a retry between them, a bulkhead outside."""
    clock = world.clock
    again = retry(on=OSError, attempts=3, backoff=0, budget=None, clock=clock)
    return Pipeline(timeout(9, clock=clock), bulkhead(1, clock=clock), again, timeout(3, clock=clock), name="payments")


def settings_of(pipeline: Pipeline) -> list[Any]:
    """What is in force."""
    return [policy.settings for policy in pipeline.policies]


def test_policies_are_reconfigured_by_their_kinds(world: World) -> None:
    """The time-out inside the retry has a name of its own."""
    pipeline = made(world)
    pipeline.reconfigure(
        {"timeout": {"seconds": 8}, "bulkhead": {"limit": 5}, "retry": {"attempts": 2}, "attempt_timeout": {"seconds": "2s"}}
    )
    outer, gate, again, inner = settings_of(pipeline)
    assert (outer.seconds, gate.limit, again.attempts, inner.seconds) == (8.0, 5, 2, 2.0)


def test_what_is_not_named_stays(world: World) -> None:
    """Other policies, and other settings of the same policy, are as they were declared."""
    pipeline = made(world)
    before = settings_of(pipeline)
    pipeline.reconfigure({"retry": {"attempts": 7}})
    after = settings_of(pipeline)
    assert (after[:2], after[3]) == (before[:2], before[3])
    assert (after[2].attempts, after[2].backoff) == (7, before[2].backoff)
    pipeline.reconfigure({"retry": {"backoff": 1}})
    assert pipeline.policies[2].settings.attempts == 3  # type: ignore[attr-defined]  # the settings of a retry


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"retry": {"attempts": 0}}, "payments.retry.attempts"),
        ({"bulkhead": {"limit": 5}, "retry": {"attempts": "3"}}, "payments.retry.attempts"),
        ({"bulkhead": {"limit": 5}, "attempt_timeout": {"seconds": -1}}, "payments.attempt_timeout.seconds"),
        ({"bulkhead": {"limit": 5}, "cache": {"ttl": 5}}, "payments.cache"),
        ({"bulkhead": {"limit": 5}, "retry": {"max_attempts": 5}}, "payments.retry.max_attempts"),
        ({"bulkhead": {"limit": 5}, "timeout": {"enforce": "thread"}}, "payments.timeout.enforce"),
        ({"bulkhead": {"limit": 5}, "retry": 5}, "payments.retry"),
        ({"bulkhead": {"limit": 5}, "retry": None}, "payments.retry"),
        ([("retry", {"attempts": 5})], "payments"),
    ],
)
def test_all_or_none(changes: Any, path: str, world: World) -> None:
    """A setting that cannot be leaves the others as they were; the error names its place."""
    pipeline = made(world)
    call = world.governed(pipeline)
    before, route = settings_of(pipeline), call.function.__svcgov__.route  # type: ignore[attr-defined]
    with pytest.raises(ConfigError) as caught:
        pipeline.reconfigure(changes)
    assert caught.value.path == path
    assert settings_of(pipeline) == before
    assert call.function.__svcgov__.route is route  # type: ignore[attr-defined]


def test_an_environment_that_cannot_be_changes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new nesting is made before the first setting is in force."""
    pipeline = made(world)
    call = world.governed(pipeline)
    before = settings_of(pipeline)
    monkeypatch.setenv("SVCGOV_DISABLED", "rety")
    with pytest.raises(ConfigError, match="SVCGOV_DISABLED"):
        pipeline.reconfigure({"bulkhead": {"limit": 5}})
    assert settings_of(pipeline) == before
    call()


def test_two_of_a_kind_are_reconfigured_by_themselves(world: World) -> None:
    """Which of them is meant cannot be told."""
    first, second = bulkhead(1, clock=world.clock), bulkhead(2, clock=world.clock)
    with pytest.raises(ConfigError, match=r"pipeline\.bulkhead: expected one bulkhead in the pipeline; with several"):
        Pipeline(first, second).reconfigure({"bulkhead": {"limit": 5}})
    second.reconfigure({"limit": 5})
    assert (first.settings.limit, second.settings.limit) == (1, 5)


def test_the_next_call_sees_other_settings(world: World) -> None:
    """Also where the policy was reconfigured by itself."""
    pipeline = made(world)
    call = world.governed(pipeline, OSError)
    pipeline.reconfigure({"retry": {"attempts": 1}})
    call.fails(OSError)
    assert call.count == 1
    pipeline.policies[2].reconfigure({"attempts": 2})
    call.fails(OSError)
    assert call.count == 3


def test_a_call_ends_on_the_nesting_it_began_with(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has taken is given back to where it was taken from, even when that policy is off by then."""
    gate = bulkhead(1, clock=world.clock)
    pipeline = Pipeline(gate)

    def turn_off() -> int:
        monkeypatch.setenv("SVCGOV_DISABLED", "bulkhead")
        with pytest.warns(ConfigWarning):
            pipeline.reconfigure({})
        return gate.snapshot()["in_use"]

    call = world.governed(pipeline, turn_off, lambda: gate.snapshot()["in_use"])
    assert call() == 1
    assert gate.snapshot()["in_use"] == 0
    assert call() == 0


def test_all_functions_of_a_pipeline_are_nested_anew(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were fused with others, and those that are called through it."""
    gate = bulkhead(1, clock=world.clock)
    gate.machine.used = 1
    pipeline = Pipeline(gate)
    calls = [
        world.governed(pipeline),
        world.governed(lambda fn: Pipeline(rate_limit("9/s", clock=world.clock))(pipeline(fn))),
        world.through(pipeline),
    ]
    for call in calls:
        call.fails(BulkheadFullError)
    monkeypatch.setenv("SVCGOV_DISABLED", "1")
    with pytest.warns(ConfigWarning):
        pipeline.reconfigure({})
    for call in calls:
        call()


@pytest.mark.parametrize("value", ["1", "true", " TRUE ", "bulkhead", "retry, bulkhead"])
@pytest.mark.parametrize("way", ["governed", "through", "block"])
def test_the_switch_turns_policies_off(way: str, value: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them or those it lists, with one warning for the whole process."""
    monkeypatch.setenv("SVCGOV_DISABLED", value)
    gate = bulkhead(1, clock=world.clock)
    gate.machine.used = 1
    with pytest.warns(ConfigWarning, match="pass every call through") as warned:
        for _ in range(2):
            getattr(world, way)(Pipeline(gate), "answer")()
    assert len(warned) == 1
    assert gate.snapshot() == {"limit": 1, "in_use": 1, "waiting": 0, "refused": 0}


@pytest.mark.parametrize("value", ["", "0", "false", "timeout"])
def test_what_the_switch_does_not_name_stays_on(value: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is off by default."""
    monkeypatch.setenv("SVCGOV_DISABLED", value)
    gate = bulkhead(1, clock=world.clock)
    gate.machine.used = 1
    if value == "timeout":
        with pytest.warns(ConfigWarning):
            call = world.governed(gate)
    else:
        call = world.governed(gate)
    call.fails(BulkheadFullError)


def test_a_wrong_switch_is_an_error_at_decoration(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a silent default."""
    monkeypatch.setenv("SVCGOV_DISABLED", "circuitbreaker")
    with pytest.raises(ConfigError, match="SVCGOV_DISABLED: expected 1, 0, or a list of"):
        world.governed(circuit_breaker(clock=world.clock))


def test_functions_of_the_same_name_are_one_row(world: World) -> None:
    """A name is what a reader of figures can tell apart; what is gone is gone from the figures too."""
    pipeline = Pipeline(bulkhead(9, clock=world.clock), name="payments")
    first, second = world.governed(pipeline, ValueError), world.governed(pipeline, 1)
    first.fails(ValueError)
    second()
    second()
    (name,) = pipeline.snapshot()
    assert name.endswith(".scripted")
    assert (pipeline.snapshot()[name]["succeeded"], pipeline.snapshot()[name]["failed"]) == (2, 1)
    del second
    assert (pipeline.snapshot()[name]["succeeded"], pipeline.snapshot()[name]["failed"]) == (0, 1)
