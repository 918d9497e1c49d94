"""Section `threads`: 32 threads through one pipeline.

A lock held over the call would show at a target that waits; a lock held at all shows at one that does nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

from . import governed, peers
from .harness import spread

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Figures

THREADS, WAIT = 32, 0.001


def waiting() -> None:
    """A target that waits, as for a network."""
    time.sleep(WAIT)


def nothing() -> None:
    """A target that does nothing."""


def rate(call: Callable[[], Any], *, threads: int, seconds: float) -> float:
    """Calls per second that so many threads make together."""
    stop = threading.Event()
    counts = [0] * threads
    gate = threading.Barrier(threads + 1)

    def work(number: int) -> None:
        done, stopped = 0, stop.is_set
        gate.wait()
        while not stopped():
            for _ in range(16):
                call()
            done += 16
        counts[number] = done

    crowd = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(threads)]
    for thread in crowd:
        thread.start()
    gate.wait()
    start = time.perf_counter()
    time.sleep(seconds)
    stop.set()
    for thread in crowd:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


def crowded(*, quick: bool) -> Figures:
    """Rates beside plain ones of the same round."""
    rounds, seconds = (2, 0.1) if quick else (9, 0.3)
    slow, fast = governed.five()(waiting), governed.five()(nothing)
    locked = peers.pybreaker(waiting)
    shares: dict[str, list[float]] = {"waiting": [], "waiting, pybreaker": [], "busy": []}
    for _ in range(rounds):
        plain = rate(waiting, threads=THREADS, seconds=seconds)
        shares["waiting"].append(100 * rate(slow, threads=THREADS, seconds=seconds) / plain)
        alone, together = (rate(nothing, threads=n, seconds=seconds) for n in (1, THREADS))
        mine, ours = (rate(fast, threads=n, seconds=seconds) for n in (1, THREADS))
        shares["busy"].append(100 * (ours / mine) / (together / alone))
    shares["waiting, pybreaker"].append(100 * rate(locked, threads=THREADS, seconds=seconds) / plain)
    return {name: spread(values) for name, values in shares.items()}
