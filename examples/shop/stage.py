"""The processes of one front: its payments, its Runtime API, and the function in the runtime interface client.

Rule 1: whatever was started is stopped, by its own process id, however the block ends.
Rule 2: what the processes say goes to files in the folder given.
"""

from __future__ import annotations

import http.client
import json
import pathlib
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Self

from runtime_api import FunctionFailed, Outcome, RuntimeApi

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = pathlib.Path(__file__).parent


class Stage:
    """Everything that one front needs. Use it in a ``with``.

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
        with self._open:
            payments = self._open.enter_context(_running(_payments(), self.payments_log, env=_environment()))
            said = json.loads(_first_line(payments, self.payments_log))
            self._control = said["control"]
            self._api = self._open.enter_context(RuntimeApi(name=self.module))
            self.tape.touch()
            function = [sys.executable, str(HERE / "recorded.py"), f"{self.module}.handler", str(self.tape)]
            env = _environment() | _lambda(self.module, self._api.address) | {"PAYMENTS_URL": f"http://127.0.0.1:{said['port']}"}
            self._function = self._open.enter_context(_running(function, self.log, env=env))
            self._open = self._open.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    def ready(self) -> None:
        """Wait until the function has initialised."""
        try:
            self._api.ready()
        except FunctionFailed as error:
            raise FunctionFailed(f"{self.module}: {error}\n{_tail(self.log)}") from None

    def invoke(self, event: object) -> tuple[Outcome, list[dict[str, Any]]]:
        """One event: what became of it, and what the tape has seen meanwhile."""
        if self._function.poll() is not None:
            raise FunctionFailed(f"{self.module} has ended with status {self._function.returncode}\n{_tail(self.log)}")
        outcome = self._api.invoke(event)
        with self.tape.open(encoding="utf-8") as tape:
            tape.seek(self._read)
            seen = [json.loads(line) for line in tape.read().splitlines()]
            self._read = tape.tell()
        return outcome, seen

    def fault(self, fault: dict[str, Any], *, part: str) -> None:
        """Let payments behave like that from now on."""
        self._ask("POST", "/fault", {**fault, "part": part})

    def counts(self) -> dict[str, dict[str, int]]:
        """What payments has counted, by part."""
        return self._ask("GET", "/counts")  # type: ignore[no-any-return]  # it says what it counts

    def _ask(self, method: str, path: str, value: object = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._control, timeout=5)
        try:
            connection.request(method, path, body=json.dumps(value))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def _running(command: list[str], log: pathlib.Path, *, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives as long as the block, in a session of its own: a Ctrl-C is ours to deal with."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=HERE, env=env, stdin=subprocess.PIPE, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.stdin is not None:
            process.stdin.close()
        process.terminate()
        try:
            process.wait(3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
