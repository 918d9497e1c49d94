"""A wall clock that steps in the middle of everything: no policy notices."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from _worlds import AsyncWorld, Facts, Takes, World
from svcgov import Pipeline, budget, bulkhead, circuit_breaker, rate_limit, retry, timeout
from svcgov.errors import SvcgovError

if TYPE_CHECKING:
    from collections.abc import Iterator

STEPS = [7200.0, -7200.0, 0.01, -0.01]


def policies(world: World) -> dict[str, Any]:
    """All five, so small that a few calls take each to its end and back; and budgets of all kinds."""
    clock: Any = {"clock": world.clock}
    purse = budget(ratio=0.5, min_retries=2, ttl=5, **clock)
    return {
        "timeout": timeout(3, **clock),
        "bulkhead": bulkhead(2, **clock),
        "retry": retry(on=OSError, attempts=3, backoff=[0.1, 0.7], budget=purse, **clock),
        "tokens": retry(on=OSError, attempts=2, backoff=0.1, budget=budget(kind="tokens", tokens=4, **clock), **clock),
        "in-flight": retry(on=OSError, attempts=2, backoff=0.1, budget=budget(kind="in-flight", **clock), **clock),
        "rate_limit": rate_limit("4/second", **clock),
        "sliding": rate_limit("9/3s", algorithm="sliding-window", **clock),
        "moving": rate_limit("9/3s", algorithm="moving-window", **clock),
        "fixed": rate_limit("9/3s", algorithm="fixed-window", **clock),
        "circuit_breaker": circuit_breaker(
            window="4s", min_calls=4, open_for=2.5, open_jitter=0, slow_call_duration=1, slow_call_rate=0.9, half_open_calls=2,
            ramp=2, **clock,
        ),
    }  # fmt: skip


def steps() -> Iterator[Any]:
    """What the dependency does: well, broken, slow, hanging, and well again."""
    for _ in range(3):
        yield from ("well", OSError("broken"), Takes(0.3, "well"), OSError("broken"), Takes(1.5, "slow"), OSError(), OSError())
        yield from (Takes(9, "late"), "well", "well", "well")


def trace(kind: type[World], chosen: tuple[str, ...], step: float) -> list[Any]:
    """All that a caller and a listener see, with a wall clock that steps before every third call and within some."""
    world = kind()
    known = policies(world)
    pipeline, facts = Pipeline(*(known[name] for name in chosen)), Facts()
    pipeline.listen(facts)

    def stepping(said: Any) -> Any:
        world.clock.step_wall(step)
        if isinstance(said, Exception):
            raise said
        return said

    script = [one if isinstance(one, Takes) or number % 4 else partial(stepping, one) for number, one in enumerate(steps())]
    call = world.governed(pipeline, *script)
    seen: list[Any] = []
    for number in range(60):
        if number % 3 == 0:
            world.clock.step_wall(step)
        try:
            seen.append(call())
        except (OSError, SvcgovError) as error:
            seen.append((type(error).__name__, getattr(error, "retry_after", None), str(error)))
        world.clock.advance(0.21)
    seen += [call.seen, list(facts), {name: known[name].snapshot() for name in chosen}, world.clock.monotonic()]
    world.close()
    return seen


ALONE = [
    ("timeout",), ("bulkhead",), ("retry",), ("tokens",), ("in-flight",), ("rate_limit",), ("sliding",), ("moving",), ("fixed",),
    ("circuit_breaker",), ("timeout", "bulkhead", "retry", "rate_limit", "circuit_breaker"),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::svcgov.errors.TimeoutWarning")
@pytest.mark.parametrize("kind", [World, AsyncWorld], ids=["sync", "async"])
@pytest.mark.parametrize("chosen", ALONE, ids="-".join)
def test_a_step_of_the_wall_clock_changes_nothing(chosen: tuple[str, ...], kind: type[World]) -> None:
    """Two hours or ten milliseconds, forth or back, before calls and within them: the same results, waits, facts and counts."""
    still = trace(kind, chosen, 0.0)
    assert {type(one) for one in still[:60]} >= {str, tuple}
    for step in STEPS:
        assert trace(kind, chosen, step) == still
