"""A bulkhead with a key: each key has the places to itself, and a key that is in use is not forgotten."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from svcgov import bulkhead
from svcgov.errors import BulkheadFullError, ConfigError

if TYPE_CHECKING:
    from _worlds import World


def first(call: Any) -> Any:
    """The first argument of the call."""
    return call.args[0] if call.args else None


def test_each_key_has_the_places_to_itself(world: World) -> None:
    """One that is full is in nobody's way; calls without a key share places of their own."""
    gate = bulkhead(1, key=first, clock=world.clock)
    call = world.governed(gate, "answer")
    with gate.of("acme"):
        with pytest.raises(BulkheadFullError):
            call("acme")
        assert [call("globex"), call()] == ["answer", "answer"]
        with gate:
            call.fails(BulkheadFullError)
        assert gate.snapshot() == {"limit": 1, "in_use": 1, "waiting": 0, "refused": 2, "keys": 2, "keys_overflow": 0}
        assert gate.of("acme").snapshot() == {"limit": 1, "in_use": 1, "waiting": 0}
    assert call("acme") == "answer"
    assert gate.of("nobody").snapshot() == {"limit": 1, "in_use": 0, "waiting": 0}


def test_the_place_of_a_key_comes_back_however_the_call_ends(world: World) -> None:
    """By an error too."""
    gate = bulkhead(1, key=first, clock=world.clock)
    call = world.governed(gate, OSError(), "answer")
    with pytest.raises(OSError):
        call("acme")
    assert call("acme") == "answer"
    assert gate.snapshot()["in_use"] == 0


def test_calls_of_one_key_wait_for_each_other() -> None:
    """In a queue of their own."""
    gate = bulkhead(1, key=first, max_wait=5)
    came: list[str] = []

    @gate
    async def enter(who: str) -> None:
        came.append(who)
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def main() -> None:
        tasks = [asyncio.create_task(enter(who)) for who in ("a", "a", "b", "a")]
        await asyncio.sleep(0)
        assert gate.of("a").snapshot() == {"limit": 1, "in_use": 1, "waiting": 2}
        assert gate.of("b").snapshot() == {"limit": 1, "in_use": 1, "waiting": 0}
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert came == ["a", "b", "a", "a"]
    assert gate.snapshot()["in_use"] == gate.snapshot()["waiting"] == 0


def test_a_key_with_places_out_is_not_forgotten() -> None:
    """An idle one is; where none is idle, a new key passes ungoverned, and is counted."""
    gate = bulkhead(1, key=first, max_keys=2, max_wait=5)
    a, b = gate.of("a"), gate.of("b")
    with a, b:
        c = gate.of("c")
        with c, c:
            assert gate.snapshot() == {"limit": 1, "in_use": 2, "waiting": 0, "refused": 0, "keys": 2, "keys_overflow": 2}
    with a:
        with gate.of("d"):
            pass
        assert list(gate.machine.by_key) == ["a", "d"]
        with pytest.raises(BulkheadFullError):
            gate.reconfigure({"max_wait": 0, "max_keys": 1})
            with a:
                pass
        assert list(gate.machine.by_key) == ["a"]


def test_a_key_under_which_calls_wait_is_not_forgotten() -> None:
    """Its place may have been given to nobody yet."""
    gate = bulkhead(1, key=first, max_wait=5)
    permit = gate.of("a").machine.admit(0.0)
    waiter: Any = gate.of("a").machine.admit(0.0)
    waiter.join(lambda: None)
    room = gate.machine.by_key["a"]
    gate.machine.settle(permit, None, 0.0)
    assert [gate.spare(room, 0.0), room.used] == [0, 1]
    gate.machine.settle(waiter.permit, None, 0.0)
    assert gate.spare(room, 0.0) > 0


def test_other_settings_are_in_force_for_every_key(world: World) -> None:
    """And what a call of each costs."""
    gate = bulkhead(1, key=first, clock=world.clock)
    call = world.governed(gate, "answer")
    with gate.of("a"):
        gate.reconfigure({"limit": 3, "cost": 2})
        assert call("a") == "answer"
        gate.reconfigure({"limit": 2, "cost": 2})
        with pytest.raises(BulkheadFullError):
            call("a")
    with pytest.raises(ConfigError, match=r"bulkhead\.max_wait"):
        gate.reconfigure({"max_wait": -1})


def test_calls_of_a_key_cost_what_they_are_said_to(world: World) -> None:
    """Those without a key too, and those of one key's own gate: the function sees the call."""
    gate = bulkhead(5, key=first, cost=lambda call: call.kwargs["cost"], clock=world.clock)
    call = world.governed(gate, lambda *_, **__: gate.snapshot()["in_use"])
    assert [call("acme", cost=3), call(cost=2), call("acme", cost=5)] == [3, 2, 5]
    assert world.governed(gate.of("globex"), lambda *_, **__: gate.of("globex").snapshot()["in_use"])(cost=4) == 4


def test_a_key_comes_with_the_making() -> None:
    """The frames of a governed function hand the call on, or they do not; another function is as good as the first."""
    for made_with, changed_to, expected in ((None, first, "none"), (first, None, "a key")):
        with pytest.raises(ConfigError) as wrong:
            bulkhead(1, key=made_with).reconfigure({"key": changed_to})
        assert (wrong.value.path, wrong.value.value) == ("bulkhead.key", changed_to)
        assert wrong.value.expected == f"{expected}, as it was made with"
    bulkhead(1, key=lambda call: 1).reconfigure({"key": first})
    with pytest.raises(TypeError, match="has no keys"):
        bulkhead(1).of("acme")
