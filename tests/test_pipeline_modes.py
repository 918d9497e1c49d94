"""What all gates share: a mode (enforce, observe, off), and for which calls they are meant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from _gates import Watched
from svcgov import Pipeline, bulkhead, rate_limit, retry
from svcgov._shells._modes import Observed
from svcgov.errors import BulkheadFullError, ConfigError, RateLimitedError
from svcgov.facts import CallRefused, PredicateFailed

if TYPE_CHECKING:
    from _worlds import Facts, World
    from svcgov.testing import ManualClock


def test_a_gate_that_observes_lets_all_through_and_tells_what_it_would_refuse(world: World, facts: Facts) -> None:
    """Exactly what it would have refused, counted too."""
    gates = {mode: rate_limit("2/minute", mode=mode, clock=world.clock) for mode in ("enforce", "observe")}
    calls = {mode: world.governed(gate, "through") for mode, gate in gates.items()}
    gates["observe"].listen(facts)
    for _ in range(2):
        assert [call() for call in calls.values()] == ["through"] * 2
    calls["enforce"].fails(RateLimitedError, times=3)
    assert [calls["observe"]() for _ in range(3)] == ["through"] * 3
    assert gates["observe"].snapshot() == gates["enforce"].snapshot()
    assert [(fact.reason, fact.observed) for fact in facts.of(CallRefused)] == [("limited", True)] * 3


def test_a_refusal_in_force_is_not_an_observed_one(world: World, facts: Facts) -> None:
    """The fact tells one from the other."""
    gate = bulkhead(1, clock=world.clock)
    gate.listen(facts)
    with gate:
        world.governed(gate).fails(BulkheadFullError)
    assert [fact.observed for fact in facts.of(CallRefused)] == [False]


def test_permits_come_back_while_it_observes(world: World) -> None:
    """Those that were given; a call that passed by has none, however it ends."""
    gate = bulkhead(1, mode="observe", clock=world.clock)
    inner = world.governed(gate, OSError())
    with gate:
        inner.fails(OSError)
        assert world.governed(gate, gate.snapshot)()["in_use"] == 1
    assert gate.snapshot()["in_use"] == 0
    assert gate.snapshot()["refused"] == 2


def test_nobody_waits_for_a_gate_that_observes(world: World) -> None:
    """Nor does a place in its waiting room stay taken."""
    gate = bulkhead(1, max_wait=60, mode="observe", clock=world.clock)
    with gate:
        assert world.governed(gate, "through")() == "through"
        assert world.block(gate, "through")() == "through"
        assert world.clock.monotonic() == 0.0
        assert gate.snapshot()["waiting"] == 0
    assert gate.snapshot()["in_use"] == 0


def test_a_gate_that_is_off_is_not_there(world: World) -> None:
    """It neither refuses nor counts, around functions and in blocks."""
    gate = bulkhead(1, mode="off", clock=world.clock)
    call, block = world.governed(Pipeline(gate, retry(on=OSError, clock=world.clock)), gate.snapshot), world.block(gate, "in")
    with gate, gate:
        assert call()["in_use"] == 0
        assert block() == "in"
    assert gate.snapshot()["refused"] == 0


@pytest.mark.parametrize("through", ["policy", "pipeline"])
def test_another_mode_is_in_force_at_the_next_call(through: str, world: World) -> None:
    """What is governed already changes with it; what was counted stays."""
    gate = bulkhead(1, clock=world.clock)
    pipeline = Pipeline(gate)
    call = world.governed(pipeline, "through")

    def switch(mode: str) -> None:
        if through == "policy":
            gate.reconfigure({"mode": mode})
        else:
            pipeline.reconfigure({"bulkhead": {"mode": mode}})

    with gate:
        call.fails(BulkheadFullError)
        switch("observe")
        assert call() == "through"
        assert gate.snapshot()["refused"] == 2
        switch("off")
        assert call() == "through"
        switch("enforce")
        call.fails(BulkheadFullError)
        assert gate.snapshot()["refused"] == 3


def test_who_enforces_pays_nothing(world: World) -> None:
    """Its own machine stands in the frames, with nothing around it."""
    gate = bulkhead(1, clock=world.clock)
    call = world.governed(gate)
    assert vars(call.function)["__svcgov__"].route.gate is gate.machine
    gate.reconfigure({"mode": "observe"})
    assert isinstance(vars(call.function)["__svcgov__"].route.gate, Observed)


def test_a_call_that_a_gate_is_not_meant_for_passes_by(world: World) -> None:
    """It holds no permit and is not counted."""
    gate = bulkhead(1, when=lambda call: call.args[0] != "health", clock=world.clock)
    call = world.governed(Pipeline(gate), lambda *args: args)
    through = world.through(Pipeline(gate), lambda *args: args)
    with gate:
        for one in (call, through):
            assert one("health") == ("health",)
            with pytest.raises(BulkheadFullError):
                one("orders")
    assert call("orders") == ("orders",)
    assert gate.snapshot() == {"limit": 1, "in_use": 0, "refused": 2, "waiting": 0}


def test_who_passes_by_may_fail(world: World) -> None:
    """Nothing is given back that was not taken."""
    gate = bulkhead(1, when=lambda call: False, clock=world.clock)
    with gate:
        world.governed(gate, OSError()).fails(OSError)
        assert gate.snapshot()["in_use"] == 1


def test_what_is_meant_may_be_observed_only(world: World) -> None:
    """Both settings together."""
    gate = rate_limit("1/hour", mode="observe", when=lambda call: bool(call.args), clock=world.clock)
    call = world.governed(gate, lambda *args: args)
    for _ in range(2):
        call()
        call("counts")
    assert (gate.snapshot()["refused"], call.count) == (1, 4)


def test_a_predicate_that_raises_leaves_the_call_governed(world: World, facts: Facts, capfd: pytest.CaptureFixture[str]) -> None:
    """It is told, and the user's call goes on."""
    gate = bulkhead(1, name="orders", when=lambda call: call.args[7], clock=world.clock)
    gate.listen(facts)
    assert world.governed(gate, "through")() == "through"
    with gate:
        world.governed(gate).fails(BulkheadFullError)
    assert {fact.setting for fact in facts.of(PredicateFailed)} == {"when"}
    line = "svcgov: bulkhead[orders].when raised IndexError: tuple index out of range; the call was governed (said once)\n"
    assert capfd.readouterr().err == line


def test_a_gate_that_observes_sees_the_call(world: World) -> None:
    """What it costs is asked of it as ever."""
    gate = bulkhead(5, mode="observe", cost=lambda call: call.kwargs["cost"], clock=world.clock)
    call = world.governed(gate, lambda *, cost: gate.snapshot()["in_use"])
    assert [call(cost=3), call(cost=1)] == [3, 1]
    assert gate.snapshot() == {"limit": 5, "in_use": 0, "waiting": 0, "refused": 0}


def test_a_gate_that_observes_is_told_how_and_when(clock: ManualClock) -> None:
    """As it would be in force: its permit, the error, the moment; not of a call that has passed it."""
    log: list[tuple[Any, ...]] = []
    gate = Watched("a", log, clock)
    observed, error = Observed(gate), ValueError()
    observed.settle(observed.admit(0.0), error, 3.0)
    assert log == [("a", "admitted"), ("a", "settled", error, 3.0)]
    gate.refusing = True
    observed.settle(observed.admit(4.0), error, 5.0)
    assert log[2:] == [("a", "refused")]


def test_a_free_permit_needs_no_asking(world: World) -> None:
    """A gate that shows one gives it to whom it is meant for."""
    from svcgov._core._mishaps import Mishaps
    from svcgov._shells._modes import Meant

    class Open:
        free = calm = object()

    gate = Meant(Open(), lambda call: True, Mishaps(None))  # type: ignore[arg-type]  # as much of a gate as is used
    assert gate.admit(0.0) is gate.calm is Observed(Open()).free  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"mode": "shadow"}, "bulkhead.mode: expected one of enforce, observe, off, got 'shadow'"),
        ({"when": "always"}, "bulkhead.when: expected a function of the call"),
    ],
)
def test_what_cannot_be_is_refused(settings: Any, error: str) -> None:
    """When it is given."""
    with pytest.raises(ConfigError, match=error):
        bulkhead(1, **settings)
