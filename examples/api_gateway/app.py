"""Orders behind API Gateway: each is charged by payments, in time or not at all."""

import json
import os

import httpx2

import svcgov
from svcgov import circuit_breaker, rate_limit, retry, timeout

payments = svcgov.govern(
    httpx2.Client(base_url=os.environ["PAYMENTS_URL"]),
    target="payments",
    policy=[retry(attempts=3, backoff=0.05), circuit_breaker("payments", consecutive_failures=3), timeout(1.0)],
)


@svcgov.handler(service="orders", policy=rate_limit("100/second"), errors="map")
def handler(event, context):
    order = json.loads(event["body"])
    answer = payments.post("/charges", json=order, headers={"Idempotency-Key": order["id"]})
    answer.raise_for_status()
    return {"statusCode": 201, "body": json.dumps({"order": order["id"], "receipt": answer.json()["receipt"]})}
