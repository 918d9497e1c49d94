"""A measuring tape around a client, which whoever uses the client knows nothing of.

What it has seen goes to a file, a JSON line for each thing:

============  =====================================================================================
``call``      what the code that asks waited for, refused or not
``sent``      what left on the wire, and what came of it
``fact``      what svcgov's policies have said of themselves, where svcgov is used
``settings``  what these policies are set to: in the beginning, and whenever a document changes that
============  =====================================================================================

Rule 1: the lines of a call are written when its time has been taken: the tape does not measure itself.
Rule 2: they are written before whoever has asked gets the answer.
"""

from __future__ import annotations

import json
import pathlib
import sys
import threading
import time
from typing import Any

import httpx2


class Tape:
    """Collects, and writes what was collected when a call is over."""

    def __init__(self, path: str) -> None:
        self._file = pathlib.Path(path).open("a", encoding="utf-8")  # noqa: SIM115  # open as long as the process lives
        self._seen: list[dict[str, Any]] = []
        self._settings: dict[str, Any] = {}
        self._lock = threading.Lock()

    def around(self, client: httpx2.Client, target: str) -> None:
        """Watch all that is sent by *client*, and what svcgov does about it."""
        client.request = self._measured(client.request)  # type: ignore[method-assign]  # of this one client
        transport = httpx2.HTTPTransport
        transport.handle_request = self._counted(transport.handle_request)  # type: ignore[method-assign]
        svcgov = sys.modules.get("svcgov")
        if svcgov is not None:
            self._watched = svcgov.policy(target)
            self._note_settings()
            svcgov.listen(self._hear)

    def _note(self, kind: str, **what: object) -> None:
        """Remember one thing."""
        with self._lock:
            self._seen.append({"kind": kind, **what})

    def _flush(self) -> None:
        """Write what was remembered."""
        with self._lock:
            seen, self._seen = self._seen, []
            self._file.writelines(json.dumps(one) + "\n" for one in seen)
            self._file.flush()

    def _measured(self, request: Any) -> Any:
        def measured(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            how = "answered"
            try:
                return request(*args, **kwargs)
            except BaseException as error:
                how = "refused" if _declined(error) else type(error).__name__
                raise
            finally:
                self._note("call", how=how, seconds=time.perf_counter() - began)
                self._flush()

        return measured

    def _counted(self, send: Any) -> Any:
        def counted(transport: httpx2.HTTPTransport, request: httpx2.Request) -> httpx2.Response:
            try:
                response: httpx2.Response = send(transport, request)
            except BaseException as error:
                self._note("sent", how=type(error).__name__)
                raise
            self._note("sent", how=str(response.status_code))
            return response

        return counted

    def _hear(self, fact: Any) -> None:
        self._note("fact", event=fact.event, fields=fact.as_dict())
        if fact.event == "svcgov.document_applied":
            self._note_settings()

    def _note_settings(self) -> None:
        policies = {one.kind: one for one in self._watched.policies}
        limit, breaker = policies["rate_limit"].snapshot(), policies["circuit_breaker"].settings
        rate = f"{limit['limit']} in {limit['window']:g} s"
        settings = {"rate_limit": rate, "consecutive_failures": breaker.consecutive_failures}
        if settings != self._settings:
            self._settings = settings
            self._note("settings", settings=settings)
            self._flush()


def _declined(error: BaseException) -> bool:
    """Whether it is a refusal of svcgov's, which the plain shop never imports."""
    return any(base.__name__ == "RejectedError" for base in type(error).__mro__)
