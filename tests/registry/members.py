"""Processes that share one file: each registers itself, and says who else is there when it is asked.

It is asked by a call of a handler. Every second one has no keeper: its beats ride on its calls.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from _worlds import SOURCE

if TYPE_CHECKING:
    import signal
    from pathlib import Path

LIFE = """
import json, sys, time
import svcgov
from svcgov.registry import Instance, connect
registry = connect("sqlite://" + sys.argv[1], ttl=float(sys.argv[2]))
registry.register(Instance(service="orders", id=sys.argv[3], address="http://127.0.0.1:1"))
registry.refresh("orders")
call = svcgov.handler(lambda event, context: registry.looked_up("orders"))
for line in sys.stdin:
    began = time.monotonic()
    found = call({}, None)
    took = time.monotonic() - began
    print(json.dumps({"ids": [one.id for one in found], "suspects": sorted(found.suspects), "took": took}), flush=True)
"""


class Member:
    """One process."""

    def __init__(self, file: Path, ttl: float, key: str, *, keeper: bool = True) -> None:
        self.key = key
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SVCGOV")}
        self.process = subprocess.Popen(  # our own interpreter, our own code
            [sys.executable, "-c", LIFE, str(file), str(ttl), key],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**environment, "PYTHONPATH": SOURCE, "SVCGOV_LOG": "off", "SVCGOV_KEEPER": "on" if keeper else "off"},
        )

    def sees(self) -> dict[str, Any]:
        """Who is there, as far as it knows; and how long a call that looks it up was held up."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        seen: dict[str, Any] = json.loads(self.process.stdout.readline())
        return seen

    def gets(self, number: signal.Signals) -> None:
        """A signal."""
        self.process.send_signal(number)

    def end(self) -> None:
        """Whatever it is doing."""
        self.process.kill()
        self.process.communicate()


class Members:
    """All of them."""

    def __init__(self, file: Path, ttl: float, count: int) -> None:
        self.ttl = ttl
        self.slowest = 0.0
        self.all = [Member(file, ttl, f"{number:02}", keeper=number % 2 == 0) for number in range(count)]
        self.awake = list(self.all)

    def look(self, but: tuple[Member, ...] = ()) -> tuple[bool, set[str], list[dict[str, Any]]]:
        """Whether all who are awake see the same: all of them, *but* for these; whom all of them see; and what each has said."""
        wanted = sorted(one.key for one in self.all if one not in but)
        seen = [one.sees() for one in self.awake]
        self.slowest = max(self.slowest, *(one["took"] for one in seen))
        same = all(one["ids"] == wanted and not one["suspects"] for one in seen)
        return same, set.intersection(*(set(one["ids"]) for one in seen)), seen

    def converge(self, limit: float, *, but: tuple[Member, ...] = ()) -> float:
        """Wait until all who are awake see the same: all of them, *but* for these. Seconds that it took, at most *limit*."""
        began = time.monotonic()
        while True:
            same, _, seen = self.look(but)
            if same:
                return time.monotonic() - began
            assert time.monotonic() - began < limit, seen
            time.sleep(0.02)

    def end(self) -> None:
        """All go."""
        for one in self.all:
            one.end()
