"""``python recorded.py front.handler FILE``: the runtime interface client, with an eye on what the function does.

It loads the function's module, puts a measuring tape around ``payments.request`` and around every request that really
leaves, listens to svcgov's facts (if the function uses it), and then hands over to `awslambdaric`, which runs the
handler exactly as ``python -m awslambdaric front.handler`` would. The function itself knows nothing of it.

One JSON line for each thing seen goes to FILE: ``call`` (what the function's own code waited for), ``sent`` (what left
on the wire), ``fact``. The lines of a call are written when its time has been taken: the tape does not measure itself.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import sys
import threading
import time
from typing import Any

import httpx2
from awslambdaric.__main__ import main as run_runtime_interface_client  # type: ignore[import-untyped]  # it is not


class Tape:
    """Collects, and writes what was collected when a call is over."""

    def __init__(self, path: str) -> None:
        self._file = pathlib.Path(path).open("a", encoding="utf-8")  # noqa: SIM115  # open as long as the process lives
        self._seen: list[dict[str, Any]] = []
        self._lock = threading.Lock()

    def note(self, kind: str, **what: object) -> None:
        """Remember one thing."""
        with self._lock:
            self._seen.append({"kind": kind, **what})

    def flush(self) -> None:
        """Write what was remembered."""
        with self._lock:
            seen, self._seen = self._seen, []
            self._file.writelines(json.dumps(one) + "\n" for one in seen)
            self._file.flush()

    def around_call(self, request: Any) -> Any:
        """Measure what a caller waits for one request, refused or not."""

        def measured(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            how = "answered"
            try:
                return request(*args, **kwargs)
            except BaseException as error:
                how = "refused" if _declined(error) else type(error).__name__
                raise
            finally:
                self.note("call", how=how, seconds=time.perf_counter() - began)
                self.flush()

        return measured

    def around_send(self, send: Any) -> Any:
        """Count what leaves on the wire, and what came of it."""

        def counted(transport: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
            try:
                response: httpx2.Response = send(transport, request)
            except BaseException as error:
                self.note("sent", how=type(error).__name__)
                raise
            self.note("sent", how=str(response.status_code))
            return response

        return counted

    def hear(self, fact: Any) -> None:
        """Remember a fact of svcgov's."""
        self.note("fact", event=fact.event, fields=fact.as_dict())


def _declined(error: BaseException) -> bool:
    """Whether it is a refusal of svcgov's, which the plain front never imports."""
    return any(base.__name__ == "RejectedError" for base in type(error).__mro__)


def main() -> None:
    """Load, watch, hand over."""
    handler, path = sys.argv[1:]
    tape = Tape(path)
    httpx2.HTTPTransport.handle_request = tape.around_send(httpx2.HTTPTransport.handle_request)  # type: ignore[method-assign]
    function = importlib.import_module(handler.rpartition(".")[0])
    function.payments.request = tape.around_call(function.payments.request)
    if "svcgov" in sys.modules:
        sys.modules["svcgov"].listen(tape.hear)
    run_runtime_interface_client(["awslambdaric", handler])


if __name__ == "__main__":
    main()
