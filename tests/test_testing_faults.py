"""A plan of faults: calls go wrong in its order, where the function is, and afterwards they are as they always are."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any
from weakref import ref

import pytest

import svcgov
from _loops import turns
from _worlds import in_threads
from svcgov import Pipeline, circuit_breaker, rate_limit, retry, testing, timeout
from svcgov._core import _live
from svcgov.errors import CallTimeoutError, CircuitOpenError, ConfigError, RateLimitedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _worlds import World


def called(world: World, function: Callable[..., Any], *args: Any) -> Any:
    """What comes of a call: the result, or the kind of its error."""
    try:
        return world.run(function, *args)
    except Exception as error:
        return type(error)


def test_a_decorated_function_fails_as_planned(world: World) -> None:
    """A class or an instance is raised, a delay passes, None leaves the call alone, and so does the end of the plan."""
    seen, function = world.scripted("answer")
    slow = TimeoutError("slow")
    plan = testing.faults(ConnectionError, None, slow, 0.5, {"delay": "2s", "error": OSError}, {}, clock=world.clock)
    faulty = plan(function)
    assert [called(world, faulty) for _ in range(7)] == [
        ConnectionError, "answer", TimeoutError, "answer", OSError, "answer", "answer",
    ]  # fmt: skip
    assert plan.calls == 7
    assert len(seen) == 4
    assert world.clock.monotonic() == 2.5
    assert faulty.__name__ == function.__name__
    assert repr(plan) == "<faults, 7 calls of 6>"


def test_the_very_error_of_the_plan_is_raised(world: World) -> None:
    """An instance as it is, a class made anew each time."""
    slow = TimeoutError("slow")
    faulty = testing.faults(slow, OSError, forever=True)(world.scripted("answer")[1])
    raised: list[BaseException] = []
    for _ in range(3):
        with pytest.raises(OSError) as caught:
            world.run(faulty)
        raised.append(caught.value)
    assert raised[0] is slow
    assert raised[1] is not raised[2]


def test_the_last_step_can_go_on_for_ever(world: World) -> None:
    """The others come once."""
    plan = testing.faults(None, ConnectionError, forever=True)
    faulty = plan(world.scripted("answer")[1])
    assert [called(world, faulty) for _ in range(9)] == ["answer"] + [ConnectionError] * 8


def test_what_is_no_failure_can_be_planned_too(world: World) -> None:
    """A cancellation, an interrupt: whatever can be raised."""
    faulty = testing.faults(KeyboardInterrupt)(world.scripted("answer")[1])
    with pytest.raises(KeyboardInterrupt):
        world.run(faulty)
    assert world.run(faulty) == "answer"


def test_a_delay_goes_by_the_clock_of_the_test(world: World) -> None:
    """Where nothing else is said; a coroutine waits until the test has advanced it."""
    faulty = testing.faults(60)(world.scripted("answer")[1])
    with testing.by_hand(testing.ManualClock(auto=True)) as clock:
        assert world.run(faulty) == "answer"
        assert clock.monotonic() == 60.0


def test_all_governed_functions_fail_inside_a_block(world: World) -> None:
    """Those that were there, and those that are made meanwhile; afterwards none does."""
    before = world.governed(timeout(5, clock=world.clock), "answer")
    with testing.faults(ConnectionError, forever=True) as faults:
        inside = world.governed(timeout(5, clock=world.clock), "answer")
        assert [called(world, call.function) for call in (before, inside)] == [ConnectionError] * 2
        assert faults.calls == 2
    assert [before(), inside()] == ["answer"] * 2
    assert faults.calls == 2
    assert not _live.midwives


def test_the_policies_see_the_faults(world: World) -> None:
    """They are inside of all of them: tried again, counted, and measured."""
    breaker = circuit_breaker("payments", consecutive_failures=3, clock=world.clock)
    policy = Pipeline(retry(on=ConnectionError, attempts=3, backoff=1, clock=world.clock), breaker)
    call = world.governed(policy, "paid")
    with testing.faults(*[ConnectionError] * 5, at=call.function) as faults:
        call.fails(ConnectionError)
        call.fails(CircuitOpenError)
        assert (faults.calls, call.count, breaker.snapshot()["failed"]) == (3, 0, 3)


def test_a_delay_in_a_block_goes_by_the_clock_of_the_policies(world: World) -> None:
    """A slow call is slow to them."""
    breaker = circuit_breaker(slow_call_duration=1, clock=world.clock)
    call = world.governed(breaker, "late")
    with testing.faults(3, at=call.function):
        assert call() == "late"
    assert (world.clock.monotonic(), breaker.snapshot()["slow"]) == (3.0, 1)


def test_a_delay_is_cut_by_a_time_out() -> None:
    """A coroutine is cancelled in it, as in a function that hangs."""
    clock = testing.ManualClock()

    @timeout(5, clock=clock)
    async def answer() -> str:
        return "answer"

    async def main() -> None:
        task = asyncio.ensure_future(answer())
        await turns()
        clock.advance(5)
        await task

    with testing.faults("1m", at=answer) as faults, pytest.raises(CallTimeoutError):
        asyncio.run(main())
    assert faults.calls == 1


def places(world: World) -> Iterator[tuple[Any, Any]]:
    """Ways to say where, and the function that is meant by each."""
    function = world.scripted("answer")[1]
    for name in ("by-name", None):
        pipeline = Pipeline(timeout(5, clock=world.clock), name=name)
        yield name or pipeline, pipeline(function)
    one = timeout(5, clock=world.clock)(function)
    yield one, one
    through = Pipeline(timeout(5, clock=world.clock), name="through")
    yield "through", lambda: (through.call if world.name == "sync" else through.acall)(function)


def test_faults_can_be_in_one_place(world: World) -> None:
    """Of a pipeline, of its name, of a function; all others are left alone."""
    meant = list(places(world))
    for place, function in meant:
        with testing.faults(ConnectionError, at=place):
            others = [other for _, other in meant if other is not function]
            assert [called(world, other) for other in others] == ["answer"] * 3
            assert called(world, function) is ConnectionError


def test_a_key_that_is_an_argument_is_found_in_spite_of_faults(world: World) -> None:
    """To the policies the function is still the same."""
    gate = rate_limit("1/minute", key="arg:tenant", clock=world.clock)

    def charge(tenant: str) -> str:
        return tenant

    async def charge_async(tenant: str) -> str:
        return tenant

    function: Any = gate(charge if world.name == "sync" else charge_async)
    with testing.faults(None, ConnectionError, at=function):
        assert called(world, function, "acme") == "acme"
        assert called(world, function, "other") is ConnectionError
        assert called(world, function, "acme") is RateLimitedError


@pytest.mark.extras
def test_a_governed_client_fails_at_its_target() -> None:
    """As if the network did; nothing is sent."""
    import httpx2

    sent: list[str] = []

    def answer(request: Any) -> httpx2.Response:
        sent.append(str(request.url))
        return httpx2.Response(200)

    client = svcgov.govern(
        httpx2.Client(base_url="http://payments", transport=httpx2.MockTransport(answer)),
        target="payments",
        policy=retry(attempts=2, backoff=0),
    )
    with testing.faults(httpx2.ConnectError("refused"), at="payments") as faults:
        assert client.get("/").status_code == 200
    assert (faults.calls, len(sent)) == (2, 1)


def test_plans_stand_in_one_another(world: World) -> None:
    """The inner one comes first; what it leaves alone goes on to the outer one. With a clock by hand, too."""
    call = world.governed(timeout(5), "answer")
    with testing.faults(ConnectionError, forever=True), testing.by_hand():
        with testing.faults(OSError, at=call.function):
            assert [called(world, call.function) for _ in range(2)] == [OSError, ConnectionError]
        assert called(world, call.function) is ConnectionError
    assert call() == "answer"


def test_a_plan_goes_on_where_it_was(world: World) -> None:
    """In another block, and also where it is entered twice."""
    call = world.governed(timeout(5), "answer")
    plan = testing.faults(OSError, ConnectionError, at=call.function)
    for kind in (OSError, ConnectionError):
        with plan:
            assert called(world, call.function) is kind
    assert call() == "answer"


def test_each_call_takes_a_step_of_its_own() -> None:
    """Also those of several threads."""
    plan = testing.faults(*[ConnectionError] * 100)
    failed: list[int] = []
    faulty = plan(lambda: None)

    def work(number: int) -> None:
        for _ in range(50):
            try:
                faulty()
            except ConnectionError:
                failed.append(number)

    assert in_threads(4, work) == []
    assert (plan.calls, len(failed)) == (200, 100)


def test_a_plan_keeps_nothing_alive(world: World) -> None:
    """What was governed goes when its user lets it go."""
    call = world.governed(timeout(5), "answer")
    plan = testing.faults(OSError)
    with plan:
        called(world, call.function)
    gone = ref(vars(call.function)["__svcgov__"])
    del call
    gc.collect()
    assert gone() is None


def test_what_cannot_be_nested_leaves_no_faults_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable of the environment is wrong: that is said, and all is called as before."""
    governed = timeout(5)(lambda: "answer")
    with monkeypatch.context() as wrong:
        wrong.setenv("SVCGOV_DISABLED", "timeouts")
        with pytest.raises(ConfigError, match="SVCGOV_DISABLED"), testing.faults(OSError, at=governed):
            pass
    assert governed() == "answer"
    assert not _live.midwives


@pytest.mark.parametrize(
    ("plan", "place", "path"),
    [
        ((), None, r"faults: expected at least one step"),
        ((None, "soon"), None, r"faults\[1\]: expected an error, a delay such as 2.5"),
        ((int,), None, r"faults\[0\]: expected an error"),
        ((-1,), None, r"faults\[0\]: expected an error"),
        (({"delay": -1},), None, r"faults\[0\].delay: expected a duration"),
        (({"error": "ConnectionError"},), None, r"faults\[0\].error: expected an exception, or a class of them"),
        (({"rate": 1},), None, r"faults\[0\].rate: expected one of delay, error"),
        ((OSError,), len, r"faults.at: expected a governed function, a pipeline"),
        ((OSError,), "no name", r"faults.at: expected 1 to 128 letters"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(plan: Any, place: Any, path: str) -> None:
    """Said with the step."""
    with pytest.raises(ConfigError, match=path):
        testing.faults(*plan, at=place)


def test_a_generator_goes_wrong_when_it_is_asked_for_its_first_item() -> None:
    """And is else itself: what is sent and thrown in reaches it, and so does its return."""
    clock = testing.ManualClock()

    @timeout(60, clock=clock)
    def echo() -> Any:
        heard: list[Any] = []
        try:
            while len(heard) < 2:
                heard.append((yield len(heard)))
        except KeyError:
            heard.append("thrown")
        return heard

    with testing.faults(OSError, 5, at=echo) as faults:
        broken, late = echo(), echo()
        assert faults.calls == 0
        with pytest.raises(OSError):
            next(broken)
        assert (next(late), clock.monotonic(), late.send("a")) == (0, 5.0, 1)
        with pytest.raises(StopIteration) as stop:
            late.throw(KeyError)
        assert stop.value.value == ["a", "thrown"]
        assert faults.calls == 2


def test_an_asynchronous_generator_does_so_too() -> None:
    """In the same way; one that is closed is closed inside."""
    clock = testing.ManualClock(auto=True)
    heard: list[Any] = []

    @testing.faults(OSError, 5, clock=clock)
    async def echo() -> Any:
        try:
            for number in range(3):
                said = yield number
                heard.append(said)
        except KeyError:
            heard.append("thrown")
        finally:
            heard.append("closed")

    async def main() -> None:
        with pytest.raises(OSError):
            await anext(echo())
        late = echo()
        assert (await anext(late), clock.monotonic(), await late.asend("a")) == (0, 5.0, 1)
        with pytest.raises(StopAsyncIteration):
            await late.athrow(KeyError)
        assert [number async for number in echo()] == [0, 1, 2]
        early = echo()
        await anext(early)
        await early.aclose()

    asyncio.run(main())
    assert heard == ["a", "thrown", "closed", None, None, None, "closed", "closed"]
