"""The processes of the example: how they start, what they are given, and how they end.

Rule 1: whatever was started is stopped, by its own process id, however the block ends.
Rule 2: what a process says goes to a file.
Rule 3: a process gets the environment of the platform it pretends to be on, and nothing of ours: no proxy between
        neighbours, no setting of svcgov's that happens to be in the shell.
"""

from __future__ import annotations

import os
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator, Mapping

_NOT_HANDED_ON = ("AWS_", "SVCGOV", "LAMBDA_", "OTEL_", "_HANDLER")
_A_GOODBYE = 3.0  # seconds


class ProcessEndedError(Exception):
    """A process ended where it should have gone on."""


@contextmanager
def running(
    command: list[str], *, log: pathlib.Path, cwd: pathlib.Path, env: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the block, in a session of its own: a Ctrl-C is ours to deal with."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=cwd, env=dict(env), stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(_A_GOODBYE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def environment() -> dict[str, str]:
    """The variables that a process gets in any case."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_NOT_HANDED_ON) and not name.lower().endswith("_proxy")
    }
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def on_lambda(handler: str, *, api: str, task_root: pathlib.Path) -> dict[str, str]:
    """The variables that the platform sets, for a function whose Runtime API listens on *api*."""
    return {
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
        "AWS_LAMBDA_FUNCTION_NAME": handler.partition(".")[0],
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_RUNTIME_API": api,
        "AWS_REGION": "eu-central-1",
        "LAMBDA_TASK_ROOT": str(task_root),
        "_HANDLER": handler,
    }


def first_line(process: subprocess.Popen[bytes], log: pathlib.Path, *, having: str = "", seconds: float = 30.0) -> str:
    """The first whole line that *process* says, of those *having* this in them.

    Raises:
        ProcessEndedError: when it ends first, or says nothing for so long.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        said = log.read_text(encoding="utf-8", errors="replace")
        for line in said.splitlines(keepends=True):
            if having in line and line.endswith("\n"):
                return line.rstrip()
        if process.poll() is not None:
            break
        time.sleep(0.02)
    raise ProcessEndedError(f"{log.name}: no word from the process (status {process.poll()})\n{tail(log)}")


def tail(log: pathlib.Path, *, lines: int = 12) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
