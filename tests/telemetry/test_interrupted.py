"""In the middle of somebody else's work, as where the collector has come in."""

from __future__ import annotations

import gc
import io
import json
import threading
from contextlib import contextmanager
from types import FunctionType
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor

from svcgov import bulkhead
from svcgov._core import _fork
from svcgov._core._context import Invocation
from svcgov._core._listeners import PROCESS
from svcgov._core._spans import SPANS
from svcgov.facts import LeftCallFailed, RetryScheduled
from svcgov.telemetry import _span_open, traces
from svcgov.telemetry._interrupted import interrupts
from svcgov.telemetry.access_log import AccessLog
from svcgov.telemetry.metrics import FAAS
from svcgov.testing import ManualClock

from .metering import Metered
from .test_otel import told as counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .spanning import Told

pytestmark = pytest.mark.extras


class Amid(SpanProcessor):
    """Does something in the middle of the SDK's work, once."""

    def __init__(self, told: Told) -> None:
        self.does: Callable[[], object] | None = None
        told.provider.add_span_processor(self)

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """A span begins."""
        does, self.does = self.does, None
        if does is not None:
            does()

    def run(self, does: Callable[[], object]) -> None:
        """Do it while a span of somebody's begins, which does not end."""
        self.does = does
        trace.get_tracer("somebody").start_span("theirs")


@contextmanager
def collecting(does: Callable[[], object], most: int = 2000) -> Iterator[list[int]]:
    """While it lasts, the collector comes in as often as it can, and does that; how often it was."""
    done: list[int] = []

    def come_in(phase: str, _: object) -> None:
        if phase == "stop" and len(done) < most:
            done.append(len(done))
            does()

    before = gc.get_threshold()
    gc.callbacks.append(come_in)
    gc.set_threshold(1)
    try:
        yield done
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(come_in)


def ends(work: Callable[[], object]) -> bool:
    """Whether *work* comes to its end, on a thread of its own."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20)
    return not thread.is_alive()


def items() -> Iterator[int]:
    yield from range(3)


def begun() -> Any:
    """A governed generator that has made a step, and has a span."""
    made: Any = bulkhead(1)(items)()
    assert next(made) == 0
    return made


def test_who_is_under_way_is_known_by_its_modules() -> None:
    """By the beginning of their names; the asker itself does not count."""

    def ask() -> bool:
        return interrupts("somebody.")

    def work(asked: Callable[[], bool]) -> bool:
        return asked()

    theirs = FunctionType(work.__code__, {"__name__": "somebody.inside"})
    asker = FunctionType(ask.__code__, {"__name__": "somebody.inside", "interrupts": interrupts})
    assert (theirs(ask), work(ask), asker()) == (True, False, False)


def test_a_fact_that_the_collector_tells_does_not_wait_for_the_span_that_it_has_interrupted(told: Told) -> None:
    """The SDK holds the lock of a span while it adds to it, on the very same thread."""
    traces.begin()

    def tell() -> None:
        PROCESS.tell(RetryScheduled(policy="p", at=0.0, attempt=1, delay=0.0, error="OSError"))

    def work() -> None:
        with trace.get_tracer("somebody").start_as_current_span("theirs") as span:
            for number in range(200):
                span.set_attributes({"number": [number, number], "words": ("one", "two")})

    with collecting(tell) as done:
        assert ends(work)
    assert len(done) > 0
    assert told.one("INTERNAL").name == "theirs"


def test_a_generator_that_ends_in_the_middle_ends_its_span_with_the_next_one(told: Told) -> None:
    """At the moment at which it has ended."""
    traces.begin()
    made, amid = begun(), Amid(told)
    amid.run(made.close)
    assert told.kinds == []
    assert not trace.get_current_span().get_span_context().is_valid
    begun().close()
    first, second = told.of("INTERNAL")
    assert (dict(first.attributes or {}), dict(second.attributes or {})) == ({"svcgov.outcome": "left"},) * 2
    assert first.start_time < first.end_time < second.start_time  # type: ignore[operator]  # both have ended


def test_a_call_in_the_middle_of_the_sdk_s_work_ends_its_span_itself(told: Told) -> None:
    """As where a processor of somebody's is governed: no collector has come in, and no lock is held."""
    traces.begin()
    Amid(told).run(bulkhead(1)(dict))
    assert told.kinds == ["INTERNAL"]


def test_ends_that_nothing_comes_after_take_no_room_without_end(told: Told) -> None:
    """Of more than a thousand that wait the oldest are lost."""
    traces.begin()
    made = [begun() for _ in range(1001)]
    Amid(told).run(lambda: [one.close() for one in made])
    begun().close()
    assert len(told.spans) == 1001


def test_a_forked_process_does_not_end_the_spans_of_its_parent(told: Told) -> None:
    """They are told once."""
    traces.begin()
    amid = Amid(told)
    amid.run(begun().close)

    for renew in [one for one in _fork._todo if one == _span_open._waiting.clear]:  # others would leave us without a loop
        renew()
    begun().close()
    assert len(told.spans) == 1


def test_a_call_that_the_collector_ends_is_recorded_unless_the_sdk_is_under_way(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is counted by the recorder all the same, and what was left out is counted too."""
    metered, counting = Metered().set(monkeypatch), counted()
    amid = Amid(told)
    counting.call(outcome="raised")
    amid.run(lambda: counting.call(outcome="raised"))
    assert metered.points(FAAS, "outcome") == {("raised",): 1}
    assert (counting.counts("outcome"), counting.recorder.output_failures) == ({"raised": 2}, 1)
    assert SPANS.tracer is None


class Slow(io.StringIO):
    """What structlog writes to, and does something in the middle of a line, once."""

    does: Callable[[], object] | None = None

    def write(self, text: str) -> int:
        """Under the lock of the logger."""
        does, self.does = self.does, None
        if does is not None:
            does()
        return super().write(text)


def lines_of(log: AccessLog, out: Slow) -> list[str]:
    """What is in the log of two calls and two facts: one of each came in the middle of a line."""

    def left() -> None:
        log.call(Invocation(service="shop", request_id="amid"), error=GeneratorExit(), took=0.1, late=False)
        log.heard(LeftCallFailed(policy="amid", at=0.0, error="OSError"))

    def work() -> None:
        out.does = left
        structlog.get_logger().info("mine")
        left()

    assert ends(work)
    return out.getvalue().splitlines()


def test_what_the_collector_ends_while_structlog_writes_has_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """structlog holds a lock, on the very same thread; what comes after that has its line."""
    out = Slow()
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()],
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    try:
        monkeypatch.setenv("SVCGOV_LOG", "structlog")
        said = [json.loads(line)["event"] for line in lines_of(AccessLog(ManualClock()), out)]
    finally:
        structlog.reset_defaults()
    assert said == ["mine", "svcgov.call", "svcgov.left_call_failed"]


def test_lines_that_structlog_does_not_write_are_written_all_the_same(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON they need no lock."""
    out = Slow()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(out), cache_logger_on_first_use=False)
    try:
        monkeypatch.setenv("SVCGOV_LOG", "json")
        assert len(lines_of(AccessLog(ManualClock()), out)) == 1
    finally:
        structlog.reset_defaults()
    said = [json.loads(line)["event"] for line in capsys.readouterr().out.splitlines()]
    assert said.count("svcgov.call") == 2
