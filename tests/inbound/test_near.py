"""A call that comes near its deadline is told, without a thread that looks after it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import svcgov
from svcgov import Governor
from svcgov.errors import DeadlineExceededError
from svcgov.facts import DeadlineNeared
from svcgov.testing import ManualClock

from .events import Context, http
from .making import raising

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Near:
    """A handler of either kind that takes its time."""

    def __init__(self, kind: str, *, step: Callable[[], Any] | None = None) -> None:
        self.clock = ManualClock()
        self.steps: list[Callable[[], Any]] = [] if step is None else [step]
        self.before: list[DeadlineNeared] = []  # what was told when the call came to its end
        self.heard: list[Any] = []

        def handler(event: Any, context: Any) -> Any:
            self.clock.advance(event["takes"])
            self.before = [*self.heard]
            return self.steps[0]() if self.steps else "answer"

        async def later(event: Any, context: Any) -> Any:
            await asyncio.sleep(0)
            return handler(event, context)

        self.handler: Any = Governor(clock=self.clock).handler(handler if kind == "sync" else later)

    def takes(self, seconds: float, left: float | None) -> Any:
        """Call it with so much time *left*."""
        return self.handler({**http(), "takes": seconds}, Context(left=left))

    def told(self) -> list[tuple[float, bool]]:
        """What was heard: seconds left, and whether it had ended."""
        return [(round(one.left, 9), one.ended) for one in self.heard]


@pytest.fixture
def near(kind: str) -> Iterator[Near]:
    """One that is heard."""
    one = Near(kind)
    stop = svcgov.listen(one.heard.append, DeadlineNeared)
    yield one
    stop()


@pytest.mark.parametrize(
    ("left", "seconds", "at_the_end"),
    [
        (3.0, 2.6, None),  # outside of the last tenth
        (3.0, 2.75, 0.25),
        (3.0, 3.5, -0.5),  # past it
        (60.0, 58.0, None),  # a tenth would be six seconds
        (60.0, 59.5, 0.5),
        (None, 100.0, None),
    ],
)
def test_a_call_that_ends_near_its_deadline_is_told(
    near: Near, left: float | None, seconds: float, at_the_end: float | None
) -> None:
    """In the last tenth of its time, the last second at most, or past it."""
    assert near.takes(seconds, left) == "answer"
    assert [left for left, ended in near.told() if ended] == ([] if at_the_end is None else [at_the_end])


@pytest.mark.parametrize("kind", ["async"])
def test_a_coroutine_function_is_told_while_it_goes_on(near: Near) -> None:
    """While it still goes on: where the platform ends the process, nobody tells anything afterwards."""
    near.takes(2.8, 3.0)
    (fact,) = near.before
    assert (round(fact.left, 9), fact.ended) == (0.3, False)
    assert fact.policy.endswith("later")
    assert fact.event == "svcgov.deadline_neared"


@pytest.mark.parametrize("kind", ["sync"])
def test_a_plain_function_is_told_only_when_it_has_ended(near: Near) -> None:
    """Nobody could look after it but a thread, which would sleep through a freeze and wake in somebody else's call."""
    threads = threading.active_count()
    near.takes(2.8, 3.0)
    assert near.before == []
    assert near.told() == [(0.2, True)]
    assert threading.active_count() == threads


def test_nothing_is_left_to_fire_in_the_next_call(near: Near) -> None:
    """However long the process was frozen between them."""
    near.takes(0.1, 3.0)
    near.clock.advance(3600.0)
    near.takes(0.1, 3.0)
    assert near.heard == []


def test_a_call_that_raises_near_its_deadline_is_told(near: Near) -> None:
    """The error goes its own way."""
    near.steps.append(raising(LookupError()))
    with pytest.raises(LookupError):
        near.takes(2.9, 3.0)
    assert near.told()[-1] == (0.1, True)


def test_a_call_that_came_too_late_is_refused_and_not_told(near: Near) -> None:
    """It has not even begun."""
    refused = {"version": "1", "takes": 1.0}
    with pytest.raises(DeadlineExceededError):
        near.handler(refused, Context(left=0.0))
    assert near.heard == []


def test_nobody_is_told_where_nobody_listens(kind: str) -> None:
    """No timer is set either."""
    one = Near(kind)
    assert one.takes(2.9, 3.0) == "answer"
    assert one.clock._alarms == []
