"""One instance of `orders`: a process in uvicorn, its log, and its tape."""

from __future__ import annotations

import json
import pathlib
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from processes import first_line, running

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HERE = pathlib.Path(__file__).parent
_SERVES = "Application startup complete"  # as uvicorn says it: by then an instance is in the registry


class Instance:
    """Use it in a ``with``.

    Args:
        who: how it is called in the story, such as ``orders v2``.
        module: ``orders`` or ``orders_plain``.
        folder: where its log and its tape go.
        env: the variables that it gets.
    """

    def __init__(self, *, who: str, module: str, folder: pathlib.Path, env: Mapping[str, str]) -> None:
        name = "-".join([module, *who.split()[1:]])
        self.who = who
        self.log = folder / f"{name}.log"
        self.address = ""
        self._tape = folder / f"{name}.tape.jsonl"
        self._command = [sys.executable, str(HERE / "recorded.py"), module, "payments", str(self._tape)]
        self._env = env
        self._read = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self.log.unlink(missing_ok=True)  # of another run
        self._tape.write_bytes(b"")
        with ExitStack() as opening:
            self._process = opening.enter_context(running(self._command, log=self.log, cwd=HERE, env=self._env))
            self.address = json.loads(first_line(self._process, self.log))["address"]
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def ready(self) -> None:
        """Wait until it serves."""
        first_line(self._process, self.log, having=_SERVES)

    def seen(self) -> Iterator[dict[str, Any]]:
        """What is new on the tape."""
        with self._tape.open("rb") as tape:
            tape.seek(self._read)
            fresh = tape.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]  # a call that goes on may be writing
        self._read += len(whole)
        for line in whole.splitlines():
            yield {"who": self.who, **json.loads(line)}
