"""Keys of which nothing is kept but how full their bucket is: what that holds, and what becomes of it when settings change."""

from __future__ import annotations

from typing import Any

import pytest

from _worlds import World, in_child
from svcgov import Rate, rate_limit
from svcgov.errors import RateLimitedError
from svcgov.policies._buckets import GONE, Level
from svcgov.policies._keys import LOOKS, Keys
from svcgov.policies._rate_settings import RateLimitSettings
from svcgov.policies._reservations import Reservations
from svcgov.testing import ManualClock

SIZE = """
import gc, json, tracemalloc
import svcgov
from svcgov.testing import ManualClock
gate = svcgov.rate_limit("1000/second", key=lambda call: call.args[0], max_keys={most}, clock=ManualClock(auto=True), **{more})
call = gate(lambda key: None)
keys = [str(number) for number in range({most})]
call("warm")
gc.collect()
tracemalloc.start()
for key in keys:
    call(key)
gc.collect()
print(json.dumps(tracemalloc.get_traced_memory()[0] / len(keys)))
"""


def keyed(limit: Any = "2/second", **more: Any) -> tuple[Any, Any]:
    """A gate whose key is an argument, and the machine of its keys."""
    gate = rate_limit(limit, key="arg:who", clock=ManualClock(), **more)
    return gate, gate.machine


def passed(gate: Any, key: str, tries: int = 9) -> int:
    """How many of so many calls of *key* pass at this moment."""
    call = gate(lambda who: 1)
    count = 0
    for _ in range(tries):
        try:
            count += call(key)
        except RateLimitedError:
            pass
    return count


def once(monkeypatch: pytest.MonkeyPatch, of: type, name: str, come_by: Any) -> None:
    """Let *come_by* run in the middle of the first call of a method, as a collection of garbage may."""
    method, todo = getattr(of, name), [come_by]

    def visited(self: Any, *args: Any) -> Any:
        if todo:
            todo.pop()()
        return method(self, *args)

    monkeypatch.setattr(of, name, visited)


@pytest.mark.parametrize("most", [5_500, 10_000, 11_000])
@pytest.mark.parametrize("more", [{}, {"overrides": {"1*": "9/second", "2*": "8/second"}}], ids=["plain", "overrides"])
def test_a_key_holds_two_hundred_bytes_at_most(most: int, more: Any) -> None:
    """Beside the key itself, however full the table of keys is."""
    assert in_child(SIZE.format(most=most, more=more)) <= 200


# -- settings that change ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"max_wait": 1, "max_waiting": 0}, {"cost": lambda call: 1}, {"limit": ["4/second", "4/minute"]}, {"warm_up": 0.001}],
    ids=["max_wait", "cost", "several", "warm_up"],
)
def test_what_a_key_has_spent_stays_spent_whatever_counts_it(changes: Any) -> None:
    """Of those that are known, of the calls without a key, of the keys beyond; there and back."""
    gate, keys = keyed("4/second", max_keys=1)
    assert [passed(gate, key, 3) for key in ("acme", "beyond")] == [3, 3]
    keys.shared.keep(0.5)
    gate.reconfigure(changes)
    assert isinstance(keys.by_key["acme"], Reservations)
    assert [passed(gate, key, 2) for key in ("acme", "beyond")] == [1, 1]
    gate.reconfigure({"limit": "8/second"})
    assert [passed(gate, key) for key in ("acme", "beyond")] == [0, 0]
    assert gate.snapshot()["remaining"] == 4


def test_another_algorithm_counts_anew() -> None:
    """What was spent of a bucket says nothing of a window."""
    gate, keys = keyed()
    assert passed(gate, "acme") == 2
    gate.reconfigure({"algorithm": "moving-window"})
    assert passed(gate, "acme") == 2
    gate.reconfigure({})
    assert passed(gate, "acme") == 2
    assert isinstance(keys.by_key["acme"], Reservations)


def test_a_limit_of_nothing_remembers_what_was_spent_before_it() -> None:
    """It drains meanwhile as it would have; a key that first came then has spent nothing."""
    gate, _ = keyed("4/second")
    assert passed(gate, "acme", 4) == 4
    gate.reconfigure({"limit": "0/second"})
    assert [passed(gate, key, 1) for key in ("acme", "new")] == [0, 0]
    gate.reconfigure({"limit": "0/minute"})
    gate.clock.advance(0.25)
    assert gate.of("acme").snapshot() == {"limit": 0, "window": 60.0, "remaining": 0, "reset": 0.75}
    gate.reconfigure({"limit": "8/second"})
    assert [gate.of(key).snapshot()["remaining"] for key in ("acme", "new")] == [2, 8]


def test_a_block_has_no_call_to_find_a_key_in() -> None:
    """It goes by the limit that is shared by all without one."""
    gate, keys = keyed()
    with gate:
        assert (gate.snapshot()["remaining"], len(keys.by_key)) == (1, 0)


def test_a_key_with_several_limits_has_a_machine_of_its_own() -> None:
    """All others are levels."""
    gate, keys = keyed(overrides={"vip-*": ["5/second", "3/minute"]})
    assert [passed(gate, key) for key in ("vip-1", "acme")] == [3, 2]
    assert [type(one) for one in keys.by_key.values()] == [Reservations, Level]


def test_the_numbers_of_a_limit_are_kept_once() -> None:
    """For all keys that have it, and for those that came before and after it was changed."""
    gate, keys = keyed(overrides={"vip-*": "9/second"})
    for names in (("a", "b", "vip-1", "vip-2"), ("c", "vip-3")):
        for name in names:
            passed(gate, name, 1)
        assert len({id(one.aim) for one in keys.by_key.values()}) == 2
        gate.reconfigure({"limit": "5/second", "overrides": {"vip-*": "8/second"}})
    for number in range(2, 9):
        gate.reconfigure({"limit": f"{number}/second"})
    assert len(keys._aims) == 2  # those of before are not kept


def test_a_level_drains_as_fast_as_calls_may_come() -> None:
    """What was spent is not forgotten before, however little of it is left."""
    gate, _ = keyed("4/second")
    assert passed(gate, "acme") == 4
    for _ in range(3):
        gate.clock.advance(0.25)
        assert passed(gate, "acme") == 1


def test_machines_of_the_same_limits_have_one_owner() -> None:
    """Which knows what a refusal needs to know."""
    gate, keys = keyed(cost=lambda call: 1, overrides={"vip-*": "9/second"})
    for name in ("a", "b", "vip-1", "vip-2"):
        passed(gate, name, 1)
    assert len({id(one.owner) for one in keys.by_key.values()}) == 2


def test_decisions_are_told_of_levels_too(world: World) -> None:
    """Those that pass and those that are refused; none of them needs a machine for it."""
    gate = rate_limit("4/second", key=lambda call: call.args[0], clock=world.clock)
    call = world.governed(gate, lambda who: gate.decided())
    gate.tell_decisions()
    assert call("acme") == {"limit": 4, "window": 1.0, "remaining": 3, "reset": 0.25}
    machine: Any = gate.machine
    machine.by_key["acme"].keep(1.0)
    with pytest.raises(RateLimitedError):
        machine.admit_key("acme", world.clock.monotonic())
    assert gate.decided() == {"limit": 4, "window": 1.0, "remaining": 0, "reset": 1.0}
    assert isinstance(machine.by_key["acme"], Level)


@pytest.mark.parametrize("key", [None, "arg:who"], ids=["alone", "of keys"])
def test_what_never_fits_has_no_more_left_than_there_is(key: Any) -> None:
    """However long nobody came."""
    gate = rate_limit("3/second", key=key, cost=5, clock=ManualClock())
    gate.clock.advance(100)  # type: ignore[attr-defined]  # a clock by hand
    with pytest.raises(RateLimitedError) as error:
        gate(lambda who: who)("acme")
    assert (error.value.reason, error.value.remaining, error.value.reset) == ("cost_exceeds_burst", 3, 0)


# -- keys that are forgotten -------------------------------------------------------------------------------------------


def test_each_key_has_its_turn_to_be_looked_at() -> None:
    """Also the last of many is found, when all before it are in use."""
    gate, keys = keyed("1/second", max_keys=3 * LOOKS)
    for number in range(3 * LOOKS):
        passed(gate, str(number), 1)
    keys.by_key[str(3 * LOOKS - 1)].keep(0.0)
    assert [passed(gate, "new", 1) for _ in range(3)] == [1, 0, 1]
    assert "new" in keys.by_key
    assert len(keys.by_key) == 3 * LOOKS


class Fickle:
    """A key whose hash changes, so that nobody finds it again."""

    number = 0

    def __hash__(self) -> int:
        return self.number


def test_a_key_that_cannot_be_found_again_is_let_be() -> None:
    """It is never forgotten, and is in nobody's way."""
    gate, keys = keyed(max_keys=2)
    lost: Any = Fickle()
    passed(gate, lost, 1)
    lost.number = 1
    passed(gate, "a", 1)
    gate.reconfigure({"limit": "2/second", "max_keys": 2})
    gate.clock.advance(1)
    assert passed(gate, "b", 1) == 1
    assert list(keys.by_key) == [lost, "b"]


@pytest.mark.parametrize("key", ["acme", "beyond", None])
def test_a_call_whose_level_was_taken_out_asks_anew(key: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever place it was: nothing is poured into one that is no more, and the call pays where it is asked."""
    gate, keys = keyed("9/second", max_keys=1)
    keys.of("acme").keep(0.1)
    level = keys.shared if key is None else keys.of(key)
    call = gate(lambda who: who)
    once(monkeypatch, Level, "admit", lambda: gate.reconfigure({"cost": lambda call: 2}))
    assert call(key) == key
    assert level.admit(0.0) is GONE
    shown = gate.snapshot() if key is None else keys.standing(key)
    assert shown["remaining"] == (6 if key == "acme" else 7)


def test_a_level_that_is_forgotten_while_its_call_comes_in_is_made_anew() -> None:
    """The call counts there, once."""
    gate, keys = keyed(max_keys=1)
    level = keys.of("acme")
    keys.of("other")
    assert level.admit(0.0) is GONE
    assert passed(gate, "acme") == 2


def test_a_machine_that_is_only_looked_at_is_not_asked_again() -> None:
    """Whoever looks has taken it out, and puts it back: the call has paid."""
    _, keys = keyed(cost=lambda call: 1)
    machine = keys.of("acme")

    class Looking:
        """The lock, as one finds it when the other has looked."""

        def __enter__(self) -> None:
            keys.by_key["acme"] = machine

        def __exit__(self, *of: object) -> None: ...

    keys.by_key, keys._lock = Showing(machine), Looking()
    assert keys.admit_key("acme", 0.0) is None
    assert machine.admit(0.0) is None
    assert machine.standing()["remaining"] == 0


class Showing(dict[str, Any]):
    """The keys, of which one is there when it is asked for first, and then is not."""

    def __init__(self, machine: Any) -> None:
        self.shown = [machine]

    def get(self, key: str, default: Any = None) -> Any:
        return self.shown.pop() if self.shown else super().get(key, default)


# -- somebody comes by -------------------------------------------------------------------------------------------------


def test_who_comes_by_while_a_key_is_looked_at_makes_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even that key: the call goes by the limit that keys share for which there is no room."""
    gate, keys = keyed(cost=lambda call: 1, max_keys=1)
    assert passed(gate, "acme", 1) == 1
    once(monkeypatch, Reservations, "unused", lambda: passed(gate, "acme", 1))
    assert passed(gate, "other", 2) == 1
    assert keys.overflow.standing()["remaining"] == 0
    assert keys.standing("acme")["remaining"] == 1


@pytest.mark.parametrize(("of", "more"), [(Level, {}), (Reservations, {"cost": lambda call: 1})], ids=["level", "machine"])
def test_who_comes_by_while_a_key_is_given_another_limit_makes_none(of: Any, more: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """His call goes by the limit that keys share for which there is no room."""
    gate, keys = keyed(**more)
    assert passed(gate, "acme", 1) == 1
    name = "retarget_locked" if of is Level else "retarget"
    once(monkeypatch, of, name, lambda: passed(gate, "other", 1))
    gate.reconfigure({"limit": "4/second", **more})
    assert list(keys.by_key) == ["acme"]
    assert passed(gate, "other", 1) == 1
    assert list(keys.by_key) == ["acme", "other"]


def test_a_key_that_cannot_be_asked_whether_it_is_unused_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody stops the program there: what it has spent stays spent."""
    gate, keys = keyed(cost=lambda call: 1, max_keys=1)
    assert passed(gate, "acme", 1) == 1

    def stopped() -> None:
        raise KeyboardInterrupt

    once(monkeypatch, Reservations, "unused", stopped)
    with pytest.raises(KeyboardInterrupt):
        keys.of("other")
    assert keys.standing("acme")["remaining"] == 1
    assert list(keys.by_key) == ["acme"]


def test_who_comes_by_while_a_level_becomes_a_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The share that is kept is that with his call."""
    gate, keys = keyed("4/second")
    assert passed(gate, "acme", 1) == 1
    call = gate(lambda who: who)
    kept = Reservations.keep
    came: list[int] = []

    def visited(self: Any, share: float) -> None:
        if share and not came:
            came.append(1)
            call("acme")
        kept(self, share)

    monkeypatch.setattr(Reservations, "keep", visited)
    gate.reconfigure({"max_wait": 1})
    assert keys.standing("acme")["remaining"] == 2


def test_a_key_that_is_made_while_settings_change_has_the_new_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made again."""
    gate, keys = keyed()
    once(monkeypatch, Keys, "_made", lambda: gate.reconfigure({"limit": "5/second"}))
    assert passed(gate, "acme") == 5
    assert keys.by_key["acme"].aim.rate == Rate(5, 1)


def test_a_key_that_another_call_makes_meanwhile_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both pay there."""
    gate, keys = keyed(max_keys=1)
    once(monkeypatch, Keys, "_made", lambda: passed(gate, "acme", 1))
    assert passed(gate, "acme") == 1
    assert keys.overflow.standing()["remaining"] == 2


def test_a_key_that_is_forgotten_while_settings_change_stays_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has none to change."""
    gate, keys = keyed()
    keys.of("acme")
    once(monkeypatch, RateLimitSettings, "for_key", lambda: keys.by_key.pop("acme"))
    gate.reconfigure({"limit": "5/second"})
    assert list(keys.by_key) == []
