"""Functions of a few lines, each in the real runtime interface client, against the Runtime API of the example."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from processes import environment, on_lambda, running
from runtime_api import Outcome, RuntimeApi
from stage import objects_in

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator


class Function(NamedTuple):
    """A function that is waiting for events."""

    api: RuntimeApi
    said: pathlib.Path

    def invoke(self, event: object) -> Outcome:
        """Hand it an event."""
        return self.api.invoke(event)

    def log(self) -> list[dict[str, Any]]:
        """Its access log."""
        return [line for line in objects_in(self.said, having="event") if line["event"] == "svcgov.call"]


@contextmanager
def function(folder: pathlib.Path, source: str, *, governed: bool = True, timeout: float = 10.0) -> Iterator[Function]:
    """The handler that *source* defines, with svcgov or as it is; *timeout* is what the platform allows a call."""
    name = "with_svcgov" if governed else "without"
    decorated = "\n\nimport svcgov\n\nhandler = svcgov.handler(handler)\n" if governed else ""
    (folder / f"{name}.py").write_text(source + decorated, encoding="utf-8")
    said = folder / f"{name}.log"
    with RuntimeApi(name=name, timeout=timeout) as api:
        env = environment() | on_lambda(f"{name}.handler", api=api.address, task_root=folder)
        command = [sys.executable, "-m", "awslambdaric", f"{name}.handler"]
        with running(command, log=said, cwd=folder, env=env) as process:
            api.alive = lambda: process.poll() is None
            api.ready()
            yield Function(api, said)


def told(outcome: Outcome) -> tuple[bool, Any]:
    """What the caller is told: whether it failed, and with what. Ids and the frames of the way differ from call to call."""
    if not outcome.failed:
        return False, outcome.value
    return True, (outcome.value["errorType"], outcome.value["errorMessage"], outcome.value["stackTrace"][-1:])
