"""Section `memory`: what a pipeline holds, whether it grows, and whether it starts threads."""

from __future__ import annotations

import functools
import gc
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import svcgov

from . import frames, governed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Figures

MADE, CALLS, KEYS = 200, 100_000, 10_000


def nothing(number: int = 0) -> int:
    """The target."""
    return number


def held(make: Callable[[], Any]) -> int:
    """Bytes that what `make` returns keeps."""
    gc.collect()
    before = tracemalloc.get_traced_memory()[0]
    kept = make()
    gc.collect()
    size = tracemalloc.get_traced_memory()[0] - before
    del kept
    return size


def targets() -> list[Callable[[], int]]:
    """Functions of which each is governed by itself."""
    return [functools.partial(nothing, number) for number in range(MADE)]


def with_keys() -> Callable[[Any], Any]:
    """A function of which each argument has a rate limit to itself."""
    return svcgov.rate_limit("1000/second", key=lambda call: call.args[0], max_keys=KEYS)(nothing)


def footprint(*, quick: bool) -> Figures:
    """Bytes per pipeline, and per key of a rate limit, beside the key itself; bytes grown, threads started."""
    calls = CALLS // 10 if quick else CALLS
    threads = threading.active_count()
    fns = targets()
    warm, limited, keys = governed.five()(nothing), with_keys(), list(range(KEYS))
    limited(keys[0])
    tracemalloc.start()
    try:
        size = held(lambda: [governed.five()(fn) for fn in fns])
        of_keys = held(lambda: _each(limited, keys))
        _call(warm, 1000)
        growth = held(lambda: _call(warm, calls))
    finally:
        tracemalloc.stop()
    started = threading.active_count() - threads
    return {"pipeline": size / MADE / 1024, "key": of_keys / KEYS, "growth": float(growth), "threads": started}


def _call(fn: Callable[..., Any], times: int) -> None:
    for _ in range(times):
        fn()


def _each(fn: Callable[[Any], Any], keys: list[int]) -> None:
    for key in keys:
        fn(key)


def profile() -> None:
    """The lines that hold most of a pipeline."""
    fns = targets()
    governed.five()(nothing)
    tracemalloc.start(1)
    kept = [governed.five()(fn) for fn in fns]
    gc.collect()
    snapshot = tracemalloc.take_snapshot()
    tracemalloc.stop()
    print(f"-- memory of one of {len(kept)} pipelines, by the line that asked for it")
    for line in snapshot.statistics("lineno")[: 2 * frames.SHOWN]:
        frame = line.traceback[0]
        where = "/".join(frame.filename.rsplit("/", 2)[-2:])
        print(f"  {line.size / MADE:7.0f} B  {line.count / MADE:4.1f} blocks  {where}:{frame.lineno}")
