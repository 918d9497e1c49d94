"""Where the time goes: frames by their own time, or imports by theirs.

A profiler makes small frames look dearer than they are: read the order and the number of calls, not the sums.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

CALLS, SHOWN = 50_000, 14
IMPORT = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \|\s+(\S+)")


def show(title: str, call: Callable[[], Any], *, calls: int = CALLS, only: str = "") -> None:
    """Print the frames of one function, or those in files whose path contains `only`."""
    for _ in range(min(calls, 1000)):
        call()
    profile = cProfile.Profile()
    with profile:
        for _ in range(calls):
            call()
    _print(title, profile, calls, only)


def show_async(title: str, call: Callable[[], Awaitable[Any]], *, calls: int = CALLS) -> None:
    """Print the frames of one coroutine function."""

    async def drive(times: int) -> None:
        for _ in range(times):
            await call()

    async def whole() -> cProfile.Profile:
        await drive(1000)
        profile = cProfile.Profile()
        with profile:
            await drive(calls)
        return profile

    _print(title, asyncio.run(whole()), calls)


def show_imports(title: str, code: str) -> None:
    """Print the modules that a program imports and a bare interpreter does not, dearest first."""
    bare = {name for _, name in _imports("pass")}
    rows = sorted((row for row in _imports(code) if row[1] not in bare), reverse=True)
    print(f"-- {title}: {len(rows)} modules, {sum(own for own, _ in rows) / 1000:.1f} ms by their own bodies")
    for own, name in rows[: 2 * SHOWN]:
        print(f"  {own / 1000:8.2f} ms  {name}")


def _imports(code: str) -> list[tuple[int, str]]:
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    return [(int(own), name) for own, _, name in IMPORT.findall(done.stderr)]


def _print(title: str, profile: cProfile.Profile, calls: int, only: str = "") -> None:
    stats: Any = pstats.Stats(profile)
    rows = [(own, count, key) for key, (_, count, own, _, _) in stats.stats.items() if count >= calls // 2 and only in key[0]]
    print(f"-- {title}: own time per call, as the profiler sees it")
    for own, count, (file, line, name) in sorted(rows, reverse=True)[:SHOWN]:
        where = "/".join(file.rsplit("/", 2)[-2:])
        print(f"  {own / calls * 1e9:7.0f} ns  {count / calls:4.1f} calls  {name}  {where}:{line}")
