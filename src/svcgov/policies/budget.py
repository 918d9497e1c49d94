"""The retry budget, shared by name among all that make further attempts at one dependency.

The machine and its rules are in ``_core/_budget``, since policies do not import one another.
"""

from __future__ import annotations

from .._core._budget import Budget, BudgetSettings
from .._core._clock import SYSTEM
from .._core._names import NAMES, SCOPE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, TypedDict, Unpack

    from ..typing import Clock, Duration

    class Options(TypedDict, total=False):
        """The keyword arguments of `budget`."""

        kind: Literal["window", "in-flight", "tokens"]
        ratio: float
        min_retries: int
        min_per_second: float
        ttl: Duration
        min_concurrency: int
        tokens: float
        token_ratio: float
        clock: Clock


__all__ = ["Budget", "BudgetSettings", "budget"]


def budget(name: str | None = None, **options: Unpack[Options]) -> Budget:
    """Allow further attempts up to a share of the calls, plus a few.

    Args:
        name: share it with every retry that names it.
        kind: ``window``, a share of the calls of the last seconds; ``in-flight``, of those under way; or ``tokens``, as
            long as more than half of them are there: a failure takes one, a good call puts a part of one back.
        ratio: further attempts for each call, 0 to 10; 0.2 is one for five (``window``, ``in-flight``).
        min_retries: so many are allowed in a window whatever the number of calls (``window``).
        min_per_second: another way to say *min_retries*: so many for each second of the window.
        ttl: the length of the window, 1 s to 60 s (``window``).
        min_concurrency: so many may be under way whatever the number of calls (``in-flight``).
        tokens: how many there are at most, up to 1000 (``tokens``).
        token_ratio: what a good call puts back, cut to three decimals (``tokens``).
        clock: where time comes from, for tests.

    Raises:
        ConfigError: for a setting that cannot be.
    """
    given: dict[str, Any] = dict(options)
    clock = given.pop("clock", None) or SYSTEM
    if name is None:
        return Budget(given, clock=clock)
    return NAMES.claim(SCOPE.get(), "budget", name, given, lambda: Budget(given, name=name, clock=clock))  # type: ignore[no-any-return]  # what make() makes
