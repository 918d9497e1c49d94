"""What people assemble today, each in the way its own documentation shows.

The packages are imported by name when a peer is first made: they are there in the benchmark's environment only.
"""

from __future__ import annotations

import functools
import threading
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from .floors import LIMIT, SECONDS, Refused

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Function = Callable[..., Any]
    Coroutine = Callable[..., Awaitable[Any]]

TURN = 300  # calls of a by-hand stack per round: its moving window is a list that grows with every hit
LIMITS_TIMER = 0.015  # the storage of limits leaves a timer thread of 10 ms behind


class Stack(NamedTuple):
    """A governed function and what puts its limiter's storage back between two rounds."""

    call: Function
    rest: Callable[[], None]


def by_hand(fn: Function, *, span: bool = True) -> Stack:
    """tenacity around pybreaker around a semaphore around a moving window of limits around a no-op span."""
    tenacity, pybreaker = import_module("tenacity"), import_module("pybreaker")
    limits, storages = import_module("limits"), import_module("limits.storage")
    storage = storages.MemoryStorage()
    window = limits.strategies.MovingWindowRateLimiter(storage)
    item, permits = limits.RateLimitItemPerSecond(10**9), threading.Semaphore(LIMIT)
    inner = spanned(fn) if span else fn

    @functools.wraps(fn)
    def limited(*args: Any, **kwargs: Any) -> Any:
        with permits:
            if not window.hit(item, "target"):
                raise Refused
            return inner(*args, **kwargs)

    def rest() -> None:
        storage.reset()
        time.sleep(LIMITS_TIMER)

    broken = pybreaker.CircuitBreaker(fail_max=5, reset_timeout=30)(limited)
    stop, wait = tenacity.stop_after_attempt(3), tenacity.wait_exponential()
    return Stack(tenacity.retry(stop=stop, wait=wait, reraise=True)(broken), rest)


def spanned(fn: Function) -> Function:
    """An OpenTelemetry span with no provider set."""
    tracer = import_module("opentelemetry.trace").get_tracer("benchmarks")

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        with tracer.start_as_current_span("call"):
            return fn(*args, **kwargs)

    return call


def hyx(fn: Coroutine, *, timeout: bool) -> Coroutine:
    """hyx: retry, breaker, bulkhead, limiter and, where asked for, its time-out. To be made inside a running loop."""
    inner: Coroutine = import_module("hyx.ratelimit").tokenbucket(10**9, 1)(fn)
    if timeout:
        inner = import_module("hyx.timeout").timeout(SECONDS)(inner)
    inner = import_module("hyx.bulkhead").bulkhead(max_concurrency=LIMIT, max_capacity=2 * LIMIT)(inner)
    inner = import_module("hyx.circuitbreaker").consecutive_breaker()(inner)
    whole: Coroutine = import_module("hyx.retry").retry(on=ConnectionError, attempts=3)(inner)
    return whole


def interlock(fn: Function) -> Function:
    """The breaker of interlock-cb alone."""
    call: Function = import_module("interlock").CircuitBreaker(name="target")(fn)
    return call


def pybreaker(fn: Function) -> Function:
    """The breaker of pybreaker alone."""
    call: Function = import_module("pybreaker").CircuitBreaker(fail_max=5, reset_timeout=30)(fn)
    return call


def pybreaker_open(fn: Function) -> Function:
    """The same, open and refusing."""
    breaker = import_module("pybreaker").CircuitBreaker(fail_max=5, reset_timeout=3600)
    breaker.open()
    call: Function = breaker(fn)
    return call


def tenacity(fn: Function) -> Function:
    """A retry of tenacity alone, which waits no time."""
    package = import_module("tenacity")
    retry = package.retry(stop=package.stop_after_attempt(3), retry=package.retry_if_exception_type(ConnectionError))
    call: Function = retry(fn)
    return call
