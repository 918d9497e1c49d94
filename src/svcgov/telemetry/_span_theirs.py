"""Whether somebody else makes a span for the same thing: OpenTelemetry's own instrumentations, of servers and of clients.

An instrumentation stands around us, and then its span is the current one; or it stands further in, where it has put functions
of its own in place of a library's (`puts_its_own`).
"""

from __future__ import annotations

from functools import partial

from opentelemetry.trace import SpanKind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_THEIRS = "opentelemetry.instrumentation."
OURS = "svcgov"
_DEEPEST = 10  # functions around one another that are looked at
_SERVED = (SpanKind.SERVER, SpanKind.CONSUMER)
_WITHOUT_METRICS = ("opentelemetry.instrumentation.aws_lambda",)
_FLASK = "opentelemetry-flask.starttime_key"  # what it leaves in an environ
_SILENT = ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY")


def serves(span: Any) -> bool:
    """Whether *span*, which is the current one, stands for the call that has just come in."""
    if not span.is_recording():
        return False
    kind = getattr(span, "kind", None)
    return kind in _SERVED or (kind is SpanKind.INTERNAL and _made_by(span).startswith(_THEIRS))


def asks(span: Any) -> bool:
    """Whether *span*, which is the current one, stands for the request that is about to be sent."""
    made_by = _made_by(span)
    return getattr(span, "kind", None) is SpanKind.CLIENT and (made_by == OURS or made_by.startswith(_THEIRS))


def measures(span: Any, *kinds: SpanKind) -> bool:
    """Whether an instrumentation that has metrics of its own has made *span*, and it is of one of these *kinds*."""
    made_by = _made_by(span)
    return getattr(span, "kind", None) in kinds and made_by.startswith(_THEIRS) and made_by not in _WITHOUT_METRICS


def measured_inside(raw: Any) -> bool:
    """Whether a request has reached an instrumentation further in: *raw* is the scope or the environ that it came by."""
    if type(raw) is not dict:
        return False
    return _FLASK in raw or getattr(raw.get("app"), "_is_instrumented_by_opentelemetry", False) is True


def silenced(context: Any, here: Any) -> bool:
    """Whether clients are to make no spans: *context* is OpenTelemetry's module, *here* the current one."""
    for name in _SILENT:
        key = getattr(context, name, None)
        if key is not None and context.get_value(key, here):
            return True
    return False


def hushed(context: Any, here: Any) -> Any:
    """The context *here*, in which instrumentations of other clients are to make none."""
    key = getattr(context, _SILENT[1], None)
    return here if key is None else context.set_value(key, True, here)


def puts_its_own(sender: Any) -> bool:
    """Whether an instrumentation has put a function of its own in place of *sender*, or around it."""
    for _ in range(_DEEPEST):
        if sender is None:
            return False
        function = getattr(sender, "_self_wrapper", sender)  # as wrapt has it
        while isinstance(function, partial):
            function = function.func
        function = getattr(function, "__func__", function)  # of a method
        if getattr(function, "__globals__", {}).get("__name__", "").startswith(_THEIRS):
            return True
        sender = getattr(sender, "__wrapped__", None)
    return False


def _made_by(span: Any) -> str:
    """The name of what has made *span*, or the empty string where it does not say."""
    return str(getattr(getattr(span, "instrumentation_scope", None), "name", ""))
