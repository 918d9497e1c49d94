"""The subjects: what svcgov makes of a function, in the settings that the floors and the peers have too."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import svcgov

from .floors import LIMIT, SECONDS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    Function = Callable[..., Any]
    Coroutine = Callable[..., Awaitable[Any]]

RATE = "1000000000/second"


def five() -> svcgov.Pipeline:
    """Deadline, bulkhead, retry, rate limit and breaker; the head of the pipeline keeps the record."""
    return svcgov.Pipeline(
        svcgov.timeout(SECONDS),
        svcgov.bulkhead(LIMIT),
        svcgov.retry(on=ConnectionError),
        svcgov.rate_limit(RATE),
        svcgov.circuit_breaker(),
    )


def four() -> svcgov.Pipeline:
    """The same without the time-out: an awaitable is not cancelled."""
    return svcgov.Pipeline(
        svcgov.bulkhead(LIMIT),
        svcgov.retry(on=ConnectionError),
        svcgov.rate_limit(RATE),
        svcgov.circuit_breaker(),
    )


def alone() -> dict[str, Callable[[Function], Function]]:
    """Each policy by itself, by the name of its row."""
    return {
        "timeout": svcgov.timeout(SECONDS),
        "bulkhead": svcgov.bulkhead(LIMIT),
        "retry": svcgov.retry(on=ConnectionError),
        "rate limit": svcgov.rate_limit(RATE),
        "breaker": svcgov.circuit_breaker(),
    }


@contextlib.contextmanager
def refusing(fn: Function) -> Iterator[dict[str, Function]]:
    """Three functions that refuse every call: an open breaker, a full bulkhead, a spent limit."""
    breaker, bulkhead, limit = svcgov.circuit_breaker(), svcgov.bulkhead(1), svcgov.rate_limit("1/hour")
    breaker.open(for_=3600.0)
    limited = limit(fn)
    limited()
    with bulkhead:
        yield {"open": breaker(fn), "full": bulkhead(fn), "limited": limited}


def flaky_retry(fn: Function) -> Function:
    """A retry that waits no time and has no budget to run out of."""
    call: Function = svcgov.retry(on=ConnectionError, attempts=3, backoff=0, budget=None)(fn)
    return call
