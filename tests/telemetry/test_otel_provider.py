"""Providers of OpenTelemetry's metrics that are not there, come late, raise, or hang."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import metrics as api

from svcgov._core._live import forked
from svcgov.telemetry import otel
from svcgov.telemetry.metrics import FAAS, METRICS
from svcgov.telemetry.otel import Otel

from .counting import Counting
from .metering import Metered, set_provider
from .test_otel import told

pytestmark = pytest.mark.extras


@pytest.fixture
def metered(monkeypatch: pytest.MonkeyPatch) -> Metered:
    """It is the provider of the process while the test lasts."""
    return Metered().set(monkeypatch)


def test_without_a_provider_that_is_said_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are counted for the other outputs; from when there is one it is told, and what was counted before is read."""
    counting = told()
    for _ in range(3):
        counting.call(late=True)
    assert capsys.readouterr().err.count("no provider of metrics is set") == 1
    metered = Metered().set(monkeypatch)
    counting.call()
    assert metered.points(FAAS, "operation") == {("orders",): 1}
    assert metered.points("svcgov.calls.late", "operation") == {("orders",): 3}
    assert counting.counts("outcome") == {"ok": 4}
    assert counting.recorder.output_failures == 0


def test_the_providers_of_the_api_tell_nobody(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """So they are none."""
    set_provider(monkeypatch, api.NoOpMeterProvider())
    told().call()
    assert "no provider of metrics is set" in capsys.readouterr().err


class Faulty:
    """A provider, and its meter and instruments, that goes wrong where a test lets it."""

    def __init__(self, counting: Counting) -> None:
        self.counting = counting
        self.raises: str = ""
        self.takes = 0.0
        self.recorded = 0
        self.made: list[str] = []

    def get_meter(self, name: str) -> Faulty:
        """Make a meter, or raise."""
        return self._do("get_meter")

    def create_histogram(self, name: str, **_: Any) -> Faulty:
        """Make an instrument, or raise."""
        self.made.append(name)
        return self._do("create_histogram")

    def __getattr__(self, name: str) -> Any:
        return lambda given, **_: self.made.append(given)

    def record(self, *_: Any) -> None:
        """Record a duration, or raise."""
        self._do("record")
        self.recorded += 1

    def _do(self, what: str) -> Faulty:
        self.counting.clock.advance(self.takes)
        if what == self.raises:
            raise LookupError("secret")
        return self


@pytest.mark.parametrize("raises", ["get_meter", "create_histogram", "record"])
def test_a_provider_that_raises_touches_no_call(
    raises: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is left alone for ten seconds, which is counted; then it is tried again, and each instrument is made once."""
    counting = Counting()
    faulty = Faulty(counting)
    faulty.raises = raises
    set_provider(monkeypatch, faulty)
    counting.recorder.teller = Otel(counting.recorder)
    for _ in range(3):
        counting.call()
    assert (faulty.recorded, counting.recorder.output_failures) == (0, 4 if raises != "record" else 3)
    assert counting.counts("outcome") == {"ok": 3}
    faulty.raises = ""
    counting.call()
    assert faulty.recorded == 0
    counting.clock.advance(10)
    counting.call()
    assert faulty.recorded == 1
    assert len(set(faulty.made)) == len(METRICS)
    assert len(faulty.made) == len(METRICS) + (raises == "create_histogram")
    error = capsys.readouterr().err
    assert error == "svcgov: a provider of metrics raised LookupError: it is told no durations for 10 s (said once)\n"


def test_a_provider_that_cannot_be_had_touches_no_call(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As where a variable of OpenTelemetry's names one that is not installed."""
    set_provider(monkeypatch, None)
    monkeypatch.setenv("OTEL_PYTHON_METER_PROVIDER", "nobody")
    counting = told()
    counting.call()
    assert (counting.counts("outcome"), counting.recorder.output_failures) == ({"ok": 1}, 2)
    assert "svcgov: a provider of metrics raised StopIteration" in capsys.readouterr().err


def test_nothing_is_said_before_a_call_has_come(capsys: pytest.CaptureFixture[str]) -> None:
    """A provider may still be set."""
    told()
    assert capsys.readouterr().err == ""


def test_a_provider_that_hangs_delays_three_calls(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the next ones: it is told nothing for ten seconds, however many calls there are."""
    counting = Counting()
    faulty = Faulty(counting)
    set_provider(monkeypatch, faulty)
    counting.recorder.teller = Otel(counting.recorder)
    faulty.takes = 2.0
    before = counting.clock.monotonic()
    for _ in range(100):
        counting.call()
    assert counting.clock.monotonic() - before == 6.0
    assert (faulty.recorded, counting.recorder.output_failures) == (3, 98)
    counting.clock.advance(10)
    counting.call()
    assert faulty.recorded == 4
    assert "a provider of metrics took more than 50 ms 3 times in a row" in capsys.readouterr().err


def test_one_slow_duration_is_no_provider_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are instruments that take their time to be made: it may be the machine."""
    counting = Counting()
    faulty = Faulty(counting)
    faulty.takes = 3.0
    set_provider(monkeypatch, faulty)
    counting.recorder.teller = Otel(counting.recorder)
    for takes in (3.0, 3.0, 0.03, 3.0, 3.0, 0.0):
        faulty.takes = takes
        counting.call()
    assert (faulty.recorded, counting.recorder.output_failures) == (6, 0)


def test_whoever_finds_the_instruments_being_made_goes_on(metered: Metered) -> None:
    """A forked child does not wait for its parent's threads."""
    counting = Counting()
    with otel._making:
        counting.recorder.teller = Otel(counting.recorder)
        counting.call()
    assert metered.points(FAAS) == {}
    otel._making.acquire()
    otel._unlocked()
    forked()
    counting.call()
    assert metered.points(FAAS) == {(): 1}


def test_a_recorder_that_two_threads_bring_along_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have found that it has no instruments yet; one of them has been faster."""
    counting, metered, making = told(), Metered().set(monkeypatch), otel._making

    class Faster:
        """A lock that another thread has held just before."""

        def acquire(self, *, blocking: bool) -> bool:
            monkeypatch.setattr(otel, "_making", making)
            counting.call(late=True)
            monkeypatch.setattr(otel, "_making", self)
            return making.acquire(blocking=blocking)

        def release(self) -> None:
            making.release()

    monkeypatch.setattr(otel, "_making", Faster())
    counting.call(late=True)
    assert metered.points("svcgov.calls.late", "operation") == {("orders",): 2}
    (made,) = [one for one in otel._made if one.provider is metered.provider]
    assert made.recorders == [counting.recorder]
