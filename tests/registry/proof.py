"""The contract of a registry in a file, with real time: 16 processes, leases of 3 s, and all that can happen to them.

    python tests/registry/proof.py [processes [ttl]] [--write]

After each event all see the same within two leases and a second, so that nobody dead is listed longer; nobody who is alive is
missing for anybody; no call fails, or is held up for longer than 50 ms. The exit status is 1 where one of these does not hold: a
machine that is busy with something else makes it fail. `--write` writes ``docs/registry-proof.md`` in any case: what has failed
says so there, and so does what has not been run. The short form, which every run of the tests has, is `test_processes`.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import os
import platform
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import traceback
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from registry.members import Member, Members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGE = Path(__file__).parents[2] / "docs" / "registry-proof.md"
PROCESSES, TTL = 16, 3.0
HELD_UP = 0.05  # seconds
EVENTS = (
    "one gets SIGTERM",
    "one gets SIGKILL",
    "one is frozen (SIGSTOP) for three leases",
    "it thaws (SIGCONT)",
    "the file is deleted, what belongs to it is left",
    "the file is deleted, and all that belongs to it",
    "the file is locked for half a lease",
    "the file is locked for two leases",
    "the disk is full for two leases",
)
NOT_RUN = "It has not been run."
HEAD = """\
# A registry put to the proof

`nox -s proof` lets {processes} processes share one [registry](guide/registry.md) in a file of SQLite, with leases of {ttl:g} s,
and does to them what can be done. Each of them is called again and again, and says who is there; all answers are compared. Every
second process has no thread of svcgov's, so that its leases are renewed on the way out of its calls.

{run}

- **All see the same** after an event, for good, within two leases and a second ({limit:g} s): nobody who is gone is listed
  longer.
- **Nobody is missing** who is there, for anybody, at any moment, neither before that nor after it.
- **No call** that looks somebody up fails, or is held up for longer than {held_up:.0f} ms.

| what happens | all see the same after | missing meanwhile | the longest call | result |
|---|---:|---|---:|---|
"""


class Figure(NamedTuple):
    """What came of one event."""

    took: float  # seconds until all saw the same, for good
    missed: tuple[str, ...]
    slowest: float  # seconds
    limit: float

    @property
    def holds(self) -> bool:
        """Whether all that was to be shown does."""
        return self.took <= self.limit and not self.missed and self.slowest <= HELD_UP

    def cells(self) -> tuple[str, ...]:
        """For people."""
        result = "holds" if self.holds else "FAILED"
        return f"{self.took:.2f} s", ", ".join(self.missed) or "nobody", f"{self.slowest * 1000:.1f} ms", result


class Proof:
    """Runs, and prints what comes of each event."""

    def __init__(self, count: int, ttl: float) -> None:
        self.count, self.ttl = count, ttl
        self.limit = 2 * ttl + 1
        self.figures: dict[str, Figure] = {}
        self.filled = ""  # how a disk was made full

    def run(self) -> None:
        """All of it."""
        with tempfile.TemporaryDirectory() as folder:
            with self.members(Path(folder)):
                self.signals()
                self.files()
            disk = Path(folder, "disk")
            disk.mkdir()
            with mounted(disk) as real, self.members(disk):
                fill, free = (self.fills, self.frees) if real else (self.bounds, self.unbounds)
                self.filled = "a file system of its own, of 16 MiB in memory" if real else "RLIMIT_FSIZE: no file can grow"
                self.happens("the disk is full for two leases", fill, lasts=2 * self.ttl, over=free)

    @contextlib.contextmanager
    def members(self, folder: Path) -> Iterator[None]:
        """All of them, who see one another."""
        self.file = folder / "registry.db"
        self.gone: list[Member] = []
        self.all = Members(self.file, self.ttl, self.count)
        try:
            self.all.converge(60.0)  # they start one after the other
            yield
        finally:
            self.all.end()

    # -- what happens ------------------------------------------------------------------------------------------------

    def signals(self) -> None:
        """To processes."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.gone.append(self.all.awake.pop())
            self.happens(f"one gets {number.name}", partial(self.gone[-1].gets, number))
        self.gone.append(frozen := self.all.awake.pop())
        stays = 3 * self.ttl - self.limit
        self.happens("one is frozen (SIGSTOP) for three leases", lambda: frozen.gets(signal.SIGSTOP), then=stays)
        self.gone.remove(frozen)
        self.happens("it thaws (SIGCONT)", lambda: self.thaws(frozen))

    def thaws(self, frozen: Member) -> None:
        """It is there again, and asked like all others."""
        frozen.gets(signal.SIGCONT)
        self.all.awake.append(frozen)

    def files(self) -> None:
        """To their file."""
        self.happens("the file is deleted, what belongs to it is left", self.file.unlink)
        self.happens("the file is deleted, and all that belongs to it", self.deletes)
        for leases, text in ((0.5, "half a lease"), (2, "two leases")):
            self.other = sqlite3.connect(self.file, isolation_level=None, timeout=5.0)
            self.happens(f"the file is locked for {text}", self.locks, lasts=leases * self.ttl, over=self.other.close)

    def deletes(self) -> None:
        """All files."""
        for file in self.file.parent.glob("registry.db*"):
            file.unlink()

    def locks(self) -> None:
        """As a program does that writes, and goes on writing."""
        self.other.execute("BEGIN EXCLUSIVE")

    def fills(self) -> None:
        """The disk, to the last byte."""
        with self.file.with_name("filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            for size in (1 << 16, 1 << 10, 1):
                with contextlib.suppress(OSError):
                    while filler.write(bytes(size)):
                        pass

    def frees(self) -> None:
        """There is room again."""
        self.file.with_name("filler").unlink()

    def bounds(self, most: int = 0) -> None:
        """No process can write into a file behind its first *most* bytes."""
        for one in self.all.awake:
            resource.prlimit(one.process.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def unbounds(self) -> None:
        """All can."""
        self.bounds(resource.RLIM_INFINITY)

    # -- what comes of it --------------------------------------------------------------------------------------------

    def happens(
        self,
        name: str,
        act: Callable[[], object],
        *,
        lasts: float = 0.0,
        over: Callable[[], object] | None = None,
        then: float = 0.0,
    ) -> None:
        """*act*, which *lasts* so long, until it is *over*: all go on looking meanwhile, and *then* for so much longer."""
        self.stay = {one.key for one in self.all.awake}  # who comes back is there when it has said so
        self.missed: set[str] = set()
        self.all.slowest = 0.0
        act()
        if over is not None:
            self.watch(lasts)
            over()
        took = self.watch(self.limit)
        self.watch(then)
        self.figures[name] = figure = Figure(took, tuple(sorted(self.missed)), self.all.slowest, self.limit)
        print(f"{name:<50} {'  '.join(figure.cells())}", flush=True)

    def watch(self, seconds: float) -> float:
        """Look for so long; after how many of them not all saw the same for the last time."""
        began, differed = time.monotonic(), 0.0
        while True:
            same, seen, _ = self.all.look(tuple(self.gone))
            took = time.monotonic() - began
            self.missed |= self.stay - seen
            if not same:
                differed = took
            if took >= seconds:
                return differed
            time.sleep(0.02)


@contextlib.contextmanager
def mounted(folder: Path) -> Iterator[bool]:
    """A small file system at *folder*, where we may mount one; whether we may."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    may = False
    if mount and umount:
        made = subprocess.run([mount, "-t", "tmpfs", "-o", "size=16m", "svcgov", folder], check=False, capture_output=True)
        may = made.returncode == 0
    try:
        yield may
    finally:
        if umount and may:
            subprocess.run([umount, folder], check=True)


def page(proof: Proof, when: str) -> str:
    """For the documentation: what has not been run says so."""
    rows = [(name, *(proof.figures[name].cells() if name in proof.figures else ("not run", "", "", ""))) for name in EVENTS]
    head = HEAD.format(processes=proof.count, ttl=proof.ttl, limit=proof.limit, held_up=HELD_UP * 1000, run=when)
    disk = f"\nA disk is made full by {proof.filled}.\n" if proof.filled else ""
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows) + disk


def main(arguments: list[str] | None = None) -> int:
    """Prove it."""
    parser = argparse.ArgumentParser(description="The contract of a registry in a file.")
    parser.add_argument("processes", nargs="?", type=int, default=PROCESSES)
    parser.add_argument("ttl", nargs="?", type=float, default=TTL)
    parser.add_argument("--write", action="store_true", help=f"write docs/{PAGE.name}")
    options = parser.parse_args(arguments)
    proof = Proof(options.processes, options.ttl)
    try:
        proof.run()
    except Exception:
        traceback.print_exc()
    if options.write:
        day, cores = datetime.datetime.now(datetime.UTC).date(), os.cpu_count()
        when = f"Run on {day} with Python {platform.python_version()} and SQLite {sqlite3.sqlite_version} on {cores} cores."
        PAGE.write_text(page(proof, when if proof.figures else NOT_RUN), encoding="utf-8")
    return int(list(proof.figures) != list(EVENTS) or not all(one.holds for one in proof.figures.values()))


if __name__ == "__main__":
    sys.exit(main())
