"""The shop's front: takes an order and has `payments` charge each of its lines. Governed by svcgov."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import httpx2

import svcgov
from svcgov import Backoff, bulkhead, circuit_breaker, rate_limit, retry, timeout

payments = svcgov.govern(
    httpx2.Client(base_url=os.environ["PAYMENTS_URL"]),
    target="payments",
    policy=[
        timeout(2.0),  # in all
        bulkhead(8),
        retry(attempts=3, backoff=Backoff(0.05)),
        rate_limit("15/second", burst=16),
        circuit_breaker("payments", window=20, open_for=1.0, half_open_calls=2),
        timeout(0.5),  # for each attempt
    ],
)


def charge(order: str, line: dict[str, Any]) -> str:
    try:
        answer = payments.post("/charges", json=line, headers={"Idempotency-Key": f"{order}/{line['sku']}"})
    except svcgov.errors.RejectedError:
        return "payment will follow"
    answer.raise_for_status()
    return "charged"


@svcgov.handler(service="front")
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    order = json.loads(event["body"])
    with ThreadPoolExecutor(len(order["lines"])) as pool:
        tasks = [pool.submit(copy_context().run, charge, order["id"], line) for line in order["lines"]]
    lines = [task.result() for task in tasks]
    status = 200 if set(lines) == {"charged"} else 202
    return {"statusCode": status, "body": json.dumps({"order": order["id"], "lines": lines})}
