"""The shop's front: takes an order and hands it to `orders`, which it finds by that name. Governed by svcgov."""

from __future__ import annotations

from typing import Any

import httpx2

import svcgov
from svcgov import circuit_breaker, timeout

shop = svcgov.Governor(service="front", registry=svcgov.registry.connect(ttl="9s"))
orders = shop.govern(
    httpx2.Client(base_url="http://orders"),
    target="orders",
    policy=[circuit_breaker("orders", on=["connection", "timeout"]), timeout(3.0)],
)


@shop.handler
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    answer = orders.post("/orders", content=event["body"], headers={"Content-Type": "application/json"})
    answer.raise_for_status()
    return {"statusCode": answer.status_code, "body": answer.text}
