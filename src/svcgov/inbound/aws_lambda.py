"""AWS Lambda: what the event and the context of a call say about it, and how an answer of ours is written.

Shapes are those of the platform's documentation:

===============  ========================================  ========================================================
form             recognised by                             an answer
===============  ========================================  ========================================================
``v2``           ``version`` 2.0, ``requestContext.http``  HTTP API, function URL: ``headers``, one value for a name
``v1``           ``httpMethod``, ``requestContext``        REST API, HTTP API with format 1.0: the same
``alb``          ``requestContext.elb``                    load balancer: ``headers``, and ``statusDescription``
``alb-multi``    the same, with ``multiValueHeaders``      load balancer: ``multiValueHeaders``, lists of values
===============  ========================================  ========================================================

An authorizer gets a request too, but answers with a policy, so nothing is answered in its place. What comes from queues,
topics and streams is read by `_records`. Any other event is a direct call, which may carry headers in its client context.

A durable function is given a context of its SDK, which has that of the platform inside (``lambda_context``), and says
whether it goes over what has been done in an earlier call (``is_replaying()``).

Rule: an event is whatever somebody sent. Nothing here trusts its shape, and nothing raises.
"""

from __future__ import annotations

from ..propagation.deadline import among
from ._arrival import Came
from ._records import carried_by, strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._answers import Answer


def came(event: Any, context: Any) -> Came:
    """Look at *event* and *context*."""
    inner = _inside(context)
    if inner is not None:
        context = inner
    method, path, form = _request(event)
    client = ""
    if form:
        trigger = "http" if form in _FORMS else form
        headers = _headers(event)
        client = _client(event)
        form = form if form in _FORMS else ""
    else:
        trigger, headers = carried_by(event) or ("direct", _handed(context))
    return Came(
        "lambda",
        trigger,
        headers,
        request_id=_text(_of(context, "aws_request_id")),
        method=_text(method),
        path=_text(path),
        client=client,
        form=form,
        durable=inner is not None,
    )


def waits() -> Callable[[Any, Any], float | None]:
    """As a way in says how long a call may take."""
    return left_of


def left_of(event: Any, context: Any) -> float | None:
    """Seconds until the platform ends the call, or until nobody waits for it any more, whichever comes first."""
    try:
        left: float | None = context.get_remaining_time_in_millis() / 1000
        if not isinstance(left, float) or left - left != 0:
            left = None
    except Exception:  # whatever stands in the place of the platform's context
        inner = _inside(context)
        if inner is not None:
            return left_of(None, inner)  # whatever the caller said, it was when a durable function began
        left = None
    try:
        if not event and context.client_context is None:
            return left
        said = _said(event, context)
    except Exception:  # as above; who looks closer will report it
        return left
    return left if said is None or (left is not None and left < said) else said


def _said(event: Any, context: Any) -> float | None:
    """What the caller says, where somebody waits: a message's deadline was that of the time when it was sent."""
    if isinstance(event, dict) and event:
        here = event.get("requestContext")
        if isinstance(here, dict):
            headers = event.get("headers")
            if isinstance(event.get("httpMethod"), str) or (event.get("version") == "2.0" and "http" in here):
                return among(headers if isinstance(headers, dict) else _headers(event))
        elif carried_by(event) is not None:
            return None
    client = context.client_context
    if client is None:
        return None
    custom = client.get("custom") if isinstance(client, dict) else client.custom
    return among(custom) if isinstance(custom, dict) else None


def replays(context: Any) -> bool:
    """Whether a durable function goes over what has been done in an earlier call."""
    try:
        return context.is_replaying() is True
    except Exception:  # any other context
        return False


def status_of(came: Came, result: Any) -> int | None:
    """The status that an HTTP caller gets: the handler's, or 200 where the platform makes an answer of what was returned."""
    if came.trigger != "http":
        return None
    if not isinstance(result, dict) or "statusCode" not in result:
        return 200 if came.form == "v2" else None
    status = result["statusCode"]
    text = str(status) if isinstance(status, (int, str)) else ""
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else None


def written(form: str, answer: Answer) -> dict[str, Any]:
    """*answer*, as a caller by way of *form* can be given it."""
    result: dict[str, Any] = {"statusCode": answer.status, "body": answer.body, "isBase64Encoded": False}
    if form.startswith("alb"):
        result["statusDescription"] = f"{answer.status} {answer.title}"
    if form == "alb-multi":
        result["multiValueHeaders"] = {name: [value] for name, value in answer.headers.items()}
    else:
        result["headers"] = dict(answer.headers)
    return result


_FORMS = frozenset(("v1", "v2", "alb", "alb-multi"))
_AUTHORIZES = ("methodArn", "routeArn")
_LEFT = "get_remaining_time_in_millis"


def _request(event: Any) -> tuple[Any, Any, str]:
    """Method, path and form of an HTTP request; no form where it is none."""
    context = event.get("requestContext") if isinstance(event, dict) else None
    if not isinstance(context, dict):
        return None, None, ""
    http = context.get("http")
    if event.get("version") == "2.0" and isinstance(http, dict):
        method, path, form = http.get("method"), http.get("path"), "v2"
    elif not isinstance(event.get("httpMethod"), str):
        return None, None, ""
    else:
        method, path, form = event["httpMethod"], event.get("path"), "v1"
        if "elb" in context:
            form = "alb-multi" if isinstance(event.get("multiValueHeaders"), dict) else "alb"
    return method, path, "authorizer" if any(name in event for name in _AUTHORIZES) else form


def _client(event: dict[str, Any]) -> str:
    """The address that a request came from, where the gateway says it. What a load balancer says may be what it was told."""
    context = event["requestContext"]
    for part in ("http", "identity"):
        said = context.get(part)
        if isinstance(said, dict) and isinstance(said.get("sourceIp"), str):
            return str(said["sourceIp"])
    return ""


def _headers(event: dict[str, Any]) -> dict[str, str]:
    """Names in lower case; a header that came more than once is one list, as the standard has it (RFC 9110, 5.3)."""
    headers = strings(event.get("headers"))
    many = event.get("multiValueHeaders")
    if isinstance(many, dict):
        for name, values in many.items():
            if isinstance(name, str) and isinstance(values, list) and values and all(isinstance(one, str) for one in values):
                headers[name.lower()] = ",".join(values)
    return headers


def _handed(context: Any) -> dict[str, str]:
    """What a direct caller gave along: the client context's own part, and what the platform itself carries."""
    client = _of(context, "client_context")
    custom = client.get("custom") if isinstance(client, dict) else _of(client, "custom")
    return strings(custom) | strings(_asked(context, "w3c"))


def _inside(context: Any) -> Any:
    """The platform's context inside of that of a durable function, or None."""
    if _of(context, _LEFT) is not None:
        return None
    inner = _of(context, "lambda_context")
    return None if _of(inner, _LEFT) is None else inner


def _asked(context: Any, name: str) -> Any:
    ask = _of(context, name)
    try:
        return ask() if callable(ask) else None
    except Exception:  # as above
        return None


def _of(context: Any, name: str) -> Any:
    try:
        return getattr(context, name, None)
    except Exception:  # as above
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
