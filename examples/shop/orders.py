"""The shop's orders, an ASGI application: has `payments` charge each line of an order. Governed by svcgov.

It is in the registry as long as it runs, with what `SVCGOV_ADDRESS`, `SVCGOV_VERSION` and `SVCGOV_COLOUR` say of it.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import httpx2
from fastapi import FastAPI, Response

import svcgov
from svcgov import Backoff, bulkhead, circuit_breaker, rate_limit, retry, timeout

shop = svcgov.Governor(service="orders", registry=svcgov.registry.connect(ttl="9s"))
app = FastAPI()
app.add_middleware(shop.asgi)

payments = shop.govern(
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
        payments.post("/charges", json=line, headers={"Idempotency-Key": f"{order}/{line['sku']}"}).raise_for_status()
    except svcgov.errors.RejectedError:  # payments was not asked
        return "payment will follow"
    except httpx2.HTTPError:
        return "failed"
    return "charged"


@app.post("/orders")
def place(order: dict[str, Any], response: Response) -> dict[str, Any]:
    with ThreadPoolExecutor(len(order["lines"])) as pool:
        tasks = [pool.submit(copy_context().run, charge, order["id"], line) for line in order["lines"]]
    lines = [task.result() for task in tasks]
    response.status_code = 502 if "failed" in lines else 202 if "payment will follow" in lines else 200
    return {"order": order["id"], "lines": lines}
