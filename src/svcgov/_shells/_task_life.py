"""The life of a governed async generator: as `_life`, and a step that hangs is cancelled when its time is over."""

from __future__ import annotations

import sys

from ._lanes import Expiry
from ._life import Life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .._core._record import Record
    from ._life import Stages


class TaskLife(Life):
    """One async generator that has begun."""

    __slots__ = ("_expiry",)

    def __init__(self, stages: Stages, record: Record) -> None:
        super().__init__(stages, record)
        self._expiry: Expiry | None = None

    def arm(self) -> None:
        """A step begins: cancel it when its time is over."""
        if self.limit is not None:
            self._expiry = Expiry(self.clock, self.deadline)

    def first(self, body: Any) -> Callable[[Any], Any]:
        """How the first step is made.

        That is where a loop gets to know of an async generator, to close it when it is dropped or the loop ends. It
        knows the governed one, which closes this one: two that close it at the same time would be in each other's way.
        """

        def asend(value: Any) -> Any:
            hooks = sys.get_asyncgen_hooks()
            sys.set_asyncgen_hooks(None, _left_to_its_owner)
            try:
                return body.asend(value)
            finally:
                sys.set_asyncgen_hooks(*hooks)

        return asend

    def _step_over(self, error: BaseException | None) -> None:
        super()._step_over(error)
        expiry, self._expiry = self._expiry, None
        if expiry is not None and expiry.ended_by_us(error):
            self.cut = self.limit


def _left_to_its_owner(body: Any) -> None:
    """A generator is found in a cycle, with the one that governs it: that one closes it."""
