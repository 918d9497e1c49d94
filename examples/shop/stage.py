"""Everything that one front needs: its payments, its Runtime API, and the function in the runtime interface client.

What the processes say goes to files in the folder given; what a call did is read from the function's tape.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from processes import environment, first_line, on_lambda, running, tail
from runtime_api import FunctionFailed, Outcome, RuntimeApi
from story import CAPACITY, WORK

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = pathlib.Path(__file__).parent


class Stage:
    """One front and what is around it. Use it in a ``with``.

    Args:
        module: the front: ``front`` or ``front_plain``.
        folder: where the files go.
    """

    def __init__(self, *, module: str, folder: pathlib.Path) -> None:
        self.module = module
        self.log = folder / f"{module}.log"
        self.payments_log = folder / f"{module}.payments.log"
        self.tape = folder / f"{module}.tape.jsonl"
        self._read = 0
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for file in (self.log, self.payments_log, self.tape):
            file.unlink(missing_ok=True)  # of another run
        with ExitStack() as opening:
            payments = [sys.executable, str(HERE / "payments.py"), f"--work={WORK}", f"--capacity={CAPACITY}"]
            selling = opening.enter_context(running(payments, log=self.payments_log, cwd=HERE, env=environment()))
            said = json.loads(first_line(selling, self.payments_log))
            self._control = said["control"]
            self._api = opening.enter_context(RuntimeApi(name=self.module))
            self.tape.touch()
            handler = f"{self.module}.handler"
            env = environment() | on_lambda(handler, api=self._api.address, task_root=HERE)
            env |= {"PAYMENTS_URL": f"http://127.0.0.1:{said['port']}", "SVCGOV_COLOURS": "blue"}
            function = [sys.executable, str(HERE / "recorded.py"), handler, str(self.tape)]
            self._function = opening.enter_context(running(function, log=self.log, cwd=HERE, env=env))
            self._api.alive = lambda: self._function.poll() is None
            self._open = opening.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def close(self) -> None:
        """Let go of whoever waits for the function: no answer will come."""
        self._api.closed.set()

    def ready(self) -> None:
        """Wait until the function has initialised."""
        try:
            self._api.ready()
        except FunctionFailed as error:
            raise FunctionFailed(f"{self.module}: {error}\n{tail(self.log)}") from None

    def invoke(self, event: object) -> tuple[Outcome, list[dict[str, Any]]]:
        """One event: what became of it, and what the tape has seen meanwhile."""
        try:
            outcome = self._api.invoke(event)
        except FunctionFailed as error:
            status = self._function.poll()
            raise FunctionFailed(f"{self.module} (exit status {status}): {error}\n{tail(self.log)}") from None
        return outcome, self._seen()

    def fault(self, fault: dict[str, Any], *, part: str) -> None:
        """Let payments behave like that from now on."""
        self._ask("POST", "/fault", {**fault, "part": part})

    def counts(self) -> dict[str, dict[str, int]]:
        """What payments has counted, by part."""
        return self._ask("GET", "/counts")  # type: ignore[no-any-return]  # it says what it counts

    def charges(self) -> Iterator[dict[str, Any]]:
        """The lines that payments has written about its charges."""
        return objects_in(self.payments_log, having="charge")

    def calls(self) -> Iterator[dict[str, Any]]:
        """The lines of the function's access log: none, if it is not governed."""
        return objects_in(self.log, having="trace_id")

    def _seen(self) -> list[dict[str, Any]]:
        with self.tape.open("rb") as tape:
            tape.seek(self._read)
            fresh = tape.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]  # a call that goes on may be writing
        self._read += len(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def _ask(self, method: str, path: str, value: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._control, timeout=20)
        try:
            connection.request(method, path, body=json.dumps(value))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


def objects_in(log: pathlib.Path, *, having: str) -> Iterator[dict[str, Any]]:
    """The lines of a log that are JSON objects and have this key; others have other lines in it, too."""
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.startswith("{"):
            value = json.loads(line)
            if having in value:
                yield value
