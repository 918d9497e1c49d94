"""The floors: what a good engineer would write by hand for one function and one policy's job.

Every closure does the whole job on the successful path and keeps its numbers in cells. None is locked: between a load
and its store stands no call, which is enough under a GIL. `fused` and `fused_async` do all the jobs and the record in
one frame.
"""

from __future__ import annotations

import asyncio
import functools
import time
from bisect import bisect_right
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Function = Callable[..., Any]
    Coroutine = Callable[..., Awaitable[Any]]

DEADLINE: ContextVar[float | None] = ContextVar("DEADLINE", default=None)
BOUNDS = tuple(1e-6 * 2 ** (step / 4) for step in range(104))
ATTEMPTS, LIMIT, SECONDS, WINDOW, MIN_CALLS, FAILURE_RATE = 3, 64, 5.0, 100, 10, 0.5
GAP, TOLERANCE = 1e-9, 1.0


class Refused(Exception):
    """What a hand-written policy raises instead of calling."""


def passed_through(fn: Function) -> Function:
    """The unit: a decorator that does nothing."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return call


def passed_through_async(fn: Coroutine) -> Coroutine:
    """The unit of the asynchronous rounds."""

    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await fn(*args, **kwargs)

    return call


def bulkheaded(fn: Function) -> Function:
    """A counter with a limit."""
    inside = 0

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside
        if inside >= LIMIT:
            raise Refused
        inside += 1
        try:
            return fn(*args, **kwargs)
        finally:
            inside -= 1

    return call


def retried(fn: Function) -> Function:
    """Another attempt after an error; the plan is made only then."""

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return fn(*args, **kwargs)
        except ConnectionError as error:
            return again(fn, error, args, kwargs)

    return call


def again(fn: Function, error: Exception, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The attempts after the first one."""
    for _ in range(ATTEMPTS - 1):
        try:
            return fn(*args, **kwargs)
        except ConnectionError as later:
            error = later
    raise error


def rate_limited(fn: Function) -> Function:
    """GCRA in one float: the theoretical arrival time."""
    arrival = 0.0
    clock = time.monotonic

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal arrival
        now = clock()
        due = (arrival if arrival > now else now) + GAP
        if due - now > TOLERANCE:
            raise Refused
        arrival = due
        return fn(*args, **kwargs)

    return call


def broken_circuit(fn: Function) -> Function:
    """A ring of the last outcomes and a flag."""
    ring = bytearray(WINDOW)
    at = calls = failures = 0
    opened = False

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal at, calls, failures, opened
        if opened:
            raise Refused
        try:
            result = fn(*args, **kwargs)
        except Exception:
            failures += 1 - ring[at]
            ring[at] = 1
            at = (at + 1) % WINDOW
            calls += 1
            opened = calls >= MIN_CALLS and failures >= FAILURE_RATE * min(calls, WINDOW)
            raise
        failures -= ring[at]
        ring[at] = 0
        at = (at + 1) % WINDOW
        calls += 1
        return result

    return call


def bounded(fn: Function) -> Function:
    """A deadline in a context variable; the tightest one wins."""
    clock, get, put, reset = time.monotonic, DEADLINE.get, DEADLINE.set, DEADLINE.reset

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        mine, outer = clock() + SECONDS, get()
        token = put(mine if outer is None or mine < outer else outer)
        try:
            return fn(*args, **kwargs)
        finally:
            reset(token)

    return call


def bounded_async(fn: Coroutine) -> Coroutine:
    """The time-out of the standard library, which really cancels."""

    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        async with asyncio.timeout(SECONDS):
            return await fn(*args, **kwargs)

    return call


def fused(fn: Function) -> Function:
    """Deadline, bulkhead, retry, GCRA, breaker and record in one frame, for this very order."""
    inside = at = calls = failures = 0
    arrival = total = 0.0
    opened = False
    ring, counts = bytearray(WINDOW), [0] * (len(BOUNDS) + 1)
    clock, get, put, reset = time.monotonic, DEADLINE.get, DEADLINE.set, DEADLINE.reset

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside, at, calls, failures, arrival, total, opened
        now, outer = clock(), get()
        mine = now + SECONDS
        if inside >= LIMIT:
            raise Refused
        due = (arrival if arrival > now else now) + GAP
        if due - now > TOLERANCE or opened:
            raise Refused
        arrival = due
        token = put(mine if outer is None or mine < outer else outer)
        inside += 1
        try:
            result = fn(*args, **kwargs)
        except Exception as error:
            failures += 1 - ring[at]
            ring[at] = 1
            at = (at + 1) % WINDOW
            calls += 1
            opened = calls >= MIN_CALLS and failures >= FAILURE_RATE * min(calls, WINDOW)
            if isinstance(error, ConnectionError):
                return again(fn, error, args, kwargs)
            raise
        finally:
            inside -= 1
            reset(token)
        failures -= ring[at]
        ring[at] = 0
        at = (at + 1) % WINDOW
        calls += 1
        took = clock() - now
        counts[bisect_right(BOUNDS, took)] += 1
        total += took
        return result

    return call


def fused_async(fn: Coroutine) -> Coroutine:
    """The same jobs but the deadline, around an awaitable; nothing is cancelled."""
    inside = at = calls = failures = 0
    arrival = total = 0.0
    opened = False
    ring, counts = bytearray(WINDOW), [0] * (len(BOUNDS) + 1)
    clock = time.monotonic

    @functools.wraps(fn)
    async def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside, at, calls, failures, arrival, total, opened
        now = clock()
        due = (arrival if arrival > now else now) + GAP
        if inside >= LIMIT or due - now > TOLERANCE or opened:
            raise Refused
        arrival = due
        inside += 1
        try:
            result = await fn(*args, **kwargs)
        except Exception:
            failures += 1 - ring[at]
            ring[at] = 1
            at = (at + 1) % WINDOW
            calls += 1
            opened = calls >= MIN_CALLS and failures >= FAILURE_RATE * min(calls, WINDOW)
            raise
        finally:
            inside -= 1
        failures -= ring[at]
        ring[at] = 0
        at = (at + 1) % WINDOW
        calls += 1
        took = clock() - now
        counts[bisect_right(BOUNDS, took)] += 1
        total += took
        return result

    return call
