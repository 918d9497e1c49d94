"""A plain function that waits between its attempts on a thread that runs an event loop: it is said, once."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import AsyncWorld, World
from svcgov import retry
from svcgov.errors import ConfigWarning

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.policies import Retry
    from svcgov.testing import ManualClock

SAID = (
    "payments: a plain function sleeps 0.5 s between two attempts on a thread that runs an event loop, and all tasks of that "
    "loop wait with it: make it a coroutine function, or call it in another thread"
)


def again(clock: ManualClock) -> Retry:
    """Two attempts, half a second apart."""
    return retry(on=OSError, attempts=2, backoff=0.5, budget=None, name="payments", clock=clock)


def governed(clock: ManualClock) -> Callable[[], None]:
    """A plain function that fails."""
    return World().governed(again(clock), OSError("broken")).function


def attempted(clock: ManualClock) -> Callable[[], None]:
    """A block that fails."""

    def block() -> None:
        for attempt in again(clock):
            with attempt:
                raise OSError("broken")

    return block


@pytest.fixture(params=[governed, attempted], ids=["function", "block"])
def failing(request: pytest.FixtureRequest, clock: ManualClock) -> Any:
    """A plain function that fails twice, with a wait between."""
    return request.param(clock)


def on_a_loop(function: Callable[[], None]) -> OSError:
    """Its error, when it is called on a thread that runs a loop."""

    async def main() -> None:
        function()

    with pytest.raises(OSError, match="broken") as failed:
        asyncio.run(main())
    return failed.value


def test_a_sleep_that_stops_a_loop_is_warned_of_once(failing: Callable[[], None]) -> None:
    """The call goes on as it would have."""
    with pytest.warns(ConfigWarning, match=f"^{SAID}$") as said:
        on_a_loop(failing)
        on_a_loop(failing)
    assert len(said) == 1


def test_the_warning_stands_where_the_function_is_called(failing: Callable[[], None]) -> None:
    """Or where the block is: that is what has to be changed."""
    with pytest.warns(ConfigWarning) as said:
        on_a_loop(failing)
    assert said[0].filename == __file__


def test_a_warning_that_is_an_error_does_not_mask_the_users(failing: Callable[[], None], clock: ManualClock) -> None:
    """It is a note on the error of the attempt before."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConfigWarning)
        error = on_a_loop(failing)
    assert clock.monotonic() == 0.5
    assert (f"svcgov: {SAID}" in error.__notes__) is (
        failing.__name__ == "scripted"  # there each attempt raises the same error, and here a new one
    )


def test_elsewhere_nobody_is_warned(failing: Callable[[], None]) -> None:
    """A thread without a loop stops for itself alone."""
    with pytest.raises(OSError, match="broken"):
        failing()


def test_a_coroutine_function_stops_nobody() -> None:
    """It sleeps as tasks do."""
    world = AsyncWorld()
    world.governed(again(world.clock), OSError("broken")).fails(OSError)
    assert world.clock.monotonic() == 0.5
    world.close()


def test_no_wait_is_no_reason_for_a_warning() -> None:
    """The next attempt is made at once."""
    error = on_a_loop(World().governed(retry(on=OSError, backoff=0, budget=None), OSError("broken")).function)
    assert error.__notes__ == ["svcgov: retry gave up after 3 attempts (attempts)"]
