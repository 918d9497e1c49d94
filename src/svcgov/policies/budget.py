"""The retry budget, shared by name among all that make further attempts at one dependency.

The machine and its rules are in ``_core/_budget``, since policies do not import one another.
"""

from __future__ import annotations

from .._core._budget import Budget, BudgetSettings
from .._core._clock import SYSTEM
from .._core._names import NAMES, SCOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict, Unpack

    from ..typing import Clock, Duration

    class Options(TypedDict, total=False):
        """The keyword arguments of `budget`."""

        ratio: float
        min_retries: int
        ttl: Duration
        clock: Clock


__all__ = ["Budget", "BudgetSettings", "budget"]


def budget(name: str | None = None, **options: Unpack[Options]) -> Budget:
    """Allow further attempts up to a share of the calls of the last seconds, plus a few.

    Args:
        name: share it with every retry that names it.
        ratio: further attempts for each call, 0 to 10; 0.2 is one for five.
        min_retries: so many are allowed in a window whatever the number of calls.
        ttl: the length of the window, 1 s to 60 s.
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
    """
    given: dict[str, Any] = dict(options)
    clock = given.pop("clock", None) or SYSTEM
    if name is None:
        return Budget(given, clock=clock)
    return NAMES.claim(SCOPE.get(), "budget", name, given, lambda: Budget(given, name=name, clock=clock))  # type: ignore[no-any-return]  # what make() makes
