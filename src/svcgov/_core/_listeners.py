"""Who hears what happened.

Rule 1: nothing is made for nobody: ask `heard` first.
Rule 2: facts are put in line under the policy's lock (`post`) and told after it (`flush`): in order, no lock held.
Rule 3: a fact is heard in the context of the call it happened in, a copy of it, whoever tells it.
Rule 4: a listener that raises is reported once and changes nothing; one that is slow loses facts, and holds up one caller.
"""

from __future__ import annotations

from _thread import RLock, allocate_lock
from contextvars import copy_context

from ..errors import ConfigError
from ._fork import after_fork
from ._report import report_once

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context
    from typing import Any

    from ..facts import Fact

    Ear = tuple[Callable[[Fact], object], tuple[type[Fact], ...]]

LONGEST = 10_000  # facts that may wait for a slow listener; more are lost
_joining = RLock()  # held while somebody begins or ceases to listen, anywhere


def change(holder: Any, name: str, anew: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> None:
    """Put what *anew* makes of a tuple in its place. Whoever reads it needs no lock.

    What the collector ends meanwhile may change the same one on this very thread: then it is made once more.
    """
    with _joining:
        while True:
            before = getattr(holder, name)
            after = anew(before)
            if getattr(holder, name) is before:
                setattr(holder, name, after)
                return


class Listeners:
    """The listeners of one policy, or (without *above*) of the whole process."""

    __slots__ = ("_above", "_ears", "_line", "_telling")

    def __init__(self, above: Listeners | None = None) -> None:
        self._above = above
        self._ears: tuple[Ear, ...] = ()
        self._line: list[tuple[Fact, Context]] = []  # hardly ever more than one: a deque would be ten times as large
        self._telling = allocate_lock()

    @property
    def heard(self) -> bool:
        """Whether anybody listens, here or above."""
        above = self._above
        return bool(self._ears) or (above is not None and bool(above._ears))

    def add(self, listener: Callable[[Fact], object], kinds: tuple[type[Fact], ...] = ()) -> Callable[[], None]:
        """Let *listener* hear facts of these *kinds*, or all of them. Call what comes back to stop.

        Raises:
            ConfigError: for something that cannot be called, or a kind that is no class.
        """
        if not callable(listener):
            raise ConfigError("listen", listener, "a function of the fact")
        for kind in kinds:
            if not isinstance(kind, type):
                raise ConfigError("listen", kind, "kinds of facts, such as svcgov.facts.CallRefused")
        ear: Ear = (listener, kinds)
        change(self, "_ears", lambda ears: (*ears, ear))

        def unsubscribe() -> None:
            change(self, "_ears", lambda ears: tuple(other for other in ears if other is not ear))

        return unsubscribe

    def tell(self, fact: Fact) -> None:
        """Post and flush in one go, where no lock is held."""
        self.post(fact)
        self.flush()

    def post(self, fact: Fact) -> None:
        """Put *fact* in line, unless a slow listener lets the line grow without end. The caller may hold its lock."""
        if len(self._line) < LONGEST:
            self._line.append((fact, copy_context()))

    def flush(self) -> None:
        """Tell what is in line. One teller at a time keeps the order; the others leave their facts to it."""
        line = self._line
        while line and self._telling.acquire(blocking=False):
            try:
                while line:
                    fact, context = line.pop(0)
                    context.run(self._hear, fact)
            finally:
                self._telling.release()

    def _hear(self, fact: Fact) -> None:
        for listener, kinds in self._ears:
            if not kinds or isinstance(fact, kinds):
                try:
                    listener(fact)
                except Exception as error:
                    from ._mishaps import said

                    report_once(("listener", id(listener)), f"a listener of {type(fact).__name__} raised {said(error)}")
        if self._above is not None:
            self._above.tell(fact)

    def forked(self) -> None:
        """In a process that has just been forked: what its parent is telling is not told here."""
        self._line = []
        self._telling = allocate_lock()


PROCESS = Listeners()


@after_fork
def _renewed() -> None:
    global _joining  # noqa: PLW0603  # the module has one
    _joining = RLock()
    PROCESS.forked()
