"""Requests as AWS Lambda gives them to a handler: those of an API, a function's own address, a load balancer.

Rule: a kind that lower-cases the names of headers on the platform does so here.
"""

from __future__ import annotations

from base64 import b64encode
from json import dumps
from uuid import uuid4

from .._core._clock import SYSTEM, utc
from .made_up import ACCOUNT, REGION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_API = "a1b2c3d4e5"
_CALLER = {"sourceIp": "203.0.113.7", "userAgent": "svcgov.testing"}
_AUTHORIZER = f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{_API}"
_HOSTS = {"alb": f"targets.{REGION}.elb.amazonaws.com", "function_url": f"{_API}.lambda-url.{REGION}.on.aws"}


def request(
    kind: str,
    headers: dict[str, str],
    *,
    method: str | None = None,
    path: str = "/",
    query: Mapping[str, str] | None = None,
    body: Any = None,
) -> dict[str, Any]:
    """A request of this *kind*."""
    method = method or ("GET" if body is None else "POST")
    host = _HOSTS.get("alb" if kind.startswith("alb") else kind, f"{_API}.execute-api.{REGION}.amazonaws.com")
    headers = {"Host": host, "X-Forwarded-For": _CALLER["sourceIp"], **headers}
    if not isinstance(body, (str, bytes, type(None))):
        body = dumps(body)
        headers.setdefault("Content-Type", "application/json")
    if not kind.endswith("v1"):
        headers = {name.lower(): value for name, value in headers.items()}
    return REQUESTS[kind](method, path, dict(query or {}), headers, body)


def _body(body: Any) -> dict[str, Any]:
    if isinstance(body, bytes):
        return {"body": b64encode(body).decode(), "isBase64Encoded": True}
    return {"body": body, "isBase64Encoded": False}


def _time() -> tuple[str, int]:
    """The moment as an API writes it, and in milliseconds."""
    wall = SYSTEM.wall()
    year, month, day = utc(wall)[:10].split("-")
    return f"{day}/{_MONTHS[int(month) - 1]}/{year}:{utc(wall)[11:19]} +0000", int(wall * 1000)


def _v2(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any, **own: Any) -> dict[str, Any]:
    from urllib.parse import urlencode

    said, milliseconds = _time()
    made: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query),
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": _API,
            "domainName": headers["host"],
            "domainPrefix": _API,
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", **_CALLER},
            "requestId": str(uuid4()),
            "routeKey": "$default",
            "stage": "$default",
            "time": said,
            "timeEpoch": milliseconds,
        },
        **_body(body),
    }
    if query:
        made["queryStringParameters"] = query
    if body is None:
        del made["body"]
    made["requestContext"] |= own
    return made


def _v1(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> dict[str, Any]:
    said, milliseconds = _time()
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": _many(headers),
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": _many(query) or None,
        "pathParameters": {"proxy": path.strip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": _API,
            "domainName": headers["Host"],
            "extendedRequestId": "EXAMPLE=",
            "httpMethod": method,
            "identity": dict(_CALLER),
            "path": f"/prod{path}",
            "protocol": "HTTP/1.1",
            "requestId": str(uuid4()),
            "requestTime": said,
            "requestTimeEpoch": milliseconds,
            "resourceId": "n1x2y3",
            "resourcePath": "/{proxy+}",
            "stage": "prod",
        },
        **_body(body),
    }


def _alb(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> dict[str, Any]:
    arn = f"arn:aws:elasticloadbalancing:{REGION}:{ACCOUNT}:targetgroup/targets/6d0ecf831eec9f09"
    return {
        "requestContext": {"elb": {"targetGroupArn": arn}},
        "httpMethod": method,
        "path": path,
        "queryStringParameters": query,
        "headers": headers,
        **_body("" if body is None else body),
    }


def _alb_multi(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> dict[str, Any]:
    made = _alb(method, path, query, headers, body)
    return {
        **{name: value for name, value in made.items() if name not in ("headers", "queryStringParameters")},
        "multiValueQueryStringParameters": _many(query),
        "multiValueHeaders": _many(headers),
    }


def _authorizer_v1(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> dict[str, Any]:
    made = _v1(method, path, query, headers, None)
    kept = ("resource", "path", "httpMethod", "headers", "multiValueHeaders", "pathParameters")
    asked = ("path", "accountId", "resourceId", "stage", "requestId", "resourcePath", "httpMethod", "apiId")
    return {
        "type": "REQUEST",
        "methodArn": f"{_AUTHORIZER}/prod/{method}{path}",
        **{name: made[name] for name in kept},
        "queryStringParameters": query,
        "stageVariables": {},
        "requestContext": {
            **{name: made["requestContext"][name] for name in asked},
            "identity": {"sourceIp": _CALLER["sourceIp"]},
        },
    }


def _authorizer_v2(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> dict[str, Any]:
    made = _v2(method, path, query, headers, None)
    del made["isBase64Encoded"]
    del made["requestContext"]["domainName"], made["requestContext"]["domainPrefix"]
    return {
        **made,
        "type": "REQUEST",
        "routeArn": f"{_AUTHORIZER}/$default/{method}{path}",
        "identitySource": [headers.get("authorization", "")],
        "cookies": [],
        "queryStringParameters": query,
        "stageVariables": {},
    }


def _function_url(method: str, path: str, query: dict[str, str], headers: dict[str, str], body: Any) -> dict[str, Any]:
    return _v2(method, path, query, headers, body, accountId="anonymous")


def _many(values: dict[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in values.items()}


REQUESTS = {
    "http_v2": _v2,
    "function_url": _function_url,
    "rest_v1": _v1,
    "alb": _alb,
    "alb_multi": _alb_multi,
    "authorizer_v1": _authorizer_v1,
    "authorizer_v2": _authorizer_v2,
}
