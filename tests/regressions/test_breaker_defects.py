"""What stock pybreaker does wrong, and ours, which is one, does right: the same scenario with the one and with the other."""

from __future__ import annotations

import asyncio
import datetime
import threading
from abc import ABC
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from _worlds import in_child
from svcgov import circuit_breaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.testing import ManualClock

AWAY = 3  # failures in a row that open either of them


def stock(**given: Any) -> Any:
    """pybreaker's own."""
    return pybreaker.CircuitBreaker(fail_max=AWAY, **given)


def ours(**given: Any) -> Any:
    """Ours, by pybreaker's names."""
    return circuit_breaker(fail_max=AWAY, **{"success_threshold": 1, **given})


def raising(error: BaseException) -> Callable[[], Any]:
    """A function that raises it."""

    def fail() -> Any:
        raise error

    return fail


def what_comes(breaker: Any, *errors: BaseException) -> list[BaseException]:
    """What callers get from calls that raise these."""
    got: list[BaseException] = []
    for error in errors:
        try:
            breaker.call(raising(error))
        except BaseException as caught:
            got.append(caught)
    return got


def two_at_once(breaker: Any, wait: float) -> bool:
    """Whether a second call gets in while the first one is under way."""
    inside = threading.Event()
    second = threading.Thread(target=breaker.call, args=(inside.set,))

    def first() -> bool:
        second.start()
        return inside.wait(wait)

    together: bool = breaker.call(first)
    second.join(10)
    return together


def test_calls_run_in_parallel() -> None:
    """Stock holds its lock over the whole call: one caller at a time."""
    assert not two_at_once(stock(), 0.1)
    assert two_at_once(ours(), 10)


def state_after_failing_coroutines(breaker: Any) -> str:
    """The state when a coroutine function has failed as often as is needed."""

    @breaker  # type: ignore[untyped-decorator]  # either of the two
    async def fail() -> None:
        raise ConnectionError

    async def main() -> None:
        for _ in range(AWAY):
            try:
                await fail()
            except ConnectionError:
                pass

    asyncio.run(main())
    return str(breaker.current_state)


def test_failing_coroutines_open_it() -> None:
    """Stock sees a coroutine come back, and counts it as a success before it has begun."""
    assert state_after_failing_coroutines(stock()) == "closed"
    assert state_after_failing_coroutines(ours()) == "open"


@pytest.mark.parametrize("kind", [asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_stops_a_call_is_no_failure(kind: type[BaseException]) -> None:
    """Stock opens because its callers went away, and the last of them gets another error for it."""
    breaker = stock()
    assert [type(error) for error in what_comes(breaker, *[kind()] * AWAY)] == [kind, kind, pybreaker.CircuitBreakerError]
    assert breaker.current_state == "open"
    breaker = ours()
    assert [type(error) for error in what_comes(breaker, *[kind()] * AWAY)] == [kind] * AWAY
    assert breaker.current_state == "closed"


class Business(Exception, ABC):
    """An error whose class has a metaclass of its own, as all do that derive from an abstract class."""


def test_an_excluded_class_with_a_metaclass_excludes_itself_alone() -> None:
    """Stock takes it for a function, calls it, gets an instance, which is true: it excludes everything."""
    for make, state in ((stock, "closed"), (ours, "open")):
        breaker = make(exclude=[Business])
        what_comes(breaker, *[ValueError()] * AWAY)
        assert breaker.current_state == state
    breaker = ours(exclude=[Business])
    what_comes(breaker, *[Business()] * AWAY)
    assert breaker.current_state == "closed"


NESTED = """
import json, os, threading
from {module} import {name} as make
one, two = make(), make()
meeting = threading.Barrier(2)
def inside(other):
    meeting.wait(5)
    other.call(int)
threads = [threading.Thread(target=a.call, args=(inside, b), daemon=True) for a, b in ((one, two), (two, one))]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join({wait})
print(json.dumps([thread.is_alive() for thread in threads]), flush=True)
os._exit(0)
"""


def test_two_of_them_nested_in_opposite_orders_go_on() -> None:
    """With stock, two threads wait for one another for ever."""
    assert in_child(NESTED.format(module="pybreaker", name="CircuitBreaker", wait=0.1)) == [True, True]
    assert in_child(NESTED.format(module="svcgov", name="circuit_breaker", wait=10)) == [False, False]


class Broken(pybreaker.CircuitBreakerListener):
    """A listener with a fault of its own."""

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        raise RuntimeError("broken listener")


def test_a_raising_listener_changes_nothing() -> None:
    """With stock its error takes the place of the user's, and the state is not what it says."""
    errors = [ConnectionError(number) for number in range(AWAY)]
    breaker = stock(listeners=[Broken()])
    assert isinstance(what_comes(breaker, *errors)[-1], RuntimeError)
    assert breaker.current_state == "closed"
    breaker = ours(listeners=[Broken()])
    assert what_comes(breaker, *errors) == errors
    assert breaker.current_state == "open"


def test_the_call_that_opens_it_raises_its_own_error() -> None:
    """Stock raises a refusal in its place, though the call was made."""
    errors = [ConnectionError(number) for number in range(AWAY)]
    assert isinstance(what_comes(stock(), *errors)[-1], pybreaker.CircuitBreakerError)
    assert what_comes(ours(), *errors) == errors


def test_an_excluded_error_is_no_success() -> None:
    """Stock begins to count anew at it, and closes a half-open circuit by it."""
    mixed = [ValueError(), ValueError(), KeyError(), ValueError()]
    for make, state in ((stock, "closed"), (ours, "open")):
        breaker = make(exclude=[KeyError])
        what_comes(breaker, *mixed)
        assert breaker.current_state == state
    for make, state in ((stock, "closed"), (ours, "half-open")):
        breaker = make(exclude=[KeyError])
        breaker.half_open()
        what_comes(breaker, KeyError())
        assert breaker.current_state == state


def second_probe_gets_in(breaker: Any) -> bool:
    """Whether a half-open circuit that needs one success lets a second block in beside the first."""
    breaker.half_open()
    with breaker.calling():
        try:
            with breaker.calling():
                return True
        except pybreaker.CircuitBreakerError:
            return False


def test_a_block_holds_the_probe() -> None:
    """Stock knows no permits: whoever comes while the probe is out is a probe too."""
    assert second_probe_gets_in(stock())
    assert not second_probe_gets_in(ours())


def generators_of(breaker: Any) -> dict[str, Any]:
    """What comes of generators: who stops early, what is returned, what is thrown in and dealt with."""

    @breaker  # type: ignore[untyped-decorator]  # either of the two
    def rows() -> Any:
        try:
            yield "row"
        except KeyError:
            yield "dealt with"
        return "sum"

    def whole() -> Any:
        returned.append((yield from rows()))

    returned: list[Any] = []
    list(whole())
    asked = rows()
    next(asked)
    try:
        thrown = asked.throw(KeyError())
    except StopIteration:
        thrown = "lost"
    refused = 0
    for _ in range(AWAY):
        try:
            left = rows()
            next(left)
            left.close()
        except pybreaker.CircuitBreakerError:
            refused += 1
    return {"returned": returned, "thrown": thrown, "refused": refused}


def test_generators_are_governed_over_their_whole_life() -> None:
    """Stock opens because nobody asked for more, loses what they return, and what they make of an error thrown in."""
    assert generators_of(stock()) == {"returned": [None], "thrown": "lost", "refused": 2}
    assert generators_of(ours()) == {"returned": ["sum"], "thrown": "dealt with", "refused": 0}


def test_a_generator_that_fails_on_its_way_is_a_failure() -> None:
    """Of either of them."""
    for make in (stock, ours):
        breaker = make()

        @breaker  # type: ignore[untyped-decorator]  # as above
        def rows() -> Any:
            yield "row"
            raise ConnectionError

        for _ in range(AWAY):
            with pytest.raises((ConnectionError, pybreaker.CircuitBreakerError)):
                list(rows())
        assert breaker.current_state == "open"


def test_a_step_of_the_wall_clock_ends_no_wait(monkeypatch: pytest.MonkeyPatch, clock: ManualClock) -> None:
    """Stock reads the time of day: a correction by an hour lets everybody through."""

    class Stepped(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Stepped:
            return super().now(tz) + datetime.timedelta(hours=1)

    breaker = stock(reset_timeout=30)
    breaker.open()
    monkeypatch.setattr(pybreaker, "datetime", Stepped)
    assert breaker.call(lambda: "through") == "through"
    breaker = ours(reset_timeout=30, clock=clock)
    breaker.open()
    clock.step_wall(3600)
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.call(lambda: "through")
