"""The metrics through the API of OpenTelemetry, by the provider that is set: ``SVCGOV_METRICS=otel``.

Each duration is recorded when a call ends, by itself, so the provider has steps and examples of its own; all else is read from
the recorder when the provider collects (`_instruments`).

Rule 1: nothing twice: where an instrumentation of OpenTelemetry's tells ``http.server.request.duration`` or
        ``http.client.request.duration`` of a call, we do not. It does so where ``OTEL_SEMCONV_STABILITY_OPT_IN`` has ``http``;
        the names that it has otherwise are others.
Rule 2: without a provider that is said once, and each call looks for one, which is all it costs.
Rule 3: what a provider raises is reported once. After that, and after three durations in a row that took it longer than 50 ms
        each, it is told none for ten seconds; how many those are is counted. What it exports, and how long that takes, is its own
        affair, on a thread of its own.
Rule 4: in the middle of the SDK's own work, where the collector may come in, it is told nothing (`_interrupted`). That is
        counted, too.
"""

from __future__ import annotations

from _thread import allocate_lock

from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind

from .._core._environment import words
from .._core._fork import after_fork
from .._core._report import report_once
from ._instruments import Instruments, attributes_of
from ._interrupted import SDK, interrupts
from ._reading import about, told
from ._series import LABELS
from ._span_theirs import measured_inside, measures, puts_its_own
from .metrics import CLIENT, FAAS, LEFT, SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._instruments import Attributes, Record
    from ._series import Labels
    from .recorder import Recorder

    Known = tuple[str, Attributes, Attributes]

BUDGET = 0.05  # seconds for one duration
IN_A_ROW = 3  # of those that took longer: one alone may be the machine's
REST = 10.0  # seconds, after those, or after one that raised
_OUTCOME = LABELS.index("outcome")
_OF_THE_API = "opentelemetry.metrics"  # its own providers tell nobody


class Otel:
    """Tells the durations of one recorder, once there is a provider."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._clock = recorder.clock
        self._records: dict[str, Record] = {}
        self._known: dict[Labels, Known] = {}  # there are no more of them than series
        self._resting = float("-inf")
        self._slow = 0  # how many durations in a row took too long
        self._stable = not {"http", "http/dup"}.isdisjoint(words("OTEL_SEMCONV_STABILITY_OPT_IN"))
        self._tell(lambda: None, asked=False)

    def timed(self, labels: Labels, took: float, left: float | None, way: Any) -> None:
        """A call of these *labels* has ended; *left* and *way* are as the recorder has them."""
        if labels[_OUTCOME] == "raised" and interrupts(SDK):  # perhaps as the collector has ended it
            self._recorder.output_failures += 1
        else:
            self._tell(self._timed, labels, took, left, way)

    def own(self, name: str, seconds: float) -> None:
        """The process has measured something of its own."""
        self._tell(self._owned, name, seconds)

    def _tell(self, how: Callable[..., None], *what: Any, asked: bool = True) -> None:
        now = self._clock.monotonic()
        if now < self._resting:
            self._recorder.output_failures += 1
            return
        try:
            if not self._records:
                if not self._found(asked=asked):
                    return
                now = self._clock.monotonic()  # to make the instruments takes its time, once
            how(*what)
        except Exception as failure:
            self._rest(now, f"raised {type(failure).__name__}")
        else:
            ended = self._clock.monotonic()
            self._slow = self._slow + 1 if ended - now > BUDGET else 0
            if self._slow >= IN_A_ROW:
                self._rest(ended, f"took more than {BUDGET * 1000:g} ms {IN_A_ROW} times in a row")

    def _timed(self, labels: Labels, took: float, left: float | None, way: Any) -> None:
        name, attributes, short = self._known.get(labels) or self._described(labels)
        if not (self._stable and _others_tell(name, way)):
            self._records[name](took, attributes)
        if left is not None:
            self._records[LEFT](left, short)

    def _owned(self, name: str, seconds: float) -> None:
        self._records[name](seconds, {"service": self._recorder.service})

    def _described(self, labels: Labels) -> Known:
        named = dict(zip(LABELS, labels, strict=True))
        name = CLIENT if named["direction"] == "out" else SERVER if named["kind"] == "http" else FAAS
        short = attributes_of(about(named["service"], named["operation"], named["colour"]))
        known = self._known[labels] = name, attributes_of(told(named)), short
        return known

    def _found(self, *, asked: bool) -> bool:
        """Whether there is a provider, which has made what records durations, and nobody is just having that done."""
        found = provider()
        if found is None:
            if asked:
                report_once("otel", "SVCGOV_METRICS is otel, and no provider of metrics is set: nothing is told until one is")
            return False
        if not _making.acquire(blocking=False):
            return False
        try:
            if self._records:  # by another thread, meanwhile
                return True
            instruments = next((one for one in _made if one.provider is found), None)
            if instruments is None:
                instruments = Instruments(found)
                _made.append(instruments)
            instruments.make()
            instruments.recorders.append(self._recorder)
            self._records = instruments.records
        finally:
            _making.release()
        return True

    def _rest(self, now: float, why: str) -> None:
        self._recorder.output_failures += 1
        self._resting, self._slow = now + REST, 0
        report_once("otel.rest", f"a provider of metrics {why}: it is told no durations for {REST:g} s")


def provider() -> Any:
    """The provider of metrics that is set, or None."""
    found = metrics.get_meter_provider()
    return None if type(found).__module__.startswith(_OF_THE_API) else found


def _others_tell(name: str, way: Any) -> bool:
    """Whether an instrumentation tells of the same call: it stands around it, or further in on its *way*."""
    if name == SERVER:
        return measures(trace.get_current_span(), SpanKind.SERVER, SpanKind.INTERNAL) or measured_inside(way)
    return name == CLIENT and (measures(trace.get_current_span(), SpanKind.CLIENT) or any(map(puts_its_own, way)))


_made: list[Instruments] = []  # a process has one provider
_making = allocate_lock()


@after_fork
def _unlocked() -> None:
    global _making  # noqa: PLW0603  # the module has one
    _making = allocate_lock()
