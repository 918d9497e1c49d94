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

Rule: an event is whatever somebody sent. Nothing here trusts its shape, and nothing raises.
"""

from __future__ import annotations

from .._core._frozen import Frozen
from ._records import carried_by, strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from ._answers import Answer


class Came(Frozen):
    """A call as it came in.

    Attributes:
        trigger: ``http``, ``direct``, ``authorizer``, or what the records come from, such as ``sqs``.
        headers: names in lower case.
        request_id: the platform's id of the call, or the empty string.
        left: seconds until the platform ends the call, or None.
        method, path, client: of an HTTP request, or the empty string.
        form: how an answer is written, or the empty string where nobody could read one.
    """

    trigger: str
    headers: Mapping[str, str]
    request_id: str
    left: float | None
    method: str = ""
    path: str = ""
    client: str = ""
    form: str = ""


_WAITED_FOR = frozenset(("http", "direct", "authorizer"))


def came(event: Any, context: Any) -> Came:
    """Look at *event* and *context*."""
    method, path, form = _request(event)
    if form:
        trigger = "http" if form in _FORMS else form
        headers = _headers(event)
        form = form if form in _FORMS else ""
    else:
        trigger, headers = carried_by(event) or ("direct", _handed(context))
    return Came(
        trigger=trigger,
        headers=headers,
        request_id=_text(_of(context, "aws_request_id")),
        left=_left(context),
        method=_text(method),
        path=_text(path),
        client=_client(event, headers) if form or trigger == "authorizer" else "",
        form=form,
    )


def waited_for(came: Came) -> bool:
    """Whether somebody waits for the answer: what a message said of its deadline when it was sent is no deadline of ours."""
    return came.trigger in _WAITED_FOR


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


def _client(event: dict[str, Any], headers: Mapping[str, str]) -> str:
    """The address that a request came from: the gateway says it; a load balancer puts it behind what it was told."""
    context = event["requestContext"]
    for part in ("http", "identity"):
        said = context.get(part)
        if isinstance(said, dict) and isinstance(said.get("sourceIp"), str):
            return str(said["sourceIp"])
    return headers.get("x-forwarded-for", "").rpartition(",")[2].strip() if "elb" in context else ""


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


def _left(context: Any) -> float | None:
    left = _asked(context, "get_remaining_time_in_millis")
    try:
        left = left / 1000
    except Exception:  # whatever stands in the place of the platform's context
        return None
    return left if isinstance(left, float) and left - left == 0 else None


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
