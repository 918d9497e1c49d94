"""The clock that stands still: time passes when the test says so, in order, and on the right loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _loops import turns
from _worlds import in_threads
from svcgov import bulkhead, circuit_breaker, testing, timeout
from svcgov.errors import CallTimeoutError
from svcgov.testing import ManualClock

if TYPE_CHECKING:
    from svcgov.typing import Clock


@pytest.fixture
def still() -> ManualClock:
    """A clock on which `asleep` waits too."""
    return ManualClock()


def test_the_clock_starts_at_zero_and_stands(still: ManualClock) -> None:
    """The wall clock shows a moment that can be chosen."""
    assert (still.monotonic(), still.monotonic()) == (0.0, 0.0)
    assert still.wall() == 1_700_000_000.0
    assert ManualClock(wall=5.0).wall() == 5.0


def test_it_is_a_clock_for_policies(still: ManualClock) -> None:
    """It has what they ask for."""
    clock: Clock = still
    assert bulkhead(1, clock=clock).clock is still
    assert sorted(testing.__all__) == dir(testing)


def test_time_passes_when_it_is_told(still: ManualClock) -> None:
    """On both readings alike."""
    for pass_by, seconds in ((still.advance, 2.5), (still.sleep, 1.0)):
        pass_by(seconds)
    assert (still.monotonic(), still.wall()) == (3.5, 1_700_000_003.5)
    still.advance(0)
    assert still.monotonic() == 3.5


def test_a_clock_does_not_go_back(still: ManualClock) -> None:
    """It is told so."""
    with pytest.raises(ValueError, match="a clock does not go back: -1"):
        still.advance(-1)
    with pytest.raises(ValueError, match="does not go back"):
        still.sleep(-1)


def test_the_wall_clock_steps_and_the_other_does_not(still: ManualClock) -> None:
    """In both directions."""
    still.step_wall(-3600)
    assert (still.monotonic(), still.wall()) == (0.0, 1_700_000_000.0 - 3600)
    still.step_wall(7200)
    assert still.wall() == 1_700_000_000.0 + 3600


def test_what_is_due_happens_in_its_order(still: ManualClock) -> None:
    """With the clock at that very moment; of the same moment, first come, first served."""
    seen: list[tuple[str, float]] = []
    for name, at in (("c", 3.0), ("a", 1.0), ("b", 2.0), ("b2", 2.0), ("d", 9.0)):
        still.call_at(at, lambda name=name: seen.append((name, still.monotonic())))  # type: ignore[misc]
    still.advance(5)
    assert seen == [("a", 1.0), ("b", 2.0), ("b2", 2.0), ("c", 3.0)]
    assert still.monotonic() == 5.0


def test_what_happens_may_lead_to_more(still: ManualClock) -> None:
    """Which happens in the same advance, if it is due."""
    seen: list[float] = []

    def again() -> None:
        seen.append(still.monotonic())
        still.call_at(still.monotonic() + 1, again)

    still.call_at(1, again)
    still.advance(3.5)
    assert seen == [1.0, 2.0, 3.0]


def test_what_happens_may_let_time_pass(still: ManualClock) -> None:
    """The clock goes on from there, and never back."""
    still.call_at(1, lambda: still.advance(5))
    still.call_at(2, lambda: None)
    still.advance(3)
    assert still.monotonic() == 6.0


def test_what_was_cancelled_does_not_happen(still: ManualClock) -> None:
    """However often it is cancelled."""
    seen: list[int] = []
    alarm = still.call_at(1, lambda: seen.append(1))
    alarm.cancel()
    alarm.cancel()
    still.advance(2)
    assert seen == []


def test_a_timer_fires_on_its_loop(still: ManualClock) -> None:
    """When the clock is told from there, or from another thread."""
    seen: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        still.timer(loop, 1.0, lambda: seen.append(still.monotonic()))
        still.advance(1)
        assert seen == [1.0]
        still.timer(loop, 2.0, lambda: seen.append(asyncio.get_running_loop() is loop))
        await asyncio.to_thread(still.advance, 1)
        await turns()

    asyncio.run(main())
    assert seen == [1.0, True]


def test_a_timer_of_the_past_fires_at_the_next_turn(still: ManualClock) -> None:
    """As with the system's clock: not at once, and not never."""
    seen: list[str] = []

    async def main() -> None:
        still.advance(5)
        still.timer(asyncio.get_running_loop(), 5.0, lambda: seen.append("fired"))
        assert seen == []
        await turns()

    asyncio.run(main())
    assert seen == ["fired"]


def test_a_timer_that_waits_for_its_turn_can_still_be_cancelled(still: ManualClock) -> None:
    """It was due, and handed to its loop; who cancels it there was in time."""
    seen: list[str] = []

    async def main() -> None:
        alarm = still.timer(asyncio.get_running_loop(), 1.0, lambda: seen.append("fired"))
        assert in_threads(1, lambda number: still.advance(1)) == []
        alarm.cancel()
        await turns()
        past = still.timer(asyncio.get_running_loop(), 1.0, lambda: seen.append("fired"))
        past.cancel()
        await turns()

    asyncio.run(main())
    assert seen == []


def test_a_timer_of_a_closed_loop_does_not_fire(still: ManualClock) -> None:
    """Nor does a freeze look for it there."""
    loop = asyncio.new_event_loop()
    seen: list[str] = []
    still.timer(loop, 1.0, lambda: seen.append("fired"))
    still.timer(loop, 3.0, lambda: seen.append("fired"))
    loop.close()
    still.freeze(2)
    still.advance(2)
    assert seen == []


def test_who_is_asleep_waits_for_the_test(still: ManualClock) -> None:
    """In the order of the time at which each wakes."""
    woken: list[tuple[int, float]] = []

    async def sleeper(seconds: int) -> None:
        await still.asleep(seconds)
        woken.append((seconds, still.monotonic()))

    async def main() -> None:
        tasks = [asyncio.create_task(sleeper(seconds)) for seconds in (3, 1, 2)]
        await turns()
        still.advance(1)
        await turns()
        still.advance(5)
        await asyncio.gather(*tasks)

    asyncio.run(main())
    assert woken == [(1, 1.0), (2, 6.0), (3, 6.0)]


@pytest.mark.parametrize("auto", [False, True])
def test_no_time_is_no_wait(auto: bool) -> None:
    """As with ``asyncio.sleep``."""
    clock = ManualClock(auto=auto)

    async def main() -> None:
        await clock.asleep(0)
        await clock.asleep(-1)

    asyncio.run(main())
    assert clock.monotonic() == 0.0


def test_a_cancelled_sleeper_is_forgotten(still: ManualClock) -> None:
    """Nothing wakes it later."""

    async def main() -> None:
        task = asyncio.create_task(still.asleep(1))
        await turns()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        still.advance(2)
        await turns()

    asyncio.run(main())


def test_a_sleeper_that_is_cancelled_as_it_wakes_is_cancelled(still: ManualClock) -> None:
    """Its turn has come, but it has not had it yet."""

    async def main() -> None:
        task = asyncio.create_task(still.asleep(1))
        await turns()
        assert in_threads(1, lambda number: still.advance(1)) == []
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_an_automatic_clock_passes_for_those_who_are_asleep() -> None:
    """One moment after the other, so that a timer on the way can stop them."""
    clock = ManualClock(auto=True)

    async def main() -> float:
        task: Any = asyncio.current_task()
        clock.timer(asyncio.get_running_loop(), 2.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await clock.asleep(60)
        task.uncancel()
        stopped = clock.monotonic()
        await clock.asleep(3)
        return stopped

    assert asyncio.run(main()) == 2.0
    assert clock.monotonic() == 5.0


def test_nothing_happens_in_a_freeze(still: ManualClock) -> None:
    """What has become due happens afterwards, at the next turn of its loop."""
    seen: list[str] = []

    async def main() -> None:
        still.timer(asyncio.get_running_loop(), 1.0, lambda: seen.append("fired"))
        still.freeze(100)
        assert seen == []
        await turns()

    asyncio.run(main())
    assert seen == ["fired"]
    assert still.monotonic() == 100.0


def test_in_a_freeze_the_monotonic_clock_may_stand(still: ManualClock) -> None:
    """As on platforms that stop it too: nothing has become due, and it is later all the same."""
    seen: list[str] = []
    still.call_at(1, lambda: seen.append("due"))
    still.freeze(100, monotonic="stands")
    assert (still.monotonic(), still.wall()) == (0.0, 1_700_000_100.0)
    still.advance(0.5)
    assert seen == []
    still.freeze(100, monotonic="jumps")
    assert (still.monotonic(), still.wall()) == (100.5, 1_700_000_200.5)


def test_a_freeze_that_cannot_be_is_refused(still: ManualClock) -> None:
    """Time does not go back in it, and the clock does one thing or the other."""
    with pytest.raises(ValueError, match="does not go back: -1"):
        still.freeze(-1)
    with pytest.raises(ValueError, match="expected jumps or stands, got 'steps'"):
        still.freeze(1, monotonic="steps")  # type: ignore[arg-type]  # neither
    assert still.monotonic() == 0.0


def test_a_time_out_of_a_coroutine_that_was_frozen_is_over_when_it_goes_on(still: ManualClock) -> None:
    """Where the clock has jumped; where it has stood, the coroutine has as much time left as before."""

    @timeout(5, clock=still)
    async def patient() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.ensure_future(patient())
        await turns()
        still.freeze(100, monotonic="stands")
        await turns()
        assert not task.done()
        still.freeze(100)
        await turns()
        with pytest.raises(CallTimeoutError):
            await task

    asyncio.run(main())


def test_after_a_freeze_without_a_loop_it_happens_when_the_clock_goes_on(still: ManualClock) -> None:
    """There is nobody else to make it happen."""
    seen: list[float] = []
    still.call_at(1, lambda: seen.append(still.monotonic()))
    still.freeze(100)
    assert seen == []
    still.advance(1)
    assert seen == [100.0]


def test_a_process_that_was_restored_has_empty_windows(still: ManualClock) -> None:
    """What goes by another clock is somewhere else."""
    ours, other = circuit_breaker(clock=still), circuit_breaker(clock=ManualClock())
    with ours, other:
        still.advance(1)
    still.restored()
    assert (ours.snapshot()["calls"], other.snapshot()["calls"]) == (0, 1)


def test_threads_may_share_a_clock(still: ManualClock) -> None:
    """Every alarm rings once."""
    rung: list[int] = []
    for number in range(400):
        still.call_at(number / 100, lambda number=number: rung.append(number))  # type: ignore[misc]

    def work(number: int) -> None:
        for _ in range(100):
            still.call_at(2.0, lambda: rung.append(-1))
            still.advance(0.02)

    assert in_threads(4, work) == []
    still.advance(10)
    assert sorted(rung) == [-1] * 400 + list(range(400))
