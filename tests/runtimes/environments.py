"""Environments of their own for frameworks that do not get on with one another, and the servers that run in them.

functions-framework wants cloudevents 1, and Knative's runtime cloudevents 2: no environment can have both.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.metadata import requires
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import pytest

from _worlds import SOURCE
from processes import environment, running
from stage import objects_in

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterator

PATIENCE = 30.0  # seconds in which a server has to say where it listens
COLOURS = ["blue", "green", "red"]
_LISTENS = re.compile(r"(?:Listening at:|Running on) http://127\.0\.0\.1:(\d+)")
_VERSIONS = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"


class Environment(NamedTuple):
    """An environment, by its interpreter."""

    python: str

    def versions(self) -> dict[str, str]:
        """What is installed in it."""
        done = subprocess.run([self.python, "-c", _VERSIONS], capture_output=True, text=True, check=True, timeout=PATIENCE)
        found: dict[str, str] = json.loads(done.stdout)
        return found


def made(folder: pathlib.Path, *wanted: str) -> Environment:
    """A new environment with *wanted* and what svcgov needs; svcgov itself is the very one that is tested."""
    python = folder / "bin" / "python"
    ours = [one for one in requires("svcgov") or () if "extra ==" not in one]
    step([sys.executable, "-m", "venv", str(folder)], "an environment of its own")
    step([str(python), "-m", "pip", "install", "-q", *wanted, *ours], ", ".join(wanted))
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "svcgov.pth").write_text(f"{SOURCE}\n", encoding="utf-8")
    return Environment(str(python))


def step(command: list[str], what: str) -> None:
    """Run *command*; without *what* it makes, fail where everything should be there, or skip."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        say = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        say(f"missing: {what} could not be installed ({' '.join(said)})")


class Server(NamedTuple):
    """A server that runs."""

    url: str
    said: pathlib.Path

    def client(self) -> httpx2.AsyncClient:
        """A client for it."""
        return httpx2.AsyncClient(base_url=self.url, timeout=PATIENCE, limits=httpx2.Limits(max_connections=60))

    def get(self, path: str = "/", **headers: str) -> httpx2.Response:
        """One answer; names of headers with ``_`` for ``-``."""
        with httpx2.Client(base_url=self.url, timeout=PATIENCE) as client:
            return client.get(path, headers=dashed(headers))

    def post(self, **attributes: str) -> httpx2.Response:
        """One event by its attributes, with headers of the request among them: those with ``_``."""
        with httpx2.Client(base_url=self.url, timeout=PATIENCE) as client:
            return client.post("/", headers=event(**attributes), content=b"{}")

    def lines(self, count: int, **fields: Any) -> list[dict[str, Any]]:
        """The JSON lines that it has written and that have these *fields*; waits until there are so many."""
        until = time.monotonic() + PATIENCE
        while len(found := list(self._having(fields))) < count and time.monotonic() < until:
            time.sleep(0.02)
        return found

    def _having(self, fields: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for line in objects_in(self.said, having=next(iter(fields))):
            if all(line.get(name) == value for name, value in fields.items()):
                yield line


@contextmanager
def serving(folder: pathlib.Path, command: list[str], **variables: str) -> Iterator[Server]:
    """A server on a free port of the loopback, which it says itself; stopped by its own process id."""
    said = folder / "said.log"
    ours = {"SVCGOV_LOG": "json", "SVCGOV_COLOURS": ",".join(COLOURS), "K_REVISION": "shop-00001"}
    env = environment() | ours | variables
    with running(command, log=said, cwd=folder, env=env) as process:
        until = time.monotonic() + PATIENCE
        while (listens := _LISTENS.search(said.read_text(encoding="utf-8"))) is None:
            if process.poll() is not None or time.monotonic() > until:
                pytest.fail(f"it does not listen: {said.read_text(encoding='utf-8')}")
            time.sleep(0.02)
        yield Server(f"http://127.0.0.1:{listens[1]}", said)


def dashed(headers: dict[str, str]) -> dict[str, str]:
    """Names as they go over the wire."""
    return {name.replace("_", "-"): value for name, value in headers.items()}


def event(**attributes: str) -> dict[str, str]:
    """An event in the binary form: its attributes are headers, besides those of the request."""
    needed = {"id": "event-1", "source": "/shop", "type": "order.placed", "specversion": "1.0"}
    headers = {"content-type": "application/json"}
    for name, value in (needed | attributes).items():
        headers[name.replace("_", "-") if "_" in name or name == "traceparent" else f"ce-{name}"] = value
    return headers


def trace_of(number: int) -> str:
    """The trace of the call of this number."""
    return f"{number + 1:032x}"


def carried(number: int) -> dict[str, str]:
    """What the request of this number carries."""
    return {
        "traceparent": f"00-{trace_of(number)}-{number + 1:016x}-01",
        "baggage": f"tenant=t{number}",
        "x-svcgov-colour": COLOURS[number % 3],
        "x-request-deadline-ms": str(20_000 + 1000 * number),
    }


def check(number: int, said: dict[str, Any]) -> None:
    """The function has seen what the request of this number carries, before and after it waited, and nothing else."""
    for seen in (said["before"], said["after"]):
        assert (seen["trace"], seen["tenant"], seen["colour"]) == (trace_of(number), f"t{number}", COLOURS[number % 3])
        assert 10 + number < seen["remaining"] <= 20 + number


SEEN = """
import svcgov


def seen():
    here = svcgov.current()
    return {
        "platform": here.platform,
        "trigger": here.trigger,
        "request_id": here.request_id,
        "trace": here.trace.trace_id,
        "tenant": here.baggage.get("tenant"),
        "colour": here.colour,
        "remaining": svcgov.remaining(),
    }


once = svcgov.rate_limit("1/hour", key=lambda call: call.invocation.baggage.get("tenant"))
"""
