"""The events that API Gateway hands to a function: HTTP API, payload format 2.0, as the platform documents it.

Header names are in lower case, several values of one are joined by commas, the body is text.
"""

from __future__ import annotations

import json
import secrets
import time
from typing import Any

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_API, _HOST = "r3pmxmplak", "r3pmxmplak.execute-api.eu-central-1.amazonaws.com"


def order(number: int, *, lines: int = 1) -> dict[str, Any]:
    """An order of so many *lines*."""
    items = [{"sku": f"sku-{number}-{line}", "quantity": 1, "cents": 1999} for line in range(1, lines + 1)]
    return {"id": f"order-{number}", "lines": items}


def api_gateway_v2(payload: object, *, path: str = "/orders", colour: str | None = "blue") -> dict[str, Any]:
    """``POST`` *path* with *payload* as JSON, from a browser that sends a trace, baggage and, if it has one, a *colour* along."""
    now = time.time()
    utc = time.gmtime(now)
    body = json.dumps(payload)
    headers = {
        "accept": "application/json",
        "baggage": "shop.customer=c-17,shop.basket=b%2F3",
        "content-length": str(len(body)),
        "content-type": "application/json",
        "host": _HOST,
        "traceparent": f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01",
        "user-agent": "shop-browser/1.0",
        "x-amzn-trace-id": f"Root=1-{int(now):08x}-{secrets.token_hex(12)}",
        "x-forwarded-for": "203.0.113.7",
        "x-forwarded-port": "443",
        "x-forwarded-proto": "https",
    }
    if colour is not None:
        headers["x-svcgov-colour"] = colour
    return {
        "version": "2.0",
        "routeKey": f"POST {path}",
        "rawPath": path,
        "rawQueryString": "",
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": _API,
            "domainName": _HOST,
            "domainPrefix": _API,
            "http": {
                "method": "POST",
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "203.0.113.7",
                "userAgent": "shop-browser/1.0",
            },
            "requestId": secrets.token_urlsafe(11) + "=",
            "routeKey": f"POST {path}",
            "stage": "$default",
            "time": f"{utc.tm_mday:02}/{_MONTHS[utc.tm_mon - 1]}/{utc.tm_year}:{time.strftime('%H:%M:%S', utc)} +0000",
            "timeEpoch": int(now * 1000),
        },
        "body": body,
        "isBase64Encoded": False,
    }
