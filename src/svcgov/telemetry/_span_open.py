"""A span of ours that has begun, until it ends.

Rule 1: the span is the current one meanwhile. What was current before is so again, unless the end comes in another context,
        as where the collector ends a coroutine.
Rule 2: how it went is told by classes, statuses and words, never by a message.
Rule 3: an end that goes wrong is reported once. It comes once.
Rule 4: an end that comes in the middle of the SDK's own work, as the collector's may, is told with the next one.
"""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import partial

from opentelemetry import context
from opentelemetry.trace import Status, StatusCode, set_span_in_context

from .._core._clock import SYSTEM
from .._core._context import put_back
from .._core._fork import after_fork
from .._core._report import report_once
from ..errors import RejectedError
from . import _span_words as words
from ._interrupted import SDK, interrupts

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_FAILED = Status(StatusCode.ERROR)
_MOST = 1000  # ends that may wait for the next one; of more the oldest are lost
_waiting: deque[Callable[[], None]] = deque(maxlen=_MOST)

after_fork(_waiting.clear)  # they are the parent's


def _catch_up() -> None:
    """Tell the ends that wait, of which another thread may be telling some."""
    with suppress(IndexError):
        while True:
            _waiting.popleft()()


class Open:
    """One span, current from when this is made; *here* is the context that it has begun in."""

    __slots__ = ("_span", "_token")

    if TYPE_CHECKING:  # for each kind its own

        def _told(self, error: BaseException | None, status: int | None, operation: str) -> None:
            """Say how it went."""

    def __init__(self, span: Any, here: Any) -> None:
        self._span = span
        self._token: Any = context.attach(set_span_in_context(span, here))

    def end(self, error: BaseException | None, *, status: int | None = None, operation: str = "") -> None:
        """It has ended."""
        if isinstance(error, GeneratorExit) and interrupts(SDK):
            self.pause()
            left = GeneratorExit()  # *error* itself holds frames
            _waiting.append(partial(self._over, left, status, operation, int(SYSTEM.wall() * 1e9)))
            return
        if _waiting:
            _catch_up()
        self._over(error, status, operation, None)

    def _over(self, error: BaseException | None, status: int | None, operation: str, at: int | None) -> None:
        try:
            try:
                self._leave()
                if self._span.is_recording():
                    self._told(error, status, operation)
            finally:
                self._span.end(at)
        except Exception as failure:
            report_once("traces.end", f"a span could not be ended: {type(failure).__name__}")

    def pause(self) -> None:
        """What was current before is so again."""
        try:
            self._leave()
        except Exception as failure:
            report_once("traces.pause", f"a span could not be left: {type(failure).__name__}")

    def resume(self) -> None:
        """It is the current one again, of whoever goes on with it."""
        try:
            self._token = context.attach(set_span_in_context(self._span))
        except Exception as failure:
            report_once("traces.resume", f"a span could not be resumed: {type(failure).__name__}")

    def _leave(self) -> None:
        token, self._token = self._token, None
        if token is not None:
            put_back(token.var, token)

    def _failed(self, error: BaseException | None, status: int | None, least: int) -> None:
        """Say so, if this is a failure: an error, or a status of *least* or more. Who leaves makes none."""
        if isinstance(error, Exception):
            kind = words.kind_of(error)
        elif error is None and status is not None and status >= least:
            kind = str(status)
        else:
            return
        self._span.set_attribute("error.type", kind)
        self._span.set_status(_FAILED)


class Served(Open):
    """Of a call that has come in."""

    __slots__ = ("_method",)

    def __init__(self, span: Any, here: Any, method: str) -> None:
        super().__init__(span, here)
        self._method = method

    def _told(self, error: BaseException | None, status: int | None, operation: str) -> None:
        if operation.startswith("/"):
            self._span.set_attribute("http.route", operation)
        if operation:
            self._span.update_name(f"{self._method} {operation}".strip())
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if isinstance(error, RejectedError) and status is not None and status < 500:
            return  # who has asked too often was answered as it should be
        self._failed(error, status, 500)


class Governed(Open):
    """Of a governed call."""

    __slots__ = ()

    def _told(self, error: BaseException | None, status: int | None, operation: str) -> None:
        self._span.set_attribute("svcgov.outcome", words.outcome_of(error))
        self._failed(error, None, 0)


class Asked(Open):
    """Of an attempt at a request."""

    __slots__ = ()

    def _told(self, error: BaseException | None, status: int | None, operation: str) -> None:
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        self._failed(error, status, 400)
