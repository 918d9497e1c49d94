"""Code written for pybreaker goes on working; and importing pybreaker imports neither Redis nor tornado."""

from __future__ import annotations

import asyncio
import pickle
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from _worlds import in_child
from svcgov import circuit_breaker
from svcgov.errors import CircuitOpenError, ConfigError, RejectedError
from svcgov.policies import _pybreaker

if TYPE_CHECKING:
    from svcgov.testing import ManualClock


class Changes(pybreaker.CircuitBreakerListener):
    """A listener as people write them for pybreaker."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, str, str]] = []

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        self.heard.append((cb, old_state.name, new_state.name))


def made(clock: ManualClock, **given: Any) -> Any:
    """A breaker by pybreaker's names."""
    return circuit_breaker(**{"fail_max": 2, "reset_timeout": 30, "open_jitter": 0.0, "clock": clock, **given})


def fail(breaker: Any, error: Exception, times: int = 1) -> None:
    """Calls that fail."""

    def raising() -> None:
        raise error

    for _ in range(times):
        with pytest.raises(type(error)):
            breaker.call(raising)


def test_it_is_one(clock: ManualClock) -> None:
    """Whoever asks by isinstance gets the right answer."""
    assert isinstance(made(clock), pybreaker.CircuitBreaker)


def test_its_names_for_settings_are_understood(clock: ManualClock) -> None:
    """Given when it is made, read, and set later on, one by one."""
    breaker = made(clock, fail_max=3, reset_timeout=20, success_threshold=4)
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (3, 20.0, 4)
    breaker.fail_max = 2
    breaker.reset_timeout = 10
    breaker.success_threshold = 1
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (2, 10.0, 1)
    fail(breaker, OSError(), times=2)
    clock.advance(10)
    assert breaker.call(lambda: "back") == "back"
    assert breaker.current_state == pybreaker.STATE_CLOSED
    with pytest.raises(ConfigError, match=r"circuit_breaker\.consecutive_failures"):
        breaker.fail_max = 0
    assert breaker.fail_max == 2


def test_fail_max_is_none_where_only_a_rate_counts() -> None:
    """0 says so, as a number must."""
    assert circuit_breaker().fail_max == 0


def test_its_error_is_caught_by_either_name(clock: ManualClock) -> None:
    """And survives a process pool, with all it says, its notes too."""
    breaker = made(clock)
    breaker.open()
    with pytest.raises(pybreaker.CircuitBreakerError) as refused:
        breaker.call(int)
    refused.value.add_note("seen")
    again = pickle.loads(pickle.dumps(refused.value))
    for error in (refused.value, again):
        assert isinstance(error, CircuitOpenError)
        assert isinstance(error, RejectedError)
        assert isinstance(error, pybreaker.CircuitBreakerError)
        assert (error.policy, error.reason, error.retry_after, error.status) == ("circuit_breaker", "open", 30.0, 503)
        assert error.__notes__ == ["seen"]
        assert type(error).__name__ == "CircuitOpenError"


def test_a_listener_hears_of_every_change(clock: ManualClock) -> None:
    """With the breaker, and pybreaker's objects of the states before and after."""
    first, second = Changes(), Changes()
    breaker = made(clock, listeners=[first], success_threshold=1)
    breaker.add_listeners(second)
    assert breaker.listeners == (first, second)
    fail(breaker, OSError(), times=2)
    breaker.remove_listener(second)
    assert breaker.listeners == (first,)
    clock.advance(30)
    breaker.call(int)
    opened, probed, closed = ("closed", "open"), ("open", "half-open"), ("half-open", "closed")
    assert [(before, after) for _, before, after in first.heard] == [opened, probed, closed]
    assert [(before, after) for _, before, after in second.heard] == [opened]
    assert {cb for cb, _, _ in first.heard} == {breaker}


def test_a_listener_that_is_gone_costs_nothing(clock: ManualClock) -> None:
    """Nobody listens any more: no fact is made."""
    breaker, one, other = made(clock), Changes(), Changes()
    breaker.add_listeners(one, other)
    breaker.remove_listener(other)
    breaker.remove_listener(one)
    assert not breaker.ears.heard
    with pytest.raises(ValueError, match="not in list"):
        breaker.remove_listener(one)


@pytest.mark.parametrize("way", ["call", "calling", "decorator", "with"])
def test_every_way_to_call_counts(way: str, clock: ManualClock) -> None:
    """``call``, ``calling``, the decorator, and the block that is our own."""
    breaker = made(clock, success_threshold=1)

    def raising(error: Exception | None) -> str:
        if error is not None:
            raise error
        return "answer"

    def through(error: Exception | None) -> str:
        if way == "call":
            return str(breaker.call(raising, error))
        if way == "decorator":
            return str(breaker(raising)(error))
        with breaker.calling() if way == "calling" else breaker:
            return raising(error)

    for _ in range(2):
        with pytest.raises(OSError):
            through(OSError())
    with pytest.raises(pybreaker.CircuitBreakerError):
        through(None)
    clock.advance(30)
    assert through(None) == "answer"
    assert breaker.current_state == "closed"


def test_call_hands_on_all_arguments(clock: ManualClock) -> None:
    """Those with names too, whether the breaker has to see the call or not."""

    def answer(number: int, *, plus: int) -> int:
        return number + plus

    async def later(number: int, *, plus: int) -> int:
        return number + plus

    for breaker in (made(clock), made(clock, key="arg:number"), made(clock, when=bool)):
        assert breaker.call(answer, 1, plus=2) == 3
        assert asyncio.run(breaker.call_async(later, 1, plus=2)) == 3


def test_its_object_for_the_state_knows_its_breaker(clock: ManualClock) -> None:
    """As those of pybreaker's own do."""
    breaker = made(clock)
    assert breaker.state._breaker is breaker


def test_call_async_is_for_asyncio(clock: ManualClock) -> None:
    """pybreaker's own is for tornado."""
    breaker = made(clock)

    async def answer(number: int, *, plus: int) -> int:
        if number < 0:
            raise OSError
        return number + plus

    async def main() -> None:
        assert await breaker.call_async(answer, 1, plus=2) == 3
        for _ in range(2):
            with pytest.raises(OSError):
                await breaker.call_async(answer, -1, plus=0)

    asyncio.run(main())
    assert breaker.current_state == "open"


def test_excluded_errors_teach_nothing(clock: ManualClock) -> None:
    """Given when it is made, added and removed by hand, types and functions."""
    breaker = made(clock, exclude=[KeyError])
    breaker.add_excluded_exception(IndexError)
    breaker.add_excluded_exceptions(lambda error: error.args == ("business",))
    assert not breaker.is_system_error(KeyError())
    assert not breaker.is_system_error(IndexError())
    assert not breaker.is_system_error(ValueError("business"))
    assert not breaker.is_system_error(KeyboardInterrupt())
    assert breaker.is_system_error(ValueError("technical"))
    for error in (KeyError(), IndexError(), ValueError("business")):
        fail(breaker, error, times=3)
    assert breaker.snapshot()["calls"] == 0
    breaker.remove_excluded_exception(IndexError)
    fail(breaker, IndexError(), times=2)
    assert breaker.current_state == "open"


def test_states_are_its_own_objects(clock: ManualClock) -> None:
    """With the names that its constants say."""
    breaker = made(clock)
    for move, kind, name in (
        (breaker.close, pybreaker.CircuitClosedState, pybreaker.STATE_CLOSED),
        (breaker.open, pybreaker.CircuitOpenState, pybreaker.STATE_OPEN),
        (breaker.half_open, pybreaker.CircuitHalfOpenState, pybreaker.STATE_HALF_OPEN),
    ):
        move()
        assert isinstance(breaker.state, kind)
        assert breaker.state.name == breaker.current_state == breaker._state_storage.state == name


def test_its_counters_are_a_view_of_the_window(clock: ManualClock) -> None:
    """One truth: nothing is counted twice."""
    breaker = made(clock, fail_max=9)
    fail(breaker, OSError(), times=3)
    breaker.call(int)
    assert (breaker.fail_counter, breaker.success_counter) == (3, 1)
    assert breaker.current_state == breaker.state.name == "closed"
    assert breaker.fail_counter == 3


def test_throwing_a_new_error_on_a_trip_is_refused() -> None:
    """It says why; saying that it is not wanted is fine."""
    with pytest.raises(ConfigError, match="the call that opens the circuit raises its own error"):
        circuit_breaker(throw_new_error_on_trip=True)  # type: ignore[call-overload]  # that is the point
    assert circuit_breaker(throw_new_error_on_trip=False).current_state == "closed"


def test_a_breaker_imports_neither_redis_nor_tornado() -> None:
    """Though Redis is installed here, and pybreaker would."""
    code = """
import json, sys
import svcgov
svcgov.circuit_breaker()(print)
print(json.dumps([name in sys.modules for name in ("pybreaker", "redis", "tornado")]))
"""
    assert in_child(code) == [True, False, False]


class Package:
    """As much of pybreaker as is mended."""

    HAS_TORNADO_SUPPORT = HAS_REDIS_SUPPORT = False

    class CircuitRedisStorage:
        """Its storage in Redis."""

        def __init__(self, state: str, *, namespace: str = "") -> None:
            self.state = state
            self.namespace = namespace


def test_what_is_not_installed_stays_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """pybreaker goes on saying so; and what it has found by itself is left alone."""
    module: Any = type("module", (Package,), {})
    monkeypatch.setattr(_pybreaker, "find_spec", lambda name: None)
    _pybreaker.mend(module, ("redis", "tornado"))
    _pybreaker.mend(module, ())
    assert not module.HAS_TORNADO_SUPPORT
    assert not module.HAS_REDIS_SUPPORT
    assert not hasattr(module, "gen")


def test_tornado_is_loaded_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not when it is found; Redis is not there."""
    module: Any = type("module", (Package,), {})
    monkeypatch.setattr(_pybreaker, "find_spec", lambda name: name == "tornado")
    _pybreaker.mend(module, ("redis", "tornado"))
    assert module.HAS_TORNADO_SUPPORT
    assert not module.HAS_REDIS_SUPPORT
    for name in ("tornado", "tornado.gen"):
        monkeypatch.setitem(sys.modules, name, SimpleNamespace(coroutine="tornado's"))
    assert module.gen.coroutine == "tornado's"


@pytest.mark.extras
def test_redis_is_loaded_with_the_first_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which puts the original in place again."""
    module: Any = type("module", (Package,), {"CircuitRedisStorage": type("Storage", (Package.CircuitRedisStorage,), {})})
    original = module.CircuitRedisStorage.__init__
    monkeypatch.setattr(_pybreaker, "find_spec", lambda name: name == "redis")
    _pybreaker.mend(module, ("tornado", "redis"))
    assert not module.HAS_TORNADO_SUPPORT
    assert module.HAS_REDIS_SUPPORT
    assert module.CircuitRedisStorage.__init__ is not original
    storage = module.CircuitRedisStorage("open", namespace="orders")
    assert (storage.state, storage.namespace) == ("open", "orders")
    assert module.CircuitRedisStorage.__init__ is original
    assert module.Redis.__module__.startswith("redis")
    assert module.Pipeline.__module__.startswith("redis")
    assert issubclass(module.RedisError, Exception)


@pytest.mark.extras
def test_its_redis_storage_works_all_the_same() -> None:
    """Redis is loaded when the first storage is made, which then does what it should: here, find nobody there."""
    code = """
import json, logging, sys
import svcgov
svcgov.circuit_breaker()
import pybreaker
logging.disable()
before = "redis" in sys.modules
class Nobody:
    def setnx(self, *args):
        pass
    def __getattr__(self, name):
        def fail(*args, **kwargs):
            import redis
            raise redis.exceptions.ConnectionError
        return fail
storage = pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, Nobody(), fallback_circuit_state=pybreaker.STATE_OPEN)
second = pybreaker.CircuitRedisStorage(pybreaker.STATE_CLOSED, Nobody())
import redis
print(json.dumps([before, pybreaker.HAS_REDIS_SUPPORT, storage.state, second.state, pybreaker.RedisError is redis.RedisError]))
"""
    assert in_child(code) == [False, True, "open", "closed", True]


@pytest.mark.extras
def test_who_has_imported_pybreaker_before_has_what_it_found() -> None:
    """Its own import is left alone, and a breaker is one all the same."""
    code = """
import json, sys
import pybreaker
import svcgov
made = svcgov.circuit_breaker()
print(json.dumps([isinstance(made, pybreaker.CircuitBreaker), "redis" in sys.modules, "__svcgov__" in dir(made(int))]))
"""
    assert in_child(code) == [True, True, True]
