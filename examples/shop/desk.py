"""The desk of whoever looks after the shop: commands of ``svcgov`` are typed there, and all processes follow what is pushed.

Rule 1: a command is the very one that a person types, in a process of its own.
Rule 2: that a process follows is in its own log: a line ``svcgov.document_applied`` with the revision.
"""

from __future__ import annotations

import pathlib
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from processes import environment
from stage import objects_in

if TYPE_CHECKING:
    from collections.abc import Mapping

_SVCGOV = pathlib.Path(sys.executable).with_name("svcgov")
_REVISION = re.compile(r"revision (\d+)")
_PATIENCE = 60.0  # seconds


class CommandFailedError(Exception):
    """A command did not do what it was to do."""


@dataclass(kw_only=True)
class Push:
    """A document that was pushed.

    Attributes:
        at: when it was there.
        followed: who goes by it, and how many seconds later that was so.
    """

    revision: str
    at: datetime
    followed: dict[str, float] = field(default_factory=dict)

    def look(self, logs: Mapping[str, pathlib.Path]) -> bool:
        """Look in *logs* who goes by it; whether all do."""
        for who in logs.keys() - self.followed.keys():
            for line in objects_in(logs[who], having="revision"):
                if line["revision"] == self.revision:
                    since = datetime.fromisoformat(line["timestamp"]) - self.at
                    self.followed[who] = max(0.0, since.total_seconds())
        return self.followed.keys() == logs.keys()


class Desk:
    """A terminal, at whose registry everybody is; `said` is what can be read in it."""

    def __init__(self, registry: str) -> None:
        self.said = ""
        self._env = environment() | {"SVCGOV_REGISTRY": registry}

    def type(self, *words: str) -> str:
        """Type ``svcgov`` and *words*; what it says.

        Raises:
            CommandFailedError: when it says that it has failed.
        """
        done = subprocess.run(
            [str(_SVCGOV), *words], env=self._env, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
        typed = f"$ svcgov {shlex.join(words)}".replace(" --", " \\\n    --")
        if done.returncode:
            raise CommandFailedError(f"{typed}\n{done.stdout}{done.stderr}(exit status {done.returncode})")
        self.said += f"{typed}\n{done.stdout}"
        return done.stdout

    def push(self, *words: str) -> Push:
        """Type ``svcgov push``."""
        said = self.type("push", *words)
        revision = _REVISION.search(said)
        if revision is None:
            raise CommandFailedError(f"svcgov push names no revision: {said}")
        return Push(revision=revision[1], at=datetime.now(UTC))
