"""What the documentation shows in a terminal is what happens in one: its commands are run, and what they print is compared.

A fence in ``sh`` is what is typed, the one in ``text`` after it is what then appears. Where there are two shells, the first line
of a fence says which one it is; else it is the one before. What is another one each time (an id, a revision) is masked.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from _worlds import SOURCE
from test_docs import GUIDE

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTIONS = [("documents", "The first document in five minutes"), ("registry", "Running on a laptop")]
LONGEST = 60.0  # seconds, for a machine that is busy
_FENCE = re.compile(r"^```(sh|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_SHELL = re.compile(r"# (first|second) shell\n")


class Shell:
    """One that goes on from fence to fence."""

    def __init__(self, folder: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("SVCGOV")}
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        environment["PYTHONPATH"] = SOURCE
        self.process = subprocess.Popen(
            ["/bin/bash", "--norc", "--noprofile"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=folder,
            env=environment,
            start_new_session=True,  # it ends with all that it has started
        )
        self._late = threading.Timer(LONGEST, self.end)
        self._late.start()

    def types(self, text: str) -> None:
        """As somebody would."""
        assert self.process.stdin is not None
        self.process.stdin.write(text)
        self.process.stdin.flush()

    def shows(self, count: int) -> list[str]:
        """So many lines, waited for."""
        assert self.process.stdout is not None
        return [self.process.stdout.readline() for _ in range(count)]

    def end(self) -> None:
        """Whatever is running in it."""
        self._late.cancel()
        try:
            os.killpg(self.process.pid, 9)
        except ProcessLookupError:
            return  # it has ended by itself

    def rest(self) -> str:
        """What it has shown beside all that was waited for."""
        self.end()
        return self.process.communicate()[0]


@contextmanager
def shells(folder: Path) -> Iterator[dict[str, Shell]]:
    """Two."""
    made = {name: Shell(folder) for name in ("first", "second")}
    try:
        yield made
    finally:
        for shell in made.values():
            shell.rest()


def masked(line: str) -> str:
    """*line* without what is another one each time, and the widths of columns, which go by that."""
    line = re.sub(r"\b\d{10,}\b", "REVISION", line)
    line = re.sub(r"\b\d+-[0-9a-f]{12}\b", "ID", line)
    return re.sub(r" +", " ", line).strip()


def free_port() -> str:
    """One that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return str(bound.getsockname()[1])


@pytest.mark.extras
@pytest.mark.parametrize(("page", "title"), SECTIONS, ids=[page for page, _ in SECTIONS])
def test_what_a_terminal_shows_is_so(page: str, title: str, tmp_path: Path) -> None:
    """From the first command of the section to its last."""
    section = (GUIDE / f"{page}.md").read_text().partition(f"## {title}\n")[2].partition("\n## ")[0]
    fences = _FENCE.findall(section.replace("8080", free_port()))
    assert len(fences) == section.count("\n```\n")
    with shells(tmp_path) as made:
        here = made["first"]
        for language, text in fences:
            said = _SHELL.match(text)
            here = made[said[1]] if said else here
            body = text[said.end() :] if said else text
            if language == "sh":
                here.types(body)
            else:
                wanted = body.splitlines()
                shown = [masked(line) for line in here.shows(len(wanted))]
                assert shown == [masked(line) for line in wanted]
        assert {name: shell.rest() for name, shell in made.items()} == {"first": "", "second": ""}
