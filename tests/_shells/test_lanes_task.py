"""Which task is running: found without asking for the loop, where that can be told."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import in_threads
from svcgov._shells import _lanes

if TYPE_CHECKING:
    from collections.abc import Iterator


class Racing(dict[Any, Any]):
    """A table of running tasks that looks like one of one, and is another one when it is read."""

    def __init__(self, found: list[Any]) -> None:
        super().__init__({"loop": "task"})
        self.found = found

    def values(self) -> Any:
        """What is found; an error is raised."""

        def each() -> Iterator[Any]:
            for one in self.found:
                if isinstance(one, Exception):
                    raise one
                yield one

        return each()


def test_alone_the_running_task_is_the_only_one() -> None:
    """As asyncio says it."""

    async def main() -> bool:
        return _lanes._alone() is asyncio.current_task() is not None

    assert asyncio.run(main())


def test_beside_other_loops_each_finds_its_own() -> None:
    """Four threads, a loop in each, all in a task at the same time."""
    import threading

    barrier = threading.Barrier(4, timeout=10)
    wrong: list[int] = []

    async def main(number: int) -> None:
        barrier.wait()
        if _lanes._alone() is not asyncio.current_task():
            wrong.append(number)
        barrier.wait()

    assert in_threads(4, lambda number: asyncio.run(main(number))) == []
    assert wrong == []


@pytest.mark.parametrize(
    "found", [[RuntimeError("dictionary changed size during iteration")], ["one", "another"], []], ids=["changed", "two", "none"]
)
def test_a_table_that_changes_while_it_is_read_is_left_alone(monkeypatch: pytest.MonkeyPatch, found: list[Any]) -> None:
    """Then asyncio is asked."""
    monkeypatch.setattr(_lanes, "_tasks", Racing(found))

    async def main() -> bool:
        return _lanes._alone() is asyncio.current_task()

    assert asyncio.run(main())
