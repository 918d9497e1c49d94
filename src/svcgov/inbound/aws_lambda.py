"""AWS Lambda: what the event and the context of a call say about it.

Shapes are those of the platform's documentation: HTTP API and function URLs, payload format 2.0. Any other event is a
direct call, which carries no headers that we know of.

Rule: an event is whatever somebody sent. Nothing here trusts its shape, and nothing raises.
"""

from __future__ import annotations

from .._core._frozen import Frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


class Came(Frozen):
    """A call as it came in.

    Attributes:
        trigger: ``http`` or ``direct``.
        headers: names in lower case.
        request_id: the platform's id of the call, or the empty string.
        left: seconds until the platform ends the call, or None.
        method, path: of an HTTP request, or the empty string.
    """

    trigger: str
    headers: Mapping[str, str]
    request_id: str
    left: float | None
    method: str = ""
    path: str = ""


def came(event: Any, context: Any) -> Came:
    """Look at *event* and *context*."""
    http = _http(event)
    return Came(
        trigger="direct" if http is None else "http",
        headers={} if http is None else _headers(event.get("headers")),
        request_id=_text(_of(context, "aws_request_id")),
        left=_left(context),
        method=_text((http or {}).get("method")),
        path=_text((http or {}).get("path")),
    )


def status_of(came: Came, result: Any) -> int | None:
    """The status that an HTTP caller gets: the handler's, or 200 where the platform makes an answer of what was returned."""
    if came.trigger != "http":
        return None
    if not isinstance(result, dict) or "statusCode" not in result:
        return 200
    status = result["statusCode"]
    return int(status) if isinstance(status, (int, str)) and str(status).isdigit() else None


def _http(event: Any) -> dict[str, Any] | None:
    if not isinstance(event, dict) or event.get("version") != "2.0":
        return None
    context = event.get("requestContext")
    http = context.get("http") if isinstance(context, dict) else None
    return http if isinstance(http, dict) else None


def _headers(given: Any) -> dict[str, str]:
    if not isinstance(given, dict):
        return {}
    return {name.lower(): value for name, value in given.items() if isinstance(name, str) and isinstance(value, str)}


def _left(context: Any) -> float | None:
    ask = _of(context, "get_remaining_time_in_millis")
    try:
        left = ask() / 1000 if callable(ask) else None
    except Exception:  # whatever stands in the place of the platform's context
        return None
    return left if isinstance(left, float) and left - left == 0 else None


def _of(context: Any, name: str) -> Any:
    try:
        return getattr(context, name, None)
    except Exception:  # as above
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
