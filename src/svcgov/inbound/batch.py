"""A batch of records, one by one: each in its own colour and trace, and those that failed reported.

A record: waiting > begun > done, failed, or skipped (the loop went on without it).

Rule 1: what is not done is reported, whatever the reason: it failed, it was not reached, it was begun and has not ended.
Rule 2: an error inside ``with`` ends its record, not the batch: it is kept, it has a line in the log, and the loop goes on.
        What is no `Exception` goes up as it is.
Rule 3: where order matters, nothing is begun after a failure.
Rule 4: where nothing was done, or the platform takes no report, the batch as a whole has failed: that is an error.
"""

from __future__ import annotations

from .._core._context import DEADLINE, INVOCATION
from .._core._report import report_once
from .._core._spans import SPANS, provider
from ..errors import BatchFailedError
from ..propagation import trace
from ..propagation._carrier import incoming
from ._records import body_of, carrier_of, id_of, ordered, records_of, source_of
from .invocation import end

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextvars import Token
    from types import TracebackType
    from typing import Any, Self

    from .._core._context import Identity, Invocation, Trace
    from .._core._spans import Span
    from ..typing import Clock
    from .invocation import Log

_PARTIAL = frozenset(("sqs", "kinesis", "dynamodb"))  # where the platform takes a report of records


class Message:
    """One record. Made by `svcgov.message`, and by a `Batch`.

    Inside ``with`` (or ``async with``) `svcgov.current` is the record's own: its colour, its baggage, a span of its trace.
    While somebody makes spans, that one is made.

    Attributes:
        raw: the record as it came.
        id: what a batch reports it by, or the empty string.
        source: ``sqs``, ``sns``, ``kinesis`` and so on.
    """

    __slots__ = ("_identity", "_spans", "_tokens", "id", "raw", "source")

    def __init__(self, record: Any, identity: Identity) -> None:
        self.raw: Any = record
        self.id: str = id_of(record)
        self.source: str = source_of(record)
        self._identity = identity
        self._tokens: list[Token[Invocation]] = []
        self._spans: list[Span | None] = []

    @property
    def body(self) -> Any:
        """What was sent: text, the bytes of a stream, or the detail of an event."""
        return body_of(self.raw)

    def __enter__(self) -> Self:
        self._tokens.append(INVOCATION.set(self._invocation()))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        span = self._spans.pop()
        if span is not None:
            span.end(error)
        INVOCATION.reset(self._tokens.pop())
        return None

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self.__exit__(kind, error, trace)

    def _invocation(self) -> Invocation:
        outer = INVOCATION.get()
        self._spans.append(None)
        try:
            headers = carrier_of(self.raw)
            carried = incoming(headers, self._identity)
            parent = carried.trace or outer.trace
            return outer.replace(
                service=outer.service or self._identity.service,
                version=outer.version or self._identity.version,
                colour=carried.colour,
                trigger=self.source,
                headers=headers,
                trace=self._begun(headers, carried.colour) or (trace.begin() if parent is None else trace.child(parent)),
                baggage=carried.baggage,
                forwarded=carried.forwarded,
                raw=self.raw,
            )
        except Exception as failure:
            report_once("message.begin", f"what came along with a record could not be read: {failure!r}")
            return outer

    def _begun(self, headers: dict[str, str], colour: str | None) -> Trace | None:
        """Begin its span, and say where that stands; None where nobody makes one."""
        tracer = SPANS.look()
        span = None if tracer is None else tracer.record(self.source, headers, colour=colour)
        if span is None:
            return None
        self._spans[-1] = span
        said = trace.current(provider())
        return None if said is None else trace.of(said)

    def __repr__(self) -> str:
        # The record may hold secrets.
        return f"{type(self).__name__}({self.source} id={self.id!r})"


class Item(Message):
    """A record of a `Batch`, which is told how it ended."""

    __slots__ = ("_batch", "_began", "_here", "error", "state")

    def __init__(self, record: Any, identity: Identity, batch: Batch) -> None:
        super().__init__(record, identity)
        self._batch = batch
        self.state: str = "waiting"
        self.error: BaseException | None = None

    def __enter__(self) -> Self:
        super().__enter__()
        self.state = "begun"
        self._began = self._batch.clock.monotonic()
        self._here = INVOCATION.get()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        super().__exit__(kind, error, trace)
        self.state = "done" if error is None else "failed"
        self.error = error
        if error is None:
            return False
        clock, log = self._batch.clock, self._batch.log
        end(log, self._here, error=error, began=self._began, ended=clock.monotonic(), record=self.id)
        return isinstance(error, Exception)

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        return self.__exit__(kind, error, trace)


class Batch:
    """The records of an event. Made by `svcgov.batch`.

    A loop over it gives the records that have not been begun, in order, while there is time.

    Raises:
        TypeError: for an event without records.
    """

    def __init__(self, event: Any, *, identity: Identity, log: Log, clock: Clock, reserve: float) -> None:
        records = records_of(event)
        if not records and not (isinstance(event, dict) and event.get("Records") == []):
            raise TypeError(f"expected an event with records, got {type(event).__name__}")
        self.clock = clock
        self.log = log
        self._reserve = reserve
        self._items = [Item(record, identity, self) for record in records]
        self._in_order = any(ordered(record) for record in records[:1])

    def __iter__(self) -> Iterator[Item]:
        for item in self._items:
            if item.state != "waiting":
                continue
            if self._short_of_time() or (self._in_order and self.failures):
                return
            yield item
            if item.state == "waiting":
                item.state = "skipped"

    def __len__(self) -> int:
        return len(self._items)

    @property
    def failures(self) -> list[Item]:
        """The records that failed, each with its ``error``."""
        return [item for item in self._items if item.state == "failed"]

    @property
    def undone(self) -> list[Item]:
        """The records that are reported: failed, not reached, or not at their end."""
        return [item for item in self._items if item.state not in ("done", "skipped")]

    def response(self) -> dict[str, list[dict[str, str]]]:
        """What the handler returns: the records that are to be delivered again.

        Raises:
            BatchFailedError: when not one of the records was done, or the platform takes no report of some.
        """
        undone = self.undone
        if not undone:
            return {"batchItemFailures": []}
        if len(undone) == len(self._items) or not all(item.id and item.source in _PARTIAL for item in undone):
            cause = next((item.error for item in undone if item.error is not None), None)
            raise BatchFailedError(len(undone), len(self._items)) from cause
        return {"batchItemFailures": [{"itemIdentifier": item.id} for item in undone]}

    def _short_of_time(self) -> bool:
        deadline = DEADLINE.get()
        return deadline is not None and deadline - self.clock.monotonic() <= self._reserve

    def __repr__(self) -> str:
        return f"Batch({len(self._items)} records, {len(self.undone)} undone)"
