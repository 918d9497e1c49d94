"""The shop's front: takes an order and has `payments` charge each of its lines. Only the client's own time-out helps it."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2

payments = httpx2.Client(base_url=os.environ["PAYMENTS_URL"], timeout=2.0)


def charge(order: str, line: dict[str, Any]) -> str:
    answer = payments.post("/charges", json=line, headers={"Idempotency-Key": f"{order}/{line['sku']}"})
    answer.raise_for_status()
    return "charged"


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    order = json.loads(event["body"])
    with ThreadPoolExecutor(len(order["lines"])) as pool:
        tasks = [pool.submit(charge, order["id"], line) for line in order["lines"]]
    lines = [task.result() for task in tasks]
    return {"statusCode": 200, "body": json.dumps({"order": order["id"], "lines": lines})}
