"""What is somebody else's: spans, and functions in place of a client's."""

from __future__ import annotations

from functools import partial
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import context, trace
from opentelemetry.trace import SpanKind

from svcgov.telemetry import _span_theirs as theirs

if TYPE_CHECKING:
    from .spanning import Told

pytestmark = pytest.mark.extras


def send() -> None:
    """A client's own."""


def other(module: str) -> Any:
    """The same, as one of another *module*."""
    return FunctionType(send.__code__, {"__name__": module})


THEIRS = other("opentelemetry.instrumentation.httpx")


class Wrapped:
    """A function around another one, as wrapt and functools have it."""

    def __init__(self, inner: Any, **more: Any) -> None:
        self.__wrapped__ = inner
        self.__dict__.update(more)


class Client:
    """One whose method is theirs."""

    send = THEIRS


@pytest.mark.parametrize(
    ("sender", "is_theirs"),
    [
        (send, False),
        (THEIRS, True),
        (Client().send, True),
        (Wrapped(send, _self_wrapper=THEIRS), True),
        (Wrapped(send, _self_wrapper=partial(partial(THEIRS))), True),
        (Wrapped(send, _self_wrapper=send), False),
        (Wrapped(Wrapped(THEIRS)), True),
        (other("opentelemetry.sdk"), False),
        (len, False),
        (None, False),
    ],
)
def test_a_function_of_theirs_is_known_wherever_it_stands(sender: Any, is_theirs: bool) -> None:
    """By the module that it was written in."""
    assert theirs.puts_its_own(sender) is is_theirs


def test_functions_without_end_are_somebodys_own() -> None:
    """Nobody waits for the end of them."""
    endless = Wrapped(send)
    endless.__wrapped__ = endless
    assert theirs.puts_its_own(endless) is False


@pytest.mark.parametrize(
    ("scope", "kind", "serves", "asks"),
    [
        ("opentelemetry.instrumentation.asgi", SpanKind.SERVER, True, False),
        ("opentelemetry.instrumentation.asgi", SpanKind.INTERNAL, True, False),
        ("opentelemetry.instrumentation.aws_lambda", SpanKind.CONSUMER, True, False),
        ("opentelemetry.instrumentation.aiohttp_client", SpanKind.CLIENT, False, True),
        ("svcgov", SpanKind.SERVER, True, False),
        ("svcgov", SpanKind.INTERNAL, False, False),
        ("svcgov", SpanKind.CLIENT, False, True),
        ("shop", SpanKind.SERVER, True, False),
        ("shop", SpanKind.INTERNAL, False, False),
        ("shop", SpanKind.CLIENT, False, False),
    ],
)
def test_a_span_stands_for_a_call_or_a_request_by_its_kind_and_its_maker(
    told: Told, scope: str, kind: SpanKind, serves: bool, asks: bool
) -> None:
    """A span that a program has made around many requests stands for none of them."""
    span = told.provider.get_tracer(scope).start_span("one", kind=kind)
    assert (theirs.serves(span), theirs.asks(span)) == (serves, asks)
    measures = scope.startswith("opentelemetry.") and not scope.endswith("aws_lambda")  # that one has spans only
    assert theirs.measures(span, kind, SpanKind.PRODUCER) is measures
    assert theirs.measures(span, SpanKind.PRODUCER) is False


def test_a_span_that_nobody_records_stands_for_nothing() -> None:
    """It came in a header, say."""
    span = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
    assert (theirs.serves(span), theirs.asks(span)) == (False, False)


def test_a_span_that_does_not_say_what_it_is_stands_for_nothing() -> None:
    """The API knows neither kinds nor makers."""
    span = SimpleNamespace(is_recording=lambda: True)
    assert (theirs.serves(span), theirs.asks(span)) == (False, False)


def test_silence_is_kept_and_asked_for_by_the_same_word() -> None:
    """That of OpenTelemetry's own; where it has none, nobody is silent."""
    here = context.get_current()
    assert theirs.silenced(context, here) is False
    assert theirs.silenced(context, theirs.hushed(context, here)) is True
    older = SimpleNamespace(get_value=context.get_value)
    assert theirs.hushed(older, here) is here
    assert theirs.silenced(older, theirs.hushed(context, here)) is False


class App:
    """An application that may be instrumented."""

    def __init__(self, mark: object) -> None:
        self._is_instrumented_by_opentelemetry = mark


@pytest.mark.parametrize(
    ("raw", "inside"),
    [
        (None, False),
        ("an event", False),
        ({}, False),
        ({"app": object()}, False),
        ({"app": App(False)}, False),
        ({"app": App("yes")}, False),
        ({"app": App(True)}, True),
        ({"opentelemetry-flask.starttime_key": 1}, True),
    ],
)
def test_a_request_that_has_reached_an_instrumentation_says_so(raw: Any, inside: bool) -> None:
    """By the application in its scope, or by what is left in its environ."""
    assert theirs.measured_inside(raw) is inside
