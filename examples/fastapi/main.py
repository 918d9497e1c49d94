"""A shop in a container: FastAPI under uvicorn."""

import asyncio

from fastapi import FastAPI

import svcgov
from svcgov import bulkhead, circuit_breaker, timeout

app = FastAPI()
app.add_middleware(svcgov.asgi, service="shop", policy=bulkhead(100), errors="map", health="/-", requires=["stock"])


@circuit_breaker("stock", consecutive_failures=3)
@timeout(0.2)
async def stock(item):
    await asyncio.sleep(60 if item == "lost" else 0)
    return 7


@app.get("/items/{item}")
async def read(item: str):
    try:
        return {"item": item, "stock": await stock(item), "colour": svcgov.current().colour}
    except svcgov.errors.CallTimeoutError:
        return {"item": item, "stock": None}
