"""Section `memory`: what a pipeline holds, whether it grows, and whether it starts threads."""

from __future__ import annotations

import functools
import gc
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

from . import frames, governed

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Figures

MADE, CALLS = 200, 100_000


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


def footprint(*, quick: bool) -> Figures:
    """Bytes per pipeline, bytes grown, threads started."""
    calls = CALLS // 10 if quick else CALLS
    threads = threading.active_count()
    fns = targets()
    warm = governed.five()(nothing)
    tracemalloc.start()
    try:
        size = held(lambda: [governed.five()(fn) for fn in fns])
        _call(warm, 1000)
        growth = held(lambda: _call(warm, calls))
    finally:
        tracemalloc.stop()
    return {"pipeline": size / MADE / 1024, "growth": float(growth), "threads": threading.active_count() - threads}


def _call(fn: Callable[..., Any], times: int) -> None:
    for _ in range(times):
        fn()


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
