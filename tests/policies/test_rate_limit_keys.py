"""A rate limit with a key: each key has the limit to itself, in bounded memory."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from _worlds import Facts, World, hasty_switches, in_threads
from svcgov import Pipeline, colour, rate_limit, retry
from svcgov._core._context import INVOCATION, Invocation
from svcgov.errors import ConfigError, RateLimitedError
from svcgov.facts import PredicateFailed
from svcgov.policies._keys import Keys
from svcgov.policies._reservations import Reservations
from svcgov.testing import ManualClock


def first(call: Any) -> Any:
    """The key is the first argument."""
    return call.args[0] if call.args else None


def passed(gate: Any, key: Any, tries: int) -> int:
    """How many of so many calls of *key* pass at this moment."""
    count = 0
    for _ in range(tries):
        try:
            with gate.of(key):
                count += 1
        except RateLimitedError:
            pass
    return count


def test_each_key_has_the_limit_to_itself(world: World) -> None:
    """What one has used up is there for the other."""
    gate = rate_limit("2/second", key=first, clock=world.clock)
    call = world.governed(gate, lambda *of: of)
    assert [call(key) for key in "aabb"] == [("a",), ("a",), ("b",), ("b",)]
    for key in "ab":
        with pytest.raises(RateLimitedError) as error:
            call(key)
        assert error.value.retry_after == 0.5
    assert gate.snapshot() == {"limit": 2, "window": 1.0, "remaining": 2, "reset": 0.0, "keys": 2, "refused": 2}
    assert call.count == 4


def test_it_stands_anywhere_in_a_pipeline(world: World) -> None:
    """Inside a retry, beside other gates, and around a call through the pipeline."""
    gate = rate_limit("1/second", key=first, clock=world.clock)
    plain = rate_limit("100/second", clock=world.clock)
    pipeline = Pipeline(plain, retry(on=OSError, budget=None, clock=world.clock), plain, gate)
    for call in (world.governed(pipeline, lambda key: key), world.through(pipeline, lambda key: key)):
        assert call(call.function) is call.function
        with pytest.raises(RateLimitedError):
            call(call.function)


@pytest.mark.parametrize(
    ("key", "args", "kwargs", "expected"),
    [
        ("arg:tenant", ("x", "acme"), {}, "acme"),
        ("arg:tenant", ("x",), {"tenant": "acme"}, "acme"),
        ("arg:tenant", ("x",), {}, None),
        ("arg:nobody", ("x", "acme"), {}, None),
        ("header:X-Tenant", ("x",), {}, "initech"),
        ("header:x-other", ("x",), {}, None),
        ("colour", ("x",), {}, "blue"),
    ],
)
def test_a_key_is_found_where_it_is_said_to_be(key: str, args: tuple[Any, ...], kwargs: dict[str, Any], expected: Any) -> None:
    """In an argument by its name, in a header whatever its case, in the colour; else there is none."""
    gate = rate_limit("1/second", key=key, clock=ManualClock())

    @gate
    def fn(first: str, tenant: str = "") -> None: ...

    token = INVOCATION.set(Invocation(headers={"x-tenant": "initech"}))
    try:
        with colour("blue"):
            fn(*args, **kwargs)
    finally:
        INVOCATION.reset(token)
    assert list(gate.machine.by_key) == [] if expected is None else [expected]  # type: ignore[union-attr]


@pytest.mark.parametrize(("missing", "passes", "reason"), [("shared", 1, "limited"), ("bypass", 3, None), ("deny", 0, "denied")])
def test_a_call_without_a_key(missing: Any, passes: int, reason: str | None, world: World) -> None:
    """Shares a limit with others of its kind, passes, or is refused: as it was said."""
    gate = rate_limit("1/second", key=first, on_missing_key=missing, clock=world.clock)
    call, reasons = world.governed(gate), set()
    for _ in range(3):
        try:
            call()
        except RateLimitedError as error:
            reasons.add(error.reason)
    assert call.count == passes
    assert reasons == ({reason} if reason else set())


@pytest.mark.parametrize(
    ("key", "said"),
    [(lambda call: 1 / 0, "ZeroDivisionError: division by zero"), (lambda call: [], "TypeError: unhashable type: 'list'")],
    ids=["raises", "unhashable"],
)
def test_a_key_that_cannot_be_is_told(
    key: Any, said: str, facts: Facts, world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its call is one without a key."""
    gate = rate_limit("1/second", key=key, clock=world.clock)
    gate.listen(facts, PredicateFailed)
    call = world.governed(gate)
    call("a")
    with pytest.raises(RateLimitedError):
        call("b")
    assert [(fact.setting, fact.error) for fact in facts.of(PredicateFailed)] == [("key", said)]
    assert capsys.readouterr().err == f"svcgov: rate_limit.key raised {said}; the call went under no key (said once)\n"


def test_some_keys_have_other_limits(world: World) -> None:
    """One by its name, some by a pattern; a limit of nothing is one too."""
    overrides = {"acme": "3/second", "vip-*": "5/second", "evil": "0/second"}
    gate = rate_limit("1/second", key=first, overrides=overrides, clock=world.clock)
    assert [passed(gate, key, 9) for key in ("acme", "vip-1", "vip-2", "evil", "other", 7)] == [3, 5, 5, 0, 1, 1]
    with pytest.raises(RateLimitedError) as error, gate.of("evil"):
        pass
    assert error.value.reason == "denied"


@pytest.mark.parametrize("more", [{}, {"cost": lambda call: 1}], ids=["level", "machine"])
def test_a_limit_of_nothing_is_a_refusal_of_its_own(more: Any) -> None:
    """Also when it was another one before, and other keys have another one."""
    gate = rate_limit("1/second", key=first, overrides={"evil": "2/second"}, clock=ManualClock(), **more)
    assert passed(gate, "evil", 1) == 1
    gate.reconfigure({"overrides": {"evil": "0/second"}, **more})
    with pytest.raises(RateLimitedError) as error, gate.of("evil"):
        pass
    assert (error.value.reason, error.value.limit) == ("denied", 0)


def test_other_limits_are_in_force_for_keys_that_are_known() -> None:
    """Each keeps the share that it has spent."""
    gate = rate_limit("4/second", key=first, overrides={"vip": "8/second"}, clock=ManualClock())
    assert [passed(gate, key, 2) for key in ("a", "vip")] == [2, 2]
    gate.reconfigure({"limit": "8/second", "overrides": {"vip": "80/second"}})
    assert [gate.of(key).snapshot()["remaining"] for key in ("a", "vip", "new")] == [4, 60, 8]


def test_the_gate_of_one_key_governs_functions_too(world: World) -> None:
    """It is the same limit, whatever the call."""
    gate = rate_limit("1/second", key=first, name="quota", clock=world.clock)
    acme = gate.of("acme")
    world.governed(gate)("acme")
    (error,) = world.governed(acme).fails(RateLimitedError)
    assert isinstance(error, RateLimitedError)
    assert error.policy == "quota"
    with pytest.raises(ConfigError):
        acme.reconfigure({"limit": "9/second"})
    with pytest.raises(TypeError, match="has no keys"):
        rate_limit("1/second").of("acme")


def test_a_key_comes_with_the_making() -> None:
    """The frames of a governed function hand the call on, or they do not; another function is as good as the first."""
    for made_with, changed_to in ((None, first), (first, None)):
        with pytest.raises(ConfigError, match=r"rate_limit\.key"):
            rate_limit("1/second", key=made_with).reconfigure({"key": changed_to})
    rate_limit("1/second", key=lambda call: 1).reconfigure({"key": first})


def test_the_same_key_anew_changes_nothing() -> None:
    """Where it stands is compared by what is said, not by which object says it."""
    one, other = (rate_limit("1/second", key="header:x-tenant").settings for _ in range(2))
    assert one == other
    assert hash(one.key) == hash(other.key)
    assert one != rate_limit("1/second", key="arg:x-tenant").settings


# -- memory ------------------------------------------------------------------------------------------------------------


def test_keys_that_are_all_unused_are_forgotten_first() -> None:
    """Nothing is lost by that; the one that has spent something is remembered."""
    clock = ManualClock()
    gate = rate_limit("1/second", key=first, max_keys=3, clock=clock)
    assert [passed(gate, key, 2) for key in "abc"] == [1, 1, 1]
    clock.advance(0.5)
    gate.reconfigure({"max_keys": 4})
    assert passed(gate, "d", 2) == 1
    clock.advance(0.5)
    gate.reconfigure({"max_keys": 3})
    assert [passed(gate, key, 2) for key in "ef"] == [1, 1]
    assert passed(gate, "d", 2) == 0
    assert gate.snapshot()["keys"] <= 3


def test_cycling_through_keys_buys_no_fresh_burst() -> None:
    """A thousand new names share one limit, while those that are known keep their own."""
    clock = ManualClock()
    gate = rate_limit("5/second", key=first, max_keys=10, clock=clock)
    assert [passed(gate, f"known-{number}", 4) for number in range(10)] == [4] * 10
    assert sum(passed(gate, f"new-{number}", 3) for number in range(1000)) == 5
    assert [passed(gate, f"known-{number}", 4) for number in range(10)] == [1] * 10
    assert gate.snapshot()["keys"] == 10


def test_a_key_that_another_thread_has_just_made_is_not_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both come to the same limit."""
    gate = rate_limit("1/second", key=first, clock=ManualClock())
    keys: Any = gate.machine
    theirs = keys.of("b")
    make = Keys._made

    def meanwhile(self: Keys, settings: Any) -> Any:
        self.by_key.setdefault("a", theirs)
        return make(self, settings)

    monkeypatch.setattr(Keys, "_made", meanwhile)
    assert keys.of("a") is theirs


@pytest.mark.parametrize("times", [1, 3])
def test_a_call_whose_key_is_forgotten_in_that_moment_pays_again(times: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it took went with the limit that was forgotten; the one that is made anew has to know of it."""
    gate = rate_limit("2/second", key=first, cost=lambda call: 1, clock=ManualClock())
    keys: Any = gate.machine
    admit = Reservations.admit
    forgotten: list[Any] = []

    def forgetful(self: Reservations, now: float, call: Any = None) -> Any:
        answer = admit(self, now, call)
        if len(forgotten) < times:
            forgotten.append(keys.by_key.pop("a"))
        return answer

    monkeypatch.setattr(Reservations, "admit", forgetful)
    assert passed(gate, "a", 3) == 2
    assert len(forgotten) == times


def test_a_slot_of_a_key_that_is_forgotten_in_that_moment_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call is given one of the limit that is made anew."""
    gate = rate_limit("1/second", key=first, max_wait=9, clock=ManualClock())
    keys: Any = gate.machine
    old = keys.of("a")
    assert old.admit(0.0) is None
    admit = Reservations.admit

    def forgetful(self: Reservations, now: float, call: Any = None) -> Any:
        answer = admit(self, now, call)
        if self is old:
            keys.by_key.pop("a")
        return answer

    monkeypatch.setattr(Reservations, "admit", forgetful)
    assert keys.admit_key("a", 0.0) is None
    assert old.waiting == 0


def test_a_storm_of_threads_gets_exactly_the_limit_of_each_key() -> None:
    """Also while keys are forgotten and made anew around them."""
    clock = ManualClock()
    gate = rate_limit("50/minute", key=first, max_keys=4, clock=clock)
    through = [0] * 6

    def storm(number: int) -> None:
        through[number] = passed(gate, f"key-{number % 3}", 60)

    with hasty_switches():
        assert in_threads(6, storm) == []
    assert sum(through) == 150


def test_a_storm_of_threads_while_what_counts_it_changes() -> None:
    """No call is counted twice, and none is forgotten."""
    gate = rate_limit("50/minute", key=first, max_keys=3, clock=ManualClock())
    through = [0] * 6

    def storm(number: int) -> None:
        for turn in range(6):
            if number == turn:
                gate.reconfigure({"max_wait": 1, "max_waiting": 0} if turn % 2 else {"max_keys": 3 + turn})
            through[number] += passed(gate, f"key-{number % 3}", 10)

    with hasty_switches():
        assert in_threads(6, storm) == []
    assert sum(through) == 150


def test_a_thousand_tasks_get_exactly_the_limit() -> None:
    """Of one loop, over ten keys."""
    gate = rate_limit("30/minute", key=first, clock=ManualClock())

    @gate
    async def call(key: int) -> None:
        await asyncio.sleep(0)

    async def main() -> list[Any]:
        return await asyncio.gather(*(call(number % 10) for number in range(1000)), return_exceptions=True)

    ends = asyncio.run(main())
    assert sum(end is None for end in ends) == 300
