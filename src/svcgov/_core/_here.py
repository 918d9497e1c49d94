"""What a function may ask about the call it is in, and the colour it may give to what it calls."""

from __future__ import annotations

from ..errors import ConfigError
from ._clock import SYSTEM
from ._context import ATTEMPT, DEADLINE, INVOCATION, well_coloured

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType

    from ._context import Invocation


def current() -> Invocation:
    """The call that is under way; outside of any, one whose platform is ``none``."""
    return INVOCATION.get()


def remaining() -> float | None:
    """Seconds until the deadline, 0.0 when it has passed, or None when there is none."""
    deadline = DEADLINE.get()
    return None if deadline is None else max(0.0, deadline - SYSTEM.monotonic())


def current_attempt() -> int:
    """Which attempt this is: 1, or more inside a retry."""
    return ATTEMPT.get()


class colour:  # noqa: N801  # reads as the statement it is
    """``with svcgov.colour("blue"):`` what is called inside is of that colour; None is no colour.

    Raises:
        ConfigError: for what cannot be a colour.
    """

    __slots__ = ("_name", "_tokens")

    def __init__(self, name: str | None) -> None:
        if name is not None and not well_coloured(name):
            raise ConfigError("colour", name, "1 to 64 letters, digits or . _ -")
        self._name = name
        self._tokens: list[Token[Invocation]] = []

    def __enter__(self) -> None:
        self._tokens.append(INVOCATION.set(INVOCATION.get().replace(colour=self._name)))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        INVOCATION.reset(self._tokens.pop())
