"""Permits that are out while an answer is read.

A gate that limits what is under way at a time (`Policy.holds`) has its permit back when the body of the answer has been read,
has broken, was closed, or is collected; at the latest when it has been open for so long that nobody waits for it any more.

Rule 1: whoever ends it first ends it; it may be several, from any thread.
Rule 2: the finaliser takes no lock. What was not read to its end is no verdict: it is told as a ``GeneratorExit``.
Rule 3: there is no timer: what has been open for too long is found when the next request comes, the oldest first.
"""

from __future__ import annotations

from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Settle = Callable[[Any, BaseException | None, float], None]
    Part = tuple[Settle, Any, BaseException | None, float]


class Hold:
    """The permits of one answer. Whoever reads the answer holds this, and nobody else.

    *since* is when the first of them was handed out; *left* is marked meanwhile.
    """

    __slots__ = ("__weakref__", "_holds", "_left", "_parts", "since")

    def __init__(self, holds: Holds, parts: list[Part], left: set[int]) -> None:
        self._holds = holds
        self._parts = parts
        self._left = left
        self.since: float = parts[-1][3]
        mark = id(self)
        left.add(mark)
        holds.open[mark] = ref(self)

    @property
    def over(self) -> bool:
        """Whether all has been given back."""
        return not self._parts

    def end(self, error: BaseException | None = None) -> None:
        """The answer has been read, or has broken with *error*."""
        if not self._parts:
            return
        mark = id(self)
        self._holds.open.pop(mark, None)
        self._left.discard(mark)
        give_back(self._parts, error)

    def __del__(self) -> None:
        if self._parts:
            self.end(GeneratorExit())


class Holds:
    """The answers of one client that are open.

    *longest* is how many seconds each may be, or None.
    """

    def __init__(self, longest: float | None) -> None:
        self.open: dict[int, ref[Hold]] = {}  # in the order in which they were opened
        self.longest: float | None = longest

    def look(self, clock: Callable[[], float]) -> None:
        """End what has been open for too long."""
        if self.longest is None:
            return
        since = clock() - self.longest
        while (hold := self._oldest()) is not None and hold.since <= since:
            hold.end(GeneratorExit())

    def _oldest(self) -> Hold | None:
        try:
            return next(iter(self.open.values()))()
        except (StopIteration, RuntimeError):  # there is none, or another thread has just changed it, and has looked
            return None


def give_back(parts: list[Part], error: BaseException | None = None) -> None:
    """Settle all *parts*, those of the innermost gate first."""
    while parts:
        try:
            settle, permit, own, now = parts.pop(0)
        except IndexError:  # another thread has come first
            return
        settle(permit, error or own, now)
