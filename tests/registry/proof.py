"""The contract of a registry in a file, with real time: 16 processes, a lease of 3 s, and all that can happen to them.

    python tests/registry/proof.py [processes] [ttl]

After each event all see the same within two leases and a second, nobody who is there is missing for anybody, and no call is held
up for longer than 50 ms. A machine that is busy with something else makes it fail; the short form is `test_processes`.
"""

from __future__ import annotations

import signal
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

from registry.members import Member, Members

HELD_UP = 0.05  # seconds


class Proof:
    """Runs, and prints how long each thing took."""

    def __init__(self, folder: Path, count: int, ttl: float) -> None:
        self.file = folder / "registry.db"
        self.limit = 2 * ttl + 1
        self.ttl = ttl
        self.members = Members(self.file, ttl, count)
        self.missed: set[str] = set()
        self.all_missed: list[str] = []
        self.members.converge(60.0)  # they start one after the other

    def stays(self, seen: set[str]) -> None:
        """Nobody who is awake is missing for anybody."""
        self.missed |= {one.key for one in self.members.awake} - seen

    def after(self, what: str, *but: Member) -> None:
        """Wait until all see what there is, but for these."""
        took = self.members.converge(self.limit, but=but, watch=self.stays)
        missed, self.missed = sorted(self.missed), set()
        self.all_missed += missed
        print(f"{what:<30} {took:5.2f} s of {self.limit:g}, missed: {', '.join(missed) or 'nobody'}", flush=True)

    def locked(self, seconds: float) -> None:
        """Somebody holds the file for so long; everybody goes on looking."""
        with closing(sqlite3.connect(self.file, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            ends = time.monotonic() + seconds
            while time.monotonic() < ends:
                self.members.converge(self.limit, watch=self.stays)
                time.sleep(0.05)
            other.execute("ROLLBACK")

    def run(self) -> None:
        """All of it."""
        awake = self.members.awake
        gone = [awake.pop()]
        gone[0].gets(signal.SIGTERM)
        self.after("SIGTERM", *gone)
        gone.append(awake.pop())
        gone[1].gets(signal.SIGKILL)
        self.after("SIGKILL", *gone)
        frozen = awake.pop()
        frozen.gets(signal.SIGSTOP)
        self.after("SIGSTOP", *gone, frozen)
        time.sleep(2 * self.ttl)
        frozen.gets(signal.SIGCONT)
        awake.append(frozen)
        self.after("thaw", *gone)
        self.all_missed.clear()  # who comes back is there when it has said so
        for end in ("", "*"):
            for file in self.file.parent.glob(f"registry.db{end}"):
                file.unlink()
            ends = time.monotonic() + self.limit
            while time.monotonic() < ends:
                self.members.converge(self.limit, but=tuple(gone), watch=self.stays)
            self.after(f"file deleted {end}", *gone)
        self.members.all = [one for one in self.members.all if one not in gone]
        self.locked(self.ttl / 2)
        self.after("locked for half a lease")
        self.locked(2 * self.ttl)
        self.after("locked for two leases")
        print(f"the longest call: {self.members.slowest * 1000:.1f} ms")
        assert not self.all_missed
        assert self.members.slowest <= HELD_UP


def main(count: int = 16, ttl: float = 3.0) -> None:
    """Prove it."""
    with tempfile.TemporaryDirectory() as folder:
        proof = Proof(Path(folder), count, ttl)
        try:
            proof.run()
        finally:
            proof.members.end()


if __name__ == "__main__":
    main(*[int(one) for one in sys.argv[1:]])
