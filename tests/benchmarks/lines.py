"""Section `log`: what the line of a call costs, beside the one of aws-lambda-powertools, and a refusal that has none any more."""

from __future__ import annotations

import contextlib
import io
from importlib import import_module
from typing import TYPE_CHECKING, Any

from svcgov import bulkhead
from svcgov._core._clock import SYSTEM
from svcgov._core._context import Invocation, Trace
from svcgov.errors import BulkheadFullError
from svcgov.telemetry.access_log import AccessLog

from . import frames
from .harness import PLAIN, Case, log_to, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from .table import Figures

TRACE = Trace(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", span_id="00f067aa0ba902b7", sampled=True)
CALL = Invocation(
    platform="lambda",
    service="orders",
    version="7",
    colour="blue",
    request_id="8476a536-e9f4-11e8-9739-2dfe598c3fcd",
    trigger="http",
    headers={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-01"},
    trace=TRACE,
)
SAID = {
    "version": "7",
    "outcome": "ok",
    "duration_ms": 12.345,
    "method": "POST",
    "path": "/orders/7",
    "status": 200,
    "trace_id": TRACE.trace_id,
    "span_id": TRACE.span_id,
    "parent_span_id": "b7ad6b7169203331",
    "request_id": CALL.request_id,
    "colour": "blue",
    "trigger": "http",
}


def nothing() -> None:
    """What a line is beside."""


def ours() -> Callable[[], None]:
    """The line of a call."""
    log = AccessLog(SYSTEM)

    def line() -> None:
        log.call(CALL, error=None, took=0.012345, late=False, operation="orders", method="POST", path="/orders/7", status=200)

    return line


def powertools(out: io.StringIO, said: dict[str, Any]) -> Callable[[], None]:
    """A line with the same fields, by a logger that the function has made once."""
    logger: Any = import_module("aws_lambda_powertools").Logger(service="orders", stream=out)
    return lambda: logger.info("svcgov.call", **said)


def refusing(*, heard: bool) -> Callable[[], None]:
    """A full bulkhead that refuses; *heard* by a log, which has had its line of that already."""
    gate = bulkhead(1)
    if heard:
        gate.listen(AccessLog(SYSTEM).heard)
    governed = gate(nothing)
    gate.__enter__()  # and stays

    def refused() -> None:
        try:
            governed()
        except BulkheadFullError:
            return

    return refused


def lines(*, quick: bool) -> Figures:
    """Lines into memory: what a pipe takes is the platform's."""
    with log_to("json"), contextlib.redirect_stdout(io.StringIO()) as out:

        def emptied() -> None:
            out.seek(0)
            out.truncate()

        cases = [
            Case(PLAIN, nothing),
            Case("line", ours(), rest=emptied),
            Case("powertools", powertools(out, SAID), rest=emptied),
            Case("powertools, bare", powertools(out, {}), rest=emptied),
            Case("refused", refusing(heard=False)),
            Case("storm", refusing(heard=True), floor="refused", rest=emptied),
        ]
        rounds = run(cases, rounds=5 if quick else 60)
    figures: dict[str, Any] = {name: rounds.in_nanoseconds(name) for name in ("line", "powertools", "storm")}
    figures["line / powertools"] = rounds.ratio("line", "powertools")
    figures["line / bare"] = rounds.ratio("line", "powertools, bare")
    return figures


def profile() -> None:
    """Where a line goes."""
    with log_to("json"):
        frames.show("the line of a call", ours(), calls=1)
