"""What a call is worth of a rate limit, by a function of the call; and what the limit says of itself with each decision."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import rate_limit
from svcgov.errors import ConfigError, RateLimitedError
from svcgov.facts import CallRefused, PredicateFailed
from svcgov.policies._reservations import Reservations
from svcgov.policies.rate_limit import Gcra
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from _worlds import Facts, World


def worth(call: Any) -> Any:
    """What the call was called with."""
    return call.args[0]


def refused(call: Any, *args: Any) -> RateLimitedError:
    """How a call is refused at this moment."""
    with pytest.raises(RateLimitedError) as error:
        call(*args)
    return error.value


# -- costs -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["10/second", ["10/second", "99/minute"]], ids=["one", "several"])
def test_each_call_is_worth_what_the_function_says(limit: Any, world: World) -> None:
    """Seven and three are ten; nothing is nothing; one is too many."""
    gate = rate_limit(limit, cost=worth, clock=world.clock)
    call = world.governed(gate, "answer")
    for cost in (7, 0, 3, 0):
        assert call(cost) == "answer"
    assert refused(call, 2).retry_after == 0.2
    assert refused(call, 11).reason == "cost_exceeds_burst"
    assert call(0) == "answer"


def test_many_small_calls_are_as_much_as_a_large_one() -> None:
    """At one moment."""
    left = []
    for costs in ([6], [1] * 6, [2, 0, 4]):
        gate = rate_limit("10/second", cost=worth, clock=ManualClock())
        call = gate(int)
        for cost in costs:
            call(cost)
        left.append(gate.snapshot()["remaining"])
    assert left == [4, 4, 4]


@pytest.mark.parametrize("wrong", [-1, True, "2", 1.5, None, 10**9 + 1, ValueError("unknown")], ids=repr)
def test_a_cost_that_cannot_be_is_told_and_is_one(
    wrong: Any, facts: Facts, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """The call goes on: it is not to blame."""

    def cost(call: Any) -> Any:
        if isinstance(wrong, Exception):
            raise wrong
        return wrong

    gate = rate_limit("5/second", cost=cost, clock=world.clock)
    gate.listen(facts)
    call = world.governed(gate, "answer")
    assert [call(), call()] == ["answer"] * 2
    assert gate.snapshot()["remaining"] == 3
    assert [fact.setting for fact in facts.of(PredicateFailed)] == ["cost"]
    what = wrong if isinstance(wrong, Exception) else f"expected an integer from 0 to 1000000000, got {wrong!r}"
    assert capsys.readouterr().err == f"svcgov: rate_limit.cost raised ValueError: {what}; the call costs 1 (said once)\n"


def test_a_block_is_worth_one(world: World) -> None:
    """There is no call to ask the function about."""
    gate = rate_limit("2/second", cost=worth, clock=world.clock)
    call = world.block(gate)
    call()
    call()
    call.fails(RateLimitedError)
    assert call.count == 2


def test_the_cost_may_become_a_function_in_use(world: World) -> None:
    """And a number again; what is spent stays spent."""
    gate = rate_limit("10/second", clock=world.clock)
    call = world.governed(gate)
    call(4)
    gate.reconfigure({"cost": worth})
    call(4)
    assert gate.snapshot()["remaining"] == 5
    gate.reconfigure({"cost": 5})
    call(4)
    assert gate.snapshot()["remaining"] == 0


def test_a_negative_cost_is_wrong_from_the_start() -> None:
    """A ``ValueError`` too, since that is what a `ConfigError` is."""
    with pytest.raises(ValueError, match=r"rate_limit\.cost: expected an integer from 0 to") as error:
        rate_limit("1/second", cost=-1)
    assert isinstance(error.value, ConfigError)


# -- what is said of the limit -----------------------------------------------------------------------------------------

LIMITS: list[Any] = ["4/second", ["9/second", "4/1 second"]]


@pytest.mark.parametrize("limit", LIMITS, ids=["one", "several"])
@pytest.mark.parametrize("max_wait", [0, 0.25])
def test_a_refusal_says_how_the_limit_stands(limit: Any, max_wait: float, world: World) -> None:
    """By the decision itself; it says so after a journey to another process too."""
    gate = rate_limit(limit, max_wait=max_wait, clock=world.clock)
    call = world.governed(gate)
    for _ in range(4):
        call()
    if max_wait:
        gate.machine.admit(world.clock.monotonic())
    error = refused(call)
    assert (error.limit, error.window, error.remaining, error.reset) == (4, 1.0, 0, 1.0 + max_wait)
    again = pickle.loads(pickle.dumps(error))
    assert (again.limit, again.window, again.remaining, again.reset) == (4, 1.0, 0, 1.0 + max_wait)


def test_a_refusal_for_want_of_a_key_says_nothing_of_a_limit(world: World, facts: Facts) -> None:
    """No limit was asked; one for a key says how that of the key stands."""
    gate = rate_limit("2/second", key="arg:who", on_missing_key="deny", cost=2, clock=world.clock)
    gate.listen(facts, CallRefused)
    world.clock.advance(3)
    call = world.governed(gate)
    error = refused(call)
    assert (error.reason, error.limit, error.remaining, error.reset) == ("denied", None, None, None)
    assert [(fact.at, fact.reason) for fact in facts.of(CallRefused)] == [(3.0, "denied")]
    keyed = gate(lambda who: who)
    keyed("acme")
    assert (refused(keyed, "acme").limit, refused(keyed, "acme").remaining) == (2, 0)


def test_what_is_left_for_a_smaller_call_is_said(world: World) -> None:
    """Two are left, which is too little for three."""
    gate = rate_limit("5/second", cost=3, clock=world.clock)
    call = world.governed(gate)
    call()
    error = refused(call)
    assert (error.limit, error.remaining) == (5, 2)
    assert error.reset == pytest.approx(0.6)


@pytest.mark.parametrize("limit", LIMITS, ids=["one", "several"])
def test_decisions_are_told_to_who_asks_for_it(limit: Any, world: World) -> None:
    """Functions that are governed already are too. A decision is that of its own context, whatever came after it."""
    gate = rate_limit(limit, clock=world.clock)
    call = world.governed(gate, lambda *_: gate.decided())
    assert call() is None
    gate.tell_decisions()
    gate.tell_decisions()
    assert call() == {"limit": 4, "window": 1.0, "remaining": 2, "reset": 0.5}
    assert call() == {"limit": 4, "window": 1.0, "remaining": 1, "reset": 0.75}
    assert isinstance(gate.machine, Reservations)
    gate.renew()
    assert isinstance(gate.machine, Reservations)


def test_each_task_is_told_its_own_decision() -> None:
    """Also when all are decided before the first one looks."""
    gate = rate_limit("9/minute", key="arg:who", clock=ManualClock())
    gate.tell_decisions()

    @gate
    async def call(who: str) -> Any:
        await asyncio.sleep(0)
        decided = gate.decided()
        return decided and decided["remaining"]

    async def main() -> list[Any]:
        return await asyncio.gather(*(call(who) for who in "aabab"))

    assert asyncio.run(main()) == [8, 7, 8, 6, 7]
    assert gate.decided() is None


def test_who_asks_for_nothing_keeps_the_machine_without_a_lock() -> None:
    """A limit is told of by itself alone."""
    gates = [rate_limit("1/second") for _ in range(2)]
    gates[0].tell_decisions()
    assert [isinstance(gate.machine, Gcra) for gate in gates] == [False, True]
