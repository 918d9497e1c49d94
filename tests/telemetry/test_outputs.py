"""Which outputs are on: none, unless somebody asks."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from _worlds import in_child, in_threads
from svcgov import Governor, Pipeline
from svcgov import governor as governors
from svcgov._core._listeners import PROCESS
from svcgov._core._meters import METERS
from svcgov.errors import ConfigError
from svcgov.telemetry.outputs import Outputs
from svcgov.testing import ManualClock

from .counting import identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from svcgov.telemetry.access_log import AccessLog
    from svcgov.telemetry.recorder import Recorder


def handled(governor: Governor, error: Exception | None = None) -> Callable[[Any, Any], Any]:
    """A handler of this governor's."""

    @governor.handler
    def orders(event: Any, context: Any) -> Any:
        if error is not None:
            raise error
        return event

    return orders


def recorder_of(governor: Governor) -> Recorder:
    """What counts for it."""
    assert governor._outputs is not None
    return governor._outputs.recorder


async def app(scope: Any, receive: Any, send: Any) -> None:
    """An application that says nothing."""


def test_nothing_is_counted_unless_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """No listener but a log, no meter, no recorder: a call has nobody to tell."""
    monkeypatch.setenv("SVCGOV_LOG", "off")
    governor = Governor(service="shop")
    handled(governor)({}, None)
    governor.asgi(app)
    governor.govern(httpx2.Client(), target="payments")
    assert (governor._outputs, PROCESS.heard, METERS.each) == (None, False, ())


def test_clients_that_are_governed_in_many_threads_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session for each thread is usual, and both may be the first to ask."""
    both = threading.Barrier(2)

    def chosen() -> str:
        both.wait(20)
        return "prometheus"

    monkeypatch.setenv("SVCGOV_METRICS", "prometheus")
    monkeypatch.setattr("svcgov.telemetry.outputs.chosen", chosen)
    governor = Governor(service="shop")
    assert in_threads(2, lambda number: governor.govern(httpx2.Client())) == []
    assert METERS.each == (recorder_of(governor).attempted,)


def test_all_threads_write_to_one_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where another one has made it meanwhile, that is it."""
    governor, own = Governor(service="shop"), governors._making
    made: list[AccessLog] = []

    class Faster:
        """A lock that another thread has held just before."""

        def __enter__(self) -> None:
            monkeypatch.setattr(governors, "_making", own)
            made.append(governor._lines())
            own.acquire()

        def __exit__(self, *ended: object) -> None:
            own.release()

    monkeypatch.setattr(governors, "_making", Faster())
    assert [governor._lines()] == made


def test_a_forked_process_counts_although_its_parent_was_about_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """On another thread, which does not exist there."""
    monkeypatch.setenv("SVCGOV_METRICS", "prometheus")
    assert in_threads(1, lambda number: governors._making.acquire()) == []
    governors._unlocked()
    governor = Governor(service="shop")
    governor.govern(httpx2.Client())
    assert METERS.each == (recorder_of(governor).attempted,)


def test_pages_show_examples_and_pauses() -> None:
    """From when they are mounted: before, nobody would see what is kept and watched for them."""
    outputs = Outputs(identity(), ManualClock(), "")
    assert (outputs.recorder.shows, outputs.recorder.runtime.watching, outputs.recorder.teller) == (False, False, None)
    outputs.pages("/-")
    assert (outputs.recorder.shows, outputs.recorder.runtime.watching) == (True, True)


@pytest.mark.extras
def test_a_provider_is_told_durations_and_pauses() -> None:
    """Examples it makes itself."""
    recorder = Outputs(identity(), ManualClock(), "otel").recorder
    assert (recorder.shows, recorder.runtime.watching, recorder.teller is None) == (False, True, False)


def test_what_is_off_is_not_even_loaded() -> None:
    """A cold start does not pay for it."""
    code = """
import json, sys
import svcgov

@svcgov.handler(service="shop")
def orders(event, context):
    pass

orders({}, None)
print(json.dumps([*sys.modules]))
"""
    loaded = in_child(code)
    assert not {f"svcgov.telemetry.{name}" for name in ("recorder", "metrics", "outputs", "emf", "otel", "runtime")} & set(loaded)
    assert "svcgov.telemetry.access_log" in loaded


@pytest.mark.parametrize("word", ["emf", "otel", "prometheus"])
def test_a_word_in_the_environment_lets_every_way_in_count(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the log off too."""
    monkeypatch.setenv("SVCGOV_METRICS", word)
    monkeypatch.setenv("SVCGOV_LOG", "off")
    governor = Governor(service="shop")
    handled(governor)({}, None)
    (one,) = recorder_of(governor).series()
    assert one.labels["operation"].endswith("handled.<locals>.orders")
    assert (one.labels["service"], one.labels["kind"], one.labels["outcome"]) == ("shop", "direct", "ok")


def test_a_client_lets_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that only calls others has figures as well."""
    monkeypatch.setenv("SVCGOV_METRICS", "prometheus")
    governor = Governor(service="shop")
    client = httpx2.Client(transport=httpx2.MockTransport(lambda request: httpx2.Response(204)))
    governor.govern(client, target="payments", policy=Pipeline()).get("http://payments.test/charge?token=secret")
    (one,) = recorder_of(governor).series()
    known = {name: value for name, value in one.labels.items() if value}
    assert known == {
        "direction": "out",
        "kind": "http",
        "service": "shop",
        "operation": "GET",
        "peer": "payments",
        "outcome": "ok",
        "method": "GET",
        "status": "204",
    }


def test_what_was_governed_before_the_first_output_is_counted_from_then_on() -> None:
    """Whatever the order in which a module is written."""
    governor = Governor(service="shop")
    handler = handled(governor)
    governor.asgi(app, metrics="/-")
    handler({}, None)
    assert len(recorder_of(governor).series()) == 1


def test_off_is_off_whatever_the_code_mounts(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the operator who wants it so."""
    monkeypatch.setenv("SVCGOV_METRICS", "off")
    monkeypatch.setenv("SVCGOV_LOG", "off")
    governor = Governor(service="shop")
    governor.asgi(app, metrics="/-")
    assert (governor._outputs, PROCESS.heard) == (None, False)


def test_a_word_that_is_none_is_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the first edge is made, not when the first figure is missed."""
    monkeypatch.setenv("SVCGOV_METRICS", "statsd")
    with pytest.raises(ConfigError) as caught:
        handled(Governor())
    assert str(caught.value) == "SVCGOV_METRICS: expected one of emf, otel, prometheus, off, got 'statsd'"


def test_emf_writes_a_line_at_the_end_of_a_call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """After the line of the call itself."""
    monkeypatch.setenv("SVCGOV_METRICS", "emf")
    monkeypatch.setenv("SVCGOV_LOG", "json")
    governor = Governor(service="shop", clock=ManualClock())
    handler = handled(governor)
    assert [handler(number, None) for number in (1, 2)] == [1, 2]
    log, figures, again = map(json.loads, capsys.readouterr().out.splitlines())
    assert (log["event"], again["event"]) == ("svcgov.call", "svcgov.call")
    assert figures["faas.invocations"] == 1


@pytest.mark.parametrize("error", [None, LookupError("mine")])
def test_an_output_that_raises_changes_no_call(
    error: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is reported once, the line of the call is written, and the author's error is the author's."""
    monkeypatch.setenv("SVCGOV_METRICS", "emf")
    governor = Governor(service="shop")
    handler = handled(governor, error)
    recorder_of(governor).called = lambda *args, **how: [][0]  # type: ignore[method-assign]
    for _ in range(2):
        if error is None:
            assert handler(1, None) == 1
        else:
            with pytest.raises(LookupError, match="mine"):
                handler(1, None)
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 2
    assert err.count("the end of a call could not be logged: IndexError") == 1
