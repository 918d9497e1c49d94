"""The floors again, each with a record: whoever governs a function wants to know how often it was called, and how long it took.

A governed function always keeps one, so these do the same job as a policy alone does.
"""

from __future__ import annotations

import functools
import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Any

from .floors import BOUNDS, DEADLINE, FAILURE_RATE, GAP, LIMIT, MIN_CALLS, SECONDS, TOLERANCE, WINDOW, Refused, again

if TYPE_CHECKING:
    from collections.abc import Callable

    Function = Callable[..., Any]


def bulkheaded(fn: Function) -> Function:
    """A counter with a limit, and a record."""
    inside = 0
    counts, total, clock = [0] * (len(BOUNDS) + 1), 0.0, time.monotonic

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal inside, total
        now = clock()
        if inside >= LIMIT:
            raise Refused
        inside += 1
        try:
            result = fn(*args, **kwargs)
        finally:
            inside -= 1
        took = clock() - now
        counts[bisect_right(BOUNDS, took)] += 1
        total += took
        return result

    return call


def retried(fn: Function) -> Function:
    """Another attempt after an error, and a record."""
    counts, total, clock = [0] * (len(BOUNDS) + 1), 0.0, time.monotonic

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal total
        now = clock()
        try:
            result = fn(*args, **kwargs)
        except ConnectionError as error:
            result = again(fn, error, args, kwargs)
        took = clock() - now
        counts[bisect_right(BOUNDS, took)] += 1
        total += took
        return result

    return call


def rate_limited(fn: Function) -> Function:
    """GCRA in one float, and a record."""
    arrival = total = 0.0
    counts, clock = [0] * (len(BOUNDS) + 1), time.monotonic

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal arrival, total
        now = clock()
        due = (arrival if arrival > now else now) + GAP
        if due - now > TOLERANCE:
            raise Refused
        arrival = due
        result = fn(*args, **kwargs)
        took = clock() - now
        counts[bisect_right(BOUNDS, took)] += 1
        total += took
        return result

    return call


def broken_circuit(fn: Function) -> Function:
    """A ring of the last outcomes and a flag, and a record."""
    ring = bytearray(WINDOW)
    at = calls = failures = 0
    opened = False
    counts, total, clock = [0] * (len(BOUNDS) + 1), 0.0, time.monotonic

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal at, calls, failures, opened, total
        now = clock()
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
        took = clock() - now
        counts[bisect_right(BOUNDS, took)] += 1
        total += took
        return result

    return call


def bounded(fn: Function) -> Function:
    """A deadline in a context variable, and a record."""
    clock, get, put, reset = time.monotonic, DEADLINE.get, DEADLINE.set, DEADLINE.reset
    counts, total = [0] * (len(BOUNDS) + 1), 0.0

    @functools.wraps(fn)
    def call(*args: Any, **kwargs: Any) -> Any:
        nonlocal total
        now, outer = clock(), get()
        mine = now + SECONDS
        token = put(mine if outer is None or mine < outer else outer)
        try:
            result = fn(*args, **kwargs)
        finally:
            reset(token)
        took = clock() - now
        counts[bisect_right(BOUNDS, took)] += 1
        total += took
        return result

    return call
