"""What a gate that asks is shown, the call, and what it may answer: wait.

A machine that says ``asks = True`` has a frame of its own, which hands the call to `admit` and waits where it is told to.
All other gates share frames that do neither, and pay for neither.
"""

from __future__ import annotations

from ._context import INVOCATION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ..errors import RejectedError
    from ..typing import Clock, Permit
    from ._context import Invocation


class Call:
    """One call, as functions given as settings (``key`` and the like) see it.

    Attributes:
        fn: what is called.
        args, kwargs: what it is called with.
    """

    __slots__ = ("args", "fn", "kwargs")

    def __init__(self, fn: Callable[..., Any] | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if fn is None:  # called through a pipeline: the function comes first
            fn, *rest = args
            args = tuple(rest)
        self.fn: Callable[..., Any] | None = fn
        self.args: tuple[Any, ...] = args
        self.kwargs: Mapping[str, Any] = kwargs

    @property
    def invocation(self) -> Invocation:
        """What is under way: the event, its headers and its colour."""
        return INVOCATION.get()

    def __repr__(self) -> str:
        return f"Call({getattr(self.fn, '__qualname__', self.fn)})"  # arguments may hold secrets


class Wait:
    """An answer of a gate: not yet. Only the shells wait, until somebody wakes them or the time is over."""

    __slots__ = ()
    clock: Clock
    until: float  # a reading of the clock
    permit: Permit

    def join(self, wake: Callable[[], None]) -> bool:
        """Begin to wait; say whether there is nothing to wait for any more. *wake* raises when nobody is there to be woken."""
        raise NotImplementedError

    def over(self) -> bool:
        """The time is over: say whether the call may go on."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Whoever waited has been stopped: give back what it has, or leave its place. A second time nothing happens."""
        raise NotImplementedError

    def refused(self, reason: str) -> RejectedError:
        """The refusal, counted and told."""
        raise NotImplementedError
