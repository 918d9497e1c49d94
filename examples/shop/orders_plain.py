"""The shop's orders, an ASGI application: has `payments` charge each line of an order. Only its client's time-out helps it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
from fastapi import FastAPI, Response

app = FastAPI()
payments = httpx2.Client(base_url=os.environ["PAYMENTS_URL"], timeout=2.0)


def charge(order: str, line: dict[str, Any]) -> str:
    try:
        payments.post("/charges", json=line, headers={"Idempotency-Key": f"{order}/{line['sku']}"}).raise_for_status()
    except httpx2.HTTPError:
        return "failed"
    return "charged"


@app.post("/orders")
def place(order: dict[str, Any], response: Response) -> dict[str, Any]:
    with ThreadPoolExecutor(len(order["lines"])) as pool:
        tasks = [pool.submit(charge, order["id"], line) for line in order["lines"]]
    lines = [task.result() for task in tasks]
    response.status_code = 502 if "failed" in lines else 200
    return {"order": order["id"], "lines": lines}
