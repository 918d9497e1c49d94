"""Events and contexts as the platform gives them, for tests of handlers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOLDEN = Path(__file__).parent.parent / "events"


def golden(name: str) -> Any:
    """An event in the shape that the platform documents."""
    return json.loads((GOLDEN / f"{name}.json").read_text())


def http(**headers: str) -> dict[str, Any]:
    """``POST /orders`` by API Gateway, payload format 2.0; names of headers with ``_`` for ``-``."""
    return {
        "version": "2.0",
        "routeKey": "POST /orders",
        "rawPath": "/orders",
        "rawQueryString": "token=secret",
        "headers": {"host": "shop.test", **{name.replace("_", "-"): value for name, value in headers.items()}},
        "requestContext": {
            "http": {"method": "POST", "path": "/orders", "protocol": "HTTP/1.1", "sourceIp": "203.0.113.7"},
            "requestId": "JKJaXmPLvHcESHA=",
            "stage": "$default",
        },
        "body": "{}",
        "isBase64Encoded": False,
    }


def traced(**headers: str) -> dict[str, Any]:
    """The same with a trace."""
    return http(traceparent=f"00-{TRACE_ID}-{SPAN_ID}-01", **headers)


class Context:
    """The platform's context, as much of it as is used."""

    def __init__(
        self, left: float | None = 3.0, request_id: str = "8476a536-e9f4-11e8-9739-2dfe598c3fcd", client: Any = None
    ) -> None:
        self.aws_request_id = request_id
        self.client_context = client
        self._left = left

    def get_remaining_time_in_millis(self) -> Any:
        """Milliseconds, a whole number."""
        return None if self._left is None else int(self._left * 1000)
